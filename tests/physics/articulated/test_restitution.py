"""What lands on several spots, or beside its middle, is thrown back with its restitution as what lands on one."""

import numpy as np
import pytest

import diffsim as ds

from .slopes import assert_slopes_agree

DT, TIME, SPEED = 1e-3, 0.1, 1.5
HALF = np.sqrt(0.5)
LYING = (HALF, HALF, 0, 0)
TILTED = (np.cos(0.2), np.sin(0.2), 0, 0)  # about x, by 0.4: a box on an edge along x
BOUNCES, PHASES, STEP = np.array([0.3, 0.6, 0.9]), 4, 1e-3
FLOOR, AIR = {"contype": 1, "conaffinity": 1}, {"contype": 2, "conaffinity": 2}


def link(name, geoms, place, mass, moments):
    root = ds.Joint(f"{name} root", "free")
    return ds.Link(name, joints=root, position=place, mass=mass, inertia=moments, geoms=geoms)


def box(name, sizes, **more):
    return ds.Geom(name, "box", sizes, **{**FLOOR, **more})


def scene(dt=DT):
    """What lands by its side or face, on two feet, on an edge, on a table, between the triangles of a field; and two
    boxes in flight."""
    edge = 0.1 * np.sin(0.4) + 0.05 * np.cos(0.4)
    feet = [ds.Geom(f"foot {k}", "sphere", 0.05, position=(0, y, 0), **FLOOR) for k, y in enumerate((-0.2, 0.2))]
    log = ds.Geom("log", "capsule", (0.05, 0.2), orientation=LYING, **FLOOR)
    brick = box("brick", (0.1, 0.1, 0.05), contype=4, conaffinity=4)
    links = [
        link("plate", box("plate", (0.1, 0.15, 0.05)), (0, 0, 0.05), 2.0, (0.017, 0.008, 0.022)),
        link("log", log, (2, 0, 0.05), 1.0, (0.02, 0.002, 0.02)),
        link("tin", ds.Geom("tin", "cylinder", (0.1, 0.05), **FLOOR), (4, 0, 0.05), 1.0, (0.0033, 0.0033, 0.005)),
        link("bar", feet, (6, 0, 0.05), 1.0, (0.02, 0.002, 0.02)),
        link("edge", box("edge", (0.15, 0.1, 0.05), orientation=TILTED), (8, 0, edge), 2.0, (0.02, 0.02, 0.02)),
        link("brick", brick, (0, 20, 1.05), 2.0, (0.01, 0.01, 0.014)),
        link("pea", ds.Geom("pea", "sphere", 0.1, contype=8, conaffinity=8), (0, 40, 0.1), 1.0, (0.004,) * 3),
        link("left", box("left", (0.1, 0.1, 0.1), **AIR), (0, 60, 0), 1.0, (0.007,) * 3),
        link("right", box("right", (0.1, 0.1, 0.1), **AIR), (0, 60, 0.2), 3.0, (0.02,) * 3),
    ]  # fmt: skip
    ground = [
        ds.Geom("floor", "plane", **FLOOR),
        ds.Geom("table", "box", (1, 1, 0.5), position=(0, 20, 0.5), contype=4, conaffinity=4),
        ds.Geom("land", "hfield", (1.0, 1.0), position=(0, 40, 0), heights=np.zeros((3, 3)), contype=8, conaffinity=8),
    ]
    return ds.Articulated(links, geoms=ground, gravity=(0, 0, 0), dt=dt)


NAMES = [each.name for each in scene().links]


def started(dt=DT):
    """Of each restitution its phases within a step of the landing; then the same with a little more restitution."""
    numbers, envs = scene(dt).numbers(), 2 * len(BOUNCES) * PHASES
    params = {
        f"scene.{name}": np.repeat(numbers[name][None].astype(float), envs, 0)
        for name in ("initial_position", "initial_velocity", "restitution")
    }
    bounces = np.concatenate([np.repeat(BOUNCES, PHASES), np.repeat(BOUNCES, PHASES) + STEP])
    high = 0.01 + SPEED * dt * np.tile(np.arange(PHASES) / PHASES, 2 * len(BOUNCES))
    params["scene.restitution"][:] = bounces[:, None]
    for k, name in enumerate(NAMES):
        moves = name != "right"
        params["scene.initial_position"][:, 7 * k + 2] += moves * high * (-1 if name == "left" else 1)
        params["scene.initial_velocity"][:, 6 * k + 2] = moves * SPEED * (1 if name == "left" else -1)
    return params


