"""Show what gauges read: an array at a few places over time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.objectives.base import Objective
from diffsim.spec import array, number

__all__ = ["MatchReadings"]


@ti.func
def misread(goal: ti.template(), loss: ti.template(), env, row, step, gauge):
    sample = goal.sample[step]
    if sample >= 0:
        at = sample * goal.gauges + gauge
        off = goal.read[env, row, goal.cell[gauge]] - goal.readings[env, at]
        loss[env] += goal.there[at] * goal.share * goal.weight[env, 0] * off * off


@dataclass(frozen=True)
class _Reading:
    cell: Any  # (gauge,) which element of the array it reads
    sample: Any  # (step,) which row of the readings belongs to a step, -1 for none
    there: Any  # (sample * gauges + gauge,) 1 where there is a reading
    readings: Any  # (env, the same)
    weight: Any  # (env, 0)
    read: Any  # (env, row, element)
    gauges: int
    share: float  # 1 / number of readings


@dataclass(frozen=True, eq=False, repr=False)
class MatchReadings(Objective):
    """Show what gauges read: the mean squared difference of an array on a grid to measured values, in some cells.

    Attributes:
        readings: (m, k) of k gauges; NaN where one is missing.
        cells: (k, 2) in which cell, along x and along y, each gauge is.
        array: name of an array of the model that has one number in each cell, such as "height" or "density".
        steps: (m,) the step of each row, 0 is the initial state; None is 0, 1, ..., m - 1.
        weight: factor of this term.
    """

    readings: Any
    cells: Any
    array: str = "height"
    steps: Any = None
    weight: float = 1.0

    def __post_init__(self) -> None:
        """Check every number."""
        readings = np.array(self.readings, dtype=np.float64)
        missing = np.isnan(readings)
        array("MatchReadings.readings", np.where(missing, 0.0, readings), ("m", "k"))
        if missing.all():
            raise InputError("MatchReadings.readings holds no reading: all are NaN")
        m, k = readings.shape
        readings.setflags(write=False)
        rows = np.arange(m) if self.steps is None else self.steps
        steps = array("MatchReadings.steps", rows, (m,), least=0, dtype=np.int64)
        if (np.diff(steps) <= 0).any():
            raise InputError("MatchReadings.steps must increase from row to row")
        cells = array("MatchReadings.cells", self.cells, (k, 2), least=0, dtype=np.int64)
        self._set(readings=readings, steps=steps, cells=cells, weight=number("MatchReadings.weight", self.weight))

    @property
    def reads(self) -> str:
        """The array."""
        return self.array

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for cells beyond the grid, or readings after the last step."""
        array(f"MatchReadings.steps of a rollout of {steps} steps", self.steps, most=steps)
        start = scene.numbers().get(f"initial_{self.array}")
        if start is not None:
            self._check_cells(start.shape)

    def _check_cells(self, grid: tuple[int, ...]) -> None:
        if len(grid) != 2:
            raise InputError(f"MatchReadings reads {self.array!r}, but an array with one number in each cell is needed")
        for axis, name in enumerate("xy"):
            array(f"MatchReadings.cells along {name}", self.cells[:, axis], most=grid[axis] - 1)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name; a missing reading counts as 0 and has no gradient."""
        return {"readings": np.nan_to_num(self.readings, nan=0.0), "weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """One stage, at every row."""
        m, k = self.readings.shape
        read = model.array(self.array, "MatchReadings")
        grid = (*getattr(read, "grid", (0,)), *model.arrays[self.array].width)
        self._check_cells(grid)
        samples = np.full(model.steps + 1, -1)
        samples[self.steps] = np.arange(m)
        there = ~np.isnan(self.readings)
        goal = _Reading(
            cell=fields.integers(self.cells @ [grid[1], 1]),
            sample=fields.integers(samples),
            there=fields.integers(there),
            readings=fields.number(f"{prefix}.readings", m * k, 0, np.arange(m * k)),
            weight=fields.number(f"{prefix}.weight", 1),
            read=read,
            gauges=k,
            share=1.0 / float(there.sum()),
        )
        stages = (Stage(misread, (goal, fields.loss), k),)
        return Part(step=stages, final=stages)

    def measurements(self, scene: Any) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What was measured, for `identify`: (m,) steps, and (m,) values by what they are, NaN where there is none."""
        names = [f"{self.array}[{i}, {j}]" for i, j in self.cells.tolist()]
        return self.steps, dict(zip(names, self.readings.T, strict=True))

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """Every reading's difference, as a share of the mean."""
        read = rollout.arrays[self.array][self.steps][:, self.cells[:, 0], self.cells[:, 1]]
        off = (read - numbers["readings"])[~np.isnan(self.readings)]
        return np.asarray(off / np.sqrt(off.size))

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """How far off it was."""
        return f"{max(value, 0.0) ** 0.5:.3g} off the readings (root mean square)"
