"""Which contacts of a step are solved together: forward only. See `rigid_bodies.impacts`."""

import taichi as ti

from diffsim.physics import contact
from diffsim.physics.rigid_bodies.impulses import PASSED_ON, row_speed

__all__ = ["choose", "forget", "held", "lacks_room", "push"]

TIGHT = 1.0e-5
"""A rope that is shorter than its length by less is taut [m]: rounding of some steps' way in float32."""

SLIPS = 1.0 - 1.0e-5
"""A contact slips if it got this share of what friction can give."""

FASTER = 2.0
"""An impact may change the speed of a body by this many times that of its approach. What could come to touch by it, if
it does not by itself, is near."""


@ti.func
def forget(hits: ti.template(), env, row, step, element):
    """Before the first step: there was room for all."""
    hits.crowd[env, 0] = 0
    hits.wide[env, 0] = 0
    hits.crowd[env, 1] = 0
    hits.wide[env, 1] = 0


@ti.func
def lacks_room(limit: ti.template(), env, step, needed):
    """Say how much is needed, and in which step most was."""
    if needed > limit[env, 1]:
        limit[env, 0] = step + 1
        limit[env, 1] = needed


@ti.func
def held(touch: ti.template(), env, row, m):
    """Whether a contact gave more than rounding at the end of the step before: bodies lean on each other there."""
    found = False
    if m < touch.contacts:
        old = touch.warm[env, row, m]
        if old >= 0:
            found = touch.carried[env, row, old][0] > contact.STILL * touch.law[env, row, m][3]
    return found


@ti.func
def push(bodies: ti.template(), hits: ti.template(), env, a, b, one: ti.template()):
    """An impulse along a row, on both of its bodies."""
    for side in range(2):
        place = ti.select(side == 0, a, b)
        sign = ti.cast(2 * side - 1, hits.real)
        light = sign * bodies.inverse_mass[env, place]
        spin = sign * bodies.inverse_inertia[env, place] * ti.select(side == 0, one[2], one[3])
        hits.change[env, place] += ti.Vector([light * one[0], light * one[1], spin])


@ti.func
def lean(bodies: ti.template(), courses: ti.template(), touch: ti.template(), hits: ti.template(), env, row):
    """How fast bodies would be with the impulses that contacts gave at the end of the step before."""
    for place in range(hits.places):
        hits.change[env, place] = courses.start[env, row, place]
    for m in range(touch.count[env, row, 0]):
        if held(touch, env, row, m):
            given = touch.carried[env, row, touch.warm[env, row, m]]
            one = given[0] * touch.out[env, row, m] + given[1] * touch.side[env, row, m]
            push(bodies, hits, env, touch.first[env, row, m], touch.second[env, row, m], one)


@ti.func
def gives_way(touch: ti.template(), hits: ti.template(), env, row, m):
    """Whether a contact that is held does not stay as it is with what all gave in the step before.

    By more than rounding: passes would take that away one contact after the other, and their order would have a say.
    """
    a = hits.change[env, touch.first[env, row, m]]
    b = hits.change[env, touch.second[env, row, m]]
    least, given = touch.least[env, row, 0], touch.carried[env, row, touch.warm[env, row, m]]
    law = touch.law[env, row, m]
    slide, most = row_speed(touch.side[env, row, m], a, b), law[6] * given[0]
    slips = ti.abs(given[1]) >= SLIPS * most and slide * given[1] <= 0.0
    rubs = most > 0.0 and not slips and ti.abs(slide) > least
    return law[9] > 0.0 and (ti.abs(row_speed(touch.out[env, row, m], a, b)) > least or rubs)


@ti.func
def rest_of(motion: ti.template(), courses: ti.template(), hits: ti.template(), env, row, place):
    """Speed with which a body goes into the step; of one that leans on something, without what forces add to it."""
    found = courses.start[env, row, place]
    if hits.leans[env, ti.min(place, hits.bodies)] == 1:
        before = motion.velocity[env, row, place]
        found = ti.Vector([before[0], before[1], motion.angular_velocity[env, row, place]])
    return found


