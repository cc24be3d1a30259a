"""What objectives about a place have in common: a point, a body, a link, a site, or the centre of all."""

from typing import Any

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model
from diffsim.errors import InputError
from diffsim.objectives.base import Objective
from diffsim.spec import whole

__all__ = ["OfPlace"]


class OfPlace(Objective):
    """Base of objectives about a place. A stage finds it as ``goal.place[env, row, goal.at]``.

    Attributes:
        point: index of a point or body, or name of a link or site; None is the centre.
    """

    point: int | str | None

    def __post_init__(self) -> None:
        """Check every number, and that the point can be one."""
        super().__post_init__()
        if self.point is not None and not isinstance(self.point, str):
            self._set(point=whole(f"{type(self).__name__}.point", self.point, least=0))

    @property
    def reads(self) -> str:
        """The centre, unless a point is named."""
        return "centre" if self.point is None else "position"

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError for another dimension or an absent point."""
        super().check(scene, steps)
        _check_point(type(self).__name__, self.point, scene)

    def record(self, fields: Fields, model: Model, prefix: str, **more: Any) -> Any:
        """With the place that counts."""
        owner = type(self).__name__
        place, at = model.array(self.reads, owner), _index_of(owner, model, self.point)
        return super().record(fields, model, prefix, place=place, at=at, **more)

    def places(self, rollout: Any) -> np.ndarray | None:
        """(rows, d) where it is in each row of a rollout of one environment [m]; None where that does not tell."""
        return _place_of(rollout, self.point)


def _index_of(owner: str, model: Model, point: int | str | None) -> int:
    """Index of a point, body, link or site; 0 for None.

    Raises:
        InputError: the model has no such place; `OfPlace.check` says so sooner, of a scene that tells its places.
    """
    if isinstance(point, str):
        if point not in model.place_names:
            names = ", ".join(model.place_names) or "none"
            raise InputError(f"{owner}.point is {point!r}, but the places of a {model.kind} with a name are {names}")
        return model.place_names.index(point)
    if point is not None and point >= model.places:
        raise InputError(f"{owner}.point is {point}, but a {model.kind} has {model.places} (0 to {model.places - 1})")
    return point or 0


def _place_of(rollout: Any, point: int | str | None) -> np.ndarray | None:
    """(rows, d) where a point, body, link or site is in each row [m]; None where a rollout does not tell.

    Args:
        rollout: of one environment.
        point: as of `OfPlace`; None is the centre, which a rollout tells of a scene that has a method ``centre``.
    """
    scene = rollout.problem.scene
    if point is None:
        if "centre" in rollout.arrays:
            return np.asarray(rollout.arrays["centre"][:, 0])
        return np.asarray(scene.centre(rollout.arrays)) if hasattr(scene, "centre") else None
    if "position" not in rollout.arrays:
        return None
    at: Any = point
    if isinstance(point, str):
        if point not in (names := tuple(getattr(scene, "places", ()))):
            return None
        at = names.index(point)
    return np.asarray(rollout.arrays["position"][:, at])


def _check_point(owner: str, point: int | str | None, scene: Any) -> None:
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
