"""What an identification found: values, how sure they are, and what the data cannot tell."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.files import write_whole
from diffsim.identification.directions import Direction
from diffsim.identification.logs import Log
from diffsim.lazy import named
from diffsim.notebook import table_html
from diffsim.problem import Problem

__all__ = ["Fit", "Identification"]

MANY = 8  # signals: of more the worst is told
REPORT = "diffsim.viewing.identification:report_html"


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """A log beside what the model says of it.

    Attributes:
        log: the measurements.
        times: (k,) of the samples of each signal that are not missing [s].
        measured: (k,) those samples.
        modelled: (k,) what the model says there, through the sensor's gain, bias and delay.
        units: of each signal.
        own: the log's own numbers, by name.
    """

    log: Log
    times: dict[str, np.ndarray]
    measured: dict[str, np.ndarray]
    modelled: dict[str, np.ndarray]
    units: dict[str, str]
    own: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def rms(self) -> dict[str, float]:
        """Root mean square of modelled less measured, of each signal, in its unit."""
        return {
            name: float(np.sqrt(np.mean((self.modelled[name] - value) ** 2))) for name, value in self.measured.items()
        }


@dataclass(frozen=True, eq=False, repr=False)
class Identification:
    """What `identify` found; n unknowns.

    Attributes:
        problem: with the values found in its scene: ``problem.scene`` is the calibrated one.
        params: the values that all logs share, by name.
        labels: of the unknowns.
        values: (n,) found.
        errors: (n,) standard errors; inf where the data do not tell, nan where a number ends at a bound.
        low: (n,) of the 95 % intervals (Student's t).
        high: (n,) of them.
        correlation: (n, n); nan where there is none.
        singular_values: of the Jacobian of the residuals, in units of their noise, by the numbers, in their sizes.
        untold: directions that the data do not tell.
        noise: standard deviation of each signal's noise, as given or estimated, in its unit.
        fits: each log beside the model.
        held_out: likewise of logs that were not used.
        sensors: gain, bias and delay that were looked for, by name.
        loss: mean of the squared residuals in units of their noise.
        history: the loss after each iteration, the first before it.
        launches: of a simulation.
        rollouts: in all of them: copies count each, a part of the log as its share, a reverse pass as four.
        stopped: why, in words.
        findings: what should be known, a sentence each.
    """

    problem: Problem
    params: dict[str, np.ndarray]
    labels: tuple[str, ...]
    values: np.ndarray
    errors: np.ndarray
    low: np.ndarray
    high: np.ndarray
    correlation: np.ndarray
    singular_values: np.ndarray
    untold: tuple[Direction, ...]
    noise: dict[str, float]
    fits: tuple[Fit, ...]
    held_out: tuple[Fit, ...]
    sensors: dict[str, float]
    loss: float
    history: tuple[float, ...]
    launches: int
    rollouts: float
    stopped: str
    findings: tuple[str, ...]

    def rows(self) -> list[tuple[str, str, str, str]]:
        """Name, value, standard error and interval of each unknown, in words."""
        found = []
        for label, value, error, low, high in zip(
            self.labels, self.values, self.errors, self.low, self.high, strict=True
        ):
            if np.isnan(error):
                sure, interval = "at its bound", ""
            elif np.isinf(error):
                sure, interval = "not told by the data", ""
            else:
                sure, interval = f"{error:.2g}", f"{low:.6g} to {high:.6g}"
            found.append((label, f"{value:.6g}", sure, interval))
        return found

    def summary(self) -> str:
        """Everything in words: the table, the fit of each signal, and what should be known."""
        titles = ("number", "found", "standard error", "95 % interval")
        rows = [titles, *self.rows()]
        widths = [max(len(row[k]) for row in rows) for k in range(4)]
        lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
        lines += ["", *self._fit_lines(), *self.findings]
        return "\n".join(lines)

    def _fit_lines(self) -> list[str]:
        lines = []
        for what, fits in (("fitted", self.fits), ("held out", self.held_out)):
            for fit in fits:
                rms = fit.rms
                if len(rms) <= MANY:
                    parts = [f"{name} {value:.3g} {fit.units[name]}".rstrip() for name, value in rms.items()]
                else:
                    worst = {fit.units[name]: name for name in sorted(rms, key=lambda name: rms[name])}
                    parts = [f"{rms[name]:.3g} {unit} at most ({name})" for unit, name in worst.items()]
                lines.append(f"{what} {fit.log.name}: off by {', '.join(parts)} (root mean square)")
        return lines

    def __str__(self) -> str:
        """The summary."""
        return self.summary()

    def __repr__(self) -> str:
        """One line."""
        return (
            f"Identification({len(self.labels)} numbers, loss={self.loss:.4g}, launches={self.launches}, "
            f"untold={len(self.untold)}, stopped={self.stopped!r})"
        )

    def _repr_html_(self) -> str:
        """The table and pictures, for notebooks."""
        return str(named(REPORT)(self, whole=False))

    def table_html(self) -> str:
        """The table alone, as HTML."""
        after = "\n".join([*self._fit_lines(), *self.findings])
        return table_html(("number", "found", "standard error", "95 % interval"), self.rows(), after=after)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, ready for ``json.dumps``; what is not finite is None."""
        return {
            "numbers": {
                label: {"value": _plain(v), "standard_error": _plain(e), "low": _plain(a), "high": _plain(b)}
                for label, v, e, a, b in zip(self.labels, self.values, self.errors, self.low, self.high, strict=True)
            },
            "correlation": [[_plain(entry) for entry in row] for row in self.correlation.tolist()],
            "singular_values": self.singular_values.tolist(),
            "untold": [str(direction) for direction in self.untold],
            "noise": self.noise,
            "rms": {"fitted": [fit.rms for fit in self.fits], "held_out": [fit.rms for fit in self.held_out]},
            "own": [{name: np.asarray(v).tolist() for name, v in fit.own.items()} for fit in self.fits],
            "sensors": self.sensors,
            "loss": self.loss,
            "launches": self.launches,
            "rollouts": self.rollouts,
            "stopped": self.stopped,
            "findings": list(self.findings),
        }

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``identification.json``, ``problem.json`` with the values found, and ``report.html``; gives the report.

        Args:
            folder: is made if it is not there.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        write_whole(place / "identification.json", json.dumps(self.to_dict(), indent=1).encode())
        write_whole(place / "problem.json", json.dumps(self.problem.to_dict()).encode())
        write_whole(place / "report.html", str(named(REPORT)(self, whole=True)).encode())
        return place / "report.html"


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
