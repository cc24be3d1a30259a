"""What each scene script finds with its defaults, beside commit 03ac1a8: the best loss of each seed.

``SCENES=hopper,ant`` chooses scenes, ``SEEDS=0,1000,2000`` seeds; ``LEARNING_CACHE=FOLDER`` keeps what both compile. A
loss of `Travel` counts from where a body starts; it did from the world's origin.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from .test_ready import BASE, ROOT, base

__all__ = ["base"]

pytestmark = pytest.mark.bench

SCENES = (
    "mass_spring_walker",
    "soft_throw",
    "catapult",
    "voxel_walker",
    "rigid_walker",
    "billiards",
    "bank_shot",
    "arm_reach",
    "cartpole_swingup",
    "half_cheetah",
    "hopper",
    "ant",
)
SEEDS = os.environ.get("SEEDS", "0,1000,2000").split(",")


def best(tree: Path, name: str, seed: str, folder: Path) -> float:
    """The best loss of a scene script of that tree."""
    run = folder / f"{tree.name}-{name}-{seed}"
    environment = {
        **os.environ,
        "PYTHONPATH": str(tree),
        "TI_OFFLINE_CACHE": "1",
        "TI_OFFLINE_CACHE_FILE_PATH": str(Path(os.environ.get("LEARNING_CACHE", folder)) / tree.name),
    }
    script = [sys.executable, str(tree / "scenes" / f"{name}.py"), "--seed", seed, "--no-video", "--output", str(run)]
    done = subprocess.run(script, cwd=tree, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return min(json.loads(line)["best"] for line in (run / "history.jsonl").read_text().splitlines())


@pytest.mark.parametrize("name", os.environ["SCENES"].split(",") if "SCENES" in os.environ else SCENES)
def test_best_loss(name: str, base: Path | None, tmp_path: Path) -> None:
    for title, tree in (("now", ROOT), (BASE, base)):
        if tree is not None:
            losses = [best(tree, name, seed, tmp_path) for seed in SEEDS]
            print(f"\n{name}, {title}: {', '.join(f'{loss:.4g}' for loss in losses)}", end="", flush=True)