@ti.func
def closing(motion: ti.template(), courses: ti.template(), touch: ti.template(), hits: ti.template(), env, row, m):
    """Speed along the normal with which bodies go into the step: as they fall, are held, or lean on what gives as much
    as in the step before, whichever is sooner."""
    a, b = touch.first[env, row, m], touch.second[env, row, m]
    falls = row_speed(touch.out[env, row, m], courses.start[env, row, a], courses.start[env, row, b])
    rests_a, rests_b = rest_of(motion, courses, hits, env, row, a), rest_of(motion, courses, hits, env, row, b)
    found = ti.min(falls, row_speed(touch.out[env, row, m], rests_a, rests_b))
    if touch.law[env, row, m][9] > 0.0:  # else joints have a say
        found = ti.min(found, row_speed(touch.out[env, row, m], hits.change[env, a], hits.change[env, b]))
    return found


@ti.func
def list_contacts(
    bodies: ti.template(),
    motion: ti.template(),
    joints: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    hits: ti.template(),
    env,
    row,
):
    """Which contacts begin, and which may take part: those that are held, near ones, and ropes that are taut."""
    fastest, count, some = 0.0, touch.count[env, row, 0], False
    for body in range(bodies.bodies):
        hits.leans[env, body] = 0
    for m in range(count):
        if held(touch, env, row, m):
            hits.leans[env, ti.min(touch.first[env, row, m], bodies.bodies)] = 1
            hits.leans[env, ti.min(touch.second[env, row, m], bodies.bodies)] = 1
    hits.leans[env, bodies.bodies] = 0
    lean(bodies, courses, touch, hits, env, row)
    for at in range(count + joints.ropes):
        m = ti.select(at < count, at, touch.contacts + at - count)
        pulls = False
        if at >= count:
            joint = joints.roped[at - count]
            touch.first[env, row, m] = joints.first[joint]
            touch.second[env, row, m] = joints.second[joint]
            pulls = joints.carried[env, row, joint][0] > 0.0
        law = touch.law[env, row, m]
        speed = closing(motion, courses, touch, hits, env, row, m)
        fast = ti.max(-law[2], -speed / PASSED_ON) > law[8]
        hits.slot[env, row, m] = -1
        leans = held(touch, env, row, m)
        if at < count and not leans and law[9] > 0.0:  # rounding would be taken back, one corner after the other
            touch.warm[env, row, m] = -1
        hits.speed[env, at] = speed
        hits.role[env, at] = 0
        if leans:
            # What hovers comes down together as well; not what joints hold, which turns a little in every step.
            hovers = law[9] > 0.0 and law[0] > law[9]
            hits.role[env, at] = ti.select(hovers or gives_way(touch, hits, env, row, m), 2, 1)
        elif contact.meets(law[0], speed, bodies.dt) and speed < -contact.STILL and not pulls:
            # A rope that goes taut by forces only is for the passes.
            hits.role[env, at] = ti.select(fast, 3, ti.select(at < count, 2, 0))
            fastest = ti.max(fastest, ti.select(hits.role[env, at] > 0, -speed, 0.0))
        some = some or hits.role[env, at] > 1
    for at in range(count + joints.ropes):
        m = ti.select(at < count, at, touch.contacts + at - count)
        law = touch.law[env, row, m]
        if hits.role[env, at] == 0:
            taut = law[0] < TIGHT and ti.abs(hits.speed[env, at]) <= law[8] + contact.STILL
            near = law[0] < bodies.dt * (FASTER * fastest + ti.max(0.0, -hits.speed[env, at]))
            hits.role[env, at] = ti.cast(ti.select(at < count, near, taut), ti.i32)
    return some


@ti.func
def label(bodies: ti.template(), joints: ti.template(), touch: ti.template(), hits: ti.template(), env, row):
    """Give all bodies that contacts, taut ropes or joints connect one number: that of the first of them."""
    count = touch.count[env, row, 0]
    for body in range(bodies.bodies):
        hits.cluster[env, body] = body
    changes = 1
    while changes > 0:
        changes = 0
        for at in range(count + joints.ropes + joints.joints):
            a, b, tied = 0, 0, True
            if at < count + joints.ropes:
                m = ti.select(at < count, at, touch.contacts + at - count)
                a, b = touch.first[env, row, m], touch.second[env, row, m]
                tied = hits.role[env, at] > 0
            else:
                a, b = joints.first[at - count - joints.ropes], joints.second[at - count - joints.ropes]
                tied = joints.kind[at - count - joints.ropes] != 3
            if tied and a < bodies.bodies and b < bodies.bodies:
                one, other = hits.cluster[env, a], hits.cluster[env, b]
                if one != other:
                    hits.cluster[env, a] = ti.min(one, other)
                    hits.cluster[env, b] = ti.min(one, other)
                    changes += 1


