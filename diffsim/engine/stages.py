"""Stages: the physics of a step as a list of functions, each over one kind of element.

A stage is a ``@ti.func`` of straight-line code with the arguments ``(*records, env, row, step, element)``. It
reads rows ``row`` of the trajectory, and sets or adds to (``+=``) fields of this row, or writes fields of
``row + 1`` once. ``row`` is where a step is stored and ``step`` its number since the start: they differ when a
long rollout is kept in segments. docs/how_stages_work.md says what may stand in a stage and why.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from diffsim.engine import rules
from diffsim.engine.arrays import count

__all__ = ["Model", "Part", "Passes", "Stage", "Steps", "turns_of"]


@dataclass(frozen=True)
class Stage:
    """One function over ``elements`` elements.

    Attributes:
        function: a ``@ti.func`` taking ``(*records, env, row, step, element)``.
        records: what it works on: frozen dataclasses of fields and constants, or single fields.
        elements: how many there are; element runs from 0 to elements - 1. Of a grid (n, m) it is n * m, and the element
            i * m + j.
        ordered: elements depend on earlier ones (a tree of bodies), so they must run one after the other.
        differentiable: False for decisions in whole numbers, such as which bodies are near each other: the stage runs
            forward only and may do what Taichi cannot differentiate (loops, ``while``, counters). It writes nothing
            but fields of `Fields.decision` and `Fields.scratch`, and what it decided is still there when the stages
            that read it are reversed.

    Raises:
        InputError: Taichi would get the gradient of this function wrong; which line, why, and what to write instead.
    """

    function: Callable[..., None]
    records: tuple[Any, ...]
    elements: int
    ordered: bool = False
    differentiable: bool = True

    def __post_init__(self) -> None:
        """Read the function, and count the elements of a grid."""
        object.__setattr__(self, "elements", count(self.elements))
        if self.differentiable:
            rules.check(self.function, self.records)


@dataclass(frozen=True)
class Passes:
    """Stages that take turns, over and over within a step: the iterations of a solver.

    In pass p an element of a stage is called with ``p * stage.elements + element``, so that every pass can write slots
    of its own. Elements run one after the other (`Stage.ordered` is taken for granted).

    Attributes:
        stages: of one pass, in order.
        count: number of passes.
    """

    stages: tuple[Stage, ...]
    count: int

    @property
    def elements(self) -> int:
        """Of its largest stage."""
        return max(stage.elements for stage in self.stages)


Steps = tuple[Stage | Passes, ...]
"""What runs in a step, in order."""


@dataclass(frozen=True)
class Turn:
    """When a stage acts: in turns ``first``, ``first + stride``, ..., ``passes`` times."""

    stage: Stage
    first: int
    stride: int
    passes: int

    @property
    def last(self) -> int:
        """The last turn in which it acts."""
        return self.first + self.stride * (self.passes - 1)


def turns_of(steps: Iterable[Stage | Passes]) -> tuple[list[Turn], int]:
    """The turn of each stage that has elements, and how many turns there are."""
    found: list[Turn] = []
    total = 0
    for entry in steps:
        count = entry.count if isinstance(entry, Passes) else 1
        stages = [stage for stage in (entry.stages if isinstance(entry, Passes) else (entry,)) if stage.elements]
        found += [Turn(stage, total + k, len(stages), count) for k, stage in enumerate(stages)]
        total += len(stages) * count
    return found, total


@dataclass(frozen=True)
class Part:
    """What a controller or an objective adds to a rollout.

    Attributes:
        prepare: stages run once, before the first step: numbers derived from parameters.
        step: stages run at each step.
        final: stages run once, at the last row, after the last step.
    """

    prepare: tuple[Stage, ...] = ()
    step: Steps = ()
    final: tuple[Stage, ...] = ()


@dataclass(frozen=True)
class Model:
    """The physics of one kind of scene, and what controllers and objectives may read of it.

    Attributes:
        motion: record of trajectory fields. Always: ``position`` (env, row, place) vectors and ``actuation``
            (env, row, actuator). On request: ``centre`` (env, row, 0) vector, ``observation``
            (env, row, observation), ``actuator_position`` and ``actuator_velocity`` (env, row, actuator).
        dimension: 2 or 3.
        dt: time step [s].
        steps: number of steps.
        places: number of points or bodies that have a position.
        actuators: number of actuators.
        observations: length of the observation.
        prepare: stages run once: initial state and derived numbers.
        place: stages that work out where everything is, first in each step and at the last row.
        place_names: of what has a position, where it has names.
        coordinates: of joints, where the position of each is among those of all, by name.
        sense: stages that write what was requested, before the controller and again at the last row.
        step: stages of the physics, after the controller.
    """

    motion: Any
    dimension: int
    dt: float
    steps: int
    places: int
    actuators: int
    observations: int
    prepare: tuple[Stage, ...]
    step: Steps
    sense: tuple[Stage, ...] = field(default=())
    place: tuple[Stage, ...] = field(default=())
    place_names: tuple[str, ...] = ()
    coordinates: dict[str, int] = field(default_factory=dict)
