"""What can be simulated: a folder here holds one kind of world, its scene, its stages and its look.

The registry names, for the class of a scene, what builds its model and what says how it looks. For what the package
brings it holds names, so that nobody who only describes a scene waits for Taichi.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diffsim.errors import InputError
from diffsim.lazy import named
from diffsim.physics.base import Scene

__all__ = ["Physics", "Scene", "physics_of", "register", "registered"]


@dataclass(frozen=True)
class Physics:
    """One kind of world. Each part is given as it is or as "module:name", and imported when it is asked for.

    Attributes:
        scene_at: the class of its scenes.
        build_at: build(scene, fields, steps, reads) -> `diffsim.engine.stages.Model`: its stages.
        look_at: look(rollout) -> `diffsim.viewing.look.Look`: what is to be seen of one environment; None shows points.
    """

    scene_at: type | str
    build_at: Callable[..., Any] | str
    look_at: Callable[..., Any] | str | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be called or looked up."""
        for name, given in (("build", self.build_at), ("look", self.look_at or "diffsim:")):
            if not callable(given) and not (isinstance(given, str) and ":" in given):
                raise InputError(f"register({name}) is {given!r}, but a function or 'module:function' is needed")

    @property
    def scene(self) -> Any:
        """The class of its scenes."""
        return named(self.scene_at)

    @property
    def build(self) -> Callable[..., Any]:
        """The function that builds a model; importing it imports Taichi."""
        return named(self.build_at)

    @property
    def look(self) -> Callable[..., Any] | None:
        """The function that says what is to be seen."""
        return named(self.look_at)


_REGISTRY: dict[str, Physics] = {}


def _name(scene: type) -> str:
    return f"{scene.__module__}.{scene.__qualname__}"


def _kind(folder: str, scene: str) -> None:
    """A folder of this one: its modules are named alike in each."""
    home = f"{__name__}.{folder}"
    _REGISTRY[f"{home}.scene.{scene}"] = Physics(f"{home}.scene:{scene}", f"{home}.stages:build", f"{home}.look:look")


_kind("mass_spring", "MassSpring")
_kind("rigid_bodies", "RigidBodies")
_kind("articulated", "Articulated")
_kind("charges", "Charges")
_kind("tomography", "Volume")
_kind("smoke", "Smoke")
_kind("material_points", "MaterialPoints")
_kind("water", "Water")


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
    return tuple(known.scene for known in _REGISTRY.values())


def physics_of(scene: Any) -> Physics:
    """How a scene is simulated and seen.

    Raises:
        InputError: nothing is registered for its class.
    """
    for each in type(scene).__mro__:
        if _name(each) in _REGISTRY:
            return _REGISTRY[_name(each)]
    raise InputError(
        f"there is no model for a scene of class {type(scene).__name__}; say which builds it with "
        f"ds.physics.register({type(scene).__name__}, build)"
    )
