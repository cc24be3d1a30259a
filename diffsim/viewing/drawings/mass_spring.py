"""Points and springs: flesh between the springs, springs in the colours of their actuation."""

from __future__ import annotations

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.camera import Camera
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.legend import paint_scale
from diffsim.viewing.scenery import Floor, paint_shadow
from diffsim.viewing.style import STYLE, muscle_colours, rgba

__all__ = ["MassSpringDrawing", "triangles"]

# The camera does not follow what gets farther away than this many sizes of the body, as in a diverging
# rollout: the body would be a dot. Points without springs have no size; for them it counts in units of 10 m.
WILD = 100.0

# How much of the colour of the flesh the farthest spring takes on.
HAZE = 0.62

# Nothing is drawn this far away [m].
LOST = 1e100

# With more triangles than this a body is dense enough without its flesh being filled.
MOST_TRIANGLES = 4000

# Rows that the camera looks at; a view that fits 400 rows fits those between.
MOST_ROWS = 400


class MassSpringDrawing:
    """A `MassSpring` rollout of one environment, n points and s springs in d dimensions.

    Attributes:
        centre: (rows, d) mean of the points [m].
        size: at the start [m].
        roams, outlook: see `Drawing`.
    """

    roams = False
    outlook = (-62.0, 20.0)

    def __init__(self, rollout: Rollout) -> None:
        """Work out what does not change from row to row."""
        scene = rollout.problem.scene
        position = np.array(rollout["position"], dtype=float)
        # A point that diverged is one that is not there; its square could not be taken, nor infinity times 0.
        position[~(np.abs(position) < LOST)] = np.nan
        self.position = position
        self.centre = position.mean(axis=1)
        self.size = float(np.ptp(scene.points, axis=0).max())
        self.springs = scene.springs
        self.triangles = triangles(scene.springs)
        self.fixed = scene.fixed
        gain = np.broadcast_to(rollout.numbers["scene.actuation"], len(scene.springs))
        self.muscles = np.flatnonzero(np.broadcast_to(scene.actuation, len(scene.springs)))
        self.strain = _strain(rollout, gain[self.muscles])
        self.start = scene.points
        self.earth = scene.ground
        self.height = rollout.numbers.get("scene.ground_height", 0.0)
        rest = np.linalg.norm(np.diff(scene.points[scene.springs], axis=1)[:, 0], axis=1)
        self.length = float(np.median(rest)) if len(rest) else 0.0

    def content(self, track: np.ndarray | None = None) -> np.ndarray:
        """(m, d) positions that the camera must show [m], less its track: all that are finite and not absurd."""
        rows = np.unique(np.linspace(0, len(self.position) - 1, MOST_ROWS).astype(int))
        points = self.position[rows] if track is None else self.position[rows] - track[rows, None]
        points = points.reshape(-1, self.position.shape[2])
        points = points[np.isfinite(points).all(axis=1)]
        if len(points) == 0:
            return np.zeros((1, self.position.shape[2]))
        size = float(np.ptp(self.start, axis=0).max()) if len(self.springs) else 10.0
        tame = np.abs(points - points[0]).max(axis=1) <= WILD * size
        return points[tame]

    def ground(self) -> Floor | None:
        """The scene's ground at its tuned height, if it has one."""
        return None if self.earth is None else Floor(self.earth.normal, float(self.height))

    def paint_scenery(self, canvas: Canvas, camera: Camera) -> None:
        """Nothing: there is only the ground."""

    def colours(self, row: int) -> np.ndarray:
        """(s, 4) colour of each spring at a row of the trajectory: grey, or by what is asked of it."""
        colours = np.tile(rgba(STYLE.passive), (len(self.springs), 1))
        if len(self.muscles) and len(self.strain):
            colours[self.muscles] = muscle_colours(self.strain[min(row, len(self.strain) - 1)])
        return colours

    def paint(self, canvas: Canvas, camera: Camera, floor: Floor, row: int) -> None:
        """Shadow, flesh, springs and points at a row of the trajectory."""
        points = self.position[row]
        pixels, near = camera.project(points)
        unit = canvas.unit
        # A share of a spring's length: thick enough to see its colour, thin enough to see between.
        share = 10.0 if points.shape[1] == 2 else 16.0
        width = float(np.clip(self.length * camera.scale / share, 1.2 * unit, 4.5 * unit))
        cover = self.triangles if len(self.triangles) else self.springs
        paint_shadow(canvas, camera, floor, points, cover, width)
        if len(self.triangles):
            canvas.polygons(pixels[self.triangles], rgba(STYLE.flesh))
        ends = np.concatenate([pixels[self.springs], np.repeat(pixels[:, None], 2, axis=1)])
        colours = np.concatenate([self.colours(row), self._point_colours()])
        widths = np.concatenate([self._widths(width), np.full(len(points), self._diameter(width, unit))])
        if points.shape[1] == 3:
            depth = np.concatenate([near[self.springs].mean(axis=1), near])
            ends, colours, widths = _by_depth(ends, colours, widths, depth)
        canvas.strokes(ends, colours, widths)

    def paint_legend(self, canvas: Canvas, corner: tuple[float, float]) -> None:
        """The colours of muscles from contracted to extended, up and left of a corner [pixels]."""
        if len(self.muscles):
            paint_scale(canvas, corner, "contracted", "extended")

    def _widths(self, width: float) -> np.ndarray:
        # Many springs hide each other in 3D: the passive ones step back.
        widths = np.full(len(self.springs), width if self.position.shape[2] == 2 else 0.6 * width)
        widths[self.muscles] = 1.5 * width
        return widths

    def _diameter(self, width: float, unit: float) -> float:
        # A point that no spring holds is a ball; in a body, points only cover where springs meet.
        return 2.1 * width if len(self.springs) else 14.0 * unit

    def _point_colours(self) -> np.ndarray:
        colours = np.tile(rgba(STYLE.point), (self.position.shape[1], 1))
        colours[self.fixed] = rgba(STYLE.pinned)
        return colours


