"""Reports in a browser without a window: they load from a file without complaint, play, and look as they should.

The pictures in ``pictures/`` are what the canvas showed when somebody looked at it. To renew them after a change of the
drawing, run these tests with DIFFSIM_NEW_PICTURES=1 and look at every one.
"""

import base64
import io
import os
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from diffsim.viewing import write_report

PICTURES = Path(__file__).with_name("pictures")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --force-color-profile=srgb"
)
DESKTOP, PHONE = (1200, 860), (390, 844)

# Mean colours of blocks of so many pixels differ by at most that, of 255. Edges are smoothed a little differently from
# version to version, and numbers on the ruler are in the font of the machine: another one makes 5. A body that is
# missing makes 40, springs or flesh that are missing more than 20, muscles in the colours of others 55.
BLOCK, ALIKE = 12, 10.0


@pytest.fixture(scope="module")
def browser():
    api = pytest.importorskip(
        "playwright.sync_api", reason='needs playwright, as pip install "diffsim[test]" brings it'
    )
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip("needs a Chromium or Chrome, as apt-get install chromium brings one")
    with api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=found, args=FLAGS.split())
        yield running
        running.close()


@pytest.fixture(scope="module")
def reports(make, tmp_path_factory):
    """Files of reports by name, each written once."""
    folder = tmp_path_factory.mktemp("reports")
    walking = [make.travelling(make.box(2), distance=0.2 * k, actuation=np.linspace(-1.0, 1.0, 6)) for k in range(1, 7)]
    kinds = {
        "square": make.learned(
            24, walking[0], rollouts=[(4 * k, walk) for k, walk in enumerate(walking)], best_iteration=20
        ),
        "cube": make.learned(5, make.travelling(make.box(3), actuation=np.linspace(-1.0, 1.0, 28))),
        "machine": make.learned(5, make.machine()),
        "robot": make.learned(5, make.robot()),
        "runner": make.learned(5, make.robot(distance=30.0)),
        "afloat": make.learned(2, make.travelling(make.box(3, ground=False), distance=0.0)),
        "flying": make.learned(2, make.flying()),
        "crowd": make.learned(2, make.crowd()),
        "table": make.learned(2, make.table()),
    }
    with make.zoo() as (plane, space):
        kinds.update(plane=make.learned(2, plane), space=make.learned(2, space))
        return {name: write_report(folder / f"{name}.html", **given) for name, given in kinds.items()}


@pytest.fixture(scope="module")
def contexts(browser):
    """Contexts by what they are like, each made once: making one takes as long as a test."""
    made = {}

    def context(size, dark, calm, **options):
        key = (size, dark, calm, *options)
        if key not in made:
            made[key] = browser.new_context(
                viewport={"width": size[0], "height": size[1]},
                color_scheme="dark" if dark else "light",
                reduced_motion="reduce" if calm else "no-preference",
                **options,
            )
            made[key].set_default_timeout(20_000)  # this machine may be busy
        return made[key]

    yield context
    for context in made.values():
        context.close()


@pytest.fixture
def visit(contexts, reports):
    """Opens a report, and fails afterwards if the page complained or asked anyone for anything."""
    pages, complaints, known = [], [], {"about:srcdoc"}

    def opened(name, size=DESKTOP, *, dark=False, calm=True, **options):
        page = contexts(size, dark, calm, **options).new_page()
        pages.append(page)
        page.on("console", lambda message: complaints.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(f"error: {error}"))
        page.on("request", lambda request: None if local(request.url) else complaints.append(request.url))
        address = reports[name].as_uri() if name in reports else name
        known.add(address)
        page.goto(address)
        page.wait_for_selector("html[data-ready=yes]")
        return page

    def local(url):
        return url in known or url.startswith(("data:", "blob:"))

    yield opened
    for page in pages:
        page.close()
    assert complaints == []


def time_of(page):
    return float(page.locator("#time").inner_text().split()[0])


def iteration_of(page):
    return int(page.locator("html").get_attribute("data-iteration"))


