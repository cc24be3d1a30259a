"""What controllers see of matter, against NumPy; and the gradient through it."""

import numpy as np
import pytest

import diffsim as ds
from diffsim import Matter

ROUNDING = 1e-12


def scene():
    body = Matter.box((0.3, 0.3), (0.1, 0.1), 0.05, "one") + Matter.box((0.4, 0.3), (0.1, 0.15), 0.05, "other")
    return ds.MaterialPoints(
        body,
        material=body.by_region({"other": "neo-Hookean"}, "corotated"),
        actuator=body.by_region({"other": 0, "one": 1}),
        youngs_modulus=30.0,
        density=1.0,
        strength=3.0,
        fibre=body.by_region({"other": (0.6, 0.8)}, (1.0, 0.0)),
        initial_velocity=0.3 * np.sin(np.arange(2 * len(body))).reshape(-1, 2),
        cell=0.1,
        dt=0.01,
    )


CONTROLLERS = {"network": ds.MLP(hidden=3, sines=1), "feedback": ds.PD(ds.Sine(frequency=9.0), kp=1.2, kd=0.1)}


@pytest.fixture(scope="module", params=CONTROLLERS)
def seen(request):
    problem = ds.Problem(scene(), CONTROLLERS[request.param], ds.Travel(), steps=15, tune=("*",))
    with ds.Simulation(problem, precision="f64", record="all") as sim:
        params = sim.params(seed=1)
        return request.param, sim.rollout(params), ds.check_gradients(sim, params, raises=False)


def test_gradients_through_feedback_agree_with_differences(seen):
    _, _, report = seen
    assert report.passed, report


def test_what_is_seen_is_what_there_is(seen):
    name, rollout, _ = seen
    muscle = [rollout.problem.scene.actuator == k for k in range(2)]
    if name == "network":
        centre = rollout.position.mean(axis=1)
        for k, part in enumerate(muscle):
            offset = rollout.position[:, part].mean(axis=1) - centre
            velocity = 0.1 * rollout.velocity[:, part].mean(axis=1)
            found = rollout["observation"][:, 4 * k : 4 * k + 4]
            assert np.abs(found - np.concatenate([offset, velocity], axis=1)).max() < ROUNDING
        return
    fibre = np.array([[0.6, 0.8], [1.0, 0.0]])
    solid = [slice(len(muscle[1].nonzero()[0]), None), slice(0, len(muscle[1].nonzero()[0]))]  # by law
    for k in range(2):
        stretched = rollout["deformation"][:, solid[k]] @ fibre[k]
        length = np.linalg.norm(stretched, axis=-1)
        rate = np.einsum("rpij,rpj,rpi->rp", rollout["affine"][:, muscle[k]], stretched, stretched) / length
        assert np.abs(rollout["actuator_position"][:, k] - (length - 1.0).mean(axis=1)).max() < ROUNDING
        assert np.abs(rollout["actuator_velocity"][:, k] - rate.mean(axis=1)).max() < ROUNDING
