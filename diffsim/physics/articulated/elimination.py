"""Accelerations where some joints are coupled by more than the tree: M a = f by sparse elimination.

The articulated-body algorithm knows couplings of a joint and its parents only. A tendon or an equality adds w J^T J
to the inertia matrix M, J a row of a Jacobian. So M is worked out by the composite-rigid-body algorithm (Featherstone
2008, Rigid Body Dynamics Algorithms, section 6.2), and factored as L^T D L, children first, which fills in nothing of a
tree (section 6.5) and little of what is coupled beyond. Which entries there are, and in which order what is done with
them, is worked out once, in whole numbers.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated.connections import carried_by
from diffsim.physics.articulated.friction import rub
from diffsim.physics.articulated.integration import go_on
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import times

__all__ = ["System", "drifting", "stages", "system_of"]

SETTLE, FORCE, ENTRY = range(3)
"""What is done to eliminate a velocity: its pivot is ready; force is handed on; an entry of the matrix is."""


@dataclass(frozen=True)
class System:
    """The equations M a = f: fields (k,) of whole numbers, (env, row, substep element) of numbers.

    The first entries of the matrix are its diagonal, then come those below it that may be other than zero.
    """

    above: Any  # (pair,) velocity that is nearer to the world
    below: Any  # (pair,) velocity beyond it
    pair: Any  # (pair,) where the entry is
    down: Any  # (5 op,) kind, two entries, what changes, and the velocity that is eliminated; children first
    up: Any  # (4 op,) kind, velocity, entry, and the velocity that is known
    gathered: Any  # (velocity) inertia of what is beyond
    handed: Any  # (velocity) force of what is beyond
    matrix: Any  # (entry) of M, then of L^T D L
    effort: Any  # (velocity) f, then L^-T f
    solution: Any  # (velocity) a
    left: Any  # (velocity) what the force loses by accelerations nearer to the world
    drift: Any  # (velocity) spatial acceleration without any of the joints', and of the world behind them
    entries: int
    pairs: int
    downs: int
    ups: int


def system_of(
    scene: Articulated, fields: Fields, parents: np.ndarray, coupled: list[list[int]]
) -> tuple[System, dict[tuple[int, int], int]]:
    """Find the entries and the order of elimination, and declare the fields.

    Args:
        scene: the robot.
        fields: where to declare.
        parents: (nv,) the velocity before each; nv is the world.
        coupled: groups of velocities that are coupled with each other.

    Returns:
        The system, and where the entry of two velocities is.
    """
    nv = scene.freedoms
    lineages = [carried_by(parents, k)[1:] for k in range(nv)]
    near = [set(lineage) for lineage in lineages]
    for group in coupled:
        for k in group:
            near[k] |= {i for i in group if i < k}
    for k in reversed(range(nv)):  # what is filled in
        for i in near[k]:
            near[i] |= {j for j in near[k] if j < i}
    slots = {(k, k): k for k in range(nv)}
    for k in range(nv):
        for i in sorted(near[k]):
            slots[i, k] = len(slots)
    pairs = [(i, k, slots[i, k]) for k in range(nv) for i in lineages[k]]
    down, up = [], []
    for k in reversed(range(nv)):
        down.append((SETTLE, k, k, k, k))
        for i in sorted(near[k]):
            down.append((FORCE, slots[i, k], slots[i, k], i, k))
            down += [(ENTRY, slots[i, k], slots[j, k], slots[j, i], k) for j in sorted(near[k]) if j <= i]
    for k in range(nv):
        up += [(FORCE, k, slots[i, k], i) for i in sorted(near[k])]
        up.append((SETTLE, k, k, k))

    def rows(name: str, elements: int, width: int = 0, *, accumulates: bool = True) -> Any:
        return fields.trajectory(name, scene.evaluations * elements, width, accumulates=accumulates, recorded=False)

    system = System(
        above=fields.integers(np.array([i for i, _, _ in pairs])),
        below=fields.integers(np.array([k for _, k, _ in pairs])),
        pair=fields.integers(np.array([at for _, _, at in pairs])),
        down=fields.integers(np.array(down)),
        up=fields.integers(np.array(up)),
        gathered=rows("gathered_inertia", nv + 1, 21),
        handed=rows("handed_force", nv + 1, 6),
        matrix=rows("system_matrix", len(slots)),
        effort=rows("system_effort", nv),
        solution=rows("system_solution", nv, accumulates=False),
        left=rows("system_left", nv),
        drift=rows("system_drift", nv + 1, 6, accumulates=False),
        entries=len(slots),
        pairs=len(pairs),
        downs=len(down),
        ups=len(up),
    )
    return system, slots


@ti.func
def drift_on(drift: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, element):
    """Acceleration by what moves already: of the world first, which has none."""
    part = element // tree.chains
    k = element - part * tree.chains - 1
    if k < 0:
        drift[env, row, part * tree.chains + tree.freedoms] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0, 0.0])
    else:
        at = part * tree.chains + k
        drift[env, row, at] = drift[env, row, part * tree.chains + tree.parent[k]] + work.bias[env, row, at]


@ti.func
def compose(
    system: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Inertia and force of a velocity with all that is beyond it, children first."""
    part = element // tree.freedoms
    k = tree.freedoms - 1 - (element - part * tree.freedoms)
    at = part * tree.chains + k
    parent = part * tree.chains + tree.parent[k]
    axis = work.axis[env, row, at]
    own = work.inertia[env, row, at]
    inertia = own + system.gathered[env, row, at]
    force = work.force[env, row, at] + times(own, system.drift[env, row, at]) + system.handed[env, row, at]
    system.gathered[env, row, parent] += inertia
    system.handed[env, row, parent] += force
    column = times(inertia, axis)
    work.column[env, row, at] = column
    system.matrix[env, row, part * system.entries + k] += (
        axis.dot(column) + tree.added[env, k] + work.stiffening[env, row, at]
    )
    system.effort[env, row, part * tree.freedoms + k] += (
        work.torque[env, row, at]
        - tree.damping[env, k] * motion.now_velocity[env, row, part * tree.freedoms + k]
        - axis.dot(force)
    )


