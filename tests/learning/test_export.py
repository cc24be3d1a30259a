"""Policies for other programs give the same actuations, and their contract says what goes in."""

from __future__ import annotations

import csv
import json
import subprocess
import sysconfig
from dataclasses import replace
from shutil import which

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

from .. import examples
from .cart import POLICY, cart

pytest.importorskip("mujoco", reason='MuJoCo is not installed: pip install "diffsim[robots]"')

COMPILER = which((sysconfig.get_config_var("CC") or "cc").split()[0]) or which("cc")


@pytest.fixture(params=["elu", "tanh"])
def policy(request):
    """A problem with two hidden layers, and parameters."""
    network = ds.MLP(hidden=(7, 5), sines=0, activation=request.param, scale=2.0)
    problem = ds.Problem(cart().scene, network, steps=5)
    return problem, {name: value for name, value in problem.numbers(3).items() if name in problem.tuned}


def vectors(folder, problem):
    """Observations and actuations of the file."""
    with open(folder / "vectors.csv", newline="") as file:
        titles, *rows = csv.reader(file)
    table = np.array(rows, float)
    assert len(titles) == table.shape[1]
    return np.split(table, [problem.scene.observations], axis=1)


def test_the_vectors_are_the_policys(policy, tmp_path):
    problem, params = policy
    ds.export_policy(problem, params, tmp_path, "c")
    observations, actuations = vectors(tmp_path, problem)
    np.testing.assert_array_equal(problem.act(params, observations), actuations)
    assert np.ptp(actuations) > 0.5


def test_the_contract_says_what_goes_in_and_comes_out(policy, tmp_path):
    problem, params = policy
    ds.export_policy(problem, params, tmp_path, "c")
    contract = json.loads((tmp_path / "contract.json").read_text())
    names = [(each["name"], each["unit"]) for each in contract["inputs"]]
    assert names == [
        ("position of slide", "m"),
        ("sine of hinge", "1"),
        ("cosine of hinge", "1"),
        ("velocity of slide", "10 m/s"),
        ("velocity of hinge", "10 rad/s"),
    ]
    assert contract["rate_hz"] == pytest.approx(50.0)
    assert contract["outputs"] == [{"name": "push", "least": -1.0, "most": 1.0, "control_at_-1_0_1": [-1.0, 0.0, 1.0]}]


@pytest.mark.parametrize("name", ["monoped", "quadruped"])
def test_there_is_a_name_for_each_observation(name):
    for scene in (made := examples.SCENES[ds.Articulated][name](), replace(made, feels=False)):
        assert len(scene.observation_names) == scene.observations
        assert len(set(scene.observation_names)) == scene.observations


@pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
def test_the_c_file_compiles_alone(policy, tmp_path):
    """Without a warning, and gives the same to 1e-6; with a weight that is another it says so."""
    problem, params = policy
    written = ds.export_policy(problem, params, tmp_path, "c")
    assert [path.name for path in written] == ["policy.c", "contract.json", "vectors.csv"]
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    source = tmp_path / "policy.c"

    def test():
        built = [COMPILER, *strict, "-DPOLICY_TEST", str(source), "-o", str(tmp_path / "test"), "-lm"]
        subprocess.run(built, check=True, capture_output=True)
        return subprocess.run([tmp_path / "test"], capture_output=True, text=True, check=False)

    subprocess.run([COMPILER, *strict, "-c", source, "-o", tmp_path / "policy.o"], check=True, capture_output=True)
    done = test()
    assert done.returncode == 0, done.stdout
    assert float(done.stdout.split()[2]) < 1e-12
    bias = repr(float(params["controller.b3"][0]))
    source.write_text(source.read_text().replace(f"b3[1] = {{{bias}}}", "b3[1] = {0.25}"))
    assert test().returncode == 1


def test_pytorch_gives_the_same(policy, tmp_path):
    torch = pytest.importorskip("torch", reason='PyTorch is not installed: pip install "torch==2.13.0"')
    problem, params = policy
    ds.export_policy(problem, params, tmp_path, "torch")
    observations, actuations = vectors(tmp_path, problem)
    held = {"contract.json": ""}
    loaded = torch.export.load(tmp_path / "policy.pt2", extra_files=held).module()
    found = loaded(torch.tensor(observations, dtype=torch.float32))
    np.testing.assert_allclose(found.detach(), actuations, rtol=0.0, atol=1e-6)
    assert json.loads(held["contract.json"])["rate_hz"] == pytest.approx(50.0)


def test_onnx_gives_the_same(policy, tmp_path):
    onnx = pytest.importorskip("onnx", reason='onnx is not installed: pip install "diffsim[onnx]"')
    from onnx.reference import ReferenceEvaluator

    problem, params = policy
    ds.export_policy(problem, params, tmp_path, "onnx")
    observations, actuations = vectors(tmp_path, problem)
    model = onnx.load(tmp_path / "policy.onnx")
    (found,) = ReferenceEvaluator(model).run(None, {"observation": observations.astype(np.float32)})
    np.testing.assert_allclose(found, actuations, rtol=0.0, atol=1e-6)
    held = {each.key: each.value for each in model.metadata_props}
    assert len(json.loads(held["contract"])["inputs"]) == problem.scene.observations


def test_what_is_no_policy_is_said(tmp_path):
    problem = ds.Problem(cart().scene, ds.MLP(hidden=3), steps=5)
    params = {name: value for name, value in problem.numbers().items() if name in problem.tuned}
    with pytest.raises(InputError, match="sees an observation and nothing else"):
        ds.export_policy(problem, params, tmp_path, "c")
    with pytest.raises(InputError, match="'js', but it must be one of 'c', 'onnx', 'torch'"):
        ds.export_policy(replace(problem, controller=POLICY), params, tmp_path, "js")
    assert not list(tmp_path.iterdir())
