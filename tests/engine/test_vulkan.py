"""The kernels of a GPU, on Vulkan: a card where there is one, else Mesa's software driver, which any machine can have.

Losses and gradients are compared with those of the CPU, in float32. Closing one device's simulations and making others
on another is part of it, so that all tests here share one process.
"""

import numpy as np
import pytest

import diffsim as ds
from diffsim.engine import devices, executors, runtime

pytestmark = pytest.mark.skipif(
    "vulkan" not in runtime.available(),
    reason="there is no Vulkan device here: apt-get install mesa-vulkan-drivers libvulkan1 gives one",
)

# float32 has 6e-8 of a number. A step adds some tens of numbers and stiff springs and contacts carry an error on: after
# the steps here, of which there are 20, the worst of thousands of sums was a hundred roundings away.
ROUNDING = 1e-5

COPIES = 64


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
    """A cart with a pole, seen by a network."""
    rail = ds.Joint("rail", "slide", axis=(1, 0, 0), damping=0.1)
    link = ds.Link("cart", joints=[rail], mass=1.0, inertia=(0.01, 0.01, 0.01))
    hinge = ds.Joint("hinge", axis=(0, 1, 0), damping=0.005)
    pole = ds.Link("pole", "cart", joints=[hinge], mass=0.2, centre=(0, 0, 0.3), inertia=(0.006, 0.006, 0.0001))
    motor = ds.Actuator.motor("rail", gear=10.0)
    scene = ds.Articulated([link, pole], [motor], initial_position=(0.0, 0.5), contacts=False, dt=0.01)
    controller = ds.MLP(hidden=4, sines=2, frequency=3.0)
    return ds.Problem(scene, controller, ds.Upright("pole"), steps=20, tune=("controller.*",))


PROBLEMS = {"mass_spring": body, "rigid_bodies": discs, "articulated": cart}

ADJOINTS = {"full": ds.FullTape(), "segments": ds.Checkpointed(every=8)}  # of 8, 8 and 4 steps

# Each is compiled anew. "auto" takes both executors off the CPU.
CASES = [
    ("mass_spring", "fused", "full", 1),
    ("mass_spring", "fused", "segments", 64),
    ("mass_spring", "wide", "segments", 4),
    ("rigid_bodies", "fused", "segments", 4),
    ("rigid_bodies", "wide", "full", 1),
    ("articulated", "fused", "full", 64),
    ("articulated", "wide", "full", 1),
]


def copies_of(problem):
    """Parameters of all copies, which differ by a percent."""
    rng = np.random.default_rng(3)
    start = {name: value for name, value in problem.numbers(1).items() if name in problem.tuned}
    return {n: v * rng.uniform(0.99, 1.01, (COPIES, *v.shape)) for n, v in start.items()}


@pytest.fixture(scope="module")
def on_a_cpu():
    """Losses and gradients of all copies of each problem; no simulation stays open."""
    found = {}
    for name, make in PROBLEMS.items():
        params = copies_of(make())
        with ds.Simulation(make(), envs=COPIES, shared=False) as sim:
            found[name] = (params, *sim.value_and_grad(params))
    return found


def assert_same(losses, grads, expected_losses, expected_grads):
    """Up to rounding, relative to the largest entry: the others are sums in which parts of that size cancel."""
    assert np.abs(losses - expected_losses).max() <= ROUNDING * np.abs(expected_losses).max()
    assert grads.keys() == expected_grads.keys()
    scale = max(np.abs(value).max() for value in expected_grads.values())
    assert scale > 0.0
    for name, value in expected_grads.items():
        assert np.abs(grads[name] - value).max() <= 10.0 * ROUNDING * scale, name


@pytest.mark.parametrize(("name", "executor", "adjoint", "envs"), CASES)
def test_loss_and_gradient_are_those_of_a_cpu(monkeypatch, on_a_cpu, name, executor, adjoint, envs):
    if name != "mass_spring":
        monkeypatch.setattr(executors, "_UNROLL", 1)  # four steps in a kernel of `wide` compile for minutes
    params, losses, grads = on_a_cpu[name]
    own = {n: v[:envs] for n, v in params.items()}
    settings = {"executor": executor, "adjoint": ADJOINTS[adjoint], "envs": envs}
    with ds.Simulation(PROBLEMS[name](), device="vulkan", shared=False, **settings) as sim:
        found, gradient = sim.value_and_grad(own)
        again = sim.value(own)
    assert np.array_equal(found, again)
    assert_same(found, gradient, losses[:envs], {n: v[:envs] for n, v in grads.items()})


# A rollout knows that it ended


def long_body():
    """More steps than the turns that Mesa's driver makes in a thread, even where it unrolls what is inside."""
    scene = ds.MassSpring(
        points=[[0.0, 0.1], [0.1, 0.1]], springs=[[0, 1]], stiffness=300.0, damping=2.0, ground=ds.Ground(), dt=0.004
    )
    return ds.Problem(scene, None, ds.Travel(), steps=70_000, tune=("scene.initial_velocity", "scene.stiffness"))


def is_mesa():
    """Whether the device is one that stops after 65,535 turns."""
    return "llvmpipe" in devices.name_of_vulkan()


def test_long_rollouts_are_cut_into_launches_and_a_stopped_one_is_an_error(monkeypatch):
    with ds.Simulation(long_body()) as sim:
        params = sim.params()
        loss, grad = sim.value_and_grad(params)
    with ds.Simulation(long_body(), device="vulkan") as sim:
        assert sim.executor == "fused"
        found, gradient = sim.value_and_grad(params)
        assert_same(np.array([found]), gradient, np.array([loss]), grad)
        assert sim.value(params) == found
        if is_mesa():
            monkeypatch.setattr(executors, "_LOOPS", 10**9)
            for run in (sim.value, sim.value_and_grad, sim.rollout):
                with pytest.raises(ds.DeviceError, match=r"came to step \d+, of steps 0 to 70000.*executor='wide'"):
                    run(params)
            monkeypatch.undo()
        assert sim.value_and_grad(params)[0] == found  # nothing of it is left


# What a device cannot do, and several devices in one process


def test_float64_is_said_to_be_missing_before_anything_starts(monkeypatch):
    monkeypatch.setattr(runtime, "attach", None)  # nobody comes so far
    for device in ("vulkan", "metal"):
        with pytest.raises(ds.DeviceError, match=f"no functions of float64 on '{device}'; use precision='f32'"):
            ds.Simulation(body(), device=device, precision="f64")


def test_memory_that_does_not_suffice_is_said_with_the_arithmetic():
    assert devices.memory_of("vulkan") > 2**28
    with pytest.raises(ds.DeviceError, match=r"needs .* on 'vulkan', where there are .*: 10000000 copies x 21 rows x"):
        ds.Simulation(body(), device="vulkan", envs=10_000_000)


def test_devices_take_turns_in_one_process():
    with ds.Simulation(body()) as sim:
        params = sim.params(seed=1)
        before = sim.value(params)
        with pytest.raises(ds.DeviceError, match="alive on 'cpu'"):
            ds.Simulation(body(), device="vulkan")
    with ds.Simulation(body(), device="vulkan") as sim:
        assert sim.value(params) == pytest.approx(before, rel=ROUNDING)
        with pytest.raises(ds.DeviceError, match="alive on 'vulkan'"):
            ds.Simulation(body())
        with pytest.raises(ds.InputError, match="executor='staged' is for device='cpu'"):
            ds.Simulation(body(), device="vulkan", executor="staged")
        assert sim.value(params) == pytest.approx(before, rel=ROUNDING)
    with ds.Simulation(body()) as sim:
        assert sim.value(params) == before
