"""The stages of a step that solve several things at once: joints after forces, and impacts of one time."""

from typing import Any

import taichi as ti

from diffsim.engine.stages import Passes, Stage
from diffsim.physics.rigid_bodies import impacts, joint_system
from diffsim.physics.rigid_bodies.clusters import choose
from diffsim.physics.rigid_bodies.simultaneous import decide

__all__ = ["answering", "hitting"]


@ti.func
def begin(courses: ti.template(), env, row, step, place):
    """The course with which the solver begins, where no impacts are solved together before."""
    courses.speed[env, row, place] = courses.start[env, row, place]
    courses.shift[env, row, place] = ti.Vector([0.0, 0.0, 0.0])


def answering(bodies: Any, joints: Any, courses: Any, system: Any, places: int) -> list[Stage]:
    """What all joints answer to forces, at once."""
    return [
        Stage(joint_system.couple, (bodies, system), system.entries),
        Stage(joint_system.eliminate, (system,), system.changes, ordered=True),
        Stage(joint_system.miss_aim, (joints, courses, system), system.rows),
        Stage(joint_system.substitute, (system,), system.steps, ordered=True),
        Stage(joint_system.hold_speeds, (bodies, joints, courses, system), system.rows),
        Stage(joint_system.settle, (courses,), places if system.rows else 0),
    ]


def hitting(
    bodies: Any, joints: Any, motion: Any, courses: Any, touch: Any, system: Any, hits: Any, places: int
) -> list[Stage | Passes]:
    """What begins in a step and is solved together."""
    if not hits.room:
        return [Stage(begin, (courses,), places)]
    many, joined, moved = hits.count, hits.joined, hits.moved
    return [
        Stage(choose, (bodies, motion, joints, courses, touch, system, hits), 1, differentiable=False),
        Stage(impacts.turn_row, (bodies, joints, courses, touch, system, hits), system.rows, upto=joined),
        Stage(joint_system.couple, (bodies, system), system.entries, upto=hits.entries),
        Stage(joint_system.eliminate, (system,), system.changes, ordered=True, upto=hits.changes),
        Stage(decide, (bodies, motion, joints, courses, touch, system, hits), 1, differentiable=False),
        Stage(impacts.set_out, (motion, courses, hits), max(places, hits.room), upto=hits.present),
        Passes(
            (
                Stage(impacts.aim_impact, (bodies, touch, hits), hits.room, upto=many),
                Stage(impacts.pass_on, (hits,), places, upto=moved),
                Stage(impacts.begin_more, (hits,), 2 * hits.room, upto=hits.twice),
                Stage(impacts.improve, (hits,), 4 * hits.room * hits.room, upto=hits.pairs),
                Stage(impacts.kick, (bodies, touch, hits), hits.room, upto=many),
                Stage(impacts.answer_rows, (joints, system, hits), system.rows, upto=joined),
                Stage(impacts.substitute_impacts, (system, hits), system.steps, upto=hits.solves),
                Stage(impacts.answer_together, (hits,), places if system.rows else 0, upto=moved),
                Stage(impacts.hold_bodies, (bodies, joints, system, hits), system.rows, upto=joined),
                Stage(impacts.miss_goal, (touch, hits), hits.room, upto=many),
            ),
            2 * (hits.rounds + 2),
            upto=hits.passes,
        ),
        Stage(impacts.depart, (courses, hits), places),
    ]
