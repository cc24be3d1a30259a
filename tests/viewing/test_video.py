"""Files that were written, read back."""

import re
import subprocess

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from diffsim.errors import InputError
from diffsim.viewing import (
    VideoError,
    View,
    find_encoder,
    plot_loss,
    render_beside,
    render_optimisation,
    render_video,
    snapshot,
    video,
)
from diffsim.viewing.curves import _draw_losses, best_iteration
from diffsim.viewing.frames import Panel, frame_times
from diffsim.viewing.style import STYLE, rgba

SIZE = (128, 96)


@pytest.fixture(scope="module")
def ffmpeg():
    found = find_encoder()
    if found is None:
        pytest.skip('needs an ffmpeg, as pip install "diffsim[video]" brings one')
    return found


@pytest.fixture
def no_encoder(monkeypatch):
    monkeypatch.delenv("DIFFSIM_FFMPEG", raising=False)
    monkeypatch.setattr(video.shutil, "which", lambda name: None)
    monkeypatch.setattr(video, "_packaged_encoder", lambda: None)


def script(path, text):
    """A program at ``path`` that runs a shell script."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def decoded(ffmpeg, path, size):
    """(frames, height, width, 3) of an MP4."""
    command = [ffmpeg, "-v", "error", "-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, check=True, capture_output=True).stdout
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, size[1], size[0], 3)


def history(count=10):
    """Losses that fall from 5 to 0.5 and then rise a little; the step of iteration 3 was rejected."""
    losses = [5.0 - 0.9 * k if k <= 5 else 0.5 + 0.1 * (k - 5) for k in range(count)]
    return [
        {
            "iteration": k,
            "loss": None if k == 3 else losses[k],
            "best": min(losses[: k + 1]),
            "gradient_norm": 2.0**-k,
        }
        for k in range(count)
    ]


# MP4


def test_mp4_has_the_frames_and_the_size(make, ffmpeg, tmp_path):
    rollout = make.travelling(make.box(), steps=50)  # 0.5 s
    path = render_video(rollout, tmp_path / "new" / "a.mp4", size=SIZE, fps=20.0, speed=1.0)
    assert path == tmp_path / "new" / "a.mp4"
    pictures = decoded(ffmpeg, path, SIZE)
    assert len(pictures) == 11
    for k, row in ((0, 0), (4, 20), (10, 50)):
        exact = snapshot(rollout, row, size=SIZE).astype(float)
        # Lossy, at half the resolution in colour: a few levels on average, less than for the wrong row.
        assert np.abs(pictures[k] - exact).mean() < 3.0
        assert np.abs(pictures[k] - exact).mean() < np.abs(pictures[(k + 5) % 11] - exact).mean()


def test_mp4_is_what_every_player_reads(make, ffmpeg, tmp_path):
    path = render_video(make.travelling(make.box(), steps=50), tmp_path / "a.mp4", size=SIZE, fps=25.0, speed=1.0)
    said = subprocess.run([ffmpeg, "-hide_banner", "-i", path], check=False, capture_output=True, text=True).stderr
    assert re.search(r"Video: h264.*yuv420p.*128x96.*25 fps", said)
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")  # it starts to play before it is all there


def test_odd_sizes_become_even(make, ffmpeg, tmp_path):
    path = render_video(make.travelling(make.box(), steps=1), tmp_path / "a.mp4", size=(127, 95), speed=1.0)
    assert decoded(ffmpeg, path, (128, 96)).shape == (1, 96, 128, 3)


def test_one_row_makes_one_frame(make, ffmpeg, tmp_path):
    path = render_video(make.travelling(make.box(3), steps=0), tmp_path / "a.mp4", size=SIZE)
    assert len(decoded(ffmpeg, path, SIZE)) == 1


def test_speed(make, ffmpeg, tmp_path):
    rollout = make.travelling(make.box(), steps=100)
    path = render_video(rollout, tmp_path / "a.mp4", size=SIZE, fps=10.0, speed=2.0, view=View(azimuth=10))
    assert len(decoded(ffmpeg, path, SIZE)) == 6


# The encoder


def test_the_encoder_is_looked_for_in_order(monkeypatch, tmp_path):
    for name in ("given", "named", "system"):
        (tmp_path / name).mkdir()
    given, named, system = (script(tmp_path / name / "ffmpeg", "true") for name in ("given", "named", "system"))
    monkeypatch.setenv("PATH", str(system.parent))
    monkeypatch.setenv("DIFFSIM_FFMPEG", str(named))
    assert find_encoder(given) == str(given)
    assert find_encoder() == str(named)
    monkeypatch.delenv("DIFFSIM_FFMPEG")
    assert find_encoder() == str(system)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(video, "_packaged_encoder", lambda: "packaged")
    assert find_encoder() == "packaged"


def test_an_encoder_that_is_not_there_is_said(make, monkeypatch, tmp_path):
    rollout = make.travelling(make.box())
    with pytest.raises(InputError, match="encoder is '/no/ffmpeg'"):
        render_video(rollout, tmp_path / "a.mp4", encoder="/no/ffmpeg")
    monkeypatch.setenv("DIFFSIM_FFMPEG", "/nor/ffmpeg")
    with pytest.raises(InputError, match="DIFFSIM_FFMPEG is '/nor/ffmpeg'"):
        render_video(rollout, tmp_path / "a.mp4")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("reads", ["true", "cat >/dev/null"])
def test_a_failing_encoder_leaves_nothing_and_is_quoted(make, tmp_path, reads):
    program = script(tmp_path / "ffmpeg", f"{reads}; echo 'no such codec' >&2; exit 3")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.mp4").write_text("of an earlier run")
    with pytest.raises(VideoError, match=r"(?s)status 3.*no such codec"):
        render_video(make.travelling(make.box()), tmp_path / "out" / "a.mp4", encoder=program)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["a.mp4"]
    assert (tmp_path / "out" / "a.mp4").read_text() == "of an earlier run"


def test_a_failing_frame_leaves_nothing(make, ffmpeg, monkeypatch, tmp_path):
    def fail(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Panel, "paint", fail)
    for name in ("a.mp4", "a.gif"):
        with pytest.raises(KeyboardInterrupt):
            render_video(make.travelling(make.box()), tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_other_endings_are_refused(make, tmp_path):
    with pytest.raises(InputError, match=r"must end in \.mp4 or \.gif"):
        render_video(make.travelling(make.box()), tmp_path / "a.avi")


# GIF


def test_gif_goes_where_there_is_no_encoder(make, no_encoder, tmp_path):
    rollout = make.travelling(make.box(), steps=10)
    with pytest.warns(UserWarning, match=r'a\.gif.*pip install "diffsim\[video\]"'):
        path = render_video(rollout, tmp_path / "a.mp4", size=SIZE)
    assert path == tmp_path / "a.gif"
    assert [found.name for found in tmp_path.iterdir()] == ["a.gif"]


def local_palettes(data):
    """Number of frames of a GIF, and of those with a palette of their own; by the blocks of GIF89a."""
    at = 13 + (3 * 2 ** ((data[10] & 7) + 1) if data[10] & 128 else 0)
    frames = own = 0
    while data[at] != 0x3B:
        if data[at] == 0x21:
            at += 2
        else:
            packed = data[at + 9]
            frames, own = frames + 1, own + (packed >> 7)
            at += 11 + (3 * 2 ** ((packed & 7) + 1) if packed & 128 else 0)
        while data[at]:
            at += data[at] + 1
        at += 1
    return frames, own


def test_gif_has_one_palette_loops_and_takes_its_time(make, tmp_path):
    rollout = make.travelling(make.box(), steps=100, actuation=np.linspace(-1, 1, 100)[:, None])
    path = render_video(rollout, tmp_path / "a.gif", size=(127, 95), fps=30.0, speed=1.0)
    frames, own = local_palettes(path.read_bytes())
    assert frames == 31
    assert own == 0
    with Image.open(path) as image:
        assert image.size == (127, 95)
        assert image.info["loop"] == 0
        durations = []
        for k in range(image.n_frames):
            image.seek(k)
            durations.append(image.info["duration"])
            exact = snapshot(rollout, min(round(k / 0.3), 100), size=(127, 95)).astype(float)
            assert np.abs(np.asarray(image.convert("RGB")) - exact).mean() < 1.5
    assert abs(sum(durations) - 31000 / 30) <= 5  # [ms]; each is a whole number of hundredths


def test_gif_is_not_faster_than_browsers(make, tmp_path):
    path = render_video(make.travelling(make.box(), steps=50), tmp_path / "a.gif", size=SIZE, fps=100.0, speed=1.0)
    with Image.open(path) as image:
        assert image.n_frames == 26
        assert image.info["duration"] == 20


# Optimisations


def test_optimisation_shows_all_rollouts_and_the_curve(make, ffmpeg, tmp_path):
    rollouts = [(k, make.travelling(make.box(), steps=20, distance=d)) for k, d in ((0, 0.1), (4, 0.5), (5, 1.0))]
    path = render_optimisation(rollouts, history(), tmp_path / "o.mp4", size=(601, 300), fps=20.0, hold=0.2, speed=1.0)
    pictures = decoded(ffmpeg, path, (602, 300))
    assert len(pictures) == 5 + 4
    assert np.abs(pictures[-1].astype(float) - pictures[4]).mean() < 1.0
    last = pictures[-1]
    dark = (last < 90).all(axis=2)[60:180]  # points, below the words and above the curve
    where = [np.argwhere(dark[:, k * 203 : k * 203 + 195])[:, 1].max() for k in range(3)]
    assert where[0] + 20 < where[1] < where[2] - 20  # one camera for all: farther is farther right
    blue = np.abs(last[192:].astype(float) - 255 * rgba(STYLE.best)[:3]).max(axis=2) < 60
    assert blue.sum() > 100


@pytest.mark.parametrize(("count", "dimension"), [(1, 2), (2, 3), (4, 2)])
def test_optimisation_of_other_numbers_of_rollouts(make, tmp_path, count, dimension):
    rollouts = [(k, make.travelling(make.box(dimension), steps=2)) for k in range(count)]
    path = render_optimisation(rollouts, history(), tmp_path / "o.gif", fps=10.0, hold=0.0, speed=1.0)
    with Image.open(path) as image:
        assert image.size == (400 * max(count, 2), 540)


def test_optimisation_refuses_none_and_five(make, tmp_path):
    for count in (0, 5):
        rollouts = [(k, make.travelling(make.box())) for k in range(count)]
        with pytest.raises(InputError, match="one to four"):
            render_optimisation(rollouts, history(), tmp_path / "o.mp4")


def test_rollouts_beside_each_other(make, tmp_path):
    """Each under its words, the shorter one standing still from its end on; as many frames as the longer one needs."""
    rollouts = {"here": make.travelling(make.box(), steps=50), "there": make.travelling(make.box(), steps=25)}
    path = render_beside(rollouts, tmp_path / "b.gif", size=(320, 160), fps=10.0, speed=0.1)
    with Image.open(path) as image:
        assert (image.size, image.n_frames) == ((320, 160), len(frame_times(rollouts["here"].time, 10.0, 0.1)))
        seen = []
        for k in (0, image.n_frames // 2 + 1, image.n_frames - 1):
            image.seek(k)
            seen.append(np.asarray(image.convert("RGB"), float))
    first, middle, last = seen
    left, right = slice(0, 156), slice(164, 320)
    assert all(np.abs(one[:, left] - other[:, left]).max() > 50.0 for one, other in ((first, middle), (middle, last)))
    assert np.abs(first[:, right] - middle[:, right]).max() > 50.0
    np.testing.assert_array_equal(middle[:, right], last[:, right])
    with pytest.raises(InputError, match="one to four"):
        render_beside({}, tmp_path / "b.gif")


def test_the_best_iteration_has_the_lowest_loss():
    assert best_iteration(history()) == 5
    assert best_iteration([]) is None
    assert best_iteration([{"iteration": 0, "loss": None}, {"iteration": 1, "loss": float("nan")}]) is None


@pytest.mark.parametrize("offset", [0.0, 5.0])
def test_a_best_below_all_losses_is_in_the_picture(offset):
    """As where the loss is the mean over samples, and the best that of one of them."""
    records = [{"iteration": k, "loss": 2.0 - 0.1 * k, "best": 0.5 if k < 6 else -4.0} for k in range(9)]
    records = [{**record, "loss": record["loss"] + offset, "best": record["best"] + offset} for record in records]
    assert best_iteration(records) == 6
    axes = Figure().add_subplot()
    _draw_losses(axes, records, 1.0)
    low, high = axes.get_ylim()
    assert low < offset - 4.0
    assert offset + 2.0 < high < offset + 10.0


@pytest.mark.parametrize(
    "losses",
    [[], [1.0], [None], [None, None], [2.0, 2.0], [1e3, 1.0, 1e-3], [-1.0, 1e30, float("inf"), -2.0], [0.0]],
)
def test_curves_of_odd_histories(make, tmp_path, losses):
    odd = [{"iteration": k, "loss": loss, "best": None, "gradient_norm": loss} for k, loss in enumerate(losses)]
    path = plot_loss(odd, tmp_path / "loss.png")
    with Image.open(path) as image:
        assert image.size == (960, 540)
    rollouts = [(0, make.travelling(make.box(), steps=1))]
    render_optimisation(rollouts, odd, tmp_path / "o.gif", size=SIZE, hold=0.0)


def test_plot_of_the_loss_shows_the_gradient(tmp_path):
    orange = []
    for norm in (1.0, None):
        entries = [{**entry, "gradient_norm": norm} for entry in history()]
        with Image.open(plot_loss(entries, tmp_path / "loss.png")) as image:
            shown = np.asarray(image.convert("RGB")).astype(float)
        orange.append((np.abs(shown - 255 * rgba(STYLE.gradient)[:3]).max(axis=2) < 40).sum())
    assert orange[0] > 100
    assert orange[1] == 0


@pytest.mark.parametrize(("steps", "seconds"), [(10, 3.0), (600, 6.0)])
def test_a_video_without_a_speed_lasts_three_seconds_at_least(make, ffmpeg, tmp_path, steps, seconds):
    rollout = make.travelling(make.box(), steps=steps)
    span = float(np.ptp(rollout.time))
    path = render_video(rollout, tmp_path / "a.mp4", size=SIZE, fps=10.0)
    assert len(decoded(ffmpeg, path, SIZE)) == round(10.0 * max(3.0, span)) + 1
    path = render_optimisation([(0, rollout)], history(), tmp_path / "o.mp4", size=SIZE, fps=10.0, hold=0.0)
    assert len(decoded(ffmpeg, path, SIZE)) == round(10.0 * max(3.0, span)) + 1
    assert max(3.0, span) == pytest.approx(seconds)
