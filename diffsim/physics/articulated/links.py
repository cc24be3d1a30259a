"""Links of articulated robots: joints that hold them, geoms that touch, sites, and actuators that drive them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.quaternions import quaternion_of
from diffsim.physics.checks import flag, optional
from diffsim.spec import Spec, array, choices, number, whole

__all__ = ["Actuator", "Geom", "Hold", "Joint", "Link", "Site", "interval", "quaternion"]

COORDINATES = {"hinge": 1, "slide": 1, "ball": 4, "free": 7}
"""Numbers in the position of a joint."""

FREEDOMS = {"hinge": 1, "slide": 1, "ball": 3, "free": 6}
"""Numbers in its velocity."""

SIZES = {"plane": 0, "sphere": 1, "capsule": 2, "cylinder": 2, "ellipsoid": 3, "box": 3, "mesh": 3}
"""Numbers in the size of a geom."""

UPRIGHT = (1.0, 0.0, 0.0, 0.0)

TIME_CONSTANT = 0.02
"""Of contacts and limits that do not say how stiff they are [s]: MuJoCo's default (solref)."""


FRICTION_TIME = 1.0556e-3
"""Time in which the friction loss of a joint takes from it what `Joint.friction_width` is, if that is not given [s]:
where MuJoCo's soft constraint of a friction loss reaches all of it, with its defaults solref = (0.02, 1) and solimp =
(0.9, 0.95, ...): (1 - 0.9) / 0.9 * 0.95 * 0.02 / 2."""


def quaternion(owner: str, value: Any) -> np.ndarray:
    """``value`` as a unit quaternion (w, x, y, z); any length but zero is taken."""
    return _unit(owner, value, 4, "a quaternion (w, x, y, z) other than zero")


def direction(owner: str, value: Any) -> np.ndarray:
    """``value`` as a unit vector (3,); any length but zero is taken."""
    return _unit(owner, value, 3, "a direction")


def _unit(owner: str, value: Any, count: int, needed: str) -> np.ndarray:
    found = array(owner, value, (count,))
    length = float(np.linalg.norm(found))
    if length < 1e-12:
        raise InputError(f"{owner} has length {length:g}, but {needed} is needed")
    unit: np.ndarray = found if abs(length - 1.0) < 1e-15 else found / length
    unit.setflags(write=False)
    return unit


def _reference(owner: str, value: Any) -> np.ndarray:
    """``value`` as MuJoCo's solref: both positive, or the first negative and the second not positive."""
    found = array(owner, value, (2,))
    if not ((found > 0.0).all() or (found[0] < 0.0 and found[1] <= 0.0)):
        raise InputError(
            f"{owner} is ({found[0]:g}, {found[1]:g}), but a time constant and a damping ratio above 0 are needed, or "
            "minus stiffness and minus damping per mass"
        )
    return found


def interval(owner: str, value: Any) -> np.ndarray | None:
    """``value`` as (lowest, highest), or None."""
    if value is None:
        return None
    found = array(owner, value, (2,))
    if not found[0] < found[1]:
        raise InputError(f"{owner} is ({found[0]:g}, {found[1]:g}), but the lowest must be below the highest")
    return found


def named(owner: str, value: Any) -> str:
    """``value`` if it is a name: a string that is not empty."""
    if not isinstance(value, str) or not value:
        raise InputError(f"{owner} is {value!r}, but a name is needed")
    return value


def members(owner: str, value: Any, kind: type) -> tuple[Any, ...]:
    """``value`` as a tuple of specifications of one kind, each checked under its name."""
    if isinstance(value, kind):
        value = (value,)
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise InputError(f"{owner} is {value!r}, but a list of {kind.__name__} is needed")
    for k, item in enumerate(value):
        if not isinstance(item, kind):
            raise InputError(f"{owner}[{k}] is {item!r}, but a {kind.__name__} is needed")
    return tuple(value)


