"""Waves on water: a height field on a grid in the plane."""
