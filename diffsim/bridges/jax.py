"""JAX: simulations and steppers as functions with a VJP, in `jit`, `grad`, `vmap` and `scan`.

They are callbacks: XLA hands arrays to Python, and the numbers are computed on the CPU in the precision of the
simulation. Give simulation and stepper by a closure: ``jax.grad(lambda params: ds.jax.value(sim, params))``.

Reverse mode only, of first order: `jax.jvp`, `jax.jacfwd` and derivatives of derivatives are errors of JAX's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from diffsim.bridges.packages import needed
from diffsim.bridges.rows import Rows
from diffsim.simulation import Simulation
from diffsim.stepper import Stepper

jax: Any = needed("jax", "ds.jax", "jax")
jnp: Any = needed("jax.numpy", "ds.jax", "jax")

__all__ = ["rollout", "step", "value"]

Arrays = Mapping[str, Any]


def value(sim: Simulation, params: Arrays) -> Any:
    """The loss of a rollout, () or (envs,) if the copies have parameters of their own.

    With a gradient it is worked out together with that, in one launch. `jax.vmap` runs one after the other: copies in
    one launch are those of a simulation with ``shared=False``.

    Args:
        sim: with an objective.
        params: arrays by name, shaped as the simulation takes them.
    """
    return _value(sim, dict(params))


def rollout(sim: Simulation, params: Arrays, arrays: str | Iterable[str] = "position") -> dict[str, Any]:
    """Arrays of a rollout, by name. Its reverse runs the rollout again. `jax.vmap` runs one after the other.

    Args:
        sim: with or without an objective.
        params: arrays by name, shaped as the simulation takes them.
        arrays: which, as `Simulation.rollout` names and shapes them: (rows, elements[, width]), with an axis of copies
            before them if there are several.
    """
    found: dict[str, Any] = _rollout(sim, (arrays,) if isinstance(arrays, str) else tuple(arrays), dict(params))
    return found


def step(stepper: Stepper, state: Any, action: Any, at: int = 0) -> tuple[Any, dict[str, Any]]:
    """The next state, and what is read of it.

    States may have any axes before the last, of which `jax.vmap` adds some: they are spread over the stepper's copies,
    so that as many states as there are copies take one call. Going back runs nothing again as long as the stepper has
    the call in memory (`Stepper.keep`); later it steps anew. Numbers of the scene are those that the stepper has.

    Args:
        stepper: what to step.
        state: (..., state_size).
        action: (..., action_size).
        at: number of the first step, for scenes that have a clock.

    Returns:
        (..., state_size), and a dictionary of ``(..., *shape)`` by name.
    """
    following, sensed, _ = _step(stepper, at, state, action)
    return following, sensed


def _call(function: Callable[..., Any], like: Any, *arguments: Any, together: bool = False) -> Any:
    """A callback that gives arrays like these; it is given NumPy's."""

    def called(*given: Any) -> Any:
        found = function(*jax.tree.map(np.asarray, given))
        return jax.tree.map(lambda value, kind: np.asarray(value, kind.dtype), found, like)

    return jax.pure_callback(called, like, *arguments, vmap_method="broadcast_all" if together else "sequential")


def _type_of(params: dict[str, Any]) -> Any:
    return jnp.result_type(*params.values())


def _kind(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype)


def _kinds(params: dict[str, Any]) -> Any:
    """Of a gradient."""
    return {name: _kind(jnp.shape(value), jnp.result_type(value)) for name, value in params.items()}


def _gradient(grad: dict[str, np.ndarray], params: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Shaped like the parameters: of those that all copies were given it is the sum over them."""
    return {n: grad[n].sum(axis=0) if grad[n].ndim > np.ndim(value) else grad[n] for n, value in params.items()}


# The loss


@functools.partial(jax.custom_vjp, nondiff_argnums=(0,))
def _value(sim: Simulation, params: dict[str, Any]) -> Any:
    return _call(sim.value, _kind(() if sim.shared else (sim.envs,), _type_of(params)), params)


def _value_forward(sim: Simulation, params: dict[str, Any]) -> tuple[Any, Any]:
    shape, dtype = (() if sim.shared else (sim.envs,)), _type_of(params)
    grads = {name: _kind(start.shape, dtype) for name, start in sim.params().items()}
    loss, grad = _call(sim.value_and_grad, (_kind(shape, dtype), grads), params)
    return loss, (grad, params)


def _value_backward(sim: Simulation, kept: Any, cotangent: Any) -> Any:
    grad, params = kept
    found = {}
    for name, value in params.items():
        share = cotangent.reshape(cotangent.shape + (1,) * (grad[name].ndim - cotangent.ndim)) * grad[name]
        found[name] = (share.sum(axis=0) if share.ndim > jnp.ndim(value) else share).astype(jnp.result_type(value))
    return (found,)


_value.defvjp(_value_forward, _value_backward)


# Rollouts


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _rollout(sim: Simulation, arrays: tuple[str, ...], params: dict[str, Any]) -> Any:
    shapes = sim.shapes(arrays)
    like = {name: _kind(shape, _type_of(params)) for name, shape in shapes.items()}
    return _call(lambda given: {name: sim.rollout(given, arrays=arrays)[name] for name in arrays}, like, params)


def _rollout_forward(sim: Simulation, arrays: tuple[str, ...], params: dict[str, Any]) -> tuple[Any, Any]:
    return _rollout(sim, arrays, params), params


def _rollout_backward(sim: Simulation, arrays: tuple[str, ...], params: Any, cotangents: Any) -> Any:
    def pull(given: Any, cotangents: Any) -> Any:
        return _gradient(sim.pull(given, cotangents), given)

    return (_call(pull, _kinds(params), params, cotangents),)


_rollout.defvjp(_rollout_forward, _rollout_backward)


# Steps


@functools.partial(jax.custom_vjp, nondiff_argnums=(0, 1))
def _step(stepper: Stepper, at: int, state: Any, action: Any) -> Any:
    lead, dtype = jnp.shape(state)[:-1], jnp.result_type(state)
    sensed = {name: _kind((*lead, *shape), dtype) for name, shape in stepper.sensed.items()}
    like = (_kind((*lead, stepper.state_size), dtype), sensed, _kind((*lead, 2), jnp.int32))
    return _call(functools.partial(Rows(stepper).step, at), like, state, action, together=True)


def _step_forward(stepper: Stepper, at: int, state: Any, action: Any) -> tuple[Any, Any]:
    found = _step(stepper, at, state, action)
    return found, (state, action, found[2])


def _step_backward(stepper: Stepper, at: int, kept: Any, cotangents: Any) -> Any:
    state, action, where = kept
    like = tuple(_kind(jnp.shape(each), jnp.result_type(each)) for each in (state, action))
    pull = functools.partial(Rows(stepper).pull, at)
    return _call(pull, like, state, action, where, *cotangents[:2], together=True)


_step.defvjp(_step_forward, _step_backward)
