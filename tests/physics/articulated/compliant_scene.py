"""One scene of many experiments in contact; they never touch each other."""

from dataclasses import replace

import numpy as np

import diffsim as ds

__all__ = ["DT", "MU", "SLOPE", "SOFT", "STEPS", "STIFFNESS", "TABLE", "G", "build", "depth", "soft", "stored"]

DT, STEPS, G = 1e-3, 2400, 9.81
MU, SLOPE, TABLE = 0.6, np.radians(20.0), 0.6
TILT = (np.cos(SLOPE / 2), 0.0, np.sin(SLOPE / 2), 0.0)
LYING = (0.8, 0.0, 0.6, 0.0)
"""About y by 74 degrees: a capsule that lies almost level."""


def free(name, geom, position, mass=2.0, inertia=0.0, **changes):
    """A link that can go anywhere."""
    moments = np.broadcast_to(inertia or 0.4 * mass * 0.1**2, 3)
    return ds.Link(name, joints=ds.Joint(f"{name} root", "free"), position=position, mass=mass, inertia=moments,
                   geoms=soft(geom, mass), **changes)  # fmt: skip


SOFT = 1.0 / 0.02**2
"""Stiffness over mass: a landing takes several steps, and what rests is millimetres deep [1/s^2]."""

STIFFNESS = 2.0 * SOFT
"""Of what has 2 kg [N/m]."""


def soft(geom, mass):
    """A geom with a stiffness."""
    return replace(geom, stiffness=mass * SOFT) if geom.stiffness is None else geom


def depth(force, stiffness=STIFFNESS, width=1e-3):
    """How deep a contact is that a force presses, by the law [m]."""
    shallow = np.sqrt(2.0 * width * force / stiffness)
    return shallow if shallow < width else force / stiffness + 0.5 * width


def stored(depth, width=1e-3):
    """Energy of a contact of stiffness 1 at a depth: the integral of the law [m^2]."""
    x = np.maximum(depth, 0.0)
    return np.where(x < width, x**3 / (6.0 * width), 0.5 * (x - 0.5 * width) ** 2 + width**2 / 24.0)


class Bits:
    """A bit for every experiment, and all of them for what is under it."""

    def __init__(self):
        self.used = {}

    def __call__(self, ground):
        used = self.used.setdefault(ground, [])
        bit = 1 << sum(map(len, self.used.values()))
        used.append(bit)
        return {"contype": bit, "conaffinity": bit}

    def of(self, ground):
        return {"contype": sum(self.used[ground]), "conaffinity": 0}


def build(**changes):
    """The scene, and the velocity with which its links begin, by the name of their joint."""
    bit, links = Bits(), []

    def sphere(name, ground, **more):
        return ds.Geom(name, "sphere", 0.1, **{"friction": MU, **bit(ground), **more})

    def box(name, ground, **more):
        return ds.Geom(name, "box", (0.1, 0.1, 0.1), **{"friction": MU, **bit(ground), **more})

    def capsule(name, ground, **more):
        return ds.Geom(name, "capsule", (0.1, 0.2), **{"friction": MU, **bit(ground), **more})

    cube = 2.0 / 3.0 * 2.0 * 0.1**2  # of 2 kg
    downhill = np.array([np.sin(SLOPE), 0.0, np.cos(SLOPE)])
    links += [
        free("dropped", sphere("dropped", "floor"), (0, 0, 0.6)),
        free("padded", sphere("padded", "floor", margin=0.03), (0, 0, 0.13)),
        free("crate", box("crate", "floor"), (0, 0, 0.1), inertia=cube),
        free("tumbling", box("tumbling", "floor"), (0, 0, 0.5), inertia=cube, orientation=(0.8, 0.3, 0.4, 0.2)),
        free("sliding", box("sliding", "floor"), (0, 0, 0.1 - depth(2.0 * G / 4)), inertia=cube),
        free("creeping", box("creeping", "slope"), 0.1 * downhill, inertia=cube, orientation=TILT),
        free("slipping", box("slipping", "slope", friction=0.2), 0.1 * downhill, inertia=cube, orientation=TILT),
        free("puck", box("puck", "ice", frictionless=True), (0, 0, 0.1 - depth(2.0 * G / 4)), inertia=cube),
        free("marble", sphere("marble", "table"), (0, 0, TABLE + 0.11)),
        free("log", capsule("log", "table"), (0, 0, TABLE + 0.11), orientation=(np.sqrt(0.5), 0, np.sqrt(0.5), 0)),
    ]
    # A ball on a box on the floor; and two that meet in flight.
    stack, flight = bit("stack"), bit("flight")
    cart = bit("floor")["contype"] | stack["contype"]
    links += [
        free("cart", box("cart", "", contype=cart, conaffinity=cart), (0, 0, 0.1), mass=4.0, inertia=2 * cube),
        free("rider", sphere("rider", "", **stack), (0, 0, 0.31), mass=1.0),
        free("left", sphere("left", "", **flight), (9, 0, 5), mass=1.0),
        free("right", capsule("right", "", orientation=LYING, **flight), (9.5, 0.05, 5.05), mass=1.5),
    ]
    # Against limits: down along a rail; a pendulum that stops at 0.5 rad, and one at a ball.
    hanging = {"mass": 2.0, "centre": (0.3, 0.0, 0.0), "inertia": (0.01, 0.02, 0.02)}
    links += [
        ds.Link("weight", joints=ds.Joint("rail", "slide", limits=(-0.1, 1.0)), mass=3.0, inertia=(0.01, 0.01, 0.01)),
        ds.Link("arm", joints=ds.Joint("hinge", axis=(0, 1, 0), limits=(-1.0, 0.5)), **hanging),
        ds.Link("mace", joints=ds.Joint("ball", "ball", limits=(0.0, 0.4)), **hanging),
    ]
    ground = [
        ds.Geom("floor", "plane", friction=MU, **bit.of("floor")),
        ds.Geom("slope", "plane", orientation=TILT, friction=0.2, **bit.of("slope")),
        ds.Geom("ice", "plane", friction=MU, frictionless=True, **bit.of("ice")),
        ds.Geom("table", "box", (1.0, 1.0, 0.5 * TABLE), position=(0, 0, 0.5 * TABLE), **bit.of("table")),
    ]
    scene = ds.Articulated(links, geoms=ground, **{"dt": DT, "touch_depth": 1e-3, **changes})
    velocity, at = scene.initial_velocity.copy(), 0
    start = {"sliding": (2, 0, 0), "puck": (1, 0.5, 0), "left": (2, 0, 0), "right": (-1, 0, 0, 0, 0, 1)}
    for joint in scene.joints:
        wanted = start.get(joint.name.removesuffix(" root"), ())
        velocity[at : at + len(wanted)] = wanted
        at += joint.freedoms
    return scene, velocity
