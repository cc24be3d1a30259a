"""Masses, energies and momenta: against brute force, on rollouts made by hand, and in one that is simulated."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics import mechanics
from diffsim.physics.rigid_bodies.bodies import Box, Capsule, Disc, HalfPlane, Polygon
from diffsim.physics.rigid_bodies.joints import Pin, Spring
from diffsim.physics.rigid_bodies.masses import mass_and_inertia
from diffsim.physics.rigid_bodies.scene import RigidBodies

QUAD = np.array([(0.0, 0.0), (0.4, 0.0), (0.5, 0.3), (0.0, 0.4)])
MASSES = {
    Box: (Box((3.0, 1.0), (0.4, 0.1), angle=0.3), lambda x, y: (abs(x) <= 0.4) & (abs(y) <= 0.1)),
    Disc: (Disc((0.0, 1.0), 0.3), lambda x, y: x**2 + y**2 <= 0.09),
    Capsule: (
        Capsule((0.0, 1.0), 0.3, 0.2, angle=1.0),
        lambda x, y: np.maximum(abs(x) - 0.3, 0.0) ** 2 + y**2 <= 0.04,
    ),
    Polygon: (
        Polygon((0.0, 1.0), QUAD + 7.0, angle=2.0),
        lambda x, y: (y >= 0) & (x >= 0) & (y <= 0.4 - 0.2 * x) & (y >= 3 * (x - 0.4)),
    ),
}


@pytest.mark.parametrize("kind", MASSES)
def test_mass_and_inertia_are_those_of_the_outline_filled_evenly(kind):
    body, inside = MASSES[kind]
    x, y = np.meshgrid(*[np.linspace(-0.6, 0.6, 1501)] * 2)
    filled = inside(x, y)
    area = filled.sum() * 0.0008**2
    x, y = x[filled] - x[filled].mean(), y[filled] - y[filled].mean()
    (mass,), (inertia,) = mass_and_inertia([body.checked("it")], 2.5)
    # The 1500 squares either way are right to about one of their layers along the outline.
    assert mass == pytest.approx(2.5 * area, rel=3e-3)
    assert inertia == pytest.approx(mass * np.mean(x**2 + y**2), rel=3e-3)


def test_what_a_body_is_given_counts_before_what_follows():
    bodies = [
        Disc((0.0, 0.0), 1.0),
        Disc((9.0, 0.0), 1.0, density=4.0),
        Disc((0.0, 9.0), 1.0, mass=2.0),
        Disc((9.0, 9.0), 1.0, mass=2.0, inertia=7.0),
        Disc((5.0, 5.0), 1.0, inertia=7.0),
    ]
    mass, inertia = mass_and_inertia(RigidBodies(bodies).bodies, 3.0)
    np.testing.assert_allclose(mass, [3 * np.pi, 4 * np.pi, 2.0, 2.0, 3 * np.pi], rtol=1e-14)
    np.testing.assert_allclose(inertia, [1.5 * np.pi, 2 * np.pi, 1.0, 7.0, 7.0], rtol=1e-14)


# Rollouts made by hand


def rollout(scene, position, velocity, angle=None, angular_velocity=None, actuation=None, params=None, envs=1):
    """Of bodies or points that move as they are told."""
    position, velocity = np.array(position, float), np.array(velocity, float)
    rows = position.shape[-3]
    arrays = {"position": position, "velocity": velocity}
    for name, value in {"angle": angle, "angular_velocity": angular_velocity}.items():
        if isinstance(scene, RigidBodies):
            arrays[name] = np.zeros(position.shape[:-1]) if value is None else np.array(value, float)
    if len(scene.actuators):  # without any a simulation records no actuation
        none = np.zeros((*position.shape[:-3], rows - 1, len(scene.actuators)))
        arrays["actuation"] = none if actuation is None else np.array(actuation, float)
    problem = ds.Problem(scene, steps=rows - 1)
    return ds.Rollout(problem, params or {}, np.arange(rows) * scene.dt, arrays, envs=envs)


TIME = np.linspace(0.0, 1.0, 11)
GRAVITY = np.array([0.5, -9.0])


def flight(start, velocity, spin=0.0):
    """Free fall: positions and velocities (rows, 1, 2), angles and their rates (rows, 1)."""
    t = TIME[:, None, None]
    turn = spin * TIME[:, None]
    return start + t * velocity + 0.5 * t**2 * GRAVITY, velocity + t * GRAVITY, turn, np.full_like(turn, spin)


def test_free_flight_keeps_its_energy_and_gains_the_momentum_of_gravity():
    scene = RigidBodies([Box((1.0, 2.0), (0.3, 0.1), mass=2.0), Disc((3.0, 1.0), 0.2, mass=3.0)], gravity=GRAVITY)
    parts = zip(flight((1.0, 2.0), (2.0, 1.0), 5.0), flight((3.0, 1.0), (-1.0, 0.5), -2.0), strict=True)
    made = rollout(scene, *(np.concatenate(pair, axis=1) for pair in parts))
    inertia = 2.0 * (0.09 + 0.01) / 3.0, 0.5 * 3.0 * 0.04
    start = 0.5 * (2.0 * 5.0 + inertia[0] * 25.0) + 0.5 * (3.0 * 1.25 + inertia[1] * 4.0)
    start -= GRAVITY @ (2.0 * np.array([1.0, 2.0]) + 3.0 * np.array([3.0, 1.0]))
    np.testing.assert_allclose(made.energy, start, rtol=1e-13)
    np.testing.assert_allclose(made.momentum, [1.0, 3.5] + 5.0 * TIME[:, None] * GRAVITY, rtol=1e-13, atol=1e-13)
    # About the origin it changes by the torque of gravity; the integral of a parabola is Simpson's to rounding.
    torque = (2.0 * made.position[:, 0] + 3.0 * made.position[:, 1]) @ (-9.0, -0.5)
    gained = (torque[0] + 4.0 * torque[5] + torque[10]) / 6.0
    assert made.angular_momentum[-1] - made.angular_momentum[0] == pytest.approx(gained, rel=1e-12)
    spins = inertia[0] * 5.0 - inertia[1] * 2.0
    assert made.angular_momentum[0] == pytest.approx(2.0 * (1.0 - 4.0) + 3.0 * (1.5 + 1.0) + spins, rel=1e-13)


def test_springs_of_bodies_hold_energy_at_their_anchors():
    springs = [
        Spring(0, 1, ((0.0, 1.0), (-1.0, 0.0)), 50.0, 2.0),
        Spring(1, None, ((0.0, 0.0), (5.0, 3.0)), 10.0, 1.0, actuation=0.5),
    ]
    scene = RigidBodies([Disc((0.0, 0.0), 0.2), Disc((5.0, 0.0), 0.2)], springs=springs, gravity=(0.0, 0.0))
    # Body 0 is turned by a right angle: its anchor is at (-1, 0); that of body 1 at (4, 0), then at (3, 0).
    position = [[(0.0, 0.0), (5.0, 0.0)], [(0.0, 0.0), (4.0, 0.0)], [(0.0, 0.0), (4.0, 0.0)]]
    angle = [[np.pi / 2, 0.0]] * 3
    made = rollout(scene, position, np.zeros((3, 2, 2)), angle, actuation=[[0.0], [2.0]])
    second = np.sqrt(10.0) - 2.0
    expected = [25.0 * 9.0 + 5.0 * 4.0, 25.0 * 4.0 + 5.0 * second**2, 25.0 * 4.0 + 5.0 * second**2]
    np.testing.assert_allclose(made.energy, expected, rtol=1e-13)
    np.testing.assert_array_equal(made.momentum, np.zeros((3, 2)))


def test_long_rollouts_are_worked_through_in_blocks(monkeypatch):
    scene = RigidBodies(
        [Disc((1.0, 0.0), 0.2)], springs=[Spring(0, None, ((0.1, 0.0), (0.0, 0.0)), 3.0, actuation=1.0)]
    )
    position = np.random.default_rng(0).normal(size=(11, 1, 2))
    actuation = np.random.default_rng(1).normal(size=(10, 1))
    whole = rollout(scene, position, np.zeros((11, 1, 2)), actuation=actuation).energy
    monkeypatch.setattr(mechanics, "_BLOCK", 4)
    np.testing.assert_array_equal(rollout(scene, position, np.zeros((11, 1, 2)), actuation=actuation).energy, whole)


def test_environments_have_the_energy_of_their_own_parameters():
    bodies = [Disc((1.0, 2.0), 0.2), Box((4.0, 1.0), (0.3, 0.2), mass=2.0)]
    spring = Spring(0, 1, ((0.0, 0.0), (0.1, 0.0)), 20.0)
    scene = RigidBodies(bodies, springs=[spring], gravity=GRAVITY)
    random = np.random.default_rng(0)
    position, velocity = random.normal(size=(2, 3, 4, 2, 2))
    angle, spin = random.normal(size=(2, 3, 4, 2))
    params = {
        "scene.density": np.array([1.0, 2.0, 5.0]),
        "scene.mass": np.array([[1.0], [2.0], [3.0]]),
        "scene.radius": np.array([0.3]),  # one for all
        "scene.spring_anchor": random.normal(size=(3, 1, 2, 2)),
        "scene.gravity": random.normal(size=(3, 2)),
    }
    made = rollout(scene, position, velocity, angle, spin, params=params, envs=3)
    assert {name: made[name].shape for name in made.derives} == {
        "energy": (3, 4),
        "momentum": (3, 4, 2),
        "angular_momentum": (3, 4),
    }
    for k in range(3):
        own = {name: value if name == "scene.radius" else value[k] for name, value in params.items()}
        alone = rollout(scene, position[k], velocity[k], angle[k], spin[k], params=own)
        assert made.env(k).params.keys() == own.keys()
        assert all(np.array_equal(made.env(k).params[name], own[name]) for name in own)
        for name in made.derives:
            np.testing.assert_allclose(made[name][k], alone[name], rtol=1e-13)
            np.testing.assert_allclose(made.env(k)[name], alone[name], rtol=1e-13)
        masses = np.array([own["scene.density"] * np.pi * 0.09, own["scene.mass"][0]])
        np.testing.assert_allclose(alone.momentum, np.einsum("rnd,n->rd", velocity[k], masses), rtol=1e-12)


def test_a_single_environment_may_have_parameters_of_its_own():
    scene = RigidBodies([Disc((1.0, 2.0), 0.2)])
    params = {"scene.radius": np.array([[0.5]]), "scene.friction": np.array([0.1])}
    made = rollout(scene, np.zeros((2, 1, 2)), np.ones((2, 1, 2)), params=params)
    np.testing.assert_allclose(made.energy, np.pi * 0.25, rtol=1e-14)
    alone = made.env(0)
    assert {name: value.shape for name, value in alone.params.items()} == {"scene.radius": (1,), "scene.friction": ()}
    np.testing.assert_array_equal(alone.energy, made.energy)


def test_points_and_springs_in_three_dimensions():
    points = np.array([(0.0, 0.0, 0.0), (1.0, 0.0, 0.0), (0.0, 2.0, 0.0)])
    force = [(0.0, 0.0, 0.0), (1.0, 2.0, 3.0), (5.0, 5.0, 5.0)]
    scene = ds.MassSpring(
        points,
        [(0, 1), (1, 2)],
        stiffness=[100.0, 50.0],
        actuation=[0.0, 0.5],
        mass=[1.0, 2.0, 4.0],
        force=force,
        fixed=[2],
    )
    random = np.random.default_rng(0)
    position, velocity = random.normal(size=(2, 3, 3, 3))
    velocity[:, 2] = 0.0
    made = rollout(scene, position, velocity, actuation=[[0.3], [-0.7]])
    rest = [1.0, np.sqrt(5.0)]
    for row, asked in enumerate((0.3, -0.7, -0.7)):
        (a, b, c), (u, v, _) = position[row], velocity[row]
        energy = 0.5 * (u @ u + 2.0 * v @ v) + 9.81 * (a[2] + 2.0 * b[2]) - b @ force[1]
        energy += 50.0 * (np.linalg.norm(a - b) - rest[0]) ** 2
        energy += 25.0 * (np.linalg.norm(b - c) - rest[1] * (1.0 + 0.5 * asked)) ** 2
        assert made.energy[row] == pytest.approx(energy, rel=1e-12)
        np.testing.assert_allclose(made.momentum[row], u + 2.0 * v, rtol=1e-12)
        np.testing.assert_allclose(made.angular_momentum[row], np.cross(a, u) + 2.0 * np.cross(b, v), rtol=1e-12)


def test_points_without_springs_have_an_energy_too():
    made = rollout(ds.MassSpring([(0.0, 1.0)], mass=2.0), np.full((2, 1, 2), 3.0), np.ones((2, 1, 2)))
    np.testing.assert_allclose(made.energy, 2.0 + 2.0 * 9.81 * 3.0)
    np.testing.assert_allclose(made.angular_momentum, 0.0)


def test_what_diverged_has_no_energy_and_no_warning():
    velocity = np.full((3, 1, 2), 1.0)
    velocity[1], velocity[2] = 1e200, np.nan
    energy = rollout(RigidBodies([Disc((0.0, 1.0), 0.1)], obstacles=[HalfPlane()]), velocity, velocity).energy
    assert np.isfinite(energy).tolist() == [True, False, False]


# Simulated


def test_a_double_pendulum_keeps_its_energy():
    bars = [Box((0.5, 0.0), (0.5, 0.05), mass=1.0), Box((1.5, 0.0), (0.5, 0.05), mass=1.0)]
    scene = RigidBodies(bars, joints=[Pin(0, None, at=(0.0, 0.0)), Pin(0, 1, at=(1.0, 0.0))], dt=1e-3)
    problem = ds.Problem(scene, steps=1000, tune=("scene.mass",))
    with ds.Simulation(problem, precision="f64", envs=2, shared=False) as simulation:
        made = simulation.rollout({"scene.mass": np.array([[1.0, 1.0], [1.0, 3.0]])})
    falls = -9.81 * np.array([1.0, 1.0]) @ made.position[0, :, :, 1].T
    # Of what gravity has given it by then; the integrator is of first order, its error here some 1e-3.
    assert np.abs(made.energy[0]).max() < 5e-3 * falls.max()
    assert np.abs(made.energy[1]).max() < 5e-3 * 9.81 * -(made.position[1, :, :, 1] @ [1.0, 3.0]).min()
    assert falls.max() > 10.0
    # Starting from rest, so the swing of either is another one.
    assert np.abs(made.momentum[0] - made.momentum[1]).max() > 1.0
