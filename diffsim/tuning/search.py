"""Where an optimisation stands, one row per copy, and what happens to a step that diverges.

A candidate is only ever kept once it has been evaluated and found finite. From a candidate that was not, the
copy goes back to what it kept (parameters, gradient, optimizer state) and tries a shorter step from there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import DivergenceError
from diffsim.least_squares import Region, promise
from diffsim.protocols import Tunable
from diffsim.tuning.gauss_newton import GaussNewton, Squares
from diffsim.tuning.optimizers import Optimizer
from diffsim.tuning.parameter_matrix import Rows, clip_rows, row_norms
from diffsim.tuning.smoothing import Smoothed

__all__ = ["MOST_REJECTIONS", "Evaluation", "Search"]

MOST_REJECTIONS = 20  # in a row, then a copy is given up: by then the step is 2^-20, a millionth, of what it was
RESET = 8  # steps in a row that a line search refuses: then curvature is forgotten, and it goes along the gradient
SUFFICIENT = 1e-4  # share of the decrease that the slope promises (Nocedal & Wright, 2006, equation 3.4)
SHORTEN = 0.5  # step length after a rejection; any value below 1 works, smaller ones overshoot the wall's near side
RECOVER = 1.1  # growth of a shortened step per accepted one: seven undo one rejection; 1 would never recover

SETTLED = 1e-9  # of the loss: a step that promises less, and is refused, was the last

# What `Search.saved` keeps besides the states of the optimizer.
SAVED = (
    "x",
    "kept_x",
    "kept_gradient",
    "kept_curvature",
    "kept_losses",
    "scale",
    "strikes",
    "alive",
    "started",
    "unharmed",
)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a simulation said about the candidates.

    Attributes:
        losses: (copies,), nan where there is none.
        gradient: (copies, n), per unit of each parameter's scale.
        norms: (copies,) of the gradient's rows.
        bad: (copies,) not finite.
        unknown: (copies,) not evaluated, because another copy's divergence ended the evaluation.
        reasons: of the bad ones, in words, by copy.
        error: the first of them as an exception, None if nothing is bad.
        clean: whether all were evaluated and finite.
        growth: (copies,) or (1,) of the adjoint, per step; None where nothing is known of it.
        curvature: (copies, n, n), in units likewise; None unless the optimizer works with it.
    """

    losses: np.ndarray
    gradient: np.ndarray
    norms: np.ndarray
    bad: np.ndarray
    unknown: np.ndarray
    reasons: Mapping[int, str]
    error: DivergenceError | None
    clean: bool = False
    growth: np.ndarray | None = None
    curvature: np.ndarray | None = None


