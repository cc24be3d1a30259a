"""What each type of scene is for a player: one function per type, registered here by the name of the scene's class.

A sketch is two dictionaries. The first is plain data, for JSON:

* ``points``: ``count``, which are ``pinned``, whether each is a ``ball`` of its own;
* ``lines``: ``ends`` (pairs of points), which are ``driven`` by which ``actuators``, typical ``length`` [m];
* ``flesh``: triples of points;
* ``bodies``: lists of parts, each a ``shape`` with sizes [m], colours ``fill`` and ``edge``, and in three dimensions
  its place ``at`` and quaternion ``turn`` in the body's frame; ``fixed``: parts in the world's;
* ``joints``: of two bodies (-1 is the world) with an anchor on each, or of dots on one body in three dimensions;
* ``walls``, ``sites``, ``stems``, ``gains`` (what an actuation is multiplied with for its colour), ``legend``.

The second has arrays (rows, ...): ``points``, ``places`` and ``turns`` of bodies, ``arrows``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.players.articulated import sketch_articulated
from diffsim.viewing.players.mass_spring import sketch_mass_spring
from diffsim.viewing.players.rigid_bodies import sketch_rigid_bodies

__all__ = ["SKETCHES", "Sketch"]

Sketch = tuple[dict[str, Any], dict[str, np.ndarray]]

# A scene type is played once it has a line here, and one in `diffsim.viewing.drawings.DRAWINGS`. The second argument is
# its drawing of the rollout.
SKETCHES: dict[str, Callable[[Rollout, Any], Sketch]] = {
    "Articulated": sketch_articulated,
    "MassSpring": sketch_mass_spring,
    "RigidBodies": sketch_rigid_bodies,
}
