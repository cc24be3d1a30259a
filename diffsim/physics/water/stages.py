"""Stages of water: the wave equation by leapfrog, with sources, damping and edges."""

from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Rows, Stage
from diffsim.physics.grids import neighbours
from diffsim.physics.water.scene import Water

__all__ = ["build"]


@ti.func
def resist(water: ti.template(), env, row, step, k):
    """What damping and open edges leave of a velocity, taken at the middle of a step.

    Through an open side a wave leaves with the slope -velocity / speed, as if the water went on.
    """
    sides = water.sides[k]
    loss = water.damping[env, 0] + sides * water.wave_speed[env, 0] / water.spacing
    water.gain[env, k] = 1.0 / (1.0 + 0.5 * water.dt * loss)
    water.keep[env, k] = (1.0 - 0.5 * water.dt * loss) / (1.0 + 0.5 * water.dt * loss)


@ti.func
def bell(water: ti.template(), env, row, step, element):
    """How much a source pushes a cell; across a periodic edge as well."""
    cells = water.n * water.m
    source = element // cells
    c = element - source * cells
    x = apart(c // water.m, water.source_position[env, source][0], water, water.n)
    y = apart(c % water.m, water.source_position[env, source][1], water, water.m)
    width = water.source_width[env, source]
    water.shape[env, element] = water.source_strength[env, source] * ti.exp(-0.5 * (x * x + y * y) / (width * width))


@ti.func
def apart(cell, place, water: ti.template(), n: ti.template()):
    """From a source to the middle of a cell, along an axis [m]."""
    straight = (cell + 0.5) * water.spacing - place
    length = n * water.spacing
    return straight - length * ti.floor(straight / length + 0.5) if ti.static(water.periodic) else straight


@ti.func
def begin(water: ti.template(), env, row, step, c):
    """The height, and the velocity half a step before."""
    here = water.initial_height[env, c]
    x = water.initial_height[env, water.right[c]] + water.initial_height[env, water.left[c]]
    y = water.initial_height[env, water.above[c]] + water.initial_height[env, water.below[c]]
    water.height[env, 0, c] = here
    water.velocity[env, 0, c] = water.initial_velocity[env, c] - 0.5 * water.dt * pull(water, env, x + y - 4.0 * here)


@ti.func
def pull(water: ti.template(), env, curve):
    """The acceleration of a cell whose neighbours are higher, all together, by ``curve`` [m]."""
    rate = water.wave_speed[env, 0] / water.spacing
    return rate * rate * curve


@ti.func
def swing(water: ti.template(), env, row, step, c):
    here = water.height[env, row, c]
    x = water.height[env, row, water.right[c]] + water.height[env, row, water.left[c]]
    y = water.height[env, row, water.above[c]] + water.height[env, row, water.below[c]]
    push = pull(water, env, x + y - 4.0 * here)
    for k in ti.static(range(water.s)):
        push += water.actuation[env, row, k] * water.shape[env, k * water.n * water.m + c]
    edge = c if ti.static(water.open) else 0
    velocity = water.keep[env, edge] * water.velocity[env, row, c] + water.gain[env, edge] * water.dt * push
    water.velocity[env, row + 1, c] = velocity
    water.height[env, row + 1, c] = here + water.dt * velocity


def build(scene: Water, fields: Fields, steps: int, reads: frozenset[str]) -> Model:
    """Declare the fields of a scene and list its stages.

    Args:
        scene: what to simulate.
        fields: where fields are declared; not allocated yet.
        steps: length of the rollout.
        reads: not used: everything is there without being asked for.
    """
    n, m = scene.initial_height.shape
    cells, sources, opened = n * m, len(scene.actuators), scene.edges == "open"
    beside = neighbours(n, m, periodic=scene.edges == "periodic")
    sides = sum((side == np.arange(cells)).astype(int) for side in beside.values()) if opened else np.zeros(1)
    resisting = cells if opened else 1
    neighbour: Any = {side: fields.integers(which) for side, which in beside.items()}
    placed = [f"scene.source_{name}" for name in ("position", "strength", "width")]
    losing = ["scene.damping", "scene.wave_speed"]
    water = fields.record(
        scene,
        velocity=Rows(("n", "m"), state=True),  # of the surface, half a step before the height [m/s]
        height=Rows(("n", "m"), state=True),  # [m]
        actuation=Rows("s", per_step=True) if sources else None,
        shape=fields.derived(sources * cells, of=placed),  # source * cells + cell [m/s^2]
        keep=fields.derived(resisting, of=losing),  # share of a velocity that is left
        gain=fields.derived(resisting, of=losing),  # share of a push that acts
        sides=fields.integers(sides),  # of each cell how many are open
        open=opened,
        periodic=scene.edges == "periodic",
        **neighbour,
    )
    prepare = (Stage(resist, water, resisting), Stage(bell, water, sources * cells), Stage(begin, water, cells))
    return Model(water, prepare=prepare, step=Stage(swing, water, cells))
