"""Surfaces of triangles: which are seen, and how few of them look the same."""
