"""Triangles of boxes, cylinders and spheres, counter-clockwise seen from outside."""

from __future__ import annotations

import numpy as np

from diffsim.meshes.pieces import Piece, fans

__all__ = ["box", "cylinder", "sphere"]

SIDES, RINGS = 24, 10
"""Of what is round, sides around and rings from pole to pole."""


def box(half: np.ndarray) -> Piece:
    """A box with these half sizes [m]."""
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
    quads = np.array([0, 1, 3, 2, 4, 6, 7, 5, 0, 4, 5, 1, 2, 3, 7, 6, 0, 2, 6, 4, 1, 5, 7, 3])
    return Piece(corners * half, fans(quads, [4] * 6), None)


def cylinder(radius: float, half: float) -> Piece:
    """A cylinder about z of this radius and half length [m]."""
    vertices = np.concatenate([_circle(radius, -half), _circle(radius, half)])
    below = np.arange(SIDES)
    beside = np.roll(below, -1)
    sides = np.stack([below, beside, beside + SIDES, below + SIDES], axis=1).ravel()
    caps = np.concatenate([below[::-1], below + SIDES])
    return Piece(vertices, fans(np.concatenate([sides, caps]), [4] * SIDES + [SIDES] * 2), None)


def sphere(radius: float) -> Piece:
    """A sphere of this radius [m]."""
    angles = np.linspace(-0.5 * np.pi, 0.5 * np.pi, RINGS + 1)[1:-1]
    rings = [_circle(radius * np.cos(angle), radius * np.sin(angle)) for angle in angles]
    vertices = np.concatenate([*rings, [[0.0, 0.0, -radius], [0.0, 0.0, radius]]])
    low, last = len(vertices) - 2, SIDES * (len(rings) - 1)
    around = np.arange(SIDES)
    beside = np.roll(around, -1)
    quads = [
        np.stack([k + around, k + beside, k + beside + SIDES, k + around + SIDES], axis=1)
        for k in range(0, last, SIDES)
    ]
    poles = [np.stack([beside, around, np.full(SIDES, low)], axis=1)]
    poles.append(np.stack([last + around, last + beside, np.full(SIDES, low + 1)], axis=1))
    faces = fans(np.concatenate(quads).ravel(), [4] * SIDES * len(quads))
    return Piece(vertices, np.concatenate([faces, *poles]), None)


def _circle(radius: float, height: float) -> np.ndarray:
    angle = 2.0 * np.pi * np.arange(SIDES) / SIDES
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(SIDES, height)], axis=1)
