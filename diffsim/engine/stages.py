"""Stages: the physics of a step as a list of functions, each over one kind of element.

A stage is a ``@ti.func`` of straight-line code with the arguments ``(*records, env, row, step, element)``. It
reads rows ``row`` of the trajectory, and sets or adds to (``+=``) fields of this row, or writes fields of
``row + 1`` once. ``row`` is where a step is stored and ``step`` its number since the start: they differ when a
long rollout is kept in segments. docs/how_stages_work.md says what may stand in a stage and why.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from diffsim.engine import rules

__all__ = ["Model", "Part", "Stage"]


@dataclass(frozen=True)
class Stage:
    """One function over ``elements`` elements.

    Attributes:
        function: a ``@ti.func`` taking ``(*records, env, row, step, element)``.
        records: what it works on: frozen dataclasses of fields and constants, or single fields.
        elements: how many there are; element runs from 0 to elements - 1.
        ordered: elements depend on earlier ones (a tree of bodies), so they must run one after the other.

    Raises:
        InputError: Taichi would get the gradient of this function wrong; which line, why, and what to write instead.
    """

    function: Callable[..., None]
    records: tuple[Any, ...]
    elements: int
    ordered: bool = False

    def __post_init__(self) -> None:
        """Read the function."""
        rules.check(self.function, self.records)


@dataclass(frozen=True)
class Part:
    """What a controller or an objective adds to a rollout.

    Attributes:
        prepare: stages run once, before the first step: numbers derived from parameters.
        step: stages run at each step.
        final: stages run once, at the last row, after the last step.
    """

    prepare: tuple[Stage, ...] = ()
    step: tuple[Stage, ...] = ()
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
    step: tuple[Stage, ...]
    sense: tuple[Stage, ...] = field(default=())
