"""The check of gradients on fifty random scenes of rigid bodies: no correct gradient may disagree with differences.

Five structures, ten scenes each as copies with parameters of their own; poses, speeds, sizes, masses and everything
else is random, so that bodies hit each other and obstacles at any angle. Takes about seven minutes.
"""

import time
from collections import Counter
from collections.abc import Callable
from functools import reduce
from operator import add
from typing import Any

import numpy as np
import pytest

import diffsim as ds

pytestmark = pytest.mark.bench

COPIES = 10
STEPS = 120
MOST_UNDECIDED = 0.1

Rng = np.random.Generator


def near(rng: Rng, value: Any, by: float) -> np.ndarray:
    """Each number of ``value`` moved by at most ``by``, to either side."""
    return rng.uniform(np.asarray(value) - by, np.asarray(value) + by)


def motion(rng: Rng, x: float = 0.0, y: float = 0.0) -> dict[str, Any]:
    return {"velocity": near(rng, (x, y), 0.4), "angular_velocity": rng.uniform(-3.0, 3.0)}


def turned(rng: Rng, **given: Any) -> dict[str, Any]:
    """A body's motion, at any angle."""
    return {"angle": rng.uniform(-3.0, 3.0), **motion(rng, **given)}


def outline(rng: Rng, corners: int, radius: float) -> np.ndarray:
    """(k, 2) a convex polygon: corners on a circle, a third of a side off their even places."""
    angle = 2.0 * np.pi * (np.arange(corners) + rng.uniform(-0.3, 0.3, corners)) / corners
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def world(rng: Rng, restitution: float = 0.3) -> dict[str, Any]:
    """What all bodies share."""
    return {
        "gravity": near(rng, (0.0, -9.8), 0.5),
        "damping": rng.uniform(0.05, 0.3),
        "friction": rng.uniform(0.2, 0.7),
        "restitution": near(rng, restitution, 0.2),
        "density": rng.uniform(5.0, 20.0),
        "dt": 0.005,
    }


def tumblers(rng: Rng) -> ds.RigidBodies:
    """Two bodies on a spring fall down a slope, against a wall and a bollard."""
    return ds.RigidBodies(
        [
            ds.Box(near(rng, (-0.2, 0.4), 0.03), near(rng, (0.1, 0.06), 0.02), **turned(rng, y=-1.0)),
            ds.Polygon(near(rng, (0.2, 0.4), 0.03), outline(rng, 3, 0.12), friction=0.4, **turned(rng, y=-1.0)),
        ],
        obstacles=[
            ds.HalfPlane(near(rng, (0.0, 0.0), 0.02), angle=rng.uniform(-0.4, -0.1), friction=rng.uniform(0.3, 0.8)),
            ds.Segment.between(near(rng, (0.5, -0.2), 0.02), near(rng, (0.55, 0.5), 0.02), restitution=0.5),
            ds.Disc(near(rng, (0.0, 0.12), 0.03), rng.uniform(0.05, 0.08)),
        ],
        springs=[ds.Spring(0, 1, near(rng, np.zeros((2, 2)), 0.03), rng.uniform(5.0, 20.0), damping=0.1)],
        **world(rng),
    )


def billiards(rng: Rng) -> ds.RigidBodies:
    """Three bodies shut in between half-planes, walls and a block; they hardly lose speed."""
    return ds.RigidBodies(
        [
            ds.Disc(
                near(rng, (-0.25, 0.3), 0.05), near(rng, 0.08, 0.02), mass=rng.uniform(0.1, 0.3), **motion(rng, 1.5)
            ),
            ds.Disc(near(rng, (0.05, 0.3), 0.05), near(rng, 0.08, 0.02), inertia=0.002, **motion(rng, -1.0)),
            ds.Capsule(near(rng, (0.4, 0.35), 0.05), 0.08, near(rng, 0.04, 0.01), **turned(rng, x=-1.5)),
        ],
        obstacles=[
            ds.HalfPlane(angle=near(rng, 0.0, 0.1), restitution=0.7),
            ds.HalfPlane(near(rng, (0.0, 0.65), 0.03), angle=near(rng, np.pi, 0.1)),
            ds.Segment(near(rng, (-0.6, 0.3), 0.03), 0.4, 0.02, angle=near(rng, 0.5 * np.pi, 0.1), friction=0.3),
            ds.Box(near(rng, (0.75, 0.3), 0.03), near(rng, (0.1, 0.3), 0.02), angle=near(rng, 0.0, 0.2)),
        ],
        **world(rng, restitution=0.7),
    )


