"""Numbers that a specification declares: shape, unit, limits and default of each, said once.

In a frozen dataclass derived from `Declared` (scenes, controllers and objectives are)::

    planets: Any = tunable("p", 2, unit="m")  # (p, 2) [m]
    pull: Any = tunable("p", default=1.0, unit="m^3/s^2", least=0.0)  # () or (p,)
    dt: float = constant(0.01, unit="s", above=0.0)

From that follow the checks when one is made, its ``numbers()``, and in ``build`` the record of ``fields.record``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import Spec, array, number

__all__ = [
    "Declared",
    "Number",
    "check_lengths",
    "constant",
    "constants_of",
    "declared_of",
    "lengths_of",
    "numbers_of",
    "tunable",
]

_DIMENSIONS = (2, 3)
_REQUIRED = dataclasses.MISSING


@dataclass(frozen=True)
class Number:
    """What is declared of a field.

    Attributes:
        shape: in full: letters are lengths, of one entry per element; whole numbers and "d", the dimension, are the
            components of each entry.
        tuned: whether it can be tuned, and is a field of the record; else it is a constant.
        name: of the parameter; empty for that of the field.
        unit: for messages.
        limits: of `diffsim.spec.array`.
        start: (random numbers, shape) -> what a controller begins with where None is given.
    """

    shape: tuple[str | int, ...] = ()
    tuned: bool = True
    name: str = ""
    unit: str = ""
    limits: dict[str, Any] = dataclasses.field(default_factory=dict)
    start: Callable[..., Any] | None = None

    @property
    def letters(self) -> tuple[str, ...]:
        """Of the lengths along which each element has an entry of its own."""
        return tuple(length for length in self.shape if isinstance(length, str) and length != "d")

    @property
    def components(self) -> tuple[str | int, ...]:
        """Of each entry: a vector, a matrix, or none."""
        return self.shape[len(self.letters) :]


def tunable(
    *shape: str | int,
    default: Any = _REQUIRED,
    unit: str = "",
    name: str = "",
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
    start: Callable[..., Any] | None = None,
) -> Any:
    """A field of a specification whose numbers can be tuned.

    Args:
        shape: ``tunable("n", 2)`` is (n, 2), or (2,), one for all; ``tunable("n", "m")`` is a grid, (n, m), or one
            number; ``tunable()`` a single number; ``tunable("n", 2, 2)`` has matrices. The first field that is given in
            full says how long a letter is, and a stage finds it under that letter; without a default it has to be. "d"
            is the dimension, 2 or 3. In a controller "k" is the number of actuators, and "o" that of observations.
        default: None is for a number that there may be or not.
        unit: "m/s".
        name: of the parameter, where it is not that of the field.
        above, least, most: limits of every entry.
        start: of a controller: start(rng, shape), what it begins with if it is None.

    Raises:
        InputError: the shape is none.
    """
    known = [isinstance(length, str) and length != "d" for length in shape]
    whole = [not isinstance(length, bool) and isinstance(length, int) and length > 0 for length in shape]
    fits = all(isinstance(length, str) or good for length, good in zip(shape, whole, strict=True))
    if not fits or known != sorted(known, reverse=True) or known.count(False) > 2:
        raise InputError(
            f"tunable{shape} is no shape: letters of elements come first, then at most two lengths of components, "
            "whole numbers or 'd', as in tunable('n', 'm', 2)"
        )
    if any(isinstance(length, str) and not length.isidentifier() for length in shape):
        raise InputError(f"tunable{shape} is no shape: a letter becomes a name that stages use, such as 'n'")
    limits = {key: limit for key, limit in (("above", above), ("least", least), ("most", most)) if limit is not None}
    return _field(Number(shape, True, name, unit, limits, start), default)


def constant(
    default: Any = _REQUIRED,
    *,
    unit: str = "",
    above: float | None = None,
    least: float | None = None,
    most: float | None = None,
) -> Any:
    """A field of a specification with a single number that is compiled in, and cannot be tuned."""
    limits = {key: limit for key, limit in (("above", above), ("least", least), ("most", most)) if limit is not None}
    return _field(Number((), False, "", unit, limits, None), default)


def _field(declared: Number, default: Any) -> Any:
    metadata = {"number": declared}
    if isinstance(default, (list, dict, set, np.ndarray)):
        return dataclasses.field(default_factory=lambda: default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


class Declared(Spec):
    """A specification that checks the numbers it declares when it is made."""

    def __post_init__(self) -> None:
        """Check every number that is declared; who adds checks of their own calls this first."""
        known = self._given_lengths()
        for name, declared, value in _values_of(self):
            default = _default(self, name)
            if value is not None or default is not None:
                whole = default is _REQUIRED and not set(declared.letters) <= known.keys()
                found = _checked(f"{type(self).__name__}.{name}", declared, value, known, whole=whole)
                self._set(**{name: found})

    def __init__(self, *values: Any, **named: Any) -> None:
        """Replaced by that of the dataclass."""
        raise _no_dataclass(type(self))

    _implied: ClassVar[dict[str, Number]] = {}  # fields that are numbers, declared or not

    def _given_lengths(self) -> dict[str, int]:
        """Lengths of letters that something else than a declared number tells."""
        return {}

    def _shape_of(self, declared: Number) -> tuple[str | int, ...]:
        """The shape of a number, where it is not the same in every specification of the class."""
        return declared.shape


def declared_of(spec: Spec) -> dict[str, Number]:
    """What is declared, by the field's name, in order.

    Raises:
        InputError: the class is no dataclass, which would make fields of it.
    """
    kind = type(spec)
    if any(isinstance(value, dataclasses.Field) for value in vars(kind).values()):
        raise _no_dataclass(kind)
    implied = getattr(kind, "_implied", {})
    fields = dataclasses.fields(spec)  # type: ignore[arg-type]
    found = {field.name: field.metadata.get("number", implied.get(field.name)) for field in fields}
    known = {name: declared for name, declared in found.items() if declared is not None}
    if isinstance(spec, Declared):
        for name, declared in known.items():
            if (shape := spec._shape_of(declared)) != declared.shape:
                known[name] = dataclasses.replace(declared, shape=shape)
    return known


def numbers_of(spec: Spec) -> dict[str, np.ndarray]:
    """The numbers that can be tuned and are there, by the parameter's name."""
    found = {declared.name or name: value for name, declared, value in _values_of(spec) if declared.tuned}
    return {name: np.asarray(value, np.float64) for name, value in found.items() if value is not None}


