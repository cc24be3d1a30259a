"""Learning: what is found works without what found it, a run that goes on ends with the same numbers, refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError
from diffsim.learning.judge import Judge
from diffsim.viewing.report import write_report

from .cart import CART, POLICY, cart

torch = pytest.importorskip("torch", reason='PyTorch is not installed: pip install "torch==2.13.0"')
pytest.importorskip("mujoco", reason='MuJoCo is not installed: pip install "diffsim[robots]"')

# Algorithm, iterations, and what it earns of the 100 of an episode: measured 97.6, 96.9 and 64.7; the start earns 20.
LEARNS = {
    "SHAC": (ds.SHAC(window=8, learning_rate=1e-2), 60, 90.0),
    "APG": (ds.APG(learning_rate=1e-2), 40, 90.0),
    "CMAES": (ds.CMAES(sigma=0.3), 40, 40.0),
}
ALL = {"average": 0.5, "stiff": 1.2, "critics": 2, "entropy": -0.5}
"""Whatever of SHAC has to go on where it was."""
SHORT = {"envs": 4, "episodes": 2, "mujoco_episodes": 2, "judge_every": 3, "progress": False}


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Each algorithm's run, done once: ``learned(name)``."""
    runs = {}

    def once(name):
        if name not in runs:
            algorithm, iterations, _ = LEARNS[name]
            run = ds.Run(tmp_path_factory.mktemp(name) / "run")
            runs[name] = ds.learn(
                cart(), POLICY, algorithm=algorithm, envs=16, iterations=iterations, progress=False, run=run
            )
        return runs[name]

    return once


@pytest.mark.parametrize("name", LEARNS)
def test_it_learns(name, learned):
    found, enough = learned(name), LEARNS[name][2]
    assert found.history[0]["diffsim"] < 40.0
    assert found.here.total > enough
    assert found.best_loss == -found.in_mujoco.total == min(-r["mujoco"] for r in found.history if "mujoco" in r)
    assert found.history[found.best_iteration]["mujoco"] == found.in_mujoco.total
    assert [r["env_steps"] for r in found.history] == sorted(r["env_steps"] for r in found.history)


def test_the_policy_runs_without_pytorch(learned):
    """As the controller of a problem: it holds the pole from where it starts, and gives what it gave in learning."""
    found = learned("APG")
    problem = replace(found.problem, steps=100)
    problem = replace(problem, scene=replace(problem.scene, initial_position=[0.1, 0.2]))
    with ds.Simulation(problem, precision="f64") as sim:
        rollout = sim.rollout(found.best_params)
    assert abs(rollout.joint_position[-1, 1]) < 0.05 < 0.2
    acted = problem.act(found.best_params, rollout.observation[:-1], rollout.time[:-1])
    np.testing.assert_allclose(acted, rollout.actuation, rtol=0.0, atol=1e-12)


def test_a_run_is_read_and_reported(learned, tmp_path):
    found = learned("SHAC")
    kept = ds.load_run(found.folder)
    assert kept.source == CART
    there = [ds.replay_in_mujoco(run, seconds=0.2).joint_position for run in (found, kept)]
    np.testing.assert_array_equal(*there)
    assert kept.problem == found.problem
    assert kept.best_loss == found.best_loss
    for name, value in found.best_params.items():
        np.testing.assert_array_equal(kept.params[name], value)
    with ds.Simulation(found.problem) as sim:
        rollouts = [(found.best_iteration, sim.rollout(found.best_params))]
    page = write_report(tmp_path / "report.html", found, rollouts=rollouts).read_text()
    assert "earns in MuJoCo" in page
    assert "SHAC" in page


