"""A force along a wall leaves the bounce alone; one along its normal decides what rests, as before."""

import numpy as np
import pytest

import diffsim as ds

DT, STEPS, SPEED = 2e-3, 250, 2.0
KEPT = np.array([1.0, 0.5, 1.0, 0.5])
SHARE = np.array([0.0, 0.0, 0.6, 0.6])  # of a step, by which the impact moves


@pytest.fixture(scope="module")
def rollout():
    """Discs of 1 kg fly at two walls at 2 m/s: 500 N along the wall change their speed by 1 m/s in each step."""
    bodies = [
        ds.Disc((0.0, 0.4), 0.1, mass=1.0, velocity=(0.0, -SPEED)),
        ds.Disc((-20.0 + 0.4 * np.sqrt(0.5), 20.0 + 0.4 * np.sqrt(0.5)), 0.1, mass=1.0, group=0),
    ]
    scene = ds.RigidBodies(
        bodies,
        [ds.HalfPlane(), ds.HalfPlane((-20.0, 20.0), angle=-0.25 * np.pi)],
        gravity=(0.0, 0.0),
        friction=0.0,
        restitution=1.0,
        pushes=[
            ds.Push(0, [(500.0, 0.0)] * 2, every=0.2),
            ds.Push(1, [(-500.0 * np.sqrt(0.5), 500.0 * np.sqrt(0.5))] * 2, every=0.2),
        ],
        dt=DT,
    )
    tune = ("scene.initial_position", "scene.initial_velocity", "scene.restitution")
    with ds.Simulation(ds.Problem(scene, steps=STEPS, tune=tune), precision="f64", envs=4, shared=False) as sim:
        params = sim.params()
        params["scene.restitution"][...] = KEPT
        normal = np.sqrt([0.5, 0.5])
        params["scene.initial_velocity"][:, 1] = -SPEED * normal
        params["scene.initial_position"][:, 0, 1] += SHARE * DT * SPEED
        params["scene.initial_position"][:, 1] += np.outer(SHARE * DT * SPEED, normal)
        return sim.rollout(params)


def test_it_leaves_with_its_restitution(rollout):
    np.testing.assert_allclose(rollout.velocity[:, -1, 0, 1], KEPT * SPEED, rtol=0, atol=1e-11)
    np.testing.assert_allclose(rollout.velocity[:, -1, 1].sum(axis=1) * np.sqrt(0.5), KEPT * SPEED, rtol=0, atol=1e-11)