def scrub(page, share):
    """Go to a share of the whole time, as a hand does with the slider."""
    page.evaluate(
        "share => { const s = document.getElementById('scrub'); const [a, b] = [Number(s.min), Number(s.max)];"
        "s.value = a + share * (b - a); s.dispatchEvent(new Event('input')); }",
        share,
    )


def until(condition, seconds=20.0):
    """Wait for something to be true; the page's own policy forbids the browser to wait for a line of script."""
    last = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < last, "it did not come true"
        time.sleep(0.02)


def settle(page):
    """Until what was asked for is drawn."""
    page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")


def canvas(page, name="canvas"):
    """(height, width, 3) of the canvas, without what stands over it."""
    settle(page)
    url = page.evaluate(f"document.getElementById('{name}').toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def apart(one, other):
    return float(np.abs(one - other).mean())


# Playing


def test_it_plays_on_its_own_and_pauses(visit):
    page = visit("square", calm=False)
    until(lambda: time_of(page) > 0.1)
    assert page.locator("#play").get_attribute("aria-label") == "Pause"
    page.locator("#play").click()
    stopped = time_of(page)
    page.wait_for_timeout(150)
    assert time_of(page) == stopped


def test_who_wants_no_motion_starts_it_by_hand(visit):
    page = visit("square")
    page.wait_for_timeout(100)
    assert time_of(page) == 0.0
    before = canvas(page)
    page.locator("#play").click()
    until(lambda: time_of(page) > 0.2)
    assert apart(before, canvas(page)) > 0.2


def test_at_the_end_it_begins_again(visit):
    page = visit("square")
    scrub(page, 0.98)
    page.locator("#speed").select_option("2")
    page.locator("#play").click()
    until(lambda: time_of(page) < 0.5)


def test_steps_are_frames_and_the_slider_goes_anywhere(visit):
    page = visit("square")
    page.locator("#forward").click()
    page.locator("#forward").click()
    assert time_of(page) == pytest.approx(0.02)
    page.locator("#back").click()
    assert time_of(page) == pytest.approx(0.01)
    scrub(page, 0.5)
    assert time_of(page) == pytest.approx(0.5)


def test_the_picture_is_where_the_body_is(visit):
    """What moved by 0.24 m of 0.2 m is somewhere else: between two frames it is half way."""
    page = visit("square")
    scrub(page, 0.0)
    first = canvas(page)
    scrub(page, 0.995)  # between the last two frames
    almost = canvas(page)
    scrub(page, 1.0)
    last = canvas(page)
    assert apart(first, last) > 3.0
    assert 0.0 < apart(almost, last) < 1.5


# Iterations


def test_iterations_keep_the_time(visit):
    page = visit("square")
    assert iteration_of(page) == 20  # the best
    scrub(page, 0.4)
    page.locator("#iterations").fill("1")
    page.wait_for_selector("html[data-iteration='4']")
    assert time_of(page) == pytest.approx(0.4)
    assert page.locator("#caption").inner_text().startswith("iteration 4")
    assert page.locator("#iterations").get_attribute("aria-valuetext") == "iteration 4"


def test_it_is_watched_as_it_learns(visit):
    page = visit("square")
    page.locator("#iterations").fill("0")
    page.wait_for_selector("html[data-iteration='0']")
    page.locator("#speed").select_option("2")
    page.locator("#through").click()
    assert page.locator("#through").get_attribute("aria-pressed") == "true"
    page.wait_for_selector("html[data-iteration='4']")


def test_a_click_on_the_curve_shows_the_nearest_saved_iteration(visit):
    page = visit("square")
    chart = page.locator("#loss svg")
    box = chart.bounding_box()
    # Iterations 0 to 23 lie between the left and the right margin; 9.5 is near 8, which is saved.
    x = 52 + (box["width"] - 62) * (9.4 + 0.46) / (23 + 0.92)
    page.mouse.move(box["x"] + x, box["y"] + 60)
    tip = page.locator("#loss .tip")
    tip.wait_for()  # until it is seen
    assert re.match(r"iteration 9 · loss 0\.1 · best 0\.1", tip.inner_text())
    page.mouse.click(box["x"] + x, box["y"] + 60)
    page.wait_for_selector("html[data-iteration='8']")


def test_a_rejected_step_is_a_gap(visit):
    page = visit("square")
    box = page.locator("#loss svg").bounding_box()
    x = 52 + (box["width"] - 62) * (3 + 0.46) / (23 + 0.92)
    page.mouse.move(box["x"] + x, box["y"] + 60)
    assert "step rejected" in page.locator("#loss .tip").inner_text()
    assert page.locator("#loss path.loss").get_attribute("d").count("M") == 2


# Keys


def test_keys(visit):
    page = visit("square")
    page.keyboard.press("Space")
    until(lambda: time_of(page) > 0)
    page.keyboard.press("Space")
    page.keyboard.press("Home")
    assert time_of(page) == 0.0
    page.keyboard.press("ArrowRight")
    assert time_of(page) == pytest.approx(0.05)
    page.keyboard.press(".")
    assert time_of(page) == pytest.approx(0.06)
    page.keyboard.press(",")
    page.keyboard.press("ArrowLeft")
    assert time_of(page) == pytest.approx(0.0)
    page.keyboard.press("End")
    assert time_of(page) == pytest.approx(1.0)
    page.keyboard.press("[")
    page.wait_for_selector("html[data-iteration='16']")
    page.keyboard.press("]")
    page.wait_for_selector("html[data-iteration='20']")
    page.keyboard.press("ArrowDown")
    assert page.locator("#speed").input_value() == "0.5"
    page.keyboard.press("?")
    assert page.locator("#keys").is_visible()
    page.locator("#keys button").click()
    assert not page.locator("#keys").is_visible()


def test_everything_is_reached_with_tab_and_has_a_name(visit):
    page = visit("square")
    reached = []
    for _ in range(17):
        page.keyboard.press("Tab")
        reached.append(page.evaluate("document.activeElement.id"))
    wanted = {"theme", "canvas", "back", "play", "forward", "scrub", "speed", "help", "iterations", "best", "through"}
    wanted |= {"ghost", "history-csv"}
    assert wanted <= set(reached)
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, select, canvas, svg[role]')]"
        ".filter(e => !(e.ariaLabel || e.textContent.trim() || (e.labels && e.labels.length))).map(e => e.outerHTML)"
    )
    assert nameless == []


