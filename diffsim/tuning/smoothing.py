"""All copies of a simulation as samples of one point of the search, whose loss is the smoothed one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from diffsim.gradients.estimators import GradientEstimate, Sampler
from diffsim.protocols import Tunable

__all__ = ["Smoothed"]


class Smoothed:
    """A `Tunable` with one copy, whose loss is the mean over a simulation's copies with perturbed parameters.

    Each evaluation draws fresh perturbations from one generator, so a run is the same again with the same seed.

    Args:
        sim: has copies with parameters of their own.
        estimator: "first", "zeroth" or "mixed".
        sigma: standard deviation of the perturbations, counted in ``units``, by name or pattern or one for all.
        seed: of the perturbations.
        units: of each parameter, as of `units_of`.

    Attributes:
        problem: the simulation's.
        last: the last estimate.

    Raises:
        InputError: for an argument or a simulation that does not fit.
    """

    envs = 1
    shared = True

    def __init__(
        self,
        sim: Tunable,
        estimator: str,
        *,
        sigma: float | Mapping[str, float],
        seed: int,
        units: Mapping[str, float],
    ):
        self.problem: Any = sim.problem
        self.last: GradientEstimate | None = None
        self._sim = sim
        self._units = units
        self._sampler = Sampler(sim, estimator=estimator, sigma=sigma, seed=seed, owner="tune", units=self._units)

    def params(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Initial parameters: those of the first copy."""
        return {name: np.array(value[0], np.float64) for name, value in self._sim.params(seed).items()}

    def value_and_grad(self, params: Mapping[str, np.ndarray]) -> tuple[float, dict[str, np.ndarray]]:
        """Smoothed loss and the estimate of its gradient.

        Raises:
            DivergenceError: if too little is finite for an estimate.
        """
        self.last = None
        self.last = self._sampler.estimate(params)
        return self.last.loss, self.last.gradient

    @property
    def random(self) -> str:
        """The state of the perturbations' generator, in words; setting it draws the same ones again."""
        return json.dumps(self._sampler.random)

    @random.setter
    def random(self, words: str) -> None:
        self._sampler.random = json.loads(words)

    def notes(self) -> dict[str, Any]:
        """What a record says about the last estimate; nothing if there is none."""
        if self.last is None:
            return {}
        first, zeroth = self.last.variance_first, self.last.variance_zeroth
        notes = {"alpha": self.last.alpha, "variance_first": self._sum(first), "variance_zeroth": self._sum(zeroth)}
        return {**notes, "dropped": self.last.dropped} if self.last.dropped else notes

    def _sum(self, variances: Mapping[str, np.ndarray]) -> float:
        """Over all numbers, in the units of the recorded norm of the gradient."""
        with np.errstate(over="ignore"):
            return float(sum(self._units.get(name, 1.0) ** 2 * np.sum(value) for name, value in variances.items()))

    @property
    def adjoint_growth(self) -> Any:
        """The simulation's, for each copy; None if no gradient is run."""
        return None if self._sampler.estimator == "zeroth" else getattr(self._sim, "adjoint_growth", None)
