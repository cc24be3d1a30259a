"""A problem: scene, controller, objective, number of steps, and which numbers are to be tuned."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from diffsim.errors import InputError, UnusedBoundsError
from diffsim.notebook import table_html
from diffsim.spec import Spec, array, matches, number, whole

__all__ = ["Problem"]

PARTS = ("points", "springs", "bodies", "obstacles", "joints", "links", "geoms", "actuators")
"""Of a scene, which are counted when it is shown."""


@dataclass(frozen=True, eq=False, repr=False)
class Problem(Spec):
    """Everything that defines an optimisation, as plain data: picklable, comparable, printable.

    Attributes:
        scene: what there is, e.g. `MassSpring`.
        controller: what drives it, e.g. `MLP`; None leaves all actuations at zero.
        objective: what is to be small, e.g. ``Travel() + 0.1 * Effort()``; None allows only
            `rollout` and `vjp`.
        steps: of `scene.dt` each.
        tune: patterns over the names of the problem's numbers: ``"controller.*"``, ``"scene.stiffness"``; and parts of
            arrays by their indices: ``"scene.initial_velocity[0]"``, ``"scene.mass[2:5]"``, ``"scene.gravity[1]"``.
        bounds: by name or pattern, lowest and highest value that tuning may give a parameter; None is open,
            and so is an infinity. A parameter that several patterns match must keep to them all, and each pattern must
            match a parameter.

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
            _check_member(name, getattr(self, name))
        self._set(steps=whole("Problem.steps", self.steps), tune=_patterns(self.tune), bounds=_bounds(self.bounds))
        if self.controller is not None:
            self.controller.check(self.scene, self.steps)
        if self.objective is not None:
            self.objective.check(self.scene, self.steps)
        numbers = self.numbers()
        for pattern in self.tune:
            if pattern == "controller.*" and self.controller is None:
                continue  # the default, of a problem that has nothing to drive
            _check_matches("tune", pattern, numbers)
        for pattern in self.bounds:
            _check_matches("bounds", pattern, numbers)
        tuned = self.tuned
        _check_parts(tuned, numbers)
        _check_bounds(tuple(self.bounds), tuned)
        for name in tuned:
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

    @cached_property
    def tuned(self) -> tuple[str, ...]:
        """Names of the parameters, in the order of `numbers`: what matches a pattern of `tune`, and parts."""
        found = []
        for name in self.numbers():
            found += [name] if any(matches(name, pattern) for pattern in self.tune) else []
            found += [
                pattern for pattern in dict.fromkeys(self.tune) if pattern.endswith("]") and _base(pattern) == name
            ]
        return tuple(found)

    def _repr_html_(self) -> str:
        """What it is and which numbers it tunes, for notebooks."""
        scene = ", ".join(
            f"{len(part)} {name}" for name in PARTS if (part := getattr(self.scene, name, None)) is not None
        )
        facts = [
            ("scene", f"{type(self.scene).__name__}" + (f" of {scene}" if scene else "")),
            ("controller", "none" if self.controller is None else repr(self.controller)),
            ("objective", "none" if self.objective is None else repr(self.objective)),
            ("steps", f"{self.steps} of {self.scene.dt:g} s, {self.steps * self.scene.dt:g} s in all"),
        ]
        numbers, rows = self.numbers(), []
        for name in self.tuned:
            value, limits = self.pick(name, numbers), self.limits(name)
            shape = " x ".join(map(str, value.shape)) or "a number"
            spread = [f"{each:.4g}" for each in (value.min(), value.max())] if value.size else []
            bounds = " to ".join(f"{limit:g}" for limit in limits) if np.isfinite(limits).any() else ""
            rows.append((name, shape, " to ".join(dict.fromkeys(spread)), bounds))
        tuned = table_html(("tuned", "shape", "start", "bounds"), rows) if rows else "<p>Nothing is tuned.</p>"
        return table_html((), facts, caption="Problem") + tuned

    def pick(self, name: str, numbers: Mapping[str, np.ndarray]) -> np.ndarray:
        """The value of a parameter: a number, or a part of one."""
        value = np.asarray(numbers[_base(name)], np.float64)
        return np.array(value[_index(name)]) if name.endswith("]") else value

    def entries(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        """Which entries of a flattened number of that shape a parameter is."""
        every = np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)
        return (every[_index(name)] if name.endswith("]") else every).reshape(-1)

    def filled(self, params: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """All numbers, with the values of these parameters.

        A parameter with an axis more than it has (of environments) gives its number a leading axis, too.
        """
        return self._filled(self.numbers(), params)

    def _filled(self, numbers: Mapping[str, np.ndarray], params: Mapping[str, Any]) -> dict[str, np.ndarray]:
        """Some of the numbers, likewise, with values of parameters that are among them."""
        found = {name: np.asarray(value, np.float64) for name, value in numbers.items()}
        for name, given in params.items():
            value = np.asarray(given, np.float64)
            if not name.endswith("]"):
                found[name] = value
                continue
            base, whole_number = _base(name), np.array(found[_base(name)])
            own = value.ndim > self.pick(name, numbers).ndim
            if own and whole_number.ndim == numbers[base].ndim:
                whole_number = np.repeat(whole_number[None], len(value), axis=0)
            leading = (slice(None),) * (whole_number.ndim - numbers[base].ndim)
            index = (*leading, *_index(name))
            whole_number[index] = value
            found[base] = whole_number
        return found

    def act(self, params: Mapping[str, Any], seen: Any, time: Any = 0.0) -> np.ndarray:
        """(..., k) what the controller gives in a state, in NumPy: without a simulation, or in another one.

        Args:
            params: values of the tuned parameters, of one copy.
            seen: what it reads, by name, such as `Articulated.sense` gives; or an array, the observation
                (..., observations). Leading axes are those of the states.
            time: (...) since the start [s], for controllers that have a clock.

        Raises:
            InputError: there is no controller, or one that only stages say; or something that it reads is missing.
        """
        if not hasattr(self.controller, "act"):
            kind = "no controller" if self.controller is None else f"a {type(self.controller).__name__}, without an act"
            raise InputError(f"Problem.act is what a controller gives, but this problem has {kind}")
        reads = (self.controller.reads,) if isinstance(self.controller.reads, str) else self.controller.reads
        wanted = {n for name in reads for n in _OF_ACTUATORS.get(name, (name,))}
        known = dict(seen) if isinstance(seen, Mapping) else {"observation": seen}
        if missing := sorted(wanted - known.keys() - ({"observation"} if not self._observed else set())):
            raise InputError(
                f"the controller reads {', '.join(missing)}, but {', '.join(known) or 'nothing'} was given"
            )
        if "observation" in wanted and self._observed:
            size, given = getattr(self.scene, "observations", None), np.shape(known["observation"])
            if size is not None and given[-1:] != (size,):
                raise InputError(f"the observation has shape {given}, but (..., {size}) is needed")
        own = self.controller.numbers(self.scene, self.steps, 0)  # not all of a robot: this is asked in every step
        numbers = {f"controller.{name}": value for name, value in own.items()}
        if unknown := [
            name for name in params if not name.startswith(("scene.", "objective.")) and _base(name) not in numbers
        ]:
            raise InputError(
                f"params names {unknown[0]!r}, but the controller has {', '.join(numbers) or 'no numbers'}"
            )
        mine = {name: value for name, value in params.items() if _base(name) in numbers}
        found: np.ndarray = self.controller.act(
            {name[11:]: value for name, value in self._filled(numbers, mine).items()}, known, time, self
        )
        return found

    @property
    def _observed(self) -> bool:
        """Whether there is anything to observe."""
        return getattr(self.scene, "observations", 1) != 0

    def initial_states(self, states: Mapping[str, Any], envs: int) -> dict[str, np.ndarray]:
        """Initial states of each environment as numbers of this problem, by their full names.

        Args:
            states: arrays (envs, ...) by the names of the scene's numbers that begin with ``initial_``.
            envs: number of environments.

        Raises:
            InputError: for other names, for a number that is tuned, and for another shape.
        """
        numbers, found = self.numbers(), {}
        known = [name for name in numbers if name.startswith("scene.initial_")]
        bases = {_base(name) for name in self.tuned}
        for key, value in states.items():
            name = key if key.startswith("scene.") else f"scene.{key}"
            if name not in known:
                names = ", ".join(each.removeprefix("scene.") for each in known)
                raise InputError(f"initial_states names {key!r}, but of this scene it takes {names}")
            if name in bases:
                raise InputError(f"initial_states gives {name}, which this problem tunes; it can be only one of them")
            full, places = numbers[name].shape, np.shape(numbers.get("scene.initial_position", 0.0))
            if name == "scene.initial_velocity" and len(full) < len(places):  # one for all points becomes one for each
                full = places
            found[name] = array(f"initial_states[{key!r}]", value, (envs, *full))
        return found

    def own_numbers(self, given: Mapping[str, Any], envs: int) -> dict[str, np.ndarray]:
        """Numbers that each environment has of its own, by their full names.

        Args:
            given: arrays (envs, ...), each as the number is shaped, by full names.
            envs: number of environments.

        Raises:
            InputError: for a name that this problem does not have, for one that is tuned, and for another shape.
        """
        numbers, found = self.numbers(), {}
        tuned = {_base(name) for name in self.tuned}
        for name, value in given.items():
            if name not in numbers:
                near = difflib.get_close_matches(name, numbers, n=3, cutoff=0.4) or numbers
                raise InputError(f"numbers names {name!r}, which is no number of this problem; near: {', '.join(near)}")
            if name in tuned:
                raise InputError(f"numbers gives {name}, which this problem tunes; it can be only one of them")
            found[name] = array(f"numbers[{name!r}]", value, (envs, *numbers[name].shape))
        return found

    def limits(self, name: str) -> tuple[float, float]:
        """Lowest and highest value that tuning may give the parameter ``name``."""
        low, high = -np.inf, np.inf
        for pattern, (lower, upper) in self.bounds.items():
            if matches(name, pattern):
                low = low if lower is None else max(low, lower)
                high = high if upper is None else min(high, upper)
        return low, high

    def with_tuned(self, params: Mapping[str, np.ndarray]) -> Problem:
        """The same problem whose scene has the given values of its tuned numbers."""
        changed = dict.fromkeys(_base(name) for name in params if name.startswith("scene."))
        if not changed:
            return self
        numbers = self.filled(params)
        return replace(self, scene=self.scene.with_numbers({name[6:]: numbers[name] for name in changed}))


_OF_ACTUATORS = {"actuator_state": ("actuator_position", "actuator_velocity")}
"""What a controller reads by that name."""

_PART = re.compile(r"(?P<base>[^\[\]]+)\[(?P<index>[-\d:, ]+)\]")


def _base(name: str) -> str:
    """The number that a parameter is, or is a part of."""
    return name.partition("[")[0]


def _index(name: str) -> tuple[int | slice, ...]:
    """What stands in the brackets of a part."""
    found = _PART.fullmatch(name)
    assert found is not None, name
    words = [word.strip() for word in found["index"].split(",")]
    return tuple(
        slice(*(int(w) if w else None for w in word.split(":"))) if ":" in word else int(word) for word in words
    )


def _check_parts(tuned: tuple[str, ...], numbers: Mapping[str, np.ndarray]) -> None:
    """Each entry of a number belongs to one parameter."""
    owners: dict[tuple[str, int], str] = {}
    for name in tuned:
        base = _base(name)
        every = np.arange(np.size(numbers[base])).reshape(np.shape(numbers[base]))
        for entry in np.ravel(every[_index(name)] if name.endswith("]") else every).tolist():
            other = owners.setdefault((base, entry), name)
            if other != name:
                raise InputError(
                    f"Problem.tune names {other!r} and {name!r}, which share an entry of {base}; leave one out"
                )


def _check_bounds(patterns: tuple[str, ...], tuned: tuple[str, ...]) -> None:
    """Bounds are of what is tuned: others would be kept to by nobody."""
    unused = tuple(pattern for pattern in patterns if not any(matches(name, pattern) for name in tuned))
    if unused:
        raise UnusedBoundsError(
            f"Problem.bounds names {unused[0]!r}, which is not tuned; tuned {'are' if len(tuned) > 1 else 'is'} "
            f"{', '.join(tuned) or 'nothing'}: name it in Problem.tune as well, or leave its bounds out",
            unused,
        )


_EXAMPLE = {"scene": "MassSpring", "controller": "Sine", "objective": "Travel"}


def _check_member(name: str, part: Any) -> None:
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


def _check_matches(where: str, pattern: str, numbers: Mapping[str, np.ndarray]) -> None:
    if "[" in pattern:
        _check_part(where, pattern, numbers)
    elif not any(matches(name, pattern) for name in numbers):
        near = difflib.get_close_matches(pattern, numbers, n=3, cutoff=0.4) or numbers
        raise InputError(
            f"Problem.{where} names {pattern!r}, which matches nothing in this problem; near it: {', '.join(near)}"
        )


def _check_part(where: str, pattern: str, numbers: Mapping[str, np.ndarray]) -> None:
    if not _PART.fullmatch(pattern):
        raise InputError(
            f"Problem.{where} names {pattern!r}, but a part is written like scene.mass[2] or scene.mass[2:5, 0]"
        )
    _check_matches(where, base := _base(pattern), numbers)
    if base not in numbers:
        raise InputError(f"Problem.{where} names {pattern!r}, but only a number has parts, not a pattern of several")
    shape = np.shape(numbers[base])
    try:
        empty = np.size(np.empty(shape)[_index(pattern)]) == 0
    except (IndexError, ValueError):
        empty = True
    if empty:
        raise InputError(f"Problem.{where} names {pattern!r}, but {base} has shape {shape}")