@ti.func
def cluster_of(bodies: ti.template(), touch: ti.template(), hits: ti.template(), env, row, m):
    """The cluster of a contact, of which one body may be what does not move."""
    a, b = touch.first[env, row, m], touch.second[env, row, m]
    return hits.cluster[env, ti.select(a < bodies.bodies, a, b)]


@ti.func
def choose(
    bodies: ti.template(),
    motion: ti.template(),
    joints: ti.template(),
    courses: ti.template(),
    touch: ti.template(),
    system: ti.template(),
    hits: ti.template(),
    env,
    row,
    step,
    element,
):
    """List what is solved together: all contacts of a cluster in which one begins that has company, or a joint.

    A cluster for which there is no room is for the passes, but for what comes to what joints hold, faster than forces
    push it: a pile would sink into itself where impacts are solved as if there was nothing below.
    """
    kept = 0
    found = list_contacts(bodies, motion, joints, courses, touch, hits, env, row)
    if found:
        label(bodies, joints, touch, hits, env, row)
        kept = gather(bodies, joints, touch, hits, env, row, step)
    hits.count[env, row, 0] = kept
    answer(joints, touch, system, hits, env, row, kept)


@ti.func
def gather(bodies: ti.template(), joints: ti.template(), touch: ti.template(), hits: ti.template(), env, row, step):
    """Keep the clusters in which something begins; how many contacts they have."""
    count, kept, needed = touch.count[env, row, 0], 0, 0
    for body in range(bodies.bodies):
        hits.members[env, body] = 0
        hits.begun[env, body] = 0
    for at in range(count + joints.ropes):
        m = ti.select(at < count, at, touch.contacts + at - count)
        if hits.role[env, at] > 0:
            own = cluster_of(bodies, touch, hits, env, row, m)
            a, b = touch.first[env, row, m], touch.second[env, row, m]
            joined = ti.max(bodies.joined[a], bodies.joined[b]) > 0
            hits.members[env, own] = hits.members[env, own] + 1  # not +=, an atomic sum: Vulkan gives up there
            if hits.role[env, at] >= 2:
                # By itself, it is for the passes.
                hits.begun[env, own] = ti.max(hits.begun[env, own], ti.select(joined, 2, 1))
    for turn in range(2):  # whole clusters first
        for body in range(bodies.bodies):
            members = hits.members[env, body]
            acts = hits.begun[env, body] > 0 and members + hits.begun[env, body] > 2
            own_turn = ti.select(members <= hits.room - kept, 0, 1)
            if acts and turn == 0:
                needed += members
            if acts and turn == own_turn:
                hits.members[env, body] = 0
                for at in range(count + joints.ropes):
                    m = ti.select(at < count, at, touch.contacts + at - count)
                    if hits.role[env, at] > 0 and kept < hits.room:
                        a, b = touch.first[env, row, m], touch.second[env, row, m]
                        joined = ti.max(bodies.joined[a], bodies.joined[b])
                        takes = turn == 0 or (hits.role[env, at] == 3 and joined == 1)
                        if takes and cluster_of(bodies, touch, hits, env, row, m) == body:
                            hits.contact[env, row, kept] = m
                            kept += 1
                hits.begun[env, body] = 0
    if needed > hits.room:
        lacks_room(hits.crowd, env, step, needed)
    return kept


@ti.func
def answer(joints: ti.template(), touch: ti.template(), system: ti.template(), hits: ti.template(), env, row, kept):
    """Which rows of joints answer to impacts, and to which."""
    some = ti.cast(kept > 0, ti.i32)
    hits.twice[env, row, 0] = 2 * kept
    hits.present[env, row, 0] = some * ti.max(hits.places, hits.room)
    hits.moved[env, row, 0] = some * hits.places
    hits.joined[env, row, 0] = some * system.rows
    hits.entries[env, row, 0] = some * system.entries
    hits.changes[env, row, 0] = some * system.changes
    hits.solves[env, row, 0] = some * system.steps
    for k in range(some * system.rows):
        own = ti.max(hits.assembly[joints.first[system.joint[k]]], hits.assembly[joints.second[system.joint[k]]])
        hits.asked[env, row, k] = -1
        for back in range(kept):
            m = hits.contact[env, row, kept - 1 - back]
            at = ti.select(m < touch.contacts, m, m - touch.contacts + touch.count[env, row, 0])
            meets = own == hits.assembly[touch.first[env, row, m]] or own == hits.assembly[touch.second[env, row, m]]
            if hits.role[env, at] >= 2 and meets:
                hits.asked[env, row, k] = kept - 1 - back
