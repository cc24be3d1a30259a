"""Random scenes of rigid bodies: no correct gradient may disagree with differences, and what mechanics keeps is kept.

Gradients: five structures, ten scenes each as copies with parameters of their own; poses, speeds, sizes, masses and
everything else is random, so that bodies hit each other and obstacles at any angle. Takes about seven minutes.

Laws: momentum and energy of some hundreds of scenes with joints, ropes and flat landings, restitution from 0 to 1.
Takes some ten seconds.
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


def params_of(
    scenes: list[ds.RigidBodies], simulation: ds.Simulation, rng: Rng, open_by: float = 1e-4
) -> dict[str, np.ndarray]:
    """A copy for each scene. Anchors are a little off, so that joints have something to close."""
    numbers = [scene.numbers() for scene in scenes]
    found = {}
    for name, start in simulation.params().items():
        if name.startswith("scene."):
            found[name] = np.stack([own[name.removeprefix("scene.")] for own in numbers])
        else:
            found[name] = start + 0.5 * rng.normal(size=start.shape)
    if "scene.joint_anchor" in found:
        found["scene.joint_anchor"] += open_by * rng.normal(size=found["scene.joint_anchor"].shape)
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


@pytest.mark.parametrize("make", STRUCTURES, ids=lambda make: make.__name__)
def test_scenes_that_are_near_stay_as_near_as_the_slope_says(make):
    """A hundred times the change at the start is a hundred times the change at the end, unless a contact switches.
    Where rounding chooses what a step does, or how impulses are shared, the smaller change moves the end as much."""
    rng = np.random.default_rng(STRUCTURES.index(make))
    scenes = [drawn(make, rng) for _ in range(COPIES)]
    steps = np.array([0.0, 1e-13, -1e-13, 1e-11, -1e-11])
    problem = problem_of(scenes[0], rng)
    with ds.Simulation(problem, precision="f64", envs=COPIES, shared=False) as simulation:
        params = params_of(scenes, simulation, rng)
    moved = {name: np.concatenate([value] * len(steps)) for name, value in params.items()}
    way = rng.normal(size=params["scene.initial_position"].shape[1:])
    moved["scene.initial_position"] += np.repeat(steps, COPIES)[:, None, None] * way
    envs = len(steps) * COPIES
    with ds.Simulation(problem, precision="f64", envs=envs, shared=False, record="all") as simulation:
        rollout = simulation.rollout(moved)
    ends = rollout.position[:, -1].reshape(len(steps), COPIES, -1)
    marks = rollout.contact.reshape(len(steps), COPIES, -1)
    switches = (marks != marks[0]).any(axis=(0, 2))
    change = ends[1:] - ends[0]
    small, large = 100.0 * change[:2], change[2:]
    off = np.abs(small - large).max(axis=(0, 2)) / np.maximum(np.abs(large).max(axis=(0, 2)), 1e-11)
    most = np.abs(large).max(axis=(0, 2)) / 1e-11
    print(f"\n{make.__name__}: the ends move at most {most.max():.0f} times as far, off by {off.max():.1e}; "
          f"contacts switch in {switches.sum()} copies")  # fmt: skip
    assert switches.sum() <= 1
    assert (off[~switches] < 0.2).all()


# Laws


def chosen(rng: Rng, restitution: float | None) -> float:
    """The restitution that is asked for, or any: half of all scenes have none or all of it."""
    return float(rng.choice([0.0, 1.0, *rng.uniform(size=2)])) if restitution is None else restitution


def space(rng: Rng, restitution: float | None, **changes: Any) -> dict[str, Any]:
    """Nothing takes energy but impacts."""
    density, given = rng.uniform(5.0, 20.0), chosen(rng, restitution)
    return {"gravity": (0.0, 0.0), "density": density, "restitution": given, "friction": 0.0, "dt": 0.001, **changes}


def raft(rng: Rng, restitution: float | None = None, **changes: Any) -> ds.RigidBodies:
    """In empty space: a chain of three, a welded pair and two boxes meet; ropes between them go taut."""
    chain, pair = near(rng, (1.0, 0.0), 0.3), near(rng, (-1.5, 0.0), 0.3)
    ropes = [
        ds.Rope(5, 2, ((0.0, 0.0), (0.0, 0.0)), rng.uniform(0.8, 0.95)),
        ds.Rope(6, 0, ((0.0, 0.0), (0.0, 0.0)), rng.uniform(0.7, 0.85)),
        ds.Rope(5, 6, ((0.03, 0.02), (0.0, 0.0)), rng.uniform(1.45, 1.6)),
    ]
    return ds.RigidBodies(
        [
            ds.Box((-0.3, 0.0), near(rng, (0.1, 0.04), 0.01), velocity=chain, group=0),
            ds.Capsule((0.0, 0.0), 0.1, 0.03, velocity=chain, group=0),
            ds.Box((0.3, 0.0), near(rng, (0.1, 0.04), 0.01), velocity=chain, group=0),
            ds.Disc(near(rng, (0.9, 0.0), 0.05), near(rng, 0.08, 0.02), velocity=pair, group=1),
            ds.Polygon((1.15, 0.0), outline(rng, 4, 0.09), velocity=pair, group=1),
            ds.Box(near(rng, (0.3, 0.6), 0.05), near(rng, (0.08, 0.05), 0.01), **motion(rng, 0.0, -1.5)),
            ds.Box(near(rng, (-0.4, -0.5), 0.05), near(rng, (0.08, 0.05), 0.01), **motion(rng, 0.5, 1.5)),
        ],
        joints=[ds.Pin(0, 1, at=(-0.15, 0.0)), ds.Pin(1, 2, at=(0.15, 0.0)), ds.Weld(3, 4, at=(1.02, 0.0)), *ropes],
        **space(rng, restitution, **changes),
    )


def rain(rng: Rng, restitution: float | None = None, **changes: Any) -> ds.RigidBodies:
    """Onto a level floor: a box and a capsule that land flat, a tower of two, a pinned pair, a welded one, a tether."""
    fall, lean = (0.0, -rng.uniform(0.8, 1.5)), rng.uniform(-1.0, 1.0)
    flat, lying, tower, pin, weld, tie = rng.uniform(0.15, 0.35, 6)
    wide, high = rng.uniform(0.05, 0.12), rng.uniform(0.04, 0.08)
    return ds.RigidBodies(
        [
            ds.Box((-3.0, flat), (rng.uniform(0.05, 0.15), rng.uniform(0.03, 0.1)), velocity=fall),
            ds.Capsule((-2.0, lying), rng.uniform(0.05, 0.15), 0.04, velocity=fall),
            ds.Box((-1.0, tower + high), (wide, high), velocity=fall),
            ds.Box((-1.0, tower + 3.0 * high + 0.03), (0.9 * wide, high), velocity=fall),
            ds.Capsule((0.0, pin + 0.2), 0.1, 0.03, angle=0.6 * lean, velocity=fall, group=0),
            ds.Capsule((0.2, pin + 0.2), 0.1, 0.03, angle=-0.4 * lean, velocity=fall, group=0),
            ds.Disc((1.0, weld), 0.05, velocity=fall),
            ds.Disc((1.35, weld + 0.15), 0.06, velocity=fall),
            ds.Box((2.2, tie + 0.3), (0.08, 0.05), velocity=fall, angular_velocity=lean),
            ds.Disc((2.5, tie + 0.3), 0.06, velocity=(0.5 * lean, -0.2 * fall[1])),
        ],
        obstacles=[ds.HalfPlane()],
        joints=[
            ds.Pin(4, 5, at=(0.1, pin + 0.2)),
            ds.Weld(6, 7, at=(1.2, weld + 0.1)),
            ds.Rope(8, 9, ((0.05, 0.0), (0.0, 0.0)), rng.uniform(0.55, 0.7)),
        ],
        **space(rng, restitution, **changes),
    )


SCENES = 50


def simulated(make: Callable[..., ds.RigidBodies], seed: int, steps: int, **settings: Any) -> ds.Rollout:
    """Fifty of these scenes, side by side."""
    rng = np.random.default_rng(seed)
    scenes = [drawn(lambda own: make(own, **settings), rng) for _ in range(SCENES)]
    problem = ds.Problem(scenes[0], steps=steps, tune=("scene.*",))
    with ds.Simulation(problem, precision="f64", envs=SCENES, shared=False) as simulation:
        return simulation.rollout(params_of(scenes, simulation, rng, open_by=0.0))


def gained(rollout: ds.Rollout) -> np.ndarray:
    """(envs,) the largest rise of the energy in one step, over what there was."""
    found: np.ndarray = (np.diff(rollout.energy, axis=1) / rollout.energy[:, :1]).max(axis=1)
    return found


def met(rollout: ds.Rollout) -> None:
    """In every scene something hits something."""
    assert (rollout.contact_force[..., 0] > 0.0).any(axis=(1, 2)).all()


@pytest.mark.parametrize("seed", range(2))
def test_in_empty_space_momentum_stays_and_energy_only_falls(seed):
    rollout = simulated(raft, seed, 400)
    met(rollout)
    momentum, around = rollout.momentum, rollout.angular_momentum
    print(f"\nmomentum {np.ptp(momentum, axis=1).max():.0e}, around {np.ptp(around, axis=1).max():.0e}, "
          f"energy rises by {gained(rollout).max():.0e}")  # fmt: skip
    np.testing.assert_allclose(momentum, np.broadcast_to(momentum[:, :1], momentum.shape), atol=1e-12)
    # Impulses act at anchors and places as they are at one time of a step; of it bodies turn some hundredths.
    np.testing.assert_allclose(around, np.broadcast_to(around[:, :1], around.shape), atol=2e-3)
    assert (gained(rollout) < 5e-3).all()


@pytest.mark.parametrize("seed", range(2))
def test_with_friction_momentum_stays(seed):
    """Newton's restitution with friction may add energy where friction turns a slip around (Kane & Levinson 1985)."""
    rollout = simulated(raft, seed, 400, friction=0.4)
    momentum = rollout.momentum
    np.testing.assert_allclose(momentum, np.broadcast_to(momentum[:, :1], momentum.shape), atol=1e-12)
    print(f"\nenergy rises by at most {gained(rollout).max():.3f} of what there was")
    assert (gained(rollout) < 0.1).all()


@pytest.mark.parametrize("gravity", [0.0, 9.81])
@pytest.mark.parametrize("restitution", [1.0, None])
def test_what_lands_keeps_what_the_law_keeps(restitution, gravity):
    """What lands flat does not spin; with restitution 1 nothing is lost but along ropes that go taut."""
    rollout = simulated(rain, 2, 600, restitution=restitution, gravity=(0.0, -gravity))
    met(rollout)
    along, energy = rollout.momentum[..., 0], rollout.energy
    np.testing.assert_allclose(along, np.broadcast_to(along[:, :1], along.shape), atol=1e-9)
    spin = np.abs(rollout.angular_velocity[:, :, :4]).max(axis=(0, 1))
    print(f"\nenergy rises by {gained(rollout).max():.0e}, at last {np.sort(energy[:, -1] / energy[:, 0])[:3]}; "
          f"what lands flat spins at {spin} rad/s")  # fmt: skip
    assert (gained(rollout) < 0.02).all()
    assert spin[:2].max() < 0.05
    if restitution == 1.0:
        assert np.median(energy[:, -1] / energy[:, 0]) > 0.9
