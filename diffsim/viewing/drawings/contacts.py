"""Where rigid bodies touch, and how hard they press."""

from __future__ import annotations

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.drawings.links import paint_dots
from diffsim.viewing.style import STYLE, rgba

__all__ = ["LONGEST", "USUAL", "Contacts", "arrows"]

# Of all forces of a rollout this share is below the usual one, whose arrow reaches as far as a body from its centre.
USUAL = 0.9

# Arrows get no longer than this many times the usual one: an impact has a hundred times the force of a body at rest.
LONGEST = 2.0

# Widths of a dot and of an arrow's head, in pixels of a picture of 512 by 512.
DOT, BARB = 4.5, 6.0

# An arrow along x whose tail is a dot: corners around the dot in its radii, then along the shaft. Across in half widths
# of the head; along in the length of the head, to be counted from its base.
TAIL = np.stack([trig(np.linspace(0.25, 1.75, 10) * np.pi) for trig in (np.cos, np.sin)], axis=1)
HEAD = np.array([(0.0, -0.4), (0.0, -1.0), (1.0, 0.0), (0.0, 1.0), (0.0, 0.4)])


class Contacts:
    """The contacts of a rollout of one environment; nothing where none are recorded."""

    def __init__(self, rollout: Rollout, size: float) -> None:
        """Of bodies of which a typical one has this size [m]."""
        scene, arrays = rollout.problem.scene, rollout.arrays
        none = np.zeros((1, 0, 2))
        self._point, self._force = (arrays.get(name, none) for name in ("contact_point", "contact_force"))
        self._pair = np.asarray(arrays.get("contact_pair", none[..., 0])).astype(int)
        self._normal = arrays.get("contact_normal")
        self._bodies, self._pairs = len(scene.bodies), scene.pairs
        strength = np.linalg.norm(self._force, axis=2)
        self._strength = np.where(np.isfinite(strength) & (self._pair >= 0), strength, 0.0)
        presses = self._strength[self._strength > 0.0]
        self._metres = size / np.quantile(presses, USUAL) if len(presses) else 0.0  # per newton
        self._longest = LONGEST * size

    def paint(self, canvas: Canvas, camera: Camera, position: np.ndarray, row: int) -> None:
        """Dots where bodies press, and the forces on them, in the step that begins at a row of the trajectory.

        Between two bodies there are two arrows, between a body and an obstacle one: that on the body.
        """
        row = min(row, len(self._strength) - 1)
        slots = np.flatnonzero(self._strength[row])
        if not len(slots):
            return
        points, colour = self._point[row, slots], rgba(STYLE.contact, 0.85)
        pixels = camera.project(points)[0]
        if self._normal is None:
            paint_dots(canvas, pixels, colour, DOT * canvas.unit)
            return
        which, forces = self._on_bodies(row, slots, self._normal[row, slots], position, points)
        strength = self._strength[row, slots[which]]
        lengths = np.minimum(strength * self._metres, self._longest) * camera.scale
        canvas.polygons(arrows(pixels[which], forces / strength[:, None], lengths, canvas.unit), colour)

    def vectors(self, position: np.ndarray) -> np.ndarray:
        """(rows, m, 4) tail and vector of every arrow, with bodies at (rows, n, 2) [m]; NaN where nothing presses.

        Where no normal is recorded the vectors are zero: only dots are seen.
        """
        rows = len(self._strength)
        there = self._strength > 0.0
        if not there.any():
            return np.zeros((rows, 0, 4))
        points, there = np.where(there[..., None], self._point, np.nan), there[..., None]
        if self._normal is None:
            return np.where(there, np.concatenate([points, np.zeros_like(points)], axis=2), np.nan)
        shapes = self._pairs[np.maximum(self._pair, 0)]
        inner = np.take_along_axis(position[:rows], shapes[..., :1], axis=1)
        with np.errstate(invalid="ignore", divide="ignore"):
            ways = _on_first(self._force, self._normal, inner - points) / self._strength[..., None]
        ways = ways * np.minimum(self._strength * self._metres, self._longest)[..., None]
        one = np.where(there, np.concatenate([points, ways], axis=2), np.nan)
        two = np.where(shapes[..., 1:] < self._bodies, np.concatenate([points, -ways], axis=2), np.nan)
        return np.concatenate([one, two], axis=1)

    def _on_bodies(
        self, row: int, slots: np.ndarray, normals: np.ndarray, position: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """(k,) which of the slots, and (k, 2) the force there on one of its bodies [N]; on both where it has two."""
        shapes = self._pairs[self._pair[row, slots]]
        first = _on_first(self._force[row, slots], normals, position[shapes[:, 0]] - points)
        two = np.flatnonzero(shapes[:, 1] < self._bodies)
        return np.concatenate([np.arange(len(slots)), two]), np.concatenate([first, -first[two]])


def _on_first(force: np.ndarray, normals: np.ndarray, inwards: np.ndarray) -> np.ndarray:
    """(..., 2) the force on the first body of a pair [N], of forces (..., 2) along normals and across them.

    Whichever way the normal points, a body is pushed to its own side: ``inwards`` (..., 2) leads to its centre. The
    first of a pair always is a body.
    """
    across = np.stack([-normals[..., 1], normals[..., 0]], axis=-1)
    both = force[..., :1] * normals + force[..., 1:] * across
    with np.errstate(invalid="ignore"):
        away = (inwards * normals).sum(axis=-1) < 0.0
    found: np.ndarray = np.where(away, -1.0, 1.0)[..., None] * both
    return found


def arrows(tails: np.ndarray, ways: np.ndarray, lengths: np.ndarray, unit: float) -> np.ndarray:
    """(k, 15, 2) corners of arrows from tails (k, 2) in directions (k, 2), of lengths (k,) [pixels]."""
    along = ways[:, None]
    across = np.stack([-along[..., 1], along[..., 0]], axis=-1)
    dots = 0.5 * DOT * unit * (TAIL[:, :1] * along + TAIL[:, 1:] * across)
    head = np.minimum(1.2 * BARB * unit, lengths)
    base = (lengths - head)[:, None, None] * along
    heads = base + head[:, None, None] * HEAD[:, :1] * along + 0.5 * BARB * unit * HEAD[:, 1:] * across
    return tails[:, None] + np.concatenate([dots, heads], axis=1)
