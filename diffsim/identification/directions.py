"""How well measurements tell numbers: covariance, and in words the directions that nothing measured depends on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

__all__ = ["Direction", "Precision", "precision_of"]

BLIND = 1e-7
"""Of the largest singular value: below it there is only the rounding of central differences."""

BLOCK = 8
"""Rows for each column in a block, of those whose factors are found apart."""

HOPELESS = 1.0
"""Standard error of a direction, in sizes of its numbers, from which on it counts as not seen: a factor of e."""


@dataclass(frozen=True, eq=False)
class Direction:
    """A way in which numbers can change together, and nothing that was measured says so.

    Attributes:
        words: what it means.
        weights: (n,) how much of its size each number changes.
        error: standard error along it, in sizes of the numbers; inf if the data do not depend on it at all.
    """

    words: str
    weights: np.ndarray
    error: float

    def __str__(self) -> str:
        """In words."""
        return self.words


@dataclass(frozen=True, eq=False)
class Precision:
    """How sure numbers are.

    Attributes:
        covariance: (n, n); of a number that is not told its variance is inf, of one at a bound nan.
        singular_values: of the residuals' Jacobian by the numbers in their sizes, falling.
        untold: directions that the data do not tell.
    """

    covariance: np.ndarray
    singular_values: np.ndarray
    untold: tuple[Direction, ...]


def precision_of(
    jacobian: np.ndarray, variance: float, sizes: np.ndarray, free: np.ndarray, labels: Sequence[str]
) -> Precision:
    """Covariance of a least-squares estimate, ``variance * inv(J^T J)`` where it exists.

    Seber & Wild, "Nonlinear Regression", 2003, equation 2.20 (the linearised model), by singular values.

    Args:
        jacobian: (m, n) of the residuals, each divided by its noise.
        variance: of the residuals so divided.
        sizes: (n,) in which the numbers are counted.
        free: (n,) False for a number at a bound: it has no variance of its own.
        labels: of the numbers, for words.
    """
    n = jacobian.shape[1]
    columns = np.flatnonzero(free)
    covariance = np.full((n, n), np.nan)
    if not len(columns):
        return Precision(covariance, np.zeros(0), ())
    scaled = jacobian[:, columns] * sizes[columns]
    values, rows = _singular(scaled)
    with np.errstate(divide="ignore"):
        errors = np.sqrt(variance) / values
    blind = values <= BLIND * values[0]
    poor = blind | (errors > HOPELESS)
    inside = rows[~poor].T / values[~poor]
    found = variance * inside @ inside.T
    lost = (rows[poor] ** 2).sum(axis=0) > 1e-3  # the share of a number's size that lies in what is not seen
    found[lost, :] = found[:, lost] = np.nan
    found[lost, lost] = np.inf
    covariance[np.ix_(columns, columns)] = found * np.outer(sizes[columns], sizes[columns])
    names = [labels[k] for k in columns.tolist()]
    untold = []
    for unseen, which in ((True, blind), (False, poor & ~blind)):
        for weights in _sparse(rows[which]):
            whole = np.zeros(n)
            whole[columns] = weights
            along = rows @ (weights / np.linalg.norm(weights))
            with np.errstate(divide="ignore", invalid="ignore"):
                error = np.inf if unseen else float(np.sqrt(variance * np.sum((along / values)[~blind] ** 2)))
            untold.append(Direction(_words(weights, names, error), whole, error))
    return Precision(covariance, values, tuple(untold))


def _singular(jacobian: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Singular values, falling, and the right vectors as rows, of as many as there are columns."""
    n = jacobian.shape[1]
    small = jacobian
    while len(small) > BLOCK * n:  # threads of LAPACK wait for each other longer than so few columns take
        count = -(-len(small) // (BLOCK * n))
        padded = np.zeros((count * BLOCK * n, n))
        padded[: len(small)] = small
        small = np.asarray(np.linalg.qr(padded.reshape(count, BLOCK * n, n), mode="r")).reshape(-1, n)
    _, values, rows = np.linalg.svd(small, full_matrices=True)
    return np.concatenate([values, np.zeros(n - len(values))]), rows


def _sparse(basis: np.ndarray) -> np.ndarray:
    """The same space by vectors with as few entries as elimination with full pivoting gives."""
    rows = np.array(basis)
    left = list(range(len(rows)))
    for _ in range(len(rows)):
        block = np.abs(rows[left])
        k, pivot = np.unravel_index(int(np.argmax(block)), block.shape)
        row = left.pop(int(k))
        rows[row] /= rows[row, pivot]
        for other in range(len(rows)):
            if other != row:
                rows[other] -= rows[other, pivot] * rows[row]
    rows[np.abs(rows) < 1e-3 * np.abs(rows).max(axis=1, keepdims=True, initial=1e-300)] = 0.0
    return rows


def _words(weights: np.ndarray, labels: Sequence[str], error: float) -> str:
    """A direction in words; entries of one number that change alike are told by the number's name."""
    weights = weights / weights[int(np.argmax(np.abs(weights)))]
    parts = _grouped(
        {label: weight for label, weight in zip(labels, weights, strict=True) if abs(weight) > 0.02}, labels
    )
    seen = "nothing measured depends on" if np.isinf(error) else "the measurements hardly tell"
    tail = "" if np.isinf(error) else f" (a standard error of {error:.0%})"
    names = list(parts)
    if len(parts) == 1:
        (label,) = parts
        entries = [weight for other, weight in zip(labels, weights, strict=True) if other.partition("[")[0] == label]
        together = ", all entries together," if len(entries) > 1 and label not in labels else ""
        return f"{seen} {label}{together}{tail}".replace(",,", ",").rstrip(",")
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    factors = np.array(list(parts.values()))
    if np.allclose(factors, 1.0, atol=0.03):
        ratio = "ratio is" if len(parts) == 2 else "ratios are"
        return f"{listed} scale together: only their {ratio} seen{tail}"
    if len(parts) == 2 and np.allclose(np.abs(factors), 1.0, atol=0.03):
        return f"{listed} scale against each other: only their product is seen{tail}"
    moves = ", ".join(f"{name} by {100 * factor:+.0f} %" for name, factor in parts.items())
    return f"{seen} a change of {moves} together{tail}"


def _grouped(weights: dict[str, float], labels: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for label, weight in weights.items():
        base = label.partition("[")[0]
        entries = [other for other in labels if other.partition("[")[0] == base]
        alike = all(other in weights and abs(weights[other] - weight) < 0.03 for other in entries)
        found[base if alike and len(entries) > 1 else label] = weight
    return found
