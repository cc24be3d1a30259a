"""Identification: rollouts and time beside Adam, beside MuJoCo's sysid on one log, and how often intervals are right.

``python -m pytest -m bench -n 0 -s tests/benchmarks/test_identify.py``; one test needs ``pip install 'mujoco[sysid]'``.
Times are printed and not asserted; that both find the same is.
"""

from __future__ import annotations

import time

import numpy as np
import pytest

import diffsim as ds
from diffsim.identification.experiment import Experiment
from diffsim.identification.least_squares import LeastSquares

from ..identification.arm_with_friction import noisy, swing
from .scenes import scene

pytestmark = pytest.mark.bench

CLOSE = 1e-6  # of the loss at the start, above the least
MOST = {"identify_arm --friction": 300}  # gradients; else 2,000

SCHEDULES = {
    "identify_springs": (0.2, 300, {}, {"scene.stiffness": 300.0, "scene.spring_damping": 1.0}),
    "identify_friction": (0.05, 100, {"beta1": 0.5}, {}),
    "identify_masses": (0.05, 400, {}, {"scene.mass": 1.0, "scene.damping": 0.05}),
    "identify_arm": (0.05, 300, {}, {"scene.damping": 0.05, "scene.initial_*": 0.1}),
    "identify_arm --friction": (0.05, 300, {}, {"scene.damping": 0.05, "scene.initial_*": 0.1}),
}
"""Adam for these scenes, as somebody tuned it by hand: rate, iterations of its decay, more settings, sizes."""

NEWTON = {"identify_springs": ds.GaussNewton(0.2)}
HEAD = "scene                    numbers  optimizer        evaluations  rollouts    CPU ms  gradients as rollouts"


class Noted:
    """What `identify` had used when it first simulated all of the log at a loss, and that loss."""

    def __init__(self, monkeypatch):
        self.seen, before = [], LeastSquares.residuals

        def residuals(fit, vector):
            known = fit._left is not None and fit._left[:2] == (vector.tobytes(), fit.horizon)
            found = before(fit, vector)
            if np.isinf(fit.horizon) and not known:
                self.seen.append((fit.rollouts, float(np.mean(fit.left(vector) ** 2))))
            return found

        monkeypatch.setattr(LeastSquares, "residuals", residuals)

    def rollouts_to(self, share):
        """Rollouts to a loss of so many times the last one's."""
        return next(rollouts for rollouts, loss in self.seen if loss <= share * self.seen[-1][1])


def costs(simulation):
    """How many rollouts a gradient takes the time of."""
    params, taken = simulation.params(), {}
    for call in (simulation.value, simulation.value_and_grad):
        call(params)
        spent = []
        for _ in range(15):
            began = time.process_time()
            call(params)
            spent.append(time.process_time() - began)
        taken[call] = np.median(spent)
    return taken[simulation.value_and_grad] / taken[simulation.value]


def arrived(simulation, target, **how):
    """Evaluations until the loss is at most the target, CPU time [ms], and whether it got there."""
    began = time.process_time()
    result = ds.tune(simulation, target=target, progress=False, **how)
    return len(result.history), 1e3 * (time.process_time() - began), result.best_loss


