"""Machine code of our own: the same bits as Taichi's, found again by its fingerprint, and only by the right one."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine import native, runtime
from diffsim.engine.fingerprint import Unknown, fingerprint
from tests.engine.test_staged import Owner, chain

pytest.importorskip("llvmlite")

FACTOR = 2.0
TABLE = np.array([1.0, 2.0])
HELD: object = None


def doubled(x, by=2):
    return by * x * FACTOR


@ti.func
def inner(x):
    return x * FACTOR


@ti.func
def outer(x):
    return inner(x) + ti.static(doubled(3)) + TABLE[0]


@ti.func
def odd(x):
    return x + ti.static(HELD.number)


@dataclass
class Held:
    number: int


class Record:
    factor = 3.0

    def number(self):
        return self.factor


@pytest.fixture(autouse=True)
def started():
    runtime.attach(owner := Owner(), "cpu")
    yield
    runtime.detach(owner)


def others(x):
    return 7 * x


@ti.func
def other_inner(x):
    return x


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("FACTOR", 2.5),  # of functions that are called, in Taichi and in Python
        ("TABLE", np.array([1.0, 2.5])),
        ("doubled", others),
        ("inner", other_inner),
    ],
)
def test_what_a_function_refers_to_is_in_its_fingerprint(name, changed, monkeypatch):
    before = fingerprint(outer)
    assert fingerprint(outer) == before
    monkeypatch.setitem(globals(), name, changed)
    assert fingerprint(outer) != before
    monkeypatch.undo()
    assert fingerprint(outer) == before


def test_defaults_methods_closures_and_settings_are_too(monkeypatch):
    before, of_record = fingerprint(outer), fingerprint(Record())
    monkeypatch.setattr(doubled, "__defaults__", (3,))
    assert fingerprint(outer) != before
    monkeypatch.setattr(Record, "factor", 4.0)
    assert fingerprint(Record()) != of_record
    of_record = fingerprint(Record())
    monkeypatch.setattr(Record, "number", lambda self: 1.0)
    assert fingerprint(Record()) != of_record

    def closed(power):
        @ti.func
        def found(x):
            return x**power

        return found

    assert fingerprint(closed(2)) == fingerprint(closed(2)) != fingerprint(closed(3))
    with runtime.precision("f32"):
        single = fingerprint(inner)
    with runtime.precision("f64"):
        assert fingerprint(inner) != single


def test_what_cannot_be_told_has_none(monkeypatch):
    monkeypatch.setitem(globals(), "HELD", sys)  # a module, handed around
    with pytest.raises(Unknown):
        fingerprint(HELD)
    monkeypatch.setitem(globals(), "HELD", object())
    with pytest.raises(Unknown):
        fingerprint(odd)
    assert native.name_of(odd) is None
    monkeypatch.setitem(globals(), "HELD", Held(2))
    two = fingerprint(odd)
    monkeypatch.setitem(globals(), "HELD", Held(3))
    assert fingerprint(odd) != two


SCRIPT = """
import hashlib, sys
import numpy as np
import diffsim as ds
from diffsim.engine import native, staged
from tests.engine.test_staged import chain

read = []
own = staged.kernel
staged.kernel = lambda *a, **k: read.append(1) or own(*a, **k)
with ds.Simulation(chain(4), executor="staged") as simulation:
    loss, grad = simulation.value_and_grad(simulation.params(0))
