"""Fields of the joints as one system, and of impacts that are solved together."""

import functools
from dataclasses import replace

import numpy as np

from diffsim.engine.fields import Fields
from diffsim.engine.runtime import REAL
from diffsim.physics.rigid_bodies.elimination import eliminate_rows
from diffsim.physics.rigid_bodies.joints import Rope, Weld
from diffsim.physics.rigid_bodies.records import Impacts, Joints, JointSystem
from diffsim.physics.rigid_bodies.scene import RigidBodies

__all__ = ["impacts_of", "room_of", "system_of"]

HIDDEN = {"recorded": False, "per_step": True}
ADDED = {**HIDDEN, "accumulates": True}
SELDOM = {**HIDDEN, "seldom": True}

FEW, USUAL, FIXED, MOST = 8, 24, 48, 80
"""So many impacts may be solved together at first, four for each body but at least and at most so many, if there may be
as many; so many where no more can be made, as in a stepper; and so many if a rollout needs it."""

ROUNDS, MANY, LANDINGS = 12, 24, 4
"""Most rounds of a step where something bounces, few bodies and many; and where nothing does. A tower of n boxes that
bounces as it came takes 2 n - 1."""

CLOSING = 3
"""In so many of the last of these nothing bounces, or what is passed on then would be left over."""

SPACE, FULL = 3, 4
"""Room for inverses in all rounds, at first: of so many that have as many unknowns as there may be, or of one in so
many."""


def system_of(
    scene: RigidBodies, fields: Fields, joints: Joints, room: int, bouncy: bool
) -> tuple[JointSystem, JointSystem]:
    """Its joints but ropes, at the start of a step and, if there is room for impacts, at the time of one."""
    n, world = len(scene.bodies), len(scene.shapes)
    first = [joint.first for joint in scene.joints]
    second = [world if joint.second is None else joint.second for joint in scene.joints]
    rows = [0 if isinstance(joint, Rope) else 3 if isinstance(joint, Weld) else 2 for joint in scene.joints]
    found = eliminate_rows(first, second, rows, n, world)
    whole, many, rounds = fields.integers, len(found.joint), rounds_of(scene, room, bouncy)
    now = JointSystem(
        row=joints.row,
        matrix=fields.trajectory("joint_matrix", len(found.left), **ADDED),
        total=fields.trajectory("joint_total", 2 * many, **ADDED),
        joint=whole(found.joint),
        which=whole(found.which),
        place=whole(3 * found.joint + found.which),
        left=whole(found.left),
        right=whole(found.right),
        shared=whole(found.shared),
        sides=whole(found.sides),
        updates=whole(found.updates),
        solves=whole(found.solves),
        rows=many,
        entries=len(found.left),
        changes=len(found.updates),
        steps=len(found.solves),
        soft=1.0e-10 if fields.real == REAL["f64"] else 1.0e-5,
    )
    then = replace(
        now,
        row=fields.trajectory("impact_row", many if room else 0, 4, **SELDOM),
        matrix=fields.trajectory("impact_matrix", len(found.left) if room else 0, **ADDED, seldom=True),
        total=fields.trajectory("impact_total", 4 * (rounds + 2) * many, 2, **SELDOM),
        place=whole(np.arange(many)),
    )
    return now, then


def room_of(scene: RigidBodies, fields: Fields, contacts: int) -> int:
    """How many impacts may be solved together: none where nothing is held and no two of them can be at once."""
    ropes = sum(isinstance(joint, Rope) for joint in scene.joints)
    most = ropes + (contacts if len(scene.pairs) else 0)
    if most < 2 and ropes == len(scene.joints):
        return 0
    together = MOST if fields.real == REAL["f64"] else USUAL  # in float32 larger clusters were thrown apart
    return fields.room("impacts", first_room(scene), min(most, together), FIXED)


def first_room(scene: RigidBodies) -> int:
    """How many impacts are solved together if nobody has needed more."""
    return min(USUAL, max(FEW, 4 * len(scene.bodies)))


def rounds_of(scene: RigidBodies, room: int, bouncy: bool) -> int:
    """How many rounds of impacts a step may have."""
    most = min(MANY, max(ROUNDS, 2 * len(scene.bodies) + 1 + CLOSING))
    return 0 if not room else most if bouncy else LANDINGS


def assemblies_of(scene: RigidBodies) -> np.ndarray:
    """(places,) which bodies joints hold together, by number; -1 for all others."""
    found = np.full(len(scene.shapes) + 1, -1)
    for joint in scene.joints:
        if not isinstance(joint, Rope):
            ends = [end for end in (joint.first, joint.second) if end is not None]
            known = {int(found[end]) for end in ends} - {-1}
            number = min(known) if known else int(found.max()) + 1
            found[ends] = number
            found[np.isin(found, list(known))] = number
    return found


