"""What policies earn, and how long it takes: the scenes that learn one, three seeds; and algorithms beside each other.

    pytest -m bench -n 0 -s tests/benchmarks/test_learn.py

Each run is a process of its own, so that compiling counts; SEEDS=0 takes one seed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .scenes import POLICIES, scene

pytestmark = pytest.mark.bench
pytest.importorskip("torch", reason='PyTorch is not installed: pip install "torch==2.13.0"')
pytest.importorskip("gymnasium", reason='gymnasium is not installed: pip install "diffsim[robots]"')

ROOT = Path(__file__).parents[2]
SEEDS = [int(word) for word in os.environ.get("SEEDS", "0,1,2").split(",")]

# Of gymnasium's reward in an episode. Measured: 4,700 and more with seeds 0 to 2, and 3,028 with seed 0
# (docs/benchmarks.md).
ENOUGH = {"half_cheetah_policy": 4000.0, "hopper_policy": 2000.0}

ONE = """
import importlib.util, json, sys, time
began = time.perf_counter(), time.process_time()
import diffsim as ds
spec = importlib.util.spec_from_file_location("scene", sys.argv[1])
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
settings = {**module.SETTINGS, **eval(sys.argv[3])}
found = ds.learn(module.task(), settings.pop("policy"), seed=int(sys.argv[2]), progress=False, **settings)
score = lambda each: None if each is None else [each.total, each.spread, each.steps]
print(json.dumps({
    "here": score(found.here),
    "mujoco": score(found.in_mujoco),
    "highest": max(record["diffsim"] for record in found.history if "diffsim" in record),
    "steps": found.history[-1]["env_steps"],
    "wall": time.perf_counter() - began[0],
    "cpu": time.process_time() - began[1],
}))
"""


def run(name, seed, changes="{}"):
    """What a scene finds with other settings than its own, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-c", ONE, str(ROOT / "scenes" / f"{name}.py"), str(seed), changes]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def line(name, found):
    there = "-" if found["mujoco"] is None else f"{found['mujoco'][0]:.0f} ± {found['mujoco'][1]:.0f}"
    print(
        f"{name:34} {found['here'][0]:7.0f} ± {found['here'][1]:<5.0f} {there:>14} {found['highest']:8.0f} "
        f"{found['steps']:9d} {found['cpu']:7.0f} {found['wall']:7.0f}"
    )


HEAD = f"\n{'':34} {'diffsim':>15} {'MuJoCo':>14} {'highest':>8} {'steps':>9} {'CPU s':>7} {'wall s':>7}"


@pytest.mark.parametrize("name", [path.stem for path in POLICIES])
def test_scenes_earn_what_is_said(name):
    """The policy that is best in MuJoCo, there and here; and the most that one earned here."""
    print(HEAD)
    for seed in SEEDS:
        found = run(name, seed)
        line(f"{name}, seed {seed}", found)
        assert found["here"][0] > ENOUGH[name]


def test_algorithms_beside_each_other():
    """The half-cheetah with as many steps of the physics each: gradients with a critic, without, and none."""
    settings = scene("half_cheetah_policy").SETTINGS
    steps = settings["iterations"] * settings["algorithm"].window * 64
    print(HEAD)
    found = {}
    for name, algorithm, iterations in (
        ("SHAC", "ds.SHAC(window=8)", steps // (8 * 64)),
        ("APG", "ds.APG(window=32)", steps // (32 * 64)),
        ("CMAES", "ds.CMAES(steps=200)", steps // (200 * 64)),
    ):
        changes = f"dict(algorithm={algorithm}, iterations={iterations}, judge_every={iterations // 8})"
        found[name] = run("half_cheetah_policy", 0, changes)
        line(name, found[name])
    assert found["SHAC"]["highest"] > max(found["APG"]["highest"], found["CMAES"]["highest"])
