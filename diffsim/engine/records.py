"""The record of a specification that declares its numbers: all that its stages use, by name."""

import functools
from collections.abc import Mapping
from dataclasses import make_dataclass
from itertools import combinations
from typing import Any

from diffsim.engine.source import Source, is_func
from diffsim.engine.stages import Lengths, Rows
from diffsim.errors import InputError
from diffsim.numbers import Declared, Number, constants_of, declared_of, lengths_of

__all__ = ["check_formula", "record"]


def record(fields: Any, spec: Declared, prefix: str, lengths: Mapping[str, int], more: Mapping[str, Any]) -> Any:
    """A frozen record of the declared numbers of ``spec`` as fields, its constants, its lengths, and ``more``.

    Args:
        fields: where fields are declared.
        spec: of which numbers.
        prefix: of their names: "scene".
        lengths: of letters, besides those that the numbers tell.
        more: fields and constants by name; of `Rows` a trajectory field of that name is declared.

    Raises:
        InputError: two things have one name, or nothing says how long a letter is.
    """
    owner = type(spec).__name__
    known = {**lengths_of(spec), **lengths}

    def sized(name: str, given: Lengths) -> Any:
        if isinstance(given, tuple):
            return tuple(sized(name, length) for length in given)
        if isinstance(given, str) and given not in known:
            raise InputError(
                f"{owner}.{name} has an entry for each {given!r}, but nothing says how many there are; give one of its "
                "numbers in full"
            )
        return known[given] if isinstance(given, str) else given

    def number(name: str, declared: Number) -> Any:
        full = f"{prefix}.{declared.name or name}"
        if full not in fields.columns:
            return None
        letters, parts = sized(name, declared.letters), sized(name, declared.components)
        return fields.number(full, _plain(letters) if letters else 1, _plain(parts))

    own = {declared.name or name: (name, declared) for name, declared in declared_of(spec).items() if declared.tuned}
    constants = constants_of(spec)
    parts = {"a number": own, "a constant": constants, "a length": known, "something it reads or is given": more}
    for (first, one), (second, other) in combinations(parts.items(), 2):
        for name in one.keys() & other.keys():
            raise InputError(
                f"{owner} has two things that stages know as {name!r}, {first} and {second}; rename one of them"
            )
    found: dict[str, Any] = {name: number(*declared) for name, declared in own.items()}
    for name, value in more.items():
        if isinstance(value, Rows):
            shape = sized(name, value.elements), sized(name, value.width)
            flags = {each: getattr(value, each) for each in ("state", "accumulates", "recorded", "per_step")}
            found[name] = fields.trajectory(name, *shape, **flags)
        else:
            found[name] = value
    found |= {**constants, **known}
    return _class_of(owner, tuple(found))(**found)


@functools.cache
def _class_of(owner: str, names: tuple[str, ...]) -> Any:
    """One class for all records of the same names: kernels are known by the classes of their records."""
    return make_dataclass(owner, names, frozen=True, repr=False)


def _plain(lengths: tuple[int, ...]) -> Any:
    """One length as a number, none as 0."""
    return lengths if len(lengths) > 1 else lengths[0] if lengths else 0


def check_formula(owner: str, formula: Any, arguments: str) -> None:
    """Raise InputError if a class has something else than a ti.func of these arguments for its formula."""
    if not is_func(formula):
        raise InputError(f"{owner}.formula is {formula!r}, but a @ti.func of ({arguments}) is needed")
    given = [argument.name for argument in formula.func.arguments]
    if len(given) != len(arguments.split(", ")):
        raise InputError(f"{owner}.formula takes ({', '.join(given)}), but it is called with ({arguments})")
    if Source(formula).by_value & {given[0]}:
        raise InputError(f"{owner}.formula takes its record by value; write {given[0]}: ti.template()")
