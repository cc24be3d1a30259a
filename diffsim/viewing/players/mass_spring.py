"""Points, springs in the colours of what is asked of them, and flesh between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from diffsim.rollout import Rollout
from diffsim.viewing.drawings.mass_spring import MassSpringDrawing

__all__ = ["sketch_mass_spring"]


def sketch_mass_spring(rollout: Rollout, drawing: MassSpringDrawing) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The sketch of a `MassSpring` rollout."""
    muscles = drawing.muscles
    gain = np.broadcast_to(rollout.numbers["scene.actuation"], len(drawing.springs))[muscles]
    largest = float(np.abs(gain).max(initial=0.0))
    still = {
        "points": {
            "count": drawing.position.shape[1],
            "ball": len(drawing.springs) == 0,
            "pinned": drawing.fixed.tolist(),
        },
        "lines": {
            "ends": drawing.springs.tolist(),
            "driven": muscles.tolist(),
            "actuators": list(range(len(muscles))),
            "length": drawing.length,
        },
        "flesh": drawing.triangles.tolist(),
        "gains": (gain / (largest or 1.0)).tolist(),
        "legend": [["contracted", "extended"]] if len(muscles) else [],
    }
    return still, {"points": drawing.position}
