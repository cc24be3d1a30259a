"""What tests on Vulkan share: problems, their losses and gradients on a CPU, and how near to these a GPU comes."""

import dataclasses

import numpy as np
import pytest

import diffsim as ds
from diffsim.engine import runtime

from .. import examples
from ..benchmarks.scenes import scene

__all__ = ["ROUNDING", "assert_same", "body", "check", "errors", "needs_vulkan", "on_a_cpu", "on_vulkan"]

needs_vulkan = pytest.mark.skipif(
    "vulkan" not in runtime.available(),
    reason="there is no Vulkan device here: apt-get install mesa-vulkan-drivers libvulkan1 gives one",
)

# float32 has 6e-8 of a number. A step adds some tens of numbers and stiff springs and contacts carry an error on: after
# 20 steps, or 100 of balls that fly freely between impacts, the worst of thousands of sums was a hundred roundings
# away.
ROUNDING = 1e-5

COPIES = 64

ADJOINTS = {"full": ds.FullTape(), "segments": ds.Checkpointed(every=8)}


def body():
    """A frame that falls on ground with friction, and slides."""
    scene = ds.MassSpring(
        points=[[0.0, 0.133], [0.31, 0.121], [0.12, 0.44]],
        springs=[[0, 1], [0, 2], [1, 2]],
        stiffness=60.0,
        actuation=[0.2, 0.1, 0.0],
        initial_velocity=[[2.5, -1.2], [0.2, -1.1], [0.6, -0.4]],
        ground=ds.Ground(height=0.1, friction=0.4, restitution=0.6),
        dt=0.01,
    )
    return ds.Problem(scene, ds.Sine(), ds.Travel(), steps=20)


def discs():
    """One disc hits another, which is pinned to the world, and the floor."""
    scene = ds.RigidBodies(
        bodies=[
            ds.Disc((0.0, 0.111), 0.1, velocity=(1.5, -0.3), density=20.0, friction=0.4),
            ds.Disc((0.3, 0.17), 0.1, density=20.0),
        ],
        joints=[ds.Pin(1, None, at=(0.3, 0.2), motor=0.1)],
        obstacles=[ds.HalfPlane(friction=0.5)],
        iterations=3,
        dt=0.01,
    )
    tuned = ("scene.initial_velocity", "controller.*")
    return ds.Problem(scene, ds.OpenLoop(knots=4), ds.Travel(), steps=20, tune=tuned)


def cart():
    """A cart with a pole."""
    rail = ds.Joint("rail", "slide", axis=(1, 0, 0), damping=0.1)
    link = ds.Link("cart", joints=[rail], mass=1.0, inertia=(0.01, 0.01, 0.01))
    hinge = ds.Joint("hinge", axis=(0, 1, 0), damping=0.005)
    pole = ds.Link("pole", "cart", joints=[hinge], mass=0.2, centre=(0, 0, 0.3), inertia=(0.006, 0.006, 0.0001))
    motor = ds.Actuator.motor("rail", gear=10.0)
    scene = ds.Articulated([link, pole], [motor], initial_position=(0.0, 0.5), contacts=False, dt=0.01)
    return ds.Problem(scene, ds.OpenLoop(knots=4), ds.Upright("pole"), steps=20, tune=("controller.*",))


def walker():
    """The scene, with its network: kernels of 200 steps, which drivers may cut short."""
    return dataclasses.replace(scene("mass_spring_walker").problem(), steps=200)


def billiards():
    """The scene: within 100 steps a fast ball hits the others, and these each other."""
    return dataclasses.replace(scene("billiards").problem(), steps=100)


def example(kind, name, controller=None, goal=None):
    """A scene of the conformance tests, whose numbers are tuned: twelve steps."""
    made = examples.SCENES[kind][name]()
    tuned = ("scene.*",) if controller is None else ("*",)
    return ds.Problem(made, controller, goal(made), steps=examples.STEPS, tune=tuned)


def picture(scene):
    return next(iter(examples.OBJECTIVES[ds.MatchPicture].values()))(scene)


def refraction(scene):
    return next(iter(examples.OBJECTIVES[ds.MatchRefraction].values()))(scene)


PROBLEMS = {
    "body": body,
    "discs": discs,
    "cart": cart,
    "walker": walker,
    "billiards": billiards,
    "charges": lambda: example(ds.Charges, "ring", ds.Sine(), lambda scene: ds.ReachTarget((0.3, 0.1, 0.2), point=1)),
    "smoke": lambda: example(ds.Smoke, "draught", goal=picture),
    "water": lambda: example(ds.Water, "pond", ds.Sine(), goal=refraction),
    "matter": lambda: example(ds.MaterialPoints, "matter", ds.Sine(), lambda scene: ds.Travel()),
    "volume": lambda: example(ds.Volume, "ghost", goal=picture),
}

STARTS = {"billiards": {"scene.initial_velocity[0]": np.array([5.0, 0.1])}}


def copies_of(name):
    """Parameters of all copies, which differ by a percent."""
    problem, rng = PROBLEMS[name](), np.random.default_rng(3)
    start = {key: problem.pick(key, problem.numbers(1)) for key in problem.tuned} | STARTS.get(name, {})
    return {key: value * rng.uniform(0.99, 1.01, (COPIES, *np.shape(value))) for key, value in start.items()}


def on_a_cpu(name, precision="f32"):
    """Parameters, losses and gradients of all copies of a problem; no simulation stays open."""
    params = copies_of(name)
    with ds.Simulation(PROBLEMS[name](), envs=COPIES, shared=False, precision=precision) as sim:
        return params, *sim.value_and_grad(params)


def on_vulkan(name, executor, adjoint, envs, params):
    """Losses and gradients of the first copies; a second rollout gives the same, in one thread to the bit.

    In `wide` threads add to one number in any order.
    """
    own = {key: value[:envs] for key, value in params.items()}
    settings = {"executor": executor, "adjoint": ADJOINTS[adjoint], "envs": envs}
    with ds.Simulation(PROBLEMS[name](), device="vulkan", shared=False, **settings) as sim:
        found, gradient = sim.value_and_grad(own)
        again = sim.value(own)
        assert np.array_equal(found, again) if executor == "fused" else np.allclose(found, again, rtol=1e-5, atol=1e-7)
    return found, gradient


def errors(grads, expected):
    """Of each copy, the largest difference of any two entries, relative to its largest entry."""
    assert grads.keys() == expected.keys()
    parts = [np.reshape([grads[name], value], (2, len(value), -1)) for name, value in expected.items()]
    found, wanted = np.concatenate(parts, axis=2)
    return np.abs(found - wanted).max(axis=1) / np.abs(wanted).max(axis=1)


def assert_same(losses, grads, expected_losses, expected_grads):
    """Up to rounding, relative to the largest entry: others are sums in which parts of that size cancel."""
    assert np.abs(losses - expected_losses).max() <= ROUNDING * np.abs(expected_losses).max()
    assert grads.keys() == expected_grads.keys()
    scale = max(np.abs(value).max() for value in expected_grads.values())
    assert scale > 0.0
    for name, value in expected_grads.items():
        assert np.abs(grads[name] - value).max() <= 10.0 * ROUNDING * scale, name


def check(name, executor, adjoint, envs, expected):
    """Losses and gradients of the first copies are those of the CPU."""
    params, losses, grads = expected
    found = on_vulkan(name, executor, adjoint, envs, params)
    assert_same(*found, losses[:envs], {key: value[:envs] for key, value in grads.items()})