@ti.func
def couple(system: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, element):
    """Entry of the matrix for two velocities of which one carries the other."""
    part = element // system.pairs
    pair = element - part * system.pairs
    axis = work.axis[env, row, part * tree.chains + system.above[pair]]
    column = work.column[env, row, part * tree.chains + system.below[pair]]
    system.matrix[env, row, part * system.entries + system.pair[pair]] += axis.dot(column)


@ti.func
def factor(
    system: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """Eliminate velocities, children first."""
    part = element // system.downs
    op = 5 * (element - part * system.downs)
    kind = system.down[op]
    k = system.down[op + 4]
    at = part * tree.chains + k
    entries = part * system.entries
    if kind == SETTLE:
        pivot = system.matrix[env, row, entries + k]
        effort = system.effort[env, row, part * tree.freedoms + k]
        if ti.static(tree.rough):
            lost = rub(tree, motion, work, env, row, part, k, pivot)
            pivot += lost[1]
            effort -= lost[0]
        work.pivot[env, row, at] = pivot
        work.effort[env, row, at] = effort
    elif kind == FORCE:
        share = system.matrix[env, row, entries + system.down[op + 1]] / work.pivot[env, row, at]
        system.effort[env, row, part * tree.freedoms + system.down[op + 3]] -= share * work.effort[env, row, at]
    else:
        one = system.matrix[env, row, entries + system.down[op + 1]]
        other = system.matrix[env, row, entries + system.down[op + 2]]
        system.matrix[env, row, entries + system.down[op + 3]] -= one * other / work.pivot[env, row, at]


@ti.func
def solve(system: ti.template(), tree: ti.template(), work: ti.template(), env, row, step, element):
    """Accelerations, parents first."""
    part = element // system.ups
    op = 4 * (element - part * system.ups)
    k = system.up[op + 1]
    at = part * tree.freedoms + k
    if system.up[op] == SETTLE:
        effort = work.effort[env, row, part * tree.chains + k] - system.left[env, row, at]
        system.solution[env, row, at] = effort / work.pivot[env, row, part * tree.chains + k]
    else:
        entry = system.matrix[env, row, part * system.entries + system.up[op + 2]]
        system.left[env, row, at] += entry * system.solution[env, row, part * tree.freedoms + system.up[op + 3]]


@ti.func
def accelerate_by(
    system: ti.template(), tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, element
):
    """The acceleration of a velocity, and the state after."""
    part = element // tree.freedoms
    k = element - part * tree.freedoms
    at = part * tree.chains + k
    carried = work.acceleration[env, row, part * tree.chains + tree.parent[k]] + work.bias[env, row, at]
    go_on(tree, motion, work, env, row, part, k, carried, system.solution[env, row, element])


def drifting(drift: Any, tree: Any, work: Any) -> tuple[Stage, ...]:
    """What the motion alone gives as accelerations, which some forces need; nothing if there is no field for it."""
    return (Stage(drift_on, (drift, tree, work), tree.chains, ordered=True),) if drift is not None else ()


def stages(system: System, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """From forces and inertias to the state after."""
    records, nv = (system, tree, motion, work), tree.freedoms
    return (
        Stage(compose, records, nv, ordered=True),
        Stage(couple, (system, tree, work), system.pairs),
        Stage(factor, records, system.downs, ordered=True),
        Stage(solve, (system, tree, work), system.ups, ordered=True),
        Stage(accelerate_by, records, nv, ordered=True),
    )
