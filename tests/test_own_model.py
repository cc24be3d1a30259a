"""The model of docs/own_model.md, as a file outside of the checkout: it runs, is checked, leaves video and report."""

from pathlib import Path

import pytest

from diffsim.viewing.style import STYLE

from .test_docs import python_of
from .viewing.test_own_look import like, player, ran, video

PAGE = Path(__file__).parents[1] / "docs" / "own_model.md"

PROBLEM = """

from diffsim.cli import scene_main


def problem() -> ds.Problem:
    scene = Planets([[1.0, 0.0]], planets=[[0.0, 0.0], [2.5, 0.5]], pull=[1.0, 0.6], initial_velocity=(0.0, 1.0))
    goal = ds.ReachTarget((2.0, -1.0), point=0) + 1e-3 * ds.Effort()
    return ds.Problem(scene, ds.OpenLoop(knots=3), goal, steps=60)


if __name__ == "__main__":
    scene_main(problem, optimizer=ds.Adam(0.1), iterations=3)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "planets.py").write_text(python_of(PAGE.read_text(encoding="utf-8"))[0].text + PROBLEM)
    return folder


def test_the_model_takes_at_most_seventy_lines_with_its_look():
    text = python_of(PAGE.read_text(encoding="utf-8"))[0].text
    assert "look=look" in text
    assert len(text.splitlines()) <= 70


def test_it_runs_and_its_gradient_is_checked(folder):
    said = ran("planets.py", "--output", "out", cwd=folder)
    assert "not saved" not in said
    assert "[Taichi]" not in said
    assert "agree" in ran("-m", "diffsim", "run", "planets.py", "--check", cwd=folder)
    assert "Planets" in ran("-m", "diffsim", "show", "out", "--scene", "planets.py", cwd=folder)
    iterations, stills, _ = player(folder / "out")
    assert len(iterations) == 3
    assert [element["kind"] for element in stills[0]["elements"]] == ["points", "points", "arrows"]
    assert like(video(folder / "out"), STYLE.pinned, 60) > 300  # the planets
