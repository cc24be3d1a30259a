"""Gradients of robots where test_conformance.py does not look: links that touch each other, and kinks."""

import numpy as np
import pytest

import diffsim as ds

# Of the largest entry. Differences by 1e-6 in float64 are right to 1e-10; stiff contacts have large third derivatives.
AGREEMENT = 1e-6


def free(name, geom, position, **changes):
    made = {"mass": 1.0, "inertia": (0.01, 0.011, 0.012), "centre": (0.01, -0.02, 0.01), **changes}
    return ds.Link(name, joints=ds.Joint(f"{name} root", "free"), position=position, geoms=geom, **made)


# Two capsules, one lying across the other on a floor, a box that leans on both, and a hanging ball with a spring. Of no
# two geoms friction, stiffness or damping are the same: the larger one counts, and at a tie that is a kink.
SCENE = ds.Articulated(
    links=[
        free("log", ds.Geom("log", "capsule", (0.1, 0.2), orientation=(0.8, 0.6, 0.1, 0), friction=0.7, margin=0.003),
             (0, 0, 0.1)),
        free("pole", ds.Geom("pole", "capsule", (0.08, 0.25), orientation=(0.7, 0.1, 0.6, 0), friction=0.5,
                             margin=0.001), (0.03, 0.02, 0.285), mass=0.5),
        free("block", ds.Geom("block", "box", (0.1, 0.12, 0.14), friction=0.3, margin=0.002),
             (0.21, 0.06, 0.15), mass=0.7, orientation=(0.9, 0.1, 0.2, 0.05)),
        ds.Link("bob", joints=ds.Joint("pivot", "ball", stiffness=2.0, damping=0.1, limits=(0, 0.05)), mass=0.3,
                centre=(0.02, 0, -0.1), inertia=(0.002, 0.003, 0.002), position=(0, 0, 5)),
    ],
    geoms=ds.Geom("floor", "plane", friction=0.2, margin=0.004),
    initial_velocity=[0.3, 0.1, -1, 0.2, 0.1, 0.3, 0, 0.1, -1, 0.1, 0.2, 0.3, -0.5, 0.1, -0.4, 0.2, 0.1, 0, 1, 4, 2],
    dt=2e-3,
)  # fmt: skip
STEPS = 15


def problem(*tune):
    return ds.Problem(SCENE, objective=ds.Travel(direction=(1.0, 0.5, -0.3)), steps=STEPS, tune=tune)


@pytest.fixture(scope="module")
def sim():
    with ds.Simulation(problem("scene.*"), precision="f64") as made:
        yield made


@pytest.fixture(scope="module")
def found(sim):
    """All gradients at the start."""
    return sim.value_and_grad(sim.params())[1]


def test_all_of_them_touch(sim):
    rollout = sim.rollout(sim.params())
    pushed = (np.abs(rollout.contact_force) > 0).any(axis=(0, 2))
    names = {SCENE.contact_name(k).removeprefix("geoms ") for k in np.flatnonzero(pushed)}
    assert names == {"floor and log", "log and pole", "log and block", "pole and block", "floor and block"}
    bent = 2.0 * np.arccos(rollout.joint_position[:, -4])
    assert bent.max() > 0.05  # so it is at its limit


def test_gradients_of_links_that_touch_each_other_agree_with_differences(sim, found):
    start = sim.params()
    for name, gradient in found.items():
        differences, rounding = np.zeros_like(gradient), np.zeros_like(gradient)
        for index in np.ndindex(gradient.shape):
            h, ends = 1e-6 * max(1.0, abs(start[name][index])), []
            for sign in (1.0, -1.0):
                value = start[name].copy()
                value[index] += sign * h
                ends.append(sim.value({**start, name: value}))
            differences[index] = (ends[0] - ends[1]) / (2.0 * h)
            rounding[index] = 1e-16 / h
        error = np.abs(gradient - differences)
        assert (error <= AGREEMENT * np.abs(gradient).max() + rounding).all(), name


def at(sim, **places):
    """Parameters with links elsewhere: position and quaternion."""
    params = sim.params()
    for k, name in enumerate(("log", "pole", "block")):
        if name in places:
            params["scene.initial_position"][7 * k : 7 * k + 7] = places[name]
    return params


UPRIGHT = (1.0, 0.0, 0.0, 0.0)

KINKS = {
    "parallel capsules": {"log": (0, 0, 1, *UPRIGHT), "pole": (0.1, 0, 1, 0.8, 0.6, 0.1, 0)},
    "capsules in one place": {"log": (0, 0, 1, *UPRIGHT), "pole": (0, 0, 1, *UPRIGHT)},
    "a capsule in the middle of a box": {"log": (0.21, 0.06, 0.15, *UPRIGHT)},
}


@pytest.mark.parametrize("case", KINKS)
def test_gradients_are_finite_at_kinks(sim, case):
    params = at(sim, **KINKS[case])
    if case == "parallel capsules":
        params["scene.geom_orientation"][2] = params["scene.geom_orientation"][1]
        params["scene.initial_position"][10:14] = UPRIGHT
    _, gradients = sim.value_and_grad(params)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


def test_a_ball_that_is_not_bent_has_a_gradient(sim):
    """Its angle is the length of a vector that is zero."""
    params = sim.params()
    params["scene.initial_velocity"][-3:] = 0.0
    _, gradients = sim.value_and_grad(params)
    assert all(np.isfinite(gradient).all() for gradient in gradients.values())


AT_REST = {
    "a contact": ("slide", {"geoms": [ds.Geom("ball", "sphere", 0.1)]}, 0.0999),
    "a limit": ("hinge", {}, 0.1001),
}


@pytest.mark.parametrize("case", AT_REST)
def test_what_presses_and_does_not_move_has_the_gradient_of_both_ways(case):
    """At a rate of exactly zero the law's ways in and out meet without a kink, though each is written by itself."""
    motion, parts, start = AT_REST[case]
    limits = (-1.0, 0.1) if motion == "hinge" else None
    joint = ds.Joint("joint", motion, axis=(0.0, 0.0, 1.0), limits=limits)
    tip = ds.Site("tip", (0.0, 0.3, 0.1))
    link = ds.Link("body", joints=joint, mass=1.0, inertia=(0.1, 0.1, 0.1), sites=tip, **parts)
    scene = ds.Articulated([link], geoms=ds.Geom("floor", "plane"), initial_position=(start,), dt=0.002)
    goal = ds.ReachTarget((0.2, 0.1, 0.4), point="tip")
    problem = ds.Problem(scene, objective=goal, steps=3, tune=("scene.initial_velocity",))
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        _, grad = simulation.value_and_grad({"scene.initial_velocity": np.zeros(1)})
        ends = [simulation.value({"scene.initial_velocity": np.full(1, v)}) for v in (1e-6, -1e-6)]
    assert grad["scene.initial_velocity"] == pytest.approx([(ends[0] - ends[1]) / 2e-6], rel=1e-6)