@dataclass(frozen=True, eq=False, repr=False)
class Joint(Spec):
    """What a link can do against its parent. Several joints of a link act one after the other.

    Its position is an angle [rad] (hinge), a distance [m] (slide), a unit quaternion w, x, y, z (ball), or a place in
    the world [m] and a quaternion (free). Its velocity is the rate of that; of a ball the angular velocity in the
    link's frame [rad/s]; of a free joint the velocity in the world [m/s], then the angular velocity likewise.

    Attributes:
        name: unique in the scene.
        motion: "hinge", "slide", "ball" or "free"; the last for links of the world only.
        axis: (3,) of a hinge or slide, in the link's frame; of any length but zero.
        anchor: (3,) the point that a hinge or ball turns about, in the link's frame [m].
        damping: force or torque per velocity [N s/m] or [N m s].
        stiffness: of a spring to ``rest`` [N/m] or [N m]; of a ball to no rotation; of a free joint to where the link's
            ``position`` and ``orientation`` put it, in both units.
        rest: position of a hinge or slide at which its spring is at rest [rad] or [m].
        reference: position of a hinge or slide at which the link is where its ``position`` says [rad] or [m].
        armature: inertia that a motor adds to each velocity [kg] or [kg m^2].
        limits: (lowest, highest) position of a hinge or slide; of a ball (0, largest angle). None has no limits.
        limit_stiffness: of the spring beyond a limit [N/m] or [N m]; None follows from what is moved: the time
            constant is 0.02 s.
        limit_damping: of the damper beyond a limit; None is critical damping.
        friction_loss: dry friction against each velocity, as of gears and bearings [N] or [N m]: what is pushed by less
            stays, what moves has all of it against it.
        friction_width: velocity at which friction has 71 % of its strength [m/s] or [rad/s]: what stays creeps slower
            than this under less than 0.7 times the friction loss. None is what the loss takes from the joint in 1.06
            ms, which is MuJoCo's.
        effort_range: (lowest, highest) force or torque of all actuators of a hinge or slide together; None has no end.

    The joint's position and velocity are MuJoCo's qpos and qvel.
    """

    name: str
    motion: str = "hinge"
    _: KW_ONLY
    axis: Any = (0.0, 0.0, 1.0)
    anchor: Any = (0.0, 0.0, 0.0)
    damping: float = 0.0
    stiffness: float = 0.0
    rest: float = 0.0
    reference: float = 0.0
    armature: float = 0.0
    limits: Any = None
    limit_stiffness: float | None = None
    limit_damping: float | None = None
    friction_loss: float = 0.0
    friction_width: float | None = None
    effort_range: Any = None

    def __post_init__(self) -> None:
        """Check every number."""
        name = named("Joint.name", self.name)
        owner = f"joint {name!r}: "
        motion = choices(f"{owner}motion", self.motion, tuple(COORDINATES))
        limits = interval(f"{owner}limits", self.limits)
        if limits is not None and motion == "free":
            raise InputError(f"{owner}limits are {limits.tolist()}, but a free joint has none")
        if limits is not None and motion == "ball" and limits[0] != 0.0:
            raise InputError(f"{owner}limits are {limits.tolist()}, but those of a ball are (0, largest angle)")
        self._set(
            axis=direction(f"{owner}axis", self.axis),
            anchor=array(f"{owner}anchor", self.anchor, (3,)),
            damping=number(f"{owner}damping", self.damping, least=0.0),
            stiffness=number(f"{owner}stiffness", self.stiffness, least=0.0),
            rest=number(f"{owner}rest", self.rest),
            reference=number(f"{owner}reference", self.reference),
            armature=number(f"{owner}armature", self.armature, least=0.0),
            limits=limits,
            limit_stiffness=optional(f"{owner}limit_stiffness", self.limit_stiffness, least=0.0),
            limit_damping=optional(f"{owner}limit_damping", self.limit_damping, least=0.0),
            friction_loss=number(f"{owner}friction_loss", self.friction_loss, least=0.0),
            friction_width=optional(f"{owner}friction_width", self.friction_width, above=0.0),
            effort_range=interval(f"{owner}effort_range", self.effort_range),
        )
        if self.effort_range is not None and motion not in ("hinge", "slide"):
            raise InputError(f"{owner}effort_range is of hinges and slides, which actuators drive; this is a {motion}")

    @property
    def coordinates(self) -> int:
        """Numbers in its position."""
        return COORDINATES[self.motion]

    @property
    def freedoms(self) -> int:
        """Numbers in its velocity."""
        return FREEDOMS[self.motion]


