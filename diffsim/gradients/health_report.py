"""What `gradient_health` returns: numbers, findings and advice."""

from __future__ import annotations

import math
import textwrap
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.events import describe
from diffsim.gradients.advice import advise, diagnose
from diffsim.gradients.health_numbers import Change, HealthNumbers, ParameterGradient, Passes
from diffsim.lazy import named
from diffsim.notebook import table_html
from diffsim.rollout import Place

__all__ = ["HealthReport"]

PICTURE = "diffsim.viewing.health:health_html"
"""What draws it for a notebook: viewing is imported by who looks."""

MOST_ROWS = 8  # of one kind in the summary
WIDTH = 120


@dataclass(frozen=True, eq=False)
class HealthReport(HealthNumbers):
    """How a gradient comes about, what is wrong with it, and what to do; prints as a summary.

    Attributes:
        steps: of the rollout.
        dt: of a step [s].
        at: (n,) the steps that were looked at, in rising order. The last is before the end of the rollout.
        passes: in the simulation's precision.
        other: in the other precision; None without a comparison.
        apart: (envs, n) norm of the difference of the two adjoints over that of the one in float64; None without a
            comparison.
        gradient: of each parameter and, if there are several, of all.
        contacts: where contact switched, the earliest step first; None if the model does not record a ``contact``.
    """

    @property
    def findings(self) -> dict[str, str]:
        """What is wrong, in words, by kind; empty if nothing is. The kinds are

        * "forward": the rollout is not finite;
        * "backward": the adjoint of the state is not finite, though the rollout is;
        * "gradient": the gradient of a parameter is not finite, though both are;
        * "explodes": the adjoint gains more than three digits;
        * "vanishes": it is zero early on, to rounding, so the loss does not depend on what happens there;
        * "precision": float32, in which the simulation runs, and float64 disagree.
        """
        return diagnose(self)

    @property
    def advice(self) -> dict[str, str]:
        """What to do, in words, by kind, each because of a finding. The kinds are

        "dt", "forward" and "slope" (what to look at where something is not finite), "precision", "window", "clip",
        "smoothing", "objective".
        """
        return advise(self)

    @property
    def healthy(self) -> bool:
        """Whether there are no findings."""
        return not self.findings

    @property
    def exit_status(self) -> int:
        """Of a command that prints the report: 0 if the gradient is healthy, else 1."""
        return 0 if self.healthy else 1

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain lists, numbers and strings; numbers that are not finite are None, as in a history."""
        about = {"healthy": self.healthy, "exit_status": self.exit_status}
        words = {"findings": self.findings, "advice": self.advice}
        found: dict[str, Any] = _plain({**about, **words, **{f.name: getattr(self, f.name) for f in fields(self)}})
        return found

    def __str__(self) -> str:
        """The summary, at most 120 characters wide."""
        span = "every step" if len(self.at) == self.steps else f"{len(self.at)} of the steps"
        blocks = [
            [f"Adjoint of the state, back through {self.steps} steps of {self.dt:g} s, {span}", *self._norm_rows()],
            self._gradient_rows(),
            self._contact_rows(),
            ["Healthy: nothing was found." if self.healthy else "Found:"],
        ]
        blocks[-1] += [line for text in self.findings.values() for line in _wrapped(text)]
        if self.advice:
            blocks.append(["Advice:", *(line for text in self.advice.values() for line in _wrapped(text))])
        return "\n\n".join("\n".join(block) for block in blocks if block)

    def _repr_html_(self) -> str:
        """The summary and its picture, for notebooks."""
        span = "every step" if len(self.at) == self.steps else f"{len(self.at)} of the steps"
        adjoint = f"Adjoint of the state, back through {self.steps} steps of {self.dt:g} s, {span}"
        parts = [table_html(*self._norms(), caption=adjoint)]
        if self.gradient:
            parts.append(table_html(*self._gradients()))
        if self.contacts is not None:
            parts.append(table_html(*self._contacts(), caption=f"Contact switches: {len(self.contacts)}"))
        found = [("found", text) for text in self.findings.values()] or [("healthy", "nothing was found")]
        parts.append(table_html((), [*found, *(("advice", text) for text in self.advice.values())]))
        return "".join([*parts, str(named(PICTURE)(self))])

    def _norm_rows(self) -> list[str]:
        lines = _table(*self._norms())
        left = self.envs - min(self.envs, MOST_ROWS)
        if left:
            lines.append(f"and {left} more environment{'s' * (left > 1)}, which gain no more digits")
        return lines

    def _norms(self) -> tuple[list[str], list[list[str]]]:
        shown = np.argsort(-np.nan_to_num(self.passes.digits, nan=np.inf), kind="stable")[:MOST_ROWS]
        titles = ["precision", "env", "at end", "largest", "at step", "at start", "growth/step", "digits", "horizon"]
        rows = []
        for passes in (self.passes, self.other) if self.other is not None else (self.passes,):
            for env in sorted(shown.tolist()):
                norms = passes.norms[env]
                known = np.flatnonzero(np.isfinite(norms))
                top = known[np.argmax(norms[known])] if len(known) else None
                rows.append(
                    [
                        {"f32": "float32", "f64": "float64"}[passes.precision],
                        str(env),
                        f"{norms[-1]:.3e}",
                        "nan" if top is None else f"{norms[top]:.3e}",
                        "-" if top is None else str(self.at[top]),
                        f"{norms[0]:.3e}",
                        f"{passes.growth[env]:.6f}",
                        f"{passes.digits[env]:.1f}",
                        "-" if passes.horizon[env] is None else f"{passes.horizon[env]} steps",
                    ]
                )
        return titles, rows

    def _gradient_rows(self) -> list[str]:
        return _table(*self._gradients()) if self.gradient else []

    def _gradients(self) -> tuple[list[str], list[list[str]]]:
        titles = ["gradient", "norm", *(["f32 / f64", "angle [deg]"] if self.other is not None else [])]
        rows = []
        for row in self.gradient:
            words = [_clipped(row.name), _range(row.norm, ".3e")]
            if row.angle is not None and row.ratio is not None:
                words += [_range(row.ratio, ".6g"), _range(row.angle, ".3g")]
            rows.append(words)
        return titles, rows

    def _contact_rows(self) -> list[str]:
        if self.contacts is None:
            return []
        count = len(self.contacts)
        lines = [f"Contact switches {count} time{'s' * (count != 1)}{':' if count else ''}"]
        if count:
            lines += _table(*self._contacts())
        return lines + ([f"and {count - MOST_ROWS} more"] if count > MOST_ROWS else [])

    def _contacts(self) -> tuple[list[str], list[list[str]]]:
        titles = ["step", *(["env"] if self.envs > 1 else []), "contact", "from", "to"]
        rows = []
        for change in (self.contacts or ())[:MOST_ROWS]:
            env = [str(change.env)] if self.envs > 1 else []
            place = change.place or str(change.element)
            rows.append([str(change.step), *env, place, _words(change.before), _words(change.after)])
        return titles, rows


def _table(titles: list[str], rows: list[list[str]]) -> list[str]:
    """Lines of a table, words of the first column to the left and numbers to the right."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    sides = "<" + ">" * len(widths)
    return [
        "  ".join(f"{word:{side}{width}}" for word, side, width in zip(row, sides, widths, strict=False)).rstrip()
        for row in [titles, *rows]
    ]


def _range(values: np.ndarray, style: str) -> str:
    """A number, or the least and the largest of several."""
    known = values[np.isfinite(values)]
    if len(known) < len(values):
        return "not finite" if not len(known) else f"{known.min():{style}} to not finite"
    low, high = f"{known.min():{style}}", f"{known.max():{style}}"
    return low if low == high else f"{low} to {high}"


def _words(code: int) -> str:
    """What a contact does, or its number if that is a model's own."""
    try:
        return describe(code)
    except InputError:
        return str(code)


def _clipped(name: str) -> str:
    return name if len(name) <= 50 else name[:47] + "..."


def _wrapped(text: str) -> list[str]:
    """A list item in lines that fit."""
    return textwrap.wrap(text, WIDTH, initial_indent="* ", subsequent_indent="  ")


def _plain(value: Any) -> Any:
    if isinstance(value, (Passes, ParameterGradient)):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, (Place, Change)):
        return {name: _plain(item) for name, item in value._asdict().items()}
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value
