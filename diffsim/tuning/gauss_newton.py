"""Gauss and Newton's steps for objectives that are sums of squares, and the residuals that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from diffsim.adjoint import FullTape, Truncated
from diffsim.errors import InputError
from diffsim.least_squares import region_step
from diffsim.rollout import Rollout
from diffsim.simulation import Simulation
from diffsim.tuning.optimizers import Optimizer, State
from diffsim.tuning.parameter_matrix import Rows
from diffsim.tuning.schedules import Schedule

__all__ = ["GaussNewton", "Squares"]

STEP = 1.5e-8
"""Of forward differences in float64, in units of each number: the square root of the rounding (Nocedal & Wright,
"Numerical Optimization", 2006, section 8.1)."""

MOST_COPIES = 65


@dataclass(frozen=True)
class GaussNewton(Optimizer):
    """Gauss and Newton's steps, for objectives that are sums of squares: a few evaluations where others need hundreds.

    Nocedal & Wright, "Numerical Optimization", 2006, sections 10.2 and 10.3, with a trust region that is a box, as
    bounds are (Conn, Gould & Toint, "Trust-Region Methods", 2000, algorithm 6.1.1): a step stays within both, is taken
    if it lowers the loss by a share of what the model promises, and is tried again in a smaller region else, also where
    it leads to what is not finite. Along what nothing depends on it does not move.

    Residuals are those of the objective, `MatchTrajectory`, `TrackJoints`, `MatchReadings`, `MatchPicture`,
    `MatchRefraction`, `ReachTarget`, `ReachPose`, `Follow`, `Upright`, `Effort`, `Height` with ``least``,
    `ForwardVelocity` with a ``speed``, sums of these, and classes that define ``residuals``. `tune` works out their
    derivatives by copies of the simulation beside each other in float64, one more than there are numbers: for some
    hundred numbers at most. Nothing runs backwards; a loss is that of float64.

    Attributes:
        learning_rate: half the width of the first trust region, in units of the parameters.
    """

    learning_rate: float | Schedule = 1.0

    line_search: ClassVar[bool] = True

    def step_rows(
        self, x: np.ndarray, gradient: np.ndarray, state: State, rate: float | np.ndarray
    ) -> tuple[np.ndarray, State]:
        """A gradient alone does not do."""
        raise InputError("GaussNewton needs residuals, which a step of its own has not; use it in tune")

    def step_in_region(
        self,
        x: np.ndarray,
        gradient: np.ndarray,
        curvature: np.ndarray,
        state: State,
        radius: np.ndarray,
        room: tuple[np.ndarray, np.ndarray],
    ) -> tuple[np.ndarray, State]:
        """One step of each row.

        Args:
            x: (copies, n) parameters.
            gradient: (copies, n) 2 J^T r.
            curvature: (copies, n, n) 2 J^T J.
            state: from `start_rows` or the step before.
            radius: (copies, 1) of the trust regions.
            room: (copies, n) by how much each may fall, and rise.
        """
        steps = [
            region_step(curvature[k], gradient[k], float(radius[k, 0]), room[0][k], room[1][k]) for k in range(len(x))
        ]
        return x + np.stack(steps), {"count": state["count"] + 1}


class Squares:
    """A `Tunable` like a simulation, of whose loss the squares are known.

    Args:
        sim: a `Simulation`; it is left as it is.
        units: of each parameter, as of `units_of`.

    Attributes:
        problem, envs, shared: the simulation's.
        curvature: (rows, n, n) 2 J^T J of the last evaluation, of each copy that has parameters of its own.

    Raises:
        InputError: the objective, or a term of it, is no sum of squares; or its own numbers are tuned.
    """

    def __init__(self, sim: Any, units: Mapping[str, float]):
        """Make the copies."""
        if not isinstance(sim, Simulation):
            raise InputError(
                f"GaussNewton needs a Simulation, whose residuals it knows, but it is a {type(sim).__name__}"
            )
        self.problem, self.envs, self.shared, self._sim = sim.problem, sim.envs, sim.shared, sim
        self._terms = _terms(sim.problem)
        n = sum(value.size for value in sim.params().values()) // (1 if sim.shared else sim.envs)
        self._side = max(2, min(n + 1, MOST_COPIES // sim.envs))  # points beside each other, each of all environments
        options = sim.options
        for own in ("initial_states", "numbers"):
            if own in options:
                options[own] = {name: np.concatenate([v] * self._side) for name, v in options[own].items()}
        options.update(precision="f64", shared=False, envs=sim.envs * self._side)
        adjoint = FullTape() if isinstance(sim.adjoint, Truncated) else sim.adjoint
        executor = "staged" if sim.device == "cpu" else "auto"
        self._copies = Simulation(sim.problem, **{**options, "executor": executor}, adjoint=adjoint)
        self._reads: tuple[str, ...] | None = None  # arrays that residuals are made of, once known
        self._units = units
        self.curvature = np.zeros((1 if sim.shared else sim.envs, n, n))

    def close(self) -> None:
        """Give the copies' memory back."""
        self._copies.close()

    def params(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Initial parameters."""
        return self._sim.params(seed)

    def value_and_grad(self, params: Mapping[str, np.ndarray]) -> tuple[Any, dict[str, np.ndarray]]:
        """Loss and gradient, by forward differences of the residuals; nan where a rollout diverges."""
        rows = Rows(params, copies=not self.shared)
        x = rows.pack(params)
        points = np.repeat(x[None], rows.width + 1, axis=0)  # (n + 1, rows, n)
        for name, columns in rows.columns.items():
            high = self.problem.limits(name)[1]
            step = STEP * self._units.get(name, 1.0)
            for j in range(columns.start, columns.stop):
                points[1 + j, :, j] += np.where(x[:, j] + step <= high, step, -step)
        apart = np.einsum("jrj->rj", points[1:] - x)
        left = self._residuals(points, rows)  # (n + 1, rows, m)
        with np.errstate(over="ignore", invalid="ignore"):  # of rollouts that diverged
            slopes = np.moveaxis(left[1:] - left[0], 0, -1) / apart[:, None]
            losses = np.einsum("rm,rm->r", left[0], left[0])
            gradient = 2.0 * np.einsum("rmn,rm->rn", slopes, left[0])
            curvature = 2.0 * np.einsum("rmn,rmk->rnk", slopes, slopes)
        gradient[~np.isfinite(curvature).all(axis=(1, 2))] = np.nan
        self.curvature = curvature
        return (float(losses[0]) if self.shared else losses), rows.unpack(gradient)

    def _residuals(self, points: np.ndarray, rows: Rows) -> np.ndarray:
        """(points, rows, n) -> (points, rows, m); environments that share parameters add theirs, as of a mean."""
        found: list[np.ndarray] = []
        for first in range(0, len(points), self._side):
            some = points[first : first + self._side]
            full = np.concatenate([some, np.repeat(some[-1:], self._side - len(some), axis=0)])
            spread = np.broadcast_to(full, (self._side, self.envs, full.shape[2])) if self.shared else full
            flat = spread.reshape(self._side * self.envs, -1)
            shapes = {n: s if self.shared else s[1:] for n, s in rows.shapes.items()}
            params = {n: flat[:, c].reshape(len(flat), *shapes[n]) for n, c in rows.columns.items()}
            rollout = self._copies.rollout(params, arrays=self._reads, finite=False)
            each = [self._of(rollout.env(k)) for k in range(len(some) * self.envs)]
            found += [np.stack(each[k : k + self.envs]) for k in range(0, len(each), self.envs)]
        left = np.stack(found)
        return left.reshape(len(left), 1, -1) / np.sqrt(self.envs) if self.shared else left

    def _of(self, rollout: Rollout) -> np.ndarray:
        """(m,) of one environment; the first time it notes which arrays are read."""
        noted = _Noted(rollout.arrays)
        if self._reads is None:
            rollout = replace(rollout, arrays=noted)
        numbers, found = rollout.numbers, []
        for prefix, term in self._terms:
            own = {n.removeprefix(prefix): value for n, value in numbers.items() if n.startswith(prefix)}
            weight, left = float(own["weight"]), term.residuals(rollout, own)
            if left is None or weight < 0.0:
                raise InputError(
                    _refused(term, f"its weight is {weight:g}" if left is not None else "it has none here")
                )
            found.append(np.sqrt(weight) * np.ravel(left))
        if self._reads is None:
            self._reads = tuple(sorted(noted.read))
        return np.concatenate(found)


class _Noted(dict[str, np.ndarray]):
    """Arrays by name that note which are read."""

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        super().__init__(arrays)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> np.ndarray:
        self.read.add(name)
        return super().__getitem__(name)


def _terms(problem: Any) -> list[tuple[str, Any]]:
    """Prefix of its numbers, and each term of the objective.

    Raises:
        InputError: naming the term that is no sum of squares.
    """
    if problem.objective is None:
        raise InputError("this problem has no objective; give it one that is a sum of squares, e.g. MatchTrajectory")
    for name in problem.tuned:
        if name.startswith("objective."):
            raise InputError(f"GaussNewton cannot tune {name}: residuals are of the objective as it is; take LBFGS")
    found = [(prefix, term) for _, prefix, term in problem.objective._placed()]
    for _, term in found:
        if not term.squared:
            raise InputError(_refused(term, "it has none"))
        if float(term.weight) < 0.0:
            raise InputError(_refused(term, f"its weight is {float(term.weight):g}"))
    return found


def _refused(term: Any, why: str) -> str:
    return (
        f"GaussNewton needs an objective that is a sum of squares, with residuals, but of {type(term).__name__} {why}; "
        "take LBFGS or Adam, or leave the term out"
    )
