"""Averages over copies with perturbed parameters, which estimate the gradient of the smoothed loss.

A loss with jumps has a gradient that says nothing of them, and a chaotic one a gradient that is right for a step too
short to be of use. What a search wants is the gradient of the loss as seen from further away,

    F(x) = E f(x + w),    w normal, independent in each number, with standard deviation sigma.

Two estimates of it from pairs of copies at x + w_i and x - w_i, i = 1 ... N (Suh, Simchowitz, Zhang & Tedrake, "Do
Differentiable Simulators Give Better Policy Gradients?", ICML 2022, arXiv:2202.00817, section 2):

    first order    g1 = mean of (f'(x + w_i) + f'(x - w_i)) / 2                   the gradients of the copies
    zeroth order   g0 = mean of (f(x + w_i) - f(x - w_i)) / (2 sigma^2) * w_i     their losses alone

The first has little variance where f is smooth, but it misses every jump, and where f is chaotic its variance has no
bound. The second is right whatever f is, with a variance that grows with the number of parameters. The paper's
combination (its definition 4.1, "alpha-order batched gradient") is alpha * g1 + (1 - alpha) * g0, where alpha solves
its equation 4,

    least  alpha^2 s1^2 + (1 - alpha)^2 s0^2    such that    eps + alpha * |g1 - g0| <= gamma,

with s1^2 and s0^2 the variances, summed over the numbers, and eps a bound of |g0 - F'| that holds with high
probability. In closed form (lemma 4.4),

    alpha = min(s0^2 / (s1^2 + s0^2), (gamma - eps) / |g1 - g0|),    and 0 if eps > gamma.

What is done otherwise here, and why:

* A pair is the sample. The two gradients of a pair are not independent, so variances are taken over pairs.
* g1 and g0 come from the same copies, since one launch gives both; the paper draws twice. Equation 4 leaves their
  covariance out here, too.
* Norms and variances are of sigma times the gradient, in units of the loss, so that alpha does not depend on the units
  of the parameters. With one sigma for all, gamma is sigma times the paper's.
* eps is 1.96 times the standard error of g0: the 95 % radius of a normal distribution along a line, and no normal
  distribution of that total variance has a wider one (Szekely & Bakirov, "Extremal probabilities for Gaussian
  quadratic forms", 2003). The paper's Bernstein bound (its appendix C.4) needs the largest possible gradient, and
  grows with the number of parameters.
* gamma is 2 eps unless given: the first order may add as much error as the zeroth has anyway. Where the two agree
  within eps, alpha is the one of least variance; where f jumps it falls as 1 / sqrt(N).
"""

from __future__ import annotations

import math

import numpy as np

__all__ = ["CONFIDENCE", "Mean", "alpha_of", "angle", "combined", "first_order", "zeroth_order"]

CONFIDENCE = 1.96  # standard errors within which 95 % of a normal distribution lie

Mean = tuple[np.ndarray, np.ndarray]
"""An estimate (n,) and its variance (n,): that of a sample divided by their number. Nan where not known."""


def alpha_of(first: float, zeroth: float, apart: float, radius: float, accuracy: float) -> float:
    """Share of the first-order estimate: the closed form of equation 4 of Suh et al. 2022 (their lemma 4.4).

    Args:
        first: variance of the first-order estimate, summed over the numbers.
        zeroth: of the zeroth-order one.
        apart: norm of their difference.
        radius: eps, a bound of the zeroth-order estimate's error.
        accuracy: gamma, what the error of the combination may be.

    Returns:
        From 0 to 1; 0 if the bound cannot be kept, or a variance is not known (nan).
    """
    if not radius <= accuracy or math.isnan(first):
        return 0.0
    total = first + zeroth
    least = zeroth / total if total > 0.0 else 1.0
    if math.isnan(least):  # both variances are infinite
        return 0.0
    return least if least * apart <= accuracy - radius else (accuracy - radius) / apart


def first_order(slopes: np.ndarray, fine: np.ndarray) -> Mean:
    """Mean of the fine ones among the gradients (pairs, 2, n), and its variance.

    The pairs are the independent samples. Where one copy of a pair is missing, a pair counts by what is left: the
    variance of a ratio of two sums over pairs (Cochran, "Sampling Techniques", 1977, chapter 6).
    """
    count = fine.sum(axis=1)[:, None]  # (pairs, 1)
    everything = count.sum()
    if everything == 0:
        return _unknown(slopes.shape[2])
    total = np.where(fine[..., None], slopes, 0.0).sum(axis=1)
    mean = total.sum(axis=0) / everything
    pairs = int(np.sum(count > 0))
    if pairs < 2:
        return mean, np.full(mean.shape, np.nan)
    variance = ((total - count * mean) ** 2).sum(axis=0) * (pairs / (pairs - 1)) / float(everything) ** 2
    return mean, variance


def zeroth_order(pairs: np.ndarray, noise: np.ndarray, spread: np.ndarray, good: np.ndarray) -> Mean:
    """Mean of the antithetic estimates of the good pairs of losses (pairs, 2), and its variance."""
    count = int(good.sum())
    if count == 0:
        return _unknown(len(spread))
    samples = (0.5 * pairs[good, 0] - 0.5 * pairs[good, 1])[:, None] * (noise[good] / spread**2)
    mean = samples.mean(axis=0)
    return mean, (samples.var(axis=0, ddof=1) / count if count > 1 else np.full(mean.shape, np.nan))


def _unknown(size: int) -> Mean:
    return np.full(size, np.nan), np.full(size, np.nan)


def combined(alpha: float, first: np.ndarray, zeroth: np.ndarray) -> np.ndarray:
    """The combination; what has no share in it may be unknown."""
    if alpha in (0.0, 1.0):
        return (first if alpha else zeroth).copy()
    return alpha * first + (1.0 - alpha) * zeroth


def angle(a: np.ndarray, b: np.ndarray) -> float:
    """Angle in degrees; nan if a vector is zero or not finite."""
    sizes = [float(np.abs(v).max(initial=0.0)) for v in (a, b)]
    if not all(0.0 < size < math.inf for size in sizes):
        return math.nan
    a, b = a / sizes[0], b / sizes[1]  # else squares overflow
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    return math.degrees(2.0 * math.atan2(float(np.linalg.norm(a - b)), float(np.linalg.norm(a + b))))