# The eye


@pytest.mark.parametrize("name", ["cube", "robot"])
def test_dragging_turns_the_picture_and_reset_turns_it_back(visit, name):
    page = visit(name)
    before = canvas(page)
    box = page.locator("#canvas").bounding_box()
    middle = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(*middle)
    page.mouse.down()
    page.mouse.move(middle[0] + 90, middle[1] + 20, steps=4)
    page.mouse.up()
    assert apart(before, canvas(page)) > 2.0
    page.locator("#reset").click()
    assert apart(before, canvas(page)) == 0.0


def test_the_wheel_enlarges(visit):
    page = visit("robot")
    before = canvas(page)
    box = page.locator("#canvas").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.wheel(0, -400)
    page.wait_for_selector("#reset:not([hidden])")
    dark = [int((picture.sum(axis=2) < 330).sum()) for picture in (before, canvas(page))]
    assert dark[1] > 1.3 * dark[0]


def test_the_camera_goes_along(visit):
    page = visit("runner")
    rows, columns = [], []
    for share in (0.1, 0.5, 0.9):
        scrub(page, share)
        at = np.argwhere((np.abs(canvas(page) - np.array([168, 194, 229])) < 14).all(axis=2))  # the trunk
        rows.append(at[:, 0].mean())
        columns.append(at[:, 1].mean())
    assert np.ptp(columns) < 60
    assert np.ptp(rows) < 40


# Curves over time

LEFT, RIGHT = 56, 10  # margins of a chart [pixels]


def trace(page, k=0):
    chart = page.locator("#trace-list canvas").nth(k)
    chart.scroll_into_view_if_needed()
    return chart