def walker(rng: Rng) -> ds.RigidBodies:
    """A trunk on two legs with motors at the hips, a muscle between the legs, and a head on a tendon."""
    hips, angles = ((-0.1, 0.5), (0.1, 0.5)), near(rng, (-1.8, -1.3), 0.2)
    middles = [np.array(hip) + 0.12 * np.array([np.cos(a), np.sin(a)]) for hip, a in zip(hips, angles, strict=True)]
    push = near(rng, (0.5, -1.5), 0.4)
    return ds.RigidBodies(
        [
            ds.Box((0.0, 0.5), near(rng, (0.14, 0.04), 0.01), velocity=push, friction=0.4),
            *(
                ds.Capsule(p, near(rng, 0.1, 0.01), 0.03, angle=a, velocity=push, friction=rng.uniform(0.5, 0.9))
                for p, a in zip(middles, angles, strict=True)
            ),
            ds.Disc(near(rng, (0.05, 0.66), 0.02), near(rng, 0.06, 0.01), mass=rng.uniform(0.1, 0.2), velocity=push),
        ],
        obstacles=[
            ds.HalfPlane((0.0, 0.2), angle=near(rng, 0.0, 0.1), friction=rng.uniform(0.5, 0.9)),
            ds.Polygon(near(rng, (0.35, 0.22), 0.02), outline(rng, 5, 0.08), angle=rng.uniform(-1.0, 1.0)),
        ],
        joints=[
            ds.Pin(0, 1, at=hips[0], motor=rng.uniform(0.2, 0.5), damping=rng.uniform(0.005, 0.02)),
            ds.Pin(0, 2, at=hips[1], motor=rng.uniform(0.2, 0.5), damping=rng.uniform(0.005, 0.02)),
            ds.Weld(0, 3, at=near(rng, (0.05, 0.58), 0.02)),
        ],
        springs=[
            ds.Spring(1, 2, near(rng, np.zeros((2, 2)), 0.02), rng.uniform(20.0, 60.0), damping=0.2, actuation=0.3),
            ds.Spring(3, 1, near(rng, np.zeros((2, 2)), 0.02), rng.uniform(5.0, 20.0)),
        ],
        **world(rng, restitution=0.2),
    )


