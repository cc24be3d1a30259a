"""Frames per second of the renderer, and of a report's player; ``pytest -m bench -s tests/benchmarks/test_frames.py``.

CPU time counts, that of all processes of the browser included: others may be at work on the machine.
"""

import os
import time
from pathlib import Path

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.mjcf import load_mjcf
from diffsim.physics.articulated.pairs import spots
from diffsim.physics.mass_spring.scene import Ground, MassSpring
from diffsim.physics.rigid_bodies.bodies import Box, Capsule, Disc, HalfPlane, Polygon, Segment
from diffsim.physics.rigid_bodies.joints import Pin, Spring
from diffsim.physics.rigid_bodies.scene import RigidBodies
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.viewing import frames

from ..viewing.test_report_browser import browser  # noqa: F401  (a fixture)
from .crowds import CROWDS, crowd


def lattice(dimension):
    """30 points and 75 springs that wobble along for 10 s."""
    shape = (6, 5) if dimension == 2 else (5, 3, 2)
    grid = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1).reshape(-1, dimension)
    apart = [(np.linalg.norm(grid[a] - grid[b]), a, b) for a in range(len(grid)) for b in range(a + 1, len(grid))]
    springs = np.array([(a, b) for _, a, b in sorted(apart)[:75]])
    scene = MassSpring(points=0.05 * grid, springs=springs, actuation=0.1, ground=Ground(), dt=0.004)
    steps = 2500
    at = np.arange(steps + 1) * scene.dt
    position = scene.points + 0.01 * np.sin(10 * at[:, None, None] + 30 * scene.points)
    position[..., 0] += 0.1 * at[:, None]
    actuation = np.sin(10 * at[:-1, None] + np.arange(75))
    arrays = {"position": position, "actuation": actuation}
    return Rollout(Problem(scene, steps=steps), {}, at, arrays, loss=-1.0)


def bodies():
    """Ten bodies of all kinds that roll about on a floor for 10 s, one of them on a hinge and a spring."""
    outline = 0.06 * np.array([(1.0, 0.0), (0.3, 1.0), (-0.8, 0.6), (-0.8, -0.6), (0.3, -1.0)])
    shapes = (lambda at: Box(at, (0.05, 0.05)), lambda at: Disc(at, 0.05))
    shapes += (lambda at: Capsule(at, 0.05, 0.03), lambda at: Polygon(at, outline))
    made = [shapes[k % 4]((0.2 * k, 0.1)) for k in range(10)]
    walls = [HalfPlane(), Segment.between((-0.2, 0.0), (-0.2, 0.3), 0.01), Segment.between((2.5, 0.0), (2.8, 0.3))]
    spring = [Spring(0, 1, ((0.05, 0.0), (0.0, 0.0)), 1.0)]
    scene = RigidBodies(made, obstacles=walls, joints=[Pin(0, None, at=(0.0, 0.1))], springs=spring, dt=0.004)
    steps = 2500
    at = np.arange(steps + 1) * scene.dt
    position = np.array([body.position for body in scene.bodies]) + 0.05 * np.sin(at[:, None, None] + np.arange(2))
    onto = position[1:].copy()
    onto[..., 1] = 0.0
    pairs = [k for k, (_, second) in enumerate(scene.pairs.tolist()) if second == 10]
    arrays = {
        "position": position,
        "angle": np.repeat(at[:, None], 10, axis=1),
        "contact_point": onto,
        "contact_force": np.abs(np.sin(at[1:, None, None] + np.arange(10)[:, None])) * (1.0, 0.3),
        "contact_pair": np.tile(np.array(pairs, dtype=float), (steps, 1)),
        "contact_normal": np.tile((0.0, -1.0), (steps, 10, 1)),
    }
    return Rollout(Problem(scene, steps=steps), {}, at, arrays, loss=-1.0)


