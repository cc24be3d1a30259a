"""Triangles of a COLLADA file (.dae): positions of what its scene shows, and the diffuse colours of its materials.

After the COLLADA 1.4.1 schema (Khronos Group, 2008). Textures, skins and animations are not read. What the file says of
the axis that is up (``up_axis``) does not count, as in RViz, MoveIt and Gazebo: robots' files are drawn in the frame of
their link whatever they say.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import numpy as np

from diffsim.meshes.pieces import Piece, fans

__all__ = ["read_collada"]

DEEPEST = 64
"""Nodes within each other: more are a circle."""


def read_collada(content: bytes) -> list[Piece]:
    """What the scene of a file shows, in metres.

    Raises:
        ValueError: it is not XML, or not COLLADA.
    """
    try:
        root = ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from None
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    if root.tag != "COLLADA":
        raise ValueError(f"it begins with <{root.tag}>")
    return _File(root).pieces()


class _File:
    """The elements of a file by their ids."""

    def __init__(self, root: Any):
        self.root = root
        self.ids = {element.get("id"): element for element in root.iter() if element.get("id")}

    def pieces(self) -> list[Piece]:
        unit = self.root.find("asset/unit")
        metres = float("1" if unit is None else unit.get("meter", "1"))
        whole = np.diag([metres, metres, metres, 1.0])
        shown = self._target(self.root.find("scene/instance_visual_scene"))
        if shown is None:
            scenes = self.root.findall("library_visual_scenes/visual_scene")
            shown = scenes[0] if scenes else None
        if shown is None:
            drawn = [(whole, geometry, None) for geometry in self.root.findall("library_geometries/geometry")]
        else:
            drawn = list(self._drawn(shown, whole, 0))
        return [piece for matrix, geometry, bound in drawn for piece in self._geometry(geometry, matrix, bound)]

    def _target(self, element: Any) -> Any:
        """What an element points to, by ``url``."""
        return None if element is None else self.ids.get((element.get("url") or "").removeprefix("#"))

    def _drawn(self, node: Any, matrix: np.ndarray, depth: int) -> Iterator[tuple[np.ndarray, Any, Any]]:
        """Matrix, geometry and instance of all that a node and those within it show."""
        if depth > DEEPEST:
            raise ValueError("its nodes are within each other")
        for child in node:
            if child.tag in MOVES:
                matrix = matrix @ MOVES[child.tag](_numbers(child))
        for child in node:
            if child.tag == "node":
                yield from self._drawn(child, matrix, depth + 1)
            elif child.tag == "instance_node" and (other := self._target(child)) is not None:
                yield from self._drawn(other, matrix, depth + 1)
            elif child.tag == "instance_geometry" and (geometry := self._target(child)) is not None:
                yield matrix, geometry, child

    def _geometry(self, geometry: Any, matrix: np.ndarray, instance: Any) -> Iterator[Piece]:
        mesh = geometry.find("mesh")
        bound = {} if instance is None else {each.get("symbol"): each for each in instance.iter("instance_material")}
        for primitive in [] if mesh is None else mesh:
            if primitive.tag not in ("triangles", "polylist", "polygons"):
                continue
            vertices, faces = self._primitive(primitive)
            if np.linalg.det(matrix[:3, :3]) < 0.0:
                faces = faces[:, ::-1]
            placed = vertices @ matrix[:3, :3].T + matrix[:3, 3]
            yield Piece(placed, faces, self._colour(bound.get(primitive.get("material"))))

    def _primitive(self, primitive: Any) -> tuple[np.ndarray, np.ndarray]:
        inputs = primitive.findall("input")
        stride = 1 + max(int(each.get("offset", "0")) for each in inputs)
        place = _input(inputs, "VERTEX")
        vertices = self.ids[place.get("source", "").removeprefix("#")]
        source = _input(vertices.findall("input"), "POSITION")
        lists = [_whole(each).reshape(-1, stride)[:, int(place.get("offset", "0"))] for each in primitive.findall("p")]
        corners = np.concatenate(lists) if lists else np.zeros(0, np.intp)
        if primitive.tag == "triangles":
            counts = np.full(len(corners) // 3, 3)
        elif primitive.tag == "polylist":
            counts = _whole(primitive.find("vcount"))
        else:
            counts = np.array([len(each) for each in lists], np.intp)
        return self._source(source.get("source", "")), fans(corners, counts)

    def _source(self, url: str) -> np.ndarray:
        """(v, 3) numbers of a source."""
        source = self.ids[url.removeprefix("#")]
        numbers, accessor = _numbers(source.find("float_array")), source.find("technique_common/accessor")
        stride = 3 if accessor is None else int(accessor.get("stride", "3"))
        first = 0 if accessor is None else int(accessor.get("offset", "0"))
        numbers = numbers[first : first + (len(numbers) - first) // stride * stride]
        return numbers.reshape(-1, stride)[:, :3]

    def _colour(self, material: Any) -> np.ndarray | None:
        """(4,) diffuse colour of a material that is bound, if it has one and no texture."""
        if material is None:
            return None
        target = self.ids.get(material.get("target", "").removeprefix("#"))
        effect = None if target is None else self._target(target.find("instance_effect"))
        diffuse = None if effect is None else next(effect.iter("diffuse"), None)
        colour = None if diffuse is None else diffuse.find("color")
        if colour is None:
            return None
        numbers = np.clip(_numbers(colour), 0.0, 1.0)
        return np.array([*numbers[:3], 1.0]) if len(numbers) >= 3 else None


def _input(inputs: list[Any], semantic: str) -> Any:
    found = [each for each in inputs if each.get("semantic") == semantic]
    if not found:
        raise ValueError(f"an input {semantic} is missing")
    return found[0]


def _numbers(element: Any) -> np.ndarray:
    return np.array((element.text or "").split(), dtype=float)


def _whole(element: Any) -> np.ndarray:
    return np.array((element.text or "").split(), dtype=np.intp)


def _translation(way: np.ndarray) -> np.ndarray:
    found = np.eye(4)
    found[:3, 3] = way
    return found


def _turn(numbers: np.ndarray) -> np.ndarray:
    """About an axis by an angle in degrees (Rodrigues' formula)."""
    length = np.linalg.norm(numbers[:3])
    if not length:
        return np.eye(4)
    x, y, z = numbers[:3] / length
    angle = np.radians(numbers[3])
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    found = np.eye(4)
    found[:3, :3] += np.sin(angle) * cross + (1.0 - np.cos(angle)) * (cross @ cross)
    return found


MOVES = {
    "matrix": lambda numbers: numbers.reshape(4, 4),
    "translate": _translation,
    "rotate": _turn,
    "scale": lambda numbers: np.diag([*numbers, 1.0]),
}
"""What moves a node, as a matrix (4, 4); they count from the left."""
