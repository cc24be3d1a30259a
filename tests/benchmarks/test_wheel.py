"""The built wheel in a fresh virtual environment without extras: a scene of one's own, outside of the checkout."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.bench

ROOT = Path(__file__).parents[2]

SCENE = '''
"""A worm that crawls."""
import diffsim as ds

def problem(stiffness: float = 500.0) -> ds.Problem:
    body = ds.grid((4, 1), spacing=0.1, origin=(0.0, 0.05))
    scene = ds.MassSpring(body.points, body.springs, stiffness, actuation=0.1, ground=ds.Ground(), dt=0.005)
    return ds.Problem(scene, ds.Sine(), ds.Travel(), steps=100)
'''


def test_a_scene_elsewhere_from_the_wheel_alone(tmp_path):
    def run(*words):
        return subprocess.run([str(word) for word in words], cwd=tmp_path, capture_output=True, text=True, check=False)

    environment = tmp_path / "environment"
    assert run(sys.executable, "-m", "pip", "wheel", "--no-deps", "-w", tmp_path, ROOT).returncode == 0
    assert run(sys.executable, "-m", "venv", environment).returncode == 0
    (wheel,) = tmp_path.glob("*.whl")
    assert run(environment / "bin" / "pip", "install", wheel).returncode == 0
    (tmp_path / "worm.py").write_text(SCENE)
    diffsim = environment / "bin" / "diffsim"
    done = run(diffsim, "run", "worm.py", "--iterations", 10)
    assert done.returncode == 0, done.stderr
    assert "warning: there is no ffmpeg for an MP4" in done.stderr
    assert 'pip install "diffsim[video]"' in done.stderr
    left = sorted(os.listdir(tmp_path / "outputs" / "worm"))
    assert {"report.html", "optimisation.gif", "params.npz", "rollouts.npz"} <= set(left)
    assert "half_cheetah" in run(diffsim, "list").stdout
    refused = run(diffsim, "run", "half_cheetah")
    assert (refused.returncode, "Traceback" in refused.stderr) == (2, False)
    assert "pip install 'diffsim[robots]'" in refused.stderr
    assert run(diffsim, "run", "soft_throw", "--iterations", 3, "--no-video").returncode == 0
