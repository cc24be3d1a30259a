"""What can be simulated: a folder here holds one kind of world, its scene, its stages and its look.

The registry names, for the class of a scene, what builds its model and what says how it looks. For what the package
brings it holds names, so that nobody who only describes a scene waits for Taichi.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diffsim.errors import InputError
from diffsim.physics.base import Scene

__all__ = ["Physics", "Scene", "physics_of", "register", "registered"]


@dataclass(frozen=True)
class Physics:
    """One kind of world.

    Attributes:
        scene: the class of its scenes.
        build: build(scene, fields, steps, reads) -> `diffsim.engine.stages.Model`: its stages.
        look: what is to be seen of a rollout; None shows its points.
    """

    scene: type | str
    build: Callable[..., Any] | str
    look: Callable[..., Any] | str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be called or looked up."""
        for name in ("build", "look"):
            given = getattr(self, name)
            if (
                not callable(given)
                and not (isinstance(given, str) and ":" in given)
                and (name, given) != ("look", None)
            ):
                raise InputError(f"register({name}) is {given!r}, but a function or 'module:function' is needed")


_REGISTRY: dict[str, Physics] = {}


def _name(scene: type) -> str:
    return f"{scene.__module__}.{scene.__qualname__}"


def _kind(folder: str, scene: str) -> None:
    """A folder of this one: its modules are named alike in each."""
    home = f"{__name__}.{folder}"
    _REGISTRY[f"{home}.scene.{scene}"] = Physics(f"{home}.scene:{scene}", f"{home}.stages:build")


_kind("mass_spring", "MassSpring")
_kind("rigid_bodies", "RigidBodies")
_kind("articulated", "Articulated")


def register(scene: type, build: Callable[..., Any] | str, look: Callable[..., Any] | str | None = None) -> None:
    """Say how scenes of a class are simulated and seen.

    Args:
        scene: the class, a specification of kind "scene".
        build: build(scene, fields, steps, reads) -> `diffsim.engine.stages.Model`, or where it is: "module:function",
            which is imported when a simulation is first made.
        look: what is to be seen of a rollout, or where that is; None shows its points.
    """
    _REGISTRY[_name(scene)] = Physics(scene, build, look)


def registered() -> tuple[type, ...]:
    """The classes of all scenes that can be simulated."""
    return tuple(_found(known.scene) for known in _REGISTRY.values())


def physics_of(scene: Any) -> Physics:
    """How a scene is simulated and seen, with what was only named looked up.

    Raises:
        InputError: nothing is registered for its class.
    """
    for each in type(scene).__mro__:
        if _name(each) in _REGISTRY:
            known = _REGISTRY[_name(each)]
            return Physics(each, _found(known.build), None if known.look is None else _found(known.look))
    raise InputError(
        f"there is no model for a scene of class {type(scene).__name__}; say which builds it with "
        f"ds.physics.register({type(scene).__name__}, build)"
    )


def _found(given: Any) -> Any:
    if not isinstance(given, str):
        return given
    module, _, name = given.partition(":")
    return getattr(importlib.import_module(module), name)
