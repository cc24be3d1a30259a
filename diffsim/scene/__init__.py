"""Scenes: what there is. Plain, checked data without Taichi."""

from diffsim.scene.mass_spring import Ground, MassSpring

__all__ = ["Ground", "MassSpring"]
