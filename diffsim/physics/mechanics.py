"""Mass, energy and momentum, worked out in NumPy from the numbers of a scene and the arrays of a rollout.

Numbers and arrays have a leading axis of environments, of length E; that of numbers is 1 where all have the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

__all__ = ["MECHANICS", "actuation_of", "each", "mechanics", "spring_energy"]

MECHANICS = ("energy", "momentum", "angular_momentum")
"""What `mechanics` works out."""

_BLOCK = 1 << 16
"""Springs times rows [numbers] that are looked at together: a long rollout of many springs takes little memory more."""


def each(value: np.ndarray, count: int) -> np.ndarray:
    """(E, count) of a number that all share, (E,), or that each has of its own, (E, count)."""
    return np.broadcast_to(value.reshape(len(value), -1), (len(value), count))


def actuation_of(arrays: dict[str, np.ndarray]) -> np.ndarray:
    """(E, steps, k) actuations of a rollout; of a scene without actuators, which records none, (E, steps, 0)."""
    envs, rows = arrays["position"].shape[:2]
    return arrays.get("actuation", np.zeros((envs, rows - 1, 0)))


def spring_energy(
    lengths: Callable[[slice], np.ndarray],
    stiffness: np.ndarray,
    rest_length: np.ndarray,
    change: np.ndarray,
    actuation: np.ndarray,
    driven: np.ndarray,
) -> np.ndarray:
    """(E, rows) energy of all springs [J], at the length that each wants to have in the step that begins at a row.

    At the last row, where no step begins, it is the one of the last step.

    Args:
        lengths: of s springs in some of the rows, (E, those, s) [m].
        stiffness: (E, s) [N/m].
        rest_length: (E, s) [m].
        change: (E, s) relative change of the rest length at an actuation of 1.
        actuation: (E, steps, k) of the actuators, of which the driven springs are the first.
        driven: the springs that a controller drives.
    """
    rows = actuation.shape[1] + 1
    energy = np.zeros((actuation.shape[0], rows))
    block = max(1, _BLOCK // max(energy.shape[0] * stiffness.shape[1], 1))
    for start in range(0, rows, block):
        part = slice(start, min(start + block, rows))
        stretch = lengths(part) - rest_length[:, None]
        asked = actuation[:, np.minimum(np.arange(part.start, part.stop), rows - 2), : len(driven)]
        stretch[..., driven] -= (rest_length * change)[:, None, driven] * asked
        energy[:, part] = 0.5 * (stiffness[:, None] * stretch**2).sum(axis=2)
    return energy


def mechanics(
    mass: np.ndarray,
    position: np.ndarray,
    velocity: np.ndarray,
    gravity: np.ndarray,
    *,
    stored: np.ndarray,
    inertia: np.ndarray | None = None,
    angular_velocity: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Energy and momentum of n points or bodies in d dimensions, in each row of a rollout.

    Args:
        mass: (E, n) [kg]; what has none counts for nothing.
        position: (E, rows, n, d) of points or centres of mass [m].
        velocity: (E, rows, n, d) [m/s].
        gravity: (E, d) [m/s^2].
        stored: (E, rows) energy of springs and the like [J].
        inertia: (E, n) of bodies, about their centre of mass [kg m^2].
        angular_velocity: (E, rows, n) of bodies [rad/s].

    Returns:
        ``energy`` (E, rows) [J], 0 at rest in the world's origin; ``momentum`` (E, rows, d) [kg m/s]; and
        ``angular_momentum`` about the world's origin [kg m^2/s], (E, rows) in two dimensions, (E, rows, 3) in three.
    """
    envs = len(position)
    mass, gravity = (np.broadcast_to(value, (envs, value.shape[1])) for value in (mass, gravity))
    energy = stored + 0.5 * np.einsum("ernd,ernd,en->er", velocity, velocity, mass)
    energy -= np.einsum("ernd,en,ed->er", position, mass, gravity)

    def turn(a: int, b: int) -> np.ndarray:
        x, y, u, v = position[..., a], position[..., b], velocity[..., a], velocity[..., b]
        return np.einsum("ern,ern,en->er", x, v, mass) - np.einsum("ern,ern,en->er", y, u, mass)

    flat = position.shape[-1] == 2
    around = turn(0, 1) if flat else np.stack([turn(1, 2), turn(2, 0), turn(0, 1)], axis=-1)
    if inertia is not None and angular_velocity is not None:
        inertia = np.broadcast_to(inertia, (envs, inertia.shape[1]))
        energy += 0.5 * np.einsum("ern,ern,en->er", angular_velocity, angular_velocity, inertia)
        around += np.einsum("ern,en->er", angular_velocity, inertia)
    momentum = np.einsum("ernd,en->erd", velocity, mass)
    return {"energy": energy, "momentum": momentum, "angular_momentum": around}
