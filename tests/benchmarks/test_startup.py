"""CPU time of commands that only print, beside commit 03ac1a8 in the same run."""

import os
import resource
import statistics
import subprocess
import sys

import pytest

from .test_ready import BASE, ROOT, base  # noqa: F401  (a fixture)

pytestmark = pytest.mark.bench


def cpu(tree, words):
    """Median of five runs [s]."""
    took = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        subprocess.run([sys.executable, "-m", "diffsim", *words], cwd=tree, env=environment, stdout=-3, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        took.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return statistics.median(took)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["run", "--help"]], ids=" ".join)
def test_what_only_prints(words, base):  # noqa: F811
    now = cpu(ROOT, words)
    print(f"\ndiffsim {' '.join(words)}: {now:.2f} s of CPU", end="")
    if base is not None:
        print(f", at {BASE} {cpu(base, words):.2f} s")
