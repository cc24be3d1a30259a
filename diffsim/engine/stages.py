"""Stages: the physics of a step as a list of functions, each over one kind of element.

A stage is a ``@ti.func`` of straight-line code with the arguments ``(*records, env, row, step, element)``. It
reads rows ``row`` of the trajectory, and sets or adds to (``+=``) fields of this row, or writes fields of
``row + 1`` once. ``row`` is where a step is stored and ``step`` its number since the start: they differ when a
long rollout is kept in segments. docs/how_stages_work.md says what may stand in a stage and why.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from diffsim.engine import rules
from diffsim.engine.arrays import Named, count
from diffsim.errors import InputError

__all__ = ["Lengths", "Model", "Part", "Passes", "Rows", "Stage", "Steps", "pass_by_pass", "requests", "turns_of"]


@dataclass(frozen=True)
class Stage:
    """One function over ``elements`` elements.

    Attributes:
        function: a ``@ti.func`` taking ``(*records, env, row, step, element)``.
        records: what it works on: frozen dataclasses of fields and constants, or single fields; one, or a tuple.
        elements: how many there are; element runs from 0 to elements - 1. Of a grid (n, m) it is n * m, and the element
            i * m + j.
        ordered: elements depend on earlier ones (a tree of bodies), so they must run one after the other.
        differentiable: False for decisions in whole numbers, such as which bodies are near each other: the stage runs
            forward only and may do what Taichi cannot differentiate (loops, ``while``, counters). It writes nothing
            but fields of `Fields.decision` and `Fields.scratch`, and what it decided is still there when the stages
            that read it are reversed.
        upto: a field of `Fields.decision` whose first number in this row says how many of the elements act, or None: a
            list of varying length then costs what is in it. In `wide` all run, so the function must look as well.
        before: the first element's number; of one pass of a solver, how many there are in the passes before.

    Raises:
        InputError: Taichi would get the gradient of this function wrong; which line, why, and what to write instead.
    """

    function: Callable[..., None]
    records: Any
    elements: int
    ordered: bool = False
    differentiable: bool = True
    upto: Any = None
    before: int = 0

    def __post_init__(self) -> None:
        """Read the function, and count the elements of a grid."""
        object.__setattr__(self, "elements", count(self.elements))
        if not isinstance(self.records, tuple):
            object.__setattr__(self, "records", (self.records,))
        if self.differentiable:
            rules.check(self.function, self.records)
        else:
            rules.check_decision(self.function, self.records)


@dataclass(frozen=True)
class Passes:
    """Stages that take turns, over and over within a step: the iterations of a solver.

    In pass p an element of a stage is called with ``p * stage.elements + element``, so that every pass can write slots
    of its own.

    Attributes:
        stages: of one pass, in order.
        count: number of passes.
        ordered: elements of a stage run one after the other, as those of Gauss and Seidel want; False where none reads
            what another one writes in the same pass, as with Jacobi: in `wide` they then run at the same time.
        upto: a field of `Fields.decision` whose first number in this row says how many of the passes act, or None. An
            executor may run all, so the functions must look as well.
    """

    stages: tuple[Stage, ...]
    count: int
    ordered: bool = True
    upto: Any = None

    @property
    def elements(self) -> int:
        """Of its largest stage."""
        return max(stage.elements for stage in self.stages)


Steps = tuple[Stage | Passes, ...]
"""What runs in a step, in order."""


def pass_by_pass(steps: Iterable[Stage | Passes]) -> Steps:
    """The same steps, with passes whose elements need no order as a stage for each pass."""
    found: list[Stage | Passes] = []
    for entry in steps:
        if isinstance(entry, Passes) and not entry.ordered:
            passes = range(entry.count)
            found += [replace(stage, before=k * stage.elements) for k in passes for stage in entry.stages]
        else:
            found.append(entry)
    return tuple(found)


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


Lengths = int | str | tuple[int | str, ...]
"""A number of elements or components, or the lengths of their axes, some by the letters of declared shapes."""


@dataclass(frozen=True)
class Rows:
    """A trajectory field to be, (env, row, element): what `diffsim.engine.fields.Fields.trajectory` takes.

    Attributes:
        elements: how many, or (n, m) of a grid; letters stand for lengths: ``"n"``, ``("n", "m")``.
        width: components of a vector, (rows, columns) of a matrix, 0 for scalars; "d" is the dimension.
        state, accumulates, recorded, per_step: as there.
    """

    elements: Lengths
    width: Lengths = 0
    state: bool = False
    accumulates: bool = False
    recorded: bool | int = True
    per_step: bool = False


_ALWAYS = frozenset({"position", "actuation"})
"""Arrays that a model has or has not, but never only on request."""

_ON_REQUEST = {
    "centre": ("centre",),
    "velocity": ("velocity",),
    "observation": ("observation",),
    "actuator_state": ("actuator_position", "actuator_velocity"),
}
"""Arrays that stand behind a request."""


def requests(*parts: Any) -> frozenset[str]:
    """What controllers and objectives want a model to provide, by their ``reads``: a name or several; None has none."""
    found: set[str] = set()
    for part in parts:
        reads = () if part is None else part.reads
        found.update((reads,) if isinstance(reads, str) else reads)
    return frozenset(found - _ALWAYS)


@dataclass(frozen=True)
class Model:
    """The physics of one kind of scene, and what controllers and objectives may read of it.

    Nothing has to be given but the stages: what is left out, or 0, is as the scene says or as many as the arrays have.

    Attributes:
        motion: record of trajectory fields. Controllers and objectives ask for arrays by name: attributes of it, or the
            names that trajectory fields were declared with. Some have a meaning that the package's own rely on:
            ``position`` (env, row, place) vectors, ``actuation`` (env, row, actuator), which controllers write, and on
            request ``centre`` (env, row, 0) vector, ``velocity`` (env, row, place), ``observation``
            (env, row, observation), ``actuator_position`` and ``actuator_velocity`` (env, row, actuator).
        dimension: 2 or 3, of what lies in space; 0 has none.
        dt: time step [s].
        steps: number of steps.
        places: number of points or bodies that have a position.
        actuators: number of actuators.
        observations: length of the observation.
        prepare: stages run once: initial state and derived numbers. As in the other lists, a single one will do.
        place: stages that work out where everything is, first in each step and at the last row.
        place_names: of what has a position, where it has names.
        coordinates: of joints, where the position of each is among those of all, by name.
        sense: stages that write what was requested, before the controller and again at the last row.
        step: stages of the physics, after the controller.
        unobserved: the scene says that there is nothing to observe; `complete` sets it, and the next two.
        kind: name of the scene's class.
        arrays: of the trajectory, by the names that they were declared with.
    """

    motion: Any = None
    dimension: int = 0
    dt: float = 0.0
    steps: int = 0
    places: int = 0
    actuators: int = 0
    observations: int = 0
    prepare: Any = ()
    step: Any = ()
    sense: Any = ()
    place: Any = ()
    place_names: tuple[str, ...] = ()
    coordinates: dict[str, int] = field(default_factory=dict)
    unobserved: bool = False
    kind: str = ""
    arrays: Mapping[str, Named] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        """Lists of stages, or a single one, are as good as tuples."""
        for name in ("prepare", "step", "sense", "place"):
            given: Any = getattr(self, name)
            object.__setattr__(self, name, (given,) if isinstance(given, (Stage, Passes)) else tuple(given))

    def complete(self, scene: Any, steps: int, arrays: Mapping[str, Named]) -> "Model":
        """The same with what was left out.

        Args:
            scene: of which it is the model.
            steps: of the rollout.
            arrays: of the trajectory that it declared.
        """

        known = replace(self, kind=type(scene).__name__, arrays=dict(arrays))
        found = {name: known._named(name) for name in ("position", "centre", "actuation", "observation")}
        many = {name: 0 if each is None else each.elements for name, each in found.items()}
        widths = [each.width for each in (found["position"], found["centre"]) if each is not None and each.width]
        return replace(
            known,
            unobserved=getattr(scene, "observations", None) == 0,
            dimension=self.dimension or getattr(scene, "dimension", 0) or (widths[0][0] if widths else 0),
            dt=self.dt or scene.dt,
            steps=self.steps or steps,
            places=self.places or many["position"],
            actuators=self.actuators or many["actuation"],
            observations=self.observations or many["observation"],
        )

    def _named(self, name: str) -> Named | None:
        own = getattr(self.motion, name, None)
        mine = [known for known in self.arrays.values() if known.array is own]
        return mine[0] if mine else self.arrays.get(name)

    def array(self, name: str, owner: str, verb: str = "reads") -> Any:
        """The array of that name, (env, row, element).

        Args:
            name: of an attribute of `motion`, or that a trajectory field was declared with.
            owner: who asks for it, for the message: "Travel".
            verb: what the owner does with it.

        Raises:
            InputError: the model has no such array; with the names of those that it has.
        """
        found = self._named(name)
        if found is None:
            has = ", ".join(known for known, each in self.arrays.items() if each.recorded) or "no arrays"
            raise InputError(f"{owner} {verb} {name!r}, but a {self.kind} has {has}")
        return found.array

    def elements(self, name: str) -> int:
        """How many elements an array has, 0 for one that the model lacks."""
        found = self._named(name)
        return 0 if found is None else found.elements

    def names(self, part: Any) -> tuple[str, ...]:
        """Of the arrays that a controller or objective reads, those that stand behind a request in its place."""
        reads = (part.reads,) if isinstance(part.reads, str) else part.reads
        return tuple(dict.fromkeys(each for name in reads for each in _ON_REQUEST.get(name, (name,))))

    def check(self, part: Any) -> None:
        """Raise InputError if it lacks what was requested of it by a controller or objective."""
        for name in requests(part) & _ON_REQUEST.keys():
            # Of a scene that says so, there is nothing to observe, and that is seen.
            if name != "observation" or self.observations or not self.unobserved:
                for each in _ON_REQUEST[name]:
                    self.array(each, type(part).__name__)