@dataclass(frozen=True, eq=False, repr=False)
class Geom(Spec):
    """A shape that a link (or the world) has: it is drawn, and it may touch others.

    Two geoms may touch if ``(a.contype & b.conaffinity) | (b.contype & a.conaffinity)`` is not zero, as in MuJoCo.
    What is simulated: everything against planes; spheres and capsules against all but ellipsoids; boxes against each
    other; cylinders and meshes against boxes and meshes; but no mesh against its own robot.

    Attributes:
        name: unique in the scene.
        shape: "plane", "sphere", "capsule", "cylinder", "ellipsoid", "box" or "mesh". A plane is a plane of the world.
            A mesh is a few corners on planes and boxes, and the box around it for what is round.
        size: nothing of a plane; radius (sphere); radius and half length along z (capsule, cylinder); three half
            sizes (ellipsoid, box, mesh) [m].
        position: (3,) in the frame of the link [m].
        orientation: (4,) quaternion w, x, y, z, in the frame of the link. The normal of a plane is its z axis.
        friction: Coulomb's coefficient; at a contact the larger one counts. 0 has none.
        stiffness: of the contact [N/m]; None follows from ``solref``, ``solimp`` and what is moved, so that it rests as
            deep as in MuJoCo. Two geoms are springs in series. A plane, and what does not move, takes that of what
            touches it.
        damping: of the contact [N s/m]; None is critical damping: of the link's mass where a stiffness is given, else
            of what is moved, times solref's damping ratio.
        restitution: how fast what lands on its middle leaves, over how fast it came, from 0 to 1: the contact is damped
            by that much less. 0 leaves the damping as it is, and as critical damping has e^-2 = 0.135 by itself, less
            changes nothing. At a contact the larger one counts.
        margin: distance at which it touches already [m].
        contype: bits of what it is.
        conaffinity: bits of what it touches.
        frictionless: contacts between two such geoms have no friction (MuJoCo's condim 1).
        condim: 4 has friction against turning about the normal, too, 6 against rolling as well; at a contact the larger
            one counts.
        torsion: coefficient of friction against turning about the normal [m]; at a contact the larger one counts.
        rolling: the same of rolling [m].
        priority: of two geoms the one with more says alone what the friction is.
        solref: (2,) time constant [s] and damping ratio of a contact without a stiffness of its own; or two negative
            numbers, minus stiffness [1/s^2] and damping [1/s] per mass. MuJoCo's of this name.
        solimp: (5,) its impedance: at first touch, and beyond the width; width [m], midpoint and power.
        solmix: weight of this geom's ``solref`` and ``solimp`` where another's count as well.
        colour: (3,) or (4,) red, green, blue, opacity from 0 to 1; None leaves it to the drawing.
        vertices: (k, 3) corners of a mesh in half sizes, each number from -1 to 1.
    """

    name: str
    shape: str
    size: Any = ()
    _: KW_ONLY
    position: Any = (0.0, 0.0, 0.0)
    orientation: Any = UPRIGHT
    friction: float = 1.0
    stiffness: float | None = None
    damping: float | None = None
    restitution: float = 0.0
    margin: float = 0.0
    contype: int = 1
    conaffinity: int = 1
    frictionless: bool = False
    condim: int = 3
    torsion: float = 0.005
    rolling: float = 0.0001
    priority: int = 0
    colour: Any = None
    vertices: Any = ()
    solref: Any = (TIME_CONSTANT, 1.0)
    solimp: Any = (0.9, 0.95, 0.001, 0.5, 2.0)
    solmix: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"geom {named('Geom.name', self.name)!r}: "
        shape = choices(f"{owner}shape", self.shape, tuple(SIZES))
        count = SIZES[shape]
        size: Any = (
            (self.size,) if isinstance(self.size, (int, float)) and not isinstance(self.size, bool) else self.size
        )
        if count:
            size = array(f"{owner}size of a {shape}", size, (count,), above=0.0)
        elif np.size(size):
            raise InputError(f"{owner}size is {size!r}, but a plane has none: it has no end")
        colour = self.colour
        if colour is not None:
            colour = array(f"{owner}colour", colour, (3,), (4,), least=0.0, most=1.0)
        self._set(
            size=size if count else (),
            position=array(f"{owner}position", self.position, (3,)),
            orientation=quaternion(f"{owner}orientation", self.orientation),
            friction=number(f"{owner}friction", self.friction, least=0.0),
            stiffness=optional(f"{owner}stiffness", self.stiffness, above=0.0),
            damping=optional(f"{owner}damping", self.damping, least=0.0),
            restitution=number(f"{owner}restitution", self.restitution, least=0.0, most=1.0),
            margin=number(f"{owner}margin", self.margin, least=0.0),
            contype=whole(f"{owner}contype", self.contype, least=0),
            conaffinity=whole(f"{owner}conaffinity", self.conaffinity, least=0),
            frictionless=flag(f"{owner}frictionless", self.frictionless),
            condim=choices(f"{owner}condim", self.condim, (3, 4, 6)),
            torsion=number(f"{owner}torsion", self.torsion, least=0.0),
            rolling=number(f"{owner}rolling", self.rolling, least=0.0),
            priority=whole(f"{owner}priority", self.priority, least=None),
            vertices=_corners(owner, shape, self.vertices),
            colour=colour,
            solref=_reference(f"{owner}solref", self.solref),
            solimp=array(f"{owner}solimp", self.solimp, (5,), least=0.0),
            solmix=number(f"{owner}solmix", self.solmix, least=0.0),
        )