@pytest.fixture(scope="module")
def thrown():
    """(restitution, phase, link, 6) velocities at the end, of both restitutions."""
    params = started()
    problem = ds.Problem(scene(), steps=round(TIME / DT), tune=tuple(params))
    with ds.Simulation(problem, precision="f64", envs=len(params["scene.restitution"]), shared=False) as simulation:
        end = simulation.rollout(params).joint_velocity[:, -1]
    return end.reshape(2, len(BOUNCES), PHASES, len(NAMES), 6)


def left_of(velocity, name):
    """How fast it leaves, over how fast it came."""
    k = NAMES.index(name)
    if name == "left":
        return (velocity[..., k + 1, 2] - velocity[..., k, 2]) / SPEED
    if name == "edge":  # its lowest edge, 0.1 and 0.05 beside the middle in the frame of the box
        turn = np.array([[np.cos(0.4), -np.sin(0.4)], [np.sin(0.4), np.cos(0.4)]])
        across = (turn @ (-0.1, -0.05))[0]
        return (velocity[..., k, 2] + velocity[..., k, 3] * across) / SPEED
    return velocity[..., k, 2] / SPEED


@pytest.mark.parametrize("name", [name for name in NAMES if name != "right"])
def test_it_leaves_with_its_restitution(thrown, name):
    found = left_of(thrown[0], name)
    allowed = 0.06 if name == "left" else 0.03  # the damper of two that move is explicit
    assert found == pytest.approx(np.repeat(BOUNCES[:, None], PHASES, 1), abs=allowed)
    slope = (left_of(thrown[1], name) - found) / STEP
    assert slope == pytest.approx(np.ones_like(slope), abs=0.1)


def test_what_lands_flat_does_not_spin(thrown):
    for name in ("plate", "log", "tin", "bar", "brick", "left", "right"):
        assert np.abs(thrown[..., NAMES.index(name), 3:]).max() < 1e-9, name


@pytest.mark.parametrize("adjoint", [ds.FullTape(), ds.Checkpointed(every=3)], ids=["whole", "parts"])
@pytest.mark.parametrize("executor", ["staged", *(pytest.param(e, marks=pytest.mark.bench) for e in ("fused", "wide"))])
def test_gradients_agree_with_differences(executor, adjoint):
    """A capsule that lands on both ends, one after the other, and a ball on it."""
    bits = {"contype": 3, "conaffinity": 3}
    lies = ds.Geom("log", "capsule", (0.05, 0.2), orientation=LYING, restitution=0.6, friction=0.8, **bits)
    links = [
        link("log", lies, (0, 0, 0.051), 1.0, (0.02, 0.002, 0.02)),
        link("ball", ds.Geom("ball", "sphere", 0.04, restitution=0.3, **AIR), (0.01, 0.1, 0.139), 0.5, (0.001,) * 3),
    ]
    world = ds.Articulated(links, geoms=ds.Geom("floor", "plane", friction=0.7, **FLOOR), dt=2e-3, touch_depth=2e-3)
    names = ("restitution", "geom_size", "friction", "inertia", "mass", "initial_position", "initial_velocity")
    goal = ds.Travel(direction=(1.0, 0.5, -0.3)) + ds.ReachPose((0.1, 0, 0), (0.9, 0.1, 0.2, 0.1), "log")
    problem = ds.Problem(world, objective=goal, steps=9, tune=tuple(f"scene.{name}" for name in names))
    rng = np.random.default_rng(0)
    with ds.Simulation(problem, precision="f64", executor=executor, adjoint=adjoint) as sim:
        params = sim.params()
        params["scene.initial_position"][3:7] = 1.0, 0.006, 0.0, 0.05
        params["scene.initial_velocity"] = rng.uniform(-0.3, 0.3, 12) - 0.5 * (np.arange(12) % 6 == 2)
        touched = np.abs(sim.rollout(params).contact_force).sum(axis=2) > 0.0
        assert touched.any(axis=0).all()
        assert not touched.all(axis=0)[:2].all()
        assert_slopes_agree(sim, params, rng)
