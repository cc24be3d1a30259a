"""Landings and what lets go of the ground, against the law, over the phases of an impact within its step."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.optimize import brentq

import diffsim as ds

from ..rigid_bodies.differences import check_both_adjoints

PHASES = np.linspace(0.03, 0.97, 8)  # of the step in which something happens
DT, STEPS = 2e-3, 150
T = DT * STEPS
GAP = 0.2  # above the ground at the start, and more by the phase [m]
FLAT, STEEP = (0.0, 1.0), (-0.5, 1.0)


def flight(x, v, a, d, t):
    """Place and velocity after a time t with the acceleration a less d times the velocity."""
    if d == 0.0:
        return x + v * t + a * t**2 / 2, v + a * t
    left = np.exp(-d * t)
    return x + a / d * t + (v - a / d) * (1 - left) / d, a / d + (v - a / d) * left


def law(gap, v, a, normal, friction, restitution, damping):
    """Where a point is at T that starts above a plane through the origin: Newton's restitution, Coulomb's friction."""
    n = np.array(normal) / np.linalg.norm(normal)
    x, v, a, t = gap * n, np.array(v), np.array(a), np.array([n[1], -n[0]])
    lands = brentq(lambda s: flight(gap, v @ n, a @ n, damping, s)[0], 1e-9, 0.25)
    x, u = flight(x, v, a, damping, lands)
    down, slides = u @ n, u @ t
    slides = np.sign(slides) * max(0.0, abs(slides) + friction * (1 + restitution) * down)
    rest, pressed = T - lands, -(a @ n)
    if restitution > 0.0 or pressed < 0.0:
        return flight(x, slides * t - restitution * down * n, a, damping, rest)[0]
    assert damping == 0.0
    way = np.sign(slides) if slides else np.sign(a @ t)
    along = a @ t - friction * pressed * way
    if slides == 0.0 and along * way <= 0.0:
        return x  # it sticks
    assert (slides + along * rest) * way > 0.0  # and does not stop
    return x + (slides * rest + along * rest**2 / 2) * t


CASES = {  # velocity, acceleration, normal, friction, restitution, damping
    "pulled up": ((0.4, -1.5), (0.0, 5.0), FLAT, 0.3, 0.0, 0.0),
    "pulled up and along": ((0.2, -1.5), (8.0, 3.0), FLAT, 1.0, 0.0, 0.0),
    "pulled up where it would stick": ((0.2, -1.5), (8.0, 3.0), FLAT, np.inf, 0.0, 0.0),
    "pulled up, with a small bounce": ((0.2, -1.5), (8.0, 3.0), FLAT, 1.0, 1e-4, 0.0),
    "sticks, then slips": ((0.2, -1.5), (8.0, -5.0), FLAT, 1.0, 0.0, 0.0),
    "sticks, then slips downhill": ((-0.1, -1.5), (0.0, -9.81), STEEP, 0.4, 0.0, 0.0),
    "sticks": ((0.2, -1.5), (3.0, -5.0), FLAT, 1.0, 0.0, 0.0),
    "slides": ((1.5, -1.5), (3.0, -5.0), FLAT, 0.3, 0.0, 0.0),
    "bounces, sticks and is pulled along": ((0.2, -1.5), (8.0, -5.0), FLAT, 1.0, 0.5, 0.0),
    "bounces, sticks and is pulled downhill": ((0.5, -1.5), (0.0, -9.81), STEEP, 0.5, 1.0, 0.0),
    "bounces off a wall that it sticks to": ((-1.5, 0.3), (0.0, -9.81), (1.0, 0.0), 0.5, 0.5, 0.0),
    "bounces and slides": ((1.5, -1.5), (8.0, -5.0), FLAT, 0.2, 0.5, 0.0),
    "bounces in air": ((1.0, -1.5), (0.0, 0.0), FLAT, 0.5, 1.0, 1.5),
    "bounces in air under gravity": ((1.0, -1.5), (0.0, -4.0), FLAT, 0.1, 0.5, 1.5),
}


def thrown(name, ground=None):
    v, a, normal, friction, restitution, damping = CASES[name]
    n = np.array(normal) / np.linalg.norm(normal)
    if ground is None:
        ground = ds.Ground(friction=friction, restitution=restitution, normal=normal)
    scene = ds.MassSpring(
        points=[GAP * n],
        gravity=a,
        ground=ground,
        damping=damping,
        # A step begins with the speed in the middle of the step before.
        initial_velocity=np.array(v) - 0.5 * DT * (np.array(a) - damping * np.array(v)),
        dt=DT,
    )
    friction = ("scene.friction",) if np.isfinite(friction) else ()
    return ds.Problem(scene, steps=STEPS, tune=("scene.initial_position", "scene.restitution", *friction)), n


def slopes(function, at):
    return (function(at + 1e-6) - function(at - 1e-6)) / 2e-6


def moved(sim, shifts, way):
    """Where points end, and how that depends on a shift along ``way``, (points, d), of each copy."""
    params = sim.params()
    params["scene.initial_position"] = params["scene.initial_position"] + shifts[:, None, None] * np.asarray(way)
    rollout, pull = sim.vjp(params)
    ends, found = rollout.position[:, -1], []
    for point, axis in np.ndindex(ends.shape[1:]):
        chosen = np.zeros_like(rollout.position)
        chosen[:, -1, point, axis] = 1.0
        found.append(pull({"position": chosen}))
    by_shift = np.stack([(grad["scene.initial_position"] * way).sum(axis=(1, 2)) for grad in found], axis=1)
    return ends, by_shift.reshape(ends.shape), found


@pytest.mark.parametrize("name", CASES)
def test_a_landing_has_the_law_s_slope_at_every_phase(name):
    """By the height that it came from, by friction and by restitution; first order in the step: a few hundredths."""
    v, a, normal, friction, restitution, damping = CASES[name]
    problem, n = thrown(name)
    speed = abs(np.dot(v, n))
    with ds.Simulation(problem, precision="f64", envs=len(PHASES), shared=False) as sim:
        ends, by_gap, grads = moved(sim, speed * DT * PHASES, n[None])
    rest = (normal, friction, restitution, damping)
    for k, gap in enumerate(GAP + speed * DT * PHASES):
        np.testing.assert_allclose(ends[k, 0], law(gap, v, a, *rest), atol=2e-4)
        steep = slopes(lambda g: law(g, v, a, *rest), gap)
        np.testing.assert_allclose(by_gap[k, 0], steep, rtol=0.025, atol=0.003)
        if restitution > 0.0:
            steep = slopes(lambda e, gap=gap: law(gap, v, a, normal, friction, e, damping), restitution)
            found = [grad["scene.restitution"][k] for grad in grads]
            np.testing.assert_allclose(found, steep, rtol=0.02, atol=0.002)
        if 0.0 < friction < np.inf:
            steep = slopes(lambda mu, gap=gap: law(gap, v, a, normal, mu, restitution, damping), friction)
            found = [grad["scene.friction"][k] for grad in grads]
            np.testing.assert_allclose(found, steep, rtol=0.02, atol=0.002)


@pytest.mark.parametrize("name", ["pulled up and along", "sticks, then slips downhill"])
def test_a_landing_on_terrain_is_one_on_a_plane(name):
    _, _, normal, friction, restitution, _ = CASES[name]
    heights = [-x * normal[0] / normal[1] for x in (-1.0, 0.3, 1.0)]
    terrain = ds.Terrain([heights[0], 0.0, heights[-1]], low=-1.0, high=1.0, friction=friction, restitution=restitution)
    found = []
    for ground in (None, terrain):
        problem, n = thrown(name, ground)
        with ds.Simulation(problem, precision="f64", envs=len(PHASES), shared=False) as sim:
            found.append(moved(sim, 1.5 * DT * PHASES, n[None]))
    np.testing.assert_allclose(found[1][0], found[0][0], atol=1e-12)
    np.testing.assert_allclose(found[1][1], found[0][1], atol=1e-9)


# A spring carries an impact on


MASSES, STIFFNESS, LENGTH = np.array([1.0, 0.6]), 20.0, 0.5


def fall(restitution, shift):
    """Heights at T of two points, one above the other, of which the lower one lands once and leaves."""
    push = np.array([[-1.0, 1.0], [1.0, -1.0]]) / MASSES[:, None]
    step = np.zeros((5, 5))  # of heights, rates and 1
    step[:2, 2:4] = np.eye(2)
    step[2:4, :2] = STIFFNESS * push
    step[2:4, 4] = STIFFNESS * LENGTH * np.array([-1.0, 1.0]) / MASSES - 3.0
    start = np.array([GAP + shift, GAP + shift + LENGTH, -1.5, -1.5, 1.0])
    lands = brentq(lambda t: (expm(step * t) @ start)[0], 0.0, 0.2)
    state = expm(step * lands) @ start
    state[2] *= -restitution
    assert min((expm(step * t) @ state)[0] for t in np.linspace(1e-3, T - lands, 20)) > 0.0  # it lands once
    return (expm(step * (T - lands)) @ state)[:2]


@pytest.mark.parametrize("restitution", [0.7, 1.0])
def test_both_ends_of_a_spring_go_on_as_the_law_has_it(restitution):
    scene = ds.MassSpring(
        points=[[0.0, GAP], [0.0, GAP + LENGTH]],
        springs=[(0, 1)],
        stiffness=STIFFNESS,
        mass=MASSES,
        gravity=(0.0, -3.0),
        initial_velocity=(0.0, -1.5 + 1.5 * DT),
        ground=ds.Ground(restitution=restitution, friction=0.3),
        dt=DT,
    )
    problem = ds.Problem(scene, steps=STEPS, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64", envs=len(PHASES), shared=False) as sim:
        shifts = 1.9 * DT * PHASES
        ends, by_shift, _ = moved(sim, shifts, np.array([[0.0, 1.0], [0.0, 1.0]]))
    exact = np.array([fall(restitution, shift) for shift in shifts])
    np.testing.assert_allclose(ends[..., 1], exact, atol=1e-4)
    steep = np.array([slopes(lambda s: fall(restitution, s), shift) for shift in shifts])
    np.testing.assert_allclose(by_shift[..., 1], steep, rtol=0.02, atol=0.01)


# Ground that lets go


STUCK = {"stiffness": 50.0, "mass": 0.5, "aside": 0.1, "height": 0.1, "rise": 1.0, "load": 10.0}


def stuck():
    """A point that sticks, pulled by a spring without length whose other end, of no weight and great mass, rises."""
    return ds.MassSpring(
        points=[[0.0, 0.0], [STUCK["aside"], STUCK["height"]]],
        springs=[(0, 1)],
        stiffness=STUCK["stiffness"],
        rest_length=0.0,
        mass=[STUCK["mass"], 1e9],
        gravity=(0.0, 0.0),
        force=[(0.0, -STUCK["load"]), (0.0, 0.0)],
        initial_velocity=[(0.0, 0.0), (0.0, STUCK["rise"])],
        ground=ds.Ground(),
        dt=DT,
    )


def test_what_sticks_is_let_go_when_forces_turn_round():
    """At t with k (y + w t) = F it is let go, and then swings along the ground: x (1 - cos(omega (T - t)))."""
    problem = ds.Problem(stuck(), steps=STEPS, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64", envs=len(PHASES), shared=False) as sim:
        shifts = STUCK["rise"] * DT * PHASES
        ends, by_shift, _ = moved(sim, shifts, np.array([[0.0, 0.0], [0.0, 1.0]]))
    omega = np.sqrt(STUCK["stiffness"] / STUCK["mass"])
    swung = omega * (T - (STUCK["load"] / STUCK["stiffness"] - STUCK["height"] - shifts) / STUCK["rise"])
    np.testing.assert_allclose(ends[:, 0, 0], STUCK["aside"] * (1.0 - np.cos(swung)), atol=2e-4)
    np.testing.assert_allclose(by_shift[:, 0, 0], STUCK["aside"] * np.sin(swung) * omega / STUCK["rise"], rtol=0.02)


def test_a_stepper_knows_what_held_a_point_in_the_call_before():
    """Call by call, stuck in one and let go in the next, it is a rollout, on flat ground and on terrain."""
    for ground in (ds.Ground(), ds.Terrain([0.0, 0.0, 0.0])):
        scene = replace(stuck(), ground=ground)
        with ds.Simulation(ds.Problem(scene, steps=60, tune=("scene.mass",)), precision="f64") as sim:
            expected = sim.rollout(sim.params())
        assert 0.0 < expected.velocity[-1, 0, 0] < 0.2  # let go about then
        with ds.Stepper(scene, precision="f64") as stepper:
            state = stepper.start()
            for k in range(60):
                state, _ = stepper.step(state, np.zeros((1, 0)), at=k)
            np.testing.assert_array_equal(stepper.named(state)["velocity"][0], expected.velocity[-1])


# In every executor


@pytest.mark.bench
@pytest.mark.parametrize("executor", ["staged", "wide", "fused"])
@pytest.mark.parametrize("friction", [0.5, np.inf])
def test_gradients_of_landings(executor, friction):
    """A square that falls on a corner, lands with all four, is pulled along and up."""
    points = np.array([[0.0, 0.02], [0.1, 0.05], [0.0, 0.12], [0.1, 0.15]])
    scene = ds.MassSpring(
        points=points,
        springs=[(0, 1), (0, 2), (1, 3), (2, 3), (0, 3), (1, 2)],
        stiffness=300.0,
        spring_damping=1.0,
        mass=0.1,
        damping=0.5,
        initial_velocity=(0.7, -1.0),
        force=(0.3, 0.0),
        ground=ds.Ground(friction=friction),
        dt=DT,
    )
    problem = ds.Problem(scene, objective=ds.Travel(), steps=120, tune=("scene.initial_*", "scene.spring_damping"))
    check_both_adjoints(problem, executor, 7)
