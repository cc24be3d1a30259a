"""What all objectives have in common, and their sum."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import taichi as ti

from diffsim.engine import rules
from diffsim.engine.fields import Fields
from diffsim.engine.records import check_formula
from diffsim.engine.stages import Model, Part, Stage, requests
from diffsim.errors import InputError
from diffsim.numbers import Declared, Number, check_lengths, declared_of, lengths_of, numbers_of
from diffsim.spec import choices, number

__all__ = ["Objective", "Sum", "Term"]


class Term(NamedTuple):
    """What one term of an objective came to.

    Attributes:
        name: as in the parameters: "travel", "effort", "travel_2".
        loss: its part of the loss, the weight included; nan where it is not known.
        words: the same in words, with units: "travelled 0.50 m".
    """

    name: str
    loss: float
    words: str


@ti.func
def add(goal: ti.template(), formula: ti.template(), loss: ti.template(), env, row, step, element):
    loss[env] += goal.weight[env, 0] * formula(goal, env, row, step, element)


_ARGUMENTS = "goal, env, row, step, element"

_WHEN = ("end", "steps", "always")


class Objective(Declared):
    """Base of all objectives: a frozen dataclass with ``eq=False`` and a last field ``weight: float = 1.0``.

    Its numbers are declared with `diffsim.numbers.tunable`. It is said by a ``formula``, or by stages that `build`
    returns. A formula is a ``@ti.func`` of (goal, env, row, step, element) whose values are added up, times the weight.
    The record ``goal`` has the numbers as fields, the constants, the arrays that are read, and ``dt`` [s], ``rows``, in
    how many rows the formula counts, and ``elements``.

    Attributes:
        reads: names of the arrays of the model that it reads; "actuator_state" stands for ``actuator_position`` and
            ``actuator_velocity``.
        over: whose elements the formula runs over: an array that it reads, or a number; empty is one element.
        when: the formula counts at the "end", in the last row; in all "steps", each row but the last; or "always".
        formula: or None.
        weight: factor of this term.
    """

    kind: ClassVar[str] = "objective"
    over: ClassVar[str] = ""
    when: ClassVar[str] = "end"
    formula: ClassVar[Any] = None
    _implied: ClassVar[dict[str, Number]] = {"weight": Number()}
    weight: float

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Check what the class says."""
        super().__init_subclass__(**keywords)
        if "formula" in vars(cls) and "formula" not in vars(cls).get("__annotations__", {}):
            check_formula(cls.__name__, vars(cls)["formula"], _ARGUMENTS)
            choices(f"{cls.__name__}.when", cls.when, _WHEN)

    @property
    def reads(self) -> Any:
        """What the model must provide."""
        return frozenset()

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError where the objective does not fit the scene."""
        d = getattr(scene, "dimension", None)
        if d is not None:
            check_lengths(self, {"d": d}, f"in {d} dimensions")

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        return numbers_of(self)

    def record(self, fields: Fields, model: Model, prefix: str, **more: Any) -> Any:
        """Its numbers as fields, its constants, the arrays that it reads, and ``more``."""
        owner = type(self).__name__
        arrays = {name: model.array(name, owner) for name in model.names(self)}
        lengths = {"d": model.dimension} if model.dimension else {}
        return fields.record(self, prefix, lengths=lengths, **arrays, **more)

    def measure(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> float | None:
        """Its value before the weight, worked out in NumPy; None where it cannot be: the sum of squared `residuals`.

        A sum tells its terms apart by it; of one term that cannot tell, it is what the others leave of the loss.

        Args:
            rollout: of one environment.
            numbers: its own, by their short names: ``numbers["weight"]``.
        """
        left = self.residuals(rollout, numbers)
        return None if left is None else float(np.sum(np.square(left)))

    def residuals(self, rollout: Any, numbers: Mapping[str, np.ndarray]) -> np.ndarray | None:
        """What is squared and added up, before the weight, as a flat array; None (unless a class says more): nothing.

        `GaussNewton` works with them.

        Args:
            rollout: of one environment.
            numbers: its own, by their short names.
        """
        return None

    @property
    def squared(self) -> bool:
        """Whether it is a sum of squares, the `residuals`."""
        return type(self).residuals is not Objective.residuals

    def words(self, value: float, numbers: Mapping[str, np.ndarray]) -> str:
        """A value before the weight in words, with its unit; a class says how."""
        return f"{type(self).__name__} {value:.4g}"

    def terms_of(self, loss: float, numbers: Mapping[str, np.ndarray], rollout: Any = None) -> tuple[Term, ...]:
        """What each term came to, in words.

        Args:
            loss: of all terms together.
            numbers: of the problem, by their full names, with the values that they had.
            rollout: of one environment, by which terms are told apart; None will do for a single term.
        """
        named = [(name, term, _own(numbers, prefix)) for name, prefix, term in self._placed()]
        found = [None if rollout is None else term.measure(rollout, own) for _, term, own in named]
        parts = [
            math.nan if value is None else float(own["weight"]) * value
            for value, (_, _, own) in zip(found, named, strict=True)
        ]
        unknown = [k for k, value in enumerate(found) if value is None]
        if len(unknown) == 1:
            (k,) = unknown
            parts[k] = float(loss) - sum(part for j, part in enumerate(parts) if j != k)
            weight = float(named[k][2]["weight"])
            found[k] = parts[k] / weight if weight else None
        return tuple(
            Term(name, part, "" if value is None or not math.isfinite(value) else term.words(value, own))
            for (name, term, own), part, value in zip(named, parts, found, strict=True)
        )

    def _placed(self) -> list[tuple[str, str, "Objective"]]:
        """Name, prefix of the parameters, and the term itself."""
        return [(type(self).__name__.lower(), "objective.", self)]

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """Declare fields and list the stages that add to ``fields.loss[env]``."""
        kind = type(self)
        if kind.formula is None:
            raise TypeError(f"{kind.__name__} must define a formula, or build(fields, model, prefix)")
        elements = self._elements(model)
        rows = {"end": 1, "steps": model.steps, "always": model.steps + 1}[self.when]
        goal = self.record(fields, model, prefix, dt=model.dt, rows=rows, elements=elements)
        rules.check(kind.formula, (goal,))
        stages = (Stage(add, (goal, kind.formula, fields.loss), elements),)
        return Part(step=stages if self.when != "end" else (), final=stages if self.when != "steps" else ())

    def _elements(self, model: Model) -> int:
        if not self.over:
            return 1
        numbers = {declared.name or name: declared for name, declared in declared_of(self).items()}
        if self.over in numbers:
            lengths = lengths_of(self)
            return math.prod(lengths[letter] for letter in numbers[self.over].letters)
        if self.over not in model.names(self):
            owner, known = type(self).__name__, ", ".join([*sorted(model.names(self)), *numbers])
            raise InputError(f"{owner}.over is {self.over!r}, but what it reads and its numbers are {known}")
        return model.elements(self.over)

    def __add__(self, other: "Objective") -> "Sum":
        """Both terms together."""
        if not isinstance(other, Objective):
            return NotImplemented
        return Sum((*_terms(self), *_terms(other)))

    def __mul__(self, factor: float) -> "Objective":
        """The same objective with another weight."""
        scale = number(f"the factor of {type(self).__name__}", factor)
        return replace(self, weight=self.weight * scale)  # type: ignore[type-var]

    __rmul__ = __mul__


def _own(numbers: Mapping[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): value for name, value in numbers.items() if name.startswith(prefix)}


def _terms(objective: Objective) -> tuple[Objective, ...]:
    return objective.terms if isinstance(objective, Sum) else (objective,)


@dataclass(frozen=True, eq=False, repr=False)
class Sum(Objective):
    """Several objectives added; made by ``a + b``. Parameters are named after them: ``objective.travel.weight``."""

    terms: tuple[Objective, ...]

    def __post_init__(self) -> None:
        """Check the terms."""
        self._set(terms=tuple(self.terms))
        for k, term in enumerate(self.terms):
            if not isinstance(term, Objective):
                raise InputError(f"Sum.terms[{k}] is {term!r}, but an objective is needed")

    def _named(self) -> list[tuple[str, Objective]]:
        named: list[tuple[str, Objective]] = []
        for term in self.terms:
            base = name = type(term).__name__.lower()
            again = 2
            while any(name == other for other, _ in named):
                name, again = f"{base}_{again}", again + 1
            named.append((name, term))
        return named

    def _placed(self) -> list[tuple[str, str, Objective]]:
        return [(name, f"objective.{name}.", term) for name, term in self._named()]

    @property
    def reads(self) -> frozenset[str]:
        """What any term reads."""
        return requests(*self.terms)

    def check(self, scene: Any, steps: int) -> None:
        """Check every term."""
        for term in self.terms:
            term.check(scene, steps)

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters of all terms."""
        return {f"{name}.{key}": value for name, term in self._named() for key, value in term.numbers(scene).items()}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """The stages of all terms."""
        parts = [term.build(fields, model, f"{prefix}.{name}") for name, term in self._named()]
        return Part(
            prepare=tuple(stage for part in parts for stage in part.prepare),
            step=tuple(stage for part in parts for stage in part.step),
            final=tuple(stage for part in parts for stage in part.final),
        )

    def __mul__(self, factor: float) -> "Sum":
        """Every term scaled."""
        return Sum(tuple(term * factor for term in self.terms))

    __rmul__ = __mul__
