"""Look like a picture in the end: numbers on a grid, or the floor below water."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.numbers import Number, tunable
from diffsim.objectives.base import Objective
from diffsim.physics import interpolation
from diffsim.physics.grids import in_space
from diffsim.physics.refraction import landing

__all__ = ["MatchPicture", "MatchRefraction"]


@ti.func
def differ(goal: ti.template(), loss: ti.template(), env, row, step, c):
    apart = goal.shown[env, row, c] - goal.picture[env, c]
    loss[env] += goal.share * goal.weight[env, 0] * apart * apart


@dataclass(frozen=True, eq=False, repr=False)
class MatchPicture(Objective):
    """Look like a picture in the end: the mean squared difference of an array to it, over all cells of a grid.

    Attributes:
        picture: (n, m) what the array should be in each cell; entry [i, j] is the i-th along x, the j-th along y, up.
            (n, m, l) for a grid in space.
        array: name of an array of the model that has one number in each cell, such as "density" or "height".
        weight: factor of this term.
    """

    picture: Any = tunable("n", "m")
    array: str = "density"
    weight: float = 1.0

    def _shape_of(self, declared: Number) -> tuple[str | int, ...]:
        """With a third axis for a picture that has one."""
        return in_space(declared.shape) if np.ndim(self.picture) == 3 else declared.shape

    @property
    def reads(self) -> str:
        """The array."""
        return self.array

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for a picture of another shape, of a scene that tells the shape of its grid."""
        start = scene.numbers().get(f"initial_{self.array}")
        if start is not None:
            self._check_shape(start.shape)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if self.picture.shape != shape:
            raise InputError(
                f"MatchPicture.picture has shape {self.picture.shape}, but {self.array!r} has {shape}; both need a "
                "number for each cell of a grid"
            )

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """A stage at the last row."""
        shown = model.array(self.array, "MatchPicture")
        self._check_shape((*getattr(shown, "grid", (model.elements(self.array),)), *model.arrays[self.array].width))
        goal = self.record(fields, model, prefix, shown=shown, share=1.0 / self.picture.size)
        return Part(final=(Stage(differ, (goal, fields.loss), self.picture.size),))

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Every cell's difference, as a share of the mean."""
        return _shares(rollout.arrays[self.array][-1] - numbers["picture"])

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How far off it was."""
        return _words(value)


def _shares(apart: np.ndarray) -> np.ndarray:
    """Residuals whose squares add up to the mean of these."""
    return np.asarray(apart.ravel() / np.sqrt(apart.size))


def _words(value: float) -> str:
    return f"{max(value, 0.0) ** 0.5:.3g} off the picture (root mean square)"


@ti.func
def refract(goal: ti.template(), water: ti.template(), loss: ti.template(), env, row, step, c):
    """Compare what an eye far above sees in a cell with the picture."""
    x = water.height[env, row, water.right[c]] - water.height[env, row, water.left[c]]
    y = water.height[env, row, water.above[c]] - water.height[env, row, water.below[c]]
    slope = (0.5 / water.spacing) * ti.Vector([x, y])
    depth = (goal.depth[env, 0] + water.height[env, row, c]) / water.spacing
    shift = depth * bend(slope, goal.index[env, 0]) * slope
    i = c // water.m
    across, up = i + shift[0], c - i * water.m + shift[1]
    left, below = ti.floor(across), ti.floor(up)
    columns = interpolation.around(left, water.n, ti.static(water.periodic)) * water.m
    rows = interpolation.around(below, water.m, ti.static(water.periodic))
    weight, rising = interpolation.weights(across - left), interpolation.weights(up - below)
    seen = 0.0
    for k in ti.static(range(4)):
        for j in ti.static(range(4)):
            seen += weight[k] * rising[j] * goal.floor[env, columns[k] + rows[j]]
    apart = seen - goal.picture[env, c]
    loss[env] += goal.share * goal.weight[env, 0] * apart * apart


@ti.func
def bend(slope, index):
    """How far a ray from straight above goes sideways in the water, per slope and depth: Snell's law."""
    length = ti.sqrt(1.0 + slope.dot(slope))  # of the normal whose vertical part is 1
    straight = 1.0 / (index * length)  # 1 / index times the cosine of the ray's angle with the normal, outside
    turned = ti.sqrt(1.0 - (1.0 - 1.0 / (length * length)) / (index * index)) - straight
    return turned / (length / index + turned)


