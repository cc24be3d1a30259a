"""Simulations that tests share, and how tests are spread over processes."""

import os
from functools import partial
from pathlib import Path
from types import MethodType

import pytest

# Nobody compiles in the background, but where that is tested: it would take the cores from the other tests.
os.environ["DIFFSIM_BACKGROUND"] = "0"

# Sharing


@pytest.fixture(scope="module")
def keep():
    """Makes simulations that stay open until the module is done: ``keep(problem, precision="f64")``.

    Who asks for the same problem with the same settings again is given the same simulation, also by way of `again`:
    to run one takes milliseconds, to compile it seconds. Not for tests of compiling or closing.
    """
    from diffsim.simulation import Simulation

    kept = []

    def find(problem, settings, make):
        for own, others, simulation in kept:
            if own == problem and others == settings:
                return simulation
        made = make()
        made.close = lambda: None
        made.again = partial(again, problem, settings, MethodType(type(made).again, made))
        kept.append((problem, settings, made))
        return made

    def again(problem, settings, make, **changes):
        return find(problem, {**settings, **changes}, partial(make, **changes))

    def simulate(problem, **settings):
        defaults = {"device": "cpu", "precision": "f32", "envs": 1, "shared": True, "record": "usual"}
        return find(problem, {**defaults, **settings}, lambda: Simulation(problem, **settings))

    yield simulate
    for *_, simulation in kept:
        type(simulation).close(simulation)


# On request


LATE = (
    ("test_conformance.py", "crowd", ""),
    ("test_conformance.py", "linked", "test_right_gradients_raise_no_alarm"),
    ("test_conformance.py", "linked", "test_wrong_gradients_are_found"),
    ("test_conformance.py", "linked", "test_environments_with_parameters_of_their_own_are_single_runs_bit_for_bit"),
    ("test_conformance.py", "linked", "test_shared_environments_average_over_their_initial_states"),
    ("articulated/test_motion.py", "humanoid", ""),
    ("articulated/test_adhesion.py", "implicitfast", "test_what_sticks_does_as_in_mujoco"),
    ("articulated/test_mujoco_law.py", "elliptic", "test_gradients_of_other_cones_and_integrators"),
    ("articulated/test_twisting.py", "staged-rk4", "test_gradients_agree_with_differences"),
    ("articulated/test_joint_losses.py", "RK4", "test_gradients_agree_with_differences"),
    ("articulated/test_strings.py", "RK4", "test_gradients_agree_with_differences"),
    ("test_discs_without_friction.py", "0.8", "test_the_gradient_of_a_head_on_impact"),
)
"""On request: file, how the parameters begin, and the test, or all. Each compiles for long; others show the same."""


def is_late(item):
    """Whether a test is on request by `LATE`."""
    name, _, params = item.name.partition("[")
    return any(is_file(item, file) and params.startswith(begin) and test in ("", name) for file, begin, test in LATE)


def is_file(item, file):
    """Whether a test stands in a file, given by its name with or without its folder."""
    return item.path.as_posix().endswith(f"/{file}")


def length(item):
    """Where a test's file stands among those that take long."""
    return next((k for k, file in enumerate(LONG) if is_file(item, file)), len(LONG))


@pytest.hookimpl(tryfirst=True)  # before -m is looked at
def pytest_collection_modifyitems(config, items):
    """Long ones first; and what is marked `bench` on request only: `make bench`, or any call whose -m names it."""
    for item in filter(is_late, items):
        item.add_marker(pytest.mark.bench)
    items.sort(key=length)
    if "bench" in config.getoption("markexpr"):
        return
    asked_not = [item for item in items if item.get_closest_marker("bench")]
    items[:] = [item for item in items if not item.get_closest_marker("bench")]
    if asked_not:
        config.hook.pytest_deselected(items=asked_not)


# Spreading. Tests of a group run in one process, one after the other; a group is a file, but for two.

LONG = (
    "test_scenes.py",
    "test_conformance.py",
    "engine/test_vulkan_rigid_bodies.py",
    "engine/test_vulkan.py",
    "articulated/test_gradients.py",
    "articulated/test_motion.py",
    "rigid_bodies/test_closed_forms.py",
    "rigid_bodies/test_many.py",
    "rigid_bodies/test_stacks.py",
    "articulated/test_compliant_contact.py",
    "test_estimators.py",
    "test_check.py",
    "test_docs.py",
    "test_traps.py",
    "test_smoothing.py",
    "test_health.py",
    "test_adjoint.py",
    "mass_spring/test_flight_and_contact.py",
    "test_truncated.py",
)
"""Files that take long, the longest first: begun last, one would keep the others waiting."""

SCENES = {path.stem for path in (Path(__file__).parents[1] / "scenes").glob("*.py")}

SCENE_OF = {
    "test_the_stiffness_is_found": "identify_springs",
    "test_double_precision_and_no_video": "soft_throw",
    "test_friction_and_restitution_are_found": "identify_friction",
    "test_the_block_rests_in_the_bin": "catapult",
}
"""Tests of `test_scenes.py` that look at the run of a scene without having it as a parameter."""


def group(nodeid):
    """The group of a test: its file and, where each test is of one scene or problem, which."""
    file, _, test = nodeid.partition("::")
    name, _, params = test.removesuffix("]").partition("[")
    part = ""
    if file.endswith("test_scenes.py"):
        part = params if params in SCENES else SCENE_OF.get(name, "")
    elif file.endswith("test_conformance.py"):  # its problems are named after their parts, "air, steps, travel"
        part = next((param for param in params.split("-") if ", " in param), "")
    return f"{file} {part}".strip()


@pytest.hookimpl(optionalhook=True)  # there may be no xdist
def pytest_xdist_make_scheduler(config, log):
    """Groups instead of files. Not by xdist's own marks of groups: of version 3.8 they have no effect in pytest 9.2."""
    if config.getvalue("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadScopeScheduling

    class Groups(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return group(nodeid)

    config.option.loadscopereorder = False  # in the order of collection, not those of many tests first
    return Groups(config, log)
