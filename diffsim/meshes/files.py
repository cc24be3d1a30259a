"""Triangles of mesh files: STL, OBJ and COLLADA."""

from __future__ import annotations

import numpy as np

from diffsim.meshes.collada import read_collada
from diffsim.meshes.pieces import Piece, fans

__all__ = ["FARTHEST", "KINDS", "read_mesh"]

FARTHEST = 1.0e6
"""Corners are less far from the middle than that."""

HEADER = 84
"""Bytes of a binary STL before its triangles."""

RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
"""A triangle of a binary STL."""


def read_mesh(content: bytes, kind: str) -> list[Piece]:
    """The triangles of a file, apart by colour.

    Args:
        content: of the file.
        kind: ending of its name, one of `KINDS`.

    Raises:
        ValueError: it cannot be read, or has no triangles; says why.
    """
    try:
        with np.errstate(all="ignore"):  # what is no number is found below
            pieces = KINDS[kind](content)
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise ValueError(f"cannot be read as {kind[1:]}: {error}") from None
    for vertices, faces, _ in pieces:
        if faces.size and (faces.min() < 0 or faces.max() >= len(vertices)):
            raise ValueError("has triangles without corners")
        if not (np.abs(vertices) < FARTHEST).all():
            raise ValueError(f"has corners farther than {FARTHEST:g} m away")
    pieces = [piece for piece in pieces if _areas(piece).any()]
    if not pieces:
        raise ValueError("has no triangles")
    return pieces


def _areas(piece: Piece) -> np.ndarray:
    """(f, 3) normals of the triangles, as long as twice their areas."""
    a, b, c = np.moveaxis(piece.vertices[piece.faces], 1, 0)
    return np.cross(b - a, c - a)


def _read_stl(content: bytes) -> list[Piece]:
    """A binary STL is as long as its count says; what is not is text."""
    if len(content) >= HEADER:
        count = int.from_bytes(content[HEADER - 4 : HEADER], "little")
        if len(content) >= HEADER + count * RECORD.itemsize and (count or not content.startswith(b"solid")):
            corners = np.frombuffer(content, RECORD, count, HEADER)["corners"].reshape(-1, 3)
            return [_soup(corners.astype(float))]
    lines = [line.split() for line in content.decode("utf-8", "replace").splitlines()]
    corners = np.array([line[1:4] for line in lines if line and line[0].lower() == "vertex"], dtype=float)
    return [_soup(corners.reshape(-1, 3))]


def _soup(corners: np.ndarray) -> Piece:
    """Triangles that share no vertices."""
    return Piece(corners, np.arange(len(corners), dtype=np.intp).reshape(-1, 3), None)


def _read_obj(content: bytes) -> list[Piece]:
    vertices, corners, counts = [], [], []
    for line in content.decode("utf-8", "replace").replace("\\\n", " ").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(word) for word in words[1:4]])
        elif words[0] == "f":
            numbers = [int(word.split("/")[0]) for word in words[1:]]
            # Vertices count from 1, or back from the last one.
            corners += [number - 1 if number > 0 else len(vertices) + number for number in numbers]
            counts.append(len(numbers))
    return [Piece(np.array(vertices, dtype=float).reshape(-1, 3), fans(np.array(corners, np.intp), counts), None)]


KINDS = {".stl": _read_stl, ".obj": _read_obj, ".dae": read_collada}
"""What reads a file, by the ending of its name."""
