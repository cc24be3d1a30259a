"""The check of gradients on every combination of the examples, twenty seeds each: no correct gradient may disagree.

Takes about ten minutes; `test_conformance` does the same for a few combinations.
"""

import itertools
from collections import Counter

import numpy as np
import pytest

import diffsim as ds

from .. import examples

pytestmark = pytest.mark.bench

SEEDS = 20


def variants(table):
    return [(name, make) for found in table.values() for name, make in found.items()]


def test_no_correct_gradient_disagrees():
    verdicts = Counter()
    tables = (examples.SCENES, examples.CONTROLLERS, examples.OBJECTIVES)
    for (_, scene), (_, controller), (_, objective) in itertools.product(*map(variants, tables)):
        made = scene()
        problem = ds.Problem(made, controller(made), objective(made), steps=examples.STEPS, tune=("*",))
        with ds.Simulation(problem, precision="f64") as simulation:
            for seed in range(SEEDS):
                rng = np.random.default_rng(seed)
                params = {n: v * rng.uniform(0.95, 1.05, v.shape) for n, v in simulation.params(seed).items()}
                for row in ds.check_gradients(simulation, params, seed=seed).checks:
                    verdicts[row.verdict] += 1
                    if row.verdict != "agrees":
                        print(row)
    print(dict(verdicts))
    assert verdicts["agrees"] > 0.999 * sum(verdicts.values())
