"""The grid: only blocks of its nodes that particles reach have a place in memory; its motion, with walls.

Which blocks are in use is decided anew in each step. SPGrid (Setaluri et al. 2014, ACM TOG 33(6)) is the idea; here a
table of all blocks, a whole number each, says where each is kept.

A node i with momentum (m v)_i and mass m_i moves by

    v_i' = (m v)_i / m_i + h g,   where it is in no wall

In a wall, of normal n, what would go in does not, and Coulomb's friction slows the rest, as if the impulse that stops
it pressed it against the wall (Stomakhin et al. 2013, "A material point method for snow simulation", section 8):

    v_i' = max(0, 1 - friction |v_n| / |v_t|) v_t   if v_n < 0
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.contact import grip, mark, recorded, size
from diffsim.physics.material_points.scene import MARGIN, MaterialPoints

__all__ = ["Grid", "base_of", "beside", "blocks_in_use", "cells_to", "escaped", "grid_of", "move_nodes", "place_of"]

BITS = 2
"""A block has 2^BITS nodes along each axis. Of 8, twice as many nodes would be kept that nothing reaches."""

SIDE = 1 << BITS

EMPTY = {ti.f32: 1e-8, ti.f64: 1e-20}
"""Share of the lightest particle's mass below which a node counts as empty. The reverse pass divides by the square of a
node's mass, which must not underflow; a particle takes no more than this share of its velocity from such a node."""


@dataclass(frozen=True)
class Grid:
    """Nodes in blocks of SIDE^d, of which some have a slot in memory."""

    inertia: Any  # (env, row, place) momentum [kg m/s], then mass [kg]
    velocity: Any  # (env, row, place) [m/s]
    slot: Any  # (env, row, block) where a block is kept, plus one; 0 not at all
    corner: Any  # (env, row, slot * d + axis) whole numbers of the lowest node of the block that is kept there
    used: Any  # (env, row, 0) how many places are in use
    limit: Any  # (env, 2) where room did not suffice
    event: Any  # (env, row, place) what walls do along each axis, see `slide`; None unless everything is recorded
    gravity: Any  # (env, 0) [m/s^2]
    friction: Any  # (env, 0) Coulomb's coefficient of the walls; None if they are sticky
    low: tuple[float, ...]  # node 0 [m]
    nodes: tuple[int, ...]  # along each axis
    blocks: tuple[int, ...]  # along each axis
    all: int  # blocks
    slots: int
    empty: float  # [kg]
    cell: float  # [m]
    d: int
    dt: float  # [s]
    sticky: bool  # what moves into a wall sticks to it


# Where things are


@ti.func
def cells_to(grid: ti.template(), position):
    """Where a place is, from node 0 on [cells]."""
    return (position - ti.Vector(ti.static(grid.low))) * ti.static(1.0 / grid.cell)


@ti.func
def base_of(grid: ti.template(), x: ti.template()):
    """The lowest of the 3^d nodes that a particle at x reaches [cells]; whatever x is, they are of the grid."""
    last = ti.Vector([ti.static(float(length - 3)) for length in ti.static(grid.nodes)])
    return ti.floor(ti.min(ti.max(x - 0.5, 0.0), last), int)


@ti.func
def escaped(grid: ti.template(), x: ti.template()):
    """Whether a particle is in a wall by more than a cell: its motion got out of hand."""
    found = False
    for a in ti.static(range(grid.d)):
        found = found | (x[a] < 0.5) | (x[a] > ti.static(grid.nodes[a] - 1.5))
    return found


@ti.func
def block_of(grid: ti.template(), node: ti.template()):
    """The block that a node of these whole numbers is in."""
    block = node[0] >> BITS
    for a in ti.static(range(1, grid.d)):
        block = block * ti.static(grid.blocks[a]) + (node[a] >> BITS)
    return block


