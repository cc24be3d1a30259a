"""Doors into other libraries: simulations and steppers as operations that those differentiate.

Each module is public under a shorter name, and imported, with its library, when that is first asked for: `ds.torch`,
`ds.jax`, `ds.tensorflow`.
"""