def crane(rng: Rng) -> ds.RigidBodies:
    """A trolley on rails swings an arm, and a ball on a rope, against two blocks, one of them a welded pair."""
    rope = rng.uniform(1.03, 1.1)
    arm, ball = (0.0, 0.85), near(rng, (-0.25, 0.75), 0.03)
    low, seam, beside = near(rng, (0.1, 0.15), 0.02), np.array([0.0, 0.125]), np.array([0.3, 0.05])
    tip, hook = (-0.05, 0.0), np.array(arm) - np.array([0.0, 0.05])  # in the frame of the arm, and in the world
    return ds.RigidBodies(
        [
            ds.Box((0.0, 1.0), near(rng, (0.1, 0.04), 0.01), velocity=(rng.uniform(-0.5, 0.5), 0.0)),
            ds.Capsule(arm, near(rng, 0.1, 0.01), 0.02, angle=0.5 * np.pi, angular_velocity=rng.uniform(-2.0, 2.0)),
            ds.Disc(ball, near(rng, 0.07, 0.01), density=rng.uniform(20.0, 40.0), **motion(rng, 1.5, -1.5)),
            ds.Box(low, near(rng, (0.08, 0.08), 0.01), angle=near(rng, 0.1, 0.1), restitution=0.2, friction=0.5),
            ds.Polygon(low + 2.0 * seam, outline(rng, 4, 0.1), **turned(rng)),
            ds.Box(low + beside, near(rng, (0.08, 0.08), 0.01), **turned(rng, x=-1.0)),
        ],
        obstacles=[ds.HalfPlane(angle=near(rng, 0.0, 0.05)), ds.Capsule(near(rng, (-0.35, 0.1), 0.02), 0.1, 0.05)],
        joints=[
            ds.Slider(
                0, None, at=(0.0, 1.0), axis=near(rng, (1.0, 0.0), 0.1), motor=3.0, damping=rng.uniform(0.1, 0.5)
            ),
            ds.Pin(0, 1, at=(0.0, 0.93), damping=rng.uniform(0.005, 0.02)),
            ds.Rope(1, 2, (tip, (0.0, 0.0)), rope * float(np.linalg.norm(hook - ball))),
            ds.Weld(3, 4, at=low + seam),
        ],
        springs=[
            ds.Spring(3, None, (near(rng, (0.0, 0.0), 0.02), near(rng, (0.5, 0.6), 0.1)), rng.uniform(2.0, 10.0)),
            ds.Spring(0, 2, near(rng, np.zeros((2, 2)), 0.02), rng.uniform(5.0, 10.0), actuation=-0.3, damping=0.1),
        ],
        **world(rng, restitution=0.3),
    )


def crowd(rng: Rng) -> ds.RigidBodies:
    """Six bodies of all shapes rain on obstacles of all shapes."""
    return ds.RigidBodies(
        [
            ds.Box(near(rng, (-0.3, 0.5), 0.03), near(rng, (0.09, 0.05), 0.02), friction=0.6, **turned(rng, y=-1.0)),
            ds.Disc(near(rng, (0.0, 0.5), 0.03), near(rng, 0.08, 0.02), mass=0.2, inertia=0.001, **turned(rng, y=-1.0)),
            ds.Capsule(near(rng, (0.3, 0.5), 0.03), 0.07, near(rng, 0.04, 0.01), density=12.0, **turned(rng, y=-1.0)),
            ds.Polygon(near(rng, (-0.3, 0.8), 0.03), outline(rng, 3, 0.11), restitution=0.5, **turned(rng, y=-2.0)),
            ds.Polygon(near(rng, (0.0, 0.8), 0.03), outline(rng, 6, 0.1), **turned(rng, y=-2.0)),
            ds.Box(near(rng, (0.3, 0.8), 0.03), near(rng, (0.06, 0.06), 0.02), **turned(rng, y=-2.0)),
        ],
        obstacles=[
            ds.HalfPlane(angle=near(rng, 0.0, 0.1), friction=rng.uniform(0.3, 0.8)),
            ds.Segment(near(rng, (-0.5, 0.25), 0.03), 0.2, 0.01, angle=near(rng, -0.9, 0.2), restitution=0.6),
            ds.Box(near(rng, (0.5, 0.15), 0.03), near(rng, (0.08, 0.1), 0.02), angle=near(rng, 0.2, 0.3)),
            ds.Disc(near(rng, (-0.1, 0.1), 0.03), near(rng, 0.08, 0.01)),
            ds.Capsule(near(rng, (0.2, 0.15), 0.03), 0.06, 0.03, angle=near(rng, 0.0, 0.5)),
            ds.Polygon(near(rng, (-0.5, 0.05), 0.03), outline(rng, 4, 0.08), angle=rng.uniform(-1.0, 1.0)),
        ],
        contacts=36,  # so few that the check records them, to name what switches
        **world(rng),
    )


STRUCTURES = [tumblers, billiards, walker, crane, crowd]


def apart(make: Callable[[Rng], ds.RigidBodies], rng: Rng) -> ds.RigidBodies | None:
    """A scene, or None if its bodies overlap."""
    try:
        return make(rng)
    except ds.InputError as error:
        if "overlap" in str(error) or "reaches" in str(error):
            return None
        raise


