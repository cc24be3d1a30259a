"""``--check`` of every scene, as a user runs it: how long it takes, and that it agrees in every tuned parameter."""

import subprocess
import sys
import time

import pytest

from .scenes import SCENES, scene

# Over its two seconds the ant's gradient is chaotic, 1e6 where it is 55 over one: a foot that lands within 1e-10 of the
# parameters moves the loss, and differences cannot tell.
FLAGS = {"ant": ["--seconds", "1"]}


@pytest.mark.bench
@pytest.mark.filterwarnings("ignore:load_mjcf left out")
@pytest.mark.parametrize("path", SCENES, ids=lambda path: path.stem)
def test_every_tuned_parameter_agrees(path, tmp_path, monkeypatch):
    monkeypatch.setenv("TI_OFFLINE_CACHE_FILE_PATH", str(tmp_path / "cache"))  # nothing compiled before
    seconds = []
    for _ in range(2):
        begun = time.perf_counter()
        command = [sys.executable, path, "--check", *FLAGS.get(path.stem, [])]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        seconds.append(time.perf_counter() - begun)
        assert done.returncode == 0, done.stdout + done.stderr
    rows = [line for line in done.stdout.splitlines()[1:] if not line.startswith(" ")]
    assert [row.split("  ")[0] for row in rows if not row.startswith("all parameters")] == [
        *scene(path.stem).problem().tuned
    ]
    assert all(row.endswith("  agrees") for row in rows)
    print(f"\n{path.stem}: {seconds[0]:.0f} s, {seconds[1]:.0f} s with kernels from the cache, {len(rows)} rows agree")
