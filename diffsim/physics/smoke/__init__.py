"""Smoke that an incompressible flow carries, on a grid in the plane or in space."""
