"""The fields and stages of smoke, in the plane or in space."""

from typing import Any

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Passes, Rows, Stage, Steps
from diffsim.physics.grids import neighbours
from diffsim.physics.smoke import plane, space
from diffsim.physics.smoke.scene import Smoke

__all__ = ["build"]


def build(scene: Smoke, fields: Fields, steps: int, reads: frozenset[str]) -> Model:
    """Declare the fields of a scene and list its stages.

    Args:
        scene: what to simulate.
        fields: where fields are declared; not allocated yet.
        steps: length of the rollout.
        reads: not used: everything is there without being asked for.
    """
    cells, periodic = scene.initial_density.size, scene.edges == "periodic"
    laws = space if scene.dimension == 3 else plane
    confined = bool(np.any(scene.confinement)) or "scene.confinement" in fields.tuned
    flow = _flow(scene, fields, periodic=periodic, confined=confined)
    solve = Passes((Stage(laws.relax, flow, cells),), scene.iterations - 1, ordered=False)
    step: Steps = (
        Stage(laws.spin, flow, cells if confined else 0),
        Stage(laws.advect, flow, cells),
        Stage(laws.diverge, flow, cells),
        *((solve,) if scene.iterations > 1 else ()),
        Stage(laws.project, flow, cells),
    )
    return Model(flow, prepare=Stage(plane.begin, flow, cells), step=step)


def _flow(scene: Smoke, fields: Fields, *, periodic: bool, confined: bool) -> Any:
    """The numbers of the scene (env, cell), its arrays (env, row, cell), and the neighbours of each cell."""
    shape, cells, d = scene.initial_density.shape, scene.initial_density.size, scene.dimension
    grid = ("n", "m", "l")[:d]
    beside: Any = {side: fields.integers(cell) for side, cell in neighbours(*shape, periodic=periodic).items()}
    hidden: Any = {"recorded": False, "per_step": True}
    return fields.record(
        scene,
        vorticity=Rows(grid, 0 if d == 2 else 3, **hidden) if confined else None,  # [1/s]
        turning=Rows(grid, **hidden) if confined else None,  # its size [1/s]
        density=Rows(grid, state=True),
        advected=Rows(grid, d, **hidden),  # velocity before the pressure [m/s]
        divergence=Rows(grid, **hidden),  # times the spacing [m/s]
        pressure=Rows(scene.iterations * cells, **hidden),  # iteration * cells + cell [m/s]
        velocity=Rows(grid, d, state=True),  # [m/s]
        last=(scene.iterations - 1) * cells,  # where the last iteration's pressure begins
        periodic=periodic,
        confined=confined,
        **beside,
    )
