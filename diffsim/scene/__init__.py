"""Scenes: what there is. Plain, checked data without Taichi."""

from diffsim.scene.articulated import Articulated
from diffsim.scene.bodies import Box, Capsule, Disc, HalfPlane, Polygon, Segment
from diffsim.scene.joints import Pin, Rope, Slider, Spring, Weld
from diffsim.scene.lattice import Lattice, from_image, from_mesh, grid
from diffsim.scene.links import Actuator, Geom, Joint, Link, Site
from diffsim.scene.mass_spring import Ground, MassSpring
from diffsim.scene.mjcf import load_mjcf, load_urdf
from diffsim.scene.overlap import separation
from diffsim.scene.rigid_bodies import RigidBodies

__all__ = [
    "Actuator",
    "Articulated",
    "Box",
    "Capsule",
    "Disc",
    "Geom",
    "Ground",
    "HalfPlane",
    "Joint",
    "Lattice",
    "Link",
    "MassSpring",
    "Pin",
    "Polygon",
    "RigidBodies",
    "Rope",
    "Segment",
    "Site",
    "Slider",
    "Spring",
    "Weld",
    "from_image",
    "from_mesh",
    "grid",
    "load_mjcf",
    "load_urdf",
    "separation",
]
