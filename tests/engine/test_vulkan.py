"""The kernels of a GPU, on Vulkan: a card where there is one, else Mesa's software driver, which any machine can have.

Losses and gradients are compared with those of the CPU, in float32. Closing one device's simulations and making others
on another is part of it, so that all tests here share one process.
"""

import functools
import os
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
import taichi as ti

import diffsim as ds
from diffsim.engine import devices, executors, fields, runtime

from .on_vulkan import ROUNDING, assert_same, body, check, errors, needs_vulkan, on_a_cpu, on_vulkan

pytestmark = needs_vulkan

reference = functools.cache(on_a_cpu)

# Each is compiled anew. "auto" takes both executors off the CPU.


@pytest.mark.parametrize(
    ("name", "executor", "adjoint", "envs"),
    [
        ("body", "fused", "segments", 4),
        ("body", "wide", "segments", 64),
        ("cart", "fused", "full", 64),
        pytest.param("cart", "wide", "segments", 4, marks=pytest.mark.bench),
    ],
)
def test_loss_and_gradient_are_those_of_a_cpu(name, executor, adjoint, envs):
    check(name, executor, adjoint, envs, reference(name))


@pytest.mark.parametrize(
    ("executor", "adjoint", "envs"),
    [
        pytest.param("fused", "full", 1, marks=pytest.mark.bench),
        ("fused", "full", 64),
        ("wide", "full", 1),
        ("wide", "segments", 64),
    ],
)
def test_a_walker_of_200_steps_is_that_of_a_cpu(executor, adjoint, envs):
    """Its feet stick and come off: where rounding makes it a step later, a gradient is another by some hundredths.

    So it is as near to a CPU's as that is to one in float64: of all copies no worse than four times, of one alone no
    worse than the worst. So are losses, of which all but those of a copy or two are the same to rounding.
    """
    params, losses, grads = reference("walker")
    _, exact, slopes = reference("walker", "f64")
    found, gradient = on_vulkan("walker", executor, adjoint, envs, params)
    own = errors(grads, slopes)
    assert np.median(own) < 5e-3
    off = np.abs(found - losses[:envs])
    assert np.quantile(off, 0.95) <= ROUNDING * np.abs(losses).max()
    assert off.max() <= 4.0 * np.abs(losses - exact).max()
    away = errors(gradient, {name: value[:envs] for name, value in grads.items()})
    assert np.median(away) < (own.max() if envs == 1 else 4.0 * np.median(own))


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


def test_memory_that_does_not_suffice_is_said_with_the_arithmetic(monkeypatch):
    assert devices.memory_of("vulkan") > 2**28
    with pytest.raises(ds.DeviceError, match=r"needs .* on 'vulkan', where there are .*: 10000000 copies x 21 rows x"):
        ds.Simulation(body(), device="vulkan", envs=10_000_000)
    monkeypatch.setattr(devices, "MOST_BYTES", 100_000)
    with pytest.raises(
        ds.DeviceError, match=r"an array .* needs .* one has no more than 100 kB; use at most"
    ) as caught:
        ds.Simulation(body(), device="vulkan", envs=1000)
    few = int(re.search(r"at most (\d+) copies", str(caught.value)).group(1))
    assert few > 1
    for device, envs in (("vulkan", few), ("cpu", 1000)):
        ds.Simulation(body(), device=device, envs=envs).close()
    monkeypatch.undo()
    monkeypatch.setattr(ti.FieldsBuilder, "finalize", refuse)
    with pytest.raises(ds.DeviceError, match=r"did not give the memory of this simulation, .* of rows and .* besides"):
        ds.Simulation(body(), device="vulkan")


def refuse(builder):
    raise RuntimeError("Failed to allocate root buffer")


def everything(sim):
    """All numbers that a simulation gives out."""
    params = sim.params(seed=1)
    rollout = sim.rollout(params)
    loss, grad = sim.value_and_grad(params)
    _, pullback = sim.vjp(params)
    weights = np.random.default_rng(2).normal(size=rollout.position.shape)
    return {
        "loss": loss,
        "growth": sim.adjoint_growth,
        **rollout.arrays,
        **{f"grad of {name}": value for name, value in grad.items()},
        **{f"pulled {name}": value for name, value in pullback({"position": weights}).items()},
        **{f"adjoint of {name}": value for name, value in sim.adjoints(params)[1].items()},
    }


def test_what_is_moved_in_and_out_is_that_of_a_cpu(monkeypatch):
    """Of copies that share their parameters, with arrays in several trees of fields."""
    settings = {"envs": 5, "adjoint": ds.Checkpointed(every=8)}
    with ds.Simulation(body(), **settings) as sim:
        expected = everything(sim)
    monkeypatch.setattr(fields, "MOST_BYTES", 3_000)
    with ds.Simulation(body(), device="vulkan", executor="wide", **settings) as sim:
        assert len(sim._fields._trees) > 2
        found = everything(sim)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        scale = np.abs(value).max()
        assert np.abs(found[name] - value).max() <= 10.0 * ROUNDING * scale, name


def test_no_kernel_knows_of_float64(tmp_path):
    """As Metal needs it: Taichi writes down all kernels, of every pass that it makes over them."""
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(ALL_KERNELS))
    written = tmp_path / "written"
    environment = {**os.environ, "TI_PRINT_IR": "1", "TI_OFFLINE_CACHE": "0"}
    with written.open("w") as out:
        subprocess.run([sys.executable, str(script)], env=environment, stdout=out, check=True)
    with written.open() as lines:
        found = [(kind, line) for line in lines for kind in ("f32", "f64") if kind in line]
    assert sum(kind == "f32" for kind, _ in found) > 1000
    assert [line for kind, line in found if kind == "f64"] == []


ALL_KERNELS = """
    import numpy as np

    import diffsim as ds

    scene = ds.MassSpring(
        points=[[0.0, 0.133], [0.31, 0.121]], springs=[[0, 1]], stiffness=60.0, initial_velocity=(0.3, 0.1), dt=0.01
    )
    problem = ds.Problem(scene, None, ds.Travel(), steps=4, tune=("scene.initial_velocity",))
    for adjoint in (ds.Checkpointed(every=2), ds.Truncated(2)):
        with ds.Simulation(problem, device="vulkan", executor="wide", adjoint=adjoint) as sim:
            params = sim.params()
            sim.value_and_grad(params)
            shape = sim.rollout(params).position.shape
            if isinstance(adjoint, ds.Checkpointed):
                sim.vjp(params)[1]({"position": np.ones(shape)})
                sim.adjoints(params)
"""


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
