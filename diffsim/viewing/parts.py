"""Parts of bodies and of scenery: shapes in the plane and in space, how far they reach, and where they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.viewing.colours import rgba_of
from diffsim.viewing.shaped import shaped
from diffsim.viewing.surfaces import Surface

__all__ = ["Part", "in_world", "outline", "quaternions", "reaches", "spread"]

# How many numbers the size of a shape has, in the plane and in space.
PLANE = {"disc": 1, "ball": 1, "capsule": 2, "box": 2, "polygon": 0}
SPACE = {"sphere": 1, "capsule": 2, "cylinder": 2, "ellipsoid": 3, "box": 3, "mesh": 3}

# Those that are a circle.
ROUNDS = ("disc", "ball")

# Corners of a circle: one with a radius of 100 pixels is off by 0.2 pixels.
ROUND = 48


@dataclass(frozen=True, eq=False)
class Part:
    """A shape, in the frame of a body or of the world.

    Attributes:
        shape: in the plane "disc", "ball" (a disc that is shaded), "capsule", "box" or "polygon"; in space "sphere",
            "capsule", "cylinder", "ellipsoid", "box" or "mesh".
        size: radius of a disc or sphere; radius and half the length of a capsule (along its x axis in the plane, along
            its z axis in space) or cylinder; half the sides of a box, or of the box around a mesh; half the axes of an
            ellipsoid [m].
        corners: (k, 2) of a polygon, counter-clockwise [m].
        at: (2,) or (3,) where its middle is [m]; with three numbers it is a shape in space.
        turn: angle [rad], in space a (3, 3) rotation; None is not turned.
        fill, edge: its colours: a name of the style, "#rrggbb", or three or four numbers from 0 to 1.
        body: which one it belongs to.
        surface: the triangles of a mesh, from the middle of the box around them.
    """

    shape: str
    size: Any = ()
    corners: Any = None
    at: Any = (0.0, 0.0)
    turn: Any = None
    fill: Any = "soil"
    edge: Any = "surface"
    body: int = 0
    surface: Surface | None = None

    def __post_init__(self) -> None:
        """Check and keep arrays; a box in the plane becomes a polygon."""
        at = shaped("Part.at", self.at, (2,), (3,))
        counts = PLANE if len(at) == 2 else SPACE
        if self.shape not in counts:
            raise InputError(
                f"Part.shape is {self.shape!r}, but in {len(at)} dimensions {', '.join(counts)} are allowed"
            )
        size = np.atleast_1d(shaped("Part.size", self.size, (), ("k",)))
        if len(size) != counts[self.shape]:
            raise InputError(
                f"Part.size of a {self.shape} has {len(size)} numbers, but {counts[self.shape]} are needed"
            )
        if (self.surface is not None) != (self.shape == "mesh"):
            raise InputError(f"Part.surface is {self.surface!r} of a {self.shape}; meshes have one, others have none")
        shape, corners = self.shape, self.corners
        if shape == "box" and len(at) == 2:
            shape, corners = "polygon", size * [(-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0)]
        if shape == "polygon":
            corners = shaped("Part.corners", () if corners is None else corners, ("k", 2))
        turn: Any = np.eye(3) if self.turn is None else self.turn
        if len(at) == 2:
            turn = float(shaped("Part.turn", 0.0 if self.turn is None else self.turn, ()))
        for name, value in {
            "shape": shape,
            "size": np.concatenate([size, np.zeros(3 - len(size))]),
            "corners": corners,
            "at": at,
            "turn": turn if len(at) == 2 else shaped("Part.turn", turn, (3, 3)),
            "fill": rgba_of(self.fill, "Part.fill"),
            "edge": rgba_of(self.edge, "Part.edge"),
        }.items():
            object.__setattr__(self, name, value)

    @property
    def dimension(self) -> int:
        """Of the space it is in."""
        return len(self.at)

    @property
    def core(self) -> np.ndarray:
        """(k, 2) points in its own frame whose hull, grown by the `margin`, is the shape; in the plane [m]."""
        if self.shape == "polygon":
            found: np.ndarray = self.corners
            return found
        return np.zeros((1, 2)) if self.shape in ROUNDS else np.array([(-self.size[1], 0.0), (self.size[1], 0.0)])

    @property
    def margin(self) -> float:
        """By how much the hull of the core is grown to all sides, in the plane [m]."""
        return 0.0 if self.shape == "polygon" else float(self.size[0])

    @property
    def reach(self) -> float:
        """Largest distance of any of its points from the origin of the body's frame, in the plane [m]."""
        return float(np.linalg.norm(self.placed(self.core), axis=1).max()) + self.margin

    @property
    def width(self) -> float:
        """Least distance of two parallel lines with it between them, in the plane [m]."""
        core = self.core
        if len(core) < 3:
            return 2.0 * self.margin
        sides = np.roll(core, -1, axis=0) - core
        across = np.stack([-sides[:, 1], sides[:, 0]], axis=1) / np.linalg.norm(sides, axis=1)[:, None]
        return float(np.ptp(across @ core.T, axis=1).min())

    def placed(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) points of its own frame in that of its body, or of the world [m]."""
        if self.turn == 0.0 and not self.at.any():
            return points
        return self.at + points @ _rotation(self.turn).T

    def own(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) points of the frame of its body, or of the world, in its own [m]."""
        return (points - self.at) @ _rotation(self.turn)


