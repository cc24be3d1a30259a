"""Rollouts made by hand: no simulation, so that what must be seen in a picture is known."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pytest

from diffsim import physics
from diffsim.physics.articulated.actuators import Actuator
from diffsim.physics.articulated.geoms import Geom
from diffsim.physics.articulated.links import Joint, Link, Site
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.mass_spring.scene import Ground, MassSpring
from diffsim.physics.rigid_bodies.bodies import Box, Capsule, Disc, HalfPlane, Polygon, Segment
from diffsim.physics.rigid_bodies.joints import Pin, Rope, Slider, Spring
from diffsim.physics.rigid_bodies.scene import RigidBodies
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.spec import Spec
from diffsim.viewing.look import (
    Areas,
    Arrows,
    Bodies,
    Driven,
    Field,
    Fixed,
    Floor,
    Look,
    Part,
    Points,
    Scale,
    Segments,
    Values,
)

# Normals and heights of the half-planes around a table of 1.4 by 0.8 m.
CUSHIONS = (((1.0, 0.0), 0.0), ((-1.0, 0.0), -1.4), ((0.0, 1.0), 0.0), ((0.0, -1.0), -0.8))


def box(dimension=2, ground=True, **changes):
    """A square (2D) or cube (3D) of side 0.2 m at height 0.1 m, all pairs of its points joined by muscles."""
    corners = np.stack(np.meshgrid(*[(0.0, 0.2)] * dimension, indexing="ij"), axis=-1).reshape(-1, dimension)
    corners[:, -1] += 0.1
    pairs = [(a, b) for a in range(len(corners)) for b in range(a + 1, len(corners))]
    values = {"points": corners, "springs": pairs, "actuation": 0.1, "dt": 0.01}
    values["ground"] = Ground() if ground else None
    return MassSpring(**{**values, **changes})


def travelling(scene, steps=100, distance=1.0, actuation=0.0, loss=-1.0, **changes):
    """A rollout that carries the scene along x at a constant speed, by ``distance`` [m] in all."""
    share = np.linspace(0.0, 1.0, steps + 1) if steps else np.zeros(1)
    position = np.repeat(scene.points[None], steps + 1, axis=0)
    position[..., 0] += distance * share[:, None]
    asked = np.broadcast_to(actuation, (steps, len(scene.actuators)))
    arrays = {
        "position": position,
        "velocity": np.zeros_like(position),
        "actuation": np.array(asked, dtype=float),
    }
    values = {
        "problem": Problem(scene, steps=max(steps, 1)),
        "params": {},
        "time": np.arange(steps + 1) * scene.dt,
        "arrays": arrays,
        "loss": loss,
    }
    return Rollout(**{**values, **changes})


def turning(angle):
    """(rows, 3, 3) rotations about the y axis by angles (rows,) [rad]."""
    cos, sin, one, none = np.cos(angle), np.sin(angle), np.ones_like(angle), np.zeros_like(angle)
    return np.stack(
        [np.stack(row, axis=-1) for row in ((cos, none, sin), (none, one, none), (-sin, none, cos))], axis=-2
    )


def machine(steps=60):
    """Planar bodies of every shape on a floor beside a wall, with every joint; the disc rolls to the right."""
    scene = RigidBodies(
        bodies=[
            Disc((0.2, 0.1), 0.1),
            Box((0.8, 0.6), (0.15, 0.05)),
            Capsule((1.3, 0.6), 0.15, 0.05),
            Polygon((0.5, 1.2), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.2)]),
            Box((1.3, 1.2), (0.1, 0.1)),
        ],
        obstacles=[
            HalfPlane(),
            HalfPlane.of((-1.0, 0.0), -2.0),
            Segment.between((0.1, 0.9), (0.4, 1.0)),
            Disc((1.75, 0.3), 0.08),
        ],
        joints=[
            Pin(1, 2, at=(1.05, 0.6), motor=1.0),
            Rope(3, None, ((0.0, 0.0), (0.5, 1.6)), 0.6),
            Slider(4, None, at=(1.3, 1.2), motor=2.0),
        ],
        springs=[
            Spring(1, None, ((0.0, 0.0), (0.8, 1.3)), stiffness=10.0),
            Spring(1, 3, ((0.0, 0.0), (0.0, 0.0)), 10.0, actuation=0.2),
        ],
        dt=0.02,
    )
    share = np.linspace(0.0, 1.0, steps + 1)
    position = np.repeat(np.array([body.position for body in scene.bodies])[None], steps + 1, axis=0)
    angle = np.zeros((steps + 1, len(scene.bodies)))
    position[:, 0, 0] += share
    angle[:, 0] = -10.0 * share
    position[:, 4, 0] += 0.2 * np.sin(6.0 * share)
    touching = np.zeros((steps, 1))
    arrays = {
        "position": position,
        "angle": angle,
        "actuation": np.sin(9.0 * share[:-1, None] + np.arange(3)),
        "contact_point": np.stack([position[:-1, :1, 0], touching], axis=2),
        "contact_force": np.broadcast_to([1.0, 0.2], (steps, 1, 2)).copy(),
        "contact_normal": np.broadcast_to([0.0, 1.0], (steps, 1, 2)).copy(),
        "contact_pair": touching + scene.pairs.tolist().index([0, len(scene.bodies)]),
    }
    return Rollout(Problem(scene, steps=steps), {}, scene.dt * np.arange(steps + 1), arrays, loss=0.5)


def robot(steps=60, distance=0.6):
    """A free body of every shape in three dimensions that goes along x and nods; it stands on a plane with a box."""
    shapes = [
        Geom("trunk", "box", (0.2, 0.1, 0.06)),
        Geom("neck", "capsule", (0.04, 0.12), position=(0.22, 0.0, 0.12)),
        Geom("head", "sphere", 0.08, position=(0.24, 0.0, 0.3)),
        Geom("wheel", "cylinder", (0.1, 0.03), position=(-0.15, -0.16, -0.1), orientation=(0.7071, 0.7071, 0.0, 0.0)),
        Geom("bag", "ellipsoid", (0.14, 0.07, 0.05), position=(-0.05, 0.0, 0.12)),
    ]
    still = {"contype": 0, "conaffinity": 0}
    shapes = [replace(shape, **still) for shape in shapes]
    leg = Geom("leg", "capsule", (0.03, 0.1), position=(0.0, 0.0, -0.1), **still)
    links = [
        Link(
            "body",
            joints=Joint("root", "free"),
            position=(0.0, 0.0, 0.3),
            mass=1.0,
            inertia=(0.1, 0.1, 0.1),
            geoms=shapes,
        ),
        Link(
            "leg",
            parent="body",
            joints=Joint("hip", axis=(0.0, 1.0, 0.0)),
            position=(0.15, -0.14, 0.0),
            mass=0.2,
            centre=(0.0, 0.0, -0.1),
            inertia=(0.01, 0.01, 0.01),
            geoms=leg,
            sites=Site("toe", (0.0, 0.0, -0.2)),
        ),
    ]
    world = [Geom("floor", "plane", ()), Geom("step", "box", (0.1, 0.1, 0.05), position=(0.3, 0.5, 0.05), **still)]
    scene = Articulated(links, actuators=Actuator.motor("hip"), geoms=world, dt=0.02)
    share = np.linspace(0.0, 1.0, steps + 1)
    body = np.stack([distance * share, 0.0 * share, 0.3 + 0.0 * share], axis=1)
    nod, swing = turning(0.2 * np.sin(9.0 * share)), turning(0.2 * np.sin(9.0 * share) + 0.6 * np.sin(12.0 * share))
    hip = body + nod @ np.array([0.15, -0.14, 0.0])
    toe = hip + swing @ np.array([0.0, 0.0, -0.2])
    arrays = {
        "position": np.stack([body, hip, toe], axis=1),
        "rotation": np.stack([nod, swing], axis=1).reshape(steps + 1, 2, 9),
        "joint_position": np.zeros((steps + 1, 8)),
        "joint_velocity": np.zeros((steps + 1, 7)),
        "actuation": np.sin(12.0 * share[:-1, None]),
    }
    return Rollout(Problem(scene, steps=steps), {}, scene.dt * np.arange(steps + 1), arrays, loss=-0.4)


def flying():
    """The robot, with nothing below it."""
    rollout = robot(distance=0.0)
    scene = replace(rollout.problem.scene, geoms=[])
    return replace(rollout, problem=Problem(scene, steps=rollout.problem.steps))


def crowd(steps=100):
    """A strip of 90 muscles, which a wave of all phases goes through in no order."""
    points = [(0.1 * k, 0.0) for k in range(91)]
    scene = MassSpring(points, [(k, k + 1) for k in range(90)], actuation=0.1, dt=0.01)
    phase = 2.0 * np.pi * np.random.default_rng(0).permutation(90) / 90
    return travelling(scene, steps, actuation=np.sin(0.2 * np.arange(steps)[:, None] + phase))


def table(steps=60):
    """Three balls between four cushions, seen from above; the first starts and turns, the others follow."""
    scene = RigidBodies(
        bodies=[Disc((0.2, 0.4), 0.05, velocity=(1.0, 0.0)), Disc((0.6, 0.4), 0.05), Disc((0.7, 0.45), 0.05)],
        obstacles=[HalfPlane.of(normal, height) for normal, height in CUSHIONS],
        gravity=(0.0, 0.0),
        dt=0.02,
    )
    share = np.linspace(0.0, 1.0, steps + 1)[:, None]
    ways = np.array([(0.3, 0.1), (0.2, -0.25), (0.4, 0.2)])
    position = np.array([body.position for body in scene.bodies]) + share[..., None] * ways
    arrays = {"position": position, "angle": share * (2.0, 1.0, 0.0), "velocity": np.broadcast_to(ways, position.shape)}
    return Rollout(Problem(scene, steps=steps), {}, scene.dt * np.arange(steps + 1), arrays, loss=0.1)


@dataclass(frozen=True, eq=False, repr=False)
class Zoo(Spec):
    """A scene that exists only here, of as many dimensions as it says; see `zoo`."""

    kind: ClassVar[str] = "scene"
    dimension: int = 2
    dt: float = 0.02

    def numbers(self):
        return {}


@contextmanager
def zoo(steps=50):
    """Rollouts in the plane and in space that show of every element what worlds of the package do not show."""
    before = dict(physics._REGISTRY)
    physics.register(
        Zoo, lambda *_: None, look=lambda rollout: {2: _plane, 3: _space}[rollout.problem.scene.dimension]()
    )
    try:
        time = 0.02 * np.arange(steps + 1)
        asked = {"actuation": np.sin(4.0 * time[:-1, None] + np.arange(2))}
        yield [Rollout(Problem(Zoo(d), steps=steps), {}, time, asked) for d in (2, 3)]
    finally:
        physics._REGISTRY.clear()
        physics._REGISTRY.update(before)


def _plane(steps=50):
    """Smoke around a stone, water with a boat on it, particles, a net with muscles, an arrow."""
    t = np.linspace(0.0, 1.0, steps + 1)[:, None]
    x, y = np.meshgrid((np.arange(24) + 0.5) / 16, 0.5 + (np.arange(16) + 0.5) / 16, indexing="ij")
    smoke = np.exp(-((x - 0.3 - t[..., None]) ** 2 + (y - 1.0) ** 2) / 0.06)
    across = np.linspace(0.0, 3.0, 40)
    top = np.stack([np.broadcast_to(across, (steps + 1, 40)), 0.3 + 0.05 * np.sin(6.0 * across - 9.0 * t)], axis=2)
    water = np.concatenate([top, np.broadcast_to([(3.0, 0.0), (0.0, 0.0)], (steps + 1, 2, 2))], axis=1)
    hull = [(-0.15, 0.0), (0.15, 0.0), (0.25, 0.12), (-0.25, 0.12)]
    boat = Part("polygon", corners=hull, fill="pinned", edge="point")
    mast = Part("box", (0.02, 0.2), at=(0.0, 0.3), turn=0.2, fill="point", edge="point")
    afloat = np.stack([np.full(steps + 1, 1.0), top[:, 13, 1]], axis=1)[:, None]
    fall = np.stack(np.meshgrid(np.linspace(1.7, 2.0, 25), np.linspace(0.6, 1.5, 25)), axis=-1).reshape(1, -1, 2)
    fall = fall - [0.0, 0.3] * t[..., None]
    net = Points([(2.3, 0.6), (2.8, 0.6), (2.8, 1.2), (2.3, 1.2)], colour=["pinned", "point", "goal", "contact"])
    ends = [(0, 1), (1, 2), (2, 3), (3, 0)]
    return Look(
        [
            Field(smoke, (0.0, 0.5), (1.5, 1.5), Scale(0.0, 1.0, ("sky", "text"), words=("clear", "smoke"))),
            Fixed([Part("disc", 0.15, at=(0.9, 0.95))]),
            Areas(water[:, None], "#9cc3e8"),
            Bodies(afloat, 0.1 * np.sin(9.0 * t), [boat, mast]),
            Points(fall, radius=0.012, colour=Values(fall[..., 1], Scale(0.3, 1.5, ("goal", "contracted"), unit="m"))),
            Segments(net, ends, driven=Driven([0, 1], [0, 1])),
            net,
            Arrows([(2.55, 0.9)], 0.2 * np.stack([np.cos(6 * t), np.sin(6 * t)], axis=2), "extended"),
        ],
        Floor((0.0, 1.0), 0.0),
    )


def _space(steps=50):
    """Balls in the colours of their height around a wall, on a floor without shadows; a body in that of a number."""
    t = np.linspace(0.0, 1.0, steps + 1)[:, None, None]
    places = np.random.default_rng(0).uniform((-0.5, -0.5, 0.3), (0.5, 0.5, 1.3), (600, 3)) - 0.3 * t * (0.0, 0.0, 1.0)
    ball = Part("sphere", 0.15, at=(0.0, 0.0, 0.0))
    return Look(
        [
            Fixed([Part("box", (0.25, 0.05, 0.3), at=(0.0, 0.0, 0.3), fill=(0.8, 0.3, 0.2), edge="point")]),
            Bodies([(0.3, -0.4, 0.15)], np.eye(3)[None], [ball], Values(t[..., 0], Scale(0, 1, ("goal", "contact")))),
            Points(places, radius=0.02, colour=Values(places[..., 2], Scale(0, 1.2, ("extended", "pinned"), unit="m"))),
        ],
        Floor((0.0, 0.0, 1.0), 0.0, shadows=False),
    )


def learned(count, rollout, **changes):
    """What `write_report` takes of a run of so many iterations, each of which ends with this rollout."""
    history = [
        {
            "iteration": k,
            "loss": None if k == 3 else 1.0 / (1 + k),
            "best": 1.0 / (1 + k),
            "gradient_norm": 10.0 / (1 + k) ** 2,
        }
        for k in range(count)
    ]
    about = {
        "format": 1,
        "problem": rollout.problem.to_dict(),
        "seed": 3,
        "settings": {"optimizer": "Adam(0.02)", "iterations": count, "clip": None},
        "environment": {
            "python": "3.12",
            "diffsim": "0.1",
            "command": ["python", "scenes/some_walker.py", "--seed", "3"],
        },
        "seconds": 75.0,
        "stopped": f"all {count} iterations are done",
    }
    return {"rollouts": [(k, rollout) for k in range(count)], "history": history, "about": about, **changes}


@pytest.fixture(scope="session")
def make():
    """The functions above, by name: ``make.box``, ``make.travelling``, ..."""

    class Make:
        pass

    made = Make()
    for function in (box, travelling, machine, robot, flying, crowd, table, zoo, learned):
        setattr(made, function.__name__, function)
    return made
