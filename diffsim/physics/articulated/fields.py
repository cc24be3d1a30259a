"""What an articulated robot is made of in fields: the tree, its motion, and what moves it."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.physics.articulated import mocap
from diffsim.physics.articulated.mocap_motion import guides_of
from diffsim.physics.articulated.scene import Articulated

__all__ = ["Motion", "Tree", "Working", "motion_of", "tree_of", "working_of"]

WELD, HINGE, SLIDE, BALL, FREE, GIVEN = range(6)
"""What is between a frame and the one before it; of GIVEN ones it is said from outside where they are."""

MOTIONS = ("weld", "hinge", "slide", "ball", "free", "given")

TURN, SHIFT = range(2)
"""What a velocity does: turn about an axis of its frame, or shift along one."""


@dataclass(frozen=True)
class Tree:
    """The scene: fields (element,) of whole numbers, (env, element) of numbers.

    A link with k joints has k frames, one after each joint, and one without joints has one; the last is the link's own.
    Frames are stored as places are: first those of the links, then room for the sites, then the others, then the world.
    Behind the velocities there is room for the world, too, which does not move.
    """

    order: Any  # (k,) where the k-th frame is stored, parents first
    motion: Any  # (k,) what is before it: WELD, ...
    before: Any  # (k,) where the frame before it is stored
    link: Any  # (k,) its link if it is the first frame of it, else -1
    joint: Any  # (k,) its joint; 0 for a weld
    coordinate: Any  # (k,) where the joint's position begins; of GIVEN ones which of them it is
    site_link: Any  # (site,) its link, -1 is the world
    place_carrier: Any  # (place,) the velocity that moves it last, or the world behind the velocities
    place_root: Any  # (place,) first link of its tree, or the world behind the frames
    freedom_kind: Any  # (velocity,) TURN or SHIFT
    freedom_frame: Any  # (velocity,) the frame that it moves; of the shifts of a free joint the world
    freedom_joint: Any  # (velocity,) its joint
    freedom_axis: Any  # (velocity,) -1 the joint's own axis; else which axis of its frame
    freedom_coordinate: Any  # (velocity,) the coordinate whose rate it is, -1 for the turns of a quaternion
    parent: Any  # (velocity,) the one before it
    base: Any  # (velocity,) the one whose velocity carries its axis along
    root: Any  # (velocity,) first link of its tree
    carrier: Any  # (link,) the velocity that moves it last, -1 none
    heavy: Any  # (k,) links that have a mass and move
    gyrating: Any  # (velocity,) 1 if gyroscopic forces change it after all others
    turning: Any  # (k,) where the quaternions of balls and free joints begin in the position
    spinning: Any  # (k,) where their angular velocities begin in the velocity
    link_position: Any  # (env, link) [m]
    link_orientation: Any  # (env, link)
    mass: Any  # (env, link) [kg]
    centre: Any  # (env, link) [m]
    inertia: Any  # (env, link) [kg m^2]
    inertia_orientation: Any  # (env, link)
    axis: Any  # (env, joint)
    anchor: Any  # (env, joint) [m]
    reference: Any  # (env, joint) [rad] or [m]
    damping: Any  # (env, velocity)
    friction_loss: Any  # (env, velocity); None without any
    friction_width: Any  # (env, velocity)
    buoyancy: Any  # (env, link); None without any
    armature: Any  # (env, velocity)
    site_position: Any  # (env, site) [m]
    gravity: Any  # (env, 0) [m/s^2]
    initial_position: Any  # (env, coordinate)
    initial_velocity: Any  # (env, velocity)
    offset: Any  # (env, k) of a frame from the one before it [m]
    turn: Any  # (env, k) of a frame against the one before it
    around: Any  # (env, k) unit axis of its joint
    axes: Any  # (env, link) rotation of the axes of its inertia
    direction: Any  # (env, velocity) unit axis in its frame, or in the world
    added: Any  # (env, velocity) armature, and what implicit damping adds to the inertia
    share: Any  # (env, link) of the whole mass
    total: Any  # (env, 0) whole mass [kg]
    guides: Any  # links that are moved from outside: `mocap_motion.Guides`; None without any
    dt: float  # of a substep [s]
    real: Any  # the type of numbers
    carriers: tuple[int, ...]  # the same as `carrier`
    parents: tuple[int, ...]  # the same as `parent`
    frames: int  # room for frames in a substep
    chains: int  # room for velocities in a substep
    kinematics: int  # how many frames move or are fixed to what moves
    places: int  # links and sites
    links: int
    joints: int
    freedoms: int
    coordinates: int
    substeps: int  # evaluations of the accelerations in a row, each with slots of its own
    turns: int  # of these in a step of the physics: 4 with Runge and Kutta's, else 1
    servos: bool  # whether what an actuator loses per velocity is implicit
    bodies: int  # links that have a mass and move
    quaternions: int
    scalars: bool  # whether there are hinges, slides or welds
    balls: bool
    frees: bool
    guided: bool  # whether links are moved from outside
    rough: bool  # whether there is dry friction
    buoyant: bool
    gyrates: bool  # whether any is gyrating
    soft: bool  # whether constraints are MuJoCo's
    damps: bool  # whether joint damping is implicit


@dataclass(frozen=True)
class Motion:
    """The trajectory: fields (env, row, element); of some, one substep after the other."""

    joint_position: Any  # (env, row, coordinate)
    joint_velocity: Any  # (env, row, velocity)
    now_position: Any  # (env, row, substep coordinate) at the start of a substep; with only one, the same as above
    now_velocity: Any  # (env, row, substep velocity)
    position: Any  # (env, row, substep frame) [m]; links and sites first
    rotation: Any  # (env, row, substep frame) to the world
    centre: Any  # (env, row, 0) of mass [m]
    velocity: Any  # (env, row, place) [m/s]
    observation: Any  # (env, row, k)
    actuator_position: Any  # (env, row, actuator) of its joint
    actuator_velocity: Any  # (env, row, actuator)
    actuation: Any  # (env, row, actuator)
    activation: Any  # (env, row, k) of actuators with dynamics
    now_activation: Any  # (env, row, substep k) at the start of a substep
    touch: Any  # (env, row, k) whether a geom touches a plane, from 0 to 1
    own_limits: bool = True  # actuators limit what they are asked for themselves, if at all


@dataclass(frozen=True)
class Working:
    """What the articulated-body algorithm hands from stage to stage: fields (env, row, substep velocity)."""

    axis: Any  # S, the motion of a unit velocity
    speed: Any  # spatial velocity
    bias: Any  # c, acceleration by the motion of the axis
    inertia: Any  # I^A, articulated inertia, summed from what is beyond
    force: Any  # p^A, articulated bias force
    column: Any  # U = I^A S
    pivot: Any  # D = S . U
    effort: Any  # u = torque - S . p^A
    torque: Any  # of springs, limits and actuators
    stiffening: Any  # what implicit limits add to D
    held: Any  # of limits, without their implicit part; None but with Runge and Kutta's
    rubbed: Any  # of dry friction, and its implicit part; None but with Runge and Kutta's and friction
    driven: Any  # of actuators, what they lose per velocity; None without efforts that are limited
    acceleration: Any  # spatial acceleration; None with MuJoCo's constraints, as column, pivot and effort
    rate: Any  # acceleration of the velocity
    plain: Any  # (env, row, substep velocity) that of what is gyrating, without that; None without any
    spin: Any  # (env, row, substep quaternion) angular velocity that a turn of Runge and Kutta's counts with


def _frames(scene: Articulated) -> dict[str, list[int]]:
    """Of every frame in the order of kinematics, the whole numbers of `Tree`, and of every link its ``carrier``."""
    names = ("order", "motion", "before", "link", "joint", "coordinate")
    found: dict[str, list[int]] = {name: [] for name in names}
    room, joint, coordinate = len(scene.places), 0, 0
    world = room + sum(max(len(link.joints) - 1, 0) for link in scene.links)
    guided = mocap.given(scene)
    for k, link in enumerate(scene.links):
        before = scene.parents[k] if scene.parents[k] >= 0 else world
        for i, each in enumerate(link.joints or (None,)):
            last = i + 1 >= len(link.joints)
            kind = MOTIONS.index(each.motion) if each else GIVEN if k in guided else WELD
            values = (k if last else room, kind, before, -1 if i else k)
            # Of a weld any coordinate that there is: it turns by 0 times that.
            where = guided.index(k) if k in guided else min(coordinate, scene.coordinates - 1)
            for name, value in zip(names, (*values, joint if each else 0, where), strict=True):
                found[name].append(value)
            before = values[0]
            room += not last
            if each is not None:
                joint, coordinate = joint + 1, coordinate + each.coordinates
    return found


def _freedoms(scene: Articulated, frames: dict[str, list[int]], world: int) -> dict[str, list[int]]:
    """Of every velocity the whole numbers of `Tree`, and of every link the ``carrier``; ``world`` is the last frame."""
    names = ("kind", "frame", "joint", "axis", "coordinate", "parent", "base", "root")
    found: dict[str, list[int]] = {name: [] for name in (*names, "carrier", "turning", "spinning")}
    frame = freedom = 0
    for k, link in enumerate(scene.links):
        above = scene.parents[k]
        carrier = found["carrier"][above] if above >= 0 else -1
        carrier = carrier if carrier >= 0 else scene.freedoms
        for joint in link.joints:
            stored, number, coordinate = (frames[name][frame] for name in ("order", "joint", "coordinate"))
            first, parent = freedom, carrier
            for f in range(joint.freedoms):
                scalar, shifts = joint.freedoms == 1, joint.motion == "free" and f < 3
                kind = SHIFT if shifts or joint.motion == "slide" else TURN
                base = parent if joint.motion != "free" or shifts else first + 2
                where = world if shifts else stored
                rate_of = coordinate + f if scalar or shifts else -1
                values = (kind, where, number, -1 if scalar else f % 3, rate_of, carrier, base, scene.lineages[k][-1])
                for name, value in zip(names, values, strict=True):
                    found[name].append(value)
                carrier, freedom = freedom, freedom + 1
            if joint.motion in ("ball", "free"):
                found["turning"].append(coordinate + joint.coordinates - 4)
                found["spinning"].append(freedom - 3)
            frame += 1
        frame += not link.joints
        found["carrier"].append(carrier if carrier < scene.freedoms else -1)
    return found


def tree_of(scene: Articulated, fields: Fields) -> Tree:
    """Declare the fields of the tree."""
    frames = _frames(scene)
    room = len(scene.places) + len(frames["order"]) - len(scene.links) + 1
    freedoms = _freedoms(scene, frames, room - 1)
    links, joints, sites, nv = len(scene.links), len(scene.joints), scene.all_sites, scene.freedoms
    massive = np.array([link.mass > 0.0 or bool(np.any(link.inertia)) for link in scene.links])
    massive |= bool({"scene.mass", "scene.inertia"} & set(fields.tuned))
    heavy = np.flatnonzero(massive & (np.array(freedoms["carrier"]) >= 0))
    soft = scene.contact_law == "mujoco"
    present = {joint.motion for joint in scene.joints}
    owners = np.array([*range(links), *(owner for owner, _ in sites)])
    carriers, roots = np.array(freedoms["carrier"]), np.array([lineage[-1] for lineage in scene.lineages])
    still = (owners < 0) | (carriers[owners] < 0)

    def number(name: str, elements: int, width: int = 0) -> Any:
        return fields.number(f"scene.{name}", elements, width)

    def per_freedom(name: str) -> Any:
        return fields.number(f"scene.{name}", nv, index=np.array(freedoms["joint"]))

    return Tree(
        **{name: fields.integers(np.array(values)) for name, values in frames.items()},
        **{f"freedom_{name}": fields.integers(np.array(freedoms[name])) for name in _OF_FREEDOMS},
        **{name: fields.integers(np.array(freedoms[name])) for name in _OTHERS},
        site_link=fields.integers(np.array([owner for owner, _ in sites])),
        place_carrier=fields.integers(np.where(still, nv, carriers[owners])),
        place_root=fields.integers(np.where(still, room - 1, roots[owners])),
        heavy=fields.integers(heavy),
        gyrating=fields.integers(np.isin(np.arange(nv), [first + c for _, first in scene.spinning for c in range(6)])),
        link_position=number("link_position", links, 3),
        link_orientation=number("link_orientation", links, 4),
        mass=number("mass", links),
        centre=number("centre", links, 3),
        inertia=number("inertia", links, 3),
        inertia_orientation=number("inertia_orientation", links, 4),
        axis=number("axis", joints, 3),
        anchor=number("anchor", joints, 3),
        reference=number("reference", joints),
        damping=per_freedom("damping"),
        armature=per_freedom("armature"),
        friction_loss=per_freedom("friction_loss") if scene.rough else None,
        friction_width=per_freedom("friction_width") if scene.rough and not soft else None,
        buoyancy=number("buoyancy", links) if scene.buoyant else None,
        site_position=number("site_position", len(sites), 3) if sites else None,
        gravity=number("gravity", 1, 3),
        initial_position=number("initial_position", scene.coordinates),
        initial_velocity=number("initial_velocity", nv),
        offset=fields.derived(len(frames["order"]), 3, of=["scene.link_position"]),
        turn=fields.derived(len(frames["order"]), 9, of=["scene.link_orientation"]),
        around=fields.derived(len(frames["order"]), 3, of=["scene.axis"]),
        axes=fields.derived(links, 9, of=["scene.inertia_orientation"]),
        direction=fields.derived(nv, 3, of=["scene.axis"]),
        added=fields.derived(nv, of=["scene.armature", "scene.damping"]),
        share=fields.derived(links, of=["scene.mass"]),
        total=fields.derived(1, of=["scene.mass"]),
        guides=guides_of(scene, fields),
        dt=scene.dt / scene.substeps,
        real=fields.real,
        carriers=tuple(freedoms["carrier"]),
        parents=tuple(freedoms["parent"]),
        frames=room,
        chains=nv + 1,
        kinematics=len(frames["order"]),
        places=len(scene.places),
        links=links,
        joints=joints,
        freedoms=nv,
        coordinates=scene.coordinates,
        substeps=scene.evaluations,
        turns=scene.evaluations // scene.substeps,
        servos=scene.integrator == "implicitfast",
        bodies=len(heavy),
        quaternions=len(freedoms["turning"]),
        scalars=bool(present & {"hinge", "slide"})
        or any(not link.joints and link.mocap is None for link in scene.links),
        balls="ball" in present,
        frees="free" in present,
        guided=bool(mocap.given(scene)),
        rough=scene.rough and not soft,
        buoyant=scene.buoyant,
        gyrates=bool(scene.spinning) and not soft,
        soft=soft,
        damps=scene.integrator == "implicitfast" or (scene.integrator == "euler" and scene.implicit_damping),
    )


_OF_FREEDOMS = ("kind", "frame", "joint", "axis", "coordinate")
_OTHERS = ("parent", "base", "root", "carrier", "turning", "spinning")


def motion_of(scene: Articulated, fields: Fields, tree: Tree, reads: frozenset[str], touching: int) -> Motion:
    """Declare the trajectory."""
    observed, sensed = "observation" in reads, "actuator_state" in reads
    slots, muscles = scene.evaluations, len(scene.actuators)
    rows = fields.trajectory
    nq, nv = scene.coordinates, scene.freedoms
    lagging = sum(each.dynamics is not None for each in scene.actuators)
    activation = rows("activation", lagging, state=True) if lagging else None
    position, velocity = rows("joint_position", nq, state=True), rows("joint_velocity", nv, state=True)
    return Motion(
        joint_position=position,
        joint_velocity=velocity,
        now_position=rows("substep_position", slots * nq, recorded=False) if slots > 1 else position,
        now_velocity=rows("substep_velocity", slots * nv, recorded=False) if slots > 1 else velocity,
        position=rows("position", slots * tree.frames, 3, recorded=len(scene.places)),
        rotation=rows("rotation", slots * tree.frames, 9, recorded=len(scene.links)),
        centre=rows("centre", 1, 3, accumulates=True, recorded=False) if "centre" in reads else None,
        velocity=rows("velocity", len(scene.places), 3) if "velocity" in reads else None,
        touch=rows("touch", touching, accumulates=True, recorded=False) if observed else None,
        observation=rows("observation", scene.observations) if observed else None,
        actuator_position=rows("actuator_position", muscles) if sensed else None,
        actuator_velocity=rows("actuator_velocity", muscles) if sensed else None,
        actuation=rows("actuation", muscles, per_step=True),
        activation=activation,
        now_activation=rows("substep_activation", slots * lagging, recorded=False)
        if lagging and slots > 1
        else activation,
    )


def working_of(scene: Articulated, fields: Fields) -> Working:
    """Declare what stages hand to each other."""
    slots, room = scene.evaluations, scene.freedoms + 1  # one more for the world
    soft = scene.contact_law == "mujoco"

    quaternions = sum(joint.motion in ("ball", "free") for joint in scene.joints)

    def rows(name: str, width: int = 0, *, accumulates: bool = False) -> Any:
        return fields.trajectory(name, slots * room, width, accumulates=accumulates, recorded=False)

    return Working(
        axis=rows("motion_axis", 6),
        speed=rows("spatial_velocity", 6),
        bias=rows("bias_acceleration", 6),
        torque=rows("joint_torque", accumulates=True),
        stiffening=rows("stiffening", accumulates=True),
        inertia=rows("articulated_inertia", 21, accumulates=True),
        force=rows("articulated_force", 6, accumulates=True),
        column=None if soft else rows("column", 6),
        pivot=None if soft else rows("pivot"),
        effort=None if soft else rows("effort"),
        held=rows("limit_torque", accumulates=True) if scene.integrator == "rk4" and not soft else None,
        rubbed=rows("friction_torque", 2) if scene.integrator == "rk4" and scene.rough and not soft else None,
        driven=rows("driven", 2, accumulates=True) if _bounded(scene) else None,
        acceleration=None if soft else rows("spatial_acceleration", 6),
        rate=rows("joint_acceleration"),
        plain=fields.trajectory("plain_acceleration", slots * scene.freedoms, recorded=False)
        if scene.spinning and not soft
        else None,
        spin=fields.trajectory("turning", slots * quaternions, 3, recorded=False)
        if scene.integrator == "rk4" and quaternions
        else None,
    )


def _bounded(scene: Articulated) -> bool:
    """Whether what actuators do to a joint together is limited."""
    return any(joint.effort_range is not None for joint in scene.joints) and bool(scene.actuators)