def test_a_click_on_a_curve_goes_there(visit):
    page = visit("machine")
    for k, share in enumerate((0.75, 0.25)):
        chart = trace(page, k)
        box = chart.bounding_box()
        page.mouse.click(box["x"] + LEFT + share * (box["width"] - LEFT - RIGHT), box["y"] + 50)
        assert time_of(page) == pytest.approx(share * 1.2, abs=0.01)


def test_the_cursor_on_curves_goes_with_the_player(visit):
    """Between two times nothing but the cursor changes, and it is where the time is."""
    page = visit("machine")
    pictures = {}
    for share in (0.25, 0.75):
        scrub(page, share)
        settle(page)
        url = page.evaluate("document.querySelector('#trace-list canvas').toDataURL('image/png')")
        with Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) as image:
            pictures[share] = np.asarray(image.convert("RGBA")).astype(int)
    columns = np.flatnonzero(np.abs(pictures[0.25] - pictures[0.75]).max(axis=(0, 2)) > 60)
    width = pictures[0.25].shape[1]
    wanted = [LEFT + share * (width - LEFT - RIGHT) for share in (0.25, 0.75)]
    assert all(min(abs(column - at) for at in wanted) < 2.5 for column in columns)
    assert all(min(abs(column - at) for column in columns) < 2.5 for at in wanted)


def test_every_series_has_a_chart(visit):
    page = visit("machine")
    titles = page.locator("#trace-list h3").all_inner_texts()
    assert titles == ["actuation", "joint angles [rad]", "contact forces [N]"]
    page = visit("robot")
    titles = page.locator("#trace-list h3").all_inner_texts()
    assert titles == ["actuation", "joint angles [rad]", "joint speeds [rad/s]", "energy [J]"]
    assert page.locator(".legend-line").nth(1).inner_text().startswith("hip")


def test_curves_are_moved_along_with_the_keyboard(visit):
    page = visit("machine")
    chart = trace(page)
    chart.focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert time_of(page) == pytest.approx(0.04)
    page.keyboard.press("ArrowLeft")
    assert time_of(page) == pytest.approx(0.02)
    assert chart.get_attribute("aria-valuenow") == "0.02"
    assert chart.get_attribute("aria-valuetext").startswith("0.02 s: ")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.press("Home")  # all else is the player's
    assert time_of(page) == 0.0


def test_losses_are_walked_along_with_the_keyboard(visit):
    page = visit("square")
    chart = page.locator("#loss svg")
    page.locator("#history-csv").focus()
    page.keyboard.press("Tab")
    assert page.locator("#loss .tip").inner_text().startswith("iteration 20 ")
    for _ in range(3):
        page.keyboard.press("ArrowLeft")
    assert chart.get_attribute("aria-valuetext").startswith("iteration 17 · loss 0.05")
    page.keyboard.press("Enter")
    page.wait_for_selector("html[data-iteration='16']")
    page.keyboard.press("Home")
    assert chart.get_attribute("aria-valuenow") == "0"


def test_axes_say_what_they_are(visit):
    page = visit("square")
    assert page.locator("#loss svg text").all_text_contents()[-1] == "iteration"


def test_many_actuators_are_rows_that_are_told_apart(visit):
    page = visit("crowd")
    legend = page.locator(".legend-line").first
    assert legend.inner_text().startswith("90 of them, those that act alike side by side")
    box = trace(page).bounding_box()
    page.mouse.move(box["x"] + 200, box["y"] + 40)
    assert re.match(r"\d+ ", legend.inner_text())
    # Waves of all phases, in the order of their phases, make slanted stripes: neighbours are nearly alike.
    url = page.evaluate("document.querySelector('#trace-list canvas').toDataURL('image/png')")
    with Image.open(io.BytesIO(base64.b64decode(url.split(",", 1)[1]))) as image:
        column = np.asarray(image.convert("RGB")).astype(int)[8:290, 150]
    assert np.abs(np.diff(column, axis=0)).sum(axis=1).mean() < 12


