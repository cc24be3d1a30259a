"""A leg that lands on its foot: it counts from when it does, however heavy what it carries is."""

import numpy as np

import diffsim as ds

TIME, PHASES, STEP = 0.4, 16, 1e-4
LEGS = {"without friction": (8000.0, 50.0, 0.0), "with friction": (8000.0, 50.0, 0.8), "default": (None, None, 0.0)}
"""Stiffness, damping and friction of the foot."""


def build(dt):
    links = []
    for y, (name, (stiffness, damping, friction)) in enumerate(LEGS.items()):
        foot = ds.Geom(
            name, "sphere", 0.03, position=(0, 0, -0.25), friction=friction, stiffness=stiffness, damping=damping
        )
        links += [
            ds.Link(f"{name} body", joints=ds.Joint(f"{name} rail", "slide"), position=(0, y, 0.55), mass=3.0,
                    inertia=(0.01, 0.02, 0.02)),
            ds.Link(f"{name} thigh", parent=f"{name} body", joints=ds.Joint(f"{name} hip", axis=(0, 1, 0), damping=0.1),
                    mass=0.5, centre=(0, 0, -0.12), inertia=(0.003, 0.003, 0.0005)),
            ds.Link(f"{name} shank", parent=f"{name} thigh", position=(0, 0, -0.25), mass=0.3, centre=(0, 0, -0.12),
                    joints=ds.Joint(f"{name} knee", axis=(0, 1, 0), stiffness=40.0, damping=0.5),
                    inertia=(0.002, 0.002, 0.0003), geoms=foot),
        ]  # fmt: skip
    return ds.Articulated(links, geoms=ds.Geom("floor", "plane", friction=0.0), dt=dt)


def slopes(dt, phases):
    """(leg, phase) how its height in the end changes with that in the beginning."""
    fall = 0.1 + np.arange(phases) / phases * 4e-3
    place = np.tile([0.0, 0.4, -0.9], (2 * phases, len(LEGS)))
    place[:, ::3] = np.concatenate([fall, fall + STEP])[:, None]
    params = {"scene.initial_position": place}
    problem = ds.Problem(build(dt), steps=round(TIME / dt), tune=tuple(params))
    with ds.Simulation(problem, precision="f64", envs=2 * phases, shared=False) as simulation:
        end = simulation.rollout(params).joint_position[:, -1, ::3]
    return ((end[phases:] - end[:phases]) / STEP).T


def test_a_leg_counts_from_when_it_lands():
    """At every phase of the landing within a step, to that which very short steps say."""
    law, found = slopes(5e-5, 4).mean(axis=1, keepdims=True), slopes(2e-3, PHASES)
    assert np.abs(found / law - 1.0)[:2].max() < 0.06
    finer = slopes(1e-3, PHASES)
    assert np.abs(finer / law - 1.0)[:2].max() < 0.04
    assert np.median(np.abs(finer / law - 1.0)[2]) < 0.2
