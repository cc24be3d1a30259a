"""Simulations that tests share, and how tests are spread over processes."""

from functools import partial
from types import MethodType

import pytest

# Sharing


@pytest.fixture(scope="module")
def keep():
    """Makes simulations that stay open until the module is done: ``keep(problem, precision="f64")``.

    Who asks for the same problem with the same settings again is given the same simulation, also by way of `again`:
    to run one takes milliseconds, to compile it seconds. Not for tests of compiling or closing.
    """
    import diffsim as ds  # starts Taichi, which those who only collect tests need not wait for

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
        return find(problem, {**defaults, **settings}, lambda: ds.Simulation(problem, **settings))

    yield simulate
    for *_, simulation in kept:
        type(simulation).close(simulation)


# Spreading. Tests of a group run in one process, one after the other; a group is a file, but for two.

LONG = (
    "test_scenes.py",
    "test_conformance.py",
    "test_estimators.py",
    "test_health.py",
    "test_check.py",
    "test_docs.py",
    "test_traps.py",
    "test_smoothing.py",
    "test_truncated.py",
    "test_adjoint.py",
    "test_flight_and_contact.py",
)
"""Files that take long, the longest first: begun last, one would keep the others waiting."""

SCENE_OF = {"test_the_stiffness_is_found": "identify_springs", "test_double_precision_and_no_video": "soft_throw"}
"""Tests of `test_scenes.py` that look at the run of a scene without having it as a parameter."""


def group(item):
    """The name of a test's group: its file and, where each test is of one of several, which."""
    file = item.path.name
    folder = item.path.parent.name
    params = item.callspec.params if hasattr(item, "callspec") else {}
    part = ""
    if file == "test_conformance.py":
        part = str(params.get("bench", ""))
    elif file == "test_scenes.py":
        part = params["path"].stem if "path" in params else SCENE_OF.get(item.name, "")
    return " ".join(filter(None, (folder, file, part)))


def pytest_configure(config):
    """Without xdist its mark means nothing, but is there."""
    if not config.pluginmanager.hasplugin("xdist"):
        config.addinivalue_line("markers", "xdist_group(name): tests that run in one process")


@pytest.hookimpl(tryfirst=True)  # xdist reads the marks in the same hook
def pytest_collection_modifyitems(items):
    """Mark each test with its group, and put long ones first."""
    for item in items:
        item.add_marker(pytest.mark.xdist_group(group(item)))
    items.sort(key=lambda item: LONG.index(item.path.name) if item.path.name in LONG else len(LONG))