def test_a_ghost_stays_while_another_iteration_is_shown(visit):
    page = visit("square")
    scrub(page, 1.0)
    alone = canvas(page)
    page.locator("#iterations").fill("0")
    page.wait_for_selector("html[data-iteration='0']")
    page.keyboard.press("g")
    assert page.locator("#ghost").inner_text() == "ghost: 0"
    page.locator("#best").click()
    page.wait_for_selector("html[data-iteration='20']")
    assert 0.3 < apart(alone, canvas(page)) < 30.0  # it ends a metre behind
    assert "dashed iteration 0" in page.locator("#tracing").inner_text()
    page.locator("#ghost").click()
    assert page.locator("#ghost").get_attribute("aria-pressed") == "false"
    assert apart(alone, canvas(page)) == 0.0


@pytest.mark.parametrize("name", ["robot", "cube"])
def test_a_ghost_in_space_is_paler(visit, name):
    page = visit(name)
    before = canvas(page)
    page.locator("#ghost").click()
    page.locator("#iterations").fill("0")
    page.wait_for_selector("html[data-iteration='0']")
    # Both are the same rollout: the ghost is where the body is, which hides most of it.
    assert apart(before, canvas(page)) < 2.0


def test_curves_and_losses_are_kept_as_csv(visit):
    page = visit("machine")
    with page.expect_download() as waiting:
        page.locator("#traces-csv").click()
    assert waiting.value.suggested_filename == "curves_iteration_4.csv"
    rows = [line.split(",") for line in waiting.value.path().read_text().splitlines()]
    assert rows[0][:3] == ["time [s]", "actuation 0", "actuation 1"]
    assert {len(row) for row in rows} == {len(rows[0])}
    table = np.array(rows[1:], dtype=float)
    assert len(table) == 61
    assert table[:, 0] == pytest.approx(0.02 * np.arange(61))
    assert table[:-1, 1] == pytest.approx(np.sin(9.0 * np.arange(60) / 60), abs=1e-3)
    with page.expect_download() as waiting:
        page.locator("#history-csv").click()
    lines = waiting.value.path().read_text().splitlines()
    assert lines[0] == "iteration,loss,best,gradient_norm"
    assert lines[1] == "0,1,1,10"
    assert lines[4].split(",")[1] == ""  # rejected


def test_what_travels_leaves_a_trail(visit):
    """Of the square that goes a metre: behind it there is a line, ahead of it there is none."""
    page = visit("square")
    scrub(page, 0.5)
    found = canvas(page)
    body = (np.abs(found - np.array([0xB4, 0xC3, 0xDE])) < 6).all(axis=2)
    rows, body = np.flatnonzero(body.any(axis=1)), np.flatnonzero(body.any(axis=0))
    like = (np.abs(found - np.array([196, 190, 179])) < 8).all(axis=2)[rows.min() + 9 : rows.max() - 9]
    columns = np.flatnonzero(like.any(axis=0))  # the colour of the ruler, mixed with the sky
    assert columns.max() <= body.max()
    assert columns.min() < body.min() - 40


# Contrast


def luminance(picture):
    """(...,) relative luminance of colours (..., 3) from 0 to 255, as WCAG 2 defines it."""
    share = picture / 255.0
    linear = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear @ (0.2126, 0.7152, 0.0722)


def contrast(one, other):
    """From 1 (the same) to 21 (black on white)."""
    high, low = np.maximum(one, other), np.minimum(one, other)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("name", ["afloat", "flying"])
def test_bodies_stand_out_from_what_is_behind_them(visit, name, dark):
    """Along its rim a body has 3:1 against the background, as WCAG 2 (1.4.11) wants it of what has to be seen."""
    page = visit(name, dark=dark)
    picture = luminance(canvas(page)[: -int(0.14 * canvas(page).shape[0])])  # without the ruler
    behind = np.median(picture)
    body = contrast(picture, behind) > 1.3  # lines of the grid have 1.1
    inside = body.copy()
    for _ in range(4):
        inside[1:-1, 1:-1] &= inside[:-2, 1:-1] & inside[2:, 1:-1] & inside[1:-1, :-2] & inside[1:-1, 2:]
    rim = np.argwhere(body & ~inside)
    assert len(rim) > 500
    most = [contrast(picture[r - 4 : r + 5, c - 4 : c + 5], behind).max() for r, c in rim[::7] if min(r, c) > 4]
    assert np.mean(np.array(most) >= 3.0) > 0.95


