"""Problems as earlier versions wrote them, said as this one says the same: what a default meant then is written out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from diffsim.spec import Spec

__all__ = ["as_now"]

UNLIMITED = ("Sine", "OpenLoop", "PD")
"""Controllers that saturate since format 2 unless told otherwise."""


def as_now(about: Mapping[str, Any]) -> dict[str, Any]:
    """The problem that a run's ``problem.json`` describes, so that its losses are what they were.

    In files of format 1 `Travel` without an origin counted from the world's, and actuations had no limit.
    """
    problem: dict[str, Any] = about["problem"]
    if about.get("format", 1) >= 2 or not isinstance(problem, Mapping):
        return problem
    found = dict(problem)
    if isinstance(found.get("objective"), Mapping):
        found["objective"] = _from_world(found["objective"], found.get("scene"))
    controller = found.get("controller")
    if isinstance(controller, Mapping) and controller.get("type") in UNLIMITED:
        found["controller"] = {"saturate": False, **controller}
    return found


def _from_world(objective: Mapping[str, Any], scene: Any) -> dict[str, Any]:
    found = dict(objective)
    if found.get("type") == "Sum":
        found["terms"] = [_from_world(term, scene) for term in found.get("terms", ())]
    elif found.get("type") == "Travel" and found.get("origin") is None:
        dimension = getattr(Spec.from_dict(scene), "dimension", 2)
        found["origin"] = {"array": [0.0] * dimension, "shape": [dimension], "dtype": "float64"}
    return found
