"""Learn a feedback policy."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from typing import Any

import numpy as np

from diffsim.bridges.robot_tasks import task
from diffsim.bridges.tasks import Task
from diffsim.errors import InputError
from diffsim.learning.algorithms import CMAES, SHAC, Algorithm
from diffsim.learning.judge import Judge
from diffsim.learning.learned import Learned
from diffsim.learning.learner import Arrays, Setting
from diffsim.learning.loop import Learning
from diffsim.learning.start import carrying, drawn
from diffsim.problem import Problem
from diffsim.spec import array, choices, whole
from diffsim.tuning.folder import Folder
from diffsim.tuning.loop import Callback
from diffsim.tuning.progress import Progress, progress_for
from diffsim.tuning.run import Run
from diffsim.tuning.stopping import Stop

__all__ = ["learn"]

SHOWN = 10.0
"""Seconds of a policy that are drawn: an episode may be a minute."""


def learn(
    env: Task | str,
    policy: Any,
    *,
    algorithm: Algorithm = SHAC(),  # noqa: B008  (a frozen value)
    envs: int = 64,
    iterations: int = 500,
    seed: int = 0,
    precision: str = "f32",
    start: Mapping[str, Any] | Callable[[Task], Mapping[str, Any]] | None = None,
    randomise: Mapping[str, tuple[float, float]] | None = None,
    pushes: Mapping[str, Any] | None = None,
    easier: Mapping[str, Any] | None = None,
    easier_iterations: int = 0,
    easier_pushes: Mapping[str, Any] | None = None,
    restart_after: int | None = None,
    judge_every: int | None = None,
    episodes: int = 16,
    mujoco_episodes: int = 4,
    time_limit: float | None = None,
    callback: Callback | None = None,
    progress: bool | Progress | None = None,
    run: Run | None = None,
    resume: bool = False,
) -> Learned:
    """Find a policy that earns much in whole episodes, and return the best that was judged.

    The policy sees what the scene's controllers observe, whatever ``Task.observe`` gives to other libraries; while it
    learns, observations are normalised by what was seen so far, which is folded into the first layer in the end. It
    is judged in whole episodes, without noise, from starts that it did not learn from: here, and in MuJoCo where the
    task says a ``source``. The best is the one that earns most there, else here. Ctrl-C ends the run as in `tune`.

    Args:
        env: the task, or the name of one of gymnasium's robots.
        policy: a `MLP` with ``sines=0``, and no goal.
        algorithm: `SHAC`, `APG` or `CMAES`.
        envs: copies that play at once.
        iterations: of the algorithm; learning rates fall over them, so a run that goes on needs the same.
        seed: of the weights at the start, of the starts of episodes and of the exploration.
        precision: "f32" or "f64".
        start: weights to begin with, by name, such as a `Learned`'s ``best_params``, or a function of the task that
            gives them. A policy that already stays, from `Balance.weights`, learns to go: ``w1`` (actuators,
            observations) and ``b1`` (actuators,) of linear feedback are put into any network with "elu" and as many
            units in each hidden layer. What they do stays as it is while observations come to be normalised.
        randomise: by the name of a number of the scene, the lowest and highest factor that a copy has it multiplied
            by: ``{"scene.friction": (0.7, 1.3)}`` finds policies that do not rely on one friction.
        pushes: by the name of an array of the state, the standard deviation of what is added to it before each step, a
            number or an array like it: ``{"joint_velocity": 0.5}`` finds policies that do not rely on an exact model.
            Not of `CMAES`.
        easier: changes of the scene while the first ``easier_iterations`` are learned, as `dataclasses.replace` takes
            them: ``{"contact_law": "compliant"}`` learns to walk where gradients are smooth, and then goes on where
            contact is MuJoCo's. It is judged in the scene as it is throughout. Not of `CMAES`.
        easier_iterations: how many of the iterations these are.
        easier_pushes: like ``pushes``, in these iterations instead of them: a policy that relies less on the easier
            scene has less to lose when they end.
        restart_after: steps after which a copy that learns begins anew, as if its episode were cut off there; None is
            as long as the task's episodes. A robot that fell, and whose episodes do not end by that, would lie there
            for the rest of it, and policies would be learned for lying.
        judge_every: iterations between two judgements; None is a tenth of the run.
        episodes: of a judgement here.
        mujoco_episodes: likewise in MuJoCo; 0 for none.
        time_limit: stop after the iteration that exceeds this [s].
        callback: called after each iteration with a copy of its record and the parameters; a true answer stops the run.
        progress: as of `tune`.
        run: the folder of the run, as of `tune`.
        resume: go on with the run in the folder, to the very numbers of one that was not ended between.

    Raises:
        InputError: for an argument that does not fit, naming it; with ``resume``, if the folder holds another run.
        MissingExtraError: there is no PyTorch, which `SHAC` and `APG` need.
    """
    played = _held(task(env) if isinstance(env, str) else env)
    iterations, seed = whole("learn(iterations)", iterations), whole("learn(seed)", seed, least=0)
    every = max(iterations // 10, 1) if judge_every is None else whole("learn(judge_every)", judge_every)
    if not isinstance(algorithm, Algorithm):
        raise InputError(f"learn(algorithm) is {algorithm!r}, but one is needed, e.g. diffsim.SHAC()")
    if run is not None and not isinstance(run, Run):
        raise InputError(f"learn(run) is {run!r}, but a diffsim.Run or None is needed")
    if easier and isinstance(algorithm, CMAES):
        raise InputError("learn(easier) makes gradients smoother, of which CMAES takes none; leave it out")
    if resume and run is None:
        raise InputError("learn(resume) is True, but without a run there is no folder to go on from")
    problem = _problem(played, policy)
    weights = drawn(problem, seed)
    if start is not None:
        weights = carrying(policy, weights, start(played) if callable(start) else start)
    restart = played.steps if restart_after is None else whole("learn(restart_after)", restart_after)
    learned = replace(played.while_learning(), steps=min(restart, played.steps))
    setting = Setting(
        task=learned,
        policy=policy,
        weights=weights,
        begun=start is not None,
        envs=whole("learn(envs)", envs, least=4),
        iterations=iterations,
        seed=seed,
        precision=choices("learn(precision)", precision, ("f32", "f64")),
        numbers=_drawn(played.scene, randomise or {}, envs, seed),
        pushes=pushes or {},
        **_easier(
            learned, easier or {}, easier_iterations, easier_pushes or {}, iterations, randomise or {}, envs, seed
        ),
    )
    counts = whole("learn(episodes)", episodes), whole("learn(mujoco_episodes)", mujoco_episodes, least=0)
    if counts[1] > counts[0]:
        raise InputError(f"learn(mujoco_episodes) is {counts[1]}, but there are {counts[0]} episodes here; no more")
    stop = Stop(iterations, None, None, time_limit, owner="learn")
    settings = {
        "algorithm": repr(algorithm),
        "iterations": iterations,
        "rates_fall_over": iterations,
        "envs": setting.envs,
        "episode": played.steps,
        "randomise": {name: [float(end) for end in ends] for name, ends in (randomise or {}).items()},
        "pushes": _sizes(pushes or {}),
        "judge_every": every,
        "episodes": counts[0],
        "mujoco_episodes": counts[1],
        "time_limit": stop.time_limit,
    }
    if setting.easier is not None:
        settings |= {"easier": dict(easier or {}), "easier_iterations": setting.easier_iterations}
        settings |= {"easier_pushes": _sizes(easier_pushes)} if easier_pushes else {}
    if start is not None:
        settings |= {"start": "given"}
    if restart_after is not None:
        settings |= {"restart_after": restart}
    about = {"problem": problem, "seed": seed, "settings": settings, "options": {"precision": precision}}
    if run is not None:
        run.source = played.source if run.source is None else run.source
        run.check(about, resume=resume)
    with contextlib.ExitStack() as held:
        learner = held.enter_context(contextlib.closing(algorithm.start(setting)))
        judge = held.enter_context(contextlib.closing(Judge(played, policy, *counts, seed, precision)))
        shown = progress_for(progress, iterations)
        loop = Learning(learner, judge, problem, played.steps, every, stop, Folder(run, about), callback, shown)
        if resume:
            loop.resume()
        return loop.run()


def _held(given: Task) -> Task:
    """The task with actions that are held for one step of the scene, which is as long as they were held."""
    if not isinstance(given, Task):
        raise InputError(f"learn(env) is {given!r}, but a diffsim.Task is needed, or a name such as 'HalfCheetah'")
    if given.repeat == 1:
        return given
    if not hasattr(given.scene, "substeps"):
        raise InputError(
            f"the task holds an action for {given.repeat} steps, which a controller of a {type(given.scene).__name__} "
            "cannot; take repeat=1"
        )
    scene = replace(given.scene, dt=given.scene.dt * given.repeat, substeps=given.scene.substeps * given.repeat)
    return replace(given, scene=scene, repeat=1)


def _easier(
    played: Task,
    changes: Mapping[str, Any],
    count: int,
    pushes: Mapping[str, Any],
    iterations: int,
    randomise: Mapping[str, Any],
    *drawn: int,
) -> dict[str, Any]:
    """What `Setting` holds of an easier task."""
    count = whole("learn(easier_iterations)", count, least=0)
    if bool(changes) != bool(count):
        raise InputError(
            f"learn(easier) is {dict(changes)!r} and easier_iterations {count}, but one is nothing without the other"
        )
    if count >= iterations:
        raise InputError(
            f"learn(easier_iterations) is {count}, but of {iterations} iterations the last are to be others"
        )
    if pushes and not changes:
        raise InputError(f"learn(easier_pushes) is {dict(pushes)!r}, but without easier there is nothing to push")
    if not changes:
        return {}
    known = {field.name for field in fields(played.scene)}
    if unknown := sorted(set(changes) - known):
        raise InputError(f"learn(easier) changes {unknown[0]!r}, but the scene has {', '.join(sorted(known))}")
    scene = replace(played.scene, **changes)
    numbers = Problem(scene, tune=()).numbers()
    shared = {name: ends for name, ends in randomise.items() if name in numbers}
    return {
        "easier": replace(played, scene=scene),
        "easier_numbers": _drawn(scene, shared, *drawn),
        "easier_pushes": pushes,
        "easier_iterations": count,
    }


def _problem(played: Task, policy: Any) -> Problem:
    """The scene with the policy as its controller, for as long as it is drawn."""
    if not hasattr(policy, "hidden"):
        raise InputError(f"learn(policy) is {policy!r}, but a network is needed, e.g. diffsim.MLP(hidden=64, sines=0)")
    if policy.sines or policy.goal is not None or not policy.observe:
        raise InputError(
            f"a policy sees an observation and nothing else, but {policy!r} sees more, or not that; take sines=0, "
            "goal=None and observe=True"
        )
    scene = played.scene
    steps = min(played.steps, max(round(SHOWN / scene.dt), 1))
    return Problem(scene, policy, None, steps=steps, tune=("controller.w*", "controller.b*"))


def _sizes(pushes: Mapping[str, Any]) -> dict[str, Any]:
    """As they are written into a file."""
    return {name: np.asarray(size, np.float64).tolist() for name, size in pushes.items()}


def _drawn(scene: Any, randomise: Mapping[str, Any], envs: int, seed: int) -> Arrays:
    """Numbers of the scene, of each copy."""
    numbers, found = Problem(scene, tune=()).numbers(), {}
    for k, (name, ends) in enumerate(randomise.items()):
        if name not in numbers:
            known = ", ".join(each for each in numbers if not each.startswith("scene.initial_"))
            raise InputError(f"learn(randomise) names {name!r}, but the scene has {known}")
        low, high = array(f"learn(randomise)[{name!r}]", ends, (2,), least=0.0)
        if not low <= high:
            raise InputError(f"learn(randomise)[{name!r}] is ({low:g}, {high:g}), but the lowest factor comes first")
        factor = np.random.default_rng((seed, k, 2)).uniform(low, high, envs)
        found[name] = factor.reshape(-1, *[1] * numbers[name].ndim) * numbers[name]
    return found
