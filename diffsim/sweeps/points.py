"""What varies in a sweep: every combination of values, and what each makes of a problem and its settings."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.problem import Problem
from diffsim.spec import Spec, whole
from diffsim.tuning import tune
from diffsim.tuning.optimizers import Adam, Optimizer

__all__ = ["Point", "Task", "points_of", "seeds_of", "task_of"]

OPTIONS = ("device", "precision", "envs", "shared", "adjoint", "executor")
"""Settings that are arguments of `Simulation`."""

TUNED = tuple(
    name
    for name, argument in inspect.signature(tune).parameters.items()
    if argument.kind is inspect.Parameter.KEYWORD_ONLY and name not in ("seed", "run", "resume", "progress", "callback")
)
"""Settings that are arguments of `tune`."""

PARTS = ("scene", "controller", "objective")


@dataclass(frozen=True)
class Point:
    """One combination.

    Attributes:
        number: of it, from 0.
        values: by name, in the order in which they were given.
        seed: of the starting parameters.
    """

    number: int
    values: Mapping[str, Any]
    seed: int

    @property
    def words(self) -> str:
        """The values and the seed, for a line: "optimizer.learning_rate=0.03, seed=1"."""
        return ", ".join([*(f"{name}={_short(value)}" for name, value in self.values.items()), f"seed={self.seed}"])

    def plain(self) -> dict[str, Any]:
        """For JSON: the same for the same combination."""
        return {"values": {name: _plain(value) for name, value in self.values.items()}, "seed": self.seed}


@dataclass(frozen=True)
class Task:
    """What a worker does: plain data, to be pickled.

    Attributes:
        point: which combination it is.
        problem: with its values, pickled: a process reads it once it knows the classes of ``script``.
        script: a scene script that defines classes of the problem, if any.
        options: of `Simulation`.
        settings: of `tune`.
        folder: of the run; a run in it goes on.
    """

    point: Point
    problem: bytes
    options: Mapping[str, Any]
    settings: Mapping[str, Any]
    folder: str
    script: str | None = None


def points_of(over: Mapping[str, Sequence[Any]], seeds: Any) -> tuple[Point, ...]:
    """Every combination of the values with every seed, the last name and then the seed changing fastest.

    Raises:
        InputError: a name has no values, or a seed is none.
    """
    if not isinstance(over, Mapping):
        raise InputError(
            f"sweep(over) is {over!r}, but values by name are needed: {{'optimizer.learning_rate': [...]}}"
        )
    for name, values in over.items():
        if isinstance(values, str) or not isinstance(values, (Sequence, np.ndarray)) or not len(values):
            raise InputError(f"sweep(over) gives {values!r} for {name}, but a list of values is needed")
    combined = [
        (dict(zip(over, values, strict=True)), seed)
        for values in itertools.product(*over.values())
        for seed in seeds_of(seeds)
    ]
    return tuple(Point(k, values, seed) for k, (values, seed) in enumerate(combined))


def seeds_of(seeds: Any) -> list[int]:
    """One seed, or several, as a list.

    Raises:
        InputError: there are none, or one is no whole number from 0.
    """
    numbers = [seeds] if isinstance(seeds, int) else list(seeds)
    if not numbers:
        raise InputError("sweep(seeds) is empty, but at least one seed is needed")
    return [whole(f"sweep(seeds)[{k}]", seed, least=0) for k, seed in enumerate(numbers)]


def task_of(
    point: Point,
    problem: Problem | Callable[..., Problem],
    settings: Mapping[str, Any],
    folder: str,
    script: str | None = None,
) -> Task:
    """What a combination makes of a problem and the settings.

    Raises:
        InputError: a name is no setting, no field and no number, with those that there are.
    """
    values, own, arguments = dict(point.values), dict(settings), {}
    if not isinstance(problem, Problem):
        taken = inspect.signature(problem).parameters
        arguments = {name: values.pop(name) for name in list(values) if name in taken}
        problem = problem(**arguments)
        if not isinstance(problem, Problem):
            raise InputError(f"sweep: problem(...) returned {problem!r}, but a Problem is needed")
    for name, value in values.items():
        part, _, field = name.partition(".")
        if name == "steps":
            problem = dataclasses.replace(problem, steps=value)
        elif part in PARTS and field:
            problem = _changed(problem, part, field, value)
        elif part == "optimizer" and field:
            own["optimizer"] = _changed_optimizer(own.get("optimizer", Adam(0.02)), field, value)
        elif name in OPTIONS or name in TUNED:
            own[name] = value
        else:
            raise InputError(
                f"sweep(over) names {name!r}, but it takes steps, optimizer.X, scene.X, controller.X, objective.X, an "
                f"argument of problem(), or one of {', '.join((*TUNED, *OPTIONS))}"
            )
    for name in own:
        if name not in OPTIONS and name not in TUNED:
            raise InputError(f"sweep takes no {name!r}; of settings it takes {', '.join((*TUNED, *OPTIONS))}")
    options = {name: own.pop(name) for name in OPTIONS if name in own}
    return Task(point, pickle.dumps(problem), options, own, folder, script)


def _changed(problem: Problem, part: str, field: str, value: Any) -> Problem:
    """The problem with another value of a part's field, or of a number of its scene."""
    member = getattr(problem, part)
    fields = list(member._values()) if isinstance(member, Spec) else []
    if field in fields:
        return dataclasses.replace(problem, **{part: dataclasses.replace(member, **{field: value})})
    numbers = problem.numbers()
    name = f"{part}.{field}"
    if part == "scene" and name.partition("[")[0] in numbers:
        base = name.partition("[")[0]
        dataclasses.replace(problem, tune=(name,), bounds={})  # refuses an entry that is none
        shape = problem.pick(name, numbers).shape if name.endswith("]") else np.shape(numbers[base])
        filled = problem.filled({name: np.broadcast_to(np.asarray(value, np.float64), shape)})
        return dataclasses.replace(problem, scene=member.with_numbers({base.partition(".")[2]: filled[base]}))
    there = ", ".join([*fields, *(each.partition(".")[2] for each in numbers if each.startswith(f"{part}."))])
    raise InputError(f"sweep(over) names {name!r}, but this problem's {part} has {there or 'nothing: there is none'}")


def _changed_optimizer(optimizer: Optimizer, field: str, value: Any) -> Optimizer:
    fields = [each.name for each in dataclasses.fields(optimizer)]
    if field not in fields:
        raise InputError(
            f"sweep(over) names 'optimizer.{field}', but a {type(optimizer).__name__} has {', '.join(fields)}"
        )
    return dataclasses.replace(optimizer, **{field: value})


def _plain(value: Any) -> Any:
    found = Spec.to_plain(value)
    try:
        json.dumps(found)
    except TypeError:
        return repr(value)
    return found


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    text = repr(value) if not isinstance(value, str) else value
    return text if len(text) <= 40 else text[:37] + "..."
