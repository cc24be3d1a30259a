"""What a simulation recorded, as NumPy arrays."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from diffsim.errors import DivergenceError
from diffsim.lazy import named
from diffsim.problem import Problem

__all__ = ["Place", "Rollout", "first_not_finite"]

PLAYER = "diffsim.viewing.report:rollout_html"
"""What shows a rollout in a notebook: viewing builds on rollouts, so here it is only named."""


class Place(NamedTuple):
    """A number of a trajectory: which array, environment, row and element (a point, a spring, ...; a row of a grid)."""

    array: str
    env: int
    step: int
    element: int

    def __str__(self) -> str:
        """In words."""
        return f"{self.array} of element {self.element} in environment {self.env} at step {self.step}"


def first_not_finite(arrays: Mapping[str, np.ndarray]) -> Place | None:
    """Where the first number stands that is not finite, None if all are.

    Of several in one step it is that of the array that comes first, and of its first environment and element.

    Args:
        arrays: (envs, rows, elements, ...) by name.
    """
    worst: Place | None = None
    for name, value in arrays.items():
        bad = ~np.isfinite(value.reshape(*value.shape[:3], -1)).all(axis=3)
        rows = np.flatnonzero(bad.any(axis=(0, 2)))
        if len(rows) and (worst is None or rows[0] < worst.step):
            env, element = np.argwhere(bad[:, rows[0]])[0].tolist()
            worst = Place(name, env, int(rows[0]), element)
    return worst


@dataclass(frozen=True, eq=False)
class Rollout(Mapping[str, np.ndarray]):
    """The recorded arrays of one rollout, by name or as attributes: ``rollout["position"]``, ``rollout.position``.

    With several environments every array but `time` has a leading axis of environments; `env` takes one.

    Attributes:
        problem: what was simulated.
        params: the values of the tuned parameters, with a leading axis of environments if each has its own.
        time: (rows,) of each row of the trajectory [s]; rows = steps + 1, row 0 is the initial state.
        arrays: the recorded ones, by name. A mass-spring scene records ``position`` and ``velocity`` (rows, n, d) [m],
            [m/s] and ``actuation`` (steps, actuators).
        loss: the objective, one number or, if the environments have parameters of their own, (envs,); None
            without an objective.
        envs: number of environments; 1 means that arrays have no axis for them.
        complete: whether all recorded arrays are there; else nothing is worked out from them.
        own: numbers that are not tuned and that each environment has of its own, with a leading axis of environments.
    """

    problem: Problem
    params: dict[str, np.ndarray]
    time: np.ndarray
    arrays: dict[str, np.ndarray] = field(repr=False)
    loss: float | np.ndarray | None = None
    envs: int = 1
    complete: bool = True
    own: dict[str, np.ndarray] = field(default_factory=dict, repr=False)

    def __getitem__(self, name: str) -> np.ndarray:
        """The array of that name."""
        if name == "time":
            return self.time
        if name in self.arrays:
            return self.arrays[name]
        if name in self.derives:
            return self.derived[name]
        raise KeyError(f"the rollout holds {', '.join(self)}; not {name!r}")

    def __getattr__(self, name: str) -> np.ndarray:
        """The array of that name."""
        # Not while a pickle is read: there is nothing yet to look into.
        if name.startswith("_") or "arrays" not in self.__dict__ or name not in self:
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}")
        return self[name]

    def __contains__(self, name: object) -> bool:
        """Whether there is an array of that name."""
        return name in tuple(self)

    def __iter__(self) -> Iterator[str]:
        """Names of all arrays: `time`, the recorded ones, the derived ones."""
        return iter(("time", *self.arrays, *self.derives))

    def __len__(self) -> int:
        """Number of arrays."""
        return 1 + len(self.arrays) + len(self.derives)

    @property
    def derives(self) -> tuple[str, ...]:
        """Names of the arrays that the scene works out from recorded ones: what its ``derives`` says, if anything."""
        return getattr(self.problem.scene, "derives", ()) if self.complete else ()

    @cached_property
    def derived(self) -> dict[str, np.ndarray]:
        """The arrays that the scene works out from recorded ones, computed when one is first asked for.

        ``energy`` (rows,) [J], ``momentum`` (rows, d) [kg m/s] and ``angular_momentum`` about the world's origin
        [kg m^2/s], (rows,) in two dimensions and (rows, 3) in three. The scene's method ``derive`` says what counts.
        """
        numbers = {}
        for name, known in self.problem.scene.numbers().items():
            value = self.numbers[f"scene.{name}"]
            numbers[name] = value[None] if value.ndim == known.ndim else value
        arrays = {name: value if self.envs > 1 else value[None] for name, value in self.arrays.items()}
        with np.errstate(over="ignore", invalid="ignore"):  # of a rollout that diverged
            found = self.problem.scene.derive(numbers, arrays)
        return {name: value if self.envs > 1 else value[0] for name, value in found.items()}

    @cached_property
    def numbers(self) -> dict[str, np.ndarray]:
        """All numbers of the problem, as they were: tuned ones with the values of the parameters."""
        return {**self.problem.filled(self.params), **self.own}

    @property
    def terms(self) -> tuple[Any, ...]:
        """What each term of the objective came to, as `diffsim.objectives.Term`: its name, its loss, and in words.

        Of one environment; empty with several of them, without an objective, or if not all arrays are there.
        """
        if (
            not self.complete
            or self.problem.objective is None
            or not isinstance(self.loss, (int, float))
            or self.envs > 1
        ):
            return ()
        return tuple(self.problem.objective.terms_of(self.loss, self.numbers, self))

    @property
    def words(self) -> str:
        """The loss in words, by term, with units: "travelled 0.50 m, effort 0.13 s"; empty where there are none."""
        return ", ".join(term.words for term in self.terms if term.words)

    def _repr_html_(self) -> str:
        """A player, for notebooks."""
        return str(named(PLAYER)(self))

    def first_not_finite(self) -> Place | None:
        """Where the trajectory stopped being finite, None if it did not."""
        return first_not_finite({k: v if self.envs > 1 else v[None] for k, v in self.arrays.items()})

    def check_finite(self) -> None:
        """Raise DivergenceError at the first number that is not finite."""
        place = self.first_not_finite()
        if place is not None:
            message = (
                f"{place.array} of element {place.element} in environment {place.env} is not finite from step "
                f"{place.step} on; take a smaller dt, softer springs or smaller parameters"
            )
            raise DivergenceError(message, **place._asdict())

    def env(self, index: int) -> Rollout:
        """The rollout of one environment, with the parameters that it had."""
        if not 0 <= index < self.envs:
            raise IndexError(f"there is no environment {index}; there are {self.envs} (0 to {self.envs - 1})")
        known = self.problem.numbers() if self.params else {}
        own = {name for name, value in self.params.items() if np.ndim(value) > self.problem.pick(name, known).ndim}
        if self.envs == 1 and not own:
            return self
        return Rollout(
            problem=self.problem,
            params={name: value[index] if name in own else value for name, value in self.params.items()},
            time=self.time,
            arrays={name: value[index] if self.envs > 1 else value for name, value in self.arrays.items()},
            loss=self.loss[index] if isinstance(self.loss, np.ndarray) else self.loss,
            complete=self.complete,
            own={name: value[index] if self.envs > 1 else value for name, value in self.own.items()},
        )
