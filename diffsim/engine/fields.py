"""The one place that allocates, loads, clears, reads and gives back Taichi fields.

Three kinds:
    numbers      (env, element): what a problem's numbers are copied into before a rollout. Every environment
                 has its own copy, so that environments never add to one gradient: sharing a parameter means
                 loading one value into all copies and summing their gradients.
    derived      (env, element): computed from numbers once per rollout.
    trajectory   (env, row, element): one row per step of the segment, and one more.

And whole numbers without a gradient: constants of the scene's structure, and what stages decide as they run.

``elements`` may be the shape of a grid, (n, m), and ``width`` that of a matrix, (d, d).
"""

import math
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np
import taichi as ti
from taichi.lang import impl

from diffsim.engine.arrays import ROWS, Array, Lengths, Loaded, Named, Recorded, axes, count, seen_as
from diffsim.engine.devices import MOST_BYTES, words
from diffsim.engine.kernels import Kernels
from diffsim.engine.limits import Explain, Limits
from diffsim.engine.memory import Beds, Memory, attach_views
from diffsim.engine.records import record
from diffsim.engine.runtime import REAL
from diffsim.engine.witness import COLUMNS, Witness
from diffsim.errors import DeviceError, InputError

__all__ = ["Fields"]

_MOST_ELEMENTS = 2**31 - 1  # of one field; beyond it Taichi's 32-bit indices wrap around
_MOST_NODES = 900  # of one tree of fields, where Taichi has room for 1024


