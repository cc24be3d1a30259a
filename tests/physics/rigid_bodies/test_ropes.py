"""A rope that goes taut in the middle of a step and is slack again at once: value and gradient by the law."""

import numpy as np
import pytest

import diffsim as ds

DT, STEPS, LENGTH, MASS, SIZE = 0.002, 60, 1.0, 0.8, (0.15, 0.1)
INERTIA = MASS * (SIZE[0] ** 2 + SIZE[1] ** 2) / 3.0
GOAL = np.array([0.2, 0.4])


def turned(angle, arm):
    cosine, sine = np.cos(angle), np.sin(angle)
    return np.array([cosine * arm[0] - sine * arm[1], sine * arm[0] + cosine * arm[1]])


def law(start, velocity, angle, spin, arm):
    """Final place of a body that a rope from the origin, tied to its far side, gives one impulse; and when it does."""

    def anchor(time):
        return start + time * velocity + turned(angle + time * spin, arm)

    early, late = 0.0, 0.5 * DT * STEPS
    assert np.linalg.norm(anchor(early)) < LENGTH < np.linalg.norm(anchor(late))
    for _ in range(60):
        middle = 0.5 * (early + late)
        early, late = (middle, late) if np.linalg.norm(anchor(middle)) < LENGTH else (early, middle)
    out = anchor(late) / LENGTH
    lever = turned(angle + late * spin, arm)
    leverage = lever[0] * out[1] - lever[1] * out[0]
    slip = velocity + spin * np.array([-lever[1], lever[0]])
    impulse = -slip.dot(out) / (1.0 / MASS + leverage**2 / INERTIA)
    after, turning = velocity + impulse / MASS * out, spin + impulse * leverage / INERTIA
    along = after + turning * np.array([-lever[1], lever[0]])
    assert along.dot(along) / LENGTH < turning**2 * lever.dot(out)  # its anchor turns away from the rope's end
    return start + late * velocity + (DT * STEPS - late) * after, late


@pytest.mark.parametrize(("angle", "spin"), [(-0.3, 5.0), (0.2, -6.0), (0.4, 7.0)])
def test_a_rope_that_is_slack_again_at_once(angle, spin):
    """At each of 8 phases of the jerk in its step; what the anchors turn away by held it, and slopes had teeth."""
    velocity, arm = np.array([1.5, 0.2]), np.array([0.12, 0.03])
    at = np.array([LENGTH - 0.15, 0.0])
    body = ds.Box(at, SIZE, angle=angle, mass=MASS, velocity=velocity, angular_velocity=spin)
    rope = ds.Rope(0, None, (arm, (0.0, 0.0)), LENGTH)
    scene = ds.RigidBodies([body], joints=[rope], gravity=(0.0, 0.0), dt=DT)
    problem = ds.Problem(scene, objective=ds.ReachTarget(GOAL, point=0), steps=STEPS, tune=("scene.initial_position",))

    def loss(start):
        return np.sum((law(start, velocity, angle, spin, arm)[0] - GOAL) ** 2)

    phases = set()
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        for k in range(8):
            start = at + np.array([k / 8.0 * DT * velocity[0], 0.0])
            rollout = simulation.rollout({"scene.initial_position": start[None]})
            place, time = law(start, velocity, angle, spin, arm)
            np.testing.assert_allclose(rollout.position[-1, 0], place, rtol=0.0, atol=2e-4)
            found = simulation.value_and_grad({"scene.initial_position": start[None]})[1]["scene.initial_position"][0]
            ways = 1e-6 * np.eye(2)
            right = [(loss(start + way) - loss(start - way)) / 2e-6 for way in ways]
            np.testing.assert_allclose(found, right, rtol=0.01, atol=0.002)
            phases.add(int(time / DT * 8) % 8)
    assert len(phases) > 3