def lengths_of(spec: Declared) -> dict[str, int]:
    """How long each letter of a shape is, where a number that is given in full tells."""
    found = spec._given_lengths()
    for _, declared, value in _values_of(spec):
        if value is not None:
            whole = np.ndim(value) == len(declared.shape)
            found.update(_lengths(declared.shape if whole else declared.components, value))
    return found


def constants_of(spec: Spec) -> dict[str, Any]:
    """What a record has besides: constants that are declared, and plain numbers and flags."""
    tuned = {name for name, declared in declared_of(spec).items() if declared.tuned}
    values = {name: value for name, value in spec._values().items() if name not in tuned}
    return {name: value for name, value in values.items() if isinstance(value, (bool, int, float))}


def check_lengths(spec: Spec, lengths: Mapping[str, int], what: str) -> None:
    """Raise InputError where a number has another shape than a scene asks for, described by ``what``."""
    for name, declared, value in _values_of(spec):
        if value is not None and lengths.keys() & set(declared.shape):
            _checked(f"{type(spec).__name__}.{name} of a scene {what}", declared, value, dict(lengths))


def _no_dataclass(kind: type) -> InputError:
    return InputError(f"{kind.__name__} is no dataclass; write @dataclass(frozen=True, eq=False, repr=False) above it")


def _values_of(spec: Spec) -> Iterator[tuple[str, Number, Any]]:
    for name, declared in declared_of(spec).items():
        yield name, declared, getattr(spec, name)


def _default(spec: Spec, name: str) -> Any:
    return next(field.default for field in dataclasses.fields(spec) if field.name == name)  # type: ignore[arg-type]


def _checked(owner: str, declared: Number, value: Any, lengths: dict[str, int], *, whole: bool = False) -> Any:
    """The value, of one of its shapes; what was not known of ``lengths`` is added."""
    if not declared.shape:
        return number(owner, value, unit=declared.unit, **declared.limits)
    allowed = (declared.shape,) if whole else dict.fromkeys((declared.components, declared.shape))
    shapes = [written for shape in allowed for written in _written(shape, lengths)]
    found = array(owner, value, *shapes, unit=declared.unit, **declared.limits)
    full = found.ndim == len(declared.shape)
    lengths.update(_lengths(declared.shape if full else declared.components, found))
    return found


def _written(shape: tuple[str | int, ...], lengths: Mapping[str, int]) -> list[tuple[str | int, ...]]:
    """The shape with the lengths that are known; with a dimension that is not, once for each."""
    known = tuple(lengths.get(length, length) if isinstance(length, str) else length for length in shape)
    if "d" not in known:
        return [known]
    return [tuple(d if length == "d" else length for length in known) for d in _DIMENSIONS]


def _lengths(shape: tuple[str | int, ...], value: Any) -> dict[str, int]:
    return {letter: length for letter, length in zip(shape, np.shape(value), strict=True) if isinstance(letter, str)}
