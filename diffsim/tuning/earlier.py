"""Problems as earlier versions wrote them, said as this one says the same: what a default meant then is written out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from diffsim.files import FORMAT
from diffsim.physics.articulated.values import TIME_CONSTANT
from diffsim.spec import Spec

__all__ = ["as_now"]

UNLIMITED = ("Sine", "OpenLoop", "PD")
"""Controllers that saturate since format 2 unless told otherwise."""


def as_now(about: Mapping[str, Any]) -> dict[str, Any]:
    """The problem that a run's ``problem.json`` describes, so that its losses are what they were.

    In files of format 1 `Travel` without an origin counted from the world's, and actuations had no limit. Up to format
    2 the contacts of robots followed from the mass of all that hangs together.
    """
    problem: dict[str, Any] = about["problem"]
    version = about.get("format", 1)
    if version >= FORMAT or not isinstance(problem, Mapping):
        return problem
    found = dict(problem)
    if isinstance(found.get("scene"), Mapping) and found["scene"].get("type") == "Articulated":
        found["scene"] = _by_mass(found["scene"])
    if version >= 2:
        return found
    if isinstance(found.get("objective"), Mapping):
        found["objective"] = _from_world(found["objective"], found.get("scene"))
    controller = found.get("controller")
    if isinstance(controller, Mapping) and controller.get("type") in UNLIMITED:
        found["controller"] = {"saturate": False, **controller}
    return found


def _by_mass(about: Mapping[str, Any]) -> dict[str, Any]:
    """A robot whose geoms say how stiff they are: a time constant of 0.02 s of all that hangs together."""
    scene = Spec.from_dict({"touch_depth": 1.0e-3, **about})
    links = []
    for link, whole in zip(scene.links, scene.tree_masses, strict=True):
        stiffness = float(whole) / TIME_CONSTANT**2
        geoms = [replace(each, stiffness=stiffness) if _unsaid(each, stiffness) else each for each in link.geoms]
        links.append(replace(link, geoms=geoms))
    found: dict[str, Any] = replace(scene, links=links).to_dict()
    return found


def _unsaid(geom: Any, stiffness: float) -> bool:
    return geom.stiffness is None and geom.shape != "plane" and stiffness > 0.0


def _from_world(objective: Mapping[str, Any], scene: Any) -> dict[str, Any]:
    found = dict(objective)
    if found.get("type") == "Sum":
        found["terms"] = [_from_world(term, scene) for term in found.get("terms", ())]
    elif found.get("type") == "Travel" and found.get("origin") is None:
        dimension = getattr(Spec.from_dict(scene), "dimension", 2)
        found["origin"] = {"array": [0.0] * dimension, "shape": [dimension], "dtype": "float64"}
    return found
