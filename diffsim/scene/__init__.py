"""Scenes: what there is. Plain, checked data without Taichi."""

from diffsim.scene.lattice import Lattice, from_image, from_mesh, grid
from diffsim.scene.mass_spring import Ground, MassSpring

__all__ = ["Ground", "Lattice", "MassSpring", "from_image", "from_mesh", "grid"]
