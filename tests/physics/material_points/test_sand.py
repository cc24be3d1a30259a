"""Sand: a slope holds below its friction and flows above; how fast, and how that changes with the friction."""

import numpy as np
import pytest

import diffsim as ds
from diffsim import Matter

FRICTION = 0.6
GRAVITY = 9.81


def tilted(angle):
    """How far the particles of a box, filled with sand to a third, have moved half a second after it was tilted [m]."""
    sand = Matter.box((0.0, 0.0), (0.6, 0.2), 1 / 40)
    scene = ds.MaterialPoints(
        sand,
        material="sand",
        youngs_modulus=2e5,
        internal_friction=FRICTION,
        gravity=GRAVITY * np.array([np.sin(angle), -np.cos(angle)]),
        friction=1.0,
        high=(0.6, 0.6),
        cell=1 / 20,
        dt=1e-3,
    )
    with ds.Simulation(ds.Problem(scene, steps=800, tune=()), precision="f64", record="all") as sim:
        rollout = sim.rollout({})
    moved = np.linalg.norm(rollout.position - scene.points, axis=2)
    assert rollout.position[-1].min() > -0.5 * scene.cell  # nothing tunnels
    assert np.abs(rollout["volume_ratio"][-1].mean() - 1.0) < 0.01  # and it keeps its volume
    return moved


def test_a_slope_holds_below_the_friction_angle_and_flows_above_it():
    """A surface that is tilted by less than arctan(internal_friction), 31 degrees, gives a little and rests; one that
    is tilted by more flows until it is flat enough."""
    friction_angle = np.arctan(FRICTION)
    held, flown = (tilted(friction_angle + np.radians(more)) for more in (-10.0, 10.0))
    assert held[-1].max() < 0.01
    assert np.abs(held[-1] - held[-200]).max() < 1e-3  # and has come to rest
    assert flown[-1].max() > 0.08


def test_a_layer_flows_down_as_friction_bears():
    """v = g (sin a - sin(phi) cos a) t in a wide layer on rough ground, and dv / d friction.

    In shear that does not dilate, principal stresses lie at 45 degrees to the ground: on it friction is that of
    sin(phi), where a slope that is about to fail has tan(phi).
    """
    friction, angle, time, height = 0.4, np.pi / 4, 0.2, 0.1
    cell = height / 6
    layer = Matter.box((0.1, 0.0), (1.2, height), cell / 2)
    dt = 5e-4
    scene = ds.MaterialPoints(
        layer,
        material="sand",
        youngs_modulus=1e5,
        internal_friction=friction,
        gravity=GRAVITY * np.array([np.sin(angle), -np.cos(angle)]),
        friction=20.0,
        high=(1.5, 0.3),
        cell=cell,
        dt=dt,
    )
    steps = round(time / dt)
    upper = (np.abs(scene.points[:, 0] - 0.7) < 0.1) & (scene.points[:, 1] > height / 2)
    with ds.Simulation(
        ds.Problem(scene, steps=steps, tune=("scene.internal_friction",)), precision="f64", record="all"
    ) as sim:
        rollout, pull = sim.vjp(sim.params())
        mean = np.zeros_like(rollout.velocity)
        mean[-1, upper, 0] = 1.0 / upper.sum()
        mean[steps // 2, upper, 0] = -1.0 / upper.sum()  # until it is pressed together, it bears nothing
        slope = pull({"velocity": mean})["scene.internal_friction"]
    gained, long = (mean * rollout.velocity).sum(), dt * (steps - steps // 2)
    sine, more = friction / np.hypot(1.0, friction), 1.0 / np.hypot(1.0, friction) ** 3
    assert gained == pytest.approx(GRAVITY * (np.sin(angle) - sine * np.cos(angle)) * long, rel=0.03)
    assert slope == pytest.approx(-GRAVITY * more * np.cos(angle) * long, rel=0.03)


def test_in_space_gradients_of_a_heap_that_falls_apart_agree_with_differences():
    heap = Matter.box((0.31, 0.33, 0.182), (0.2, 0.2, 0.2), 0.1)
    own = 1.0 + 0.1 * np.sin(np.arange(len(heap)))
    apart = heap.points - heap.points.mean(axis=0)
    scene = ds.MaterialPoints(
        heap,
        material="sand",
        density=1.1,
        youngs_modulus=20.0 * own,
        internal_friction=0.5 * own,
        initial_velocity=(0.5, 0.25, -2.05) - apart * (1.0, 2.0, 4.0),
        gravity=(0.1, 0.2, -3.8),
        cell=0.2,
        dt=0.01,
    )
    problem = ds.Problem(scene, None, ds.ReachTarget((1.0, 0.2, 0.3), point=1), steps=15, tune=("scene.*",))
    with ds.Simulation(problem, precision="f64") as sim, sim.again(adjoint=ds.Checkpointed(every=4)) as segments:
        params = sim.params()
        report = ds.check_gradients(sim, params)
        assert report.passed, report
        _, whole = sim.value_and_grad(params)
        _, parts = segments.value_and_grad(params)
    assert np.abs(whole["scene.internal_friction"]).max() > 1e-4  # it yields
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)
