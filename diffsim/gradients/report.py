"""What a check of gradients found: a table, a dictionary, an exit status."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

from diffsim.notebook import table_html

__all__ = ["ALL", "GradientReport", "ParameterCheck"]

ALL = "all parameters"
"""Name of the rows in which all of them are moved together."""


@dataclass(frozen=True)
class ParameterCheck:
    """The slope of the loss along one direction, by the gradient and by differences.

    Attributes:
        name: of the parameter that was moved; "all parameters" if all were.
        env: whose loss and parameters; None if all environments share them.
        direction: which of the random directions, from 0.
        adjoint: slope by the gradient, per size of the parameter.
        differences: slope by differences; nan if there are none.
        uncertainty: of the differences, about a standard deviation; inf if there are none.
        step: largest step that was used, relative to the size of the parameter; nan if there was none.
        verdict: "agrees", "disagrees", "not differentiable" or "too noisy".
        note: what there is to say beside; empty if nothing.
        slopes: by differences to the left and to the right, if they differ; else None.
    """

    name: str
    env: int | None
    direction: int
    adjoint: float
    differences: float
    uncertainty: float
    step: float
    verdict: str
    note: str = ""
    slopes: tuple[float, float] | None = None

    @property
    def error(self) -> float:
        """Difference of both slopes, relative to the larger of them; 0 if both are zero."""
        larger = max(abs(self.adjoint), abs(self.differences))
        return abs(self.adjoint - self.differences) / larger if larger != 0.0 else 0.0


@dataclass(frozen=True)
class GradientReport:
    """The checks of all parameters; prints as a table.

    Attributes:
        checks: by parameter, direction and environment; at last those of all parameters together, if there are several.
        tolerance: relative difference that passes.
        stale: that two rollouts of the same parameters differ, in words; empty if they do not.
    """

    checks: tuple[ParameterCheck, ...]
    tolerance: float
    stale: str = ""

    @property
    def passed(self) -> bool:
        """Whether everything agrees, and does so again."""
        return not self.stale and all(check.verdict == "agrees" for check in self.checks)

    @property
    def exit_status(self) -> int:
        """For a command: 0 if everything agrees, 1 if anything disagrees, 3 if something could not be judged."""
        if self.passed:
            return 0
        return 1 if self.stale or any(check.verdict == "disagrees" for check in self.checks) else 3

    def to_dict(self) -> dict[str, Any]:
        """All of it as plain lists, numbers and strings; numbers that are not finite are None, as in a history."""
        checks = [{**asdict(check), "error": check.error} for check in self.checks]
        about = {"tolerance": self.tolerance, "passed": self.passed, "exit_status": self.exit_status}
        return {
            **about,
            "stale": self.stale,
            "checks": [{key: _plain(value) for key, value in check.items()} for check in checks],
        }

    def __str__(self) -> str:
        """The table. Environments and directions have a column if there are several."""
        columns = self._columns()
        widths = [max(map(len, (title, *words))) for title, _, words in columns]
        table = zip(*([title, *words] for title, _, words in columns), strict=True)
        sides = [side for _, side, _ in columns]
        lines = [
            "  ".join(f"{word:{side}{width}}" for word, side, width in zip(row, sides, widths, strict=True)).rstrip()
            for row in table
        ]
        found = [lines[0]]
        for line, check in zip(lines[1:], self.checks, strict=True):
            found.append(line)
            if check.note:
                found.append(f"    {check.note}")
        return "\n".join([*found, *([f"DISAGREES  {self.stale}"] if self.stale else [])])

    def _repr_html_(self) -> str:
        """The table, for notebooks."""
        columns = self._columns()
        rows = list(zip(*(words for _, _, words in columns), strict=True))
        notes = [f"{check.name}: {check.note}" for check in self.checks if check.note]
        after = "\n".join([*notes, *([self.stale] if self.stale else [])])
        return table_html([title for title, _, _ in columns], rows, after=after)

    def _columns(self) -> list[tuple[str, str, list[str]]]:
        """Title, side and words of each."""
        columns = [("parameter", "<", [check.name for check in self.checks])]
        if any(check.env is not None for check in self.checks):
            columns.append(("env", ">", [str(check.env) for check in self.checks]))
        if any(check.direction for check in self.checks):
            columns.append(("direction", ">", [str(check.direction) for check in self.checks]))
        columns += [
            ("adjoint", ">", [f"{check.adjoint:+.9e}" for check in self.checks]),
            ("differences", ">", [f"{check.differences:+.9e}" for check in self.checks]),
            ("uncertainty", ">", [f"{check.uncertainty:.0e}" for check in self.checks]),
            ("step", ">", [f"{check.step:.0e}" for check in self.checks]),
            ("verdict", "<", [_shout(check.verdict) for check in self.checks]),
        ]
        return columns


def _shout(verdict: str) -> str:
    return verdict.upper() if verdict == "disagrees" else verdict


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
