"""Shapes of links and of the world: they are drawn, and may touch."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated.values import TIME_CONSTANT, UPRIGHT, named, quaternion, reference
from diffsim.physics.checks import flag, optional
from diffsim.spec import Spec, array, choices, number, whole

__all__ = ["SIZES", "Geom", "Pair"]

SIZES = {"plane": 0, "sphere": 1, "capsule": 2, "cylinder": 2, "ellipsoid": 3, "box": 3, "mesh": 3, "hfield": 2}
"""Numbers in the size of a geom."""


@dataclass(frozen=True, eq=False, repr=False)
class Geom(Spec):
    """A shape that a link (or the world) has: it is drawn, and it may touch others.

    Two geoms may touch if ``(a.contype & b.conaffinity) | (b.contype & a.conaffinity)`` is not zero, as in MuJoCo.
    Everything is simulated but meshes against their own robot.

    Attributes:
        name: unique in the scene.
        shape: "plane", "sphere", "capsule", "cylinder", "ellipsoid", "box", "mesh" or "hfield" (a height field).
            Planes and height fields are the world's.
            A mesh is a few corners on planes and boxes, and the box around it for what is round.
        size: nothing of a plane; radius (sphere); radius and half length along z (capsule, cylinder); three half
            sizes (ellipsoid, box, mesh); half sizes along x and y (hfield) [m].
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
        margin: distance at which it touches already; those of two geoms add up [m].
        gap: distance beyond the margin at which it sticks already, if its link does (`Actuator.adhesion`); of two
            geoms the sum counts, which is to be small beside them [m].
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
        heights: (rows, columns) of a height field above the x-y plane of its frame [m]: rows along y, columns along x,
            at the corners of equal cells from -size to size. Of each cell there are two triangles, along the diagonal
            from its corner of the lowest x and y, as in MuJoCo. The parameter ``scene.heights`` has those of all
            fields.
        visible: whether it is drawn; not where a `Visual` is seen in its place.
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
    gap: float = 0.0
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
    visible: bool = True
    heights: Any = ()

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
            gap=number(f"{owner}gap", self.gap, least=0.0),
            contype=whole(f"{owner}contype", self.contype, least=0),
            conaffinity=whole(f"{owner}conaffinity", self.conaffinity, least=0),
            frictionless=flag(f"{owner}frictionless", self.frictionless),
            condim=choices(f"{owner}condim", self.condim, (3, 4, 6)),
            torsion=number(f"{owner}torsion", self.torsion, least=0.0),
            rolling=number(f"{owner}rolling", self.rolling, least=0.0),
            priority=whole(f"{owner}priority", self.priority, least=None),
            vertices=_corners(owner, shape, self.vertices),
            heights=_grid(owner, shape, self.heights),
            colour=colour,
            solref=reference(f"{owner}solref", self.solref),
            solimp=array(f"{owner}solimp", self.solimp, (5,), least=0.0),
            solmix=number(f"{owner}solmix", self.solmix, least=0.0),
            visible=flag(f"{owner}visible", self.visible),
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


def _grid(owner: str, shape: str, heights: Any) -> Any:
    """Heights of a height field; of other shapes none."""
    if shape != "hfield":
        if np.size(heights):
            raise InputError(f"{owner}heights are of height fields (hfield), but this is a {shape}")
        return ()
    found = np.asarray(heights, dtype=float)
    if found.ndim != 2 or min(found.shape) < 2:
        raise InputError(
            f"{owner}heights have the shape {found.shape}, but (rows, columns) are needed, at least two each"
        )
    return array(f"{owner}heights", found, found.shape)


@dataclass(frozen=True, eq=False, repr=False)
class Pair(Spec):
    """Two geoms that may touch whatever else is said of them, with friction of their own: MuJoCo's contact pair.

    Neither ``contype`` and ``conaffinity`` count, nor that their links are parent and child, nor what is said by names
    of links in ``exclude``. How stiff the contact is follows from both geoms, as ever; with the law "mujoco" it may be
    said here.

    Attributes:
        name: unique among the pairs.
        first, second: names of the geoms, of two links that are not one rigid body, or of a link and the world.
        friction: Coulomb's coefficient.
        condim: 1 has no friction, 3 has it, 4 against turning about the normal, too, 6 against rolling as well.
        torsion: coefficient of friction against turning about the normal [m].
        rolling: the same of rolling [m].
        margin: distance at which they touch already [m].
        gap: distance beyond the margin at which they stick already, as of a `Geom` [m].
        solref, solimp: with the law "mujoco", as of a `Geom`; None follows from both geoms.
    """

    name: str
    first: str
    second: str
    _: KW_ONLY
    friction: float = 1.0
    condim: int = 3
    torsion: float = 0.005
    rolling: float = 0.0001
    margin: float = 0.0
    gap: float = 0.0
    solref: Any = None
    solimp: Any = None

    def __post_init__(self) -> None:
        """Check every number."""
        owner = f"pair {named('Pair.name', self.name)!r}: "
        named(f"{owner}first", self.first)
        named(f"{owner}second", self.second)
        if self.first == self.second:
            raise InputError(f"{owner}geom {self.first!r} cannot touch itself")
        self._set(
            friction=number(f"{owner}friction", self.friction, least=0.0),
            condim=choices(f"{owner}condim", self.condim, (1, 3, 4, 6)),
            torsion=number(f"{owner}torsion", self.torsion, least=0.0),
            rolling=number(f"{owner}rolling", self.rolling, least=0.0),
            margin=number(f"{owner}margin", self.margin, least=0.0),
            gap=number(f"{owner}gap", self.gap, least=0.0),
            solref=None if self.solref is None else reference(f"{owner}solref", self.solref),
            solimp=None if self.solimp is None else array(f"{owner}solimp", self.solimp, (5,), least=0.0),
        )