def _strain(rollout: Rollout, gain: np.ndarray) -> np.ndarray:
    """(steps, k) relative change of rest length asked of each muscle, as a share of the largest possible."""
    largest = float(np.abs(gain).max(initial=0.0))
    if "actuation" not in rollout or largest == 0.0:
        return np.zeros((1, len(gain)))
    return np.asarray(rollout["actuation"], dtype=float) * (gain / largest)


def _by_depth(
    ends: np.ndarray, colours: np.ndarray, widths: np.ndarray, depth: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Painter's order, the far ones first and paler; all by ``depth`` (m,), nearness to the eye [m]."""
    depth = np.nan_to_num(depth, nan=-np.inf, neginf=-np.inf, posinf=np.inf)
    order = np.argsort(depth, kind="stable")
    fine = depth[np.isfinite(depth)]
    high, span = (fine.max(), float(np.ptp(fine)) or 1.0) if len(fine) else (0.0, 1.0)
    haze = HAZE * np.clip((high - depth) / span, 0.0, 1.0)[:, None]
    colours = (1.0 - haze) * colours + haze * rgba(STYLE.flesh)
    widths = widths * (1.0 - 0.35 * haze[:, 0])
    return ends[order], colours[order], widths[order]


def triangles(springs: np.ndarray) -> np.ndarray:
    """(t, 3) all triples of points that springs (s, 2) join each with each; none if there are too many."""
    joined: dict[int, set[int]] = {}
    for a, b in springs.tolist():
        joined.setdefault(a, set()).add(b)
        joined.setdefault(b, set()).add(a)
    found: list[tuple[int, int, int]] = []
    for a, b in np.sort(springs, axis=1).tolist():
        found.extend((a, b, c) for c in joined[a] & joined[b] if c > b)
        if len(found) > MOST_TRIANGLES:
            return np.zeros((0, 3), dtype=np.intp)
    return np.array(found, dtype=np.intp).reshape(-1, 3)
