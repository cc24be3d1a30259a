"""Scenes: what there is. Plain, checked data without Taichi."""

from diffsim.scene.bodies import Box, Capsule, Disc, HalfPlane, Polygon, Segment
from diffsim.scene.joints import Pin, Rope, Slider, Spring, Weld
from diffsim.scene.lattice import Lattice, from_image, from_mesh, grid
from diffsim.scene.mass_spring import Ground, MassSpring
from diffsim.scene.overlap import separation
from diffsim.scene.rigid_bodies import RigidBodies

__all__ = [
    "Box",
    "Capsule",
    "Disc",
    "Ground",
    "HalfPlane",
    "Lattice",
    "MassSpring",
    "Pin",
    "Polygon",
    "RigidBodies",
    "Rope",
    "Segment",
    "Slider",
    "Spring",
    "Weld",
    "from_image",
    "from_mesh",
    "grid",
    "separation",
]
