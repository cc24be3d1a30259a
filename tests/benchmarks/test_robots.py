"""Articulated robots against MuJoCo's C code, MJX and Pinocchio: one core, the same models, taking turns.

`make bench` installs the peers. diffsim runs in float32: forward it is `Simulation.value` of a whole rollout, a loss
with its gradient `value_and_grad`. MuJoCo is `mj_step` from Python, Pinocchio its derivatives of single steps from
Python. All times are per step.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest

import diffsim as ds

from .scenes import scene as script
from .timing import compare, race

pytestmark = [pytest.mark.bench, pytest.mark.filterwarnings("ignore")]

mujoco = pytest.importorskip("mujoco")

STEPS = 200
FILES = "gymnasium:envs/mujoco/assets/{}.xml"
LINKS = 8


def chain_xml(links: int = LINKS) -> str:
    """The chain of shared/prototypes/articulated.py: hinges about y and x in turns, damped."""

    def body(k: int) -> str:
        axis, inner = "1 0 0" if k % 2 else "0 1 0", body(k + 1) if k + 1 < links else ""
        return (
            f'<body name="link{k}" pos="0 0 {-0.5 if k else 0}"><joint name="joint{k}" axis="{axis}" damping="0.1"/>'
            f'<inertial pos="0 0 -0.25" mass="1" diaginertia="0.02 0.02 0.005"/>{inner}</body>'
        )

    motors = "".join(f'<motor joint="joint{k}" ctrlrange="-1 1" ctrllimited="true"/>' for k in range(links))
    return (
        '<mujoco><option timestep="0.001"><flag contact="disable"/></option>'
        f"<worldbody>{body(0)}</worldbody><actuator>{motors}</actuator></mujoco>"
    )


def loaded(name: str, **changes: Any) -> ds.Articulated:
    if name == "chain":
        return ds.load_mjcf(chain_xml(), **changes)
    return ds.load_mjcf(FILES.format(name), ignore=("tendon", "contact"), integrator="euler", **changes)


def compiled(name: str, *, contacts: bool) -> Any:
    from diffsim.physics.articulated.mjcf import _shipped

    if name == "chain":
        model = mujoco.MjModel.from_xml_string(chain_xml())
    else:
        model = mujoco.MjModel.from_xml_path(_shipped("bench", *FILES.format(name).split(":")))
    model.opt.integrator = mujoco.mjtIntegrator.mjINT_EULER
    if not contacts:
        model.opt.disableflags |= mujoco.mjtDisableBit.mjDSBL_CONTACT | mujoco.mjtDisableBit.mjDSBL_LIMIT
    return model


def problem_of(robot: ds.Articulated, steps: int = STEPS) -> ds.Problem:
    return ds.Problem(robot, ds.OpenLoop(), ds.Travel(), steps=steps, tune=("controller.*",))


def per_step(laps: dict[str, Any], steps: int = STEPS) -> None:
    print("per step: " + ", ".join(f"{name} {1e6 * lap.wall / steps:.2f} us" for name, lap in laps.items()))


@pytest.mark.parametrize("name", ["hopper", "walker2d", "half_cheetah", "ant", "humanoid", "chain"])
def test_forward_against_mj_step(name: str) -> None:
    """Contacts on. Both start in the air and fall: most steps have contacts."""
    model = compiled(name, contacts=True)
    data = mujoco.MjData(model)
    controls = 0.2 * np.random.default_rng(0).uniform(-1, 1, (STEPS, model.nu))

    def step_by_step() -> None:
        mujoco.mj_resetData(model, data)
        for control in controls:
            data.ctrl[:] = control
            mujoco.mj_step(model, data)

    with ds.Simulation(problem_of(loaded(name))) as simulation:
        params = {"controller.values": controls}
        laps = race(
            {
                "diffsim, forward": lambda: simulation.value(params),
                "diffsim, loss and gradient": lambda: simulation.value_and_grad(params, finite=False),
                "mj_step from Python": step_by_step,
            },
            title=f"{name}, {STEPS} steps",
        )
    per_step(laps)
    compare(laps, "mj_step from Python", "diffsim, forward", ">= 1.0")


def mjx_gradient(model: Any, controls: np.ndarray) -> tuple[Any, float]:
    """Loss and gradient of a rollout by MJX, compiled; and the seconds that compiling took."""
    jax = pytest.importorskip("jax")
    mjx = pytest.importorskip("mujoco.mjx")
    put = mjx.put_model(model)
    start = mjx.put_data(model, mujoco.MjData(model))

    def loss(actions: Any) -> Any:
        def step(data: Any, action: Any) -> tuple[Any, None]:
            return mjx.step(put, data.replace(ctrl=action)), None

        last, _ = jax.lax.scan(step, start, actions)
        return -last.xpos[1:, 0].mean()

    run = jax.jit(jax.value_and_grad(loss))
    actions = jax.numpy.asarray(controls, dtype=jax.numpy.float32)
    began = time.perf_counter()
    jax.block_until_ready(run(actions))
    return (lambda: jax.block_until_ready(run(actions))), time.perf_counter() - began


@pytest.mark.parametrize(("name", "target"), [("chain", ">= 500"), ("half_cheetah", ">= 100"), ("ant", ">= 100")])
def test_gradient_against_mjx(name: str, target: str) -> None:
    """Fewer steps and rounds: MJX takes ten milliseconds each, and differentiates one solver iteration only."""
    steps = 100
    model = compiled(name, contacts=name != "chain")
    model.opt.iterations, model.opt.ls_iterations = 1, 4
    controls = 0.2 * np.random.default_rng(0).uniform(-1, 1, (steps, model.nu))
    by_mjx, took = mjx_gradient(model, controls)
    print(f"\nMJX compiled for {took:.0f} s")
    with ds.Simulation(problem_of(loaded(name), steps)) as simulation:
        params = {"controller.values": controls}
        laps = race(
            {"diffsim": lambda: simulation.value_and_grad(params, finite=False), "MJX": by_mjx},
            title=f"{name}, {steps} steps, loss and gradient",
            repeats=3,
        )
    per_step(laps, steps)
    compare(laps, "MJX", "diffsim", target)


@pytest.mark.parametrize("name", ["chain", "half_cheetah"])
def test_gradient_against_pinocchio(name: str, tmp_path: Any) -> None:
    """No contact: `aba` and `computeABADerivatives` of as many states."""
    pin = pytest.importorskip("pinocchio")
    path = tmp_path / "robot.xml"
    mujoco.mj_saveLastXML(str(path), compiled(name, contacts=False))
    model = pin.buildModelFromMJCF(str(path))
    data = model.createData()
    rng = np.random.default_rng(0)
    states = [(0.3 * rng.normal(size=model.nq), rng.normal(size=model.nv)) for _ in range(STEPS)]
    torque = rng.normal(size=model.nv)

    def both() -> None:
        for q, v in states:
            pin.aba(model, data, q, v, torque)
            pin.computeABADerivatives(model, data, q, v, torque)

    robot = loaded(name, contacts=False, limits=False)
    controls = 0.2 * rng.uniform(-1, 1, (STEPS, len(robot.actuators)))
    with ds.Simulation(problem_of(robot)) as simulation:
        params = {"controller.values": controls}
        laps = race(
            {
                "diffsim, loss and gradient": lambda: simulation.value_and_grad(params, finite=False),
                "Pinocchio, aba and its derivatives": both,
            },
            title=f"{name} ({model.nv} velocities), {STEPS} steps",
        )
    per_step(laps)
    compare(laps, "Pinocchio, aba and its derivatives", "diffsim, loss and gradient", ">= 1.0")


TARGETS = {"cartpole_swingup": 2.0, "half_cheetah": 3.0, "ant": 2.0, "hopper": 1.0}
SEEDS = (0, 1000, 2000)


@pytest.mark.parametrize("name", TARGETS)
def test_robots_learn(name: str) -> None:
    """Settings of the scenes, three seeds: seconds upright of the cart-pole, distance in 2 s of the others [m]."""
    module = script(name)
    problem, settings = module.problem(), dict(module.SETTINGS)
    starts, window = settings.pop("starts", 1), settings.pop("window")
    found = []
    with ExitStack() as stack:
        windows = ds.Simulation(problem, envs=starts, shared=starts == 1, adjoint=ds.Truncated(window))
        simulation, single = stack.enter_context(windows), stack.enter_context(ds.Simulation(problem))
        began = time.perf_counter()
        simulation.value_and_grad(simulation.params(), finite=False)
        print(f"\n{name}: compiled, or read from the cache, in {time.perf_counter() - began:.0f} s")
        for seed in SEEDS:
            result = ds.tune(simulation, seed=seed, progress=False, **settings)
            rollout = single.rollout(result.best_params)
            curve = [record["best"] for record in result.history][:: max(1, len(result.history) // 8)]
            took = result.history[-1]["seconds"]
            found.append(achieved(name, rollout))
            print(f"\n{name}, seed {seed}: {found[-1]:.2f} in {took:.0f} s; best loss {np.round(curve, 2).tolist()}")
    print(f"{name}: median {np.median(found):.2f}, target {TARGETS[name]}")
    assert np.median(found) >= TARGETS[name]


def achieved(name: str, rollout: ds.Rollout) -> float:
    if name == "cartpole_swingup":
        upright = np.cos(rollout.joint_position[:, 1]) > np.cos(0.3)
        longest = run = 0
        for yes in upright:
            run = run + 1 if yes else 0
            longest = max(longest, run)
        return longest * rollout.problem.scene.dt
    if name == "hopper":  # gymnasium's own: above 0.7 m, and within 0.2 rad of upright
        healthy = (rollout.position[:, 0, 2] > 0.7) & (np.abs(rollout.joint_position[:, 2]) < 0.2)
        print(f"healthy in {healthy.mean():.0%} of the rows")
    return float(rollout.position[-1, 0, 0] - rollout.position[0, 0, 0])


@pytest.mark.parametrize("name", ["humanoid"])
def test_cold_compile_and_from_the_cache(name: str, tmp_path: Any, monkeypatch: Any) -> None:
    """The first gradient in a new process: with an empty cache, and again. Targets: 40 s and 4 s."""
    import subprocess
    import sys

    code = (
        "import time, warnings; warnings.simplefilter('ignore'); import diffsim as ds\n"
        f"robot = ds.load_mjcf({FILES.format(name)!r}, ignore=('tendon', 'contact'), integrator='euler')\n"
        "problem = ds.Problem(robot, ds.OpenLoop(), ds.Travel(), steps=100, tune=('controller.*',))\n"
        "began = time.perf_counter(); simulation = ds.Simulation(problem)\n"
        "simulation.value_and_grad(simulation.params(), finite=False); print(time.perf_counter() - began)\n"
    )
    monkeypatch.setenv("TI_OFFLINE_CACHE_FILE_PATH", str(tmp_path))
    for which in ("empty cache", "from the cache"):
        out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        print(f"\n{name}, first gradient, {which}: {float(out.split()[-1]):.1f} s")
