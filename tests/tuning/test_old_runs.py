"""Folders that earlier versions wrote are still runs: they load, simulate to what they say, are drawn and go on."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import diffsim as ds
from diffsim.tuning.earlier import as_now

OLD = Path(__file__).parents[1] / "old_runs"
RUNS = sorted(path.parent for path in OLD.glob("*/*/problem.json"))
IDS = [str(path.relative_to(OLD)) for path in RUNS]

# A loss in float32, of some 60 steps and some 100 numbers added up, in another order perhaps: 6e-8 for each, and the
# factor that a pendulum makes of it.
ROUNDING = 1e-5


@pytest.fixture(params=RUNS, ids=IDS)
def folder(request, tmp_path):
    """A copy, which tests may write to."""
    return Path(shutil.copytree(request.param, tmp_path / request.param.name))


def script_of(folder):
    return next(OLD.glob(f"*/{folder.name}.py"))


def test_there_are_runs_of_every_kind_of_physics_of_the_first_version():
    found = {json.loads((folder / "problem.json").read_text())["problem"]["scene"]["type"] for folder in RUNS}
    assert found >= {"MassSpring", "RigidBodies", "Articulated"}


def test_the_problem_is_the_one_that_its_script_describes(folder):
    spec = importlib.util.spec_from_file_location("script", script_of(folder))
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    # As version 0.1.0 understood it: `Travel` from the world's origin, actuations without a limit, contacts set in over
    # a millimetre.
    written = json.loads(json.dumps(script.problem().to_dict()))
    if "touch_depth" in written["scene"]:
        written["scene"]["touch_depth"] = 1e-3
    then = as_now({"format": 1, "problem": written})
    if "saturate" in (then["controller"] or {}):
        then["controller"]["saturate"] = False
    assert ds.load_run(folder).problem == ds.Problem.from_dict(then)


MENDED = {"crank": 1e-3, "worm": 1e-3}
"""Runs of what is computed better now, and by how much of a metre or radian, and of their losses, they differ: passes
left joints open by that much, which are solved at once now, and what is too deep is pushed apart after them; what
forces do to points after they land was left out of that step."""

LEARNS_OTHERWISE = ("worm",)
"""Runs whose losses go apart by more than that from one iteration to the next: contact is chaotic."""


@pytest.mark.parametrize("version", [1, 2])
def test_contacts_of_robots_are_as_soft_as_they_were(version):
    """Of what says nothing, the mass of all that hangs together over (0.02 s)^2, critical damping of the link's own."""
    foot = ds.Geom("foot", "sphere", 0.1)
    own = ds.Geom("own", "sphere", 0.1, stiffness=7.0, damping=0.5)
    links = [
        ds.Link("trunk", joints=ds.Joint("root", "free"), mass=3.0, inertia=(0.1,) * 3, geoms=own),
        ds.Link("leg", "trunk", joints=ds.Joint("hip"), mass=1.0, inertia=(0.1,) * 3, geoms=foot),
    ]
    problem = ds.Problem(ds.Articulated(links, geoms=ds.Geom("floor", "plane")), steps=4).to_dict()
    for about in (problem["scene"], *(geom for link in problem["scene"]["links"] for geom in link["geoms"])):
        for name in ("touch_depth", "solref", "solimp", "solmix"):
            about.pop(name, None)
    numbers = ds.Problem.from_dict(as_now({"format": version, "problem": problem})).scene.numbers()
    assert numbers["touch_depth"] == 1e-3
    assert numbers["contact_stiffness"] == pytest.approx([0.0, 7.0, 4.0 / 0.02**2], rel=1e-12)
    assert numbers["contact_damping"] == pytest.approx([0.0, 0.5, 2.0 * 100.0], rel=1e-12)


def test_losses_and_trajectories_are_those_that_were_written(folder, keep):
    run = ds.load_run(folder)
    assert len(run.history) == 4
    simulation = keep(run.problem, **{**run.options, "envs": 1, "shared": True})
    assert simulation.value(run.params) == pytest.approx(run.best_loss, rel=MENDED.get(folder.name, ROUNDING))
    kept = run.rollouts[run.best_iteration]
    again = simulation.rollout(kept.params)
    for name, value in kept.arrays.items():
        near = MENDED.get(folder.name, ROUNDING) * max(1.0, np.abs(value).max())
        np.testing.assert_allclose(again[name], value, rtol=0, atol=near)


def test_it_loads_in_a_process_that_has_imported_nothing_else(folder):
    code = (
        f"from diffsim.tuning import load_run; run = load_run({str(folder)!r}); print(type(run.problem.scene).__name__)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == type(ds.load_run(folder).problem.scene).__name__


def test_it_is_reported(folder):
    run = ds.load_run(folder)
    page = ds.write_report(
        folder / "report.html", rollouts=list(run.rollouts.items()), history=run.history, about=run.about
    )
    assert f"{run.best_loss:.4g}".replace("-", "−") in page.read_text(encoding="utf-8")


def test_it_goes_on_in_the_units_that_it_had(folder, keep):
    run = ds.load_run(folder)
    sim = keep(run.problem, **run.options)
    settings = {"iterations": 6, "progress": False, "optimizer": ds.Adam(0.02)}
    result = ds.tune(sim, run=ds.Run(folder), resume=True, **settings)
    assert [record["loss"] for record in result.history[:4]] == [record["loss"] for record in run.history]
    assert len(result.history) == 6
    assert result.best_loss <= run.best_loss
    assert set(result.units.values()) == {1.0}  # version 0.1.0 knew no others where none were given
    assert ds.load_run(folder).about["settings"]["units"] == result.units
    whole = ds.tune(sim, scale={"*": 1.0}, **settings)
    if folder.name not in LEARNS_OTHERWISE:
        near = MENDED.get(folder.name, 10 * ROUNDING)
        np.testing.assert_allclose(*([r["loss"] for r in each.history] for each in (result, whole)), rtol=near)
    again = ds.tune(sim, run=ds.Run(folder), resume=True, **{**settings, "iterations": 7})
    assert (again.units, len(again.history)) == (result.units, 7)


def test_bounds_that_bound_nothing_are_left_out_with_a_warning(tmp_path, keep):
    """Version 0.1.0 took bounds for what is not tuned, and kept to them nowhere."""
    folder = Path(shutil.copytree(next(path for path in RUNS if path.name == "worm"), tmp_path / "worm"))
    about = json.loads((folder / "problem.json").read_text())
    about["problem"]["bounds"]["scene.mass"] = [0.1, 1.0]
    (folder / "problem.json").write_text(json.dumps(about))
    with pytest.warns(UserWarning, match=r"worm has bounds for 'scene.mass', which it does not tune: left out"):
        run = ds.load_run(folder)
    assert run.problem.bounds == {"scene.stiffness": (100.0, None)}
    with pytest.warns(UserWarning, match=r"'scene.mass'"):
        assert ds.load_problem(folder) == run.problem
    settings = {"iterations": 5, "progress": False, "optimizer": ds.Adam(0.02)}
    with pytest.warns(UserWarning, match=r"'scene.mass'"):
        result = ds.tune(keep(run.problem, **run.options), run=ds.Run(folder), resume=True, **settings)
    assert len(result.history) == 5
    assert ds.load_run(folder).problem == run.problem  # now without a warning