@ti.func
def place_of(grid: ti.template(), env, row, node: ti.template()):
    """Where a node is kept. Of those behind it along the last axis, the next ones are kept each `beside` further on.

    That is so in the next block, too: blocks that follow each other along the last axis, and are both in use, have
    slots that follow each other.
    """
    inside = node[ti.static(grid.d - 1)] & (SIDE - 1)
    for a in ti.static(range(grid.d - 1)):
        inside = inside * SIDE + (node[a] & (SIDE - 1))
    return (grid.slot[env, row, block_of(grid, node)] - 1) * ti.static(SIDE**grid.d) + inside


@ti.func
def beside(grid: ti.template()):
    """Places between two nodes that are next to each other along the last axis."""
    return ti.static(SIDE ** (grid.d - 1))


# Which blocks are in use: forward only


@ti.func
def reset_limit(grid: ti.template(), env, row, step, element):
    grid.limit[env, 0] = 0


@ti.func
def forget_blocks(grid: ti.template(), env, row, step, block):
    grid.slot[env, row, block] = 0


@ti.func
def mark_blocks(matter: ti.template(), grid: ti.template(), env, row, step, p):
    """Mark the blocks that hold nodes of this particle."""
    x = cells_to(grid, matter.position[env, row, p])
    base = base_of(grid, x)
    for corner in ti.static(range(2**grid.d)):
        offset = ti.Vector([ti.static(2 * (corner >> a & 1)) for a in ti.static(range(grid.d))])
        grid.slot[env, row, block_of(grid, base + offset)] = 1


@ti.func
def number_blocks(grid: ti.template(), env, row, step, element):
    """Give marked blocks slots, in order."""
    count = 0
    for block in range(grid.all):
        if grid.slot[env, row, block] > 0:
            grid.slot[env, row, block] = 1  # anywhere, if there is no room: no such rollout is kept
            if count < grid.slots:
                grid.slot[env, row, block] = count + 1
                for axis in ti.static(range(grid.d)):
                    along = block // ti.static(int(np.prod(grid.blocks[axis + 1 :]))) % ti.static(grid.blocks[axis])
                    grid.corner[env, row, count * grid.d + axis] = along * SIDE
            count += 1
    if count > grid.slots and (grid.limit[env, 0] == 0 or grid.limit[env, 1] < count):
        grid.limit[env, 0] = step + 1
        grid.limit[env, 1] = count
    grid.used[env, row, 0] = ti.min(count, grid.slots) * ti.static(SIDE**grid.d)


# How nodes move


@ti.func
def node_at(grid: ti.template(), env, row, place):
    """Whole numbers of the node that is kept at a place."""
    first = (place >> (BITS * grid.d)) * grid.d
    return ti.Vector(
        [
            grid.corner[env, row, first + axis]
            + (place >> (BITS * ti.static((grid.d - 2 - axis) % grid.d)) & (SIDE - 1))
            for axis in ti.static(range(grid.d))
        ]
    )


@ti.func
def held(grid: ti.template(), node, velocity, axis: ti.template()):
    """Whether a node is in a wall along this axis, and would go farther in."""
    last = ti.static(grid.nodes[axis] - 1 - MARGIN)
    return ((node <= MARGIN) & (velocity < 0.0)) | ((node >= last) & (velocity > 0.0))


@ti.func
def slide(grid: ti.template(), env, row, place, free: ti.template(), node: ti.template()):
    """What walls leave of a velocity; of two in a corner the second meets what the first has left.

    Recorded is, in the base of three, a digit for each axis: 1 where a node is held, 2 where it slides.
    """
    velocity = free
    for axis in ti.static(range(grid.d)):
        along = velocity * ti.Vector([ti.static(float(a != axis)) for a in ti.static(range(grid.d))])
        lost = grip(grid.friction[env, 0], ti.abs(velocity[axis])) / size(along)
        meets = held(grid, node[axis], velocity[axis], axis)
        velocity = ti.select(meets, ti.max(0.0, 1.0 - lost) * along, velocity)
        if ti.static(recorded(grid.event)):
            grid.event[env, row, place] += ti.select(meets, 3**axis * ti.select(lost < 1.0, 2.0, 1.0), 0.0)
    return velocity


