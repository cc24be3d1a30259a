"""Actions along a trajectory, and feedback that keeps to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.controllers.base import actuators_of
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.spec import Spec, array, number, whole

__all__ = ["LinearFeedback"]


@dataclass(frozen=True)
class Along:
    """A trajectory of calls, as fields."""

    actions: Any  # (env, call * k + actuator)
    states: Any  # (env, call * n + entry of the state)
    gains: Any  # (env, (call * k + actuator) * n + entry)
    asked: Any  # (env, row, actuator) what feedback adds
    calls: int
    repeat: int  # steps in a call
    k: int
    n: int
    low: float
    high: float


@dataclass(frozen=True)
class Entries:
    """Where an array of the state lies in it."""

    value: Any  # (env, row, element), of numbers or vectors
    first: int
    size: int
    width: int  # components of a vector, 0 for numbers


@ti.func
def keep_to(along: ti.template(), entries: ti.template(), env, row, step, pair):
    """Of one entry of the state, for one actuator."""
    actuator = pair // entries.size
    own = pair % entries.size
    call = ti.min(step // along.repeat, along.calls - 1)
    share = (step - call * along.repeat) / along.repeat
    entry = entries.first + own
    begin = along.states[env, call * along.n + entry]
    planned = begin + share * (along.states[env, (call + 1) * along.n + entry] - begin)
    gain = along.gains[env, (call * along.k + actuator) * along.n + entry]
    if ti.static(entries.width > 0):
        value = entries.value[env, row, own // entries.width][own % entries.width]
        along.asked[env, row, actuator] += gain * (value - planned)
    else:
        along.asked[env, row, actuator] += gain * (entries.value[env, row, own] - planned)


@ti.func
def respond(along: ti.template(), out: ti.template(), env, row, step, actuator):
    call = ti.min(step // along.repeat, along.calls - 1)
    asked = along.actions[env, call * along.k + actuator] + along.asked[env, row, actuator]
    # At a limit both keep the derivative of what is asked for.
    out[env, row, actuator] = ti.max(along.low, ti.min(along.high, asked))


@dataclass(frozen=True, eq=False, repr=False)
class LinearFeedback(Spec):
    """``actions[t] + gains[t] @ (state - states[t])``: a trajectory, as `diffsim.plan` finds it, and what keeps to it.

    Between the calls t, ``repeat`` steps each, the planned state is interpolated, and feedback acts in every step.
    A state is flat, of the arrays that it has (see `diffsim.Stepper`); differences are those of its entries, also for
    quaternions. Time-varying linear feedback is that of Tassa, Mansard & Todorov, ICRA 2014, equation 7b.

    Attributes:
        actions: (T, k).
        states: (T + 1, n).
        gains: (T, k, n) action per unit of the state.
        arrays: names of the state's arrays, in their order: ``("joint_position", "joint_velocity")`` of a robot.
        repeat: steps in a call.
        low: the least actuation; minus infinity for none.
        high: the greatest.
    """

    kind = "controller"

    actions: Any
    states: Any
    gains: Any
    arrays: Any
    repeat: int = 1
    low: float = -1.0
    high: float = 1.0

    def __post_init__(self) -> None:
        """Check that all belongs together."""
        actions = array("LinearFeedback.actions", self.actions, ("calls", "k"))
        calls, k = actions.shape
        states = array("LinearFeedback.states", self.states, (calls + 1, "n"))
        arrays = self.arrays
        if isinstance(arrays, str) or not arrays or not all(isinstance(name, str) for name in arrays):
            raise InputError(f"LinearFeedback.arrays is {arrays!r}, but names of arrays are needed: ('position', ...)")
        self._set(
            actions=actions,
            states=states,
            gains=array("LinearFeedback.gains", self.gains, (calls, k, states.shape[1])),
            arrays=tuple(arrays),
            repeat=whole("LinearFeedback.repeat", self.repeat),
            low=_limit("LinearFeedback.low", self.low),
            high=_limit("LinearFeedback.high", self.high),
        )
        if not self.low < self.high:
            raise InputError(f"LinearFeedback.low is {self.low:g}, but it must be below high, {self.high:g}")

    @property
    def reads(self) -> frozenset[str]:
        """The state's arrays."""
        return frozenset(self.arrays)

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError if the scene has another number of actuators, or the rollout is longer."""
        k, (calls, own) = actuators_of("LinearFeedback", scene), self.actions.shape
        if own != k:
            raise InputError(f"LinearFeedback.actions is for {own} actuators, but the scene has {k}")
        if steps > calls * self.repeat:
            raise InputError(
                f"LinearFeedback has {calls} calls of {self.repeat} steps, but the rollout has {steps} steps"
            )

    def numbers(self, scene: Any, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Actions, states and gains."""
        return {name: np.asarray(getattr(self, name)) for name in ("actions", "states", "gains")}

    def act(
        self, numbers: Mapping[str, np.ndarray], seen: Mapping[str, np.ndarray], time: Any, problem: Any
    ) -> np.ndarray:
        """(..., k) actuations in a state, in NumPy: see `Problem.act`."""
        step = np.rint(np.asarray(time) / problem.scene.dt).astype(int)
        call = np.clip(step // self.repeat, 0, len(self.actions) - 1)
        share = ((step - call * self.repeat) / self.repeat)[..., None]
        begin, end = numbers["states"][call], numbers["states"][call + 1]
        parts = [np.asarray(seen[name], np.float64) for name in self.arrays]
        state = np.concatenate([part.reshape(*call.shape, -1) for part in parts], axis=-1)
        off = state - (begin + share * (end - begin))
        asked = numbers["actions"][call] + np.einsum("...kn,...n->...k", numbers["gains"][call], off)
        found: np.ndarray = np.clip(asked, self.low, self.high)
        return found

    def build(self, fields: Fields, model: Model, prefix: str = "controller") -> Part:
        """Declare fields, and a stage for each of the state's arrays."""
        (calls, k), n = self.actions.shape, self.states.shape[1]
        states = {r.name: r for r in fields.trajectories if r.state}
        if self.arrays != tuple(states):
            raise InputError(
                f"LinearFeedback.arrays names {', '.join(self.arrays)}, but the state of a {model.kind} is "
                f"{', '.join(states)}"
            )
        sizes = [r.elements * max(r.width, 1) for r in states.values()]
        if sum(sizes) != n:
            raise InputError(f"LinearFeedback.states has {n} entries, but a state of this scene has {sum(sizes)}")

        def held(name: str, size: int) -> Any:
            return fields.number(f"{prefix}.{name}", size, index=np.arange(size))

        along = Along(
            actions=held("actions", calls * k),
            states=held("states", (calls + 1) * n),
            gains=held("gains", calls * k * n),
            asked=fields.trajectory(f"{prefix}_feedback", k, accumulates=True, recorded=False, per_step=True),
            calls=calls,
            repeat=self.repeat,
            k=k,
            n=n,
            low=max(self.low, -_FAR),
            high=min(self.high, _FAR),
        )
        begins = np.cumsum([0, *sizes])
        parts = [
            Entries(model.array(r.name, "LinearFeedback"), int(first), size, r.width)
            for r, first, size in zip(states.values(), begins, sizes, strict=False)
        ]
        out = model.array("actuation", "LinearFeedback", "writes")
        stages = [Stage(keep_to, (along, part), k * part.size) for part in parts]
        return Part(step=(*stages, Stage(respond, (along, out), k)))


_FAR = 1e30
"""What stands for infinity, where float32 still has numbers."""


def _limit(owner: str, value: Any) -> float:
    if isinstance(value, (float, np.floating)) and np.isinf(value):
        return float(value)
    return number(owner, value)
