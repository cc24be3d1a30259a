"""The benchmark's problem, stated once for all competitors: a lattice that walks on sticky ground.

In each step, at ``t = step * dt``, a spring between points a and b pulls a with ``force``, b with minus that:

* ``actuation = amplitude * sin(frequency * t + phase) + offset``, per spring;
* ``apart = x[a] - x[b]``, ``length = sqrt(apart . apart + 1e-12)``,
  ``target = rest * (1 + stretch * actuation)``, ``force = -stiffness * (length - target) / length * apart``;
* ``push = dt * (force / mass + gravity)``, and ``v' = exp(-damping * dt) * v + push``;
* a point with ``v'.y < -1e-9`` and ``y + dt * v'.y`` below the ground lands: it moves with v' for the time of
  impact ``t = gap / -v'.y`` (0 where it rests: gap below 1e-6 m, v.y above -1e-6), loses its velocity, and is held
  with ``load = -push.y``; but where push.y > 0 and it does not rest, it is lifted from there: it goes on with
  ``(0.5 - t / dt) * push``, its share until the middle of the step, at least v'.y, and not below the ground;
* others move for dt, with ``v' + (push.y / (push.y + load) - 0.5) * (push.x, 0)`` if a load held them in the step
  before and push.y > 0: it let them go when forces along the normal turned round.

The loss is minus the mean over the points of how far they travel along x.
"""

from dataclasses import dataclass

import numpy as np

__all__ = ["Parameters", "Walker", "lattice", "random_parameters"]

Parameters = tuple[np.ndarray, np.ndarray, np.ndarray]  # amplitude, phase [rad], offset; (spring,) each


@dataclass(frozen=True, eq=False)
class Walker:
    """Numbers of the scene, of the sine controller and of the rollout."""

    points: np.ndarray  # (point, 2) [m]
    springs: np.ndarray  # (spring, 2) points at the ends
    steps: int = 682
    dt: float = 4e-3  # [s]
    stiffness: float = 9e3  # [N/m], of unit masses
    stretch: float = 0.1  # relative change of a rest length at an actuation of 1
    damping: float = 15.0  # [1/s]
    gravity: tuple[float, float] = (0.0, -4.8)  # [m/s^2]
    ground: float = 0.1  # height [m]
    frequency: float = 10.0  # of the actuation [rad/s]

    @property
    def rest(self) -> np.ndarray:
        """(spring,) lengths at the start [m]."""
        return np.linalg.norm(self.points[self.springs[:, 0]] - self.points[self.springs[:, 1]], axis=1)

    def __str__(self) -> str:
        return f"{len(self.points):,} points, {len(self.springs):,} springs, {self.steps} steps"


def lattice(columns: int, rows: int, *, steps: int = 682) -> Walker:
    """A grid of points 5 cm apart that stands on the ground, neighbours joined, diagonals included."""
    column, row = (index.ravel() for index in np.meshgrid(range(columns), range(rows), indexing="ij"))
    points = 0.1 + 0.05 * np.stack([column, row], axis=1)
    ends = []
    for right, up in ((-1, -1), (-1, 0), (-1, 1), (0, -1)):
        inside = (column + right >= 0) & (row + up >= 0) & (row + up < rows)
        here = np.flatnonzero(inside)
        ends.append(np.stack([here, here + right * rows + up], axis=1))
    springs = np.concatenate(ends)
    return Walker(points, springs[np.argsort(springs[:, 0], kind="stable")], steps=steps)


def random_parameters(walker: Walker, seed: int, *, calm: float = 1.0) -> Parameters:
    """A gait: amplitudes up to ``calm``, any phase, small offsets."""
    rng = np.random.default_rng(seed)
    count = len(walker.springs)
    return calm * rng.uniform(-1, 1, count), rng.uniform(-3, 3, count), calm * rng.uniform(-0.2, 0.2, count)
