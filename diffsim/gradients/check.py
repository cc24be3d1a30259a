"""Compare gradients with central differences."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from diffsim.errors import GradientError

if TYPE_CHECKING:
    from diffsim.simulation import Simulation

__all__ = ["GradientReport", "ParameterCheck", "check_gradients"]

STEPS = tuple(10.0**-k for k in range(3, 10))
"""Step sizes that are tried, relative to the size of a parameter. Large ones are wrong by the curvature and by every
contact that switches within the step, small ones by rounding; somewhere between lies the best agreement."""


@dataclass(frozen=True)
class ParameterCheck:
    """One parameter's slope along a random direction.

    Attributes:
        name: of the parameter.
        adjoint: slope by the gradient.
        differences: slope by the central difference that agrees best.
        step: its step size, relative to the parameter.
        error: what is left of their relative difference beyond the rounding of the loss.
        passed: whether that is within the tolerance.
    """

    name: str
    adjoint: float
    differences: float
    step: float
    error: float
    passed: bool


@dataclass(frozen=True)
class GradientReport:
    """The checks of all parameters; prints as a table.

    Attributes:
        checks: one per parameter and direction.
        tolerance: largest relative difference that passes.
    """

    checks: tuple[ParameterCheck, ...]
    tolerance: float

    @property
    def passed(self) -> bool:
        """Whether every parameter passed."""
        return all(check.passed for check in self.checks)

    def __str__(self) -> str:
        """The table."""
        width = max(len(name) for name in ("parameter", *(check.name for check in self.checks)))
        lines = [f"{'parameter':<{width}}  {'adjoint':>17}  {'differences':>17}  {'step':>7}  {'error':>7}"]
        lines += [
            f"{c.name:<{width}}  {c.adjoint:>+17.9e}  {c.differences:>+17.9e}  {c.step:>7.0e}  {c.error:>7.1e}"
            f"  {'agrees' if c.passed else 'DISAGREES'}"
            for c in self.checks
        ]
        return "\n".join(lines)


def check_gradients(
    simulation: Simulation,
    params: Mapping[str, Any] | None = None,
    *,
    tolerance: float = 1e-6,
    directions: int = 1,
    seed: int = 0,
    raises: bool = True,
) -> GradientReport:
    """Compare the gradient with central differences in float64, parameter by parameter.

    Each parameter is moved along random directions, every entry in proportion to the parameter's size, by several
    step sizes; the one that agrees best counts. A contact that switches right at ``params`` has no derivative there
    and disagrees, as it should.

    Args:
        simulation: of any precision; one in float32 is made again in float64 for the check.
        params: where to check; None is ``simulation.params(seed)``.
        tolerance: largest relative difference that passes.
        directions: random directions for each parameter.
        seed: of the directions.
        raises: raise GradientError if a parameter disagrees.

    Returns:
        The report; ``print(report)`` shows both numbers for every parameter.
    """
    params = simulation.params(seed) if params is None else params
    params = {name: np.array(value, np.float64) for name, value in params.items()}
    if simulation.precision == "f64":
        report = _check(simulation, params, tolerance, directions, seed)
    else:
        with simulation.again(precision="f64") as exact:
            report = _check(exact, params, tolerance, directions, seed)
    if raises and not report.passed:
        raise GradientError(f"the gradient disagrees with central differences\n{report}")
    return report


def _check(
    simulation: Simulation, params: dict[str, np.ndarray], tolerance: float, directions: int, seed: int
) -> GradientReport:
    rng = np.random.default_rng(seed)
    _, grad = simulation.value_and_grad(params)
    checks = []
    for name, value in params.items():
        size = float(np.sqrt(np.mean(value**2))) or 1.0
        for _ in range(directions):
            way = size * rng.normal(size=value.shape)
            slope = float(np.sum(grad[name] * way))
            # The step that leaves least in doubt: the smallest ones would forgive everything in their rounding.
            tries = [_compare(simulation, params, name, way, step) for step in STEPS]
            differences, rounding, step = min(tries, key=lambda found: abs(found[0] - slope) + found[1])
            apart, larger = max(0.0, abs(differences - slope) - rounding), max(abs(differences), abs(slope))
            error = apart / larger if larger > 0.0 else 0.0
            checks.append(ParameterCheck(name, slope, differences, step, error, error <= tolerance))
    return GradientReport(tuple(checks), tolerance)


def _compare(
    simulation: Simulation, params: dict[str, np.ndarray], name: str, way: np.ndarray, step: float
) -> tuple[float, float, float]:
    """Slope by central differences, what the rounding of the loss may make of it, and the step."""
    sides = [float(np.sum(simulation.value({**params, name: params[name] + s * way}))) for s in (step, -step)]
    differences = (sides[0] - sides[1]) / (2.0 * step)
    rounding = np.finfo(np.float64).eps * max(abs(side) for side in sides) / step
    return differences, rounding, step
