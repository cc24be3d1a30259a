"""What the scenes of charges and of tomography learn with their defaults, in CPU time, beside DiffTaichi's scripts.

    python -m pytest -m bench -s -n 0 tests/benchmarks/test_charges_and_tomography.py

Its electric.py has a mean loss of 0.320 after 800 iterations; its volume_renderer.py, of a ring of 64 x 64 x 64 cells,
one of 0.00455 after three iterations of 32 s each.
"""

import time
from typing import Any

import numpy as np
import pytest

import diffsim as ds
from diffsim.paths import along

from .scenes import scene

pytestmark = pytest.mark.bench

UNSEEN = 256  # goals that nothing was trained on


def tuned(
    simulation: ds.Simulation, settings: dict[str, Any], goal: float, seed: int = 0
) -> tuple[ds.Result, float, float]:
    """With the CPU time until the loss was below the goal, and that of all iterations [s]; compiling is not counted."""
    simulation.value_and_grad(simulation.params(seed))
    start, reached = time.process_time(), []

    def look(record: dict[str, Any], params: dict[str, np.ndarray]) -> None:
        if record["loss"] < goal:
            reached.append(time.process_time() - start)

    sought = {name: value for name, value in settings.items() if name != "numbers"}
    result = ds.tune(simulation, **sought, seed=seed, callback=look, progress=False)
    return result, reached[0], time.process_time() - start


def as_electric_counts(rollout: ds.Rollout) -> float:
    """The loss of electric.py: the squared distance times the time step, added up over steps 1 to 511; their mean."""
    steps, dt = rollout.problem.steps, rollout.problem.scene.dt
    goals = [along(path, np.arange(1, steps) / steps)[0] for path in rollout.own["objective.path"]]
    return float(dt * np.sum(np.square(rollout.position[:, 1:steps, 0] - goals), axis=(1, 2)).mean())


def test_charges_follow_goals_that_they_were_not_trained_on() -> None:
    made, losses = scene("charges"), []
    problem, numbers = made.problem(), made.SETTINGS["numbers"]
    with (
        ds.Simulation(problem, envs=len(numbers["objective.path"]), numbers=numbers) as simulation,
        ds.Simulation(problem, envs=UNSEEN, numbers=made.copies(UNSEEN, seed=1)) as others,
    ):
        for seed in range(3):
            result, reached, took = tuned(simulation, made.SETTINGS, 0.2, seed)
            losses.append(as_electric_counts(others.rollout(result.best_params)))
            print(f"\nseed {seed}: below 0.20 in {reached:.1f} s, {losses[-1]:.4f} on unseen goals after {took:.1f} s")
    assert max(losses) < 0.2


def test_a_volume_is_found_from_seven_pictures() -> None:
    made = scene("tomography")
    with ds.Simulation(made.problem()) as simulation:
        result, reached, took = tuned(simulation, made.SETTINGS, 0.003)
    print(f"\nbelow 0.003 in {reached:.1f} s, {result.best_loss:.2e} after {took:.1f} s")
    assert result.best_loss < 0.003
