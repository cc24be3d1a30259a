"""Impulses of contacts from step to step: what a step begins with, what it hands on, and what is recorded of it."""

import taichi as ti

from diffsim.physics import contact

__all__ = ["LIGHTEST", "carry_contact", "carry_count", "recall_contact", "spare_of"]

LIGHTEST = 1.0e-18
"""Added to an impulse that a time is weighted with, which may be 0 [N s]; its square is a normal float32."""


@ti.func
def spare_of(touch: ti.template(), env: ti.template(), row: ti.template(), m: ti.template()):
    """What a contact has of an impact in the step before: it was given, and it may be taken back [N s]."""
    old = touch.warm[env, row, m]
    return ti.select(old >= 0, touch.carried[env, row, ti.max(old, 0)][2], 0.0)


@ti.func
def joined(bodies: ti.template(), touch: ti.template(), env: ti.template(), row: ti.template(), m: ti.template()):
    """Whether a contact is one of what a joint holds."""
    return ti.max(bodies.joined[touch.first[env, row, m]], bodies.joined[touch.second[env, row, m]]) > 0


@ti.func
def recall_contact(bodies: ti.template(), touch: ti.template(), hits: ti.template(), env, row, step, m):
    """The impulse that a contact ended the last step with, and what impacts gave already.

    What a landing gave to what joints hold is done with if it is lifted off: passes would take a part of it back, with
    the mass of one body, which depends on when in the step it landed.
    """
    if m < touch.count[env, row, 0]:
        k = ti.select(hits.room > 0, hits.slot[env, row, m], -1)
        old = touch.warm[env, row, m]
        if k >= 0:
            given = hits.given[env, row, k]
            law = touch.law[env, row, m]
            lifts = not joined(bodies, touch, env, row, m) or contact.lifted(law[0], law[2], law[1], 0.0) > 0.0
            touch.landed[env, row, m] = ti.select(lifts, given[7], 0.0)
            time = given[2] / (given[0] + LIGHTEST)
            if ti.static(touch.bouncy):
                touch.impulse[env, row, m] = ti.Vector([given[0], given[1], time, given[3], given[4]])
            else:
                touch.impulse[env, row, m] = ti.Vector([given[0], given[1], time])
        elif old >= 0:
            touch.landed[env, row, m] = 0.0
            carried = touch.carried[env, row, old]
            touch.impulse[env, row, m][0] = carried[0] + carried[2]
            touch.impulse[env, row, m][1] = carried[1]
            for c in ti.static(range(2, touch.parts)):
                touch.impulse[env, row, m][c] = 0.0
        else:
            touch.landed[env, row, m] = 0.0
            for c in ti.static(range(touch.parts)):
                touch.impulse[env, row, m][c] = 0.0


@ti.func
def carry_contact(bodies: ti.template(), touch: ti.template(), hits: ti.template(), env, row, step, m):
    """Hand the impulses on to the next step, with the key to know them by; and record what the contact did.

    Of what was solved with impacts, that is what forces press and not what the impact gave; but if joints have a part
    in it and nothing lifts, the next step may take of that back what they make too much of it after their passes.
    """
    if m < touch.count[env, row, 0]:
        found = touch.impulse[env, row, ti.static(touch.passes * touch.contacts) + m]
        first = touch.impulse[env, row, m]
        k = ti.select(hits.room > 0, hits.slot[env, row, m], -1)
        pressed = hits.given[env, row, ti.max(k, 0)]
        solved = ti.cast(k >= 0, bodies.real)
        takes = joined(bodies, touch, env, row, m) and touch.landed[env, row, m] == 0.0
        spare = ti.select(takes, solved * first[0], 0.0)
        taken = spare_of(touch, env, row, m)
        left = found[0] - taken + solved * (pressed[5] - first[0])
        across = found[1] + solved * (pressed[6] - first[1])
        key = touch.key[env, row, m]
        if ti.static(contact.recorded(touch.branch)):
            if k >= 0:
                last = ti.static((touch.passes - 1) * 2 * touch.pairs)
                touch.branch[env, row, last + key] += 256.0 * ti.cast(hits.way[env, row, ti.max(k, 0)], ti.f32)
        out = touch.out[env, row, m]
        touch.carried[env, row + 1, m] = ti.Vector([ti.max(0.0, left), ti.select(left > 0.0, across, 0.0), spare])
        touch.carried_key[env, row + 1, m] = ti.cast(key, bodies.real)
        whole = ti.Vector([found[0] - taken, found[1]])
        if ti.static(touch.bouncy):
            whole = ti.Vector([found[0] - taken + found[3], found[1] + found[4]])
        if whole[0] > 0.0:
            touch.force[env, row, m] = whole / bodies.dt
            touch.where[env, row, m] = touch.point[env, row, m]
            touch.normal[env, row, m] = ti.Vector([out[0], out[1]])
            touch.which[env, row, m] = ti.cast(key // 2, bodies.real)
        else:
            blank(touch, env, row, m)
    else:
        blank(touch, env, row, m)


@ti.func
def blank(touch: ti.template(), env: ti.template(), row: ti.template(), m: ti.template()):
    """Record that there is nothing."""
    touch.force[env, row, m] = ti.Vector([0.0, 0.0])
    touch.where[env, row, m] = ti.Vector([0.0, 0.0])
    touch.normal[env, row, m] = ti.Vector([0.0, 0.0])
    touch.which[env, row, m] = -1.0


@ti.func
def carry_count(bodies: ti.template(), touch: ti.template(), env, row, step, element):
    """Say how many impulses were handed on."""
    touch.carried_count[env, row + 1, 0] = ti.cast(touch.count[env, row, 0], bodies.real)