@dataclass(frozen=True, eq=False, repr=False)
class MatchRefraction(Objective):
    """Through the water a floor looks like a picture in the end: the mean squared difference over all cells.

    An eye far above looks straight down. Its ray is bent where it meets the surface, by Snell's law, and sees the floor
    where it ends; between the middles of cells the floor is interpolated by cubics (`diffsim.physics.interpolation`).
    Beyond edges that are not periodic it goes on as it is there.

    Attributes:
        picture: (n, m) brightness that is wanted in each cell.
        floor: (n, m) brightness of the floor.
        depth: of still water [m].
        index: of refraction, of the water over that of the air.
        weight: factor of this term.
    """

    picture: Any = tunable("n", "m")
    floor: Any = tunable("n", "m")
    depth: float = tunable(default=1.0, unit="m", above=0.0)
    index: float = tunable(default=4.0 / 3.0, least=1.0)
    weight: float = 1.0

    reads = "height"

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for a scene that is no water, or has another shape."""
        start = scene.numbers().get("initial_height")
        if start is None or not hasattr(scene, "spacing"):
            raise InputError(f"MatchRefraction looks through water, but the scene is {type(scene).__name__}")
        if start.shape != self.picture.shape:
            raise InputError(f"MatchRefraction.picture has shape {self.picture.shape}, but the water has {start.shape}")

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """A stage at the last row."""
        goal = self.record(fields, model, prefix, share=1.0 / self.picture.size)
        return Part(final=(Stage(refract, (goal, model.motion, fields.loss), self.picture.size),))

    def seen(self, rollout: Any) -> np.ndarray:
        """(rows, n, m) what the eye sees in each row of a rollout of one environment."""
        prefix = next(prefix for _, prefix, term in rollout.problem.objective._placed() if term is self)
        numbers = {name: rollout.numbers[prefix + name] for name in ("floor", "depth", "index")}
        scene = rollout.problem.scene
        rows = rollout.arrays["height"]
        return np.stack([_seen(height, scene.spacing, scene.edges == "periodic", **numbers) for height in rows])

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Every cell's difference, as a share of the mean."""
        scene, given = rollout.problem.scene, {name: numbers[name] for name in ("floor", "depth", "index")}
        seen = _seen(rollout.arrays["height"][-1], scene.spacing, scene.edges == "periodic", **given)
        return _shares(seen - numbers["picture"])

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How far off it was."""
        return _words(value)


def _seen(
    height: np.ndarray, spacing: float, periodic: bool, *, floor: np.ndarray, depth: np.ndarray, index: np.ndarray
) -> np.ndarray:
    """(n, m) the same as `refract` in NumPy, of a surface (n, m)."""
    n, m = height.shape
    place = np.stack(np.divmod(np.arange(n * m), m)) + landing(height, spacing, periodic, float(depth), float(index))
    low = np.floor(place)
    t = (place - low)[:, None]
    whole = low.astype(int)[:, None] + np.arange(-1, 3)[:, None]
    first, second = ((-0.5 * t + 1.0) * t - 0.5) * t, (1.5 * t - 2.5) * t * t + 1.0
    third, fourth = ((-1.5 * t + 2.0) * t + 0.5) * t, (0.5 * t - 0.5) * t * t
    across, up = np.concatenate([first, second, third, fourth], axis=1)
    columns, rows = (k % size if periodic else np.clip(k, 0, size - 1) for k, size in zip(whole, (n, m), strict=True))
    found: np.ndarray = np.einsum("ac,bc,abc->c", across, up, floor[columns[:, None], rows])
    return found.reshape(n, m)
