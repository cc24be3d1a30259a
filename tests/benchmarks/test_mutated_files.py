"""A thousand robot files with one thing changed: an error that names the element, or finite numbers.

On request: ``pytest tests/benchmarks/test_mutated_files.py -m bench -s -n 0``. It takes some ten seconds.
"""

from collections import Counter

import pytest

from .. import gymnasium_robots as gym
from .mutated_files import MODELS, examine, mutants

pytestmark = pytest.mark.bench

COUNT = 700
"""Of each format."""


@pytest.mark.parametrize("kind", MODELS)
def test_what_is_changed_is_refused_by_name_or_loads(kind):
    pytest.importorskip("mujoco")
    assert examine(kind, MODELS[kind]) == "loads"
    found: Counter[str] = Counter()
    with gym.quiet():
        for text in mutants(MODELS[kind], COUNT, seed=0):
            found[examine(kind, text)] += 1
    print(f"\n{kind}: {dict(found)}")
    assert set(found) <= {"loads", "refused"}
    assert found["loads"] > 0.2 * COUNT
    assert found["refused"] > 0.2 * COUNT
