"""Articulated robots in three dimensions, from MJCF, URDF or Python."""
