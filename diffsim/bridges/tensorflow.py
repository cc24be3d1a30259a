"""TensorFlow: simulations and steppers as operations that `tf.GradientTape` goes through.

The numbers are computed on the CPU in the precision of the simulation. In eager mode only: in a `tf.function`
TensorFlow calls Python in another thread, where Taichi does not work, which is a `DeviceError` there. Derivatives are
of first order only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from diffsim.bridges.packages import needed
from diffsim.bridges.rows import Rows
from diffsim.simulation import Simulation
from diffsim.stepper import Stepper

tf: Any = needed("tensorflow", "ds.tensorflow", "tensorflow")

__all__ = ["rollout", "step", "value"]

Tensors = Mapping[str, Any]


def value(sim: Simulation, params: Tensors) -> Any:
    """The loss of a rollout, () or (envs,) if the copies have parameters of their own.

    It is worked out together with its gradient, in one launch.

    Args:
        sim: with an objective.
        params: tensors or variables by name, shaped as the simulation takes them.
    """
    names, tensors, shape = *_split(params), () if sim.shared else (sim.envs,)
    starts = sim.params()
    shapes = [shape, *(starts[name].shape for name in names)]

    def forward(*values: np.ndarray) -> list[Any]:
        loss, grad = sim.value_and_grad(dict(zip(names, values, strict=True)))
        return [loss, *(grad[name] for name in names)]

    @tf.custom_gradient
    def operation(*tensors: Any) -> Any:
        loss, *grads = _call(forward, tensors, shapes, [tensors[0].dtype, *(tensor.dtype for tensor in tensors)])

        def backward(cotangent: Any) -> list[Any]:
            found = []
            for grad, tensor in zip(grads, tensors, strict=True):
                each = tf.reshape(cotangent, [*cotangent.shape, *[1] * (len(grad.shape) - len(cotangent.shape))])
                share = tf.cast(each, grad.dtype) * grad
                found.append(tf.reduce_sum(share, 0) if len(share.shape) > len(tensor.shape) else share)
            return found

        return loss, backward

    return operation(*tensors)


def rollout(sim: Simulation, params: Tensors, arrays: str | Iterable[str] = "position") -> dict[str, Any]:
    """Arrays of a rollout, by name. Going back runs the rollout again with its reverse.

    Args:
        sim: with or without an objective.
        params: tensors or variables by name, shaped as the simulation takes them.
        arrays: which, as `Simulation.rollout` names and shapes them: (rows, elements[, width]), with an axis of copies
            before them if there are several.
    """
    (names, tensors), wanted = _split(params), (arrays,) if isinstance(arrays, str) else tuple(arrays)
    shapes = sim.shapes(wanted)

    def forward(*values: np.ndarray) -> list[Any]:
        found = sim.rollout(dict(zip(names, values, strict=True)), arrays=wanted)
        return [found[name] for name in wanted]

    def pull(*values: np.ndarray) -> list[Any]:
        params = dict(zip(names, values[: len(names)], strict=True))
        grad = sim.pull(params, dict(zip(wanted, values[len(names) :], strict=True)))
        return [grad[n].sum(axis=0) if grad[n].ndim > value.ndim else grad[n] for n, value in params.items()]

    @tf.custom_gradient
    def operation(*tensors: Any) -> Any:
        found = _call(forward, tensors, shapes.values(), [tensors[0].dtype] * len(wanted))

        def backward(*cotangents: Any) -> list[Any]:
            return _call(pull, (*tensors, *cotangents), [t.shape for t in tensors], [t.dtype for t in tensors])

        return tuple(found), backward

    return dict(zip(wanted, operation(*tensors), strict=True))


def step(stepper: Stepper, state: Any, action: Any, at: int = 0) -> tuple[Any, dict[str, Any]]:
    """The next state, and what is read of it.

    States may have any axes before the last: they are spread over the stepper's copies, so that as many states as there
    are copies take one call. Going back runs nothing again as long as the stepper has the call in memory
    (`Stepper.keep`); later it steps anew. Numbers of the scene are those that the stepper has.

    Args:
        stepper: what to step.
        state: (..., state_size).
        action: (..., action_size).
        at: number of the first step, for scenes that have a clock.

    Returns:
        (..., state_size), and a dictionary of ``(..., *shape)`` by name.
    """
    state, action = tf.convert_to_tensor(state), tf.convert_to_tensor(action)
    rows, names, lead = Rows(stepper), tuple(stepper.sensed), state.shape[:-1]
    shapes = [state.shape, *([*lead, *shape] for shape in stepper.sensed.values()), [*lead, 2]]

    def forward(state: np.ndarray, action: np.ndarray) -> list[Any]:
        following, sensed, where = rows.step(at, state, action)
        return [following, *sensed.values(), where]

    def pull(state: np.ndarray, action: np.ndarray, where: np.ndarray, *cotangents: np.ndarray) -> list[Any]:
        read = dict(zip(names, cotangents[1:], strict=True))
        return list(rows.pull(at, state, action, where, cotangents[0], read))

    @tf.custom_gradient
    def operation(state: Any, action: Any) -> Any:
        dtypes = [state.dtype] * (1 + len(names)) + [tf.int32]
        *found, where = _call(forward, (state, action), shapes, dtypes)

        def backward(*cotangents: Any) -> list[Any]:
            given = (state, action, where, *cotangents)
            return _call(pull, given, [state.shape, action.shape], [state.dtype, action.dtype])

        return tuple(found), backward

    following, *sensed = operation(state, action)
    return following, dict(zip(names, sensed, strict=True))


def _split(params: Tensors) -> tuple[tuple[str, ...], list[Any]]:
    return tuple(params), [tf.convert_to_tensor(value) for value in params.values()]


def _call(function: Callable[..., list[Any]], tensors: Iterable[Any], shapes: Iterable[Any], dtypes: list[Any]) -> Any:
    """Tensors of what a function of arrays gives."""

    def called(*given: Any) -> list[Any]:
        found = function(*(tensor.numpy() for tensor in given))
        return [tf.convert_to_tensor(np.asarray(v), d) for v, d in zip(found, dtypes, strict=True)]

    found = tf.py_function(called, list(tensors), dtypes)
    for tensor, shape in zip(found, shapes, strict=True):
        tensor.set_shape(shape)
    return found