@ti.func
def walled(grid: ti.template(), node: ti.template()):
    """Whether a node is in a wall."""
    found = False
    for axis in ti.static(range(grid.d)):
        found = found | (node[axis] <= MARGIN) | (node[axis] >= ti.static(grid.nodes[axis] - 1 - MARGIN))
    return found


@ti.func
def stuck(grid: ti.template(), node: ti.template(), velocity: ti.template()):
    """Whether a node would go farther into any wall."""
    found = False
    for axis in ti.static(range(grid.d)):
        found = found | held(grid, node[axis], velocity[axis], axis)
    return found


@ti.func
def move_nodes(grid: ti.template(), env, row, step, place):
    """The velocity of a node at the end of the step."""
    if place < grid.used[env, row, 0]:
        inertia = grid.inertia[env, row, place]
        mass = inertia[grid.d]
        if mass > grid.empty:
            momentum = ti.Vector([inertia[a] for a in ti.static(range(grid.d))])
            free = momentum / mass + grid.dt * grid.gravity[env, 0]
            node = node_at(grid, env, row, place)
            if not walled(grid, node):
                grid.velocity[env, row, place] = free
            elif ti.static(grid.sticky):
                if stuck(grid, node, free):
                    mark(grid.event, env, row, place, 1)
                    grid.velocity[env, row, place] = 0.0 * free
                else:
                    grid.velocity[env, row, place] = free
            else:
                grid.velocity[env, row, place] = slide(grid, env, row, place, free, node)
        else:
            grid.velocity[env, row, place] = ti.Vector([0.0 for _ in ti.static(range(grid.d))])


# Making it


def grid_of(scene: MaterialPoints, fields: Fields, matter: Any) -> Grid:
    """Declare the fields of a scene's grid."""
    d, nodes = scene.dimension, scene.cells + 1 + 2 * MARGIN
    blocks = -(-nodes // SIDE)
    every = int(np.prod(blocks))
    slots = fields.room("blocks", _first_room(scene, blocks), every)
    places = (slots + 1) * SIDE**d  # where room does not suffice, rows of nodes go on beyond the last slot

    def explain(env: int, step: int, needed: int) -> str:
        return f"step {step} of environment {env} needs {needed} blocks of the grid, but there is room for {slots}"

    return Grid(
        inertia=fields.trajectory("inertia", places, d + 1, accumulates=True, recorded=False),
        velocity=fields.trajectory("grid_velocity", places, d, recorded=False),
        slot=fields.decision(every),
        corner=fields.decision(slots * d),
        used=fields.decision(1),
        limit=fields.limit(explain, room="blocks"),
        event=fields.trajectory("event", places, accumulates=True, per_step=True) if fields.record_all else None,
        gravity=matter.gravity,
        friction=matter.friction,
        low=tuple((scene.low - MARGIN * scene.cell).tolist()),
        nodes=tuple(nodes.tolist()),
        blocks=tuple(blocks.tolist()),
        all=every,
        slots=slots,
        empty=EMPTY[fields.real] * float(np.min(scene.density * scene.volume)),
        cell=scene.cell,
        d=d,
        dt=scene.dt,
        sticky=scene.sticky,
    )


def _first_room(scene: MaterialPoints, blocks: np.ndarray) -> int:
    """Blocks in use at the start, and a half more: what moves by less than a block may reach as many others."""
    base = np.floor((scene.points - scene.low) / scene.cell + MARGIN - 0.5).astype(np.int64)
    corners = np.stack(np.meshgrid(*[(0, 2)] * scene.dimension), axis=-1).reshape(-1, 1, scene.dimension)
    reached = np.ravel_multi_index(tuple(np.moveaxis((base + corners) >> BITS, -1, 0)), blocks)
    return len(np.unique(reached)) * 3 // 2 + 1


def blocks_in_use(matter: Any, grid: Grid, particles: int) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """The stages that decide which blocks have a place: of preparation, and of a step."""
    return (Stage(reset_limit, grid, 1, differentiable=False),), (
        Stage(forget_blocks, grid, grid.all, differentiable=False),
        Stage(mark_blocks, (matter, grid), particles, differentiable=False),
        Stage(number_blocks, grid, 1, ordered=True, differentiable=False),
    )
