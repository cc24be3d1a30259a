"""What all objectives have in common, and their sum."""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, requests
from diffsim.errors import InputError
from diffsim.spec import Spec, array, number, whole

__all__ = ["Objective", "Sum", "check_dimension", "check_point", "index_of", "point_given"]


class Objective(Spec):
    """Base of all objectives: a frozen dataclass with ``eq=False`` and a last field ``weight: float = 1.0``.

    Attributes:
        reads: arrays that the model must provide, by name; "actuator_state" stands for the position and the velocity
            of each actuator.
        weight: factor of this term.
    """

    kind: ClassVar[str] = "objective"
    weight: float

    @property
    def reads(self) -> frozenset[str]:
        """What the model must provide."""
        return frozenset()

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError where the objective does not fit the scene."""

    def numbers(self, scene: Any) -> dict[str, np.ndarray]:
        """Parameters by name."""
        return {"weight": np.array(self.weight)}

    def build(self, fields: Fields, model: Model, prefix: str = "objective") -> Part:
        """Declare fields and list the stages that add to ``fields.loss[env]``."""
        raise TypeError(f"{type(self).__name__} must define build(fields, model, prefix)")

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


def check_dimension(owner: str, value: Any, scene: Any) -> None:
    """Raise InputError if a vector, or None, has not as many components as the scene has dimensions."""
    d = getattr(scene, "dimension", None)
    if value is not None and d is not None:
        array(f"{owner} of a scene in {d} dimensions", value, (d,))


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
