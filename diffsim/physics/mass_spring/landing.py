"""The ground: a point flies, or meets it and bounces, is lifted off, or stays.

What forces do from an impact to the middle of its step is a share of what they add in the step, if the impact does not
change them. Dashpots it does change, at both their ends. So in a scene with dashpots that share is left out, and what
lands without restitution stays to the end of the step: its way on does not depend on when in the step it landed.
"""

import taichi as ti

from diffsim.physics import contact

__all__ = ["above", "begin", "fly", "go", "keep", "kept", "land"]


def kept(field):
    """Whether there is such a field; asked while a kernel compiles."""
    return field is not None


@ti.func
def begin(motion: ti.template(), env, point, nothing):
    """No load before the start."""
    if ti.static(kept(motion.load)):
        motion.load[env, 0, point] = 0.0
    if ti.static(kept(motion.bearing)):
        motion.bearing[env, 0, point] = nothing


@ti.func
def keep(motion: ti.template(), env, row, point, load, normal):
    """Store what holds a point that sticks, for the next step."""
    if ti.static(kept(motion.load)):
        motion.load[env, row + 1, point] = load
    if ti.static(kept(motion.bearing)):
        motion.bearing[env, row + 1, point] = normal


@ti.func
def go(motion: ti.template(), env, row, point, dt, position, velocity):
    """Move a point that nothing hinders."""
    motion.position[env, row + 1, point] = position + dt * velocity
    motion.velocity[env, row + 1, point] = velocity
    keep(motion, env, row, point, 0.0, ti.zero(velocity))


@ti.func
def fly(motion: ti.template(), env, row, point, dt, position, velocity, push, normal: ti.template()):
    """Move a point that does not meet the ground, whose normal is that of where it last was on it.

    One that stuck to it in the step before was let go since: when forces along the normal turned round. Forces along
    the ground act from then, not from the middle of the step before.
    """
    if ti.static(kept(motion.load)):
        load = motion.load[env, row, point]
        if load > 0.0:
            gain = push.dot(normal)
            late = ti.select(gain > 0.0, gain / (ti.max(0.0, gain) + load) - 0.5, 0.0)
            go(motion, env, row, point, dt, position, velocity + late * (push - gain * normal))
        else:
            go(motion, env, row, point, dt, position, velocity)
    else:
        go(motion, env, row, point, dt, position, velocity)


@ti.func
def above(points: ti.template(), motion: ti.template(), env, row, point, dt, position, velocity, push, normal):
    """Move a point that may meet the ground."""
    gap = position.dot(normal) - points.ground_height[env, 0]
    speed = velocity.dot(normal)
    # Each branch writes its own result: a local that is assigned again would need the gradient's stack.
    if contact.meets(gap, speed, dt):
        land(points, motion, env, row, point, dt, position, velocity, push, normal, gap, speed)
    else:
        fly(motion, env, row, point, dt, position, velocity, push, normal)


@ti.func
def land(
    points: ti.template(),
    motion: ti.template(),
    env,
    row,
    point,
    dt,
    position,
    velocity,
    push,
    normal: ti.template(),
    gap,
    speed,
):
    """Move to the impact; there the point bounces, is lifted off, or stays on the ground.

    ``push`` is what forces add to its velocity in this step.
    """
    contact.mark(motion.contact, env, row, point, contact.MEETS)
    if ti.static(not points.timed):
        # What not to do: the impact at the start of the step, with the speed of its end.
        if ti.static(points.bouncy):
            contact.mark(motion.contact, env, row, point, contact.BOUNCES)
        up, none = -points.restitution[env, 0] * speed, ti.zero(velocity)
        depart(points, motion, env, row, point, dt, position, velocity, normal, speed, 0.0, up, none)
    else:
        before, gain = motion.velocity[env, row, point].dot(normal), push.dot(normal)
        if ti.static(points.dashpots and not points.bouncy):
            stay(points, motion, env, row, point, dt, position, velocity, push, normal, gap, speed, before, gain)
        elif goes(points, env, gap, speed, before, gain, dt):
            leave(points, motion, env, row, point, dt, position, velocity, push, normal, gap, speed, gain)
        else:
            stay(points, motion, env, row, point, dt, position, velocity, push, normal, gap, speed, before, gain)


