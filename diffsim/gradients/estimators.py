"""Gradients of the smoothed loss, from copies with perturbed parameters: first order, zeroth order, and both.

The equations are in `diffsim.gradients.averages`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from diffsim.errors import DivergenceError, InputError
from diffsim.gradients.averages import CONFIDENCE, Mean, alpha_of, angle, combined, first_order, zeroth_order
from diffsim.gradients.estimate import Arrays, GradientEstimate
from diffsim.protocols import Tunable, units_of
from diffsim.spec import choices, number, numbers_by_name, whole

__all__ = ["ESTIMATORS", "GradientEstimate", "Sampler", "estimate_gradient"]

ESTIMATORS = ("first", "zeroth", "mixed")
STREAM = 1  # of random numbers: initial parameters are drawn with default_rng(seed), and must not repeat in the noise


def estimate_gradient(
    sim: Tunable,
    params: Mapping[str, Any] | None = None,
    *,
    estimator: str = "mixed",
    sigma: float | Mapping[str, float] = 0.1,
    rounds: int = 1,
    seed: int = 0,
    accuracy: float | None = None,
    scale: Mapping[str, float] | None = None,
) -> GradientEstimate:
    """Estimate the gradient of the smoothed loss at ``params`` from copies with perturbed parameters.

    Copies 2k and 2k + 1 are a pair, at ``params`` plus and minus the same noise; with an odd number of copies the last
    one is unperturbed and no sample. Copies are projected onto the problem's bounds, and what is smoothed is the loss
    of the projected parameters. A copy whose loss or gradient is not finite is left out of the first order, a pair
    with a loss that is not finite out of the zeroth, and both are counted. The equations are in
    `diffsim.gradients.averages`.

    To smooth over initial states too, give the simulation `initial_states`, the same ones to both copies of a pair:
    different ones would add their difference in loss to the noise of the zeroth order. The variances count them as
    samples, though they are the same in each round.

    Args:
        sim: a `Simulation` with ``envs`` of at least 2 and ``shared=False``, or anything like it.
        params: where, of one copy: no axis of copies. None is the first copy of ``sim.params(seed)``.
        estimator: "first", "zeroth" or "mixed". "zeroth" runs no gradient if the simulation has ``value``; the other
            two estimate both orders.
        sigma: standard deviation of the perturbations, counted in each parameter's ``scale``: one for all, or by name
            or pattern (later patterns win) for every parameter. ``0.1`` is 10 % of a stiffness, and 0.1 of a weight.
        rounds: how many times to run the simulation, with fresh perturbations.
        seed: of the perturbations, and of the parameters if none are given.
        accuracy: gamma in the equation of alpha, for "mixed": how large the error of sigma times the gradient may be,
            in units of the loss. None is twice the confidence radius of the zeroth order.
        scale: by name or pattern, the size that a parameter is counted in; by default as of `diffsim.tune`.

    Raises:
        InputError: for an argument or a simulation that does not fit.
        DivergenceError: if nothing is left of what the estimator needs.
    """
    sampler = Sampler(sim, estimator=estimator, sigma=sigma, rounds=rounds, seed=seed, accuracy=accuracy, scale=scale)
    return sampler.estimate(sampler.start if params is None else params)


class Sampler:
    """Draws perturbed copies of a point; each estimate takes fresh ones.

    Args:
        sim: as in `estimate_gradient`, and so are the others.
        owner: who asks, for messages.
        units: by name, what ``sigma`` is counted in; None takes them from ``start`` and ``scale``.

    Attributes:
        start: the parameters of the first copy of ``sim.params(seed)``.
        sigma: standard deviation of the perturbations by name, in units of the parameter.
    """

    def __init__(
        self,
        sim: Tunable,
        *,
        estimator: str = "mixed",
        sigma: float | Mapping[str, float] = 0.1,
        rounds: int = 1,
        seed: int = 0,
        accuracy: float | None = None,
        owner: str = "estimate_gradient",
        scale: Mapping[str, float] | None = None,
        units: Mapping[str, float] | None = None,
    ):
        self.sim = sim
        self.estimator = choices(f"{owner}(estimator)", estimator, ESTIMATORS)
        self._rounds = whole(f"{owner}(rounds)", rounds)
        self._accuracy = None if accuracy is None else number(f"{owner}(accuracy)", accuracy, above=0.0)
        self._rng = np.random.default_rng((STREAM, whole(f"{owner}(seed)", seed, least=0)))
        self._check_copies(owner)
        self.start = {name: np.asarray(value, np.float64)[0] for name, value in sim.params(seed).items()}
        if not self.start:
            raise InputError("the problem has nothing to tune; name some of its numbers in Problem.tune")
        if units is None:
            units = units_of(sim.problem, self.start, scale, f"{owner}(scale)")
        self.sigma = _deviations(f"{owner}(sigma)", sigma, self.start, units)
        self._spread = self._columns(self.sigma)
        limits = {name: sim.problem.limits(name) for name in self.start}
        self._low, self._high = (self._columns({name: limit[k] for name, limit in limits.items()}) for k in (0, 1))
        self._bounded = bool(np.isfinite(self._low).any() or np.isfinite(self._high).any())

    @property
    def random(self) -> dict[str, Any]:
        """The state of the generator, plain values; setting it draws the same perturbations again."""
        return dict(self._rng.bit_generator.state)

    @random.setter
    def random(self, state: dict[str, Any]) -> None:
        self._rng.bit_generator.state = state

    def _check_copies(self, owner: str) -> None:
        envs, make = self.sim.envs, "make one with Simulation(problem, envs=16, shared=False)"
        if self.sim.shared:
            raise InputError(
                f"{owner}(estimator={self.estimator!r}) needs copies with parameters of their own, but those of this "
                f"simulation share them; {make}"
            )
        if envs < 2:
            raise InputError(
                f"{owner}(estimator={self.estimator!r}) needs at least two copies to perturb, but this simulation has "
                f"envs={envs}; {make}"
            )
        if self.estimator == "mixed" and self._rounds * (envs // 2) < 2:
            raise InputError(
                f"{owner}(estimator='mixed') needs two pairs of copies to tell how much they vary, but this simulation "
                f"has envs={envs}; {make}"
            )

    def estimate(self, params: Mapping[str, Any]) -> GradientEstimate:
        """The estimates at ``params``, of one copy.

        Raises:
            InputError: if ``params`` are not like those of one copy.
            DivergenceError: if nothing is left of what the estimator needs.
        """
        drawn = [self._draw(self._pack(params)) for _ in range(self._rounds)]
        points, losses = (np.concatenate([d[k] for d in drawn]) for k in (0, 1))  # (rounds, copies, ...)
        noise = np.concatenate([d[2] for d in drawn])  # (pairs of all rounds, n)
        grads = np.concatenate([d[3] for d in drawn])
        paired = 2 * (self.sim.envs // 2)
        pairs = losses[:, :paired].reshape(-1, 2)
        slopes = grads[:, :paired].reshape(len(pairs), 2, -1)
        known = np.isfinite(pairs)
        fine = known & np.isfinite(slopes).all(axis=2)
        # What is huge but finite may overflow when it is squared: an infinite variance is what it then has.
        with np.errstate(over="ignore", invalid="ignore"):
            first = first_order(slopes, fine)
            zeroth = zeroth_order(pairs, noise, self._spread, known.all(axis=1))
            alpha, radius = self._alpha(first, zeroth)
            gradient = combined(alpha, first[0], zeroth[0])
        self._refuse_nothing(gradient, known)
        counted = known if self.estimator == "zeroth" else fine
        best = np.unravel_index(np.argmin(np.where(np.isfinite(losses), losses, np.inf)), losses.shape)
        return GradientEstimate(
            estimator=self.estimator,
            loss=float(pairs[known].mean()),
            gradient=self._unpack(gradient),
            first=self._unpack(first[0]),
            zeroth=self._unpack(zeroth[0]),
            variance_first=self._unpack(first[1]),
            variance_zeroth=self._unpack(zeroth[1]),
            alpha=alpha,
            radius=radius,
            angle=angle(self._spread * first[0], self._spread * zeroth[0]),
            samples=pairs.size,
            dropped=int(np.sum(~counted)),
            sigma=dict(self.sigma),
            centre=float(losses[-1, -1]) if paired < self.sim.envs else math.nan,
            best_loss=float(losses[best]),
            best_copy=int(best[1]),
            best_params=self._unpack(points[best].copy()),
        )

    def _draw(self, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """One round: points (1, copies, n), losses (1, copies), noise (pairs, n), gradients (1, copies, n)."""
        copies = self.sim.envs
        noise = self._spread * self._rng.normal(size=(copies // 2, len(centre)))
        free = np.repeat(centre[None], copies, axis=0)
        free[0 : 2 * len(noise) : 2] += noise
        free[1 : 2 * len(noise) : 2] -= noise
        points = np.minimum(np.maximum(free, self._low), self._high) if self._bounded else free
        named = self._unpack(points, copies)
        value = getattr(self.sim, "value", None) if self.estimator == "zeroth" else None
        grads = np.full(points.shape, np.nan)
        if value is not None:
            losses = value(named)
        else:
            losses, grad = self.sim.value_and_grad(named)
            if self.estimator != "zeroth":
                parts = [np.asarray(grad[name], np.float64).reshape(copies, -1) for name in self.start]
                grads = np.concatenate(parts, axis=1)
                grads[points != free] = 0.0  # the projection is constant there
        losses = np.array(losses, np.float64).reshape(-1)
        if losses.shape != (copies,):
            raise ValueError(f"the simulation gave {losses.size} losses, but it has {copies} copies")
        return points[None], losses[None], noise, grads[None]

    def _alpha(self, first: Mean, zeroth: Mean) -> tuple[float, float]:
        """Share of the first order, and the confidence radius of the zeroth."""
        s1, s0 = (float(np.sum(self._spread**2 * found[1])) for found in (first, zeroth))
        radius = CONFIDENCE * math.sqrt(s0)
        if self.estimator != "mixed":
            return float(self.estimator == "first"), radius
        if np.isnan(zeroth[0]).any():
            return 1.0, radius  # every pair lost a copy: there is nothing else
        apart = float(np.linalg.norm(self._spread * (first[0] - zeroth[0])))
        accuracy = 2.0 * radius if self._accuracy is None else self._accuracy
        return alpha_of(s1, s0, apart, radius, accuracy), radius

    def _refuse_nothing(self, gradient: np.ndarray, known: np.ndarray) -> None:
        if not np.isnan(gradient).any():
            return
        if self.estimator == "zeroth" or not known.any():
            array, missing = "loss", "a pair of finite losses" if known.any() else "a finite loss"
        else:
            array, missing = "gradient", "a finite gradient"
        raise DivergenceError(
            f"none of the {known.size} copies with perturbed parameters has {missing}; take a smaller sigma, or other "
            "parameters",
            array=array,
            env=0,
            step=-1,
        )

    def _columns(self, values: Mapping[str, float]) -> np.ndarray:
        """(n,) one number for each number of a copy."""
        return np.concatenate([np.full(value.size, values[name]) for name, value in self.start.items()])

    def _pack(self, params: Mapping[str, Any]) -> np.ndarray:
        if params.keys() != self.start.keys():
            given, wanted = (", ".join(names) or "nothing" for names in (params, self.start))
            raise InputError(f"params holds {given}, but exactly {wanted} is needed")
        for name, own in self.start.items():
            if np.shape(params[name]) != own.shape:
                raise InputError(
                    f"params[{name!r}] has shape {np.shape(params[name])}, but {own.shape} is needed: the "
                    "parameters of one copy, around which all are drawn"
                )
        return np.concatenate([np.asarray(params[name], np.float64).reshape(-1) for name in self.start])

    def _unpack(self, values: np.ndarray, copies: int | None = None) -> Arrays:
        """Named arrays of (n,), or of (copies, n)."""
        lead = () if copies is None else (copies,)
        found, at = {}, 0
        for name, own in self.start.items():
            found[name] = np.ascontiguousarray(values[..., at : at + own.size]).reshape((*lead, *own.shape))
            at += own.size
        return found


def _deviations(
    owner: str, sigma: float | Mapping[str, float], names: Mapping[str, Any], units: Mapping[str, float]
) -> dict[str, float]:
    given = sigma if isinstance(sigma, Mapping) else {"*": number(owner, sigma, above=0.0)}
    found = numbers_by_name(owner, given, names, above=0.0)
    for name in names:
        if name not in found:
            raise InputError(f"{owner} gives nothing for {name}; name it, or begin with '*' for all that follow")
    return {name: found[name] * units.get(name, 1.0) for name in names}
