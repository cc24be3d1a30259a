"""What all objectives have in common, and their sum."""

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import taichi as ti

from diffsim.engine import rules
from diffsim.engine.fields import Fields
from diffsim.engine.records import check_formula
from diffsim.engine.stages import Model, Part, Stage, requests
from diffsim.errors import InputError
from diffsim.numbers import Declared, Number, check_lengths, declared_of, lengths_of, numbers_of
from diffsim.spec import choices, number, whole

__all__ = ["Objective", "Sum", "check_point", "index_of", "point_given"]


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


def point_given(owner: str, point: Any) -> int | str | None:
    """``point`` if it can be one: the index of a point or body, the name of a link or site, or None."""
    return point if point is None or isinstance(point, str) else whole(f"{owner}.point", point, least=0)


def index_of(owner: str, model: Model, point: int | str | None) -> int:
    """Index of a point, body, link or site; 0 for None.

    Raises:
        InputError: the model has no such place; `check_point` says so sooner, of a scene that tells its places.
    """
    if isinstance(point, str):
        if point not in model.place_names:
            names = ", ".join(model.place_names) or "none"
            raise InputError(f"{owner}.point is {point!r}, but the places of a {model.kind} with a name are {names}")
        return model.place_names.index(point)
    if point is not None and point >= model.places:
        raise InputError(f"{owner}.point is {point}, but a {model.kind} has {model.places} (0 to {model.places - 1})")
    return point or 0


def check_point(owner: str, point: int | str | None, scene: Any) -> None:
    """Raise InputError if the scene has no such point, body, link or site."""
    if point is None:
        return
    if hasattr(scene, "place"):
        scene.place(f"{owner}.point", point)
        return
    known = scene.numbers()
    if "initial_position" not in known:
        return  # the model knows, once it is built
    n, kind = len(known["initial_position"]), "bodies" if hasattr(scene, "bodies") else "points"
    if isinstance(point, str):
        raise InputError(f"{owner}.point is {point!r}, but {kind} of this scene have numbers (0 to {n - 1}), no names")
    if point >= n:
        raise InputError(f"{owner}.point is {point}, but the scene has {n} {kind} (0 to {n - 1})")
