"""A neural network from time and observation to actuations.

Weights, inputs and hidden values are stored as vectors of `BLOCK` neighbours: the compiler turns a product of two
such blocks into a few wide instructions, forward and reverse, where single numbers cost three times as much.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, ClassVar

import numpy as np
import taichi as ti

from diffsim.controllers.base import actuators_of
from diffsim.engine.fields import Fields
from diffsim.engine.paths import place_at, way_at
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.paths import along
from diffsim.spec import Spec, array, choices, number, whole

__all__ = ["MLP"]

BLOCK = 16
"""Numbers in a block: one 512-bit register of float32. 8 is slower by half, 32 compiles three times as long."""

SATURATED = 20.0
"""tanh is 1 beyond it to the last bit of float64; keeps its exponential and the square of it finite in float32."""


@dataclass(frozen=True)
class Senses:
    """What the network sees, and where that is written."""

    inputs: Any  # (env, row, input)
    blocks: Any  # (env, row, block) the same, in blocks
    frequency: Any  # (env, 0) [rad/s]
    goal: Any  # (env, place) [m]; one, or several that are passed in turn
    observation: Any  # (env, row, k) of the model; None without
    centre: Any  # (env, row, 0) of the model [m]; None without a goal
    dt: float  # [s]
    steps: int
    legs: int  # from each place of the goal to the next; 0 of one that stays
    sines: int
    observations: int
    dimension: int


@dataclass(frozen=True)
class Layer:
    inputs: Any  # (env, row, block)
    weights: Any  # (env, unit * blocks + block)
    bias: Any  # (env, unit)
    sums: Any  # (env, row, unit) weighted inputs; units that fill up the last block stay zero
    blocks: int


def elu(x: np.ndarray) -> np.ndarray:
    """The activation of that name, in NumPy."""
    return np.where(x > 0.0, x, np.expm1(np.minimum(x, 0.0)))


ACTIVATIONS: dict[str, Any] = {"tanh": np.tanh, "elu": elu}
"""Of hidden layers, in NumPy."""


@ti.func
def sense_time(senses: ti.template(), env, row, step, k):
    phase = ti.static(2.0 * np.pi / max(senses.sines, 1)) * k
    wave = ti.sin(senses.frequency[env, 0] * (senses.dt * step) + phase)
    senses.inputs[env, row, k] = wave


@ti.func
def sense_observation(senses: ti.template(), env, row, step, k):
    senses.inputs[env, row, senses.sines + k] = senses.observation[env, row, k]


@ti.func
def sense_goal(senses: ti.template(), env, row, step, k):
    at = senses.sines + senses.observations + k
    for c in ti.static(range(senses.dimension)):
        senses.inputs[env, row, at + c] = senses.goal[env, 0][c] - senses.centre[env, row, 0][c]


@ti.func
def sense_moving_goal(senses: ti.template(), env, row, step, k):
    at = senses.sines + senses.observations + k
    goal = place_at(senses.goal, env, senses.legs, senses.steps, step)
    way = way_at(senses.goal, env, senses.legs, senses.steps, step)
    rate = senses.legs / (senses.steps * senses.dt)
    for c in ti.static(range(senses.dimension)):
        senses.inputs[env, row, at + c] = goal[c] - senses.centre[env, row, 0][c]
        senses.inputs[env, row, at + senses.dimension + c] = rate * way[c]


@ti.func
def pack(senses: ti.template(), env, row, step, block):
    for c in ti.static(range(BLOCK)):
        senses.blocks[env, row, block][c] = senses.inputs[env, row, BLOCK * block + c]


@ti.func
def weigh(layer: ti.template(), env, row, step, element):
    unit = element // layer.blocks
    block = element - unit * layer.blocks
    layer.sums[env, row, unit] += layer.weights[env, element].dot(layer.inputs[env, row, block])


@ti.func
def tanh(x):
    return 1.0 - 2.0 / (ti.exp(2.0 * ti.min(x, SATURATED)) + 1.0)


@ti.func
def activate(layer: ti.template(), out: ti.template(), env, row, step, block):
    for c in ti.static(range(BLOCK)):
        out[env, row, block][c] = tanh(layer.bias[env, BLOCK * block + c] + layer.sums[env, row, BLOCK * block + c])


@ti.func
def activate_elu(layer: ti.template(), out: ti.template(), env, row, step, block):
    for c in ti.static(range(BLOCK)):
        value = layer.bias[env, BLOCK * block + c] + layer.sums[env, row, BLOCK * block + c]
        if value > 0.0:
            out[env, row, block][c] = value
        else:
            out[env, row, block][c] = ti.exp(value) - 1.0


@ti.func
def actuate(layer: ti.template(), out: ti.template(), env, row, step, unit):
    out[env, row, unit] = tanh(layer.bias[env, unit] + layer.sums[env, row, unit])


@dataclass(frozen=True, eq=False, repr=False)
class MLP(Spec):
    """A network whose last layer ends in tanh: actuations lie between -1 and 1.

    It sees ``sines`` sine waves of time, evenly shifted, the model's observation, and with a ``goal`` the way from
    the centre to it (Hu et al. 2020, arXiv:1910.00935, section 4); of one that moves, its velocity as well. Parameters:
    ``w1`` (hidden, inputs), ``b1`` (hidden,), ... up to the last layer, whose outputs are the actuators.

    Attributes:
        hidden: units of the hidden layers: a number or several.
        sines: how many sine waves of time it sees; may be 0.
        frequency: of the waves [rad/s].
        goal: (d,) a place to go [m], or None; or (w, d), two or more that a moving goal passes in turn, on straight
            lines and at even times from the start to the end of the rollout, as `Follow` has it.
        observe: whether it sees the observation.
        scale: of the starting weights, in units of Glorot & Bengio's (2010) normalised initialisation.
        activation: of the hidden layers, "tanh" or "elu" (Clevert et al. 2016: x above 0, exp(x) - 1 below), with which
            policies learn faster.
    """

    kind: ClassVar[str] = "controller"

    hidden: Any = (32,)
    sines: int = 10
    frequency: float = 10.0
    goal: Any = None
    observe: bool = True
    scale: float = 1.0
    activation: str = "tanh"

    def __post_init__(self) -> None:
        """Check every number."""
        hidden = (self.hidden,) if isinstance(self.hidden, (int, np.integer)) else tuple(self.hidden)
        self._set(
            hidden=tuple(whole(f"MLP.hidden[{k}]", units) for k, units in enumerate(hidden)),
            sines=whole("MLP.sines", self.sines, least=0),
            frequency=number("MLP.frequency", self.frequency),
            goal=None if self.goal is None else array("MLP.goal", self.goal, (2,), (3,), ("w", 2), ("w", 3)),
            scale=number("MLP.scale", self.scale, least=0.0),
            activation=choices("MLP.activation", self.activation, tuple(ACTIVATIONS)),
        )
        if self.goal is not None and self.goal.shape[:-1] == (1,):
            raise InputError("MLP.goal moves, but holds one place; give two or more, or (d,), which stays")

    @property
    def _legs(self) -> int:
        """Straight lines on which the goal moves; 0 if it stays, or there is none."""
        return 0 if np.ndim(self.goal) < 2 else len(self.goal) - 1

    @property
    def reads(self) -> frozenset[str]:
        """The observation, and the centre if there is a goal."""
        return frozenset((["observation"] if self.observe else []) + (["centre"] if self.goal is not None else []))

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError if it has nothing to see or to drive, or the goal has another dimension."""
        whole("MLP: the number of the scene's actuators", actuators_of("MLP", scene))
        if self.goal is not None and hasattr(scene, "dimension"):
            d = scene.dimension
            array(f"MLP.goal of a scene in {d} dimensions", self.goal, (d,), ("w", d))
        whole("MLP: the number of inputs (sines, observe, goal)", self._inputs(scene))

    def _inputs(self, scene: Any) -> int:
        seen = getattr(scene, "observations", 0) if self.observe else 0
        return self.sines + seen + self._of_goal

    @property
    def _of_goal(self) -> int:
        """How many inputs the goal makes: the way to it, and its velocity if it moves."""
        return 0 if self.goal is None else self.goal.shape[-1] * (2 if self._legs else 1)

    def numbers(self, scene: Any, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Weights drawn with ``seed``, biases of zero, the frequency and the goal."""
        rng = np.random.default_rng(seed)
        found: dict[str, np.ndarray] = {}
        sizes = [self._inputs(scene), *self.hidden, len(scene.actuators)]
        for k, (into, out) in enumerate(pairwise(sizes), start=1):
            found[f"w{k}"] = self.scale * np.sqrt(2.0 / (into + out)) * rng.normal(size=(out, into))
            found[f"b{k}"] = np.zeros(out)
        if self.sines:
            found["frequency"] = np.array(self.frequency)
        if self.goal is not None:
            found["goal"] = self.goal
        return found

    def act(
        self, numbers: Mapping[str, np.ndarray], seen: Mapping[str, np.ndarray], time: Any, problem: Any
    ) -> np.ndarray:
        """(..., k) actuations in a state, in NumPy: see `Problem.act`. Weights may have leading axes of states, too."""
        phase = 2.0 * np.pi / max(self.sines, 1) * np.arange(self.sines)
        clock = np.asarray(time, np.float64)[..., None]
        inputs = [np.sin(numbers["frequency"] * clock + phase)] if self.sines else []
        inputs += [np.asarray(seen["observation"], np.float64)] if self.observe and "observation" in seen else []
        if self.goal is not None:
            goal, lasts = numbers["goal"], problem.steps * problem.scene.dt
            if self._legs:
                goal, velocity = along(goal, np.asarray(time, np.float64) / lasts)
            inputs += [goal - np.asarray(seen["centre"], np.float64)]
            inputs += [velocity / lasts] if self._legs else []
        lead = np.broadcast_shapes(*(part.shape[:-1] for part in inputs))
        found = np.concatenate([np.broadcast_to(part, (*lead, part.shape[-1])) for part in inputs], axis=-1)
        for k in range(1, len(self.hidden) + 2):
            weights = np.swapaxes(numbers[f"w{k}"], -1, -2)
            found = found @ weights if weights.ndim == 2 else (found[..., None, :] @ weights)[..., 0, :]
            found = found + numbers[f"b{k}"]
            found = np.tanh(found) if k > len(self.hidden) else ACTIVATIONS[self.activation](found)
        return found

    def build(self, fields: Fields, model: Model, prefix: str = "controller") -> Part:
        """Stages that gather the inputs, and two for each layer."""
        seen = model.observations if self.observe else 0
        inputs = self.sines + seen + self._of_goal
        blocks = fields.trajectory("blocks", _blocks(inputs), BLOCK, recorded=False)
        senses = Senses(
            inputs=fields.trajectory("inputs", _blocks(inputs) * BLOCK, recorded=False),
            blocks=blocks,
            dimension=model.dimension,
            frequency=fields.number(f"{prefix}.frequency", 1) if self.sines else None,
            goal=fields.number(f"{prefix}.goal", self._legs + 1, model.dimension) if self.goal is not None else None,
            observation=model.array("observation", "MLP") if seen else None,
            centre=model.array("centre", "MLP") if self.goal is not None else None,
            dt=model.dt,
            steps=model.steps,
            legs=self._legs,
            sines=self.sines,
            observations=seen,
        )
        stages = [
            Stage(sense_time, (senses,), self.sines),
            Stage(sense_observation, (senses,), seen),
            Stage(sense_moving_goal if self._legs else sense_goal, (senses,), 0 if self.goal is None else 1),
            Stage(pack, (senses,), _blocks(inputs)),
        ]
        activated = activate if self.activation == "tanh" else activate_elu
        sizes = [inputs, *self.hidden, model.actuators]
        for k, (into, out) in enumerate(pairwise(sizes), start=1):
            layer = _layer(fields, prefix, k, into, out, blocks)
            stages.append(Stage(weigh, (layer,), out * layer.blocks))
            if k < len(sizes) - 1:
                blocks = fields.trajectory(f"hidden_{k}", _blocks(out), BLOCK, recorded=False)
                stages.append(Stage(activated, (layer, blocks), _blocks(out)))
            else:
                stages.append(Stage(actuate, (layer, model.array("actuation", "MLP", "writes")), out))
        return Part(step=tuple(stages))


def _blocks(count: int) -> int:
    return -(-count // BLOCK)


def _layer(fields: Fields, prefix: str, k: int, into: int, out: int, inputs: Any) -> Layer:
    """The fields of layer ``k``; weights that fill up the last block of a row stay zero."""
    padded = np.full((out, _blocks(into) * BLOCK), -1)
    padded[:, :into] = np.arange(out * into).reshape(out, into)
    units = _blocks(out) * BLOCK
    bias = np.where(np.arange(units) < out, np.arange(units), -1)
    return Layer(
        inputs=inputs,
        weights=fields.number(f"{prefix}.w{k}", out * _blocks(into), BLOCK, padded.reshape(-1, BLOCK)),
        bias=fields.number(f"{prefix}.b{k}", units, index=bias),
        sums=fields.trajectory(f"sums_{k}", units, accumulates=True, recorded=False),
        blocks=_blocks(into),
    )