@pytest.mark.parametrize("name", LEARNS)
def test_a_run_that_goes_on_ends_with_the_same_numbers(name, tmp_path):
    more = {"APG": {"last_noise": 0.1, "average": 0.3}, "CMAES": {"steps": 20}, "SHAC": ALL}[name]
    algorithm = replace(LEARNS[name][0], **({} if name == "CMAES" else {"window": 5}), **more)
    task = cart(steps=12)  # episodes end and begin in between

    def run(folder, **more):
        more = {**SHORT, "iterations": 7, "run": ds.Run(folder, every=0.0), **more}
        return ds.learn(task, POLICY, algorithm=algorithm, seed=3, **more)

    whole = run(tmp_path / "whole")
    first = run(tmp_path / "parts", callback=lambda record, params: record["iteration"] == 3)
    assert first.stopped == "the callback said so"
    assert len(first.history) == 4
    second = run(tmp_path / "parts", resume=True)
    timed = ("seconds", "compiling")
    records = [[{k: v for k, v in r.items() if k not in timed} for r in each.history] for each in (whole, second)]
    assert json.dumps(records[0]) == json.dumps(records[1])
    for which in ("best_params", "last_params"):
        for parameter, value in getattr(whole, which).items():
            np.testing.assert_array_equal(getattr(second, which)[parameter], value)
    assert [k for k, _ in whole.snapshots] == [k for k, _ in second.snapshots]
    with pytest.raises(InputError, match="rates_fall_over is 7, but now it is 9"):
        run(tmp_path / "parts", resume=True, iterations=9)


def test_the_first_iterations_are_of_an_easier_scene(tmp_path):
    """As in a run of that scene alone, then as the scene is; and a run that goes on in either ends with the same."""
    task, light = cart(steps=12), {"gravity": (0.0, 0.0, -1.0)}
    algorithm = ds.SHAC(window=5)

    def run(name, task=task, **more):
        more = {**SHORT, "iterations": 6, "run": ds.Run(tmp_path / name, every=0.0), **more}
        return ds.learn(task, POLICY, algorithm=algorithm, seed=3, **more)

    staged = {"easier": light, "easier_iterations": 3, "easier_pushes": {"joint_velocity": 0.1}}
    lighter = replace(task, scene=replace(task.scene, **light))
    both, alone = run("both", **staged), run("alone", lighter, pushes=staged["easier_pushes"])
    losses = [[record["loss"] for record in each.history] for each in (both, alone)]
    assert losses[0][:3] == losses[1][:3]
    assert all(mine != theirs for mine, theirs in zip(losses[0][3:], losses[1][3:], strict=True))
    for last in (1, 4):
        run(f"parts{last}", **staged, callback=lambda record, params, last=last: record["iteration"] == last)
        again = run(f"parts{last}", **staged, resume=True)
        assert [record["loss"] for record in again.history] == losses[0]
        for parameter, value in both.last_params.items():
            np.testing.assert_array_equal(again.last_params[parameter], value)


def test_a_policy_begins_with_what_is_given(tmp_path):
    """Feedback that balances is judged as it is, stays while only the critic learns, and is what a run goes on with."""
    cost = ds.QuadraticCost(running={"joint_position": 1.0, "joint_velocity": 0.1}, effort=0.1)
    seen = []

    def feedback(task):
        return ds.balance(task.scene, cost, repeat=task.repeat).weights()

    def run(folder, start=feedback, **more):
        algorithm, seen[:] = ds.SHAC(window=5, critic_first=2), []
        more = {**SHORT, "iterations": 5, "callback": lambda record, params: seen.append(params), **more}
        return ds.learn(cart(), POLICY, algorithm=algorithm, start=start, run=ds.Run(folder, every=0.0), **more)

    found = run(tmp_path / "whole")
    kept, weights = seen[-1], [each["controller.w1"] for each in seen]
    assert found.history[0]["mujoco"] > 97.0  # drawn weights earn 20
    np.testing.assert_array_equal(weights[1], weights[0])
    assert np.abs(weights[2] - weights[1]).max() > 1e-4
    run(tmp_path / "parts", callback=lambda record, params: record["iteration"] == 2)
    for name, value in run(tmp_path / "parts", resume=True).last_params.items():
        np.testing.assert_array_equal(value, kept[name])
    again = run(tmp_path / "again", start=found.best_params)
    assert again.history[0]["mujoco"] == pytest.approx(found.in_mujoco.total, rel=1e-5)  # weights are in float32


