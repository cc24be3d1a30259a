"""Twelve robots of 5,000 triangles each: frames per second of the page and of videos, and what they add to a report.

On request: ``pytest tests/benchmarks/test_meshes.py -m bench -s -n 0``. The page runs in headless Chromium without a
GPU; its time is that of the surfaces alone, without shadows, curves and what else a frame has.
"""

import re
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

import diffsim as ds
from diffsim import physics
from diffsim.rollout import Rollout
from diffsim.spec import Spec
from diffsim.viewing import frames
from diffsim.viewing.look import Bodies, Floor, Look, Part, Surface

pytestmark = pytest.mark.bench

ROBOTS, LIMBS, ROWS = 12, 10, 31
PAGE = Path(ds.__file__).parent / "viewing" / "page"


@dataclass(frozen=True, eq=False, repr=False)
class Crowd(Spec):
    """Robots that turn on the spot."""

    kind: ClassVar[str] = "scene"
    robots: int = ROBOTS
    dt: float = 0.033

    def numbers(self):
        return {}


def limb(seed=0):
    """Some 500 triangles: a dented ball, like no other."""
    up, turn = np.meshgrid(np.linspace(0, np.pi, 17), np.linspace(0, 2 * np.pi, 17), indexing="ij")
    radius = 1.0 + 0.02 * np.random.default_rng(seed).normal(size=up.shape) + 0.15 * np.cos(3 * turn) * np.sin(2 * up)
    x, y, z = radius * np.sin(up) * np.cos(turn), radius * np.sin(up) * np.sin(turn), radius * np.cos(up)
    number = np.arange(up.size).reshape(up.shape)
    a, b, c, d = number[:-1, :-1], number[1:, :-1], number[1:, 1:], number[:-1, 1:]
    faces = np.concatenate([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]).reshape(-1, 3)
    return Surface(np.stack([x, y, z], axis=-1).reshape(-1, 3) * (0.1, 0.1, 0.16), faces)


def crowd(rollout):
    """Each limb has a surface of its own, as of a file with ten meshes; all robots share them."""
    count, time_ = rollout.problem.scene.robots, rollout.time
    shapes = [limb(k) for k in range(LIMBS)]
    parts = []
    for k in range(count):
        for i, surface in enumerate(shapes):
            at = (0.15 * np.cos(2.4 * i), 0.15 * np.sin(2.4 * i), 0.2 + 0.09 * i)
            fill = (0.3 + 0.05 * i, 0.4, 0.9 - 0.06 * i)
            parts.append(Part("mesh", (0.115, 0.115, 0.16), None, at, None, fill, "surface", k, surface))
    grid = np.stack(np.meshgrid(np.arange(4), np.arange(-(-count // 4))), axis=-1).reshape(-1, 2)[:count]
    places = np.concatenate([grid * (0.9, 0.9), np.zeros((count, 1))], axis=1)
    turns = np.zeros((len(time_), count, 3, 3))
    angle = time_[:, None] + np.arange(count)
    turns[..., 0, 0] = turns[..., 1, 1] = np.cos(angle)
    turns[..., 1, 0], turns[..., 0, 1] = np.sin(angle), -np.sin(angle)
    turns[..., 2, 2] = 1.0
    bodies = Bodies(np.broadcast_to(places, (len(time_), count, 3)), turns, parts)
    return Look([bodies], Floor((0.0, 0.0, 1.0), 0.0))


@pytest.fixture(scope="module")
def rollout():
    physics.register(Crowd, lambda *_: None, look=crowd)
    return Rollout(ds.Problem(Crowd(), steps=ROWS - 1), {}, 0.033 * np.arange(ROWS), {})


def test_the_page(rollout, tmp_path):
    """Milliseconds that the page takes for all triangles of a frame; a median, the machine may be busy."""
    api = pytest.importorskip("playwright.sync_api")
    path = ds.write_report(tmp_path / "crowd.html", rollouts=[(0, rollout)], history=[], about={})
    text = path.read_text(encoding="utf-8")
    # What the page does when it paints surfaces, by its clock. The policy would not let another script run.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", text)
    call = "paintSurfaces(this, seen.filter(({ surface }) => surface), ground, outline * this.ratio);"
    assert call in text
    timed = f"const began = performance.now(); {call} (window.took ||= []).push(performance.now() - began);"
    path.write_text(text.replace(call, timed), encoding="utf-8")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1200, "height": 900})
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        took = page.evaluate(
            """async () => {
              const slider = document.getElementById("scrub");
              for (let k = 0; k < 40; k++) {
                slider.value = (k / 40) * slider.max;
                slider.dispatchEvent(new Event("input"));
                await new Promise((next) => setTimeout(next, 0));
              }
              return window.took;
            }"""
        )
        page.locator("#canvas").screenshot(path=tmp_path / "crowd.png")
        size = page.evaluate("[canvas.width, canvas.height]")
        browser.close()
    triangles = ROBOTS * LIMBS * len(limb().faces)
    print(
        f"\n{triangles} triangles, {size[0]} x {size[1]} pixels: {np.median(took):.1f} ms a frame ({len(took)} frames)"
    )
    print(f"picture: {tmp_path / 'crowd.png'}")
    assert np.median(took) < 1000.0 / 30.0


def test_a_video(rollout):
    """Frames per second of a video of 512 by 512 pixels, in CPU time."""
    films = frames(rollout, size=(512, 512), fps=30.0)
    next(films)
    began, count = time.process_time(), 0
    for _ in films:
        count += 1
    rate = count / (time.process_time() - began)
    print(f"\n{rate:.1f} frames a second")
    assert rate > 4.0


def test_what_a_report_grows_by(rollout, tmp_path):
    """Kilobytes of ten surfaces of 512 triangles each: one robot's."""
    sizes = []
    for path, scene in (("with", Crowd(1)), ("without", Crowd(0))):
        shown = Rollout(ds.Problem(scene, steps=ROWS - 1), {}, rollout.time, {})
        if scene.robots == 0:
            physics.register(Crowd, lambda *_: None, look=lambda r: Look([], Floor((0.0, 0.0, 1.0), 0.0)))
        sizes.append(ds.write_report(tmp_path / f"{path}.html", rollouts=[(0, shown)], history=[], about={}))
    with_, without = (path.stat().st_size for path in sizes)
    print(f"\n{(with_ - without) / 1e3:.0f} kB for {LIMBS * len(limb().faces)} triangles")
    assert with_ - without < 150_000