def robot(name):
    """A robot of Gymnasium's that runs 30 m in 10 s, all its motors at work, with contacts at all spots."""
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("mujoco")
    file = Path(gymnasium.__file__).parent / "envs" / "mujoco" / "assets" / f"{name}.xml"
    scene = load_mjcf(file, ignore=("tendon", "contact"), limits=False)
    steps = 1000
    at = np.arange(steps + 1) * 0.01
    q = np.repeat(scene.initial_position[None], steps + 1, axis=0)
    q[:, -len(scene.actuators) :] += 0.4 * np.sin(10.0 * at[:, None] + np.arange(len(scene.actuators)))
    q[:, 0] += 3.0 * at
    pose = forward_kinematics(scene, q)
    touching = [scene.all_geoms[spot.geoms[1]][0] for spot in spots(scene)]
    arrays = {
        "position": pose.origin,
        "rotation": pose.rotation.reshape(steps + 1, -1, 9),
        "joint_position": q,
        "joint_velocity": np.zeros((steps + 1, scene.freedoms)),
        "actuation": np.sin(10.0 * at[:-1, None] + np.arange(len(scene.actuators))),
        "contact_point": pose.origin[:-1, touching] * (1.0, 1.0, 0.0),
        "contact_force": np.abs(np.sin(at[:-1, None, None] + np.arange(len(touching))[:, None])) * (0.3, 0.0, 1.0),
    }
    return Rollout(Problem(scene, steps=steps), {}, at, arrays, loss=-1.0)


MADE = {
    "2D, 30 points, 75 springs, 512 x 512": lambda: lattice(2),
    "3D, 30 points, 75 springs, 512 x 512": lambda: lattice(3),
    "10 rigid bodies, 512 x 512": bodies,
    "half_cheetah, 640 x 480": lambda: robot("half_cheetah"),
    "humanoid, 640 x 480": lambda: robot("humanoid"),
    **{f"{name}, 512 x 512": lambda name=name: crowd(name) for name in CROWDS},
}

SEEK = """
n => {
  const slider = document.getElementById("scrub");
  const context = document.getElementById("canvas").getContext("2d");
  const play = document.getElementById("play");
  if (play.classList.contains("playing")) play.click();
  for (let k = 0; k < n; k++) {
    slider.value = (k / n) * slider.max;
    slider.dispatchEvent(new Event("input"));
    context.getImageData(0, 0, 1, 1);  // only then everything has been drawn
  }
}
"""


@pytest.mark.bench
@pytest.mark.filterwarnings("ignore::UserWarning")  # MuJoCo's about its robots, and what is left out of them
@pytest.mark.parametrize("made", MADE)
def test_frames_per_second(made):
    size = (640, 480) if made.endswith("640 x 480") else (512, 512)
    took, film = [], frames(MADE[made](), size=size, fps=50.0)
    next(film)  # fits the camera, paints the background
    start = time.process_time()
    for _ in film:
        took.append(time.process_time() - start)
        start = time.process_time()
    print(f"\n{made}: {1 / np.median(took):.0f} frames per second")


def spent(process):
    """CPU time of a process and of all that it has started [s]."""
    found, total = [process], 0.0
    parents = {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            words = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
        except OSError:  # it has ended
            continue
        parents.setdefault(int(words[1]), []).append((int(entry), int(words[11]) + int(words[12])))
    while found:
        for child, ticks in parents.get(found.pop(), ()):
            found.append(child)
            total += ticks / os.sysconf("SC_CLK_TCK")
    return total


@pytest.mark.bench
@pytest.mark.parametrize("name", CROWDS)
def test_frames_per_second_of_the_player(name, browser, tmp_path):  # noqa: F811
    file = ds.write_report(
        tmp_path / "report.html", rollouts=[(k, crowd(name)) for k in range(3)], history=[], about={}
    )
    page = browser.new_page(viewport={"width": 640, "height": 900})
    page.goto(file.as_uri())
    page.wait_for_selector("html[data-ready=yes]")
    page.evaluate(SEEK, 10)
    before = spent(os.getpid())
    page.evaluate(SEEK, 100)
    each = (spent(os.getpid()) - before) / 100
    width, height = page.evaluate("() => ['width', 'height'].map((side) => document.getElementById('canvas')[side])")
    page.close()
    size = file.stat().st_size
    print(f"\n{name}, {width} x {height}: {1 / each:.0f} frames per second; three rollouts in {size / 1e6:.2f} MB")
    assert size < 2_000_000
