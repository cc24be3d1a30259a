"""What a URDF looks like: shapes, meshes and colours of its links, which MuJoCo's compiler leaves out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from diffsim.meshes.files import FARTHEST, KINDS, read_mesh
from diffsim.meshes.pieces import Piece
from diffsim.meshes.solids import box, cylinder, sphere
from diffsim.physics.articulated.quaternions import quaternion_of

__all__ = ["NOTHING", "Clothes", "Find", "Worn", "clothes_of"]

Find = Callable[[str, tuple[str, ...]], tuple[bytes | None, str]]
"""From the name of a mesh and endings that can be read its content and ending, or None and why there is none."""


class Worn(NamedTuple):
    """A mesh that a link is seen as.

    Attributes:
        mesh: its name in `Clothes.meshes`.
        position: (3,) of the mesh in the frame of the link [m].
        orientation: (4,) quaternion w, x, y, z, likewise.
        colour: (4,) red, green, blue, opacity from 0 to 1, or None.
    """

    mesh: str
    position: np.ndarray
    orientation: np.ndarray
    colour: np.ndarray | None


class Clothes(NamedTuple):
    """What links are seen as.

    Attributes:
        meshes: vertices (v, 3) [m] and faces (f, 3), by name.
        worn: by the name of a link.
        bare: links of whose visuals none could be had.
    """

    meshes: dict[str, tuple[np.ndarray, np.ndarray]]
    worn: dict[str, list[Worn]]
    bare: frozenset[str]


NOTHING = Clothes({}, {}, frozenset())
"""Of a file that says what is seen in another way."""


def clothes_of(root: Any, find: Find) -> tuple[Clothes, list[str]]:
    """All visuals of a URDF, and in words how many are left out, as they cannot be had."""
    reader, worn, bare, left = _Reader(root, find), {}, set(), []
    for link in root.iter("link"):
        name, seen, missing = link.get("name", ""), [], []
        for visual in link.findall("visual"):
            found = reader.worn(visual)
            if isinstance(found, list):
                seen += found
            else:
                missing.append(f"of link {name!r}, {found}")
        if seen:
            worn[name] = seen
        elif missing:
            bare.add(name)
        left += missing
    words = [f"a visual {left[0]}"] if left else []
    if len(left) > 1:
        words = [f"{len(left)} visuals, such as one {left[0]}"]
    return Clothes(reader.meshes, worn, frozenset(bare)), words


class _Reader:
    """Visuals of a file; each shape and each mesh is read once."""

    def __init__(self, root: Any, find: Find):
        self.find = find
        self.colours = {each.get("name"): each for each in root.findall("material") if each.find("color") is not None}
        self.meshes: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        self._known: dict[tuple[Any, ...], list[tuple[str, Piece]] | ValueError] = {}

    def worn(self, visual: Any) -> list[Worn] | Exception:
        """What a visual shows, or why it cannot be had."""
        try:
            return self._worn(visual)
        except (OSError, ValueError) as error:
            return error

    def _worn(self, visual: Any) -> list[Worn]:
        """What a visual shows: a mesh of several colours is several."""
        colour = self._colour(visual.find("material"))
        if colour is not None and not colour[3]:
            return []
        position, turn = np.zeros(3), np.eye(3)
        if (origin := visual.find("origin")) is not None:
            position, turn = _numbers(origin, "xyz", 3, "0 0 0"), _turned(_numbers(origin, "rpy", 3, "0 0 0"))
        own = [(name, piece.colour) for name, piece in self._pieces(visual)]
        return [Worn(name, position, quaternion_of(turn), inner if colour is None else colour) for name, inner in own]

    def _pieces(self, visual: Any) -> list[tuple[str, Piece]]:
        shapes = list(visual.findall("geometry/*"))
        if not shapes or shapes[0].tag not in (*SHAPES, "mesh"):
            raise ValueError("which has no box, cylinder, sphere or mesh")
        shape = shapes[0]
        key = (shape.tag, *sorted(shape.items()))
        if key not in self._known:
            try:
                made = self._mesh(shape) if shape.tag == "mesh" else [SHAPES[shape.tag](shape)]
                stem = Path(shape.get("filename", shape.tag)).stem
                self._known[key] = [(self._kept(stem, piece), piece) for piece in made]
            except ValueError as error:
                self._known[key] = error
        found = self._known[key]
        if isinstance(found, ValueError):
            raise found
        return found

    def _kept(self, stem: str, piece: Piece) -> str:
        name = f"{stem}.{len(self.meshes)}"  # no collision mesh's, which ends with _0, _1, ...
        self.meshes[name] = (piece.vertices, piece.faces)
        return name

    def _mesh(self, shape: Any) -> list[Piece]:
        given = shape.get("filename", "")
        content, kind = self.find(given, tuple(KINDS))
        if content is None:
            raise ValueError(f"{given!r}, which {kind}")
        scale = _numbers(shape, "scale", 3, "1 1 1")
        if not scale.all():
            raise ValueError(f"{given!r}, whose scale is {shape.get('scale')!r}")
        try:
            pieces = read_mesh(content, kind)
        except ValueError as error:
            raise ValueError(f"{given!r}, which {error}") from None
        if np.prod(scale) < 0.0:
            pieces = [piece._replace(faces=piece.faces[:, ::-1]) for piece in pieces]
        return [piece._replace(vertices=piece.vertices * scale) for piece in pieces]

    def _colour(self, material: Any) -> np.ndarray | None:
        """(4,) of a material, or of the one of the file that has its name."""
        if material is not None and material.find("color") is None:
            material = self.colours.get(material.get("name"))
        if material is None:
            return None
        return np.clip(_numbers(material.find("color"), "rgba", 4, "1 1 1 1"), 0.0, 1.0)


def _numbers(element: Any, name: str, count: int, default: str = "") -> np.ndarray:
    words = element.get(name, default).split()
    try:
        found = np.array(words, dtype=float)
    except ValueError:
        found = np.zeros(0)
    if found.shape != (count,) or not (np.abs(found) < FARTHEST).all():
        raise ValueError(f"whose {element.tag} has {name}={' '.join(words)!r}")
    return found


def _size(shape: Any, name: str, count: int = 1) -> np.ndarray:
    found = _numbers(shape, name, count)
    if not (found > 0.0).all():
        raise ValueError(f"whose {shape.tag} has {name}={shape.get(name)!r}")
    return found


def _turned(angles: np.ndarray) -> np.ndarray:
    """(3, 3) about fixed axes: x by roll, then y by pitch, then z by yaw [rad]."""
    (cx, cy, cz), (sx, sy, sz) = np.cos(angles), np.sin(angles)
    return np.array(
        [
            [cz * cy, cz * sy * sx - sz * cx, cz * sy * cx + sz * sx],
            [sz * cy, sz * sy * sx + cz * cx, sz * sy * cx - cz * sx],
            [-sy, cy * sx, cy * cx],
        ]
    )


SHAPES: dict[str, Callable[[Any], Piece]] = {
    "box": lambda shape: box(0.5 * _size(shape, "size", 3)),
    "cylinder": lambda shape: cylinder(_size(shape, "radius")[0], 0.5 * _size(shape, "length")[0]),
    "sphere": lambda shape: sphere(_size(shape, "radius")[0]),
}