def _corners(owner: str, shape: str, vertices: Any) -> Any:
    """Corners of a mesh; of other shapes none."""
    if shape != "mesh":
        if np.size(vertices):
            raise InputError(f"{owner}vertices are of meshes, but this is a {shape}")
        return ()
    found = np.asarray(vertices, dtype=float)
    if found.ndim != 2 or found.shape[0] < 4:
        raise InputError(f"{owner}vertices have the shape {found.shape}, but a mesh has (k, 3), at least four")
    return array(f"{owner}vertices", found, (len(found), 3), least=-1.0, most=1.0)


@dataclass(frozen=True, eq=False, repr=False)
class Site(Spec):
    """A named point of a link or of the world: something to speak of, like a hand or a goal.

    Attributes:
        name: unique among links and sites.
        position: (3,) in the frame of the link [m].
    """

    name: str
    position: Any = (0.0, 0.0, 0.0)

    def __post_init__(self) -> None:
        """Check the place."""
        owner = f"site {named('Site.name', self.name)!r}: "
        self._set(position=array(f"{owner}position", self.position, (3,)))


@dataclass(frozen=True, eq=False, repr=False)
class Link(Spec):
    """A rigid body of a robot, with the joints that hold it to its parent.

    Attributes:
        name: unique in the scene.
        parent: name of an earlier link; None is the world.
        joints: in the order in which they act; none welds it to the parent.
        position: (3,) of its frame in the parent's, where its joints are at their reference [m].
        orientation: (4,) quaternion w, x, y, z, of its frame in the parent's.
        mass: [kg].
        centre: (3,) of mass, in its frame [m].
        inertia: (3,) principal moments about the centre of mass [kg m^2], or a symmetric (3, 3) matrix about it in the
            link's frame.
        inertia_orientation: (4,) quaternion of the principal axes in its frame.
        buoyancy: share of its weight that does not count; 1 lets it float, more lifts it.
        geoms: shapes.
        sites: points.
    """

    name: str
    parent: str | None = None
    _: KW_ONLY
    joints: Any = ()
    position: Any = (0.0, 0.0, 0.0)
    orientation: Any = UPRIGHT
    mass: float = 0.0
    centre: Any = (0.0, 0.0, 0.0)
    inertia: Any = (0.0, 0.0, 0.0)
    inertia_orientation: Any = UPRIGHT
    buoyancy: float = 0.0
    geoms: Any = ()
    sites: Any = ()

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"link {named('Link.name', self.name)!r}: "
        if self.parent is not None:
            named(f"{owner}parent", self.parent)
        joints = members(f"{owner}joints", self.joints, Joint)
        free = [joint.name for joint in joints if joint.motion == "free"]
        if free and (len(joints) > 1 or self.parent is not None):
            where = "is the only joint of its link" if len(joints) > 1 else "belongs to a link of the world"
            raise InputError(f"{owner}joint {free[0]!r} is free, but a free joint {where}")
        inertia, orientation = _principal(owner, self.inertia, self.inertia_orientation)
        self._set(
            joints=joints,
            position=array(f"{owner}position", self.position, (3,)),
            orientation=quaternion(f"{owner}orientation", self.orientation),
            mass=number(f"{owner}mass", self.mass, least=0.0),
            centre=array(f"{owner}centre", self.centre, (3,)),
            inertia=inertia,
            inertia_orientation=orientation,
            buoyancy=number(f"{owner}buoyancy", self.buoyancy),
            geoms=members(f"{owner}geoms", self.geoms, Geom),
            sites=members(f"{owner}sites", self.sites, Site),
        )


def _principal(owner: str, inertia: Any, orientation: Any) -> tuple[np.ndarray, np.ndarray]:
    """Principal moments (3,), and the quaternion of their axes."""
    owner += "inertia"
    found = array(owner, inertia, (3,), (3, 3))
    if found.ndim == 2:
        if np.abs(found - found.T).max() > 1e-9 * np.abs(found).max():
            raise InputError(f"{owner} is not symmetric: {found.tolist()}")
        moments, axes = np.linalg.eigh(found)
        axes = axes * np.sign(np.linalg.det(axes))
        found, orientation = np.array(moments), quaternion_of(axes)
    found = array(owner, found, (3,), least=0.0)
    a, b, c = np.sort(found)
    if c > (a + b) * (1.0 + 1e-6):
        raise InputError(
            f"{owner} has principal moments {found.tolist()}, but none can exceed the sum of the other two"
        )
    return found, quaternion(f"{owner}_orientation", orientation)


