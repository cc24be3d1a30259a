"""What objectives of robots share: a link by its name, and the span of time that counts."""

from typing import Any

import numpy as np

from diffsim.engine.stages import Model
from diffsim.errors import InputError

__all__ = ["check_link", "check_robot", "check_span", "counted", "link_of", "span"]


def check_robot(owner: str, scene: Any) -> None:
    """Raise InputError if the scene is not `Articulated`: it has no links."""
    if not hasattr(scene, "links"):
        raise InputError(f"{owner} is about robots, but the scene is {type(scene).__name__}; Articulated is needed")


def check_link(owner: str, link: Any, scene: Any) -> None:
    """Raise InputError if there is no such link."""
    check_robot(owner, scene)
    names = [each.name for each in scene.links]
    if link is not None and link not in names:
        raise InputError(f"{owner}.link is {link!r}, but the links are {', '.join(names)}")


def check_span(owner: str, link: Any, after: float, scene: Any, steps: int) -> None:
    """Raise InputError if there is no such link, or if nothing of the rollout counts."""
    check_link(owner, link, scene)
    if after >= steps * scene.dt:
        raise InputError(f"{owner}.after is {after:g} s, but the rollout ends at {steps * scene.dt:g} s")


def link_of(model: Model, link: str | None) -> int:
    """Index of a link by its name; None is the first."""
    return 0 if link is None else model.place_names.index(link)


def span(model: Model, link: str | None, after: float) -> dict[str, Any]:
    """For a record: the index of the ``link``, the ``first`` step that counts, the ``share`` of each in a mean."""
    first = int(np.ceil(after / model.dt - 1e-9))
    return {"link": link_of(model, link), "first": first, "share": 1.0 / (model.steps - first)}


def counted(rollout: Any, name: str, link: str | None, after: float) -> np.ndarray:
    """(steps that count, width) of an array of links, what `span` lets count."""
    problem = rollout.problem
    at = 0 if link is None else [each.name for each in problem.scene.links].index(link)
    first = int(np.ceil(after / problem.scene.dt - 1e-9))
    return np.asarray(rollout.arrays[name][first : problem.steps, at])
