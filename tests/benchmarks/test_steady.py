"""How fast gradients are once everything is compiled, beside commit 03ac1a8: both take turns, CPU time, medians; and
the least of all calls, which says what a quiet machine would where others use the same caches and memory.

``STEADY=walker:1,half_cheetah:16`` chooses rows, ``STEADY_CACHE=FOLDER`` keeps what both compile: the old commit takes
minutes for a row of a robot.
"""

import os
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from .test_ready import BASE, ROOT, base

__all__ = ["base"]

pytestmark = pytest.mark.bench

CASES = ("walker", "large_walker", "rigid_walker", "billiards", "half_cheetah", "ant", "hopper")
COPIES = (1, 4, 16, 64)
TURNS = 9


class Racer:
    """A process that works out gradients when it is asked to."""

    def __init__(self, tree: Path, case: str, copies: int, cache: Path):
        environment = {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(tree), str(Path(__file__).parent)]),
            "TI_OFFLINE_CACHE": "1",
            "TI_OFFLINE_CACHE_FILE_PATH": str(cache),
        }
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("steady.py")), case, str(copies)],
            cwd=tree,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> "Racer":
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def turn(self) -> tuple[float, float]:
        """CPU seconds of a loss with its gradient, in the mean and of the fastest call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(file=self._process.stdin, flush=True)
        mean, least = map(float, self._process.stdout.readline().split())
        return mean, least


ROWS = os.environ["STEADY"].split(",") if "STEADY" in os.environ else [f"{c}:{n}" for c in CASES for n in COPIES]


@pytest.mark.parametrize("row", ROWS)
def test_gradients_per_second(row, base, tmp_path):
    case, copies = row.split(":")
    assert base is not None, "READY_BASE=0 leaves nothing to compare with"
    folder = Path(os.environ.get("STEADY_CACHE", tmp_path))
    with ExitStack() as stack:
        racers = [stack.enter_context(Racer(tree, case, copies, folder / tree.name)) for tree in (ROOT, base)]
        taken = [[racer.turn() for racer in racers] for _ in range(TURNS)]
    print(f"\n{case}, {copies} copies")
    for name, k, of in (("median", 0, statistics.median), ("least", 1, min)):
        now, then = (1e3 * of([turn[k] for turn in turns]) for turns in zip(*taken, strict=True))
        print(f"{name}: {now:.2f} ms, at {BASE} {then:.2f} ms, ratio {now / then:.2f}")
