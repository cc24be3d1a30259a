"""What stands around a body of any kind: the ground with its distance marks, the goal, shadows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.camera import Camera, Viewport
from diffsim.viewing.canvas import Canvas
from diffsim.viewing.planes import Floor
from diffsim.viewing.style import STYLE, rgba

__all__ = [
    "floor_of",
    "goals_of",
    "paint_distances",
    "paint_floor",
    "paint_goals",
    "paint_puddles",
    "paint_shadow",
    "round_step",
]

# Pixels between distance marks with a number; narrower, the numbers touch.
MARK_SPACING = 64.0

# A goal with more places than this is a measurement to follow, not a place to go to.
MOST_GOALS = 8

# The squares on the ground fade out over this share of the content's size.
FADE = 0.75

# Where the light comes from, for shadows in 3D: nearly from above, a little from the left and the front.
LIGHT = np.array([-0.25, -0.12, 1.0])

# The lower half of a circle, for puddles.
BOW = np.stack([trig(np.linspace(np.pi, 2.0 * np.pi, 25)) for trig in (np.cos, np.sin)], axis=1)


def floor_of(ground: Floor | None, content: np.ndarray) -> Floor:
    """The ground, or a reference grid just below the content (m, d) [m]."""
    if ground is not None:
        return ground
    up = np.eye(content.shape[1])[-1]
    return Floor(up, float(content[:, -1].min()), solid=False)


def goals_of(rollout: Rollout, dimension: int) -> np.ndarray:
    """(k, d) places that the objective wants something at [m], a few; a long measurement is not shown."""
    found = [np.zeros((0, dimension))]
    for target in _targets(rollout.problem.objective):
        values = np.asarray(target, dtype=float)
        if values.ndim and values.shape[-1] == dimension and values.size <= MOST_GOALS * dimension:
            found.append(values.reshape(-1, dimension))
    goals = np.concatenate(found)
    return goals[np.isfinite(goals).all(axis=1)]


def _targets(objective: Any) -> Iterator[Any]:
    """The targets of an objective and of the terms that it is the sum of, (weight, objective) or bare."""
    if isinstance(objective, (tuple, list)):
        for part in objective:
            yield from _targets(part)
        return
    for name in ("target", "positions"):
        if getattr(objective, name, None) is not None:
            yield getattr(objective, name)
    yield from _targets(getattr(objective, "terms", ()))


def round_step(least: float) -> float:
    """The least of 1, 2, 5 times a power of ten that is not below ``least`` (positive)."""
    power = 10.0 ** np.floor(np.log10(least))
    return float(next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least * (1 - 1e-9)))


def paint_floor(canvas: Canvas, camera: Camera, viewport: Viewport, floor: Floor, content: np.ndarray) -> None:
    """The ground below the content (m, d) [m], with distance marks in 2D and a grid in 3D."""
    if len(floor.normal) == 3:
        _paint_grid(canvas, camera, viewport, floor, content)
        return
    along, reach, step, at = _marks(canvas, camera, floor)
    middle = floor.foot(camera.centre)
    marks = middle + (at[:, None] * step - middle @ along) * along
    below = 0.0 if floor.solid else reach
    guides = np.stack([marks - below * floor.normal, marks + reach * floor.normal], axis=1)
    canvas.strokes(camera.project(guides)[0], rgba(STYLE.guide), 1.2 * canvas.unit)
    if floor.solid:
        edge = np.array([middle - reach * along, middle + reach * along])
        soil = np.concatenate([edge, edge[::-1] - reach * floor.normal])
        canvas.polygons(camera.project(soil)[0][None], rgba(STYLE.soil))
        canvas.strokes(camera.project(edge)[0][None], rgba(STYLE.surface), 1.6 * canvas.unit)
    else:
        levels = middle + np.arange(-40, 41)[:, None] * step * floor.normal
        level = np.stack([levels - reach * along, levels + reach * along], axis=1)
        canvas.strokes(camera.project(level)[0], rgba(STYLE.guide), 1.2 * canvas.unit)
    _paint_ruler(canvas, camera, viewport, floor, marks, at * step, step)


def _marks(canvas: Canvas, camera: Camera, floor: Floor) -> tuple[np.ndarray, float, float, np.ndarray]:
    """In 2D the direction of a floor, how far it is drawn, and distance marks: their step [m], and (m,) numbers."""
    step = round_step(MARK_SPACING * canvas.unit / camera.scale)
    along = floor.tangents[0]
    here = float(floor.foot(camera.centre) @ along)
    # Far enough to leave the picture to either side, wherever the camera stands.
    reach = 2.0 * sum(canvas.size) / camera.scale
    return along, reach, step, np.arange(np.ceil((here - reach) / step), np.floor((here + reach) / step) + 1)


def paint_distances(canvas: Canvas, camera: Camera, viewport: Viewport, floor: Floor) -> None:
    """In 2D numbers along the lower edge of the viewport [m], without a floor."""
    along, _, step, at = _marks(canvas, camera, floor)
    middle = floor.foot(camera.centre)
    marks = middle + (at[:, None] * step - middle @ along) * along
    _paint_ruler(canvas, camera, viewport, floor, marks, at * step, step)


def _paint_ruler(
    canvas: Canvas,
    camera: Camera,
    viewport: Viewport,
    floor: Floor,
    marks: np.ndarray,
    values: np.ndarray,
    step: float,
) -> None:
    """Ticks below the ground with distances [m], those that fit into the viewport."""
    pixels, _ = camera.project(marks)
    down = -floor.normal
    if not floor.solid:
        # Room for a line of text below, in a small panel too.
        pixels[:, 1] = viewport.bottom + max(0.07 * viewport.height, 2.4 * STYLE.small_size * canvas.unit)
    tick = 7.0 * canvas.unit
    if floor.solid:
        canvas.strokes(np.stack([pixels, pixels + tick * down], axis=1), rgba(STYLE.ruler), 1.2 * canvas.unit)
    margin = 18.0 * canvas.unit
    # A tenth of a step is 0.1 of 1, 2 or 5 times a power of ten: as many digits as the step needs.
    digits = max(0, -int(np.floor(np.log10(step) + 1e-9)))
    for (x, y), value in zip(pixels, values, strict=True):
        if viewport.left + margin < x < viewport.left + viewport.width - margin:
            words = f"{value + 0.0:.{digits}f}".replace("-", "−")
            place = (x + 2.0 * tick * down[0], y + 1.5 * tick * down[1])
            size = STYLE.small_size * canvas.unit
            canvas.text(f"{words} m", place, size=size, colour=STYLE.ruler, anchor="ma")


def _paint_grid(canvas: Canvas, camera: Camera, viewport: Viewport, floor: Floor, content: np.ndarray) -> None:
    """Squares on the plane, every other one filled, that fade out with the distance from the content."""
    flat = content @ floor.tangents.T
    low, high = flat.min(axis=0), flat.max(axis=0)
    size = float(np.max(high - low)) or 1.0
    step = round_step(size / 7.0)
    first = np.floor((low - FADE * size) / step).astype(int)
    last = np.ceil((high + FADE * size) / step).astype(int)
    cells = np.stack(np.meshgrid(*map(np.arange, first, last), indexing="ij"), axis=-1).reshape(-1, 2)
    cells = cells[cells.sum(axis=1) % 2 == 0]
    away = np.abs(step * (cells + 0.5) - (low + high) / 2) - (high - low) / 2
    opacity = np.clip(1.0 - np.linalg.norm(np.maximum(away, 0.0), axis=1) / (FADE * size), 0.0, 1.0) ** 1.5
    square = cells[:, None, :] + np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    corners, _ = camera.project(step * square @ floor.tangents + floor.height * floor.normal)
    # Mixed here: Agg blends with eight bits, which tints the paler squares.
    full, none = rgba(STYLE.soil if floor.solid else STYLE.guide), rgba(STYLE.sky)
    for quad, share in zip(corners[opacity > 0.0], opacity[opacity > 0.0], strict=True):
        canvas.polygons(quad[None], share * full + (1.0 - share) * none)
    words = f"squares of {step:g} m" if step >= 0.01 else f"squares of {1000 * step:g} mm"
    margin = 14.0 * canvas.unit
    canvas.text(
        words,
        (viewport.left + margin, viewport.bottom + margin),
        size=STYLE.small_size * canvas.unit,
        colour=STYLE.ruler,
    )


def paint_goals(canvas: Canvas, camera: Camera, floor: Floor, goals: np.ndarray) -> None:
    """A target at each goal (k, d) [m]; in 3D on a stem that shows where it stands."""
    green, sky, unit = rgba(STYLE.goal), rgba(STYLE.sky), canvas.unit
    pixels, _ = camera.project(goals)
    if goals.shape[1] == 3:
        feet, _ = camera.project(floor.foot(goals))
        canvas.strokes(np.stack([feet, pixels], axis=1), rgba(STYLE.goal, 0.5), 1.4 * unit)
        canvas.discs(feet, rgba(STYLE.goal, 0.5), 6.0 * unit)
    for colour, diameter in ((green, 21.0), (sky, 16.0), (green, 9.0)):
        canvas.discs(pixels, colour, diameter * unit)


def paint_shadow(
    canvas: Canvas, camera: Camera, floor: Floor, points: np.ndarray, shapes: np.ndarray, width: float
) -> None:
    """The shadow that a body throws on solid ground.

    Args:
        canvas: paints it.
        camera: sees it.
        floor: it falls on; nothing falls on a reference grid.
        points: (n, d) positions [m].
        shapes: (m, k) indices of the points of its polygons, k = 3 or more, or of its lines, k = 2.
        width: of lines [pixels].
    """
    if not (floor.solid and floor.shadows) or len(points) == 0:
        return
    if points.shape[1] == 2:
        _paint_puddle(canvas, camera, floor, points)
        return
    feet, _ = camera.project(floor.foot(points, LIGHT))
    if shapes.shape[1] > 2:
        canvas.polygons(feet[shapes], rgba(STYLE.shadow, 0.22))
    else:
        canvas.strokes(feet[shapes], 0.22 * rgba(STYLE.shadow) + 0.78 * rgba(STYLE.sky), width)


def paint_puddles(
    canvas: Canvas,
    camera: Camera,
    floor: Floor,
    points: np.ndarray,
    starts: np.ndarray,
    others: Sequence[Floor] = (),
) -> None:
    """In 2D, of several bodies that are filled: puddles that shrink the higher a body is, and are gone at some height.

    Unlike one that pales they can be filled together, so that bodies on top of each other throw one shadow.

    Args:
        canvas: paints them.
        camera: sees them.
        floor: they lie on.
        points: (v, 2) corners of all bodies [m].
        starts: (n,) the first corner of each body, which has those up to the next one's.
        others: floors within which this one is not seen.
    """
    along = floor.tangents[0]
    reach, gap = points @ along, np.minimum.reduceat(floor.gap(points), starts)
    low, high = np.minimum.reduceat(reach, starts), np.maximum.reduceat(reach, starts)
    width = high - low + 6.0 * canvas.unit / camera.scale
    share = 1.0 - np.maximum(gap, 0.0) / (2.0 * width)
    middle = floor.height * floor.normal + 0.5 * (low + high)[:, None] * along
    seen = share > 0.0
    for other in others:
        seen &= other.gap(middle) > 0.0
    half, deep = (0.5 * share * width)[seen], share[seen] * 5.5 * canvas.unit / camera.scale
    bow = half[:, None, None] * BOW[:, :1] * along + deep[:, None, None] * BOW[:, 1:] * floor.normal
    canvas.polygons(camera.project(middle[seen, None] + bow)[0], rgba(STYLE.shadow, 0.3))


def _paint_puddle(canvas: Canvas, camera: Camera, floor: Floor, points: np.ndarray) -> None:
    """In 2D: half an ellipse in the soil, as wide as the body, paler the higher the body is."""
    points = points[np.isfinite(points).all(axis=1)]
    if len(points) == 0:
        return
    reach = points @ floor.tangents[0]
    width = float(np.ptp(reach)) + 6.0 * canvas.unit / camera.scale
    height = max(float(floor.gap(points).min()), 0.0)
    strength = 0.22 / (1.0 + 2.0 * height / width)
    middle = floor.height * floor.normal + 0.5 * (reach.min() + reach.max()) * floor.tangents[0]
    deep = 5.5 * canvas.unit / camera.scale
    for part in (1.1, 0.9):
        across = 0.5 * width * part * BOW[:, :1] * floor.tangents[0]
        bow = middle + across + deep * part * BOW[:, 1:] * floor.normal
        canvas.polygons(camera.project(bow)[0][None], rgba(STYLE.shadow, strength))
