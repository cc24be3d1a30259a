"""Kepler's orbits of opposite charges, what is conserved on them, and the order of the scheme."""

import numpy as np
import pytest

import diffsim as ds

# Of sums over a thousand steps in float64, of numbers of order one.
ROUNDING = 1e-11

PULL, FAR, SLOW = 1.3, 1.0, 0.9  # coulomb [N m^2/C^2]; distance [m] and speed [m/s] at the far end of the orbit
AXIS = 1.0 / (2.0 / FAR - SLOW**2 / PULL)  # half of the orbit's length [m]
PERIOD = 2.0 * np.pi * np.sqrt(AXIS**3 / PULL)  # [s]

ALONG = np.array([0.1, 0.05])  # velocity of both together [m/s]

# A softening of a millionth of the distance changes the force by 1.5e-12 of itself.
POINTS = {"softening": 1e-6, "coulomb": PULL}


def alone(steps, **scene):
    """A charge that goes once around a fixed opposite one."""
    return ds.Charges(
        [[FAR, 0.0]],
        charge=1.0,
        initial_velocity=(0.0, SLOW),
        fixed_position=[[0.0, 0.0]],
        fixed_charge=-1.0,
        dt=PERIOD / steps,
        **POINTS,
        **scene,
    )


def two(steps, heavy=3.0):
    """Two charges of other masses that go around each other, and along; their reduced mass is one."""
    masses = np.array([heavy, heavy / (heavy - 1.0)])
    shares = masses[::-1] / masses.sum()
    apart, speed = np.array([FAR, 0.0]), np.array([0.0, SLOW])
    return ds.Charges(
        [shares[0] * apart, -shares[1] * apart],
        charge=[2.0, -0.5],
        mass=masses,
        initial_velocity=np.stack([shares[0] * speed, -shares[1] * speed]) + ALONG,
        dt=PERIOD / steps,
        **POINTS,
    )


def run(scene, steps):
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=()), precision="f64") as sim:
        return sim.rollout({})


def test_a_charge_closes_its_orbit_with_order_two():
    misses = [np.linalg.norm(run(alone(steps), steps).position[-1, 0] - (FAR, 0.0)) for steps in (400, 800, 1600)]
    assert misses[-1] < 1e-4
    # What is left of order four, at 400 steps an orbit.
    assert np.array(misses[:-1]) / misses[1:] == pytest.approx(4.0, rel=5e-3)


def test_half_a_period_leads_to_the_near_end():
    rollout = run(alone(2000), 1000)
    assert rollout.position[-1, 0] == pytest.approx((FAR - 2.0 * AXIS, 0.0), abs=1e-4)  # order two, as above


def test_two_charges_go_around_each_other_as_one_does():
    steps = 400
    pair, one = run(two(steps), steps), run(alone(steps), steps)
    assert pair.position[:, 0] - pair.position[:, 1] == pytest.approx(one.position[:, 0], abs=ROUNDING)


def test_momentum_is_conserved_to_rounding():
    rollout = run(two(400), 400)
    for name in ("momentum", "angular_momentum"):
        assert np.abs(rollout[name] - rollout[name][0]).max() < ROUNDING, name
    assert np.abs(rollout.momentum[0]).max() > 0.1


def test_energy_swings_with_order_two_and_does_not_drift():
    swings, late = [], []
    for steps in (200, 400):
        energy = run(two(steps), 20 * steps).energy
        swings.append(np.ptp(energy[: steps + 1]))
        late.append(np.ptp(energy[-steps - 1 :]))
        assert energy[0] == pytest.approx(-0.5 * PULL / AXIS + 0.5 * 4.5 * ALONG @ ALONG, rel=1e-9)
    assert swings[0] / swings[1] == pytest.approx(4.0, rel=0.05)
    assert late == pytest.approx(swings, rel=0.05)


def test_the_derivative_of_the_last_position_is_that_of_the_period():
    """After a period x is back where it began; so dx/dk = -v dT/dk, for the pull k and the period T(k)."""
    steps = 3200
    problem = ds.Problem(alone(steps), steps=steps, tune=("scene.coulomb",))
    with ds.Simulation(problem, precision="f64") as sim:
        seed = np.zeros((steps + 1, 1, 2))
        seed[-1, 0] = (0.0, 1.0)
        slope = sim.pull(sim.params(), {"position": seed})["scene.coulomb"]
    of_the_axis = -(AXIS**2) * SLOW**2 / PULL**2
    of_the_period = PERIOD * (1.5 * of_the_axis / AXIS - 0.5 / PULL)
    assert slope == pytest.approx(-SLOW * of_the_period, rel=1e-4)  # order two, as above


def test_an_orbit_in_space_is_that_of_the_plane():
    turned = np.array([[0.36, 0.48, -0.8], [0.8, -0.6, 0.0]])
    flat = two(100)
    numbers = {name: flat.numbers()[f"initial_{name}"] @ turned for name in ("position", "velocity")}
    space = ds.Charges(
        numbers["position"],
        charge=flat.charge,
        mass=flat.mass,
        initial_velocity=numbers["velocity"],
        dt=flat.dt,
        **POINTS,
    )
    plane = run(flat, 100)
    rollout = run(space, 100)
    assert rollout.position == pytest.approx(plane.position @ turned, abs=ROUNDING)
    assert rollout.energy == pytest.approx(plane.energy, abs=ROUNDING)
    assert np.linalg.norm(rollout.angular_momentum[-1]) == pytest.approx(abs(plane.angular_momentum[-1]), abs=ROUNDING)


def test_without_interaction_charges_do_not_feel_each_other():
    scene = ds.Charges([[0.0, 0.0], [0.1, 0.0]], initial_velocity=(0.2, 0.1), charge=1.0, interaction=False, dt=0.1)
    rollout = run(scene, 10)
    assert rollout.position[-1] == pytest.approx(scene.initial_position + scene.initial_velocity, abs=ROUNDING)
    assert rollout.energy == pytest.approx(0.05, abs=ROUNDING)


def test_a_softened_push_turns_potential_into_speed():
    """From rest beside a fixed charge: what is gained in speed was lost of k p q / sqrt(r^2 + s^2)."""
    soft, steps = 0.3, 400
    scene = ds.Charges(
        [[0.2, 0.0, 0.1]],
        charge=0.7,
        mass=0.5,
        fixed_position=[[0.0, 0.0, 0.0], [0.0, 0.5, 0.0]],
        fixed_charge=[0.8, 0.2],
        coulomb=PULL,
        softening=soft,
        dt=0.002,
    )
    rollout = run(scene, steps)
    potential = [
        sum(
            PULL * 0.7 * charge / np.sqrt(np.sum((place - source) ** 2) + soft**2)
            for source, charge in zip(scene.fixed_position, scene.fixed_charge, strict=True)
        )
        for place in (rollout.position[0, 0], rollout.position[-1, 0])
    ]
    speed = np.linalg.norm(rollout.velocity[-1, 0])
    assert speed > 1.0
    assert 0.25 * speed**2 == pytest.approx(potential[0] - potential[1], rel=1e-5)  # order two
    assert rollout.energy[0] == pytest.approx(potential[0], rel=1e-12)


def test_damping_slows_by_its_exponential():
    scene = ds.Charges([[0.0, 0.0]], initial_velocity=(0.4, -0.3), damping=0.7, dt=0.05)
    rollout = run(scene, 40)
    slowed = np.exp(-0.7 * rollout.time)[:, None] * scene.initial_velocity
    assert rollout.velocity[:, 0] == pytest.approx(slowed, abs=ROUNDING)