def test_what_each_optimizer_needs_to_the_least_loss(monkeypatch):
    """One table. A gradient counts as one rollout, and in the last column as many as it takes the time of.

    A Jacobian by differences counts as its rollouts, a part of the log as its share.
    """
    noted = Noted(monkeypatch)
    print("\n" + HEAD)
    for name, (rate, iterations, more, sizes) in SCHEDULES.items():
        script, _, flag = name.partition(" --")
        most = MOST.get(name, 2000)
        problem = scene(script).problem(**({flag: True} if flag else {}))
        ds.identify(problem, progress=False)  # compiles
        noted.seen.clear()
        began = time.process_time()
        found = ds.identify(problem, progress=False)
        seconds = time.process_time() - began
        with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
            least = simulation.value(found.params)
            first = simulation.value_and_grad(simulation.params())[0]
            target = least + CLOSE * (first - least)
            n = len(found.labels)
            gradient = costs(simulation)
            there = noted.rollouts_to(target / least)
            print(f"{name:24} {n:7}  {'identify: there':28} {there:9.1f}           {there:9.1f}  {least:.6g}")
            whole = f"{found.launches:11} {found.rollouts:9.1f} {1e3 * seconds:9.0f} {found.rollouts:9.1f}"
            print(f"{'':24} {'':7}  {'  with intervals':16} {whole}")
            ways = {
                "GaussNewton": {"optimizer": NEWTON.get(name, ds.GaussNewton()), "iterations": 60},
                "LBFGS": {"optimizer": ds.LBFGS(), "scale": sizes, "iterations": most},
                "Adam, scheduled": {
                    "optimizer": ds.Adam(ds.CosineDecay(rate, iterations), **more),
                    "scale": sizes,
                    "iterations": iterations,
                },
                "Adam(0.01)": {"optimizer": ds.Adam(0.01), "scale": sizes, "iterations": most},
            }
            for words, how in ways.items():
                count, taken, loss = arrived(simulation, target, **how)
                rollouts = count * (n + 1) if words == "GaussNewton" else count
                there = "" if loss <= target else f" not there: {loss:.6g}"
                in_all = rollouts * (1.0 if words == "GaussNewton" else gradient)
                print(f"{'':24} {'':7}  {words:16} {count:11} {rollouts:9} {taken:9.0f} {in_all:9.0f} {there}")
                assert words != "GaussNewton" or loss <= target
            assert least <= loss * (1.0 + 1e-6)


CHAIN = """<mujoco><option timestep="0.002"><flag contact="disable"/></option><worldbody>
<body name="a"><joint name="one" axis="0 1 0" armature="0.01" damping="0.02"/>
<inertial pos="0 0 -0.15" mass="1" diaginertia="0.01 0.01 0.001"/>
<body name="b" pos="0 0 -0.3"><joint name="two" axis="0 1 0.2" armature="0.01" damping="0.02"/>
<inertial pos="0 0 -0.15" mass="0.7" diaginertia="0.007 0.007 0.001"/>
<body name="c" pos="0 0 -0.3"><joint name="three" axis="1 0 0" armature="0.01" damping="0.02"/>
<inertial pos="0 0 -0.1" mass="0.4" diaginertia="0.003 0.003 0.001"/></body></body></body></worldbody>
<actuator><motor name="m1" joint="one"/><motor name="m2" joint="two"/><motor name="m3" joint="three"/></actuator>
<sensor><jointpos name="q1" joint="one"/><jointpos name="q2" joint="two"/><jointpos name="q3" joint="three"/></sensor>
</mujoco>"""

TRUE = {"armature": np.array([0.05, 0.03, 0.02]), "damping": np.array([0.2, 0.1, 0.05])}
NAMES = ("one", "two", "three")


def measured():
    """Times, torques and angles with noise of the chain with the true numbers, by MuJoCo."""
    import mujoco
    from mujoco import rollout

    model = mujoco.MjModel.from_xml_string(CHAIN)
    model.dof_armature[:], model.dof_damping[:] = TRUE["armature"], TRUE["damping"]
    data = mujoco.MjData(model)
    t = 0.002 * np.arange(1000)
    torque = np.stack([np.sin(4.0 * t), 0.5 * np.sin(6.0 * t + 0.4), 0.2 * np.sin(9.0 * t + 1.0)], axis=1)
    start = np.zeros((1, mujoco.mj_stateSize(model, mujoco.mjtState.mjSTATE_FULLPHYSICS)))
    state, sensed = rollout.rollout(model, data, start, torque[None])
    angles = sensed[0] + 1e-3 * np.random.default_rng(0).normal(size=sensed[0].shape)
    return state[0][:, 0], t, torque, angles