@dataclass(frozen=True, eq=False, repr=False)
class Actuator(Spec):
    """A motor or servo at a hinge or slide.

    Its force is ``gain * u + bias . (1, gear * q, gear * q')``, and the joint gets ``gear * force``. The control u is
    what the controller asks for: of an actuator with a control range, actuations from -1 to 1 span the range; of one
    without, the actuation is the control. With a ``neutral`` control n an actuation a asks for ``n + a r`` within the
    range, r the way from n to the farther end of it, or 1 without a range.

    Attributes:
        name: unique among the actuators.
        joint: name of a hinge or slide.
        gear: force or torque at the joint per force of the actuator.
        gain: force per control.
        bias: (3,) constant force, force per position, force per velocity (of gear times the joint).
        control_range: (lowest, highest) control; None is unlimited.
        force_range: (lowest, highest) force; None is unlimited.
        neutral: control at an actuation of 0; None is the middle of the control range, or 0 without one.
    """

    name: str
    joint: str
    _: KW_ONLY
    gear: float = 1.0
    gain: float = 1.0
    bias: Any = (0.0, 0.0, 0.0)
    control_range: Any = None
    force_range: Any = None
    neutral: float | None = None

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"actuator {named('Actuator.name', self.name)!r}: "
        named(f"{owner}joint", self.joint)
        self._set(
            gear=number(f"{owner}gear", self.gear),
            gain=number(f"{owner}gain", self.gain),
            bias=array(f"{owner}bias", self.bias, (3,)),
            control_range=interval(f"{owner}control_range", self.control_range),
            force_range=interval(f"{owner}force_range", self.force_range),
            neutral=optional(f"{owner}neutral", self.neutral),
        )

    @classmethod
    def motor(cls, joint: str, gear: float = 1.0, *, name: str | None = None, **options: Any) -> Actuator:
        """Force ``u`` at a joint, times ``gear``; controls from -1 to 1 unless told otherwise."""
        return cls(name or joint, joint, gear=gear, **{"control_range": (-1.0, 1.0), **options})

    @classmethod
    def position(cls, joint: str, kp: float, kv: float = 0.0, *, name: str | None = None, **options: Any) -> Actuator:
        """Servo of a position: ``kp * (u - q) - kv * q'``."""
        return cls(name or joint, joint, gain=kp, bias=(0.0, -kp, -kv), **options)

    @classmethod
    def velocity(cls, joint: str, kv: float, *, name: str | None = None, **options: Any) -> Actuator:
        """Servo of a velocity: ``kv * (u - q')``."""
        return cls(name or joint, joint, gain=kv, bias=(0.0, 0.0, -kv), **options)


@dataclass(frozen=True, eq=False, repr=False)
class Hold(Spec):
    """What holds a link to a place of the world, softly: MuJoCo's weld and connect, where one side does not move.

    Attributes:
        name: unique among the holds.
        link: name of the link that is held.
        place: (3,) in the world, of the point that is held [m].
        orientation: (4,) quaternion w, x, y, z of the link in the world; None leaves it free to turn.
        anchor: (3,) the point, in the link's frame [m].
        weight: (2,) inertia that the hold is made for, against shifts [kg] and turns [kg m^2]; None follows from what
            is moved.
        reference: (time constant [s], damping ratio), MuJoCo's solref.
        impedance: (5,) MuJoCo's solimp.
        lever: with which turns count against shifts [m].
    """

    name: str
    link: str
    place: Any
    orientation: Any = None
    _: KW_ONLY
    anchor: Any = (0.0, 0.0, 0.0)
    weight: Any = None
    reference: Any = (TIME_CONSTANT, 1.0)
    impedance: Any = (0.9, 0.95, 0.001, 0.5, 2.0)
    lever: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"hold {named('Hold.name', self.name)!r}: "
        named(f"{owner}link", self.link)
        free = self.orientation is None
        self._set(
            place=array(f"{owner}place", self.place, (3,)),
            orientation=None if free else quaternion(f"{owner}orientation", self.orientation),
            anchor=array(f"{owner}anchor", self.anchor, (3,)),
            weight=None if self.weight is None else array(f"{owner}weight", self.weight, (2,), above=0.0),
            reference=array(f"{owner}reference", self.reference, (2,), above=0.0),
            impedance=array(f"{owner}impedance", self.impedance, (5,), above=0.0),
            lever=number(f"{owner}lever", self.lever, above=0.0),
        )