def impacts_of(
    scene: RigidBodies, fields: Fields, system: JointSystem, contacts: int, room: int, bouncy: bool
) -> Impacts:
    """Impacts that are solved together, so many of them, of a scene with room for so many contacts."""
    places, n = len(scene.shapes) + 1, len(scene.bodies)
    begin = contacts + sum(isinstance(joint, Rope) for joint in scene.joints)
    rows, decide = fields.trajectory, fields.decision
    think = functools.partial(fields.scratch_numbers, finest=True)
    seldom = functools.partial(decide, seldom=True)
    exact, rough = fields.finest == REAL["f64"], fields.real == REAL["f32"]
    rounds = rounds_of(scene, room, bouncy)
    shares, first, more = 4 * max(SPACE, rounds // FULL), min(room, first_room(scene)), rounds + 2
    space = fields.room("inverses", shares * first * first, shares * room * room)
    courses = (2 * more + 1) * places if room else 0
    struck = rows("impact_struck", courses, 6, **SELDOM)

    def beyond_room(env: int, step: int, needed: int) -> str:
        return (
            f"in step {step} of environment {env} {needed} contacts act on each other, but at most {room} are solved "
            "together: those beyond are solved one after the other, so what is hit there may lean or spin a little"
        )

    def beyond_space(env: int, step: int, needed: int) -> str:
        return (
            f"in step {step} of environment {env} impacts that are solved together need room for {needed} numbers, but "
            f"there is room for {space}: those of the last rounds are solved one after the other"
        )

    return Impacts(
        count=decide(1),
        twice=decide(1),
        contact=seldom(room),
        slot=decide(begin),
        passes=decide(1),
        rest=decide(1),
        kind=seldom(more * room),
        way=seldom(room),
        leader=seldom(more * room),
        slides=seldom(more * room),
        unknowns=seldom(more),
        unknown=seldom(2 * more * room),
        guess=fields.decision_numbers(2 * more * room, seldom=True, finest=True),
        offset=seldom(more),
        inverse=fields.decision_numbers(space, seldom=True),
        pairs=decide(1),
        present=decide(1),
        moved=decide(1),
        joined=decide(1),
        entries=decide(1),
        changes=decide(1),
        asked=seldom(system.rows),
        solves=decide(1),
        goal=rows("impact_goal", more * room, 2, **SELDOM),
        more=rows("impact_more", 4 * more * room, **SELDOM),
        lack=rows("impact_lack", 2 * more * room, **SELDOM),
        given=rows("impact_given", room, 8, **SELDOM),
        pressed=rows("impact_pressed", places if room else 0, 6, **SELDOM),
        struck=struck,
        course=rows("impact_course", courses, 6, **SELDOM) if system.rows else struck,
        assembly=fields.integers(assemblies_of(scene)),
        role=fields.scratch(begin),
        speed=fields.scratch_numbers(begin),
        cluster=fields.scratch(n),
        members=fields.scratch(n),
        begun=fields.scratch(n),
        leans=fields.scratch(n + 1),
        change=think(places, 3),
        now=think(2 * places, 3),
        thought=think(2 * system.rows),
        mass=think(4 * room * room),
        comes=fields.scratch(room),
        closed=fields.scratch(room),
        when=think(room),
        leaves=think(room),
        wanted=think(2 * room),
        tried=think(2 * room),
        found=think(2 * room),
        beyond=fields.scratch(2 * room),
        grows=fields.scratch(2 * room),
        spare=fields.scratch(2 * room),
        acts=fields.scratch(2 * room),
        flips=fields.scratch(2 * room),
        centre=think(2 * room),
        lacks=think(2 * room),
        table=think(8 * room * room),
        across=think(4 * room * room),
        own=think(2 * room),
        room=room,
        rounds=rounds,
        closing=CLOSING if bouncy else 1,
        space=space,
        bodies=n,
        places=places,
        crowd=fields.limit(beyond_room, room="impacts", warns=True),
        wide=fields.limit(beyond_space, room="inverses", warns=True),
        real=fields.finest,
        halves=2.0**17 + 1.0 if exact else 1.0,
        latest=scene.dt * (1.0 + (1.0e-4 if rough else 1.0e-9)),  # rounding of a gap, over the way in a step
        still=1.0e-13 if exact else 3.0e-7,  # some roundings of a speed
        soft=1.0e-4 if exact else 1.0e-2,
        softest=1.0e-11 if exact else 1.0e-5,
        loose=1.0e7 if exact and rough else 100.0,  # what depends on others does so to the rounding of contacts' rows
        depends=1.0e-9 if exact else 1.0e-4,  # rounding, and a tower of twenty boxes has 1e-4
    )