def test_the_average_of_the_policy_is_what_is_found():
    """Each iteration takes over its share of the policy, which itself learns as without."""
    found = {}
    for share in (1.0, 0.25):
        seen = found[share] = []
        algorithm = ds.APG(window=2, average=share, noise=0.1, last_noise=0.1)
        ds.learn(
            cart(),
            POLICY,
            algorithm=algorithm,
            iterations=3,
            callback=lambda record, params, seen=seen: seen.append(params["controller.b2"]),
            **SHORT,
        )
    mean = np.zeros_like(found[1.0][0])  # as biases start
    for own, averaged in zip(found[1.0], found[0.25], strict=True):
        mean += 0.25 * (own - mean)
        np.testing.assert_allclose(averaged, mean, rtol=1e-5)
        assert np.abs(own - averaged).max() > 1e-4


def test_noise_falls_to_its_last():
    """Of 400 copies in one state: as wide as it is said, and a third of that in the last of the iterations."""
    actions = []

    def reward(before, action, after):
        if torch.is_tensor(action):
            actions.append(np.arctanh(action.detach().numpy()))
        return -(after["joint_position"][:, 1] ** 2)

    task = cart(reward=reward, start=lambda arrays, rng: arrays)
    algorithm = ds.APG(window=1, noise=0.3, last_noise=0.1, learning_rate=1e-9)
    ds.learn(task, POLICY, algorithm=algorithm, iterations=3, **{**SHORT, "envs": 400})
    for found, wanted in zip(actions, (0.3, 0.3 / np.sqrt(3.0), 0.1), strict=True):
        assert np.std(found) == pytest.approx(wanted, rel=0.15)


def test_copies_that_learn_begin_anew_and_are_judged_in_whole_episodes():
    """Nothing ends, and the pole falls: after 5 steps it stands again, and the value of where it was cut off counts."""
    angles = []

    def reward(before, action, after):
        if torch.is_tensor(before["joint_position"]):
            angles.append(before["joint_position"][:, 1].detach().numpy().reshape(-1, 4))
        return 1.0 - after["joint_position"][:, 1] ** 2

    def lean(arrays, rng):
        return {**arrays, "joint_position": arrays["joint_position"] + [0.0, 0.3]}

    task = cart(reward=reward, start=lean, ended=lambda seen: np.zeros(len(seen["joint_position"]), bool))
    algorithm = ds.SHAC(window=10, noise=1e-9)
    more = {**SHORT, "iterations": 2}
    found = ds.learn(task, POLICY, algorithm=algorithm, restart_after=5, **more)
    seen = np.concatenate(angles)
    assert np.all((seen == np.float32(0.3)).sum(axis=0) >= 3)  # within 20 steps
    assert found.here.steps == 100
    assert found.here.total < 0.0  # it falls there, by more than these copies do
    assert seen.max() < 0.5
    angles.clear()
    ds.learn(task, POLICY, algorithm=algorithm, **more)
    assert (np.concatenate(angles) == np.float32(0.3)).sum() <= 8


def test_hopeless_states_end_episodes_that_it_learns_from_and_no_others():
    """It learns to the bit as if they ended, and is judged as if they did not."""

    def far(seen):
        return abs(seen["joint_position"][:, 1]) > 0.1

    def run(**changes):
        more = {**SHORT, "iterations": 3, "mujoco_episodes": 0}
        return ds.learn(cart(steps=12, **changes), POLICY, algorithm=ds.SHAC(window=5), seed=3, **more)

    given_up, ended, neither = run(hopeless=far), run(ended=far), run()
    losses = [[record["loss"] for record in each.history] for each in (given_up, ended, neither)]
    assert losses[0] == losses[1] != losses[2]
    assert given_up.here.steps == 12.0 > ended.here.steps