assert all(isinstance(one, native.Native) for one in staged._known._found.values()) or not native.available()
print(len(read), hashlib.sha256(b"".join(grad[name].tobytes() for name in sorted(grad))).hexdigest())
"""


def test_another_process_reads_nothing_and_damage_is_mended(tmp_path):
    def run(**more):
        done = subprocess.run(
            [sys.executable, "-c", SCRIPT],
            cwd=Path(__file__).parents[2],
            env={**os.environ, "TI_OFFLINE_CACHE_FILE_PATH": str(tmp_path), "TI_OFFLINE_CACHE": "1", **more},
            capture_output=True,
            text=True,
            check=True,
        )
        count, bits = done.stdout.split()[-2:]
        return int(count), bits

    first, bits = run()
    assert first > 0
    files = sorted((tmp_path / "diffsim").iterdir())
    assert len(files) >= first
    assert run() == (0, bits)
    files[0].write_bytes(files[0].read_bytes()[:-7])  # as of a process that was killed, or a full disk
    files[1].write_bytes(b"")
    files[2].write_bytes(files[3].read_bytes())  # whole, but of another kernel
    assert run() == (3, bits)
    assert run() == (0, bits)
    assert run(DIFFSIM_NATIVE="0") == (first, bits)


@pytest.mark.parametrize(
    "settings",
    [{}, {"envs": 3, "shared": False, "precision": "f64"}, {"adjoint": ds.Truncated(3)}],
    ids=["plain", "copies", "windows"],
)
def test_kernels_made_again_with_their_numbers_have_the_same_bits(monkeypatch, settings):
    made = []
    own = native.Native.sharp
    monkeypatch.setattr(native.Native, "sharp", lambda *given: made.append(given[0].symbol) or own(*given))
    with ds.Simulation(chain(4), executor="staged", **settings) as plain:
        expected = plain.value_and_grad(plain.params(0))
        assert not made
        monkeypatch.setattr(native, "_SHARPENING", 0.0)
        with ds.Simulation(chain(4), executor="staged", **settings) as sharp:
            for _ in range(3):  # the first makes them
                loss, grad = sharp.value_and_grad(plain.params(0))
                assert np.array_equal(loss, expected[0])
                assert all(np.array_equal(grad[name], expected[1][name]) for name in grad)
            count = len(made)
            assert count > 0
            sharp.value_and_grad(plain.params(1))
            assert len(made) == count
        again = plain.value_and_grad(plain.params(0))  # with the kernels that serve all sizes
    assert np.array_equal(again[0], expected[0])


def test_numbers_of_one_size_are_not_used_for_another(monkeypatch):
    monkeypatch.setattr(native, "_SHARPENING", 0.0)
    for points in (3, 6, 3):
        with ds.Simulation(chain(points), executor="staged") as sharp:
            found = [sharp.value_and_grad(sharp.params(0))[1] for _ in range(3)]
        with ds.Simulation(chain(points), executor="fused") as fused:
            expected = fused.value_and_grad(fused.params(0))[1]
        assert all(np.array_equal(grad[name], expected[name]) for grad in found for name in expected)


OWN = """
from dataclasses import dataclass
import diffsim as ds
import taichi as ti
from diffsim.engine import native, staged
from tests.engine.test_staged import chain

@dataclass(frozen=True, eq=False, repr=False)
class Height(ds.Objective):
    reads = "centre"
    height: float = ds.tunable(unit="m")
    weight: float = 1.0

    @ti.func
    def formula(goal: ti.template(), env, row, step, element):
        off = goal.centre[env, row, 0][1] - goal.height[env, 0]
        return {formula}

known = chain(3)
problem = ds.Problem(known.scene, known.controller, Height(0.3), steps=5, tune=("objective.*", "scene.stiffness"))
read, own = [], staged.kernel
staged.kernel = lambda *a, **k: read.append(1) or own(*a, **k)
grads = []
for executor in ("auto", "fused"):
    with ds.Simulation(problem, executor=executor) as simulation:
        grads.append(simulation.value_and_grad(simulation.params(0))[1])
assert all(grads[0][name].tobytes() == grads[1][name].tobytes() for name in grads[1])
assert all(isinstance(one, native.Native) for one in staged._known._found.values())
print(len(read), float(grads[0]["objective.height"]))
"""


def test_classes_of_the_script_that_is_run_are_served_as_well(tmp_path):
    script = tmp_path / "own.py"
    folder = Path(__file__).parents[2]
    given = {"TI_OFFLINE_CACHE_FILE_PATH": str(tmp_path), "TI_OFFLINE_CACHE": "1", "PYTHONPATH": str(folder)}

    def run(formula):
        script.write_text(OWN.replace("{formula}", formula))
        command, environment = [sys.executable, str(script)], {**os.environ, **given}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        count, slope = done.stdout.split()[-2:]
        return int(count), float(slope)

    first, slope = run("off * off")
    assert first > 0
    assert run("off * off") == (0, slope)
    changed, other = run("2.0 * off * off")  # what was changed in the script is noticed, and nothing else is read
    assert 0 < changed < first
    assert other == pytest.approx(2.0 * slope, rel=1e-6)


def test_what_is_fetched_ahead_of_its_step(monkeypatch):
    short, long = np.zeros((2, 3000, 8), np.float32), np.zeros((2, 3000, 600), np.float32)
    many = [short.copy() for _ in range(native._FEW + 1)]
    assert native.fetched(many[1:] * 2) == []  # few arrays, each counted once
    assert native.fetched([rows[:, :9] for rows in many]) == []  # all of a copy stays near
    assert native.fetched([*many, long]) == [(rows.ctypes.data, 3000 * 32, 32, 32) for rows in many]
    problem, found = chain(6), []
    for few in (native._FEW, 0):
        monkeypatch.setattr(native, "_FEW", few)
        monkeypatch.setattr(native, "_NEAR", 0)
        with ds.Simulation(problem, envs=3) as simulation:
            found.append(simulation.value_and_grad(simulation.params(0)))
    (loss, grad), (same, gradient) = found
    assert loss == same
    assert all(np.array_equal(grad[name], gradient[name]) for name in grad)
