"""Models: the physics of each kind of scene. A new one is a file here and a line in `MODELS`."""

from collections.abc import Callable

from diffsim.engine.stages import Model
from diffsim.models import articulated, mass_spring, rigid_bodies
from diffsim.scene import Articulated, MassSpring, RigidBodies

__all__ = ["MODELS"]

MODELS: dict[type, Callable[..., Model]] = {
    Articulated: articulated.build,
    MassSpring: mass_spring.build,
    RigidBodies: rigid_bodies.build,
}
"""By the class of the scene: build(scene, fields, steps, reads) -> Model."""
