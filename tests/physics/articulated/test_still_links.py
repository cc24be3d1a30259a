"""Geoms of links that do not move touch where those links are, and not as if these were at the world's origin."""

import dataclasses

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.articulated.quaternions import quaternion_of, rotation_of

PLACE, TURN = np.array([0.3, -0.2, 1.0]), np.array([0.95, 0.1, -0.2, 0.2])
TURN /= np.linalg.norm(TURN)
TABLES = (
    ds.Geom("table", "box", (0.5, 0.5, 0.1), contype=1, conaffinity=1),
    ds.Geom("log", "capsule", (0.1, 0.3), position=(3, 0, 0), orientation=(1, 1, 0, 0), contype=2, conaffinity=2),
)


def ball(name, across, bit):
    """In a table by a millimetre."""
    place = PLACE + rotation_of(TURN) @ (across, 0.01, 0.199)
    geom = ds.Geom(name, "sphere", 0.1, contype=bit, conaffinity=bit)
    return ds.Link(name, joints=ds.Joint(name, "free"), position=place, mass=1.0, inertia=(0.02,) * 3, geoms=geom)


def in_the_world(geom):
    turn, own = rotation_of(TURN), rotation_of(geom.orientation)
    return dataclasses.replace(geom, position=PLACE + turn @ geom.position, orientation=quaternion_of(turn @ own))


def test_what_stands_still_touches_where_it_is():
    balls = [ball("one", 0.0, 1), ball("other", 3.0, 2)]
    stand = [ds.Link("stand", position=PLACE), ds.Link("top", "stand", orientation=TURN, geoms=TABLES)]
    found = []
    for links, geoms in ((balls, list(map(in_the_world, TABLES))), ([*stand, *balls], ())):
        scene = ds.Articulated(links, geoms=geoms, dt=0.002)
        with ds.Simulation(ds.Problem(scene, steps=20), precision="f64", executor="staged") as simulation:
            found.append(simulation.rollout(simulation.params(seed=0)))
    plain, moved = found
    assert plain.contact_force[0, :, 2].all()
    assert moved.joint_position == pytest.approx(plain.joint_position, abs=1e-12)
    assert np.abs(plain.joint_position[-1] - plain.joint_position[0]).max() > 1e-3
