"""The scripts that make pages and pictures of docs/: what they made is there, and belongs to this source."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


def script(name):
    """A script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, DOCS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def gallery():
    return script("gallery")


def test_the_way_of_a_parameter_is_drawn_with_the_names_of_the_source():
    way = script("way_picture")
    assert way.OUT.read_text() == way.draw(), "docs/images/way.svg is not what docs/way_picture.py draws"
    source = "\n".join(path.read_text() for path in (ROOT / "diffsim").rglob("*.py"))
    for words, _, kind in [box for _, row, _ in way.FRAMES for box in row]:
        if kind is way.STAGE:
            assert f"def {words}(" in source, f"there is no stage {words}"
        elif kind is way.FIELD:
            assert re.search(rf"\b{re.escape(words)}\b", source), f"there is no field {words}"


def test_every_scene_has_an_entry_and_a_picture_of_its_own(gallery):
    entries = gallery.read_page()
    scenes = {path.stem for path in (ROOT / "scenes").glob("*.py")}
    assert set(entries) == scenes
    pictures = {path.stem: path.stat().st_size for path in gallery.IMAGES.glob("*.gif")}
    assert set(pictures) == scenes
    assert max(pictures.values()) <= gallery.LARGEST
    assert sum(pictures.values()) <= 6e6  # bytes: the page loads at once


def test_the_gallery_is_as_its_script_writes_it(gallery, monkeypatch, tmp_path):
    before = gallery.PAGE.read_text()
    entries = gallery.read_page()
    monkeypatch.setattr(gallery, "PAGE", tmp_path / "gallery.md")
    gallery.write_page(entries)
    assert gallery.PAGE.read_text() == before
    assert gallery.read_page() == entries


@pytest.mark.parametrize(
    ("words", "typed"),
    [
        (["python", "/a/scenes/ant.py", "--no-video", "--output", "runs/ant"], "python scenes/ant.py"),
        (["/v/python3", "scenes/ant.py", "--output=runs/ant", "--seed", "2"], "python scenes/ant.py --seed 2"),
        (
            ["python", "-X", "dev", "scenes/rigid_walker.py", "--robot", "Leg"],
            "python scenes/rigid_walker.py --robot Leg",
        ),
    ],
)
def test_commands_leave_out_where_a_run_went(gallery, words, typed):
    assert gallery.command_of(words) == typed
