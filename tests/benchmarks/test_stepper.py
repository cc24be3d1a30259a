"""What a call costs: half-cheetah step by step and in short rollouts, from NumPy, PyTorch and JAX.

CPU time per call in microseconds, the least of some turns. "physics" is the same launches of machine code and nothing
else, over the same rows of memory; the rest is Python's, and copies of numbers in and out.
"""

from __future__ import annotations

import importlib.util
import itertools
import time
from collections.abc import Callable
from types import SimpleNamespace

import numpy as np
import pytest

import diffsim as ds

pytest.importorskip("gymnasium", reason="gymnasium has the robot")
pytestmark = pytest.mark.bench

COPIES = (1, 16, 64, 1024)
KEEP = 8  # calls in memory, which go round in turns
STEPS = 10  # of a short rollout

TURNS, SECONDS = 9, 0.05


def least(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """CPU time of each call [us]: the least of some turns, which they take one after the other."""
    found = dict.fromkeys(calls, np.inf)
    for turn in range(TURNS + 1):  # the first of them is not counted: something may compile
        for name, call in calls.items():
            count, began = 0, time.process_time()
            while (spent := time.process_time() - began) < SECONDS:
                call()
                count += 1
            if turn:
                found[name] = min(found[name], 1e6 * spent / count)
    return found


def robot() -> ds.Articulated:
    return ds.load_mjcf("gymnasium:envs/mujoco/assets/half_cheetah.xml")


def steps_of(stepper: ds.Stepper) -> dict[str, Callable[[], object]]:
    """A step, and a step with its pull: through NumPy, the physics alone, and through what is installed."""
    state, action = stepper.start(0, noise=1e-3), np.zeros((stepper.envs, stepper.action_size), stepper.dtype)
    _, ticket = stepper.step(state, action)
    ones = np.ones_like(state), {name: np.ones_like(value) for name, value in ticket.sensed.items()}
    stepper.pull(ticket, *ones)
    engine, slots = stepper._engine, itertools.cycle(range(KEEP))
    clock = engine._fields.clock.view

    def physics(reverse: bool) -> None:
        first = 1 + 2 * next(slots)
        engine._advance(clock, first, 0, 1, 1)
        engine._look(clock, first + 1, 1, 1, 1)
        if reverse:
            engine._look_back(clock, first + 1, 1, 1, -1)
            engine._advance_back(clock, first, 0, 1, -1)

    calls = {
        "step, physics": lambda: physics(False),
        "step": lambda: stepper.step(state, action),
        "step and pull, physics": lambda: physics(True),
        "step and pull": lambda: stepper.pull(stepper.step(state, action)[1], *ones),
    }
    if importlib.util.find_spec("torch"):
        import torch

        torch.set_num_threads(1)
        given = [torch.tensor(value, requires_grad=True) for value in (state, action)]

        def through_torch() -> None:
            following, sensed = ds.torch.step(stepper, *given)
            torch.autograd.backward([following, sensed["observation"]], [torch.from_numpy(ones[0]), seen])

        seen = torch.from_numpy(ones[1]["observation"])
        calls["step and pull, PyTorch"] = through_torch
    if importlib.util.find_spec("jax"):
        import jax

        def weighed(state: object, action: object) -> object:
            following, sensed = ds.jax.step(stepper, state, action)
            return following.sum() + sensed["observation"].sum()

        compiled = jax.jit(jax.grad(weighed, argnums=(0, 1)))
        calls["step and pull, JAX"] = lambda: jax.block_until_ready(compiled(state, action))
    return calls


@pytest.mark.parametrize("copies", COPIES)
def test_steps(copies: int) -> None:
    with ds.Stepper(robot(), envs=copies, reads="observation", keep=KEEP) as stepper:
        found = least(steps_of(stepper))
    print(f"\nhalf-cheetah, {copies} copies, 1 step of 1 substep [us per call]")
    for name, spent in found.items():
        print(f"  {name:<26} {spent:>10.1f}")
    both, physics = found["step and pull"], found["step and pull, physics"]
    print(f"  step and pull: physics and {both - physics:.1f} us, {100 * (1 - physics / both):.1f} % of it")
    if copies == 1:
        print(f"  target: physics and less than 60 us: {'met' if both - physics < 60.0 else 'MISSED'}")
    if copies == 64:
        print(f"  target: less than a tenth besides physics: {'met' if physics > 0.9 * both else 'MISSED'}")


@pytest.mark.parametrize("copies", COPIES)
def test_short_rollouts(copies: int) -> None:
    problem = ds.Problem(robot(), ds.OpenLoop(), ds.Travel(), steps=STEPS)
    with ds.Simulation(problem, envs=copies, shared=copies == 1, executor="staged") as sim:
        params = sim.params()
        calls = {
            "value_and_grad": lambda: sim.value_and_grad(params),
            "rollout": lambda: sim.rollout(params),
            "rollout of one array": lambda: sim.rollout(params, arrays="joint_position"),
            "pull": lambda: sim.pull(params, cotangents),
            "vjp and pullback": lambda: sim.vjp(params)[1](cotangents),
        }
        cotangents = {"joint_position": np.ones(sim.shapes("joint_position")["joint_position"])}
        given = SimpleNamespace(**params_in_libraries(params))
        if hasattr(given, "torch"):
            calls["value, PyTorch"] = lambda: ds.torch.value(sim, given.torch).sum().backward()
        if hasattr(given, "jax"):
            import jax

            compiled = jax.jit(jax.grad(lambda p: ds.jax.value(sim, p).sum()))
            calls["value, JAX"] = lambda: jax.block_until_ready(compiled(given.jax))
        found = least(calls)
    print(f"\nhalf-cheetah, {copies} copies, a rollout of {STEPS} steps [us per call]")
    for name, spent in found.items():
        print(f"  {name:<26} {spent:>10.1f}")


def params_in_libraries(params: dict[str, np.ndarray]) -> dict[str, object]:
    found: dict[str, object] = {}
    if importlib.util.find_spec("torch"):
        import torch

        found["torch"] = {name: torch.tensor(value, requires_grad=True) for name, value in params.items()}
    if importlib.util.find_spec("jax"):
        import jax.numpy as jnp

        found["jax"] = {name: jnp.asarray(value) for name, value in params.items()}
    return found
