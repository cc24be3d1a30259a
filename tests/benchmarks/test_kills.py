"""A run killed at any moment goes on to the very same numbers: 50 random moments, real processes, SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from diffsim.tuning import load_history, load_run

pytestmark = [pytest.mark.bench, pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")]

SCENE = Path(__file__).parents[2] / "scenes" / "mass_spring_walker.py"
KILLS = int(os.environ.get("DIFFSIM_KILLS", "50"))


def started(folder: Path, *flags: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, str(SCENE), "--iterations", "300", "--no-video", "--output", str(folder), *flags]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, said = process.communicate(timeout=300)
    assert process.returncode == 0, said.decode()


def timeless(history):
    return [{**record, "seconds": 0.0, "compiling": 0.0} for record in history]


def test_killed_at_random_moments(tmp_path):
    finish(started(tmp_path / "warm"))  # Taichi's cache
    began = time.monotonic()
    finish(started(tmp_path / "whole"))
    took = time.monotonic() - began
    whole = load_run(tmp_path / "whole")
    rng = np.random.default_rng(0)
    counts = []
    for k in range(KILLS):
        folder = tmp_path / str(k)
        process = started(folder)
        time.sleep(rng.uniform(0.0, took))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        path = folder / "history.jsonl"
        counts.append(len(load_history(path)) if path.exists() else 0)
        finish(started(folder, "--resume"))
        run = load_run(folder)
        np.testing.assert_equal(timeless(run.history), timeless(whole.history))
        np.testing.assert_equal(run.params, whole.params)
        np.testing.assert_equal(run.last_params, whole.last_params)
        assert list(run.rollouts) == list(whole.rollouts)
        for iteration, rollout in run.rollouts.items():
            np.testing.assert_equal(rollout.arrays, whole.rollouts[iteration].arrays)
        left = sorted(path.name for path in folder.iterdir())
        assert left == sorted(path.name for path in (tmp_path / "whole").iterdir())
    print(f"\n{KILLS} of {KILLS} killed runs ended with the same numbers; a run takes {took:.1f} s")
    print(f"records on disk when killed: {sorted(counts)}")
