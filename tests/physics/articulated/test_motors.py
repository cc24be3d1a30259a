"""Motors at their limits: just there, and beyond."""

import numpy as np
import pytest

import diffsim as ds

STEPS = 8


def arm(name, y):
    hinge = ds.Joint(name, axis=(0, 1, 0))
    return ds.Link(name, joints=hinge, position=(0, y, 0), mass=1.0, centre=(0.3, 0, 0), inertia=(0.01, 0.02, 0.02))


# By the range of controls, of which an actuation of -1 to 1 is the whole; by that of forces, where the actuation is the
# control; and both. Each at either end.
CONTROL, FORCE = (-3.0, 2.0), (-4.0, 5.0)
ACTUATORS = (
    ds.Actuator("control", "control", gear=2.0, control_range=CONTROL),
    ds.Actuator("force", "force", gear=-1.5, force_range=FORCE),
    ds.Actuator("both", "both", control_range=(-1.0, 1.0), gain=4.0, bias=(1.0, 0, 0), force_range=(-3.0, 5.0)),
)
ENDS = {"low": np.array([-1.0, FORCE[0], -1.0]), "high": np.array([1.0, FORCE[1], 1.0])}


@pytest.fixture(scope="module")
def sim():
    scene = ds.Articulated([arm(a.name, k) for k, a in enumerate(ACTUATORS)], ACTUATORS, gravity=(0, 0, 0), dt=0.01)
    problem = ds.Problem(
        scene, ds.OpenLoop(), ds.TrackJoints(np.full((STEPS + 1, 3), 3.0)), steps=STEPS, tune=("controller.values",)
    )
    with ds.Simulation(problem, precision="f64") as made:
        yield made


def gradient(sim, values):
    return sim.value_and_grad({"controller.values": np.broadcast_to(values, (STEPS, 3)).copy()})[1]["controller.values"]


@pytest.mark.parametrize("end", ENDS)
def test_a_motor_just_at_its_limit_can_leave_it(sim, end):
    """What it is a little inside; beyond the limit nothing changes anything."""
    just, inside, beyond = (gradient(sim, share * ENDS[end]) for share in (1.0, 0.999, 1.001))
    assert np.abs(inside[:-1]).min() > 1e-6
    assert just == pytest.approx(inside, rel=0.02)
    assert np.abs(beyond).max() == 0.0


@pytest.mark.parametrize("end", ENDS)
def test_it_is_the_slope_to_the_inside(sim, end):
    values, h = np.broadcast_to(ENDS[end], (STEPS, 3)), 1e-6
    whole = gradient(sim, values)
    for motor in range(3):
        inwards = values.copy()
        inwards[:, motor] *= 1.0 - h
        slope = (sim.value({"controller.values": values.copy()}) - sim.value({"controller.values": inwards})) / h
        assert slope == pytest.approx((whole * values)[:, motor].sum(), rel=1e-4)