def by_mujoco(times, t, torque, angles):
    """Numbers and CPU time of mujoco.sysid."""
    import mujoco

    sysid = pytest.importorskip("mujoco.sysid")
    if not hasattr(sysid, "optimize"):
        pytest.skip("mujoco.sysid lacks its packages: pip install 'mujoco[sysid]'")
    spec = mujoco.MjSpec.from_string(CHAIN)
    model = spec.compile()
    params = sysid.ParameterDict()
    for kind, start, most in (("armature", 0.01, 1.0), ("damping", 0.02, 5.0)):
        for name in NAMES:

            def put(spec, parameter, name=name, kind=kind):
                joint = spec.joint(name)
                value = parameter.value[0]
                if kind == "armature":
                    joint.armature = value
                else:
                    joint.damping = np.array([value, 0.0, 0.0]) if np.ndim(joint.damping) else value

            params.add(sysid.Parameter(f"{kind}_{name}", nominal=start, min_value=1e-5, max_value=most, modifier=put))
    data = mujoco.MjData(model)
    initial = sysid.create_initial_state(model, data.qpos, data.qvel, data.act)
    seen = sysid.TimeSeries.from_names(times, angles, model)
    sequences = sysid.ModelSequences("chain", spec, "log", initial, sysid.TimeSeries(t, torque), seen)
    residual = sysid.build_residual_fn(models_sequences=[sequences])
    began = time.process_time()
    found, _ = sysid.optimize(initial_params=params, residual_fn=residual, optimizer="mujoco", verbose=False)
    seconds = time.process_time() - began
    return {k: np.array([found[f"{k}_{name}"].value[0] for name in NAMES]) for k in TRUE}, seconds


def timed(chain, log, tune):
    """What is found, the CPU time of all, and that of making the simulation and of giving it back."""
    parts, spent = {name: getattr(Experiment, name) for name in ("__init__", "close")}, []

    def counted(part):
        def call(*arguments):
            began = time.process_time()
            part(*arguments)
            spent.append(time.process_time() - began)

        return call

    try:
        for name, part in parts.items():
            setattr(Experiment, name, counted(part))
        began = time.process_time()
        found = ds.identify(chain, log, tune=tune, progress=False, noise=1e-3)
        return found, time.process_time() - began, sum(spent)
    finally:
        for name, part in parts.items():
            setattr(Experiment, name, part)


def test_beside_mujocos_sysid():
    times, t, torque, angles = measured()
    # MuJoCo's sensors are of the state that a step starts from: those of a step's row are at its earlier end.
    signals = {name: angles[:, k] for k, name in enumerate(NAMES)}
    log = ds.Log(t, signals, {f"m{k + 1}": torque[:, k] for k in range(3)})
    chain = ds.load_mjcf(CHAIN)
    tune = ("scene.armature", "scene.damping")
    done = [timed(chain, log, tune) for _ in range(8)]
    found, first, _ = done[0]
    whole, made = np.median([each[1:] for each in done[1:]], axis=0)
    every, took = zip(*[by_mujoco(times, t, torque, angles) for _ in range(8)], strict=True)
    theirs, took = every[0], np.median(took)
    print(f"\nmujoco.sysid: {took:.3f} s; {theirs}")
    print(
        f"diffsim: {whole:.3f} s, of which making the simulation {made:.3f} s and the fit {whole - made:.3f} s, "
        f"{took / (whole - made):.1f} times faster; the first time {first:.2f} s in all; {found.launches} launches"
    )
    print(found)
    for kind, true in TRUE.items():
        np.testing.assert_allclose(found.params[f"scene.{kind}"], true, rtol=0.05)
    for kind in TRUE:
        np.testing.assert_allclose(found.params[f"scene.{kind}"], theirs[kind], rtol=5e-3)


def test_dry_friction_of_a_hundred_noisy_logs():
    """Of the arm of scenes/identify_arm.py --friction: how many 95 % intervals hold the truth."""
    arm = scene("identify_arm")
    problem = arm.problem(friction=True)
    times, clean = swing()
    held = []
    for seed in range(100):
        log = ds.Log(times, dict(zip(("shoulder", "elbow"), noisy(clean, seed).T, strict=True)))
        found = ds.identify(problem, log, progress=False)
        own = {name: np.ravel(true) for name, true in arm.TRUE.items()}
        at = {
            name: [k for k, label in enumerate(found.labels) if label.partition("[")[0] == name.partition("[")[0]]
            for name in own
        }
        held.append([(found.low[at[name]] < true) & (true < found.high[at[name]]) for name, true in own.items()])
        share = {name: np.mean([each[k] for each in held], axis=0) for k, name in enumerate(arm.TRUE)}
        if len(held) % 20 == 0:
            print(f"\nof {len(held)} logs the intervals hold the truth in {share}")
    assert all(((value >= 0.90) & (value <= 0.99)).all() for value in share.values())
