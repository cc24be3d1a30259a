"""The optimisation loop: evaluate, keep the best, step."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.protocols import Tunable, units_of
from diffsim.spec import number, whole
from diffsim.tuning.folder import Folder
from diffsim.tuning.gauss_newton import GaussNewton, Squares
from diffsim.tuning.loop import Callback, Loop
from diffsim.tuning.optimizers import Adam, Optimizer
from diffsim.tuning.parameter_matrix import Rows
from diffsim.tuning.progress import Progress, progress_for
from diffsim.tuning.result import Result
from diffsim.tuning.resuming import kept_units
from diffsim.tuning.run import Run
from diffsim.tuning.search import Search
from diffsim.tuning.smoothing import Smoothed
from diffsim.tuning.stopping import Stop

__all__ = ["tune"]


def tune(
    sim: Tunable,
    *,
    optimizer: Optimizer = Adam(0.02),  # noqa: B008  (a frozen value)
    iterations: int = 100,
    seed: int = 0,
    params: Mapping[str, np.ndarray] | None = None,
    clip: float | None = None,
    scale: Mapping[str, float] | None = None,
    estimator: str | None = None,
    sigma: float | Mapping[str, float] = 0.1,
    window: int | None = None,
    target: float | None = None,
    patience: int | None = None,
    time_limit: float | None = None,
    callback: Callback | None = None,
    progress: bool | Progress | None = None,
    run: Run | None = None,
    resume: bool = False,
) -> Result:
    """Lower the loss of a simulation by gradient descent, and return the best parameters that were evaluated.

    Parameters stay within the bounds of the problem: each step, and the start, is projected onto them. A step
    whose loss or gradient is not finite is rejected and recorded as such: the search goes back to the last
    accepted parameters and optimizer state and takes half the step, which then recovers by 10 % per accepted
    step. Ctrl-C ends the run after the iteration in progress; a second one at once.

    If each copy of the simulation has parameters of its own (``sim.shared`` is False), the copies are tuned
    independently, norms and rejections included, and the best is the best of all of them. A copy is given up
    if its first evaluation, or 20 in a row, are not finite.

    With an ``estimator``, such copies are instead the samples of one search point, drawn around it afresh in each
    iteration, and what is lowered is the smoothed loss, their mean (see `diffsim.estimate_gradient`). That helps where
    the gradient itself is of no use: jumps, chaos. The best parameters are still ones that were evaluated, with the
    loss that they gave: those of the best single copy so far, which may be a lucky sample, lower than any smoothed
    loss. An odd number of copies has the search point itself among them. The last parameters are the search point.

    Args:
        sim: a `Simulation`, or anything with ``problem``, ``envs``, ``shared``, ``params(seed)`` and
            ``value_and_grad(params)``. It must not change the arrays it is given.
        optimizer: e.g. ``Adam(0.02)``.
        iterations: most evaluations of loss and gradient, the start included.
        seed: of the initial parameters, and of an estimator's perturbations.
        params: initial parameters instead; with a leading axis if each copy has its own.
        clip: largest global norm of a gradient; longer ones are scaled down to it. None does not.
        scale: by name or pattern, the size that a parameter is counted in: a stiffness of thousands and a damping of
            ones want different steps. The optimizer, `clip`, `sigma` and the recorded norm see parameters divided by
            it. What none is given for is counted in the width of its bounds, where both are given; else, if it is a
            number of the scene (which has a unit of its own), in the size of its start: the root of its mean square,
            where that is not zero; else in ones, as numbers of controllers and objectives are.
        estimator: "first", "zeroth" or "mixed", on a simulation with ``shared=False``; None takes the gradient of each
            copy as it is. Then ``params`` and the last parameters have no axis of copies, and the callback sees the
            search point.
        sigma: standard deviation of an estimator's perturbations, counted in the parameters' scales: one for all, or by
            name or pattern.
        window: backpropagate through so many steps at a time (see `diffsim.Truncated`), on a simulation made again for
            the run. None differentiates as ``sim`` does.
        target: stop once the best loss is at most this.
        patience: stop after so many iterations in a row without a new best.
        time_limit: stop after the iteration that exceeds this [s].
        callback: called after each evaluation with a copy of its record (see `Result`) and of the parameters
            evaluated, as the simulation takes them; a true answer stops the run.
        progress: True shows a bar, False nothing, None a bar on a terminal or in a notebook and lines elsewhere; on
            stderr. Or an object with the methods ``start``, ``update``, ``note`` and ``close`` of these.
        run: the folder that the run leaves its files in, with a number behind it if it holds another run (see `Run`):
            ``result.folder``. A file that cannot be written is a warning, and is named in the result; the run goes on.
        resume: go on with the newest run in the folder of ``run`` and those with a number behind it (with
            ``overwrite``, in this very folder), from the last iteration whose state it saved, and end with the very
            numbers of a run that was not ended between (but for ``seconds``). Everything must be as it was, but for
            ``iterations``, ``target``, ``patience`` and ``time_limit``. If there is nothing to go on with, it starts.

    Raises:
        InputError: for an argument or parameters that do not fit; with ``resume``, if the folder holds another run.
        DivergenceError: if no copy's first evaluation is finite. Once one was, divergence raises nothing.
    """
    iterations = whole("tune(iterations)", iterations)
    seed = whole("tune(seed)", seed, least=0)
    clip = None if clip is None else number("tune(clip)", clip, above=0.0)
    stop = Stop(iterations, target, patience, time_limit)
    if not isinstance(optimizer, Optimizer):
        raise InputError(f"tune(optimizer) is {optimizer!r}, but an optimizer is needed, e.g. diffsim.Adam(0.02)")
    if optimizer.line_search and (clip is not None or estimator is not None):
        what = f"estimator={estimator!r}" if estimator is not None else f"clip={clip:g}"
        raise InputError(
            f"tune({what}) does not go with {type(optimizer).__name__}, whose line search needs losses and gradients "
            "as they are; leave it out, or take Adam"
        )
    if isinstance(optimizer, GaussNewton) and window is not None:
        raise InputError(
            f"tune(window={window}) does not go with GaussNewton, which runs nothing backwards; leave it out"
        )
    if run is not None and not isinstance(run, Run):
        raise InputError(f"tune(run) is {run!r}, but a diffsim.Run or None is needed")
    if resume and run is None:
        raise InputError("tune(resume) is True, but without a run there is no folder to go on from")
    settings = {
        "optimizer": optimizer.describe(),
        "iterations": iterations,
        "clip": clip,
        "scale": {name: float(unit) for name, unit in (scale or {}).items()},
        "estimator": estimator,
        "sigma": _plain_sigma(sigma) if estimator else None,
        "window": None if window is None else int(window),
        "adjoint": repr(sim.adjoint) if hasattr(sim, "adjoint") else None,
        "target": stop.target,
        "patience": stop.patience,
        "time_limit": stop.time_limit,
        "start": "seed" if params is None else f"given, {_digest(params)}",
    }
    with contextlib.ExitStack() as held:
        about = {"problem": sim.problem, "seed": seed, "settings": settings, "options": getattr(sim, "options", {})}
        start = _initial(sim, seed, params, sampled=estimator is not None)
        settings["units"] = units = units_of(sim.problem, start, scale)
        if run is not None:
            run.check(about, resume=resume)
            if resume:
                units.update(kept_units(run.folder, units))
        if window is not None:
            sim = held.enter_context(contextlib.closing(_windowed(sim, window)))
        if isinstance(optimizer, GaussNewton):
            sim = held.enter_context(contextlib.closing(Squares(sim, units)))
        if estimator is not None:
            sim = Smoothed(sim, estimator, sigma=sigma, seed=seed, units=units)
        search = Search(sim, optimizer, start, clip, units)
        loop = Loop(search, stop, Folder(run, about), callback, progress_for(progress, iterations), units)
        if resume:
            loop.resume()
        return loop.run()


def _plain_sigma(sigma: Any) -> Any:
    return {name: float(size) for name, size in sigma.items()} if isinstance(sigma, Mapping) else float(sigma)


def _digest(params: Mapping[str, np.ndarray]) -> str:
    """Of the values, to tell one start from another."""
    found = hashlib.sha256()
    for name in sorted(params):
        found.update(name.encode() + np.asarray(params[name], np.float64).tobytes())
    return found.hexdigest()[:16]


def _windowed(sim: Tunable, window: Any) -> Any:
    """The same simulation with truncated backpropagation."""
    window = whole("tune(window)", window)
    again = getattr(sim, "again", None)
    if again is None:
        raise InputError(
            f"tune(window) is {window}, but a {type(sim).__name__} cannot be made again with a window; it has no "
            "again(window=...), as a diffsim.Simulation has"
        )
    return again(window=window)


def _initial(
    sim: Tunable, seed: int, params: Mapping[str, np.ndarray] | None, *, sampled: bool
) -> Mapping[str, np.ndarray]:
    """The initial parameters, checked against the simulation's own; of one copy if it is sampled."""
    copies = not sim.shared and not sampled
    own = sim.params(seed)
    if sampled and not sim.shared:
        own = {name: np.array(value[0], np.float64) for name, value in own.items()}
    if not own:
        raise InputError("the problem has nothing to tune; name some of its numbers in Problem.tune")
    if params is None:
        params = own
    rows = Rows(own, copies=copies)
    wrong = np.argwhere(~np.isfinite(rows.pack(params, "tune(params)")))
    if len(wrong):
        raise InputError(f"tune(params) must be finite, but {rows.name_of(int(wrong[0][1]))} is not")
    return {name: params[name] for name in own}