@ti.func
def goes(points: ti.template(), env, gap, speed, before, gain, dt):
    """Whether a point leaves the ground in this step."""
    if ti.static(not points.bouncy):
        return contact.lifts(gap, before, gain)
    else:
        restitution = points.restitution[env, 0]
        up = contact.rebound(speed, gain, contact.time_of_bounce(gap, speed, dt) / dt, restitution)
        lifts = ti.static(0 if points.dashpots else 1) * contact.lifts(gap, before, gain)
        return lifts or contact.leaves(up, gain, restitution)


@ti.func
def left_at(points: ti.template(), time, dt):
    """The share of the step from an impact to the step's middle, in which forces go on as before; negative after it."""
    return ti.static(0.0 if points.dashpots else 1.0) * (0.5 - time / dt)


@ti.func
def leave(
    points: ti.template(),
    motion: ti.template(),
    env,
    row,
    point,
    dt,
    position,
    velocity,
    push,
    normal: ti.template(),
    gap,
    speed,
    gain,
):
    """Bounce, or be lifted from where it lands. From then on forces act along the ground as well."""
    time = contact.time_of_bounce(gap, speed, dt)
    up = contact.rebound(speed, gain, time / dt, points.restitution[env, 0])
    if ti.static(contact.recorded(motion.contact)):
        if up > speed:
            contact.mark_bounce(motion.contact, env, row, point, gap, speed, dt)
        if up < 0.0:
            contact.mark(motion.contact, env, row, point, contact.LIFTED)
    slip = left_at(points, time, dt) * (push - gain * normal)
    depart(points, motion, env, row, point, dt, position, velocity, normal, speed, time, ti.max(speed, up), slip)


@ti.func
def stay(
    points: ti.template(),
    motion: ti.template(),
    env,
    row,
    point,
    dt,
    position,
    velocity,
    push,
    normal: ti.template(),
    gap,
    speed,
    before,
    gain,
):
    """Stay on the ground to the end of the step; forces may move a point along it that has just landed."""
    contact.mark_stay(motion.contact, env, row, point, gap, speed, before, dt)
    time, rests = contact.time_of_impact(gap, speed, before, dt), contact.rests(gap, before)
    if ti.static(points.sticky):
        none, load = ti.zero(velocity), ti.max(0.0, -gain)
        end(motion, env, row, point, dt, position, velocity, normal, time, 0.0, none, load)
    else:
        along, hold = push - gain * normal, contact.grip(points.friction[env, 0], -gain)
        if ti.static(contact.recorded(motion.contact) and not points.dashpots):
            if not rests and contact.size(along) > hold:
                contact.mark(motion.contact, env, row, point, contact.SLIPS)
        slip = ti.select(rests, 0.0, left_at(points, time, dt)) * contact.slipping(along, hold)
        depart(points, motion, env, row, point, dt, position, velocity, normal, speed, time, 0.0, slip)


@ti.func
def depart(
    points: ti.template(),
    motion: ti.template(),
    env,
    row,
    point,
    dt,
    position,
    velocity,
    normal: ti.template(),
    speed,
    time,
    up,
    slip: ti.template(),
):
    """Take the new velocity at the impact, ``up`` [m/s] of it along the normal.

    ``slip`` is what forces along the ground add from the impact to the step's middle (after it, what they take),
    whatever friction does in the impact.
    """
    if ti.static(points.sticky):
        end(motion, env, row, point, dt, position, velocity, normal, time, up, slip, 0.0)
    else:
        along = velocity - speed * normal - slip
        limit = contact.grip(points.friction[env, 0], up - speed)
        sliding = contact.size(along)
        if contact.slides(sliding, limit):
            contact.mark(motion.contact, env, row, point, contact.SLIDES)
            slid = contact.slowed(along, sliding, limit) + slip
            end(motion, env, row, point, dt, position, velocity, normal, time, up, slid, 0.0)
        else:
            end(motion, env, row, point, dt, position, velocity, normal, time, up, slip, 0.0)


@ti.func
def end(
    motion: ti.template(),
    env,
    row,
    point,
    dt,
    position,
    velocity,
    normal: ti.template(),
    time,
    up,
    along: ti.template(),
    load,
):
    """Go on with ``up`` along the normal and ``along`` along the ground; what is not off it yet ends on it."""
    on = along + ti.max(0.0, up) * normal
    motion.position[env, row + 1, point] = contact.moved(position, velocity, on, time, dt)
    motion.velocity[env, row + 1, point] = along + up * normal
    keep(motion, env, row, point, load, normal)
