"""A problem: scene, controller, objective, number of steps, and which numbers are to be tuned."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import Spec, array, whole

__all__ = ["Problem"]


@dataclass(frozen=True, eq=False, repr=False)
class Problem(Spec):
    """Everything that defines an optimisation, as plain data: picklable, comparable, printable.

    Attributes:
        scene: what there is, e.g. `MassSpring`.
        controller: what drives it, e.g. `MLP`; None leaves all actuations at zero.
        objective: what is to be small, e.g. ``Travel() + 0.1 * Effort()``; None allows only `rollout` and `vjp`.
        steps: of `scene.dt` each.
        tune: patterns over the names of the problem's numbers: ``"controller.*"``, ``"scene.stiffness"``.
        bounds: by name or pattern, lowest and highest value that tuning may give a parameter; None is open.

    Raises:
        InputError: naming what does not fit, with the nearest names where a pattern matches nothing.
    """

    scene: Any
    controller: Any = None
    objective: Any = None
    steps: int = 1000
    tune: Any = ("controller.*",)
    bounds: Mapping[str, tuple[float | None, float | None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the parts fit together and every pattern means something."""
        for name in ("scene", "controller", "objective"):
            part = getattr(self, name)
            if not isinstance(part, Spec) and not (part is None and name != "scene"):
                raise InputError(f"Problem.{name} is {part!r}, but a {name} is needed, e.g. diffsim.{_EXAMPLE[name]}")
            if not hasattr(part, "numbers") and part is not None:
                raise InputError(f"Problem.{name} is a {type(part).__name__}, but a {name} is needed")
        tune = (self.tune,) if isinstance(self.tune, str) else tuple(self.tune)
        self._set(steps=whole("Problem.steps", self.steps), tune=tune, bounds=dict(self.bounds))
        if self.controller is not None:
            self.controller.check(self.scene, self.steps)
        if self.objective is not None:
            self.objective.check(self.scene, self.steps)
        names = list(self.numbers())
        for pattern in self.tune:
            if not isinstance(pattern, str):
                raise InputError(f"Problem.tune holds {pattern!r}, but it takes names and patterns")
            if pattern == "controller.*" and self.controller is None:
                continue  # the default, of a problem that has nothing to drive
            _matches("tune", pattern, names)
        for pattern, limits in self.bounds.items():
            _matches("bounds", pattern, names)
            if not isinstance(limits, (tuple, list)) or len(limits) != 2:
                raise InputError(f"Problem.bounds[{pattern!r}] is {limits!r}, but (lowest, highest) is needed")
            low, high = (
                float(array(f"Problem.bounds[{pattern!r}]", limit, ())) if limit is not None else default
                for limit, default in zip(limits, (-np.inf, np.inf), strict=True)
            )
            if not low < high:
                raise InputError(f"Problem.bounds[{pattern!r}] is ({low:g}, {high:g}): the lowest must be below the highest")

    def numbers(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Every number of the problem by its dotted name, random ones (a network's weights) drawn with ``seed``."""
        found = {f"scene.{name}": value for name, value in self.scene.numbers().items()}
        if self.controller is not None:
            values = self.controller.numbers(self.scene, self.steps, seed)
            found.update({f"controller.{name}": value for name, value in values.items()})
        if self.objective is not None:
            found.update({f"objective.{name}": value for name, value in self.objective.numbers().items()})
        return found

    @property
    def tuned(self) -> tuple[str, ...]:
        """Names of the parameters: the numbers that match a pattern of `tune`, in the order of `numbers`."""
        return tuple(n for n in self.numbers() if any(fnmatch.fnmatchcase(n, pattern) for pattern in self.tune))

    def limits(self, name: str) -> tuple[float, float]:
        """Lowest and highest value that tuning may give the parameter ``name``."""
        low, high = -np.inf, np.inf
        for pattern, (lower, upper) in self.bounds.items():
            if fnmatch.fnmatchcase(name, pattern):
                low = low if lower is None else max(low, float(lower))
                high = high if upper is None else min(high, float(upper))
        return low, high

    def with_tuned(self, params: Mapping[str, np.ndarray]) -> Problem:
        """The same problem whose scene has the given values of its tuned numbers."""
        scene = {name[6:]: value for name, value in params.items() if name.startswith("scene.")}
        return replace(self, scene=self.scene.with_numbers(scene)) if scene else self


_EXAMPLE = {"scene": "MassSpring", "controller": "Sine", "objective": "Travel"}


def _matches(where: str, pattern: str, names: list[str]) -> None:
    if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
        near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.4) or names
        raise InputError(
            f"Problem.{where} names {pattern!r}, which matches nothing in this problem; near it: {', '.join(near)}"
        )
