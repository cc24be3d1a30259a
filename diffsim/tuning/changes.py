"""What a run did to each tuned number, and what there is to say about it at the end, in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.notebook import table_html

__all__ = ["Change", "Changes", "changes_of", "findings", "led_nowhere", "spread", "words_of"]

STILL = 1e-6  # of a number's size: what moved by less has not been tuned

FAR = 1e9  # times the best losses: there a step led nowhere
EXPLODES = 3.0  # digits that an adjoint may gain, as of `diffsim.gradient_health`
JUMP = 1e3  # times as long as the gradients of the last iterations: a step that such a gradient leads to means nothing
USUAL = 10  # iterations that say how long it usually is


@dataclass(frozen=True, eq=False, repr=False)
class Change:
    """A parameter before and after.

    Attributes:
        name: of the parameter.
        start: its value at the first evaluation, of one copy, in its own unit.
        end: its best value.
        unit: what it was counted in: see ``scale`` of `diffsim.tune`.
        low: the lowest value that its bounds allow, -inf without one.
        high: the highest, inf without one.
    """

    name: str
    start: np.ndarray
    end: np.ndarray
    unit: float = 1.0
    low: float = -math.inf
    high: float = math.inf

    def __repr__(self) -> str:
        """One line."""
        words = self.words()
        return f"Change({self.name!r}, {words['start']} -> {words['end']}, moved by {words['moved by']})"

    @property
    def moved(self) -> float:
        """By how much: the difference of a number, the root mean square of the differences of an array."""
        difference = np.asarray(self.end, np.float64) - self.start
        return float(difference) if difference.ndim == 0 else _rms(difference)

    @property
    def still(self) -> bool:
        """Whether it moved by less than a millionth of itself."""
        return abs(self.moved) <= STILL * max(_rms(self.start), _rms(self.end))

    @property
    def at_bounds(self) -> tuple[int, int]:
        """How many of its entries end at the lowest, and at the highest value that is allowed."""
        return int(np.sum(np.asarray(self.end) <= self.low)), int(np.sum(np.asarray(self.end) >= self.high))

    def words(self) -> dict[str, str]:
        """Each of it in words, for a table: of an array its range."""
        shape = " x ".join(map(str, np.shape(self.end))) or "a number"
        limits = [f"{value:.4g}" if math.isfinite(value) else "" for value in (self.low, self.high)]
        return {
            "parameter": self.name,
            "shape": shape,
            "start": spread(self.start),
            "end": spread(self.end),
            "moved by": f"{self.moved:+.3g}" if np.ndim(self.end) == 0 else f"{self.moved:.3g}",
            "bounds": f"{limits[0]} to {limits[1]}".strip() if any(limits) else "",
            "unit": f"{self.unit:.4g}",
        }

    def to_dict(self) -> dict[str, Any]:
        """As plain values, of arrays the range; None where there is no bound."""
        ends = {"low": self.low, "high": self.high}
        return {
            "name": self.name,
            "shape": list(np.shape(self.end)),
            "start": _spread(self.start),
            "end": _spread(self.end),
            "moved": self.moved,
            "still": self.still,
            "at_bounds": list(self.at_bounds),
            "unit": self.unit,
            **{name: value if math.isfinite(value) else None for name, value in ends.items()},
        }


class Changes(tuple[Change, ...]):
    """The changes of all parameters, which print as a table, and show as one in a notebook."""

    __slots__ = ()

    def __repr__(self) -> str:
        """A line each."""
        rows = [change.words() for change in self]
        lines = [list(rows[0]), *(list(words.values()) for words in rows)] if rows else [["nothing tuned"]]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def _repr_html_(self) -> str:
        """A line each."""
        rows = [change.words() for change in self]
        titles = list(rows[0]) if rows else []
        return table_html(
            titles, [list(words.values()) for words in rows], caption="Tuned" if rows else "Nothing tuned"
        )


def changes_of(problem: Any, start: Mapping[str, Any], end: Mapping[str, Any], units: Mapping[str, float]) -> Changes:
    """The change of each parameter, in the order of ``end``.

    Args:
        problem: has ``limits(name) -> (low, high)``.
        start: values of one copy by name.
        end: likewise.
        units: by name, 1 where there is none.
    """
    found = []
    for name, value in end.items():
        low, high = problem.limits(name)
        first, last = np.array(start[name], np.float64), np.array(value, np.float64)
        found.append(Change(name, first, last, units.get(name, 1.0), float(low), float(high)))
    return Changes(found)


def words_of(problem: Any, loss: float, params: Mapping[str, np.ndarray]) -> str:
    """A loss in words, with units; empty if only a trajectory could tell, or there is no objective.

    Args:
        problem: a `Problem`.
        loss: of it.
        params: of one copy.
    """
    objective: Any = getattr(problem, "objective", None)
    if not hasattr(objective, "terms_of"):
        return ""
    terms = objective.terms_of(loss, problem.filled(params))
    return str(terms[0].words) if len(terms) == 1 else ""


def findings(
    changes: Sequence[Change],
    history: Sequence[Mapping[str, Any]],
    steps: int | None,
    folder: Any = None,
    *,
    kept: bool = True,
) -> tuple[str, ...]:
    """What should be known about a run, a sentence each; empty if there is nothing.

    Args:
        changes: of its parameters.
        history: its records.
        steps: that are differentiated at a time; None if that is not known.
        folder: of the run, if it has one.
        kept: whether the search goes on from every iteration; else only from those that are the best.
    """
    if len(history) > 1 and changes and not any(change.moved for change in changes):
        found = ["nothing better than the start was found, so the best parameters are those of the start"]
    else:
        found = [words for change in changes for words in _about_change(change, len(history))]
    health = f"`diffsim health {folder}`" if folder else "`diffsim health`, or diffsim.gradient_health,"
    rejected = [record for record in history if "rejected" in record]
    if rejected:
        found.append(
            f"{len(rejected)} of {len(history)} steps {'was' if len(rejected) == 1 else 'were'} rejected, the last "
            f"because {rejected[-1]['rejected']}; {health} shows where the gradient breaks"
        )
    explodes = _explosion([each for each in history if kept or each["loss"] == each["best"]], steps)
    if explodes:
        found.append(f"the gradient explodes: {explodes}; {health} shows where, and what to do")
    return tuple(found)


def _about_change(change: Change, iterations: int) -> list[str]:
    if change.still and iterations > 1:  # nothing moves in the first
        return [
            f"{change.name} did not move: by {abs(change.moved):.2g} from {spread(change.start)}, less than a "
            "millionth of itself; unless the loss does not depend on it, counted in larger units it would, e.g. "
            f"scale={{{change.name!r}: {100.0 * change.unit:.3g}}}"
        ]
    size, ends = np.size(change.end), []
    for count, limit, side in zip(change.at_bounds, (change.low, change.high), ("lowest", "highest"), strict=True):
        if count:
            ends.append(f"{f'{count} ' * (size > 1)}at the {side} that the bounds allow, {limit:.6g}")
    if not ends:
        return []
    who = f"{change.name} ends" if size == 1 else f"of {size} numbers of {change.name} end"
    return [f"{who} {', and '.join(ends)}"]


def _explosion(history: Sequence[Mapping[str, Any]], steps: int | None) -> str | None:
    """How the gradient explodes, None if it does not: by the adjoint's growth, if that is known, else by jumps."""
    growths = [record["growth"] for record in history if record.get("growth", math.nan) > 0.0]
    if growths and steps:
        digits = steps * math.log10(float(np.median(growths)))
        if digits > EXPLODES:
            return f"going back in time the adjoint grows by {digits:.1f} digits (median over the iterations)"
        return None
    known = [(record["iteration"], norm) for record in history if 0.0 < (norm := record["gradient_norm"]) < math.inf]
    if len(known) < 2:
        return None
    norms = np.array([norm for _, norm in known])
    before = np.lib.stride_tricks.sliding_window_view(np.concatenate([np.full(USUAL - 1, np.nan), norms[:-1]]), USUAL)
    usual = np.nanmedian(before, axis=1)  # of each but the first
    worst = int(np.argmax(norms[1:] / usual))
    if norms[worst + 1] > JUMP * usual[worst]:
        at, norm = known[worst + 1]
        return f"its length is {norm:.2g} at iteration {at}, and was {usual[worst]:.2g} in those before"
    return None


def led_nowhere(history: Sequence[Mapping[str, Any]]) -> np.ndarray:
    """(iterations,) whether each is a step that was tried and left, with a loss far beyond all that were the best."""

    def size(record: Mapping[str, Any], name: str) -> float:
        value = record.get(name)
        return math.nan if value is None else abs(float(np.min(value)))

    best = [value for record in history if math.isfinite(value := size(record, "best"))]
    most = FAR * max(best, default=0.0) or math.inf
    return np.array([size(record, "loss") > most for record in history], bool)


def spread(value: np.ndarray) -> str:
    """The value of a number, of an array its range, in words."""
    if np.size(value) == 0:
        return "nothing"
    if np.ndim(value) == 0:
        return f"{float(value):.6g}"
    low, high = float(np.min(value)), float(np.max(value))
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _spread(value: np.ndarray) -> dict[str, float]:
    return {
        name: float(of(value)) for name, of in (("least", np.min), ("mean", np.mean), ("most", np.max)) if value.size
    }


def _rms(value: Any) -> float:
    with np.errstate(over="ignore", under="ignore"):
        return float(np.sqrt(np.mean(np.square(value)))) if np.size(value) else 0.0