class Search:
    """The candidates and what was kept; every array has a row per copy.

    Attributes:
        rows: how the matrices turn into named arrays.
        first: (copies, n) where it started.
        x: (copies, n) candidates, to be evaluated next.
        state: the optimizer's, after the step that led to the candidates.
        kept_x: (copies, n) last accepted parameters.
        kept_gradient: (copies, n) there, clipped.
        kept_curvature: (copies, n, n) there; (copies, 0, 0) unless the optimizer works with it.
        kept_losses: (copies,) there.
        kept_state: the optimizer's that led there.
        scale: (copies,) of the step length, 1 unless steps were rejected.
        strikes: (copies,) rejections since the last acceptance.
        alive: (copies,) False once given up; a dead row follows a living one, so that it cannot diverge
            alone.
        started: (copies,) whether anything was accepted yet.
        unharmed: whether all are alive and no step is shortened.
        error: the last divergence, None if there was none.
    """

    def __init__(
        self,
        sim: Tunable,
        optimizer: Optimizer,
        params: Mapping[str, np.ndarray],
        clip: float | None,
        units: Mapping[str, float] | None = None,
    ):
        """The start, projected onto the bounds; ``clip`` as in `tune`, ``units`` as of `units_of`, else 1."""
        self.sim, self.optimizer, self.clip = sim, optimizer, clip
        self.rows = Rows(params, copies=not sim.shared)
        self._units = _units(self.rows, units or {})
        self._low, self._high = _limits(self.rows, sim.problem)
        count = self.rows.count
        self.kept_losses = np.full(count, np.inf)
        self.x = self.first = self._bounded(self.rows.pack(params))
        self.state = optimizer.start_rows(self.x / self._units)
        self.kept_x, self.kept_gradient, self.kept_state = self.x, np.zeros_like(self.x), self.state
        n = self.rows.width if isinstance(optimizer, GaussNewton) else 0
        self.kept_curvature = np.zeros((count, n, n))
        self.radius = 0.0  # of a trust region that no step shrank or let grow
        self.scale = np.ones(count)
        self.strikes = np.zeros(count, dtype=np.int64)
        self.alive = np.ones(count, dtype=bool)
        self.started = np.zeros(count, dtype=bool)
        self.unharmed = True
        self.error: DivergenceError | None = None

    def saved(self) -> dict[str, np.ndarray]:
        """All of it as arrays, for `restore`; to be taken after `take`."""
        found = {name: np.asarray(getattr(self, name)) for name in SAVED}
        found.update({f"state/{name}": value for name, value in self.state.items()})
        if self.kept_state is not self.state:
            found.update({f"kept_state/{name}": value for name, value in self.kept_state.items()})
        if self.kept_x is self.x:
            del found["kept_x"]
        if isinstance(self.sim, Smoothed):
            found["random"] = np.array(self.sim.random)
        return found

    def restore(self, saved: Mapping[str, np.ndarray]) -> None:
        """Stand again where `saved` was taken."""
        for name in SAVED:
            setattr(self, name, saved.get(name, getattr(self, name)))  # runs of before have no kept_losses
        self.unharmed = bool(self.unharmed)
        self.kept_x = saved.get("kept_x", self.x)
        self.state = {name: saved[f"state/{name}"] for name in self.state}
        self.kept_state = {name: saved.get(f"kept_state/{name}", value) for name, value in self.state.items()}
        if isinstance(self.sim, Smoothed):
            self.sim.random = str(saved["random"])

    def params(self) -> dict[str, np.ndarray]:
        """The candidates as the simulation takes them."""
        return self.rows.unpack(self.x)

    def evaluate(self) -> Evaluation:
        """Loss and gradient of the candidates; raises nothing that is a divergence."""
        try:
            loss, grad = self.sim.value_and_grad(self.params())
        except DivergenceError as diverged:
            return self._diverged(diverged)
        losses = np.array(loss, dtype=np.float64).reshape(-1)
        if losses.shape != self.scale.shape:
            raise ValueError(f"value_and_grad gave {losses.size} losses, but there are {self.scale.size} copies")
        gradient = self.rows.pack(grad, "the gradient") * self._units
        norms = row_norms(gradient)
        bad = ~(np.isfinite(losses) & np.isfinite(norms))
        clean = not bad.any()
        reasons: dict[int, str] = {}
        error: DivergenceError | None = None
        if not clean:
            for copy in np.flatnonzero(bad & self.alive).tolist():
                name, reason = self._blame(losses[copy], gradient[copy])
                reasons[copy] = reason
                error = error or DivergenceError(reason, array=name, env=copy, step=-1)
        curvature = None
        if isinstance(self.sim, Squares):
            curvature = self.sim.curvature * self._units[0] * self._units[0, :, None]
        unknown, growth = np.zeros_like(bad), self._growth()
        return Evaluation(losses, gradient, norms, bad, unknown, reasons, error, clean, growth, curvature)

    def _growth(self) -> np.ndarray | None:
        growth = getattr(self.sim, "adjoint_growth", None)
        if growth is None:
            return None
        growth = np.array(growth, dtype=np.float64).reshape(-1)
        if growth.size == len(self.scale):
            return growth
        known = growth[~np.isnan(growth)]  # of copies that share their parameters, or are samples of one point
        return np.array([np.median(known) if known.size else np.nan])

    def lowest(self, loss: float, copy: int) -> tuple[float, int, np.ndarray]:
        """What was evaluated best in the last evaluation: loss, copy and parameters as a row.

        Args:
            loss: the lowest of those accepted.
            copy: which one it is.
        """
        if isinstance(self.sim, Smoothed) and self.sim.last is not None:
            last = self.sim.last
            return last.best_loss, last.best_copy, self.rows.pack(last.best_params)[0]
        return loss, copy, self.kept_x[copy]

    def notes(self) -> dict[str, Any]:
        """What a record says beyond loss and gradient."""
        return self.sim.notes() if isinstance(self.sim, Smoothed) else {}

    def take(self, found: Evaluation) -> np.ndarray:
        """Keep what is finite, shorten the steps of what is not; returns (copies,) which were accepted.

        Raises:
            DivergenceError: if no copy has ever been finite and none is left to try.
        """
        gradient = found.gradient
        if self.clip is not None:
            with np.errstate(invalid="ignore"):  # rows that are not finite are not kept
                gradient = clip_rows(gradient, found.norms, self.clip)
        if isinstance(self.optimizer, GaussNewton):
            return self._take_in_region(found)
        if self.optimizer.line_search:
            return self._take_lower(found, gradient)
        if found.clean and self.unharmed:  # nearly always, and quick
            self.kept_x, self.kept_gradient, self.kept_state = self.x, gradient, self.state
            self.kept_losses = found.losses
            self.started = self.alive
            return self.alive
        good = self.alive & ~found.bad & ~found.unknown
        self._keep(good, found, gradient)
        self.scale = np.where(good, np.minimum(1.0, self.scale * RECOVER), self.scale)
        return self._settle(good, found)

    def _take_lower(self, found: Evaluation, gradient: np.ndarray) -> np.ndarray:
        """Of an optimizer with a line search: keep what is low enough, and shorten the other steps."""
        good = self.alive & ~found.bad & ~found.unknown
        with np.errstate(invalid="ignore", over="ignore"):  # of rows that are not finite, or nothing kept yet
            step = np.where(self.started[:, None], (self.x - self.kept_x) / self._units, 0.0)
            slope = np.einsum("ij,ij->i", self.kept_gradient, step)
            rise = found.losses - self.kept_losses
            low = good & (~self.started | (rise <= SUFFICIENT * np.minimum(slope, 0.0)))
            shorter = np.clip(-slope / (2.0 * (rise - slope)), 0.1, SHORTEN)  # the lowest point of a parabola
        self._keep(low, found, gradient)
        missed = good & ~low
        self.scale = np.where(low, 1.0, np.where(missed, self.scale * np.nan_to_num(shorter, nan=SHORTEN), self.scale))
        self._strike(missed, shorten=False)
        for copy in np.flatnonzero(missed & (self.strikes == RESET)).tolist():
            fresh = self.optimizer.start_rows(self.kept_x / self._units)
            chosen = np.arange(len(self.scale)) == copy
            self.kept_state = {name: _merge(chosen, fresh[name], value) for name, value in self.kept_state.items()}
            self.scale[copy] = 1.0
        self._settle(low, found)
        return good

    def _take_in_region(self, found: Evaluation) -> np.ndarray:
        """Of an optimizer with a trust region: keep what is low enough, and let the regions grow or shrink."""
        assert found.curvature is not None
        good = self.alive & ~found.bad & ~found.unknown
        low, last = good & ~self.started, np.zeros_like(good)
        for copy in np.flatnonzero(self.alive & self.started & ~found.unknown).tolist():
            step = (self.x - self.kept_x)[copy] / self._units[0]
            promised = promise(self.kept_curvature[copy], self.kept_gradient[copy], step)
            fallen = self.kept_losses[copy] - found.losses[copy] if good[copy] else np.nan
            low[copy], radius, _ = Region.after(self.scale[copy] * self.radius, step, promised, fallen)
            self.scale[copy] = radius / self.radius
            last[copy] = not low[copy] and promised <= SETTLED * abs(self.kept_losses[copy])
        self._keep(low, found, found.gradient)
        self._strike(good & ~low, shorten=False)
        self.alive &= ~last
        self._settle(low, found)
        return good

    def _keep(self, good: np.ndarray, found: Evaluation, gradient: np.ndarray) -> None:
        """Of the good rows keep the candidates; those that are not finite are struck."""
        if good.all():
            self.kept_x, self.kept_gradient, self.kept_state = self.x, gradient, self.state
        else:
            self.kept_x = _merge(good, self.x, self.kept_x)
            self.kept_gradient = _merge(good, gradient, self.kept_gradient)
            self.kept_state = {k: _merge(good, self.state[k], v) for k, v in self.kept_state.items()}
            self._strike(self.alive & found.bad, shorten=found.curvature is None)
        if found.curvature is not None:
            self.kept_curvature = np.where(good[:, None, None], found.curvature, self.kept_curvature)
        self.kept_losses = np.where(good, found.losses, self.kept_losses)

    def _settle(self, good: np.ndarray, found: Evaluation) -> np.ndarray:
        """Note which rows were accepted.

        Raises:
            DivergenceError: as of `take`.
        """
        self.strikes[good] = 0
        self.started = self.started | good
        self.unharmed = bool(self.alive.all() and (self.scale == 1.0).all())
        self.error = found.error or self.error
        if self.error is not None and not self.alive.any() and not self.started.any():
            raise self.error
        return good

    def move(self, rate: float, unknown: np.ndarray) -> None:
        """The next candidates: a step from what was kept, except for the ``unknown``, tried again."""
        self.radius, rates, x = rate, rate * self.scale[:, None], self.kept_x / self._units
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):  # seen when it is evaluated
            if isinstance(self.optimizer, GaussNewton):
                model = self.kept_gradient, self.kept_curvature
                x, state = self.optimizer.step_in_region(x, *model, self.kept_state, rates, self._room())
            else:
                x, state = self.optimizer.step_within(x, self.kept_gradient, self.kept_state, rates, self._free())
        x = self._bounded(x * self._units)
        if not self.unharmed:
            x = _merge(unknown, self.x, x)
            state = {name: _merge(unknown, self.state[name], value) for name, value in state.items()}
            x = _merge(~self.alive, x[self._leader()], x)
        self.x, self.state = x, state

    def _room(self) -> tuple[np.ndarray, np.ndarray]:
        """(copies, n) by how much each kept parameter may fall, and rise, in units."""
        if self._low is None:
            return np.full_like(self.kept_x, -np.inf), np.full_like(self.kept_x, np.inf)
        return (self._low - self.kept_x) / self._units, (self._high - self.kept_x) / self._units

    def _free(self) -> np.ndarray | None:
        """(copies, n) which kept parameters are not held by a bound that their gradient leads into; None if all are."""
        if self._low is None:
            return None
        down, up = self.kept_gradient > 0.0, self.kept_gradient < 0.0
        return np.asarray(~((self.kept_x <= self._low) & down) & ~((self.kept_x >= self._high) & up))

    def _strike(self, bad: np.ndarray, *, shorten: bool = True) -> None:
        if shorten:
            self.scale = np.where(bad, self.scale * SHORTEN, self.scale)
        self.strikes[bad] += 1
        self.alive = self.alive & (~bad | (self.started & (self.strikes < MOST_REJECTIONS)))

    def _leader(self) -> int:
        """The living row that the dead ones follow."""
        return int(np.argmax(self.alive))

    def _diverged(self, error: DivergenceError) -> Evaluation:
        """An evaluation that ended in an exception: one copy is to blame, the others were not evaluated."""
        count = len(self.scale)
        bad = np.zeros(count, dtype=bool)
        known = self.rows.copies and 0 <= error.env < count  # else its environment is not a row of ours
        if known:
            bad[error.env if self.alive[error.env] else self._leader()] = True
        else:
            bad[:] = self.alive
        nowhere = np.full(self.x.shape, np.nan)
        reasons = {int(copy): str(error) for copy in np.flatnonzero(bad)}
        return Evaluation(np.full(count, np.nan), nowhere, nowhere[:, 0], bad, ~bad, reasons, error)

    def _blame(self, loss: float, gradient: np.ndarray) -> tuple[str, str]:
        wrong = np.flatnonzero(~np.isfinite(gradient))
        if np.isfinite(loss) and len(wrong):
            name, value = self.rows.name_of(int(wrong[0])), gradient[wrong[0]]
            return f"gradient of {name}", f"the gradient of {name} is {value:g}"
        if np.isfinite(loss):
            return "gradient", "the norm of the gradient is too large for float64"
        return "loss", f"the loss is {loss:g}"

    def _bounded(self, x: np.ndarray) -> np.ndarray:
        if self._low is None:
            return x
        return np.minimum(np.maximum(x, self._low), self._high)


def _units(rows: Rows, units: Mapping[str, float]) -> np.ndarray:
    """(1, n) the unit that each column is counted in."""
    found = np.ones((1, rows.width))
    for name, unit in units.items():
        found[0, rows.columns[name]] = unit
    return found


def _limits(rows: Rows, problem: Any) -> tuple[Any, Any]:
    """(1, n) lowest and highest value of each column, or None and None if nothing is bounded."""
    low, high = np.full((1, rows.width), -np.inf), np.full((1, rows.width), np.inf)
    for name, columns in rows.columns.items():
        low[0, columns], high[0, columns] = problem.limits(name)
    if np.isneginf(low).all() and np.isposinf(high).all():
        return None, None
    return low, high


def _merge(choose: np.ndarray, ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Our rows where chosen, their rows elsewhere."""
    return np.where(choose[:, None], ours, theirs)
