"""What goes round along the limit of a ball's angle: the cone is as hard as it is said to be."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import diffsim as ds

LIMIT, STIFFNESS, DAMPING, WIDTH, TIME = 0.4, 650.0, 26.0, 0.01, 0.3
CENTRE, MASS, MOMENTS = np.array([0.0, 0.0, -0.5]), 1.0, np.array([0.01, 0.01, 0.001])
ROUND = (5.0, 8.0, 12.0)  # [rad/s]


def build(dt):
    ball = ds.Joint("ball", "ball", limits=(0.0, LIMIT), limit_stiffness=STIFFNESS, limit_damping=DAMPING)
    return ds.Articulated(ds.Link("mace", joints=ball, mass=MASS, centre=CENTRE, inertia=MOMENTS), dt=dt)


def start(speed):
    """Quaternion, and angular velocity in its own frame, of a mace that goes round without turning about itself."""
    angle = LIMIT + 0.004
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    up = np.array([0.0, 0.0, speed])
    return np.array([np.cos(angle / 2), 0, np.sin(angle / 2), 0]), turn.T @ up - up


def followed(speed):
    """Quaternion at the end by the law that the docs state."""
    inertia = np.diag(MOMENTS) + MASS * (CENTRE @ CENTRE * np.eye(3) - np.outer(CENTRE, CENTRE))

    def law(_, state):
        q, spin = state[:4] / np.linalg.norm(state[:4]), state[4:]
        v, long = q[1:], np.linalg.norm(q[1:])
        down = 2.0 * np.cross(v, np.cross(v, (0, 0, 1.0))) - 2.0 * q[0] * np.cross(v, (0, 0, 1.0)) + (0, 0, 1.0)
        depth, axis = 2.0 * np.arctan2(long, q[0]) - LIMIT, v / long
        spring = max(depth, 0.0) ** 2 / (2.0 * WIDTH) if depth < WIDTH else depth - 0.5 * WIDTH
        force = max(0.0, STIFFNESS * spring + DAMPING * np.clip(depth / WIDTH, 0.0, 1.0) * (axis @ spin))
        torque = np.cross(CENTRE, -9.81 * MASS * down) - force * axis
        turned = 0.5 * np.array([-v @ spin, *(q[0] * spin + np.cross(v, spin))])
        return [*turned, *np.linalg.solve(inertia, torque - np.cross(spin, inertia @ spin))]

    return solve_ivp(law, (0.0, TIME), np.concatenate(start(speed)), rtol=1e-9, atol=1e-11).y[:4, -1]


def angle(q):
    return 2.0 * np.arctan2(np.linalg.norm(q[..., 1:], axis=-1), np.abs(q[..., 0]))


@pytest.mark.parametrize("dt", [2e-3, 1e-3])
def test_what_goes_round_along_it_is_as_deep_as_the_law_says(dt):
    starts = [start(speed) for speed in ROUND]
    params = {
        "scene.initial_position": np.array([q for q, _ in starts]),
        "scene.initial_velocity": np.array([spin for _, spin in starts]),
    }
    problem = ds.Problem(build(dt), steps=round(TIME / dt), tune=tuple(params))
    with ds.Simulation(problem, precision="f64", envs=len(ROUND), shared=False) as simulation:
        found = simulation.rollout(params).joint_position[:, -1]
    law = np.array([followed(speed) for speed in ROUND])
    deep = angle(law) - LIMIT
    assert deep.min() > 0.002
    assert angle(found) - LIMIT == pytest.approx(deep, rel=0.03 * dt / 2e-3)
