"""How a body touches itself: what is described, and which points may meet which facets of its surface."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import Spec, number, whole

__all__ = ["SelfContact", "pressed_points", "skipped_facets"]


@dataclass(frozen=True, eq=False, repr=False)
class SelfContact(Spec):
    """Points of a body are pressed away from its own surface, edges in 2D and triangles in 3D.

    A point whose distance g from a facet is below the thickness is pushed along the line from the nearest place of the
    facet with ``stiffness * depth * max(0, 1 - damping * rate)`` newtons, where depth = thickness - g, and rate [m/s]
    is how fast g grows (Hunt and Crossley 1975, Journal of Applied Mechanics 42, 440-445, with exponent 1: the force
    sets in from zero and never pulls). The facet's points share the opposite force by the weights of that place, so
    that momentum and angular momentum stay as they are. There is no friction.

    Beneath a facet the distance is negative: a point that went through is pushed back out while it is less than the
    thickness deep. So the thickness has to be more than a point moves in a step. A point does not meet facets that it
    is a corner of or that a spring joins it with; nor do points inside of a body, which are in cells but not on the
    surface, meet any. In each step every point is compared with every facet of the surface.

    Attributes:
        thickness: [m]; None is a quarter of the mean length of the surface's edges.
        stiffness: [N/m]; None is the mean stiffness of the springs. The parameter ``scene.contact_stiffness``.
        damping: [s/m]. The parameter ``scene.contact_damping``.
        room: facets that a point may be near to at a time; more are a CapacityError. None is 4 in 2D, 12 in 3D.
    """

    thickness: float | None = None
    stiffness: float | None = None
    damping: float = 0.0
    room: int | None = None

    def __post_init__(self) -> None:
        """Check every number."""
        for name in ("thickness", "stiffness"):
            value = getattr(self, name)
            self._set(**{name: None if value is None else number(f"SelfContact.{name}", value, above=0.0)})
        self._set(
            damping=number("SelfContact.damping", self.damping, least=0.0),
            room=None if self.room is None else whole("SelfContact.room", self.room),
        )

    def complete(self, points: np.ndarray, surface: np.ndarray, stiffness: np.ndarray | float) -> SelfContact:
        """The same with what was left out, for a body.

        Raises:
            InputError: it has no surface.
        """
        if not len(surface):
            raise InputError(
                "MassSpring.self_contact is given, but the scene has no surface; give it a Lattice of diffsim.grid or "
                "from_image, or MassSpring.surface"
            )
        sides = points[surface] - points[np.roll(surface, -1, axis=1)]
        quarter = 0.25 * float(np.linalg.norm(sides, axis=2).mean())
        return SelfContact(
            thickness=quarter if self.thickness is None else self.thickness,
            stiffness=float(np.mean(stiffness)) if self.stiffness is None else self.stiffness,
            damping=self.damping,
            room=(4 if points.shape[1] == 2 else 12) if self.room is None else self.room,
        )


def pressed_points(n: int, cells: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """The points that can meet the surface: those on it, and those in no cell."""
    inside = np.zeros(n, dtype=bool)
    inside[cells] = True
    inside[surface] = False
    return np.flatnonzero(~inside)


def skipped_facets(points: np.ndarray, springs: np.ndarray, surface: np.ndarray, n: int) -> list[np.ndarray]:
    """Of each of the points, the facets in rising order that it does not meet: its own, and those of neighbours."""
    around: list[set[int]] = [{k} for k in range(n)]
    for a, b in springs.tolist():
        around[a].add(b)
        around[b].add(a)
    facets: list[set[int]] = [set() for _ in range(n)]
    for f, corners in enumerate(surface.tolist()):
        for corner in corners:
            facets[corner].add(f)
    return [np.array(sorted(set().union(*(facets[k] for k in around[p]))), np.int64) for p in points.tolist()]