def _rotation(angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def outline(part: Part, *, spoke: bool = False) -> np.ndarray:
    """(k, 2) closed, in the frame of the shape [m]; a disc may have a spoke along its own x axis."""
    core, radius = part.core, part.margin
    if radius == 0.0:
        return np.concatenate([core, core[:1]])
    turn = 2.0 * np.pi * np.arange(ROUND + 1) / ROUND
    circle = radius * np.stack([np.cos(turn), np.sin(turn)], axis=1)
    if len(core) == 1:
        return np.concatenate([core, circle]) if spoke else circle
    # A quarter around the right end, half around the left one, and a quarter again.
    quarter = ROUND // 4
    parts = (circle[: quarter + 1], circle[quarter : 3 * quarter + 1], circle[3 * quarter :])
    return np.concatenate([core[1] + parts[0], core[0] + parts[1], core[1] + parts[2]])


def in_world(places: np.ndarray, angles: np.ndarray, owners: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(..., k, 2) where points of bodies are [m].

    Args:
        places: (..., n, 2) of the bodies [m].
        angles: (..., n) [rad].
        owners: (k,) the body that each point belongs to, -1 for the world.
        points: (k, 2) in the frames of their owners [m].
    """
    places = np.concatenate([places, np.zeros_like(places[..., :1, :])], axis=-2)[..., owners, :]
    angles = np.concatenate([angles, np.zeros_like(angles[..., :1])], axis=-1)
    cos, sin = np.cos(angles)[..., owners], np.sin(angles)[..., owners]
    x, y = points[..., 0], points[..., 1]
    found: np.ndarray = places + np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    return found


def quaternions(rotation: np.ndarray) -> np.ndarray:
    """(..., 4) w, x, y, z of rotations (..., 3, 3), of either sign; the largest component first (Shepperd 1978)."""
    r = rotation
    trace = r[..., 0, 0] + r[..., 1, 1] + r[..., 2, 2]
    squares = np.stack([1.0 + trace, *(1.0 + 2.0 * r[..., k, k] - trace for k in range(3))], axis=-1)
    a, b, c = r[..., 2, 1] - r[..., 1, 2], r[..., 0, 2] - r[..., 2, 0], r[..., 1, 0] - r[..., 0, 1]
    xy, xz, yz = (r[..., i, j] + r[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2)))
    w2, x2, y2, z2 = (squares[..., k] for k in range(4))
    candidates = np.stack(
        [np.stack(row, axis=-1) for row in ((w2, a, b, c), (a, x2, xy, xz), (b, xy, y2, yz), (c, xz, yz, z2))], axis=-2
    )
    largest = np.nan_to_num(squares, nan=-1.0).argmax(axis=-1)
    found = np.take_along_axis(candidates, largest[..., None, None], axis=-2)[..., 0, :]
    length: np.ndarray = np.linalg.norm(found, axis=-1, keepdims=True)
    result: np.ndarray = found / length
    return result


def reaches(shapes: Sequence[str], rotation: np.ndarray, size: np.ndarray) -> np.ndarray:
    """(..., g, 3) how far solids reach along the axes of the world [m], of rotations (..., g, 3, 3), sizes (g, 3)."""
    found = np.zeros(rotation.shape[:-1])
    for k, shape in enumerate(shapes):
        turned, (a, b, _) = rotation[..., k, :, :], size[k]
        along = np.abs(turned[..., 2])
        if shape == "sphere":
            found[..., k, :] = a
        elif shape == "capsule":
            found[..., k, :] = a + b * along
        elif shape == "cylinder":
            found[..., k, :] = a * np.sqrt(np.maximum(1.0 - along**2, 0.0)) + b * along
        elif shape == "ellipsoid":
            found[..., k, :] = np.sqrt(((turned * size[k]) ** 2).sum(axis=-1))
        else:
            found[..., k, :] = np.abs(turned) @ size[k]
    return found


def spread(
    shapes: Sequence[str],
    centre: np.ndarray,
    rotation: np.ndarray,
    size: np.ndarray,
    ways: np.ndarray,
    surfaces: Sequence[Surface | None] = (),
) -> np.ndarray:
    """(n, k, 3) the point of each of n solids that is farthest along each of the ways (k, 3) in the world [m].

    Args:
        shapes: (n,) of `Part`.
        centre: (n, 3) [m].
        rotation: (n, 3, 3).
        size: (n, 3) [m].
        ways: (k, 3).
        surfaces: (n,) of meshes; without them they are boxes.
    """
    own = ways @ rotation  # (n, k, 3) in the solid's axes
    points = np.zeros_like(own)
    for k, shape in enumerate(shapes):
        way, (a, b, _) = own[k], size[k]
        surface = surfaces[k] if surfaces else None
        if surface is not None:
            points[k] = surface.vertices[(way @ surface.vertices.T).argmax(axis=1)]
        elif shape in ("box", "mesh"):
            points[k] = np.sign(way) * size[k]
        elif shape == "ellipsoid":
            stretched = size[k] * way
            points[k] = size[k] * stretched / np.linalg.norm(stretched, axis=1, keepdims=True)
        elif shape == "cylinder":
            across = np.linalg.norm(way[:, :2], axis=1, keepdims=True)
            points[k, :, :2], points[k, :, 2] = a * way[:, :2] / np.maximum(across, 1e-9), b * np.sign(way[:, 2])
        else:
            points[k] = a * way / np.linalg.norm(way, axis=1, keepdims=True)
            points[k, :, 2] += (b if shape == "capsule" else 0.0) * np.sign(way[:, 2])
    found: np.ndarray = centre[:, None] + points @ np.swapaxes(rotation, 1, 2)
    return found
