"""The wait before the first gradient, beside that of commit 03ac1a8 in the same run, as its scenes were then.

Each case runs in processes of its own: with an empty cache of kernels, and with what that left in it.
``READY=case,case`` chooses cases, ``READY_BASE=0`` leaves the old commit away, which takes most of the time,
``READY_COMMIT=...`` puts another one in its place,
``READY_HELPERS=1`` lets helpers compile on idle cores, whose CPU time counts.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

ROOT = Path(__file__).parents[2]
BASE = os.environ.get("READY_COMMIT", "03ac1a8")
LIMIT = 400.0  # s of wall time, after which a case is given up
CASES = (
    "mass_spring_walker",
    "rigid_walker",
    "billiards",
    "half_cheetah",
    "ant",
    "hopper",
    "humanoid",
    "quadruped",
    "arm",
    "chain",
)


@pytest.fixture(scope="module")
def base():
    """A worktree of the old commit; None if it is not wanted."""
    if os.environ.get("READY_BASE") == "0":
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "base"
        git = ["git", "-C", str(ROOT), "worktree"]
        subprocess.run([*git, "add", "--detach", str(tree), BASE], check=True, capture_output=True)
        try:
            yield tree
        finally:
            subprocess.run([*git, "remove", "--force", str(tree)], check=True, capture_output=True)


def measured(case: str, tree: Path, cache: str) -> dict | None:
    """What one process found; None if it was given up."""
    path = os.pathsep.join(filter(None, [str(tree), os.environ.get("PYTHONPATH")]))
    environment = {
        **os.environ,
        "PYTHONPATH": path,
        "TI_OFFLINE_CACHE": "1",
        "TI_OFFLINE_CACHE_FILE_PATH": cache,
        "DIFFSIM_BACKGROUND": os.environ.get("READY_HELPERS", "0"),
    }
    script = [sys.executable, str(Path(__file__).with_name("ready.py")), case]
    try:
        done = subprocess.run(
            script, cwd=tree, env=environment, capture_output=True, text=True, timeout=LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


def shown(found: dict | None) -> str:
    return f"given up after {LIMIT:.0f} s" if found is None else f"{found['cpu']:.1f} / {found['wall']:.1f} s"


@pytest.mark.parametrize("case", os.environ["READY"].split(",") if "READY" in os.environ else CASES)
def test_first_gradient(case, base):
    print(f"\n{case}, CPU / wall")
    for name, tree in (("now", ROOT), (BASE, base)):
        if tree is None:
            continue
        with tempfile.TemporaryDirectory() as cache:
            empty = measured(case, tree, cache)
            full = None if empty is None else measured(case, tree, cache)
        print(f"  {name}: empty cache {shown(empty)}, from the cache {shown(full)}")
        for what, other in (empty or {}).get("others", {}).items():
            print(f"    then, in the same process, {what}: {shown(other)}")
