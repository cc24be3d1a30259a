"""Matter as stages, by the moving least squares material point method: Hu et al. 2018, ACM TOG 37(4).

A step is, in the order of the physics: which blocks of the grid are in use (a decision), the stress in every particle
by its law (`materials`), particles to grid, the grid's own motion with walls (`grid`), grid to particles (`transfers`).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Rows, Stage
from diffsim.physics.contact import size
from diffsim.physics.material_points import materials
from diffsim.physics.material_points.grid import SIDE, blocks_in_use, grid_of, move_nodes
from diffsim.physics.material_points.scene import LAWS, MaterialPoints
from diffsim.physics.material_points.transfers import feel_walls, grid_to_particle, particle_to_grid

__all__ = ["build"]

VELOCITY_SCALE = 0.1
"""What a controller observes of a velocity [s/m]."""

_STAGES = {"corotated": materials.corotated, "neo-Hookean": materials.neo_hookean}
_STAGES |= {"sand": materials.sand, "liquid": materials.liquid}
"""The stage of each law."""


@dataclass(frozen=True)
class Group:
    """Particles of one law, with muscles or without."""

    which: Any  # (k,)
    actuator: Any  # (k,) of each
    first: int  # number of the first among all solids
    loose: int  # the same among sand and liquids
    count: int
    driven: bool  # whether they have actuators


@ti.func
def launch(matter: ti.template(), env, row, step, p):
    matter.position[env, 0, p] = matter.initial_position[env, p]
    matter.velocity[env, 0, p] = matter.initial_velocity[env, p]
    matter.affine[env, 0, p] = ti.Matrix.zero(float, matter.d, matter.d)
    matter.mass[env, p] = matter.density[env, p] * matter.volume[env, p]


@ti.func
def relax_solid(matter: ti.template(), env, row, step, solid):
    matter.deformation[env, 0, solid] = materials.identity(matter.d)


@ti.func
def relax_loose(matter: ti.template(), env, row, step, k):
    matter.volume_ratio[env, 0, k] = 1.0


# What is sensed


@ti.func
def centre(matter: ti.template(), env, row, step, p):
    matter.centre[env, row, 0] += matter.position[env, row, p] / matter.n


@ti.func
def feel_muscle(matter: ti.template(), group: ti.template(), env, row, step, k):
    """Add a particle to the means of its muscle."""
    p, actuator = group.which[k], group.actuator[k]
    share = 1.0 / matter.parts[actuator]
    matter.muscle_position[env, row, actuator] += share * matter.position[env, row, p]
    matter.muscle_velocity[env, row, actuator] += share * matter.velocity[env, row, p]


@ti.func
def observe(matter: ti.template(), env, row, step, actuator):
    d = ti.static(matter.d)
    offset = matter.muscle_position[env, row, actuator] - matter.centre[env, row, 0]
    velocity = VELOCITY_SCALE * matter.muscle_velocity[env, row, actuator]
    for a in ti.static(range(d)):
        matter.observation[env, row, 2 * d * actuator + a] = offset[a]
        matter.observation[env, row, 2 * d * actuator + d + a] = velocity[a]


@ti.func
def feel_stretch(matter: ti.template(), group: ti.template(), env, row, step, k):
    """Add a particle to the mean stretch of its muscle, and to its rate."""
    p, actuator = group.which[k], group.actuator[k]
    share = 1.0 / matter.parts[actuator]
    fibre = matter.deformation[env, row, group.first + k] @ matter.fibre[env, p]
    rate = matter.affine[env, row, p] @ fibre
    length = size(fibre)
    matter.actuator_position[env, row, actuator] += share * (length - 1.0)
    matter.actuator_velocity[env, row, actuator] += share * fibre.dot(rate) / length


# Making the model


def build(scene: MaterialPoints, fields: Fields, steps: int, reads: frozenset[str]) -> Model:
    """Declare the fields of a scene and list its stages.

    Args:
        scene: what to simulate.
        fields: where fields are declared; not allocated yet.
        steps: length of the rollout.
        reads: what controller and objective want to read: "centre", "observation", "actuator_state".
    """
    n, d, k = len(scene.points), scene.dimension, len(scene.actuators)
    groups = _groups(scene, fields)
    solids, loose = int(scene.solids.sum()), int(scene.loose.sum())
    observed, felt = "observation" in reads, "actuator_state" in reads
    turned = d == 3 and any(law == "corotated" for law, _ in groups)
    given = {"accumulates": True, "recorded": False}
    flags = Rows("n", accumulates=True, per_step=True)
    events = (flags, flags) if fields.record_all else (None, None)
    matter = fields.record(
        scene,
        mass=fields.derived(n, of=["scene.density", "scene.volume"]),  # (env, particle) [kg]
        lame=fields.derived(n, 2, of=["scene.youngs_modulus", "scene.poissons_ratio"]) if solids else None,  # [Pa]
        parts=fields.integers(np.bincount(scene.actuator[scene.actuator >= 0], minlength=k)),  # (actuator,) particles
        viscous=scene.viscosity is not None,
        # In the order in which a step computes them: the first that is not finite tells where it began.
        position=Rows("n", "d", state=True),  # [m]
        velocity=Rows("n", "d", state=True, recorded="velocity" in reads),  # [m/s]; of thousands, megabytes
        affine=Rows("n", ("d", "d"), state=True, recorded=False),  # gradient of the velocity [1/s]
        deformation=Rows(solids, ("d", "d"), state=True, recorded=False),  # gradient, of solids by groups; b of sand
        volume_ratio=Rows(loose, state=True, recorded=False),  # of sand and liquids: volume over that at rest
        rotation=fields.decision_numbers(9 * solids) if turned else None,  # (env, row, 9 * solid + 3 * i + j)
        centre=Rows(1, "d", **given) if observed or "centre" in reads else None,  # mean of the positions [m]
        muscle_position=Rows(k, "d", **given) if observed else None,  # (actuator,) mean of the particles' [m]
        muscle_velocity=Rows(k, "d", **given) if observed else None,
        observation=Rows(scene.observations) if observed else None,
        actuator_position=Rows(k, accumulates=True) if felt else None,  # mean stretch of a muscle, less one
        actuator_velocity=Rows(k, accumulates=True) if felt else None,  # its rate [1/s]
        actuation=Rows(k, per_step=True),
        push=Rows("n", ("d", "d"), recorded=False),  # what a step adds to momentum, per distance [kg/s]
        contact=events[0],  # events of `diffsim.events`, of the walls
        branch=events[1],  # which of the nodes around are held by a wall, or slide
    )
    grid = grid_of(scene, fields, matter)
    reset, blocks = blocks_in_use(matter, grid, n)
    muscles = [(group, group.count) for _, group in groups if group.driven]
    sense = [Stage(centre, matter, n)] if observed or "centre" in reads else []
    if observed:
        sense += [Stage(feel_muscle, (matter, group), count) for group, count in muscles]
        sense.append(Stage(observe, matter, k))
    if felt:
        sense += [Stage(feel_stretch, (matter, group), count) for group, count in muscles]
    return Model(
        motion=matter,
        prepare=(
            Stage(launch, matter, n),
            Stage(relax_solid, matter, solids),
            Stage(relax_loose, matter, loose),
            *(Stage(materials.lame, (matter, group), group.count) for law, group in groups if law != "liquid"),
            *reset,
        ),
        sense=tuple(sense),
        step=(
            *blocks,
            *(stage for law, group in groups for stage in _stress(law, group, matter, turned)),
            Stage(particle_to_grid, (matter, grid), n),
            Stage(move_nodes, grid, grid.slots * SIDE**d, upto=grid.used),
            Stage(grid_to_particle, (matter, grid), n),
            *((Stage(feel_walls, (matter, grid), n),) if fields.record_all else ()),
        ),
    )


def _groups(scene: MaterialPoints, fields: Fields) -> list[tuple[str, Group]]:
    """The particles of each law, those of muscles apart."""
    found, first, loose = [], 0, 0
    for law in LAWS:
        for driven in (False, True):
            which = np.flatnonzero((scene.material == law) & ((scene.actuator >= 0) == driven))
            actuators = fields.integers(scene.actuator[which if driven else which[:0]])
            if len(which):
                found.append((law, Group(fields.integers(which), actuators, first, loose, len(which), driven)))
            first += len(which)
            loose += int(scene.loose[which].sum())
    return found


def _stress(law: str, group: Group, matter: Any, turned: bool) -> list[Stage]:
    """The stages that push particles apart."""
    if law == "corotated" and turned:
        decide = Stage(materials.find_rotations, (matter, group), group.count, differentiable=False)
        return [decide, Stage(materials.corotated, (matter, group), group.count)]
    return [Stage(_STAGES[law], (matter, group), group.count)]
