"""PyTorch: simulations and steppers as operations that autograd goes through.

Numbers are computed on the CPU, in the precision of the simulation; what comes out has the type and the device of what
went in. Derivatives are of first order only: a second derivative is an error of autograd's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import numpy as np

from diffsim.bridges.packages import needed
from diffsim.errors import InputError
from diffsim.simulation import Simulation
from diffsim.stepper import Stepper, Ticket

torch: Any = needed("torch", "ds.torch", "torch")
_once: Any = needed("torch.autograd.function", "ds.torch", "torch").once_differentiable

__all__ = ["Rollout", "rollout", "step", "value"]

Tensors = Mapping[str, Any]


def value(sim: Simulation, params: Tensors) -> Any:
    """The loss of a rollout, which backpropagates to the parameters.

    Loss and gradient are worked out together, in one launch, when this is called with parameters that need a gradient;
    going back only multiplies.

    Args:
        sim: with an objective.
        params: tensors by name, shaped as the simulation takes them; what is no tensor is a constant.

    Returns:
        A tensor (), or (envs,) if the copies have parameters of their own.
    """
    names = tuple(params)
    return _Value.apply(sim, names, *_tensors(params.values()))


def rollout(sim: Simulation, params: Tensors, arrays: str | Iterable[str] = "position") -> dict[str, Any]:
    """Arrays of a rollout, which backpropagate to the parameters. Going back runs the rollout again with its reverse.

    Args:
        sim: with or without an objective.
        params: tensors by name, shaped as the simulation takes them; what is no tensor is a constant.
        arrays: which, as `Simulation.rollout` names and shapes them: (rows, elements[, width]), with an axis of copies
            before them if there are several.
    """
    names, wanted = tuple(params), (arrays,) if isinstance(arrays, str) else tuple(arrays)
    found = _Rollout.apply(sim, names, wanted, *_tensors(params.values()))
    return dict(zip(wanted, found, strict=True))


def step(
    stepper: Stepper, state: Any, action: Any, numbers: Tensors | None = None, at: int = 0
) -> tuple[Any, dict[str, Any]]:
    """The next state, and what is read of it; both backpropagate to the state, the action and the numbers.

    Going back runs nothing again as long as the stepper has the call in memory (`Stepper.keep`); later it steps anew.

    Args:
        stepper: what to step.
        state: (envs, state_size), a tensor, or an array as `Stepper.start` gives it.
        action: (envs, action_size).
        numbers: values of tuned numbers by name, ``(*shape)`` or of each copy ``(envs, *shape)``. The stepper loads
            them when they have changed, and keeps them.
        at: number of the first step, for scenes that have a clock.

    Returns:
        (envs, state_size), and a dictionary of ``(envs, *shape)`` by name.
    """
    numbers = numbers or {}
    names, values = tuple(numbers), _tensors(numbers.values())
    _load(stepper, _named(names, values))
    following, *sensed = _Step.apply(stepper, names, at, *_tensors((state, action)), *values)
    return following, dict(zip(stepper.sensed, sensed, strict=True))


class Rollout(torch.nn.Module):
    """A simulation as a module: its tuned parameters are the module's.

    They are float64, as the simulation takes them, and named after its own with _ for what cannot stand in a name:
    "controller.phase" is ``controller_phase``, "scene.mass[2]" is ``scene_mass_2``.

    Args:
        sim: what to run. The module does not close it.
        arrays: what `forward` gives, as in `rollout`.
        seed: with which the parameters start.

    Attributes:
        sim: the simulation.
        names: of the module's parameters, by those of the simulation's.
    """

    def __init__(self, sim: Simulation, arrays: str | Iterable[str] = "position", seed: int = 0):
        super().__init__()
        self.sim = sim
        self.arrays = (arrays,) if isinstance(arrays, str) else tuple(arrays)
        start = sim.params(seed)
        self.names = {name: "_".join("".join(c if c.isalnum() else " " for c in name).split()) for name in start}
        if len(set(self.names.values())) < len(self.names):
            raise InputError(f"two of the parameters {', '.join(self.names)} would have one name in the module")
        for name, given in start.items():
            self.register_parameter(self.names[name], torch.nn.Parameter(torch.from_numpy(given)))

    def params(self) -> dict[str, np.ndarray]:
        """The parameters as they are now, by the simulation's names: what ``sim.rollout`` and `tune` take.

        They are copies: training goes on without changing them.
        """
        return {name: _numbers(getattr(self, known)).copy() for name, known in self.names.items()}

    def forward(self, **given: Any) -> dict[str, Any]:
        """Arrays of the rollout, by name.

        Args:
            given: tensors that take the place of parameters, by the names that those have in the module: what a network
                has put out.
        """
        own = {name: given.pop(known, getattr(self, known)) for name, known in self.names.items()}
        if given:
            raise InputError(
                f"the module has no parameter {next(iter(given))!r}; it has {', '.join(self.names.values())}"
            )
        return rollout(self.sim, own, self.arrays)


class _Kind(NamedTuple):
    """What a gradient must be like."""

    dtype: Any
    device: Any
    axes: int

    @classmethod
    def of(cls, tensors: Iterable[Any]) -> list[_Kind]:
        """Of the gradients of tensors."""
        return [cls(tensor.dtype, tensor.device, tensor.ndim) for tensor in tensors]


def _tensors(values: Iterable[Any]) -> list[Any]:
    """As they are, but for what is no tensor: an array keeps its precision, other numbers have float64."""
    arrays = (value if isinstance(value, torch.Tensor) else np.asarray(value) for value in values)
    return [
        value
        if isinstance(value, torch.Tensor)
        else torch.tensor(value if value.dtype.kind == "f" else value.astype(np.float64))
        for value in arrays
    ]


def _numbers(tensor: Any, dtype: Any = None) -> np.ndarray:
    """An array of the CPU; without a copy where the tensor is one of that type."""
    found: np.ndarray = tensor.detach().to("cpu", torch.float64 if dtype is None else dtype).numpy()
    return found


def _like(values: Any, kind: Any) -> Any:
    """A tensor of the type and on the device of another, or of a kind; it takes over an array of that type."""
    return torch.from_numpy(np.asarray(values)).to(kind.device, kind.dtype)


def _gradient(values: Any, kind: _Kind) -> Any:
    """The gradient of a tensor; of one that all copies were given, the sum over them."""
    whole = _like(values, kind)
    return whole.sum(0) if whole.ndim > kind.axes else whole


def _named(names: tuple[str, ...], tensors: Iterable[Any]) -> dict[str, np.ndarray]:
    return {name: _numbers(tensor) for name, tensor in zip(names, tensors, strict=True)}


def _load(stepper: Stepper, numbers: dict[str, np.ndarray]) -> None:
    if numbers and not stepper.has(numbers):
        stepper.load(numbers)


class _Value(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sim: Simulation, names: tuple[str, ...], *tensors: Any) -> Any:
        params = _named(names, tensors)
        if not any(ctx.needs_input_grad):
            return _like(sim.value(params), tensors[0])
        loss, grad = sim.value_and_grad(params)
        ctx.kinds = _Kind.of(tensors)
        ctx.grad = [_like(grad[name], kind) for name, kind in zip(names, ctx.kinds, strict=True)]
        return _like(loss, tensors[0])

    @staticmethod
    @_once
    def backward(ctx: Any, cotangent: Any) -> Any:
        found = []
        for grad, kind in zip(ctx.grad, ctx.kinds, strict=True):
            each = cotangent.reshape(cotangent.shape + (1,) * (grad.ndim - cotangent.ndim))
            found.append(_gradient(each * grad, kind))
        return None, None, *found


class _Rollout(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, sim: Simulation, names: tuple[str, ...], arrays: tuple[str, ...], *tensors: Any) -> Any:
        ctx.sim, ctx.arrays, ctx.kinds = sim, arrays, _Kind.of(tensors)
        ctx.params = {name: value.copy() for name, value in _named(names, tensors).items()}
        ctx.set_materialize_grads(False)
        found = sim.rollout(ctx.params, arrays=arrays)
        return tuple(_like(found[name], tensors[0]) for name in arrays)

    @staticmethod
    @_once
    def backward(ctx: Any, *cotangents: Any) -> Any:
        given = {n: _numbers(c) for n, c in zip(ctx.arrays, cotangents, strict=True) if c is not None}
        grad = ctx.sim.pull(ctx.params, given)
        return None, None, None, *(_gradient(grad[n], kind) for n, kind in zip(ctx.params, ctx.kinds, strict=True))


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, stepper: Stepper, names: tuple[str, ...], at: int, *tensors: Any) -> Any:
        ctx.stepper, ctx.names, ctx.at, ctx.kinds = stepper, names, at, _Kind.of(tensors)
        ctx.loaded = stepper.loaded
        ctx.save_for_backward(*tensors)
        ctx.set_materialize_grads(False)
        following, ctx.ticket = _stepped(stepper, at, tensors)
        return _like(following, tensors[0]), *(_like(value, tensors[0]) for value in ctx.ticket.sensed.values())

    @staticmethod
    @_once
    def backward(ctx: Any, *cotangents: Any) -> Any:
        stepper = ctx.stepper
        state, *sensed = [None if c is None else _numbers(c, _real(stepper)) for c in cotangents]
        read = {name: c for name, c in zip(stepper.sensed, sensed, strict=True) if c is not None}
        if stepper.kept(ctx.ticket):
            pulled = stepper.pull(ctx.ticket, state, read)
        else:
            with stepper.with_numbers(ctx.loaded):
                pulled = stepper.pull(_stepped(stepper, ctx.at, ctx.saved_tensors)[1], state, read)
        found = (pulled.state, pulled.action, *(pulled.numbers[name] for name in ctx.names))
        return None, None, None, *(_gradient(each, kind) for each, kind in zip(found, ctx.kinds, strict=True))


def _real(stepper: Stepper) -> Any:
    return torch.float32 if stepper.precision == "f32" else torch.float64


def _stepped(stepper: Stepper, at: int, tensors: tuple[Any, ...]) -> tuple[np.ndarray, Ticket]:
    state, action = (_numbers(tensor, _real(stepper)) for tensor in tensors[:2])
    return stepper.step(state, action, at)