def test_it_is_judged_alike_here_and_in_mujoco():
    """Without contact both physics are the same, and so is what an episode earns, from the same starts."""
    weights = {n: v for n, v in ds.Problem(cart().scene, POLICY, steps=1).numbers(5).items() if "controller" in n}
    weights = {name.removeprefix("controller."): 2.0 * value for name, value in weights.items()}
    judge = Judge(cart(), POLICY, 3, 3, 0, "f64")
    here, there = judge.here(weights), judge.in_mujoco(weights)
    assert 5.0 < here.steps < 100.0
    assert here.spread > 0.1
    np.testing.assert_allclose(here, there, rtol=1e-9)
    judge.close()
    none = Judge(cart(source=None), POLICY, 3, 3, 0, "f64")
    assert none.in_mujoco(weights) is None
    none.close()


def test_actions_are_held_as_long_as_in_the_task():
    """Three steps of the scene become the substeps of one."""
    task = replace(cart(), repeat=3, steps=4)
    found = ds.learn(task, POLICY, algorithm=ds.CMAES(), iterations=1, **SHORT)
    assert (found.problem.scene.dt, found.problem.scene.substeps) == (pytest.approx(0.06), 6)


def test_numbers_differ_from_copy_to_copy():
    """Half of the gravity makes half of the fall: copies that are not driven, with a reward that is how they fall."""
    seen = []

    def reward(before, action, after):
        speed = after["joint_velocity"][:, 1]
        if torch.is_tensor(speed):
            seen.append(speed.detach().numpy().copy())
        return -(speed**2)

    task = cart(reward=reward, start=lambda arrays, rng: {"joint_position": arrays["joint_position"] + [0.0, 0.3]})
    algorithm = ds.APG(window=1, noise=1e-9)
    randomise = {"scene.gravity": (0.5, 1.0)}
    ds.learn(task, POLICY, algorithm=algorithm, iterations=1, randomise=randomise, precision="f64", **SHORT)
    factors = np.random.default_rng((0, 0, 2)).uniform(0.5, 1.0, 4)
    speeds = seen[0] / seen[0][0]
    np.testing.assert_allclose(speeds, factors / factors[0], rtol=0.05)  # the policy hardly moves the cart
    assert np.ptp(speeds) > 0.1


def test_pushes_are_as_strong_as_is_said():
    """Of 400 copies from one start, whose speeds would be the same without."""
    seen = []

    def reward(before, action, after):
        speed = after["joint_velocity"]
        if torch.is_tensor(speed):
            seen.append(speed.detach().numpy().copy())
        return -(speed[:, 0] ** 2)

    task = cart(reward=reward, start=lambda arrays, rng: arrays)
    algorithm = ds.APG(window=1, noise=1e-9)
    for pushes, spread in ({}, [0.0, 0.0]), ({"joint_velocity": [0.3, 0.0]}, [0.3, 0.0]):
        more = {**SHORT, "envs": 400, "pushes": pushes, "precision": "f64"}
        ds.learn(task, POLICY, algorithm=algorithm, iterations=1, **more)
        # Of 400 draws the spread is known to 4 %; the pole is moved by the cart under it.
        assert np.std(seen[-1][:, 0]) == pytest.approx(spread[0], rel=0.15, abs=1e-6)


