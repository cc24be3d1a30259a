"""The optimisation loop: evaluate, keep the best, step."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.files import finite, with_nan
from diffsim.spec import number, whole
from diffsim.tuning.folder import Folder
from diffsim.tuning.optimizers import Adam, Optimizer
from diffsim.tuning.parameter_matrix import Rows
from diffsim.tuning.progress import Progress, progress_for
from diffsim.tuning.result import Result, Snapshots
from diffsim.tuning.run import Run
from diffsim.tuning.search import MOST_REJECTIONS, Evaluation, Search, Tunable
from diffsim.tuning.smoothing import Smoothed
from diffsim.tuning.stopping import Stop, interrupts
from diffsim.waiting import listening

__all__ = ["tune"]

WARNINGS = 5  # about rejected steps, per run

Callback = Callable[[dict[str, Any], dict[str, np.ndarray]], Any]


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
    progress: bool | None = None,
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
            it.
        estimator: "first", "zeroth" or "mixed", on a simulation with ``shared=False``; None takes the gradient of each
            copy as it is. Then ``params`` and the last parameters have no axis of copies, and the callback sees the
            search point.
        sigma: standard deviation of an estimator's perturbations: one for all parameters, or by name or pattern.
        window: backpropagate through so many steps at a time (see `diffsim.Truncated`), on a simulation made again for
            the run. None differentiates as ``sim`` does.
        target: stop once the best loss is at most this.
        patience: stop after so many iterations in a row without a new best.
        time_limit: stop after the iteration that exceeds this [s].
        callback: called after each evaluation with a copy of its record (see `Result`) and of the parameters
            evaluated, as the simulation takes them; a true answer stops the run.
        progress: True shows a bar, False nothing, None a bar on a terminal and lines elsewhere; on stderr.
        run: the folder that the run leaves its files in. A file that cannot be written is a warning, and is
            named in the result; the run goes on.
        resume: go on with the run that is in the folder of ``run``, from the last iteration whose state it saved, and
            end with the very numbers of a run that was not ended between (but for ``seconds``). Everything must be as
            it was, but for ``iterations``, ``target``, ``patience`` and ``time_limit``. If there is nothing to go on
            with, it starts.

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
        if run is not None:
            run.check(about)
        if window is not None:
            sim = held.enter_context(contextlib.closing(_windowed(sim, window)))
        if estimator is not None:
            sim = Smoothed(sim, estimator, sigma=sigma, seed=seed, scale=scale)
        search = Search(sim, optimizer, _initial(sim, seed, params), clip, scale)
        loop = _Loop(search, stop, Folder(run, about), callback, progress_for(progress, iterations))
        if resume:
            loop.resume()
        return loop.run()


class _Loop:
    """One run of `tune`."""

    def __init__(self, search: Search, stop: Stop, folder: Folder, callback: Callback | None, progress: Progress):
        self.search, self.stop, self.folder = search, stop, folder
        self.callback, self.progress = callback, progress
        self.history: list[dict[str, Any]] = []
        self.snapshots = Snapshots()
        # loss, iteration, copy and its parameters as a row; one tuple, so that an interrupt cannot tear it
        self.best: tuple[float, int, int, np.ndarray] | None = None
        self.rate = 0.0  # of the next step,
        self.unknown = np.zeros_like(search.alive)  # which these copies do not take
        self.warned = 0
        self.torn = False  # whether an iteration is begun and not recorded
        self.seconds = 0.0  # before the run was ended and resumed

    def resume(self) -> None:
        """Go on where the folder's run stands, if it holds one."""
        held = self.folder.resume()
        if held is None:
            self.progress.note("there is no run to go on with yet; it starts")
            return
        for group, part in (("search", self.search), ("snapshots", self.snapshots)):
            part.restore({k.removeprefix(f"{group}/"): v for k, v in held.items() if k.startswith(f"{group}/")})
        self.history = self.folder.history()
        loss, iteration, copy = held["best"].tolist()
        self.best = loss, int(iteration), int(copy), held["best_row"]
        self.rate, self.unknown = float(held["rate"]), held["unknown"]
        self.warned, self.seconds = int(held["warned"]), float(held["seconds"])

    def run(self) -> Result:
        """Iterate until something says stop."""
        stopped = "an error"
        self.progress.start()
        self.began = time.perf_counter() - self.seconds
        try:
            with interrupts() as interrupted, listening(self.progress.compiling):
                try:
                    done = len(self.history)
                    reason = self._reason(done - 1, False, False, self.seconds) if done else None
                    for iteration in range(done, 0 if reason else self.stop.iterations):
                        answer = self._iterate(iteration)
                        reason = self._reason(iteration, answer, bool(interrupted), self._elapsed())
                        if reason:
                            break
                except KeyboardInterrupt:
                    if self.best is None:
                        raise  # nothing was earned that could be returned
                    reason = "interrupted"
            if self.best is None and self.search.error is not None:
                raise self.search.error  # it ended before any copy had a finite evaluation
            assert reason is not None
            stopped = reason
        finally:
            self.folder.close(self.progress, self._state)
            self.progress.close(stopped)
        return self._result(stopped)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.began

    def _iterate(self, iteration: int) -> Any:
        """Evaluate, judge, record, and prepare the next candidates; returns the callback's answer."""
        search = self.search
        self.torn = True
        if iteration > 0:
            search.move(self.rate, self.unknown)
        found = search.evaluate()
        good = search.take(found)
        self.rate, self.unknown = search.optimizer.rate(iteration), found.unknown
        record = self._record(iteration, found, good, self._elapsed())
        self.history.append(record)
        if found.clean or good.any():
            self.snapshots.offer(iteration, search.kept_x)
        if found.reasons:
            self._warn(record)
        if self.best is not None:
            self.folder.record(self.history)
            self.torn = False
            self.folder.save(self.progress, self._state)
        self.progress.update(record)
        if self.callback is None:
            return False
        evaluated = {name: np.array(value) for name, value in search.params().items()}
        return self.callback(dict(record), evaluated)

    def _warn(self, record: dict[str, Any]) -> None:
        """Report a rejection; a run along the edge of stability has thousands, so only the first few."""
        self.warned += 1
        if self.warned <= WARNINGS:
            more = " (later ones are only in the history)" if self.warned == WARNINGS else ""
            self.progress.note(
                f"iteration {record['iteration']} rejected: {record['rejected']}; back to the last accepted "
                f"parameters with a shorter step{more}"
            )

    def _record(self, iteration: int, found: Evaluation, good: np.ndarray, seconds: float) -> dict[str, Any]:
        """The record of an evaluation; notes a new best."""
        losses = np.where(good, found.losses, np.nan)
        copy = int(np.where(good, losses, np.inf).argmin())  # 0 if none is good
        loss = float(losses[copy])
        if good[copy]:
            low, which, row = self.search.lowest(loss, copy)
            if self.best is None or low < self.best[0]:
                self.best = low, iteration, which, row
        record: dict[str, Any] = {
            "iteration": iteration,
            "loss": loss,
            "best": np.nan if self.best is None else self.best[0],
            "gradient_norm": float(found.norms[copy]),
            "learning_rate": self.rate * float(self.search.scale[copy]),
            "seconds": seconds,
        }
        if self.search.rows.copies:
            record["losses"] = losses.tolist()
        if found.growth is not None:
            record["growth"] = float(found.growth[copy])
        record.update(self.search.notes())
        record = with_nan(finite(record))  # as it is read from a file again
        if found.reasons:
            record["rejected"] = _in_words(found.reasons, self.search.rows.copies)
        return record

    def _reason(self, iteration: int, answer: Any, interrupted: bool, seconds: float) -> str | None:
        """Why to stop now, or None."""
        if interrupted:
            return "interrupted"
        if not self.search.unharmed and not self.search.alive.any():
            copies = "in every copy" if self.search.rows.copies else ""
            return f"{MOST_REJECTIONS} steps in a row were rejected {copies}".rstrip()
        if answer:
            return "the callback said so"
        return self.stop.reason(iteration, self.best, seconds)

    def _state(self) -> dict[str, Any]:
        """For the run's folder: best parameters (one copy's), last accepted ones, and what it takes to go on.

        Amid an iteration, which an exception ended, there is no state to go on from but the one saved before.
        """
        assert self.best is not None
        loss, iteration, _, row = self.best
        rows = self.search.rows
        state = {
            **{f"search/{name}": value for name, value in self.search.saved().items()},
            **{f"snapshots/{name}": value for name, value in self.snapshots.saved().items()},
            "best": np.array(self.best[:3]),
            "best_row": self.best[3],
            "rate": np.array(self.rate),
            "unknown": self.unknown,
            "warned": np.array(self.warned),
            "seconds": np.array(self._elapsed()),
        }
        best, last = _one(rows, row), rows.unpack(self.search.kept_x)
        return {
            "best": best,
            "last": last,
            "state": None if self.torn else state,
            "loss": loss,
            "iteration": iteration,
        }

    def _result(self, stopped: str) -> Result:
        assert self.best is not None
        loss, iteration, copy, row = self.best
        rows = self.search.rows
        kept = [(i, rows.one(x, copy if rows.copies else 0)) for i, x in self.snapshots.all()]
        snapshots = dict(kept) | {iteration: _one(rows, row)}
        return Result(
            best_params=_one(rows, row),
            best_loss=loss,
            best_iteration=iteration,
            best_copy=copy,
            last_params=rows.unpack(self.search.kept_x.copy()),
            history=self.history,
            stopped=stopped,
            snapshots=sorted(snapshots.items()),
            unsaved=self.folder.trouble,
        )


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


def _initial(sim: Tunable, seed: int, params: Mapping[str, np.ndarray] | None) -> Mapping[str, np.ndarray]:
    """The initial parameters, checked against those that the simulation would start from."""
    own = sim.params(seed)
    if not own:
        raise InputError("the problem has nothing to tune; name some of its numbers in Problem.tune")
    if params is None:
        params = own
    rows = Rows(own, copies=not sim.shared)
    wrong = np.argwhere(~np.isfinite(rows.pack(params, "tune(params)")))
    if len(wrong):
        raise InputError(f"tune(params) must be finite, but {rows.name_of(int(wrong[0][1]))} is not")
    return {name: params[name] for name in own}


def _one(rows: Rows, row: np.ndarray) -> dict[str, np.ndarray]:
    return rows.one(row[None], 0)


def _in_words(reasons: Mapping[int, str], copies: bool) -> str:
    """The reasons of the first three copies, and how many more there are."""
    if not copies:
        return next(iter(reasons.values()))
    words = [f"copy {copy}: {reason}" for copy, reason in list(reasons.items())[:3]]
    more = len(reasons) - len(words)
    return "; ".join(words) + (f"; and {more} more" if more else "")
