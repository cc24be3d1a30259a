"""Steps from states that are given, and their reverse: what `diffsim.Stepper` runs, on a CPU.

A call runs its steps as a rollout with checkpoints runs a segment: from the state in the segment's first row, with
nothing but what stages wrote there. Rows of the trajectory are taken in turns: row 0 holds what the prepare stages make
of the scene, and behind it each call has ``repeat + 1`` rows of its own, the last of which is the state that it
reached. A call can be reversed, any number of times, until its rows are given to another one.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, is_dataclass, replace
from dataclasses import fields as fields_of
from functools import cached_property
from typing import Any

import numpy as np

from diffsim.engine import runtime
from diffsim.engine.arrays import Array, Recorded
from diffsim.engine.devices import check_memory
from diffsim.engine.fields import Fields
from diffsim.engine.mentions import Mentions
from diffsim.engine.staged import Launches
from diffsim.engine.stages import Model, Passes, Stage, requests
from diffsim.errors import InputError
from diffsim.waiting import Work

__all__ = ["Stepping", "stepping"]

_Part = tuple[np.ndarray, slice]
"""A view of one row of an array, (envs, numbers), and which numbers of a flat state they are."""


def stepping(
    scene: Any,
    build: Callable[..., Model],
    numbers: Mapping[str, np.ndarray],
    tuned: Iterable[str],
    asker: Any,
    *,
    precision: str,
    envs: int,
    repeat: int,
    keep: int,
) -> "Stepping":
    """Declare fields and stages of a scene, and take the memory.

    Args:
        scene: what to simulate.
        build: of its model, from `diffsim.physics`.
        numbers: of the scene, by dotted name.
        tuned: those that have a gradient.
        asker: who reads arrays of the model: its ``reads``, and its class for messages.
        precision, envs, repeat, keep: see `Stepping`.

    Raises:
        InputError: what is read is not there, or the arrays are too large.
        DeviceError: there is not enough memory.
    """
    fields = Fields(numbers, tuned, envs=envs, precision=precision)
    try:
        model = build(scene, fields, 1, requests(asker)).complete(scene, 1, fields.arrays)
        model.check(asker)
        reads = {name: _read(fields, model, name, type(asker).__name__) for name in model.names(asker)}
        rows = (keep + 1) * (repeat + 1)
        fields.check_sizes(rows)
        check_memory("cpu", fields, rows, instead=(f"a smaller keep (it is {keep})",))
        fields.allocate(rows, segments=1)
        if not fields.beds.fit:
            raise InputError(
                "the arrays of this scene are too large together; use fewer copies (envs), or a smaller keep"
            )
        return Stepping(fields, model, reads, precision, repeat, keep)
    except BaseException:
        fields.close()
        raise


def _recorded(fields: Fields, array: Any) -> Recorded:
    return next(r for r in fields.trajectories if r.field is getattr(array, "flat", array))


def _read(fields: Fields, model: Model, name: str, owner: str) -> Recorded:
    """The array of that name, which must have a value where a call ends."""
    found = _recorded(fields, model.array(name, owner))
    if found.per_step:
        raise InputError(f"{owner} reads {name!r}, which has a value during a step and none where it ends")
    if not found.recorded:
        found = replace(found, recorded=found.elements if found.grid else 0)
    return found


@dataclass(frozen=True)
class _Rows:
    """Views of what a call has in memory; of gradients if they are those of the adjoints.

    Attributes:
        before, after: the state at the first row and at the last.
        drive: (envs, repeat, actuators) what drives it; None without actuators.
        sums: (envs, numbers) all that accumulates, in the rows in which it is used.
        sensed: (envs, *shape) arrays that are read at the last row.
    """

    before: list[_Part]
    after: list[_Part]
    drive: np.ndarray | None
    sums: list[np.ndarray]
    sensed: dict[str, np.ndarray]


class Stepping:
    """Steps of all copies, each call in rows of its own.

    Args:
        fields: allocated for ``keep * (repeat + 1)`` steps.
        model: of the scene.
        reads: names of arrays that are read after a call, by the names that they are asked by.
        precision: "f32" or "f64".
        repeat: steps of a call.
        keep: calls whose rows are kept.

    Attributes:
        layout: where in a flat state the numbers of each array are, by its name.
        shapes: of each array of the state, without the copies.
        shown: how many leading numbers of each array of the state a rollout reports.
        sensed: shape of each array that is read, without the copies.
        actuators: how many numbers an action has.
    """

    def __init__(
        self, fields: Fields, model: Model, reads: Mapping[str, Recorded], precision: str, repeat: int, keep: int
    ):
        self._fields, self._reads, self._precision = fields, reads, precision
        self._repeat, self._keep = repeat, keep
        self._states = [r for r in fields.states if r.grid]
        sizes = [r.elements * max(r.width, 1) for r in self._states]
        ends = np.cumsum([0, *sizes]).tolist()
        self.layout = {r.name: slice(a, b) for r, a, b in zip(self._states, ends[:-1], ends[1:], strict=True)}
        self.shapes = {r.name: (*r.grid, *r.parts) for r in self._states}
        self.shown = {r.name: r.recorded * max(r.width, 1) for r in self._states}
        self.sensed = {name: r.shape for name, r in reads.items()}
        self.actuators = model.actuators
        driven = model.array("actuation", "Stepper", "writes") if model.actuators else None
        self._driven = None if driven is None else _recorded(fields, driven)
        self._size, self._real = ends[-1], np.float32 if precision == "f32" else np.float64
        self._calls: dict[int, tuple[_Rows, _Rows]] = {}  # views of values and adjoints, by slot
        self._at = [0] * keep  # number of the first step of the last call with each
        # What accumulates is cleared in every row, but in the last one only if something looks at it there.
        asked = _mentioned((*model.place, *model.sense)) | {id(r.field) for r in reads.values()}
        self._sums = [(r, r.state or id(r.field) in asked) for r in fields.trajectories if r.accumulates]
        work = Work()
        self._prepare = Launches(model.prepare, fields, work)
        lists = ((*model.place, *model.step), (*model.place, *model.sense))
        self._steps, self._sense = (Launches(stages, fields, work, lists=lists) for stages in lists)

    def _views(self, slot: int) -> tuple[_Rows, _Rows]:
        """Of values and of adjoints."""
        if slot not in self._calls:
            first = 1 + slot * (self._repeat + 1)
            self._calls[slot] = self._rows(first, lambda a: a.view), self._rows(first, lambda a: a.grad.view)
        return self._calls[slot]

    def _rows(self, first: int, seen: Callable[[Any], np.ndarray]) -> _Rows:
        fields, last = self._fields, first + self._repeat

        def state(row: int) -> list[_Part]:
            return [(_shaped(seen(r.field)[:, row], (fields.envs, -1)), self.layout[r.name]) for r in self._states]

        sums = [_shaped(seen(r.field)[:, first : last + looked], (fields.envs, -1)) for r, looked in self._sums]
        drive = None if self._driven is None else seen(self._driven.field)[:, first:last]
        sensed = {
            name: _shaped(seen(r.field)[:, last, : r.recorded], (fields.envs, *r.shape))
            for name, r in self._reads.items()
        }
        return _Rows(state(first), state(last), drive, sums, sensed)

    def close(self) -> None:
        """Give the memory back."""
        self._calls = {}
        self._fields.close()

    def columns(self, base: str) -> slice:
        """Where a number stands in a table."""
        return self._fields.columns[base]

    @property
    def width(self) -> int:
        """Of a table of numbers."""
        return self._fields.spare + 1

    # Launches, compiled when they are first needed

    def _run(self, part: Launches, *, reverse: bool = False) -> Any:
        with runtime.precision(self._precision):
            return part.run(reverse=reverse)

    @cached_property
    def _advance(self) -> Any:
        return self._run(self._steps)

    @cached_property
    def _look(self) -> Any:
        return self._run(self._sense)

    @cached_property
    def _advance_back(self) -> Any:
        return self._run(self._steps, reverse=True)

    @cached_property
    def _look_back(self) -> Any:
        return self._run(self._sense, reverse=True)

    @cached_property
    def _prepare_back(self) -> Any:
        return self._run(self._prepare, reverse=True)

    # Calls

    def load(self, table: np.ndarray) -> np.ndarray:
        """Take these numbers, (envs, columns), clear everything, and give the state that they begin with.

        No call from before can be pulled after it.
        """
        fields = self._fields
        fields.kernels.start(table, 1, 1)
        self._run(self._prepare)(fields.clock.view, 0, 0, 1, 1)
        found = np.empty((fields.envs, self._size), self._real)
        for r in self._states:
            found[:, self.layout[r.name]] = r.field.view[:, 0].reshape(fields.envs, -1)
        return found

    def step(
        self, slot: int, state: np.ndarray, action: np.ndarray, at: int
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """The state after the steps ``at`` .. ``at + repeat - 1``, and what is read of it; arrays of their own.

        Args:
            slot: whose rows are used.
            state: (envs, numbers).
            action: (envs, actuators), held for all steps.
            at: number of the first step.
        """
        rows, _ = self._views(slot)
        self._enter(rows.sums, rows.before, state)
        if rows.drive is not None:
            rows.drive[...] = action[:, None]
        clock, first = self._fields.clock.view, 1 + slot * (self._repeat + 1)
        self._at[slot] = at
        self._advance(clock, first, at, self._repeat, 1)
        if self._reads:
            self._look(clock, first + self._repeat, at + self._repeat, 1, 1)
        self._fields.check_limit()
        return self._state(rows.after), {name: view.copy() for name, view in rows.sensed.items()}

    def look(self, slot: int, state: np.ndarray, at: int) -> dict[str, np.ndarray]:
        """What is read of a state."""
        rows, _ = self._views(slot)
        self._enter(rows.sums, rows.after, state)
        self._look(self._fields.clock.view, 1 + slot * (self._repeat + 1) + self._repeat, at, 1, 1)
        return {name: view.copy() for name, view in rows.sensed.items()}

    def pull(
        self, slot: int, state: np.ndarray | None, sensed: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Cotangents of the state and the action of the last call with this slot, from those of what it gave."""
        _, rows = self._views(slot)
        for view in rows.sums:
            view.fill(0.0)
        for view, _ in rows.before:
            view.fill(0.0)
        if rows.drive is not None:
            rows.drive.fill(0.0)
        for view, part in rows.after:
            view[...] = 0.0 if state is None else state[:, part]
        clock, last, at = self._fields.clock.view, (slot + 1) * (self._repeat + 1), self._at[slot]
        if sensed:
            for name, cotangent in sensed.items():
                rows.sensed[name][...] += cotangent
            self._look_back(clock, last, at + self._repeat, 1, -1)
        self._advance_back(clock, last - 1, at + self._repeat - 1, self._repeat, -1)
        return self._state(rows.before), self._action(rows.drive)

    def _action(self, drive: np.ndarray | None) -> np.ndarray:
        """The cotangent of what was held for all steps."""
        if drive is None:
            return np.zeros((self._fields.envs, 0), self._real)
        return drive[:, 0].copy() if self._repeat == 1 else drive.sum(axis=1)

    def numbers(self, table: np.ndarray) -> None:
        """Add the cotangents of the numbers to a table like that of `load`, and forget them."""
        self._prepare_back(self._fields.clock.view, 0, 0, 1, -1)
        self._fields.kernels.gather(table, np.empty(self._fields.envs))
        self._fields.kernels.clear_leaves()

    @staticmethod
    def _enter(sums: list[np.ndarray], parts: list[_Part], state: np.ndarray) -> None:
        for view in sums:
            view.fill(0.0)
        for view, part in parts:
            view[...] = state[:, part]

    def _state(self, parts: list[_Part]) -> np.ndarray:
        found = np.empty((self._fields.envs, self._size), self._real)
        for view, part in parts:
            found[:, part] = view
        return found


def _mentioned(stages: Iterable[Stage | Passes]) -> set[int]:
    """The identities of arrays that stages may read or add to."""
    found: set[int] = set()

    def walk(value: Any, names: set[str] | None) -> None:
        if isinstance(value, Array):
            found.add(id(getattr(value, "flat", value)))
        elif isinstance(value, tuple | list):
            for each in value:
                walk(each, names)
        elif is_dataclass(value):
            for each in fields_of(value):
                if names is None or each.name in names:
                    walk(getattr(value, each.name), names)

    for entry in stages:
        for stage in entry.stages if isinstance(entry, Passes) else (entry,):
            for record in (*stage.records, stage.upto):
                walk(record, Mentions.of(stage.function).names)
    return found


def _shaped(view: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """The same memory in another shape."""
    found = view.reshape(shape)
    assert found.size == 0 or np.may_share_memory(found, view)
    return found
