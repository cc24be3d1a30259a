"""One call at a time: a state and an action in, the next state out, and the way back."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from diffsim.errors import InputError
from diffsim.physics import physics_of
from diffsim.problem import Problem
from diffsim.spec import array, choices, whole

__all__ = ["Pulled", "Stepper", "Ticket"]

Arrays = dict[str, np.ndarray]


class Ticket(NamedTuple):
    """A call of `Stepper.step`: what `Stepper.pull` needs to know of it.

    Attributes:
        call: its number.
        sensed: what was read of the new state, by name, each ``(envs, *shape)`` in the stepper's precision.
    """

    call: int
    sensed: Arrays


class Pulled(NamedTuple):
    """Cotangents of what went into a call.

    Attributes:
        state: (envs, state_size).
        action: (envs, action_size).
        numbers: by the names of the tuned numbers, ``(envs, *shape)`` float64: of each copy on its own.
    """

    state: np.ndarray
    action: np.ndarray
    numbers: Arrays


class Stepper:
    """A scene made ready to go step by step, for controllers, losses and training loops that live elsewhere.

    A call takes a state and an action for each copy and gives the next state; `pull` takes cotangents of that back
    to the state, the action and tuned numbers, without running the call again. Each has the same physics, and to the
    bit the same numbers, as a `Simulation` driven by these actions. CPU only.

    A *state* is one flat array, (envs, state_size), of all arrays that carry from step to step: `layout` says where in
    it each is, `named` gives them by name and `state_of` puts them together. What a robot's is: ``joint_position`` and
    ``joint_velocity``; a mass-spring scene's ``position`` and ``velocity`` [m], [m/s]; rigid bodies also carry
    impulses of contacts and joints, with which their solver starts. An *action*, (envs, action_size), is what a
    controller gives: a number for each actuator, within -1 and 1 for springs, the control of a robot's actuators.
    Arrays are in the stepper's precision; others are converted.

    Calls have memory of their own, in turns: of the last ``keep`` calls each can be pulled, in any order and any
    number of times.

    Args:
        scene: what to simulate.
        envs: copies, each with its own state, action and numbers.
        precision: "f32" or "f64".
        repeat: steps of ``scene.dt`` in a call, in which the action is held.
        reads: names of what is read of each new state: "observation", "centre", "actuator_state", "position", or
            another array of the model.
        tune: names and patterns of the scene's numbers that `pull` gives cotangents of, as in `Problem`, but for
            those that only say how the scene begins.
        numbers: values of numbers by name, ``(*shape)`` or of each copy ``(envs, *shape)``; they are tuned as well.
            `load` changes them.
        keep: calls that can be pulled.

    Attributes:
        state_size, action_size: how many numbers a state and an action have.
        layout: slices of a state, by the name of the array.
        sensed: shape of what is read, by name, without the copies.
        tuned: names of the tuned numbers.
        loaded: their values, ``(envs, *shape)`` by name; `load` puts others in their place.
        dtype: of states and actions.

    Raises:
        InputError: naming the argument, what was given and what is allowed.
        DeviceError: there is not enough memory, or Taichi runs elsewhere.
    """

    def __init__(
        self,
        scene: Any,
        *,
        envs: int = 1,
        precision: str = "f32",
        repeat: int = 1,
        reads: str | Iterable[str] = (),
        tune: str | Iterable[str] = (),
        numbers: Mapping[str, Any] | None = None,
        keep: int = 64,
    ):
        self._open, self._stale, self._calls, self._valid = False, False, 0, 0
        self.precision = choices("precision", precision, ("f32", "f64"))
        self.envs, self.repeat = whole("envs", envs), whole("repeat", repeat)
        self.keep = whole("keep", keep)
        self.reads = _names("reads", reads)
        given = dict(numbers or {})
        self._problem = Problem(scene, steps=self.repeat, tune=tuple(dict.fromkeys((*_names("tune", tune), *given))))
        self.scene, self.tuned = scene, self._problem.tuned
        if timed := getattr(scene, "timed", ""):
            raise InputError(
                f"a Stepper's calls know no time, but {timed} goes by it; give it one place, and load another before a "
                "call, or use a Simulation"
            )
        for name in self.tuned:
            if name.startswith("scene.initial_"):
                raise InputError(f"a Stepper is given its states, so nothing depends on {name}; leave it out of tune")
        self._numbers = self._problem.numbers()
        self._shapes = {name: self._problem.pick(name, self._numbers).shape for name in self.tuned}
        self.dtype = np.dtype(np.float32 if precision == "f32" else np.float64)
        from diffsim.engine import runtime  # Taichi: only who simulates waits for it

        self._runtime = runtime
        runtime.attach(self, "cpu")
        self._open = True
        try:
            with runtime.precision(precision):
                self._build(given)
        except BaseException:
            self.close()
            raise

    def _build(self, given: Mapping[str, Any]) -> None:
        from diffsim.engine.stepping import stepping

        bases = tuple(dict.fromkeys(name.partition("[")[0] for name in self.tuned))
        self._engine = engine = stepping(
            self.scene,
            physics_of(self.scene).build,
            self._numbers,
            bases,
            self,
            precision=self.precision,
            envs=self.envs,
            repeat=self.repeat,
            keep=self.keep,
        )
        self.layout: dict[str, slice] = engine.layout
        self.sensed: dict[str, tuple[int, ...]] = engine.sensed
        self.state_size = max((part.stop for part in self.layout.values()), default=0)
        self.action_size: int = engine.actuators
        self._columns: dict[str, np.ndarray] = {}
        for name in self.tuned:
            base = name.partition("[")[0]
            self._columns[name] = engine.columns(base).start + self._problem.entries(name, self._numbers[base].shape)
        self._table = np.zeros((self.envs, engine.width))
        for name, value in self._numbers.items():
            self._table[:, engine.columns(name)] = value.ravel()
        self._start: np.ndarray | None = None
        self.load(given)

    # Numbers and states

    def load(self, numbers: Mapping[str, Any]) -> None:
        """Take other values of tuned numbers; calls from before can no longer be pulled.

        Args:
            numbers: by name, ``(*shape)`` or of each copy ``(envs, *shape)``.
        """
        self._check()
        for columns, values in self._columns_of(numbers):
            self._table[:, columns] = values
        self.loaded = {name: self._values(name) for name in self.tuned}
        self._reset()

    def _values(self, name: str) -> np.ndarray:
        found = self._table[:, self._columns[name]].reshape(self.envs, *self._shapes[name])
        found.setflags(write=False)
        return found

    @contextlib.contextmanager
    def with_numbers(self, numbers: Mapping[str, Any]) -> Iterator[None]:
        """Inside, tuned numbers have these values; afterwards those from before. Loads only what differs."""
        before = self.loaded
        if numbers is not before:
            self.load(numbers)
        try:
            yield
        finally:
            if self.loaded is not before:
                self.load(before)

    def has(self, numbers: Mapping[str, Any]) -> bool:
        """Whether tuned numbers have these values, which `load` would take."""
        return all(np.all(self._table[:, columns] == values) for columns, values in self._columns_of(numbers))

    def _columns_of(self, numbers: Mapping[str, Any]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Where each stands in the table, and what it is to be there: of each copy, or of all."""
        found = []
        for name, value in numbers.items():
            if name not in self._shapes:
                tuned = ", ".join(self.tuned) or "nothing"
                raise InputError(f"numbers holds {name!r}, but of this stepper {tuned} is tuned")
            shape = self._shapes[name]
            given = array(f"numbers[{name!r}]", value, shape, (self.envs, *shape))
            found.append((self._columns[name], given.reshape(self.envs if given.shape != shape else 1, -1)))
        return found

    def _reset(self) -> None:
        with self._runtime.precision(self.precision):
            self._start = self._engine.load(self._table)
        self._valid, self._stale = self._calls, False

    def start(self, rng: np.random.Generator | int = 0, noise: float | Mapping[str, Any] = 0.0) -> np.ndarray:
        """(envs, state_size) where the scene begins, in each copy with noise of its own.

        Args:
            rng: a generator, or a seed.
            noise: standard deviation of normal noise on all numbers of the state that a rollout reports; or on those
                of some arrays, by name, a number or an array that spreads over the array's shape.
        """
        self._check()
        assert self._start is not None
        found, rng = self._start.copy(), np.random.default_rng(rng)
        given = noise if isinstance(noise, Mapping) else dict.fromkeys(self.layout, noise)
        for name, size in given.items():
            if name not in self.layout:
                raise InputError(f"noise names {name!r}, but a state has {', '.join(self.layout)}")
            shape, part = self._engine.shapes[name], self.layout[name]
            shown = self._engine.shown[name]
            scale = np.broadcast_to(array(f"noise[{name!r}]", size, least=0.0), shape).reshape(-1)[:shown]
            found[:, part.start : part.start + shown] += scale * rng.normal(size=(self.envs, shown))
        return found

    def named(self, state: np.ndarray) -> Arrays:
        """The arrays of a state by name, ``(envs, *shape)``: views of it."""
        state = self._given("state", state, self.state_size)
        shapes = self._engine.shapes
        return {name: state[:, part].reshape(self.envs, *shapes[name]) for name, part in self.layout.items()}

    def state_of(self, arrays: Mapping[str, Any]) -> np.ndarray:
        """(envs, state_size) where the scene begins, but for these arrays.

        Args:
            arrays: by name, ``(*shape)`` or of each copy ``(envs, *shape)``.
        """
        found = self.start()
        for name, value in arrays.items():
            if name not in self.layout:
                raise InputError(f"a state has no {name!r}; it has {', '.join(self.layout)}")
            shape = self._engine.shapes[name]
            given = array(name, value, shape, (self.envs, *shape))
            found[:, self.layout[name]] = given.reshape(self.envs if given.shape != shape else 1, -1)
        return found

    # Calls

    def observe(self, state: Any, at: int = 0) -> Arrays:
        """What `reads` names of a state, each ``(envs, *shape)``."""
        self._ready()
        state = self._given("state", state, self.state_size)
        return self._engine.look(self.keep, state, at) if self.sensed else {}

    def step(self, state: Any, action: Any, at: int = 0) -> tuple[np.ndarray, Ticket]:
        """The next state, (envs, state_size), and a ticket with which the call can be pulled.

        Args:
            state: (envs, state_size).
            action: (envs, action_size), held for `repeat` steps.
            at: number of the first of them since the start, for scenes that have a clock, as a `Push` has.

        Numbers that are not finite are not looked for: they come out as they are.
        """
        self._ready()
        state = self._given("state", state, self.state_size)
        action = self._given("action", action, self.action_size)
        call, self._calls, self._stale = self._calls, self._calls + 1, True
        found, sensed = self._engine.step(call % self.keep, state, action, at)
        self._stale = False
        return found, Ticket(call, sensed)

    def pull(self, ticket: Ticket, state: Any = None, sensed: Mapping[str, Any] | None = None) -> Pulled:
        """Cotangents of what went into a call, from those of what came out of it.

        Args:
            ticket: of the call.
            state: (envs, state_size) cotangent of the new state; None is zero.
            sensed: cotangents of what was read of it, by name; what is left out is zero.

        Raises:
            InputError: the call is no longer in memory, or its numbers were changed.
        """
        self._ready()
        self._check_ticket(ticket.call)
        if state is not None:
            state = self._given("the cotangent of the state", state, self.state_size)
        given = {name: self._sensed(name, value) for name, value in (sensed or {}).items()}
        self._stale = True
        found = self._engine.pull(ticket.call % self.keep, state, given)
        numbers = self._pulled_numbers() if self.tuned else {}
        self._stale = False
        return Pulled(*found, numbers)

    def _pulled_numbers(self) -> Arrays:
        table = np.zeros_like(self._table)
        self._engine.numbers(table)
        return {n: table[:, self._columns[n]].reshape(self.envs, *shape) for n, shape in self._shapes.items()}

    def kept(self, ticket: Ticket) -> bool:
        """Whether the call can still be pulled."""
        return not self._stale and self._valid <= ticket.call and self._calls - self.keep <= ticket.call < self._calls

    def jacobians(self, state: Any, action: Any, at: int = 0) -> tuple[np.ndarray, np.ndarray]:
        """Derivatives of the next state by the state and by the action: a call, and a pull for each number of a state.

        Returns:
            (envs, state_size, state_size) and (envs, state_size, action_size).
        """
        _, ticket = self.step(state, action, at)
        size = self.state_size
        by_state = np.empty((self.envs, size, size), self.dtype)
        by_action = np.empty((self.envs, size, self.action_size), self.dtype)
        unit = np.zeros((self.envs, size), self.dtype)
        for k in range(size):
            unit[:, k] = 1.0
            pulled = self.pull(ticket, unit)
            by_state[:, k], by_action[:, k] = pulled.state, pulled.action
            unit[:, k] = 0.0
        return by_state, by_action

    # Checks

    def _check(self) -> None:
        if not self._open:
            raise InputError("this stepper is closed; make a new one")
        self._runtime.check(self)

    def _ready(self) -> None:
        self._check()
        if self._stale:  # a call was broken off
            self._reset()

    def _given(self, owner: str, value: Any, size: int) -> np.ndarray:
        found = np.asarray(value, self.dtype)
        if found.shape != (self.envs, size):
            raise InputError(f"{owner} has shape {found.shape}, but {(self.envs, size)} is needed: copies and numbers")
        return found

    def _sensed(self, name: str, value: Any) -> np.ndarray:
        if name not in self.sensed:
            known = ", ".join(self.sensed) or "nothing"
            raise InputError(f"the cotangent is of {name!r}, but this stepper reads {known}")
        found, shape = np.asarray(value, self.dtype), (self.envs, *self.sensed[name])
        if found.shape != shape:
            raise InputError(f"the cotangent of {name} has shape {found.shape}, but {shape} is needed")
        return found

    def _check_ticket(self, call: int) -> None:
        if not 0 <= call < self._calls:
            raise InputError(f"there was no call {call}; there were {self._calls}")
        if call < self._valid:
            raise InputError(
                f"call {call} was made before numbers were loaded, or a call broken off, which clears what is kept of "
                "calls; pull it before, or step again"
            )
        if call < self._calls - self.keep:
            raise InputError(
                f"call {call} is no longer in memory: of {self._calls} calls the last {self.keep} are kept; make the "
                f"stepper with keep={self._calls - call} or more, pull earlier, or step again"
            )

    # Giving back

    def close(self) -> None:
        """Give the memory back; the stepper cannot be used any more."""
        if self._open:
            self._open = False
            if hasattr(self, "_engine"):
                self._engine.close()
            self._runtime.detach(self)

    def __enter__(self) -> Stepper:
        """The stepper itself."""
        return self

    def __exit__(self, *exception: object) -> None:
        """Close it."""
        self.close()

    def __del__(self) -> None:
        """Close it with its last reference, unless Python itself is ending."""
        if sys is not None and not sys.is_finalizing() and getattr(self, "_open", False):
            self.close()

    def __repr__(self) -> str:
        """What it runs."""
        return (
            f"Stepper({type(self.scene).__name__}, envs={self.envs}, precision={self.precision!r}, "
            f"repeat={self.repeat}, state_size={self.state_size}, action_size={self.action_size})"
        )


def _names(owner: str, given: str | Iterable[str]) -> tuple[str, ...]:
    names = (given,) if isinstance(given, str) else tuple(given)
    for name in names:
        if not isinstance(name, str):
            raise InputError(f"{owner} holds {name!r}, but it takes names")
    return names
