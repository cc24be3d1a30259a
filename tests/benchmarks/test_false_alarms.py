"""The check of gradients on combinations of the examples, twenty seeds each: no correct gradient may disagree.

All combinations of mass-spring scenes, which takes about ten minutes; with rigid bodies, which take ten times longer to
compile, every controller once. `test_conformance` does the same for a few combinations, those of robots among them: one
of them compiles for minutes.
"""

import itertools
from collections import Counter

import numpy as np
import pytest

import diffsim as ds

from .. import examples

pytestmark = pytest.mark.bench

SEEDS = 20


def makers(table, leave_out=()):
    return [make for kind, found in table.items() if kind not in leave_out for make in found.values()]


def test_no_correct_gradient_disagrees():
    verdicts = Counter()
    controllers = list(enumerate(makers(examples.CONTROLLERS)))
    objectives = list(enumerate(makers(examples.OBJECTIVES, leave_out=examples.OF_ROBOTS)))
    scenes = makers(examples.SCENES, leave_out=[ds.Articulated])
    for scene, (k, controller), (i, objective) in itertools.product(scenes, controllers, objectives):
        made = scene()
        if isinstance(made, ds.RigidBodies) and k % len(objectives) != i:
            continue
        problem = ds.Problem(made, controller(made), objective(made), steps=examples.STEPS, tune=("*",))
        with ds.Simulation(problem, precision="f64") as simulation:
            for seed in range(SEEDS):
                rng = np.random.default_rng(seed)
                params = {n: v * rng.uniform(0.95, 1.05, v.shape) for n, v in simulation.params(seed).items()}
                for row in ds.check_gradients(simulation, params, seed=seed).checks:
                    verdicts["a contact switches" if "a contact switches" in row.note else row.verdict] += 1
                    if row.verdict != "agrees":
                        print(row)
    print(dict(verdicts))
    assert verdicts["agrees"] + verdicts["a contact switches"] > 0.999 * sum(verdicts.values())
