"""A problem: scene, controller, objective, number of steps, and which numbers are to be tuned."""

from __future__ import annotations

import difflib
import fnmatch
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import Spec, number, whole

__all__ = ["Problem"]


@dataclass(frozen=True, eq=False, repr=False)
class Problem(Spec):
    """Everything that defines an optimisation, as plain data: picklable, comparable, printable.

    Attributes:
        scene: what there is, e.g. `MassSpring`.
        controller: what drives it, e.g. `MLP`; None leaves all actuations at zero.
        objective: what is to be small, e.g. ``Travel() + 0.1 * Effort()``; None allows only
            `rollout` and `vjp`.
        steps: of `scene.dt` each.
        tune: patterns over the names of the problem's numbers: ``"controller.*"``, ``"scene.stiffness"``.
        bounds: by name or pattern, lowest and highest value that tuning may give a parameter; None is open,
            and so is an infinity. A parameter that several patterns match must keep to them all.

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
        for name in _EXAMPLE:
            _check_part(name, getattr(self, name))
        self._set(steps=whole("Problem.steps", self.steps), tune=_patterns(self.tune), bounds=_bounds(self.bounds))
        if self.controller is not None:
            self.controller.check(self.scene, self.steps)
        if self.objective is not None:
            self.objective.check(self.scene, self.steps)
        names = list(self.numbers())
        for pattern in self.tune:
            if pattern == "controller.*" and self.controller is None:
                continue  # the default, of a problem that has nothing to drive
            _check_matches("tune", pattern, names)
        for pattern in self.bounds:
            _check_matches("bounds", pattern, names)
        for name in names:
            low, high = self.limits(name)
            if not low < high:
                raise InputError(
                    f"Problem.bounds allow {name} at least {low:g} and at most {high:g}; "
                    "the lowest must be below the highest"
                )

    def numbers(self, seed: int = 0) -> dict[str, np.ndarray]:
        """Every number of the problem by its dotted name.

        Random ones (a network's weights) are drawn with ``seed``.
        """
        found = {f"scene.{name}": value for name, value in self.scene.numbers().items()}
        if self.controller is not None:
            values = self.controller.numbers(self.scene, self.steps, seed)
            found.update({f"controller.{name}": value for name, value in values.items()})
        if self.objective is not None:
            found.update({f"objective.{name}": value for name, value in self.objective.numbers(self.scene).items()})
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
                low = low if lower is None else max(low, lower)
                high = high if upper is None else min(high, upper)
        return low, high

    def with_tuned(self, params: Mapping[str, np.ndarray]) -> Problem:
        """The same problem whose scene has the given values of its tuned numbers."""
        scene = {name[6:]: value for name, value in params.items() if name.startswith("scene.")}
        return replace(self, scene=self.scene.with_numbers(scene)) if scene else self


_EXAMPLE = {"scene": "MassSpring", "controller": "Sine", "objective": "Travel"}


def _check_part(name: str, part: Any) -> None:
    if part is None and name != "scene":
        return
    words = {"scene": "a scene", "controller": "a controller or None", "objective": "an objective or None"}
    needed = f"{words[name]} is needed, e.g. diffsim.{_EXAMPLE[name]}"
    if isinstance(part, type) and issubclass(part, Spec):
        raise InputError(f"Problem.{name} is the class {part.__name__}; make one of it: {part.__name__}(...)")
    if not isinstance(part, Spec):
        raise InputError(f"Problem.{name} is {part!r}, but {needed}")
    if part.kind != name:
        what = f"which is a problem's {part.kind}" if part.kind else "which is no part of a problem"
        raise InputError(f"Problem.{name} is a {type(part).__name__}, {what}, but {needed}")


def _patterns(tune: Any) -> tuple[str, ...]:
    patterns = (tune,) if isinstance(tune, str) else tune
    if not isinstance(patterns, (tuple, list)):
        raise InputError(f"Problem.tune is {tune!r}, but it takes names and patterns, e.g. ('controller.*',)")
    for k, pattern in enumerate(patterns):
        if not isinstance(pattern, str):
            raise InputError(f"Problem.tune[{k}] is {pattern!r}, but it must be a name or pattern, a string")
    return tuple(patterns)


def _bounds(bounds: Any) -> dict[str, tuple[float | None, float | None]]:
    if not isinstance(bounds, Mapping):
        raise InputError(f"Problem.bounds is {bounds!r}, but {{name or pattern: (lowest, highest)}} is needed")
    found = {}
    for pattern, limits in bounds.items():
        if not isinstance(pattern, str):
            raise InputError(f"Problem.bounds names {pattern!r}, but it takes names and patterns, strings")
        owner = f"Problem.bounds[{pattern!r}]"
        if not isinstance(limits, (tuple, list)) or len(limits) != 2:
            raise InputError(f"{owner} is {limits!r}, but (lowest, highest) is needed")
        low, high = _limit(owner, limits[0], -np.inf), _limit(owner, limits[1], np.inf)
        if low is not None and high is not None and not low < high:
            raise InputError(f"{owner} is ({low:g}, {high:g}), but the lowest must be below the highest")
        found[pattern] = (low, high)
    return found


def _limit(owner: str, value: Any, unlimited: float) -> float | None:
    if value is None or (isinstance(value, float) and value == unlimited):
        return None
    return number(owner, value)


def _check_matches(where: str, pattern: str, names: list[str]) -> None:
    if not any(fnmatch.fnmatchcase(name, pattern) for name in names):
        near = difflib.get_close_matches(pattern, names, n=3, cutoff=0.4) or names
        raise InputError(
            f"Problem.{where} names {pattern!r}, which matches nothing in this problem; near it: {', '.join(near)}"
        )