# On a phone, in the dark, in a notebook


def test_on_a_phone_the_caption_of_a_table_is_clear_of_its_cushion(visit):
    page = visit("table", PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    below, cushion = page.evaluate(
        """() => {
          const canvas = document.getElementById("canvas");
          const box = canvas.getBoundingClientRect();
          const middle = canvas.getContext("2d").getImageData(canvas.width / 2, 0, 1, canvas.height).data;
          let row = 0;
          while (middle[4 * row] === middle[0] && middle[4 * row + 1] === middle[1]) row++;
          const caption = document.getElementById("caption").getBoundingClientRect();
          return [caption.bottom - box.top, (row * box.height) / canvas.height];
        }"""
    )
    assert below < cushion - 4


def test_a_phone_shows_it_without_scrolling_sideways(visit):
    page = visit("square", PHONE, has_touch=True, is_mobile=True, device_scale_factor=2)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE[0]
    assert page.evaluate("document.getElementById('canvas').width") == 2 * page.evaluate(
        "document.getElementById('canvas').clientWidth"
    )
    page.locator("#play").tap()
    until(lambda: time_of(page) > 0)


def test_dark_and_light(visit):
    page = visit("square", dark=True)
    assert page.locator("html").get_attribute("data-theme") == "dark"
    dark = canvas(page).mean()
    page.locator("#theme").click()
    assert page.locator("html").get_attribute("data-theme") == "light"
    assert dark < 80
    assert canvas(page).mean() > 200


def test_the_command_is_copied(visit):
    page = visit("square", permissions=["clipboard-read", "clipboard-write"])
    page.locator("[data-copy]").click()
    until(lambda: page.locator("[data-copy]").inner_text() == "copied")
    assert page.evaluate("navigator.clipboard.readText()") == "python scenes/some_walker.py --seed 3"


def test_a_notebook_shows_a_rollout(visit, make, tmp_path):
    path = tmp_path / "notebook.html"
    path.write_text(f"<!DOCTYPE html><html data-ready=yes><body>{make.robot()._repr_html_()}</body></html>")
    frame = visit(path.as_uri()).frame_locator("iframe")
    frame.locator("html[data-ready=yes]").wait_for()
    frame.locator("#play").click()
    frame.locator("#play.playing").wait_for()


# Pictures


@pytest.mark.parametrize(
    ("name", "dark"),
    [
        ("square", False),
        ("cube", False),
        ("machine", False),
        ("robot", False),
        ("runner", True),
        ("table", False),
        ("plane", False),
        ("space", True),
    ],
)
def test_the_picture_is_as_it_was_looked_at(visit, name, dark):
    page = visit(name, (760, 700), dark=dark)
    scrub(page, 0.4)
    found = canvas(page)
    small = np.asarray(
        Image.fromarray(found.astype(np.uint8)).resize((360, round(360 * found.shape[0] / found.shape[1])))
    )
    file = PICTURES / f"{name}.png"
    if os.environ.get("DIFFSIM_NEW_PICTURES"):
        PICTURES.mkdir(exist_ok=True)
        Image.fromarray(small).save(file, optimize=True)
    with Image.open(file) as image:
        known = np.asarray(image.convert("RGB")).astype(int)
    assert known.shape == small.shape
    assert np.abs(blocks(known) - blocks(small)).max() < ALIKE


def blocks(picture):
    """(rows, columns, 3) mean colours."""
    rows, columns = picture.shape[0] // BLOCK, picture.shape[1] // BLOCK
    whole = picture[: rows * BLOCK, : columns * BLOCK]
    return whole.reshape(rows, BLOCK, columns, BLOCK, 3).mean(axis=(1, 3))
