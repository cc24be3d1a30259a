"""What a notebook has is enough: a result, a loaded run or a folder; and what reports look like in it."""

from __future__ import annotations

import pytest

import diffsim as ds
from diffsim.gradients.report import GradientReport, ParameterCheck
from diffsim.notebook import table_html


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A result with a folder, which holds trajectories."""
    body = ds.grid((1, 1), spacing=0.1, origin=(0.0, 0.2))
    scene = ds.MassSpring(body.points, body.springs, stiffness=100.0, initial_velocity=(1.0, 0.0), dt=0.01)
    problem = ds.Problem(scene, None, ds.ReachTarget((1.0, 0.0)), steps=5, tune=("scene.initial_velocity",))
    folder = tmp_path_factory.mktemp("runs") / "throw"
    with ds.Simulation(problem) as sim:
        result = ds.tune(sim, iterations=5, progress=False, run=ds.Run(folder))
        ds.save_rollouts(folder, [(i, sim.rollout(params)) for i, params in result.snapshots])
        health, check = ds.gradient_health(sim), ds.check_gradients(sim, raises=False)
    return result, folder, health, check


def png(data):
    return data[:8] == b"\x89PNG\r\n\x1a\n"


def test_losses_are_drawn_of_whatever_a_notebook_has(made, tmp_path):
    result, folder, *_ = made
    before = sorted(path.name for path in folder.iterdir())
    pictures = [ds.plot_loss(given) for given in (result, ds.load_run(folder), folder, str(folder), result.history)]
    assert all(png(picture._repr_png_()) for picture in pictures)
    assert len({picture._repr_png_() for picture in pictures}) == 1
    assert sorted(path.name for path in folder.iterdir()) == before
    saved = pictures[0].save(tmp_path / "new" / "loss.png")
    assert saved.read_bytes() == ds.plot_loss(folder, tmp_path / "loss.png").read_bytes()


def test_reports_are_written_of_whatever_a_notebook_has(made, tmp_path):
    result, folder, *_ = made
    report = folder / "report.html"
    for arguments in ((folder,), (str(folder),), (ds.load_run(folder),), (result,), (tmp_path / "there.html", result)):
        report.unlink(missing_ok=True)
        path = ds.write_report(*arguments)
        assert path == (arguments[0] if len(arguments) > 1 else report)
        page = path.read_text(encoding="utf-8")
        assert "scene.initial_velocity" in page
        assert f"{result.best_loss:.4g}".replace("-", "−") in page
    assert "all 5 iterations are done" in page


def test_a_report_says_what_became_of_each_number(made, tmp_path):
    _, folder, *_ = made
    page = ds.write_report(tmp_path / "report.html", folder).read_text(encoding="utf-8")
    assert "<h2>Tuned</h2>" in page
    assert "moved by" in page


def test_losses_are_said_in_words_wherever_they_are_shown(made, tmp_path):
    result, folder, *_ = made
    run = ds.load_run(folder)
    assert result.words
    assert run.words == result.words
    assert result.words in result._repr_html_().replace("−", "-")


def test_a_report_says_each_term_in_words(keep, tmp_path):
    scene = ds.MassSpring([[0.0, 0.0], [0.0, 1.0]], [[0, 1]], initial_velocity=(1.0, 0.0), gravity=(0.0, 0.0), dt=0.1)
    goal = ds.Travel() + 2.0 * ds.ReachTarget((0.5, 1.5))
    simulation = keep(ds.Problem(scene, None, goal, steps=5, tune=("scene.initial_velocity",)), precision="f64")
    rollout = simulation.rollout(simulation.params())
    assert rollout.words == "travelled 0.50 m, 1 m from the target"
    assert [term.loss for term in rollout.terms] == pytest.approx([-0.5, 2.0])
    history = [{"iteration": 0, "loss": rollout.loss, "best": rollout.loss, "gradient_norm": 1.0}]
    page = ds.write_report(tmp_path / "words.html", rollouts=[(0, rollout)], history=history, about={})
    text = page.read_text(encoding="utf-8")
    assert "at iteration 0: travelled 0.50 m, 1 m from the target" in text
    assert "<h2>Best loss, by term</h2>" in text
    assert "<th>travel</th><td>−0.5: travelled 0.50 m</td>" in text
    assert "<th>reachtarget</th><td>2: 1 m from the target</td>" in text


def test_a_report_of_nothing_is_refused(made, tmp_path):
    result, *_ = made
    with pytest.raises(ds.InputError, match=r"report.html'\) is given no run and no history"):
        ds.write_report(tmp_path / "report.html")
    alone = ds.Result(**{**vars(result), "folder": None})
    with pytest.raises(ds.InputError, match=r"no folder of a run; give a path"):
        ds.write_report(alone)
    assert ds.write_report(tmp_path / "alone.html", alone).exists()


def test_reports_of_gradients_are_tables(made):
    _, _, health, check = made
    page = health._repr_html_()
    assert "<th>precision</th><th>env</th>" in page
    assert "<tr><th>healthy</th><td>nothing was found</td></tr>" in page
    page = check._repr_html_()
    assert "<th>parameter</th>" in page
    assert "<td>agrees</td>" in page
    row = ParameterCheck("a<b", None, 0, 1.0, 2.0, 1e-9, 1e-3, "disagrees", note="of <i>")
    page = GradientReport((row,), 1e-6)._repr_html_()
    assert "<td>DISAGREES</td>" in page
    assert "<th>a&lt;b</th>" in page
    assert "<p>a&lt;b: of &lt;i&gt;</p>" in page


def test_a_result_shows_what_became_of_each_number(made):
    result, *_ = made
    assert "moved by" in result._repr_html_()


def test_a_saved_run_shows_itself_as_a_result_does(made):
    _, folder, *_ = made
    page = ds.load_run(folder)._repr_html_()
    assert page.startswith("<iframe")
    assert "moved by" in page


def test_what_was_kept_and_what_changed_are_tables(made):
    result, *_ = made
    assert "<th>parameter</th>" in result.changes._repr_html_()
    assert "Nothing tuned" in type(result.changes)()._repr_html_()
    lines = str(result.changes).splitlines()
    assert lines[0].split() == ["parameter", "shape", "start", "end", "moved", "by", "bounds", "unit"]
    assert lines[1].startswith("scene.initial_velocity  2")
    assert str(type(result.changes)()) == "nothing tuned"
    assert repr(result.changes[0]).startswith("Change('scene.initial_velocity', 0 to 1 -> ")
    page = result.snapshots._repr_html_()
    assert "<th>iteration</th><th>scene.initial_velocity</th>" in page
    assert page.count("<tr><th>") == 1 + len(result.snapshots)
    assert table_html(("iteration",), []) == type(result.snapshots)()._repr_html_()


def test_snapshots_and_health_are_pictures(made, tmp_path):
    result, folder, health, _ = made
    rollout = ds.load_run(folder).rollouts[result.best_iteration]
    picture = ds.snapshot(rollout, size=(120, 90))
    assert picture.shape == (90, 120, 3)
    assert png(picture._repr_png_())
    assert picture[0]._repr_png_() is None
    assert (picture.astype(float) / 255.0)._repr_png_() is None
    assert png(ds.plot_health(health)._repr_png_())
    assert ds.plot_health(health, tmp_path / "health.png").exists()
    assert 'src="data:image/png;base64,' in health._repr_html_()


def test_a_table_escapes_everything():
    page = table_html(("<a>",), [("<b>",)], caption="<c>", after="<d>\n\n<e>")
    assert page == (
        "<div><p><b>&lt;c&gt;</b></p><table><thead><tr><th>&lt;a&gt;</th></tr></thead><tr><th>&lt;b&gt;</th></tr></table>"
        "<p>&lt;d&gt;</p><p>&lt;e&gt;</p></div>"
    )
    assert "table" not in table_html((), [])