def drawn(make: Callable[[Rng], ds.RigidBodies], rng: Rng) -> ds.RigidBodies:
    """The first scene whose bodies do not overlap."""
    return next(scene for _ in range(1000) if (scene := apart(make, rng)))


def problem_of(scene: ds.RigidBodies, rng: Rng) -> ds.Problem:
    """It depends on where every body ends."""
    bodies = range(len(scene.bodies))
    objective = reduce(add, (rng.uniform(0.5, 1.0) * ds.Travel(direction=rng.normal(size=2), point=k) for k in bodies))
    controller = ds.OpenLoop(knots=4) if len(scene.actuators) else None
    tune = ("scene.*", "controller.*") if controller else ("scene.*",)
    return ds.Problem(scene, controller, objective, steps=STEPS, tune=tune)


def params_of(scenes: list[ds.RigidBodies], simulation: ds.Simulation, rng: Rng) -> dict[str, np.ndarray]:
    """A copy for each scene. Anchors are a little off, so that joints have something to close."""
    numbers = [scene.numbers() for scene in scenes]
    found = {}
    for name, start in simulation.params().items():
        if name.startswith("scene."):
            found[name] = np.stack([own[name.removeprefix("scene.")] for own in numbers])
        else:
            found[name] = start + 0.5 * rng.normal(size=start.shape)
    if "scene.joint_anchor" in found:
        found["scene.joint_anchor"] += 1e-4 * rng.normal(size=found["scene.joint_anchor"].shape)
    return found


def landings(rollout: ds.Rollout, pairs: int) -> np.ndarray:
    """(envs,) how often two shapes that did not touch in the step before come to touch."""
    force, pair = rollout.contact_force[..., 0], rollout.contact_pair
    touching = np.stack([((pair == k) & (force > 0.0)).any(axis=2) for k in range(pairs)], axis=2)
    return (touching[:, 1:] & ~touching[:, :-1]).sum(axis=(1, 2)) + touching[:, 0].sum(axis=1)


@pytest.fixture(scope="module")
def totals():
    """Verdicts of all structures, printed and judged at the end."""
    found: Counter[str] = Counter()
    yield found
    print(f"\nall: {dict(found)}")


@pytest.mark.parametrize("make", STRUCTURES, ids=lambda make: make.__name__)
def test_gradients_of_random_scenes_agree_with_differences(make, totals):
    rng = np.random.default_rng(STRUCTURES.index(make))
    scenes = [drawn(make, rng) for _ in range(COPIES)]
    begin = time.perf_counter()
    verdicts: Counter[str] = Counter()
    wrong = []
    options = {"precision": "f64", "envs": COPIES, "shared": False, "adjoint": ds.Checkpointed(every=20)}
    with ds.Simulation(problem_of(scenes[0], rng), **options) as simulation:
        params = params_of(scenes, simulation, rng)
        touched = landings(simulation.rollout(params), len(scenes[0].pairs))
        checked = time.perf_counter()
        rows = ds.check_gradients(simulation, params, raises=False).checks
    for row in rows:
        verdicts[row.verdict] += 1
        if row.verdict != "agrees":
            print(
                f"{row.name} of copy {row.env}: {row.verdict}, {row.adjoint:+.9e} {row.differences:+.9e} "
                f"+- {row.uncertainty:.0e} at {row.step:.0e}: {row.note}"
            )
            if row.verdict == "disagrees" or "a contact switches" not in row.note:
                wrong.append(row)
    flat = sum(row.adjoint == 0.0 for row in rows)
    seconds = time.perf_counter() - begin
    print(
        f"{make.__name__}: {len(rows)} rows, {dict(verdicts)}, {flat} of slope zero; landings {touched.tolist()}; "
        f"{seconds:.0f} s, {begin + seconds - checked:.0f} s of them checking"
    )
    totals.update(verdicts, contacts=int(touched.sum()))
    assert (touched > 0).all()
    assert not wrong
    assert verdicts["agrees"] >= (1.0 - MOST_UNDECIDED) * len(rows)
