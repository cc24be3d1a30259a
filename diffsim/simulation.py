"""The waist of the package: parameters in, loss and gradient out."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

import numpy as np

from diffsim.adjoint import Adjoint, Checkpointed, FullTape, Truncated, growth
from diffsim.errors import CapacityError, DivergenceError, InputError
from diffsim.physics import physics_of
from diffsim.problem import Problem
from diffsim.rollout import Rollout
from diffsim.spec import array, choices, whole

__all__ = ["EXECUTORS", "Simulation"]

EXECUTORS = ("auto", "fused", "wide", "staged")

Params = Mapping[str, Any]
Arrays = dict[str, np.ndarray]

_Found = TypeVar("_Found")


class Simulation:
    """A problem made ready to run, on one device and in one precision.

    Parameters are dictionaries of float64 arrays by dotted name, whatever the precision inside. With ``shared``
    (the default) all environments use the same parameters and the loss is their mean; with ``shared=False`` each has
    its own: arrays gain a leading axis of ``envs`` and losses are arrays. Parameters given without that axis are
    used for all environments. Kernels compile at first use, or are read from Taichi's cache.

    Args:
        problem: what to simulate.
        device: "cpu", "cuda" or another Taichi device.
        precision: "f32" or "f64".
        envs: copies that run in one launch.
        shared: whether they share their parameters.
        initial_states: other initial states for each copy: arrays (envs, ...) by the names of the scene's numbers that
            begin with ``initial_``, e.g. "initial_velocity" (envs, n, d), always for each point or body.
        numbers: other values for each copy of any numbers that are not tuned: arrays (envs, ...) by their full names,
            e.g. "scene.mass" (envs, n): one controller for several bodies, or for several goals.
        adjoint: `FullTape` or `Checkpointed`: what of the trajectory is kept; or `Truncated` windows.
        executor: "auto", "fused", "wide" or "staged" (docs/how_stages_work.md says which is what).
        record: what a rollout holds: "usual", or "all" there is: also what stages hand to each other, and ``contact``,
            which says what each point did at the ground in each step. Costs some time, so it is for looking closely.

    Raises:
        InputError: naming the argument, what was given and what is allowed.
        DeviceError: the device is not there, does not compute in this precision, or has not enough memory.
    """

    def __init__(
        self,
        problem: Problem,
        *,
        device: str = "cpu",
        precision: str = "f32",
        envs: int = 1,
        shared: bool = True,
        initial_states: Mapping[str, Any] | None = None,
        numbers: Mapping[str, Any] | None = None,
        adjoint: Adjoint = FullTape(),  # noqa: B008 (a frozen value)
        executor: str = "auto",
        record: str = "usual",
    ):
        if not isinstance(problem, Problem):
            raise InputError(f"Simulation takes a Problem, but {problem!r} was given")
        self._physics = physics_of(problem.scene)
        if not isinstance(adjoint, Adjoint):
            raise InputError(f"adjoint is {adjoint!r}, but FullTape(), Checkpointed() or Truncated(window) is needed")
        self.problem, self.device, self.adjoint = problem, device, adjoint
        self.precision = choices("precision", precision, ("f32", "f64"))
        self.envs, self.shared = whole("envs", envs), bool(shared)
        self._copies = 1 if self.shared else self.envs
        self._tuned = problem.tuned
        self._numbers = problem.numbers()
        self._shapes = {name: problem.pick(name, self._numbers).shape for name in self._tuned}
        self._bases = tuple(dict.fromkeys(name.partition("[")[0] for name in self._tuned))
        self._initial = problem.initial_states(initial_states or {}, self.envs)
        self._own = problem.own_numbers(numbers or {}, self.envs)
        if both := sorted(self._initial.keys() & self._own.keys()):
            raise InputError(f"initial_states and numbers both give {both[0]}; it can be only one of them")
        self.record = choices("record", record, ("usual", "all"))
        self._reversed = False  # whether there are adjoints of a last reverse pass
        self._rooms: dict[str, int] = {}  # what rollouts needed, of what is not known before
        from diffsim.engine import devices, executors, runtime  # Taichi: only who simulates waits for it

        self.executor = choices("executor", executor, executors.EXECUTORS)
        devices.check_precision(device, self.precision)
        self._runtime = runtime
        runtime.attach(self, device)
        self._open = True
        try:
            with runtime.precision(precision):
                self._build()
        except BaseException:
            self.close()
            raise

    def _build(self) -> None:
        from diffsim.engine.assembly import assemble

        problem, numbers = self.problem, dict(self._numbers)
        for name, value in self._initial.items():
            numbers[name] = np.zeros(value.shape[1:])  # one for all may have become one for each
        settings = {name: value for name, value in self.options.items() if name != "executor"}
        made = assemble(
            problem,
            self._physics.build,
            numbers,
            self._bases,
            device=self.device,
            precision=self.precision,
            envs=self.envs,
            record_all=self.record == "all",
            adjoint=self.adjoint,
            executor=self.executor,
            settings={**settings, "adjoint": self.adjoint, "record": self.record},
            copies=self._copies,
            rooms=self._rooms,
        )
        fields = self._fields = made.fields
        self._trajectory: Any = made.trajectory
        self.executor = made.executor
        self._columns = {}
        for name in self._tuned:
            base = name.partition("[")[0]
            self._columns[name] = fields.columns[base].start + problem.entries(name, self._numbers[base].shape)
        self._table = self._first_table(numbers)

    def _first_table(self, numbers: Arrays) -> np.ndarray:
        own = {**self._initial, **self._own}
        copies = self.envs if own else self._copies
        table = np.zeros((copies, self._fields.spare + 1))
        for name, value in numbers.items():
            table[:, self._fields.columns[name]] = value.ravel()
        for name, value in own.items():
            table[:, self._fields.columns[name]] = value.reshape(self.envs, -1)
        return table

    # Parameters

    def params(self, seed: int = 0) -> Arrays:
        """Starting values of the tuned parameters; random ones drawn with ``seed`` (copies: seed, seed + 1, ...)."""
        draws = [self.problem.numbers(seed + copy) for copy in range(self._copies)]
        if self.shared:
            return {name: np.array(self.problem.pick(name, draws[0])) for name in self._tuned}
        return {name: np.stack([self.problem.pick(name, draw) for draw in draws]) for name in self._tuned}

    def _load(self, params: Params) -> np.ndarray:
        """The table of numbers with these parameters."""
        if not self._open:
            raise InputError("this simulation is closed; make a new one")
        self._runtime.check(self)
        if params.keys() != self._shapes.keys():
            given, wanted = (", ".join(names) or "nothing" for names in (params, self._tuned))
            raise InputError(f"params holds {given}, but this problem tunes {wanted}")
        for name, shape in self._shapes.items():
            value = np.asarray(params[name], np.float64)
            if value.shape != shape and (self.shared or value.shape != (self.envs, *shape)):
                allowed = f"{shape}" if self.shared else f"{shape} or {(self.envs, *shape)}"
                raise InputError(f"params[{name!r}] has shape {value.shape}, but {allowed} is needed")
            if not np.isfinite(value).all():
                raise InputError(f"params[{name!r}] holds a number that is not finite")
            rows = value.reshape(-1) if value.shape == shape else value.reshape(self.envs, -1)
            self._table[:, self._columns[name]] = rows
        return self._table

    # Running

    def value(self, params: Params) -> float | np.ndarray:
        """The loss of a rollout: a float, or (envs,) with parameters of their own.

        Raises:
            DivergenceError: the loss is not finite (shared parameters only; else that entry is not).
        """
        self._need_objective()
        losses = self._with_room(lambda: self._trajectory.forward(self._load(params)))
        return self._loss(losses, params)

    def value_and_grad(self, params: Params, *, finite: bool = True) -> tuple[float | np.ndarray, Arrays]:
        """The loss and its gradient, a dictionary like ``params``.

        Raises:
            DivergenceError: the loss or the gradient is not finite (shared parameters only; else the entries of that
                copy are not). Not with ``finite=False``: then they are returned as they are.
        """
        self._need_objective()
        losses, grad = self._reverse(params, self._weight, None)
        if not finite:
            return (float(losses.mean()) if self.shared else losses), grad
        loss = self._loss(losses, params)
        if self.shared:
            for name, value in grad.items():
                if not np.isfinite(value).all():
                    message = f"the gradient with respect to {name} is not finite, though the loss is {loss:g}"
                    raise DivergenceError(message, array=name, env=0, step=-1)
        return loss, grad

    def rollout(
        self,
        params: Params,
        *,
        arrays: str | Iterable[str] | None = None,
        finite: bool = True,
        steps: int | None = None,
    ) -> Rollout:
        """Run and record the trajectory.

        Args:
            params: parameters.
            arrays: names of those that are wanted; None takes all that are recorded. The others are not copied, and
                nothing is worked out from them, such as ``energy``.
            finite: whether to look for numbers that are not.
            steps: end after so many, and then there is no loss; None goes through all of them.

        Raises:
            DivergenceError: naming the first array that is not finite, its environment, step and element. Not with
                ``finite=False``: then it is returned as it is.
        """
        if steps is not None and whole("steps", steps) > self.problem.steps:
            raise InputError(f"steps is {steps}, but this problem has {self.problem.steps}")
        recorded = self._record(params, arrays, steps)
        if finite:
            recorded.check_finite()
        return recorded

    def _record(self, params: Params, wanted: str | Iterable[str] | None = None, end: int | None = None) -> Rollout:
        steps, arrays, shapes = end or self.problem.steps, {}, self._fields.recorded()
        names = tuple(shapes) if wanted is None else self._known("record", wanted)
        for name in names:
            arrays[name] = np.zeros((self.envs, steps + 1, *shapes[name]))

        def keep(first: int, count: int, rows: Arrays) -> None:
            for name, value in rows.items():
                arrays[name][:, first : first + count + 1] = value[:, : count + 1]

        some = None if wanted is None else names
        losses = self._with_room(lambda: self._trajectory.forward(self._load(params), keep, some, end))
        for name in self._fields.per_step() & arrays.keys():
            arrays[name] = arrays[name][:, :-1]
        loss: Any = None
        if self.problem.objective is not None and end is None:
            loss = float(losses.mean()) if self.shared else losses
        if self.envs == 1:
            arrays = {name: value[0] for name, value in arrays.items()}
            loss = loss if self.shared or loss is None else float(losses[0])
        return Rollout(
            problem=self.problem,
            params={name: np.array(params[name], np.float64) for name in self._tuned},
            time=np.arange(steps + 1) * self.problem.scene.dt,
            arrays=arrays,
            loss=loss,
            envs=self.envs,
            complete=len(arrays) == len(shapes),
            own=dict(self._own) if self.envs > 1 else {name: value[0] for name, value in self._own.items()},
        )

    def shapes(self, arrays: str | Iterable[str] | None = None) -> dict[str, tuple[int, ...]]:
        """Shapes of arrays as a rollout holds them, with those of several copies along a first axis.

        Args:
            arrays: names of those that are wanted; None takes all that are recorded.
        """
        recorded, per_step = self._fields.recorded(), self._fields.per_step()
        lead = (self.envs,) if self.envs > 1 else ()
        names = tuple(recorded) if arrays is None else self._known("record", arrays)
        return {name: (*lead, self.problem.steps + (name not in per_step), *recorded[name]) for name in names}

    def _known(self, verb: str, names: str | Iterable[str]) -> tuple[str, ...]:
        """The names, each of a recorded array."""
        found, recorded = (names,) if isinstance(names, str) else tuple(names), self._fields.recorded()
        for name in found:
            if name in getattr(self.problem.scene, "derives", ()):
                raise InputError(
                    f"{name!r} cannot be {'pulled back' if verb == 'pull back' else 'picked'}: it is worked out from "
                    f"the recorded arrays, not recorded; give {', '.join(recorded)}, from which it follows"
                )
            if name not in recorded:
                raise InputError(f"there is no array {name!r} to {verb}; there are {', '.join(recorded)}")
        return found

    def vjp(
        self, params: Params, *, arrays: str | Iterable[str] | None = None
    ) -> tuple[Rollout, Callable[[Params], Arrays]]:
        """A rollout, and the function that pulls cotangents of its arrays back to the parameters.

        ``pullback({"position": c})`` is the gradient of ``sum(c * rollout.position)``, for arrays ``c`` shaped like the
        recorded ones: a loss written in NumPy, PyTorch or JAX gets its gradient by its own derivative with respect
        to the recorded arrays. Each call runs the rollout and its reverse again, as `pull` does.

        Args:
            params: parameters.
            arrays: of the rollout, as of `rollout`.
        """
        rollout = self.rollout(params, arrays=arrays)
        kept = {name: np.array(value, np.float64) for name, value in params.items()}
        return rollout, partial(self.pull, kept)

    def pull(self, params: Params, cotangents: Params) -> Arrays:
        """The gradient of ``sum(c * rollout[name])`` over all cotangents ``c``, without recording the rollout before.

        Args:
            params: parameters.
            cotangents: arrays by name, each shaped as the rollout records it, (envs, ...) with several copies; what is
                left out is zero.

        Returns:
            An array for each parameter, like ``params``; of each copy if they have parameters of their own.
        """
        shapes, full = self.shapes(self._known("pull back", cotangents)), {}
        for name, shape in shapes.items():
            found = array(f"the cotangent of {name}", cotangents[name], shape)
            found = found if self.envs > 1 else found[None]
            short = self.problem.steps + 1 - found.shape[1]
            full[name] = np.pad(found, [(0, short) if k == 1 else (0, 0) for k in range(found.ndim)])
        return self._reverse(params, 0.0, full)[1]

    def adjoints(self, params: Params) -> tuple[np.ndarray, Arrays]:
        """The adjoint of the state along the trajectory: the gradient of the loss with respect to each earlier state.

        It is known where a segment begins, so ``adjoint=Checkpointed(every=1)`` gives that of every step. Numbers
        that are not finite are returned as they are.

        Returns:
            (n,) steps in rising order, and by the name of each array of the state, e.g. "position", the adjoints there,
            (envs, n, elements[, width]), in units of the loss per units of the array.
        """
        self._need_objective()
        if not isinstance(self.adjoint, Checkpointed) or len(self._trajectory.starts) < 2:
            raise InputError(
                f"this simulation has adjoint={self.adjoint} and {self.problem.steps} steps; adjoints of the state are "
                "known between the segments of Checkpointed(every=...), of which there must be at least two"
            )
        found: list[Arrays] = []
        self._reverse(params, self._weight, None, lambda step, adjoint: found.append(adjoint))
        names = found[0].keys()
        stacked = {name: np.stack([adjoint[name] for adjoint in reversed(found)], axis=1) for name in names}
        return np.array(self._trajectory.starts), {name: np.asarray(a, np.float64) for name, a in stacked.items()}

    @property
    def adjoint_growth(self) -> float | np.ndarray | None:
        """Factor per step by which the adjoint of the state grew in the last reverse pass, going back in time.

        A float, or (envs,) with parameters of their own. None unless there was one with `Checkpointed` in at least
        three segments. Above 1 the gradient explodes, below it vanishes; see `diffsim.gradient_health`.
        """
        starts = self._trajectory.starts[1:]
        if not self._reversed or len(starts) < 2 or not isinstance(self.adjoint, Checkpointed):
            return None
        norms = self._trajectory.norms()[:, 1:]
        if self.shared:
            return growth(starts, np.sqrt((norms**2).sum(axis=0)))
        return np.array([growth(starts, own) for own in norms])

    @property
    def _weight(self) -> float:
        """Of each environment's loss in the one that is differentiated."""
        return 1.0 / self.envs if self.shared else 1.0

    def _reverse(
        self, params: Params, weight: float, cotangents: Arrays | None, observe: Any = None
    ) -> tuple[np.ndarray, Arrays]:
        def run() -> tuple[np.ndarray, np.ndarray]:
            table = self._load(params)
            out = np.zeros((self._copies, table.shape[1]))
            return self._trajectory.gradient(table, out, weight, cotangents, observe), out

        losses, out = self._with_room(run)
        self._reversed = True
        lead = () if self.shared else (self.envs,)
        grad = {n: out[:, self._columns[n]].reshape((*lead, *shape)) for n, shape in self._shapes.items()}
        return losses, grad

    def _with_room(self, run: Callable[[], _Found]) -> _Found:
        """What a rollout gives; if a model needs more room than it has, of one with a quarter more than it needed."""
        with self._runtime.precision(self.precision):
            try:
                return run()
            except CapacityError as error:
                if not error.room:
                    raise
                self._rooms[error.room] = error.needed * 5 // 4
            self._free()
            self._build()
        return self._with_room(run)

    def _loss(self, losses: np.ndarray, params: Params) -> float | np.ndarray:
        if not self.shared:
            return losses
        loss = float(losses.mean())
        if not np.isfinite(loss):
            self._record(params).check_finite()
            env = int(np.flatnonzero(~np.isfinite(losses))[0])
            message = f"the loss of environment {env} is {losses[env]}, though its trajectory is finite"
            raise DivergenceError(message, array="loss", env=env, step=self.problem.steps)
        return loss

    def _need_objective(self) -> None:
        if self.problem.objective is None:
            raise InputError("this problem has no objective; give it one, or use rollout and vjp")

    # Another, and giving back

    @property
    def recorded(self) -> dict[str, tuple[int, ...]]:
        """Shape of a row of every array that a rollout has at all its rows, by name: not of those with one per step."""
        per_step = self._fields.per_step()
        return {name: shape for name, shape in self._fields.recorded().items() if name not in per_step}

    @property
    def options(self) -> dict[str, Any]:
        """What ``Simulation(problem, **options)`` takes to give the same losses: plain values and arrays."""
        found = {name: getattr(self, name) for name in ("device", "precision", "envs", "shared", "executor")}
        own = {"initial_states": self._initial, "numbers": self._own}
        return {**found, **{name: dict(given) for name, given in own.items() if given}}

    def again(
        self,
        *,
        precision: str | None = None,
        adjoint: Adjoint | None = None,
        window: int | None = None,
        record: str | None = None,
    ) -> Simulation:
        """A new simulation of the same problem with the same settings, but for the ones given.

        ``window=h`` stands for ``adjoint=Truncated(h)``.
        """
        if window is not None and adjoint is not None:
            raise InputError(f"again takes window or adjoint, but {window!r} and {adjoint!r} were given")
        return Simulation(
            self.problem,
            **{**self.options, "precision": precision or self.precision},
            adjoint=Truncated(window) if window is not None else adjoint or self.adjoint,
            record=record or self.record,
        )

    def close(self) -> None:
        """Give the memory back; the simulation cannot be used any more."""
        if getattr(self, "_open", False):
            self._open = False
            self._free()
            self._runtime.detach(self)

    def _free(self) -> None:
        """Give fields and kernels back."""
        if hasattr(self, "_trajectory"):
            self._trajectory.close()
        if hasattr(self, "_fields"):
            self._fields.close()

    def __enter__(self) -> Simulation:
        """The simulation itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()

    def __del__(self) -> None:
        """Close it with its last reference, unless Python itself is ending."""
        if sys is not None and not sys.is_finalizing():  # modules are taken apart as Python ends
            self.close()

    def __repr__(self) -> str:
        """What it runs, where and how."""
        return (
            f"Simulation({type(self.problem.scene).__name__}, steps={self.problem.steps}, device={self.device!r}, "
            f"precision={self.precision!r}, envs={self.envs}, shared={self.shared}, adjoint={self.adjoint})"
        )