REFUSED = {
    "no task": (lambda: ds.learn(cart().scene, POLICY), "learn(env) is"),
    "no network": (lambda: ds.learn(cart(), ds.Sine()), "learn(policy) is Sine("),
    "a clock": (lambda: ds.learn(cart(), ds.MLP()), "a policy sees an observation and nothing else"),
    "no algorithm": (lambda: ds.learn(cart(), POLICY, algorithm="SHAC"), "learn(algorithm) is 'SHAC'"),
    "few copies": (lambda: ds.learn(cart(), POLICY, envs=2), "learn(envs) is 2, but it must be a whole number of at"),
    "no iterations": (lambda: ds.learn(cart(), POLICY, iterations=0), "learn(iterations) is 0"),
    "no folder": (lambda: ds.learn(cart(), POLICY, resume=True), "learn(resume) is True, but without a run"),
    "a number that is not there": (
        lambda: ds.learn(cart(), POLICY, randomise={"scene.mas": (1.0, 2.0)}),
        "learn(randomise) names 'scene.mas', but the scene has scene.gravity",
    ),
    "more episodes there": (
        lambda: ds.learn(cart(), POLICY, episodes=2, mujoco_episodes=3),
        "learn(mujoco_episodes) is 3, but there are 2 episodes here",
    ),
    "a push of what is not there": (
        lambda: ds.learn(cart(), POLICY, pushes={"speed": 1.0}, **SHORT),
        "pushes names 'speed', but a state has joint_position, joint_velocity",
    ),
    "factors in the wrong order": (
        lambda: ds.learn(cart(), POLICY, randomise={"scene.gravity": (2.0, 1.0)}),
        "is (2, 1), but the lowest factor comes first",
    ),
    "another robot": (
        lambda: ds.learn(cart(source=CART.replace('type="hinge"', 'type="ball"')), POLICY, **SHORT),
        "learn: the file's joints have 5 positions",
    ),
    "a reward of NumPy": (
        lambda: ds.learn(cart(reward=lambda b, a, c: np.exp(c["joint_position"][:, 0])), POLICY, **SHORT),
        "cannot be differentiated by PyTorch",
    ),
    "a reward of another shape": (
        lambda: ds.learn(cart(reward=lambda b, a, c: c["joint_position"]), POLICY, **SHORT),
        "Task.reward gave an array of shape",
    ),
    "easier, but not when": (
        lambda: ds.learn(cart(), POLICY, easier={"substeps": 1}, **SHORT),
        "easier_iterations 0, but one is nothing without the other",
    ),
    "nothing but easier": (
        lambda: ds.learn(cart(), POLICY, iterations=5, easier={"substeps": 1}, easier_iterations=5, **SHORT),
        "learn(easier_iterations) is 5, but of 5 iterations the last are to be others",
    ),
    "easier by nothing known": (
        lambda: ds.learn(cart(), POLICY, easier={"law": "soft"}, easier_iterations=5, **SHORT),
        "learn(easier) changes 'law', but the scene has actuators",
    ),
    "easier without gradients": (
        lambda: ds.learn(cart(), POLICY, algorithm=ds.CMAES(), easier={"substeps": 1}, easier_iterations=5, **SHORT),
        "of which CMAES takes none",
    ),
    "no steps before it begins anew": (
        lambda: ds.learn(cart(), POLICY, restart_after=0, **SHORT),
        "learn(restart_after) is 0, but it must be a whole number of at least 1",
    ),
    "pushes of nothing": (
        lambda: ds.learn(cart(), POLICY, easier_pushes={"joint_velocity": 1.0}, **SHORT),
        "learn(easier_pushes) is {'joint_velocity': 1.0}, but without easier",
    ),
    "no window": (lambda: ds.SHAC(window=0), "SHAC.window is 0"),
    "no rate": (lambda: ds.APG(learning_rate=0.0), "APG.learning_rate is 0"),
    "no noise in the end": (lambda: ds.SHAC(last_noise=0.0), "SHAC.last_noise is 0"),
    "more than the policy": (lambda: ds.APG(average=1.5), "APG.average is 1.5"),
    "entropy of noise that is given": (lambda: ds.SHAC(entropy=-0.5, last_noise=0.1), "leave one of them out"),
    "entropy of nothing": (lambda: ds.SHAC(entropy=0.0), "SHAC.entropy is 0"),
    "all is stiff": (lambda: ds.SHAC(stiff=0.5), "SHAC.stiff is 0.5"),
    "no critic": (lambda: ds.SHAC(critics=0), "SHAC.critics is 0"),
    "no share": (lambda: ds.SHAC(follow=0.0), "SHAC.follow is 0"),
    "no spread": (lambda: ds.CMAES(sigma=0.0), "CMAES.sigma is 0"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_said(name):
    call, words = REFUSED[name]
    with pytest.raises(InputError) as refused:
        call()
    assert words in str(refused.value)
