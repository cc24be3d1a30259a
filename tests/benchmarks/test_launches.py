"""What one launch per rollout buys: diffsim against the same stages launched from Python, step by step.

Four ways to run robots A and C with their network; only how stages are launched differs. "a launch per stage" is what a
Taichi script does. Two kinder versions go without Taichi's thread pool, whose hand-over costs more than a small
stage; of those, one launches 5 kernels a step, as many as DiffTaichi's mass_spring.py.
"""

from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import pytest

import diffsim as ds

from . import launch_per_stage
from .robots import problem_of_robot
from .scenes import scene
from .timing import compare, race

pytestmark = pytest.mark.bench

SCRIPTS = {
    "a launch per stage": {},
    "a launch per stage, no threads": {"serial": True},
    "5 launches a step, no threads": {"kernels": 5, "serial": True},
}

# Share of the gradient's norm. Both add the same numbers in the same order, the losses are the same to the bit; only
# sums of a few terms inside a stage's derivative are ordered differently: measured up to 2e-5, with gradients that have
# grown to 5,000 over the steps.
AGREEMENT = 1e-3

LIVELY = 4.0  # times the starting weights: the robots then hop and stumble instead of standing


@pytest.mark.parametrize(("robot", "target"), [("A", ">= 40"), ("C", ">= 30")])
def test_fused_rollout_against_launches(robot: str, target: str) -> None:
    against_launches(robot, target, problem_of_robot(robot), SCRIPTS)


@pytest.mark.parametrize("robot", ["A", "B", "Leg"])
def test_fused_rollout_of_rigid_bodies_against_launches(robot: str) -> None:
    """The robots of scenes/rigid_walker.py as they are there: what is compared is how stages are launched."""
    scripts = {name: SCRIPTS[name] for name in ("a launch per stage", "a launch per stage, no threads")}
    against_launches(f"{robot} of rigid bodies", ">= 40", scene("rigid_walker").problem(robot), scripts)


def against_launches(robot: str, target: str, problem: ds.Problem, choices: dict[str, dict[str, Any]]) -> None:
    with ExitStack() as stack:
        fused = stack.enter_context(ds.Simulation(problem))
        scripts = {}
        for name, chosen in choices.items():
            with launch_per_stage.executor(**chosen):
                scripts[name] = stack.enter_context(ds.Simulation(problem))
        params = {name: LIVELY * values for name, values in fused.params(seed=1).items()}
        loss, grad = fused.value_and_grad(params)
        print(f"\nrobot {robot}, {problem.steps} steps, network of {sum(v.size for v in params.values()):,} weights")
        for name, script in scripts.items():
            other_loss, other_grad = script.value_and_grad(params)
            apart = np.linalg.norm(flat(other_grad) - flat(grad)) / np.linalg.norm(flat(grad))
            count = launch_per_stage.launches_per_step(script)
            off = abs(other_loss - loss)
            print(f"{name} ({count} a step, forward): loss off by {off:.1e}, gradient by {apart:.1e}")
            assert other_loss == pytest.approx(loss, rel=1e-5)
            assert apart <= AGREEMENT
        laps = race(
            {
                "diffsim": partial(fused.value_and_grad, params),
                **{name: partial(script.value_and_grad, params) for name, script in scripts.items()},
            },
            title=f"robot {robot}",
            repeats=7,
        )
    for name in choices:
        compare(laps, name, "diffsim", target)


def flat(gradient: dict[str, np.ndarray]) -> np.ndarray:
    return np.concatenate([values.ravel() for values in gradient.values()])
