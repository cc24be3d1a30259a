"""Links of articulated robots, the joints that hold them, and sites."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated import mocap
from diffsim.physics.articulated.geoms import Geom
from diffsim.physics.articulated.mocap import Mocap
from diffsim.physics.articulated.quaternions import quaternion_of
from diffsim.physics.articulated.values import SOLIMP, SOLREF, UPRIGHT, interval, members, named, quaternion, reference
from diffsim.physics.articulated.visuals import Visual
from diffsim.physics.checks import direction, optional
from diffsim.spec import Spec, array, choices, number

__all__ = ["Joint", "Link", "Site"]

COORDINATES = {"hinge": 1, "slide": 1, "ball": 4, "free": 7}
"""Numbers in the position of a joint."""

FREEDOMS = {"hinge": 1, "slide": 1, "ball": 3, "free": 6}
"""Numbers in its velocity."""


FRICTION_TIME = 1.0556e-3
"""Time in which the friction loss of a joint takes from it what `Joint.friction_width` is, if that is not given [s]:
where MuJoCo's soft constraint of a friction loss reaches all of it, with its defaults solref = (0.02, 1) and solimp =
(0.9, 0.95, ...): (1 - 0.9) / 0.9 * 0.95 * 0.02 / 2."""


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
        limit_solref, limit_solimp: how soft its limits are if the scene's ``contact_law`` is "mujoco", as of a `Geom`.
        friction_solref, friction_solimp: the same of its friction loss.
        mobility: (2,) acceleration per force that these are made for, of shifts and of turns; None follows from what is
            moved where joints are at their reference (MuJoCo's ``dof_invweight0``).

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
    limit_solref: Any = SOLREF
    limit_solimp: Any = SOLIMP
    friction_solref: Any = SOLREF
    friction_solimp: Any = SOLIMP
    mobility: Any = None

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
            axis=direction(f"{owner}axis", self.axis, (3,)),
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
            limit_solref=reference(f"{owner}limit_solref", self.limit_solref),
            limit_solimp=array(f"{owner}limit_solimp", self.limit_solimp, (5,), least=0.0),
            friction_solref=reference(f"{owner}friction_solref", self.friction_solref),
            friction_solimp=array(f"{owner}friction_solimp", self.friction_solimp, (5,), least=0.0),
            mobility=None if self.mobility is None else array(f"{owner}mobility", self.mobility, (2,), above=0.0),
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
        mobility: (2,) acceleration of its centre of mass per force, and of its turning per torque, that contacts are
            made for if the scene's ``contact_law`` is "mujoco"; None is what they are where joints are at their
            reference (MuJoCo's ``body_invweight0``).
        visuals: meshes that it is seen as.
        mocap: where it is put from outside, a `Mocap`; of a link of the world without joints. Nothing that it carries
            has joints. None leaves it where ``position`` and ``orientation`` say.
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
    mobility: Any = None
    visuals: Any = ()
    mocap: Mocap | None = None

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
            mobility=None if self.mobility is None else array(f"{owner}mobility", self.mobility, (2,), least=0.0),
            visuals=members(f"{owner}visuals", self.visuals, Visual),
        )
        if self.mocap is not None:
            mocap.check(owner, self)


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