class Fields:
    """All fields of one simulation, in trees of their own that `close` destroys.

    Args:
        numbers: the problem's numbers by dotted name.
        tuned: names of those that are parameters and therefore have a gradient.
        envs: number of environments.
        precision: "f32" or "f64".
        serial: the device is a CPU, whose memory Python can reach.
        single: the device knows no float64, so numbers are moved in float32.
        record_all: a rollout reports every trajectory field, and there are those that only explain, like ``contact``.
        rooms: how much room was found to be needed, by name, see `room`; None where nothing can be made anew.
    """

    def __init__(
        self,
        numbers: Mapping[str, np.ndarray],
        tuned: Iterable[str],
        *,
        envs: int,
        precision: str,
        serial: bool = True,
        single: bool = False,
        record_all: bool = False,
        rooms: Mapping[str, int] | None = None,
    ):
        self.envs, self.rows, self.record_all = envs, 0, record_all
        self.tuned = tuple(tuned)
        self._shapes = {name: np.shape(value) for name, value in numbers.items()}
        sizes = [int(np.prod(shape, dtype=np.int64)) for shape in self._shapes.values()]
        starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.columns = {
            name: slice(int(a), int(b)) for name, a, b in zip(self._shapes, starts[:-1], starts[1:], strict=True)
        }
        self.spare = int(starts[-1])  # a column that is always zero, for slots that hold no number
        self.real = REAL[precision]
        self.moved = self.finest = ti.f32 if single else ti.f64
        self._serial = serial
        self._arrays: list[Array] = []
        self._kinds: list[tuple[Any, int, bool]] = []  # of each: type, width, whether it has a gradient
        self._scalars: list[Any] = []
        self._trees: list[Any] = []
        self.numbers: list[Loaded] = []
        self.trajectories: list[Recorded] = []
        self.arrays: dict[str, Named] = {}  # of the trajectory, as stages see them
        self.derivatives: list[tuple[Any, int, int]] = []  # derived fields that have a gradient
        self.worked_out: list[tuple[Array, tuple[str, ...]]] = []  # derived fields, and of which numbers
        self.constants: list[tuple[Array, np.ndarray]] = []
        self._read: set[str] = set()
        self._decided = 0  # words of four bytes in a row
        self.limits = Limits(rooms)
        self.telling = True  # whether a rollout, or its reverse, needs what is only recorded
        self.witness: Witness | None = None  # of the kernels that are made for these fields
        self.loss = self._place((envs,), gradient=True)
        self.total = ti.field(self.real, needs_grad=True)
        self._scalars += [self.total, self.total.grad]
        # ti.ad.Tape fills its loss with 0 and the adjoint with 1, a launch of 30 to 80 us each; `Kernels.start` does.
        self.total.fill = self.total.grad.fill = lambda value: None

    # Declaring

    def integers(self, values: np.ndarray) -> Any:
        """A constant of the scene's structure: (elements,) int32, the same in all environments."""
        values = np.ascontiguousarray(values, np.int32).reshape(-1)
        if not len(values):
            values = np.zeros(1, np.int32)  # a stage over no elements never reads it
        found = self._whole((len(values),))
        self.constants.append((found, values))
        return found

    def decision(self, elements: int, *, seldom: bool = False) -> Any:
        """What a stage that is not differentiable decides in a step, kept with it: (env, row, element) int32.

        ``seldom``: as of `trajectory`.
        """
        self._decided += max(elements, 1)
        return self._whole((self.envs, ROWS, max(elements, 1)), seldom=seldom)

    def decision_numbers(self, elements: int, *, seldom: bool = False, finest: bool = False) -> Any:
        """The same for numbers, in the simulation's precision; docs/how_stages_work.md, "Decisions".

        ``finest``: as of `scratch_numbers`.
        """
        real = self.finest if finest else self.real
        self._decided += max(elements, 1) * (2 if real == ti.f64 else 1)
        return self._place((self.envs, ROWS, max(elements, 1)), gradient=False, seldom=seldom, real=real)

    def scratch(self, elements: int) -> Any:
        """Room for a stage that is not differentiable to think in: (env, element) int32, of no value later."""
        return self._whole((self.envs, max(elements, 1)))

    def scratch_numbers(self, elements: int, width: int = 0, *, finest: bool = False) -> Any:
        """The same for numbers, of vectors if ``width`` is not 0.

        ``finest``: in the type `finest`, which is float64 wherever the device has it, whatever the precision.
        """
        real = self.finest if finest else self.real
        return self._place((self.envs, max(elements, 1)), width, gradient=False, real=real)

    def room(self, name: str, first: int, most: int, fixed: int | None = None) -> int:
        """How much room to make for a decision of varying length: ``first``, until a rollout has needed more.

        What a stage then says to a `limit` with that ``room`` makes a `Simulation` begin anew, with more. Where it
        cannot, as a `Stepper`, so much as ``fixed``, or all there may ever be, ``most``.
        """
        return self.limits.room(name, first, most, fixed)

    def limit(self, explain: Explain, room: str = "", *, warns: bool = False) -> Any:
        """Where such a stage says that it had not enough room: (env, 0) the step plus one, (env, 1) what it needed.

        It sets the first to 0 in a prepare stage. ``explain(env, step, needed)`` is the message of the CapacityError.
        With the name of a `room`, a simulation makes more of it. If ``warns``, a stage can do without: where there is
        all the room that there may be, that is a RoomWarning, once.
        """
        return self.limits.add(self._whole((self.envs, 2)), explain, room, warns=warns)

    def check_limit(self) -> None:
        """Raise CapacityError if a stage had not enough room in the last rollout; or warn."""
        if self.limits.fields:
            found = np.empty((len(self.limits.fields), self.envs, 2), np.int32)
            self.kernels.limit(found)
            self.limits.judge(found)

    def _whole(self, shape: tuple[int, ...], *, seldom: bool = False) -> Array:
        return self._keep(Array(ti.field(ti.i32), shape, counts=True, seldom=seldom), ti.i32)

    def _keep(self, array: Array, real: Any, width: int = 0) -> Array:
        self._arrays.append(array)
        self._kinds.append((real, width, array.grad is not None))
        return array

    def number(self, name: str, elements: Lengths, width: Lengths = 0, index: np.ndarray | None = None) -> Any:
        """The field of a number, (env, element), of vectors or matrices if ``width`` is not 0.

        The number's shape is broadcast to (*elements, *width), unless ``index`` of that shape says which entry of the
        flattened number each slot holds (-1: none, the slot is zero).

        Raises:
            InputError: the number has a shape that cannot be broadcast to that.
        """
        shape = (*(axes(elements) or (0,)), *axes(width))
        columns = self.columns[name]
        if index is None:
            own = np.arange(columns.stop - columns.start).reshape(self._shapes[name])
            try:
                index = np.broadcast_to(own, shape)
            except ValueError:
                raise InputError(
                    f"{name} has shape {self._shapes[name]}, which does not spread over {shape}; give fields.number "
                    "its own lengths, as elements=(n, m) and width=d or (d, d), or an index"
                ) from None
        index = np.where(index < 0, self.spare, columns.start + index).astype(np.int32).reshape(-1)
        tuned = name in self.tuned
        field = self._room(elements, width, gradient=tuned)
        field.origin = "number"
        self._read.add(name)
        if count(elements):
            self.numbers.append(Loaded(field, count(width), count(elements), index, tuned))
        return seen_as(field, elements, width)

    def zeros(self, elements: Lengths, width: Lengths = 0) -> Any:
        """A field like that of a number, for a scene that does not have it: zero, without a gradient."""
        return seen_as(self._room(elements, width, gradient=False), elements, width)

    def derived(self, elements: Lengths, width: Lengths = 0, *, of: Iterable[str]) -> Any:
        """A field (env, element) that a prepare stage computes from the numbers named ``of``."""
        of = tuple(of)
        gradient = any(name in self.tuned for name in of)
        field = self._room(elements, width, gradient=gradient)
        field.origin = "derived"
        self.worked_out.append((field, of))
        if gradient:
            self.derivatives.append((field, count(width), max(count(elements), 1)))
        return seen_as(field, elements, width)

    def trajectory(
        self,
        name: str,
        elements: Lengths,
        width: Lengths = 0,
        *,
        state: bool = False,
        accumulates: bool = False,
        recorded: bool | int = True,
        per_step: bool = False,
        seldom: bool = False,
    ) -> Any:
        """A field (env, row, element); a rollout holds it as (row, *elements, *width).

        Declare them in the order in which a step writes them: where several stop being finite in one step, the first
        of them is named.

        Args:
            name: what a rollout calls it.
            elements: how many, or along each axis of a grid; none still makes a field, of one element that nothing
                uses.
            width: components of a vector, (rows, columns) of a matrix, 0 for scalars.
            state: row + 1 is written at row, and the next step starts from it.
            accumulates: stages add to it, so it is cleared before they run.
            recorded: whether a rollout reports it; a number: that many elements of it.
            per_step: nothing writes it at the last row, where no step starts.
            seldom: most steps do not use their row of it, so it is not fetched before they begin (`native.Loop`).
        """
        size = max(count(elements), 1)
        field = self._place((self.envs, ROWS, size), count(width), gradient=True, seldom=seldom)
        kept = count(elements)
        if recorded is not True:
            kept = recorded or (kept if self.record_all else 0)
        shapes = (axes(elements), axes(width))
        self.trajectories.append(Recorded(name, field, count(width), size, state, accumulates, kept, per_step, *shapes))
        seen = seen_as(field, elements, width)
        self.arrays[name] = Named(seen, count(elements), axes(width), bool(kept))
        return seen

    def record(self, spec: Any, prefix: str = "scene", *, lengths: Mapping[str, int] | None = None, **more: Any) -> Any:
        """All that the stages of a specification use, by name: see `diffsim.engine.records.record`."""
        return record(self, spec, prefix, lengths or {}, more)

    def put_before(self, name: str, first: int) -> None:
        """List the trajectory fields from ``first`` on right before the one of that name, if it is there."""
        names = [r.name for r in self.trajectories[:first]]
        if name in names:
            at = names.index(name)
            self.trajectories = [*self.trajectories[:at], *self.trajectories[first:], *self.trajectories[at:first]]

    def _room(self, elements: Lengths, width: Lengths, *, gradient: bool) -> Array:
        return self._place((self.envs, max(count(elements), 1)), count(width), gradient=gradient)

    def _place(
        self, shape: tuple[int, ...], width: int = 0, *, gradient: bool, seldom: bool = False, real: Any = None
    ) -> Array:
        real = real or self.real
        if width:
            field = ti.Vector.field(width, real, needs_grad=gradient)
        else:
            field = ti.field(real, needs_grad=gradient)
        return self._keep(Array(field, shape, gradient=gradient, seldom=seldom), real, width)

    @property
    def row_bytes(self) -> int:
        """Memory of one row of the trajectory, gradients and decisions included [bytes]."""
        real = 8 if self.real == ti.f64 else 4
        numbers = sum(r.elements * max(r.width, 1) for r in self.trajectories)
        return self.envs * (2 * real * numbers + 4 * self._decided)

    @property
    def other_bytes(self) -> int:
        """Memory of what has no rows [bytes]."""
        both = zip(self._arrays, self._kinds, strict=True)
        return sum(_bytes(array, kind, 0) for array, kind in both if ROWS not in array.shape)

    def most_bytes(self, rows: int) -> int:
        """Memory of the largest array over so many rows, with its gradient [bytes]."""
        return max(_bytes(array, kind, rows) for array, kind in zip(self._arrays, self._kinds, strict=True))

    def allocate(self, rows: int, segments: int, *, env_last: bool = False) -> None:
        """Take the memory and load the constants; no field can be declared after this.

        Args:
            rows: steps that are kept at a time; a trajectory field has one row more.
            segments: how many times that many steps make the rollout.
            env_last: lay environments side by side in memory, not one after the other.

        Raises:
            InputError: a parameter that no part of the problem reads: its gradient would silently be zero; or an
                array that is too large.
        """
        unread = [name for name in self.tuned if name not in self._read]
        if unread:
            raise InputError(
                f"tune names {', '.join(unread)}, but nothing in this problem depends on it: its gradient is zero"
            )
        self.rows = rows
        if not self._serial:
            self.index = self.integers(np.concatenate([n.index for n in self.numbers] or [np.zeros(1, np.int32)]))
            self.bases = [int(b) for b in np.cumsum([0] + [len(n.index) for n in self.numbers])]
        self.states = [r for r in self.trajectories if r.state]
        self.saved = [self._place((self.envs, segments, r.elements), r.width, gradient=False) for r in self.states]
        self.adjoints = [self._place((self.envs, r.elements), r.width, gradient=False) for r in self.states]
        if self._serial:
            self.norms = self._keep(Array(ti.field(ti.f64), (self.envs, segments)), ti.f64)
        else:
            # The largest of its entries, and the sum of the squares of all entries over it.
            self.norms = self._keep(Array(ti.field(self.moved), (self.envs, segments, 2)), self.moved)
        self.finished = self._whole((self.envs, COLUMNS))  # see `witness`
        self.clock = self._whole((3,))  # row, step and first copy, for kernels that are not told at their launch
        self.check_sizes(rows)
        self._plant(rows + 1, env_last)
        self._recorded = [r for r in self.trajectories if r.recorded]
        sizes = [self.envs * (self.rows + 1) * r.recorded * max(r.width, 1) for r in self._recorded]
        self.offsets = [int(o) for o in np.cumsum([0, *sizes])]
        if self._serial:
            self.kernels: Any = Memory(self)
            self.kernels.load()
        else:
            self.kernels = Kernels(self)
            if self.constants:
                self.kernels.load(np.concatenate([values for _, values in self.constants]))

    def check_sizes(self, rows: int) -> None:
        """Raise InputError if an array over so many rows, and one more, is larger than Taichi can address."""
        for array in self._arrays:
            _check_size(tuple(rows + 1 if length == ROWS else length for length in array.shape))

    def _plant(self, rows: int, env_last: bool) -> None:
        """Place all arrays: those of one kind side by side, and their gradients behind them in the same order.

        Off the CPU, where nothing counts on neighbours, a tree has no more than `MOST_BYTES`.
        """
        planted: list[tuple[Any, list[Array]]] = []
        kinds: dict[Any, list[Array]] = {}
        for array, kind in zip(self._arrays, self._kinds, strict=True):
            bed = kinds.setdefault(kind, [])
            if not self._serial or sum(a.nodes for a in bed) + array.nodes > _MOST_NODES:
                bed = kinds[kind] = []
            if not bed:
                planted.append((kind, bed))
            bed.append(array)
        trees: list[tuple[list[Array], list[Any]]] = []
        builder: Any = None
        nodes, held = _MOST_NODES, 0
        for kind, bed in planted:
            own, size = sum(array.nodes for array in bed), sum(_bytes(array, kind, rows) for array in bed)
            if nodes + own > _MOST_NODES or (not self._serial and held + size > MOST_BYTES):
                if builder is not None:
                    self._finalize(builder)
                builder, nodes, held = ti.FieldsBuilder(), 0, 0
                trees.append(([], []))
            for part in [*bed, *(array.grad for array in bed if array.grad is not None)]:
                part.place_alone(builder, ti.i, rows, env_last=env_last)
            trees[-1][0].extend(bed)
            nodes, held = nodes + own, held + size
        for scalar in self._scalars:
            builder.place(scalar)
            trees[-1][1].append(scalar)
        self._finalize(builder)
        if self._serial:
            attach_views(trees)
            self.beds = Beds([kind for kind, _ in planted], [bed for _, bed in planted])

    def _finalize(self, builder: Any) -> None:
        try:
            self._trees.append(builder.finalize())
        except RuntimeError as error:  # Taichi says nothing but that it failed
            raise DeviceError(
                f"the device did not give the memory of this simulation, {words(self.row_bytes * (self.rows + 1))} of "
                f"rows and {words(self.other_bytes)} besides; other programs may have it, else use fewer copies, or "
                "Checkpointed() to keep fewer rows"
            ) from error

    def close(self) -> None:
        """Give the memory back. The fields must not be used any more."""
        if self._trees:
            for array in self._arrays:
                array.forget()
            self.total.view = self.total.grad.view = None
            self.kernels = None
            for tree in self._trees:
                tree.destroy()
            self._trees = []
        else:
            self._forget()

    def _forget(self) -> None:
        """Drop fields that will never be placed: while Taichi knows of one, no kernel compiles any more."""
        runtime = impl.get_runtime()
        fields = [part for array in self._arrays for part in array.parts()]
        for scalar in self._scalars:
            fields += [scalar, *scalar._get_field_members()]
        mine = {id(part) for part in fields}
        for name in ("global_vars", "grad_vars", "matrix_fields"):
            setattr(runtime, name, [part for part in getattr(runtime, name) if id(part) not in mine])

    # Reading

    def recorded(self) -> dict[str, tuple[int, ...]]:
        """Shape of a row of every array that a rollout reports, (*elements, *width), by name."""
        return {r.name: r.shape for r in self._recorded}

    def per_step(self) -> set[str]:
        """Names of the recorded arrays that have a value per step, and none at the last row."""
        return {r.name for r in self._recorded if r.per_step}

    def read(self, names: Collection[str] | None = None) -> dict[str, np.ndarray]:
        """The rows that are in memory, of every recorded array: (envs, rows + 1, *elements, *width) float64.

        With ``names`` of those only.
        """
        flat = np.empty(self.offsets[-1])
        if names is None or not self._serial:
            self.kernels.record(flat)
        else:
            self.kernels.record(flat, [r.name in names for r in self._recorded])
        found = self._split(flat)
        return found if names is None else {name: found[name] for name in names}

    def seed(self, cotangents: Mapping[str, np.ndarray], rows: int) -> None:
        """Set the adjoints of the first ``rows`` rows of the named arrays, shaped as `read` returns them."""
        flat = np.zeros(self.offsets[-1])
        for name, part in self._split(flat).items():
            if name in cotangents:
                part[:, :rows] = cotangents[name]
        self.kernels.seed(flat)

    def adjoint(self) -> dict[str, np.ndarray]:
        """The adjoint of the state that was kept last, (envs, *elements, *width) in the simulation's precision."""
        pairs = zip(self.states, self.adjoints, strict=True)
        return {r.name: kept.to_numpy().reshape(self.envs, *(r.grid or (1,)), *r.parts) for r, kept in pairs}

    def _split(self, flat: np.ndarray) -> dict[str, np.ndarray]:
        found = {}
        for r, start, end in zip(self._recorded, self.offsets[:-1], self.offsets[1:], strict=True):
            found[r.name] = flat[start:end].reshape(self.envs, self.rows + 1, *r.shape)
        return found


def _bytes(array: Array, kind: tuple[Any, int, bool], rows: int) -> int:
    """Memory of an array over so many rows, with its gradient if it has one."""
    real, width, gradient = kind
    shape = tuple(rows if length == ROWS else length for length in array.shape)
    return math.prod(shape) * max(width, 1) * (1 + gradient) * (8 if real == ti.f64 else 4)


def _check_size(shape: tuple[int, ...]) -> None:
    if math.prod(shape) > _MOST_ELEMENTS:
        raise InputError(
            f"an array of {' x '.join(map(str, shape))} elements is larger than Taichi can address; use "
            "fewer environments, or Checkpointed() to keep fewer rows"
        )
