"""MuJoCo's own law of contacts, limits and friction losses: soft constraints that are solved together.

In an evaluation of the accelerations: where contacts and rows are and what they ask for (`constraint_contacts`,
`constraint_joints`), the accelerations that this leaves (`constraint_search`, decided), and what is differentiated, the
equations of motion there (`constraint_motion`). Then the state after, and the forces that are recorded.
"""

from typing import Any

from diffsim.engine.stages import Stage
from diffsim.physics.articulated import compliance, gyroscope, touching_pairs
from diffsim.physics.articulated import constraint_contacts as contacts
from diffsim.physics.articulated import constraint_joints as joints
from diffsim.physics.articulated import constraint_motion as moving
from diffsim.physics.articulated import constraint_ties as ties
from diffsim.physics.articulated.constraint_fields import Constraints
from diffsim.physics.articulated.constraint_search import search
from diffsim.physics.articulated.touch import Touch

__all__ = ["approaching", "prepare", "record", "stages"]


def prepare(con: Constraints, touch: Touch, tree: Any) -> tuple[Stage, ...]:
    """Stages before the first step."""
    return (
        *compliance.prepare(touch, tree),
        Stage(contacts.mix_softness, (con, touch, tree), con.spots),
        Stage(joints.mix_row, (con, tree), con.rows),
        *ties.prepare(con.ties, tree),
    )


def approaching(con: Constraints, touch: Touch, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """What contacts and rows ask for."""
    records = (con, touch, tree, motion, work)
    return (
        Stage(contacts.approach_plane, records, touch.planes),
        *touching_pairs.meetings(touch, tree, motion),
        Stage(contacts.approach_pair, records, touch.couples),
        Stage(joints.limit_row, (con, tree, motion), con.limits),
        Stage(joints.rub_row, (con, tree, motion), con.rows - con.limits),
        *ties.asking(con.ties),
    )


def stages(con: Constraints, touch: Touch, tree: Any, motion: Any, work: Any) -> tuple[Stage, ...]:
    """From forces and inertias to the state after."""
    nv, damped = tree.freedoms, int(con.damped)
    return (
        Stage(search, (con, touch, tree, motion, work), 1, differentiable=False),
        Stage(moving.spread, (con, tree, work), tree.chains, ordered=True),
        Stage(contacts.push_spot, (con, touch, tree), con.spots),
        Stage(joints.push_row, (con, tree, touch), con.rows),
        *ties.pushing(con.ties, con, tree),
        Stage(moving.collect, (con, tree, motion, work), nv, ordered=True),
        Stage(moving.correct, (con, tree), nv * nv),
        Stage(moving.settle, (con, tree), nv),
        *ties.slowing(con.ties, con, tree),
        *gyroscope.slowing(con.gyros, con, tree, motion),
        Stage(moving.correct_lag, (con, tree, work), nv * nv * damped),
        Stage(moving.advance, (con, tree, motion, work), nv),
    )


def record(con: Constraints, touch: Touch, tree: Any, work: Any) -> tuple[Stage, ...]:
    """What tells the forces of contacts, after the accelerations."""
    return (
        Stage(contacts.spread_rest, (con, tree, work), tree.chains if con.touches else 0, ordered=True),
        Stage(contacts.record_spot, (con, touch, tree), con.spots),
    )
