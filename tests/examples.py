"""One small example of everything that is registered: what the conformance tests run.

A model, controller or objective that is registered and has no example here fails `test_conformance`. Examples are
small, because every pair of them compiles anew, and they use every number that they have.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import diffsim as ds

__all__ = ["CONTROLLERS", "OBJECTIVES", "SCENES", "STEPS"]

STEPS = 12
"""Long enough for a fall, an impact and a rest, or an impact and a flight."""


def _air() -> ds.MassSpring:
    """A triangle that hangs from one point: every number is shared by all springs and points."""
    return ds.MassSpring(
        points=[[0.0, 0.0], [0.31, 0.04], [0.12, -0.27]],
        springs=[[0, 1], [0, 2], [1, 2]],
        stiffness=120.0,
        spring_damping=0.4,
        actuation=0.2,
        mass=0.7,
        damping=0.3,
        force=(0.3, -0.2),
        initial_velocity=(0.4, 0.9),
        fixed=(0,),
        dt=0.02,
    )


def _sticky() -> ds.MassSpring:
    """A frame that falls: two points stick where they land. Every spring and point has numbers of its own."""
    return ds.MassSpring(
        points=[[0.0, 0.133], [0.31, 0.121], [0.02, 0.44], [0.33, 0.41]],
        springs=[[0, 1], [0, 2], [1, 3], [2, 3], [0, 3]],
        stiffness=[90.0, 110.0, 100.0, 130.0, 70.0],
        rest_length=[0.30, 0.32, 0.28, 0.33, 0.42],
        spring_damping=[0.3, 0.0, 0.5, 0.2, 0.1],
        actuation=[0.1, -0.2, 0.0, 0.15, 0.0],
        mass=[0.8, 1.2, 1.0, 0.9],
        damping=0.2,
        force=[[0.1, 0.0], [0.0, -0.3], [0.2, 0.1], [-0.1, 0.4]],
        initial_velocity=[[0.5, -2.0], [0.4, -1.7], [0.1, -1.0], [-0.3, -1.2]],
        ground=ds.Ground(height=0.1),
        dt=0.01,
    )


def _coulomb() -> ds.MassSpring:
    """Two points bounce off the ground: the fast one slides while it does, friction stops the slow one."""
    return ds.MassSpring(
        points=[[0.0, 0.133], [0.31, 0.121], [0.12, 0.44]],
        springs=[[0, 1], [0, 2], [1, 2]],
        stiffness=60.0,
        actuation=[0.2, 0.1, 0.0],
        damping=0.4,
        initial_velocity=[[2.5, -1.2], [0.2, -1.1], [0.6, -0.4]],
        ground=ds.Ground(height=0.1, friction=0.4, restitution=0.6),
        dt=0.01,
    )


def _slope() -> ds.MassSpring:
    """In three dimensions on a slope: one point lands and slides on, one lands and friction holds it, one is fixed."""
    normal = np.array([0.36, 0.48, 0.8])
    along, across = np.array([0.8, -0.6, 0.0]), np.array([0.48, 0.64, -0.6])
    place = np.array([[0.0, 0.0, 0.023], [0.3, 0.0, 0.031], [0.1, 0.3, 0.27], [0.15, 0.1, 0.4]])
    speed = np.array([[1.9, 0.7, -1.5], [0.12, 0.05, -1.4], [0.3, 0.1, -0.5], [0.0, 0.0, 0.0]])
    frame = np.stack([along, across, normal])
    return ds.MassSpring(
        points=place @ frame,
        springs=[[0, 1], [0, 2], [1, 2], [0, 3], [1, 3]],
        stiffness=50.0,
        spring_damping=0.2,
        actuation=[0.0, 0.1, 0.2, 0.0, 0.1],
        mass=[1.1, 0.9, 1.0, 1.0],
        initial_velocity=speed @ frame,
        ground=ds.Ground(height=0.0, friction=0.3, normal=normal),
        fixed=(3,),
        dt=0.01,
    )


def _hills() -> ds.MassSpring:
    """On a polyline: three points bounce off pieces of it and slide there, one is in the air."""
    land = ds.Terrain([0.3, 0.1, 0.05, 0.2, 0.22], low=-0.5, high=1.5, friction=0.2, restitution=0.4)
    places = np.array([[-0.25, 0.023], [0.82, 0.037], [0.33, 0.043], [0.5, 0.5]])
    places[:3, 1] -= land.above(np.c_[places[:3, 0], np.zeros(3)])
    return ds.MassSpring(
        points=places,
        springs=[[0, 2], [1, 3], [2, 3], [0, 3]],
        stiffness=20.0,
        actuation=[0.1, 0.0, 0.1, 0.0],
        mass=[0.9, 1.1, 1.0, 0.8],
        damping=0.2,
        initial_velocity=[[2.3, -0.93], [0.4, -1.2], [0.6, -1.1], [0.2, 0.1]],
        ground=land,
        dt=0.01,
    )


def _dunes() -> ds.MassSpring:
    """On a height field: three points land on triangles of it, and slide on."""
    heights = 0.1 * np.array([[0.0, 0.3, 0.1, 0.2], [0.5, 0.0, 0.4, 0.3], [0.1, 0.6, 0.2, 0.0]])
    land = ds.Terrain(heights, low=(-0.5, -0.4), high=(1.0, 0.8), friction=0.3)
    places = np.array([[-0.13, 0.1, 0.023], [0.42, 0.33, 0.034], [0.3, -0.2, 0.041], [0.2, 0.1, 0.4]])
    places[:3, 2] -= land.above(places * (1.0, 1.0, 0.0))[:3]
    return ds.MassSpring(
        points=places,
        springs=[[0, 3], [1, 3], [2, 3], [0, 1]],
        stiffness=30.0,
        actuation=[0.1, 0.0, 0.2, 0.0],
        mass=[0.9, 1.1, 1.0, 0.8],
        initial_velocity=[[2.1, 0.4, -0.9], [0.1, 0.05, -1.3], [1.6, 0.9, -1.1], [0.3, 0.1, 0.0]],
        ground=land,
        dt=0.01,
    )


def _block() -> ds.MassSpring:
    """Two squares of cells, one of which is turned over, and a loose point that the top side and its corner push away.

    The point comes from above, is near to both edges that meet in the middle, and then to one of them.
    """
    body = ds.grid((2, 1), spacing=0.2)
    velocity = np.array([[0.3, 0.1], [7.5, -6.5], [-0.2, 0.3], [0.4, -0.6], [0.1, 0.5], [-0.5, -0.4]])
    return ds.MassSpring(
        points=[*body.points, [0.213, 0.251], [0.41, 0.242]],
        springs=body.springs,
        stiffness=20.0,
        spring_damping=0.2,
        actuation=0.1,
        mass=[0.9, 1.1, 1.0, 0.8, 1.2, 0.7, 0.2, 0.3],
        damping=0.1,
        force=(0.2, -0.1),
        initial_velocity=[*velocity, [0.6, -2.0], [-0.1, -2.1]],
        cells=body.cells,
        cell_stiffness=np.linspace(30.0, 60.0, len(body.cells)),
        surface=body.surface,
        self_contact=ds.SelfContact(thickness=0.06, stiffness=300.0, damping=0.2),
        dt=0.01,
    )


def _lump() -> ds.MassSpring:
    """A cube of cells, one of which is turned over, with loose points above a face, beside an edge and at a corner."""
    body = ds.grid((1, 1, 1), spacing=0.2)
    velocity = np.linspace(-0.5, 0.7, 24).reshape(8, 3) + np.array([[0.0, 0.0, 0.0]] * 7 + [[-7.0, -6.5, -6.0]])
    loose = [[0.07, 0.11, -0.031], [0.103, -0.022, -0.027], [-0.023, -0.019, 0.215]]
    return ds.MassSpring(
        points=[*body.points, *loose],
        springs=body.springs,
        stiffness=20.0,
        actuation=0.1,
        mass=[*np.linspace(0.7, 1.3, 8), 0.2, 0.3, 0.25],
        initial_velocity=[*velocity, [0.1, 0.2, 1.5], [0.2, 1.1, 1.2], [0.9, 1.0, -1.2]],
        cells=body.cells,
        cell_stiffness=80.0,
        surface=body.surface,
        self_contact=ds.SelfContact(thickness=0.06, stiffness=200.0, damping=0.3),
        dt=0.01,
    )


def _linked() -> ds.RigidBodies:
    """Every kind of joint, motor, spring, thruster and push; nothing touches. One rope is taut."""
    return ds.RigidBodies(
        bodies=[
            ds.Box((0.0, 0.5), (0.1, 0.04), angle=0.05, velocity=(0.5, 0.1), group=0),
            ds.Capsule((0.25, 0.5), 0.1, 0.03, angular_velocity=2.0, group=0),
            ds.Box((-0.2, 0.5), (0.06, 0.05), mass=0.3, group=0),
            ds.Disc((0.3, 0.3), 0.05, velocity=(0.9, -1.1), density=25.0, group=0),
            ds.Box((0.02, 0.75), (0.05, 0.05), mass=0.2, inertia=0.001, group=0),
        ],
        joints=[
            ds.Pin(0, 1, at=(0.12, 0.5), motor=0.1, damping=0.01),
            ds.Weld(0, 2, at=(-0.12, 0.5)),
            ds.Rope(1, 3, ((0.05, 0.0), (0.0, 0.01)), 0.2),
            ds.Slider(0, 4, at=(0.0, 0.6), axis=(0.2, 1.0), motor=1.0, damping=0.1),
            ds.Pin(4, None, at=(0.0, 0.8)),
        ],
        springs=[
            ds.Spring(1, 3, ((0.1, 0.0), (0.0, 0.02)), 30.0, actuation=0.2, damping=0.1),
            ds.Spring(2, None, ((0.01, 0.02), (-0.5, 0.8)), 20.0, rest_length=0.3),
        ],
        torsion_springs=[
            ds.TorsionSpring(0, 1, 0.5, damping=0.01, actuation=0.4),
            ds.TorsionSpring(3, None, 0.2, rest_angle=0.3),
        ],
        thrusters=[
            ds.Thruster(1, thrust=0.6, point=(0.05, 0.01), angle=1.2),
            ds.Thruster(3, thrust=0.4, angle=0.3, turns=False),
        ],
        pushes=[ds.Push(3, [(0.1, 0.2), (-0.2, 0.1), (0.3, -0.1)], every=0.03, point=(0.01, 0.02))],
        gravity=(0.1, -9.7),
        density=20.0,
        damping=0.2,
        iterations=3,
        dt=0.01,
    )


TRIANGLE = [(0.12, -0.08), (0.1, 0.12), (-0.14, 0.0)]


def _crowd() -> ds.RigidBodies:
    """Every kind of shape; corners, faces and round ends meet each other and the ground."""
    return ds.RigidBodies(
        bodies=[
            ds.Box((0.003, 0.167), (0.1, 0.06), angle=0.67, velocity=(0.39, -1.46), friction=0.6, restitution=0.0),
            ds.Disc(
                (0.389, 0.154),
                0.08,
                angle=0.01,
                velocity=(-1.12, -2.13),
                angular_velocity=3.0,
                mass=0.2,
                inertia=0.001,
                restitution=0.4,
            ),
            ds.Capsule((-0.315, 0.19), 0.1, 0.05, angle=0.94, velocity=(1.88, -0.96), density=2.0, restitution=0.5),
            ds.Polygon((0.04, 0.38), TRIANGLE, angle=0.09, velocity=(0.1, -2.47), restitution=0.3),
        ],
        obstacles=[
            ds.HalfPlane(angle=0.05, friction=0.5, restitution=0.0),
            ds.Segment.between((0.2, 0.07), (0.28, 0.12), restitution=0.6),
            ds.Box((-0.5, 0.03), (0.08, 0.1), angle=0.2),
        ],
        springs=[ds.Spring(0, 1, ((0.02, 0.01), (0.0, 0.02)), 20.0, rest_length=0.40961568, actuation=0.3)],
        gravity=(0.1, -9.7),
        friction=0.3,
        restitution=0.4,
        damping=0.2,
        iterations=2,
        dt=0.01,
    )


def _jointed() -> ds.RigidBodies:
    """A hinged pair lands on its lower end and bounces, a welded pair beside it; a rope goes taut on the way."""
    return ds.RigidBodies(
        bodies=[
            ds.Capsule((0.0, 0.162), 0.1, 0.04, angle=-0.75, velocity=(0.3, -2.1), group=0),
            ds.Box((0.13, 0.311), (0.12, 0.03), angle=0.55, velocity=(0.3, -2.0), group=0),
            ds.Box((0.6, 0.193), (0.1, 0.05), angle=0.3, velocity=(-0.4, -1.9), mass=0.4, group=0),
            ds.Disc((0.72, 0.24), 0.06, velocity=(-0.4, -1.9), density=30.0, group=0),
            ds.Disc((0.25, 0.6), 0.05, velocity=(0.6, 1.8), density=30.0),
        ],
        joints=[
            ds.Pin(0, 1, at=(-0.07, 0.235), motor=0.2, damping=0.01),
            ds.Weld(2, 3, at=(0.7, 0.22)),
            ds.Rope(1, 4, ((0.12, 0.0), (0.0, -0.02)), 0.27),
        ],
        obstacles=[ds.HalfPlane(angle=0.03)],
        gravity=(0.1, -9.7),
        density=20.0,
        friction=0.4,
        restitution=0.6,
        iterations=3,
        dt=0.01,
    )


def _monoped() -> ds.Articulated:
    """A ball with a leg falls on a slope, on its foot first; the leg bends beyond its limit."""
    hip = ds.Joint(
        "hip", axis=(0.1, 1.0, 0.2), damping=0.02, armature=0.01, stiffness=2.0, rest=0.1, limits=(-0.3, 0.25)
    )
    return ds.Articulated(
        [
            ds.Link(
                "base",
                joints=[ds.Joint("root", "free", damping=0.1)],
                mass=2.0,
                centre=(0.01, 0.02, -0.01),
                inertia=[[0.02, 0.001, 0.0], [0.001, 0.03, 0.002], [0.0, 0.002, 0.025]],
                geoms=[ds.Geom("trunk", "sphere", 0.1, position=(0.0, 0.01, 0.0), friction=0.7)],
                sites=[ds.Site("nose", (0.1, 0.0, 0.02))],
            ),
            ds.Link(
                "leg",
                "base",
                joints=[hip],
                position=(0.08, 0.02, -0.06),
                mass=0.5,
                centre=(0.0, 0.0, -0.08),
                inertia=(0.003, 0.0035, 0.001),
                geoms=[ds.Geom("shin", "capsule", (0.03, 0.08), position=(0.0, 0.0, -0.1), friction=0.5)],
            ),
        ],
        [ds.Actuator.motor("hip", gear=3.0)],
        [ds.Geom("floor", "plane", orientation=(0.999, 0.02, 0.03, 0.0), friction=0.6, margin=0.002)],
        initial_position=(0.05, 0.02, 0.285, 0.95, 0.1, 0.2, -0.05, 0.2),
        initial_velocity=(0.6, 0.2, -0.8, 0.5, -0.4, 0.3, 1.5),
        unobserved=("hip",),
        dt=0.01,
    )


def _quadruped() -> ds.Articulated:
    """Every kind of joint, geom and contact, in two substeps: a trunk with an arm and a leg falls beside a step.

    Joints have dry friction, and efforts that are limited; what falls beside them hangs on a spring and is buoyant.

    No two geoms share a friction: a pair takes the larger, which has a kink where they are equal.
    """
    shoulder = ds.Joint(
        "shoulder", "ball", anchor=(0.01, 0.0, 0.0), damping=0.05, stiffness=1.5, armature=0.01, limits=(0.0, 0.5)
    )
    hip = ds.Joint(
        "hip",
        axis=(0.1, 1.0, 0.2),
        anchor=(0.0, 0.0, 0.02),
        damping=0.02,
        armature=0.01,
        limits=(-0.3, 0.25),
        reference=0.1,
        friction_loss=0.05,
        effort_range=(-0.8, 0.9),
    )
    knee = ds.Joint("knee", "slide", stiffness=40.0, rest=0.01, damping=0.3, friction_loss=0.2, friction_width=0.02)
    return ds.Articulated(
        [
            ds.Link(
                "base",
                joints=[ds.Joint("root", "free", damping=0.1)],
                mass=2.0,
                centre=(0.01, 0.02, -0.01),
                inertia=(0.02, 0.03, 0.025),
                inertia_orientation=(0.99, 0.05, 0.02, 0.1),
                geoms=[
                    ds.Geom("trunk", "box", (0.12, 0.08, 0.05), position=(0.01, 0.0, 0.0), friction=0.7, margin=0.0011)
                ],
            ),
            ds.Link(
                "arm",
                "base",
                joints=[shoulder],
                position=(0.15, 0.0, 0.08),
                orientation=(0.9, 0.0, 0.3, 0.1),
                mass=0.4,
                centre=(0.0, 0.0, 0.1),
                inertia=(0.004, 0.0045, 0.001),
                geoms=[
                    ds.Geom("forearm", "capsule", (0.03, 0.1), position=(0.0, 0.0, 0.1), friction=0.9, margin=0.0007)
                ],
            ),
            ds.Link(
                "hand",
                "arm",
                position=(0.0, 0.0, 0.22),
                mass=0.2,
                inertia=(0.001, 0.0011, 0.0012),
                geoms=[ds.Geom("palm", "sphere", 0.05, friction=0.8, margin=0.0013)],
                sites=[ds.Site("finger", (0.0, 0.01, 0.06))],
            ),
            ds.Link(
                "leg",
                "base",
                joints=[hip, knee],
                position=(-0.1, 0.02, -0.06),
                mass=0.5,
                centre=(0.0, 0.0, -0.08),
                inertia=(0.003, 0.0033, 0.001),
                geoms=[
                    ds.Geom("shin", "capsule", (0.03, 0.08), position=(0.0, 0.0, -0.1), friction=0.5, margin=0.0005)
                ],
            ),
            ds.Link(
                "ball",
                joints=[ds.Joint("loose", "free", stiffness=0.8)],
                position=(-0.21, 0.01, 0.13),
                orientation=(0.9, 0.2, -0.1, 0.1),
                mass=0.3,
                buoyancy=0.3,
                inertia=(0.0005, 0.0005, 0.0005),
                geoms=[ds.Geom("sphere", "sphere", 0.06, friction=0.4, margin=0.0009)],
            ),
        ],
        [
            ds.Actuator.motor("hip", gear=3.0),
            ds.Actuator.position("knee", kp=20.0, kv=0.5, force_range=(-0.45, 0.4), control_range=(-2, 2), neutral=0.1),
        ],
        [
            ds.Geom("floor", "plane", orientation=(0.999, 0.02, 0.03, 0.0), friction=0.6, margin=0.002),
            ds.Geom(
                "step",
                "box",
                (0.1, 0.2, 0.06),
                position=(0.42, 0.1, 0.2),
                orientation=(0.95, 0.1, 0.1, 0.2),
                friction=1.1,
                margin=0.0003,
            ),
        ],
        [ds.Site("goal", (1.0, 0.0, 0.3))],
        exclude=[("step", "trunk")],
        initial_position=(
            *(0.05, 0.02, 0.186, 0.95, 0.1, 0.2, -0.05),
            *(0.9, 0.3, 0.2, -0.1),
            *(0.33, 0.02),
            *(-0.2, 0.02, 0.12, 1.0, 0.1, 0.0, 0.0),
        ),
        initial_velocity=(0.6, 0.2, -0.8, 0.5, -0.4, 0.3, 1.0, -0.5, 0.7, 1.2, -0.3, 1.0, 0.1, 0.3, 1.0, 2.0, 0.5),
        substeps=2,
        dt=0.01,
    )


def _gripper() -> ds.Articulated:
    """Fingers that follow each other, on an arm with a tendon beyond its limit; actuators at joint, tendon and site.

    A hand that is moved from outside, with a wrist that it carries, holds one link as a whole and another at a point.
    """
    arm = ds.Joint("hip", axis=(0.1, 1.0, 0.2), anchor=(0.05, 0.0, -0.3), damping=0.05, armature=0.01, stiffness=2.0)
    fingers = [
        ds.Link(
            name,
            "base",
            joints=[ds.Joint(f"{name}_slide", "slide", axis=axis, reference=0.01, damping=0.1)],
            position=(0.0, axis[1] * 0.03, 0.2),
            mass=0.1,
            centre=(0.01, 0.0, 0.02),
            inertia=(0.0002, 0.0003, 0.0002),
        )
        for name, axis in (("left", (0.0, 1.0, 0.1)), ("right", (0.0, -1.0, 0.1)))
    ]
    wrist = ds.Link(
        "leg",
        "base",
        joints=[ds.Joint("wrist", axis=(1.0, 0.2, 0.0))],
        position=(0.1, 0.0, 0.1),
        mass=0.3,
        centre=(0.0, 0.02, 0.1),
        inertia=(0.002, 0.002, 0.001),
        sites=[ds.Site("rotor", (0.02, 0.0, 0.1))],
    )
    base = ds.Link(
        "base", joints=[arm], position=(0.0, 0.0, 0.4), mass=1.0, centre=(0.0, 0.0, 0.1), inertia=(0.01, 0.012, 0.008)
    )
    # Its kinks lie between the steps.
    path = ds.Mocap(
        [(0.2, 0.1, 0.7), (0.3, 0.0, 0.8), (0.2, -0.1, 0.9)],
        [(0.9, 0.2, 0.1, -0.3), (-0.8, 0.1, -0.2, 0.3), (0.7, 0.3, 0.1, 0.2)],
        times=(-0.013, 0.047, 0.151),
    )
    hand = ds.Link("hand", mass=0.2, centre=(0.1, 0.2, 0.1), mocap=path)
    palm = ds.Link("palm", "hand", position=(0.05, 0.02, -0.1), orientation=(0.9, 0.1, 0.3, 0.0))
    return ds.Articulated(
        [base, *fingers, wrist, hand, palm],
        [
            ds.Actuator.motor("hip", gear=0.7),
            ds.Actuator("draw", tendon="bow", gear=0.8, gain=2.0, gain_slope=(0.2, -0.1), bias=(0.1, -1.5, -0.05)),
            ds.Actuator("lag", "left_slide", dynamics="filter", time_constant=0.05, initial_activation=0.3),
            ds.Actuator("jet", site="rotor", wrench=(0.2, 0.1, 1.0, 0.0, 0.03, 0.05), dynamics="integrator"),
        ],
        tendons=[
            ds.Tendon(
                "bow", {"hip": 1.2, "wrist": -0.8}, stiffness=3.0, damping=0.1, limits=(-0.5, 0.05), friction_loss=0.04
            ),
            ds.Tendon("line", {"wrist": 1.0, "left_slide": 0.5}, armature=0.004, rest=(-0.1, 0.02), stiffness=1.0),
        ],
        equalities=[
            ds.Equality(
                "mimic", "right_slide", "left_slide", polynomial=(0.002, 0.9, 0.3, 0.0, 0.0), reference=(0.05, 0.9)
            ),
            ds.Equality("length", "line", of="tendons", polynomial=(0.15, 0.0, 0.0, 0.0, 0.0), reference=(0.06, 1.1)),
        ],
        holds=[
            ds.Hold("grip", "leg", (0.01, 0.03, 0.02), (0.9, 0.1, 0.0, 0.2), other="palm", reference=(0.2, 0.9)),
            ds.Hold("string", "left", (0.0, 0.1, 0.0), other="hand", anchor=(0.01, 0.0, 0.02), reference=(0.3, 1.1)),
        ],
        initial_position=(0.3, 0.02, 0.015, 0.2),
        initial_velocity=(0.5, 0.1, -0.1, -0.7),
        dt=0.01,
    )


def _sledge() -> ds.Articulated:
    """MuJoCo's law: a capsule slides on a slope and turns, a hand beyond the limit of its arm is pressed onto it.

    All touch from the first step on: a landing is a switch. Joints have dry friction; one holds and one slips. A cord
    along both and a string are beyond their limits, the cord rubs, one joint follows the other, and the hand is held to
    the world and to the base.
    """
    soft = (0.3, 0.8, 0.02, 0.4, 2.2)
    hip = ds.Joint(
        "hip",
        axis=(0.1, 1.0, 0.2),
        anchor=(0.0, 0.0, 0.1),
        damping=0.02,
        armature=0.01,
        limits=(-0.3, 0.25),
        limit_solref=(0.06, 0.9),
        limit_solimp=(0.4, 0.85, 0.2, 0.45, 2.3),
        friction_loss=0.05,
    )
    reach = ds.Joint(
        "reach", "slide", axis=(0.0, 0.1, -1.0), damping=0.3, friction_loss=1.4, friction_solref=(0.05, 1.1)
    )
    runner = ds.Geom(
        "runner",
        "capsule",
        (0.08, 0.15),
        position=(0.01, 0.0, 0.0),
        orientation=(0.71, 0.02, 0.7, 0.03),
        friction=0.25,
        solref=(0.1, 1.1),
        solimp=soft,
    )
    palm = ds.Geom(
        "palm",
        "sphere",
        0.04,
        friction=0.6,
        condim=6,
        torsion=0.02,
        rolling=0.01,
        priority=1,
        solref=(0.04, 0.8),
        solimp=soft,
    )
    return ds.Articulated(
        [
            ds.Link(
                "base",
                joints=[ds.Joint("root", "free", damping=0.1)],
                mass=2.0,
                centre=(0.01, 0.02, -0.01),
                inertia=(0.02, 0.03, 0.025),
                geoms=[runner],
                sites=[ds.Site("hook", (0.05, 0.02, 0.1))],
            ),
            ds.Link(
                "leg",
                "base",
                joints=[hip],
                position=(0.0, 0.01, 0.15),
                mass=0.5,
                centre=(0.0, 0.0, 0.05),
                inertia=(0.003, 0.0035, 0.001),
                sites=[ds.Site("nose", (0.1, 0.0, 0.02))],
            ),
            ds.Link(
                "hand",
                "leg",
                joints=[reach],
                mass=0.2,
                centre=(0.01, 0.0, 0.0),
                inertia=(0.0004, 0.0005, 0.0004),
                geoms=[palm],
            ),
        ],
        [ds.Actuator.motor("hip", gear=0.3), ds.Actuator.position("reach", kp=40.0, kv=0.5, control_range=(0.2, 0.4))],
        [
            ds.Geom(
                "floor",
                "plane",
                orientation=(0.999, 0.01, 0.02, 0.0),
                friction=0.1,
                margin=0.002,
                solimp=(0.2, 0.9, 0.03, 0.5, 2.0),
                solmix=0.7,
            )
        ],
        initial_position=(0.05, 0.02, 0.066, 1.0, 0.0, 0.01, 0.05, 0.35, 0.049),
        initial_velocity=(0.9, 0.1, 0.0, 0.05, 0.0, 0.3, 0.1, 0.02),
        unobserved=("hip",),
        tendons=[
            ds.Tendon(
                "cord",
                {"hip": 0.8, "reach": -1.5},
                stiffness=3.0,
                damping=0.2,
                armature=0.004,
                limits=(-0.3, 0.15),
                limit_solref=(0.05, 1.1),
                friction_loss=2.0,
                friction_solref=(0.04, 0.9),
            ),
            ds.Tendon("string", path=("hook", "nose"), limits=(0.01, 0.03), limit_solref=(-400.0, -15.0)),
        ],
        equalities=[
            ds.Equality("follow", "reach", "hip", polynomial=(0.03, 0.05, 0.04, 0.02, 0.01), impedance=soft),
            ds.Equality("long", "cord", of="tendons", polynomial=(0.2, 0.0, 0.0, 0.0, 0.0), impedance=soft),
        ],
        holds=[
            ds.Hold("leash", "hand", (0.01, 0.03, 0.17), anchor=(0.01, 0.0, 0.0), impedance=soft),
            ds.Hold(
                "strap",
                "hand",
                (-0.04, 0.02, 0.11),
                (0.95, 0.0, 0.15, 0.05),
                other="base",
                reference=(0.04, 0.8),
                impedance=soft,
                lever=0.2,
            ),
        ],
        contact_law="mujoco",
        dt=0.005,
    )


def _limb() -> ds.Articulated:
    """A leg drawn by muscles, one over pulleys and around geoms, welded to what it carries; both press on the world."""
    hip, knee = (
        ds.Joint("hip", axis=(0.1, 1.0, 0.2), anchor=(0.03, 0.0, 0.02), damping=0.1, stiffness=5.0, rest=0.2),
        ds.Joint("knee", axis=(0.0, 1.0, 0.1), damping=0.05),
    )
    base = ds.Link(
        "base",
        joints=[hip],
        position=(0.0, 0.0, 1.0),
        mass=1.0,
        centre=(0.0, 0.01, -0.2),
        inertia=(0.01, 0.012, 0.008),
        geoms=[
            ds.Geom(
                "roll",
                "cylinder",
                (0.04, 0.1),
                position=(0.02, 0.0, -0.3),
                orientation=(1, 1, 0.1, 0),
                contype=0,
                conaffinity=0,
            ),
            ds.Geom("ring", "sphere", 0.03, position=(0.0, 0.0, -0.2), contype=0, conaffinity=0),
        ],
        sites=[
            ds.Site("eye", (0.06, 0.01, -0.1)),
            ds.Site("in", (0.005, 0.005, -0.2)),
            ds.Site("side", (0.1, 0.0, -0.3)),
        ],
    )
    leg = ds.Link(
        "leg",
        "base",
        joints=[knee],
        position=(0.0, 0.0, -0.35),
        mass=0.6,
        centre=(0.01, 0.0, -0.1),
        inertia=(0.004, 0.005, 0.002),
        geoms=[
            ds.Geom(
                "heel",
                "ellipsoid",
                (0.06, 0.04, 0.05),
                position=(0.0, 0.0, -0.2),
                friction=0.6,
                margin=0.0011,
                contype=2,
                conaffinity=2,
            )
        ],
        sites=[ds.Site("shin", (0.05, 0.01, -0.1))],
    )
    load = ds.Link(
        "load",
        joints=[ds.Joint("load", "free")],
        position=(0.25, 0.03, 0.4),
        orientation=(1.0, 0.1, 0.2, 0.0),
        mass=0.3,
        inertia=(0.001, 0.0012, 0.0008),
        geoms=[ds.Geom("drum", "cylinder", (0.05, 0.06), friction=0.8, margin=0.0007, contype=4, conaffinity=4)],
    )
    stretch = ("nail", ds.Wrap("ring", "in"), "shin", ds.Pulley(1.5), "eye", ds.Wrap("roll", "side"), "shin")
    sinew = ds.Muscle(
        120.0, (0.3, 1.6), operating_range=(0.7, 1.1), shortest=0.4, longest=1.7, fastest=0.7, lengthening=1.4
    )
    return ds.Articulated(
        [base, leg, load],
        [
            ds.Actuator(
                "sinew",
                tendon="sinew",
                gear=0.9,
                muscle=sinew,
                dynamics="muscle",
                time_constant=0.02,
                activation_width=0.3,
                initial_activation=0.5,
                control_range=(0.2, 1.0),
            ),
            ds.Actuator.position("knee", kp=4.0, kv=0.2, name="servo"),
            ds.Actuator(
                "glute",
                "hip",
                gear=-0.1,
                muscle=ds.Muscle(90.0, (-0.1, 0.1), operating_range=(1.0, 1.3), fastest=0.6, passive=0.8),
            ),
        ],
        [
            ds.Geom(
                "step",
                "box",
                (0.05, 0.2, 0.2),
                position=(-0.155, 0.0, 0.45),
                orientation=(1.0, 0.02, 0.03, 0.0),
                friction=0.5,
                margin=0.0013,
                contype=2,
                conaffinity=2,
            ),
            ds.Geom(
                "rail",
                "cylinder",
                (0.06, 0.3),
                position=(0.26, -0.078, 0.4),
                orientation=(1.0, 0.1, 1.0, 0.0),
                friction=0.7,
                margin=0.0009,
                contype=4,
                conaffinity=4,
            ),
        ],
        sites=[ds.Site("nail", (0.1, 0.02, 1.2))],
        tendons=[
            ds.Tendon(
                "sinew",
                path=stretch,
                stiffness=20.0,
                damping=20.0,
                rest=0.5,
                limits=(0.4, 0.897),
                friction_loss=2.0,
                friction_width=0.05,
            )
        ],
        holds=[
            ds.Hold(
                "grasp",
                "load",
                (0.25, 0.03, -0.25),
                (1.0, 0.1, 0.25, 0.0),
                other="leg",
                anchor=(0.01, 0.0, 0.02),
                reference=(0.05, 0.9),
                impedance=(0.8, 0.95, 0.5, 0.4, 2.5),
                lever=0.7,
            ),
        ],
        initial_position=(0.05, 0.1, 0.25, 0.03, 0.4, 1.0, 0.1, 0.2, 0.0),
        initial_velocity=(0.9, 0.8, 0.0, -0.3, -0.1, 0.2, -0.3, 0.4),
        dt=0.005,
    )


def _ring() -> ds.Charges:
    """Two charges among a fixed one and three electrodes, in space."""
    return ds.Charges(
        [[0.1, 0.2, 0.05], [0.6, 0.4, -0.1]],
        charge=[1.0, -0.7],
        mass=[0.8, 1.3],
        initial_velocity=[[0.5, -0.2, 0.3], [-0.4, 0.6, 0.2]],
        fixed_position=[[0.3, -0.3, 0.1]],
        fixed_charge=0.6,
        electrode_position=[[-0.5, 0.1, 0.0], [1.0, 0.2, 0.1], [0.2, 0.9, -0.2]],
        electrode_charge=[0.8, 1.2, 1.0],
        coulomb=0.9,
        softening=0.1,
        damping=0.4,
        dt=0.02,
    )


GRID = (6, 5)
"""Cells along each axis, of all scenes on a grid in the plane."""


def _cells(seed: int, *more: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(*GRID, *more))


def _draught(**changes: Any) -> ds.Smoke:
    """Smoke that leaves on one side and comes back on the other, up to two cells a step, with all that drives it."""
    numbers = {
        "initial_density": 0.5 + 0.2 * _cells(0),
        "initial_velocity": 0.2 * _cells(1, 2) + np.array([0.9, -0.4]),
        "source": 0.1 * _cells(2),
        "force": 0.3 * _cells(3, 2),
        "buoyancy": 0.4,
        "confinement": 0.5,
        "spacing": 0.2,
        "iterations": 4,
        "dt": 0.1,
    }
    return ds.Smoke(**{**numbers, **changes})


def _chamber() -> ds.Smoke:
    """Smoke between walls: one force and one source for all cells, and a pressure of a single iteration."""
    return _draught(source=0.3, force=(0.2, 0.5), initial_velocity=(0.3, 0.1), edges="walls", iterations=1)


def _plume() -> ds.Smoke:
    """Smoke in space, with all that drives it."""
    grid, rng = (4, 5, 4), np.random.default_rng(11)
    return _draught(
        initial_density=0.5 + 0.2 * rng.normal(size=grid),
        initial_velocity=0.2 * rng.normal(size=(*grid, 3)) + np.array([0.9, -0.4, 0.5]),
        source=0.1 * rng.normal(size=grid),
        force=0.3 * rng.normal(size=(*grid, 3)),
        iterations=3,
    )


def _matter() -> ds.MaterialPoints:
    """A muscle of each solid and a drop fall together onto the ground: they slide on it, and corners are held."""
    body = ds.Matter.box((0.31, 0.182), (0.2, 0.1), 0.05, "soft") + ds.Matter.box(
        (0.31, 0.282), (0.2, 0.1), 0.05, "firm"
    )
    whole = body + ds.Matter.ball((0.62, 0.24), 0.07, 0.05, "drop")
    own = 1.0 + 0.1 * np.sin(np.arange(len(whole)))
    return ds.MaterialPoints(
        whole.points + 0.004 * np.sin(7.0 * np.arange(2 * len(whole)).reshape(-1, 2)),
        volume=whole.volume * own,
        material=whole.by_region({"firm": "neo-Hookean", "drop": "liquid"}, "corotated"),
        actuator=whole.by_region({"soft": 0, "firm": 1}, -1),
        density=own,
        youngs_modulus=20.0 * own,
        poissons_ratio=0.3,
        bulk_modulus=15.0,
        viscosity=0.05,
        strength=4.0,
        fibre=whole.by_region({"soft": (0.8, 0.6)}, (0.0, 1.0)),
        initial_velocity=(0.65, -2.05),
        gravity=(0.1, -3.8),
        friction=0.4,
        cell=0.1,
        dt=0.01,
    )


def _grains() -> ds.MaterialPoints:
    """A heap of sand, and a muscle beside it, slide on the ground: some of the sand yields, some is only pressed."""
    heap = ds.Matter.box((0.31, 0.198), (0.2, 0.2), 0.05, "heap")
    whole = heap + ds.Matter.box((0.52, 0.193), (0.1, 0.1), 0.05, "muscle")
    own = 1.0 + 0.1 * np.sin(np.arange(len(whole)))
    apart = whole.points - heap.points.mean(axis=0)
    return ds.MaterialPoints(
        whole.points + 0.004 * np.sin(7.0 * np.arange(2 * len(whole)).reshape(-1, 2)),
        volume=whole.volume * own,
        material=whole.by_region({"heap": "sand"}, "corotated"),
        actuator=whole.by_region({"muscle": 0}, -1),
        density=own,
        youngs_modulus=20.0 * own,
        poissons_ratio=0.2,
        internal_friction=0.5 * own,
        strength=4.0,
        fibre=(0.6, 0.8),
        initial_velocity=(0.3, -1.6) - apart * (1.0, 4.0),
        gravity=(0.1, -3.8),
        friction=0.4,
        cell=0.1,
        dt=0.01,
    )


def _lumps() -> ds.MaterialPoints:
    """The same in space, of a few particles; numbers are those of all."""
    body = ds.Matter.box((0.31, 0.33, 0.182), (0.2, 0.1, 0.1), 0.1, "soft")
    whole = body + ds.Matter.box((0.6, 0.33, 0.192), (0.1, 0.1, 0.2), 0.1, "drop")
    return ds.MaterialPoints(
        whole.points + 0.01 * np.sin(7.0 * np.arange(3 * len(whole)).reshape(-1, 3)),
        volume=whole.volume,
        material=whole.by_region({"drop": "liquid"}, "corotated"),
        actuator=whole.by_region({"soft": 0}, -1),
        density=1.1,
        youngs_modulus=20.0,
        bulk_modulus=15.0,
        strength=4.0,
        initial_velocity=(0.5, 0.25, -2.05),
        gravity=(0.1, 0.2, -3.8),
        cell=0.1,
        dt=0.01,
    )


def _ghost() -> ds.Volume:
    """A box of cells of other sides, between two cameras that look past its middle."""
    return ds.Volume(
        np.random.default_rng(12).uniform(0.2, 1.5, (3, 4, 2)),
        [(1.0, 0.3, 0.2), (-0.2, 1.1, -0.3)],
        camera_target=[(0.02, 0.01, 0.03), (-0.05, 0.02, 0.01)],
        picture_width=[1.3, 0.9],
        low=(-0.5, -0.4, -0.3),
        high=(0.4, 0.5, 0.35),
        pixels=3,
        samples=5,
    )


def _pond(**changes: Any) -> ds.Water:
    """Waves that leave through open edges, among two sources."""
    numbers = {
        "initial_height": 0.1 * _cells(4),
        "initial_velocity": 0.2 * _cells(5),
        "wave_speed": 1.3,
        "damping": 0.4,
        "source_position": [[0.33, 0.52], [0.94, 0.47]],
        "source_strength": [1.2, 0.8],
        "source_width": [0.3, 0.25],
        "spacing": 0.2,
        "edges": "open",
        "dt": 0.08,
    }
    return ds.Water(**{**numbers, **changes})


def _tank() -> ds.Water:
    """Waves that come back on the other side, from one velocity and sources that are alike."""
    return _pond(initial_velocity=0.3, source_strength=1.1, source_width=0.3, edges="periodic")


def _rover() -> ds.Articulated:
    """A ball, a bar and an egg that are one come down on two triangles of a hill, away from its edges."""
    heights = [[0.0, 0.05, 0.08], [0.06, 0.1, 0.17]]
    land = ds.Geom(
        "land", "hfield", (1.5, 1.2), heights=heights, friction=0.3, margin=0.002, position=(0.9, 0.4, -0.04)
    )
    geoms = [
        ds.Geom("ball", "sphere", 0.1, position=(0.1, 0.01, 0.0), friction=0.5),
        ds.Geom(
            "bar", "capsule", (0.06, 0.15), position=(-0.2, 0.03, 0.0), orientation=(0.7, 0.1, 0.7, 0.02), friction=0.6
        ),
        ds.Geom(
            "egg",
            "ellipsoid",
            (0.07, 0.1, 0.05),
            position=(0.1, 0.3, -0.07),
            orientation=(0.9, 0.2, 0.1, 0.3),
            friction=0.4,
        ),
    ]
    root = ds.Joint("root", "free", damping=0.1)
    base = ds.Link("base", joints=root, mass=1.0, inertia=(0.06, 0.05, 0.07), geoms=geoms)
    hip = ds.Joint("hip", axis=(0.1, 1.0, 0.2))
    leg = ds.Link("leg", "base", joints=hip, mass=0.3, inertia=(1e-3,) * 3, sites=ds.Site("nose", (0.1, 0.0, 0.02)))
    return ds.Articulated(
        [base, leg],
        [ds.Actuator.motor("hip", gear=0.3)],
        [land],
        initial_position=(0.1, 0.05, 0.165, 0.99, 0.05, 0.02, 0.1, 0.2),
        initial_velocity=(0.6, 0.2, -0.3, 0.3, 0.2, 0.5, 0.4),
        dt=0.008,
    )


SCENES: dict[type, dict[str, Callable[[], Any]]] = {
    ds.MassSpring: {
        "air": _air,
        "sticky": _sticky,
        "coulomb": _coulomb,
        "slope": _slope,
        "block": _block,
        "lump": _lump,
        "hills": _hills,
        "dunes": _dunes,
    },
    ds.RigidBodies: {"crowd": _crowd, "linked": _linked, "jointed": _jointed},
    ds.Articulated: {
        "monoped": _monoped,
        "quadruped": _quadruped,
        "gripper": _gripper,
        "sledge": _sledge,
        "rover": _rover,
        "limb": _limb,
    },
    ds.Charges: {"ring": _ring},
    ds.Volume: {"ghost": _ghost},
    ds.Smoke: {"draught": _draught, "chamber": _chamber, "plume": _plume},
    ds.MaterialPoints: {"matter": _matter, "lumps": _lumps, "grains": _grains},
    ds.Water: {"pond": _pond, "tank": _tank},
}
"""By class; the numbers keep away from contact switches, which `test_conformance` makes sure of."""

LAST = ("block", "lump", "ring", "jointed", "matter", "lumps", "grains", "hills", "dunes")
"""Scenes that are paired after all others, in this order, so that the problems of those stay as they are."""


def _mlp(scene: Any) -> ds.MLP:
    """Its goal stays in the plane; in space it moves."""
    goal = np.linspace(0.5, 1.0, scene.dimension)
    return ds.MLP(hidden=3, sines=2, frequency=9.0, goal=goal if scene.dimension == 2 else [goal, 0.3 * goal, -goal])


def _along(scene: Any) -> ds.LinearFeedback:
    """Calls of three steps, states and gains that are drawn."""
    with ds.Stepper(scene, precision="f64", keep=1) as stepper:
        k, first, arrays = stepper.action_size, stepper.state_of({})[0], tuple(stepper.layout)
    rng, calls = np.random.default_rng(5), -(-STEPS // 3)
    states = first + 0.02 * rng.normal(size=(calls + 1, len(first)))
    gains = 0.03 * rng.normal(size=(calls, k, len(first)))
    return ds.LinearFeedback(0.3 * rng.normal(size=(calls, k)), states, gains, arrays, repeat=3)


def _own_frequencies(scene: Any) -> ds.Sine:
    k = np.arange(len(scene.actuators))
    return ds.Sine(amplitude=0.6 + 0.1 * k, offset=0.2 - 0.1 * k, frequency=8.0 + 3.0 * k)


CONTROLLERS: dict[type, dict[str, Callable[[Any], Any]]] = {
    ds.OpenLoop: {"steps": lambda scene: ds.OpenLoop(), "knots": lambda scene: ds.OpenLoop(knots=4)},
    ds.MLP: {"network": _mlp, "elu": lambda scene: ds.MLP(hidden=3, sines=2, frequency=9.0, activation="elu")},
    ds.Sine: {"one frequency": lambda scene: ds.Sine(offset=0.1), "own frequencies": _own_frequencies},
    ds.PD: {"feedback": lambda scene: ds.PD(target=ds.Sine(frequency=7.0, offset=0.1), kp=1.5, kd=0.2)},
    ds.LinearFeedback: {"of a plan": _along},
}
"""By class: functions of the scene that make a controller."""


def _gauges() -> ds.MatchReadings:
    """Three gauges read three times, once without one of them."""
    readings = np.random.default_rng(8).normal(size=(3, 3))
    readings[1, 0] = np.nan
    return ds.MatchReadings(readings, [(1, 2), (4, 0), (5, 4)], steps=(0, 5, STEPS), weight=0.8)


def _match(scene: Any) -> ds.MatchTrajectory:
    """Two points measured in three of the steps, one sample missing."""
    measured = np.stack([scene.numbers()["initial_position"][:2] + 0.1 * k for k in range(3)])
    measured[1, 0, 1] = np.nan
    return ds.MatchTrajectory(measured, steps=(0, 4, STEPS), points=(1, 0), weight=2.0)


def _travel(scene: Any) -> ds.Travel:
    return ds.Travel(direction=np.linspace(1.0, 0.4, scene.dimension), origin=np.full(scene.dimension, 0.2), weight=1.3)


def _follow(scene: Any) -> ds.Follow:
    """A place that goes there and back."""
    there = np.linspace(0.3, 0.6, scene.dimension)
    return ds.Follow([there, -there, 2.0 * there], point=1, weight=0.8)


def _picture(scene: Any) -> ds.MatchPicture:
    """Of a density, or of what cameras see of a volume."""
    if isinstance(scene, ds.Volume):
        seen = np.random.default_rng(9).uniform(size=(2 * scene.pixels, scene.pixels))
        return ds.MatchPicture(seen, "transmittance", weight=1.7)
    shape = scene.initial_density.shape if isinstance(scene, ds.Smoke) else GRID
    return ds.MatchPicture(np.random.default_rng(9).normal(size=shape), weight=1.7)


def _run(scene: Any) -> ds.Objective:
    return ds.ForwardVelocity((1.0, 0.3, -0.2), speed=0.4, link="leg") + ds.ForwardVelocity((0.2, 1.0, 0.1), after=0.05)


OBJECTIVES: dict[type, dict[str, Callable[[Any], Any]]] = {
    ds.Effort: {"with travel": lambda scene: ds.Effort(0.7) + 0.3 * ds.Travel(point=1)},
    ds.ForwardVelocity: {"speed": _run},
    ds.Height: {"margin": lambda scene: ds.Height(least=0.9, link="base", weight=0.8) + ds.Height(weight=0.3)},
    ds.MatchPicture: {"density": _picture},
    ds.MatchReadings: {"gauges": lambda scene: _gauges()},
    ds.MatchRefraction: {"floor": lambda scene: ds.MatchRefraction(_cells(6), _cells(7), depth=0.9, weight=1.4)},
    ds.MatchTrajectory: {"samples": _match},
    ds.ReachPose: {"pose": lambda scene: ds.ReachPose((0.3, 0.1, 0.5), (0.8, 0.1, -0.3, 0.2), "leg", size=0.4)},
    ds.ReachTarget: {"point": lambda scene: ds.ReachTarget(np.linspace(0.3, 0.6, scene.dimension), point=1)},
    ds.TrackJoints: {"samples": lambda scene: ds.TrackJoints([[0.1], [0.4], [-0.2]], "hip", steps=(0, 5, STEPS))},
    ds.Travel: {"centre": _travel},
    ds.Follow: {"path": _follow},
    ds.Upright: {"margin": lambda scene: ds.Upright("leg", axis=(0.2, 0.1, 0.9), least=0.97, after=0.03)},
}
"""By class: functions of the scene that make an objective. Effort alone would not depend on the scene."""

ON_GRIDS = {
    ds.Smoke: (ds.MatchPicture,),
    ds.Volume: (ds.MatchPicture,),
    ds.Water: (ds.MatchRefraction, ds.MatchReadings),
}
"""Scenes on a grid, and the objectives for them only: the problems of each have them all, and waves to drive them."""

OF_ROBOTS = (ds.ForwardVelocity, ds.Height, ds.ReachPose, ds.TrackJoints, ds.Upright)
"""Objectives for robots only: the problems of robots have them all."""

CONTROLLERS_OF_ROBOTS = {
    "monoped": "feedback",
    "quadruped": "network",
    "gripper": "feedback",
    "sledge": "feedback",
    "rover": "steps",
    "limb": "feedback",
}
"""By the name of the scene: the controller that sees most of it."""
