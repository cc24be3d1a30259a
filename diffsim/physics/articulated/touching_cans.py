"""Where cylinders meet boxes and meshes: points of either on the other.

The way out is that in which both overlap least (the separating axis): along an axis of the box, along that of the
cylinder, or across it, from its axis to what is nearest of the box. Along an axis of the box it is points of the
cylinder that count, on the box's face: the lowest one of each rim, moved along the cylinder until it is over the face,
and those a third of a turn away. Else it is corners of the box, in the cylinder: on its flat end moved along the edges
of the box until they are over it, on its side moved to where they are nearest to its axis. What lies flat on an end
has both ways, and shares its force among them. Corners of meshes are not moved.
"""

import taichi as ti

from diffsim.physics.articulated.compliance import TINY, corner_of
from diffsim.physics.articulated.rotation import unpacked
from diffsim.physics.articulated.touching_corners import FADE, rim_of

__all__ = ["meet_can"]

HALVES = 10
"""Times that the axis of a cylinder is halved to find what is nearest to a box: to a thousandth of its length."""

APART = 1.0e3
"""More than any overlap [m]."""


@ti.func
def meet_can(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """A point of the first geom and the second one: of a cylinder and a box or mesh, or of these and a cylinder."""
    part = element // touch.cans
    pair = touch.rounds + touch.boxes + touch.points + touch.flats + touch.tubes + element - part * touch.cans
    spot = touch.planes + pair
    store = part * touch.couples + pair
    first = touch.first[spot]
    second = touch.second[spot]
    can = touch.tube[first] * first + (1 - touch.tube[first]) * second
    box = touch.tube[first] * second + (1 - touch.tube[first]) * first
    frame = part * tree.frames + touch.frame[can]
    turned = unpacked(motion.rotation[env, row, frame])
    middle = motion.position[env, row, frame] + turned @ touch.geom_position[env, can]
    out_of = turned @ unpacked(touch.turn[env, can])
    own = part * tree.frames + touch.frame[box]
    carrying = unpacked(motion.rotation[env, row, own])
    centre = motion.position[env, row, own] + carrying @ touch.geom_position[env, box]
    # All in the frame of the cylinder.
    between = out_of.transpose() @ (centre - middle)
    along = out_of.transpose() @ (carrying @ unpacked(touch.turn[env, box]))
    size = touch.geom_size[env, can]
    half = touch.geom_size[env, box]
    margin = touch.margin[env, spot]
    if between.dot(between) < 3.0 * (half.dot(half) + size.dot(size) + margin * margin):
        at = nearest_place(between, along, size, half)
        near = within(at, between, along, half)
        ways = overlaps(between, along, near, size, half)
        here = face_overlaps(between - ti.Vector([0.0, 0.0, at]), along, size[0], 0.0, half)
        # What lies along a side is points of the cylinder alone; and more than corners of a mesh is over its side.
        side = ways[4] - least_of(here) + touch.depth[env, 0]
        side += APART * ti.cast(touch.tube[first] == 1 and touch.sharp[box] == 0, touch.real)
        clear = ti.min(ways[3] - least_of(ways), side)
        share = ti.min(ti.max(0.5 + 0.5 * clear / touch.depth[env, 0], 0.0), 1.0)
        share = share * share * (3.0 - 2.0 * share)
        if touch.tube[first] == 1:
            one = ti.cast(ways[0] <= ti.min(ways[1], ways[2]), touch.real)
            other = (1.0 - one) * ti.cast(ways[1] <= ways[2], touch.real)
            pick = ti.Vector([one, other, 1.0 - one - other])
            sign = 1.0 - 2.0 * ti.cast(between.dot(along @ pick) > 0.0, touch.real)  # of the face that looks here
            outward = sign * (along @ pick)
            place = over_face(touch, env, spot, outward, pick, between, along, size, half)
            local = along.transpose() @ (place - between)
            beyond = (1.0 - pick) * (local - ti.min(ti.max(local, -half), half))
            deep = (pick * half).sum() - sign * (pick * local).sum()
            strength = share * faded(beyond, half)
            touch.overlap[env, row, store] = ti.Vector([deep + margin, strength])
            touch.toward[env, row, store] = out_of @ (-outward)
            touch.place_of[env, row, store] = middle + out_of @ place
            if ti.static(touch.held):
                # What is round goes along with its middle.
                still = ti.cast(touch.flat[box], touch.real)
                level = size[0] * ti.sqrt(outward[0] * outward[0] + outward[1] * outward[1] + TINY)
                touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, (2.0 * still - 1.0) * level])
        else:
            ends = ti.cast(ways[3] <= ways[4], touch.real)
            moved = ti.cast(touch.sharp[box] == 1, touch.real)
            corner = corner_of(touch, spot)
            place = between + along @ (corner * half)
            place += moved * (1.0 - ends) * onto_side(place, near, corner, along, size, half)
            place += moved * ends * onto_end(place, corner, along, size, half)
            across = ti.sqrt(place[0] * place[0] + place[1] * place[1] + TINY)
            up = 2.0 * ti.cast(between[2] > 0.0, touch.real) - 1.0
            outward = (1.0 - ends) / across * ti.Vector([place[0], place[1], 0.0]) + ends * ti.Vector([0.0, 0.0, up])
            deep = ends * (size[1] - up * place[2]) + (1.0 - ends) * (size[0] - across)
            over = ends * ti.max(across - size[0], 0.0) + (1.0 - ends) * ti.max(ti.abs(place[2]) - size[1], 0.0)
            strength = (1.0 - share) * faded(ti.Vector([over, 0.0, 0.0]), half)
            touch.overlap[env, row, store] = ti.Vector([deep + margin, strength])
            touch.toward[env, row, store] = out_of @ (-outward)
            touch.place_of[env, row, store] = middle + out_of @ place
            if ti.static(touch.held):
                still = ti.cast(touch.flat[can], touch.real)
                ridge = out_of @ ti.Vector([0.0, 0.0, 1.0 - ends])
                away = (1.0 - still) * (1.0 - ends) * size[0] + (still - 1.0) * ends * TINY
                curved = (1.0 - ends) / across
                touch.bend[env, row, store] = ti.Vector([ridge[0], ridge[1], ridge[2], curved, away])
    else:
        touch.overlap[env, row, store] = ti.Vector([-1.0e10, 0.0])
        touch.toward[env, row, store] = ti.Vector([0.0, 0.0, 1.0])
        touch.place_of[env, row, store] = ti.Vector([0.0, 0.0, 0.0])
        if ti.static(touch.held):
            touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0])


@ti.func
def faded(beyond, half):
    """What is left of a force beyond an edge, from 1 to 0."""
    left = ti.max(1.0 - ti.sqrt(beyond.dot(beyond) + TINY) / (FADE * ti.sqrt(half.dot(half))), 0.0)
    return left * left * (3.0 - 2.0 * left)


@ti.func
def overlaps(between, along, near, size, half):
    """(5,) by how much both overlap [m]: along the axes of the box, along that of the cylinder, and across it.

    Args:
        between: (3,) from the cylinder to the box, in the frame of the cylinder [m].
        along: (3, 3) from the box's frame to the cylinder's.
        near: (3,) what is nearest of the box to the axis of the cylinder [m].
        size: radius and half length of the cylinder [m].
        half: (3,) half sizes of the box [m].
    """
    faces = face_overlaps(between, along, size[0], size[1], half)
    rise = ti.Vector([ti.abs(along[2, c]) for c in ti.static(range(3))])
    end = size[1] + rise.dot(half) - ti.abs(between[2])
    apart = ti.sqrt(near[0] * near[0] + near[1] * near[1] + TINY)
    # An axis that goes through the box shows no way out.
    side = size[0] - apart + APART * ti.cast(apart < 1.0e-3 * size[0], ti.f32)
    return ti.Vector([faces[0], faces[1], faces[2], end, side])


@ti.func
def face_overlaps(between, along, radius, length, half):
    """(3,) by how much a cylinder and a box overlap along the axes of the box [m]."""
    local = along.transpose() @ between
    tilt = ti.Vector(
        [ti.sqrt(along[0, c] * along[0, c] + along[1, c] * along[1, c] + TINY) for c in ti.static(range(3))]
    )
    rise = ti.Vector([ti.abs(along[2, c]) for c in ti.static(range(3))])
    return half + length * rise + radius * tilt - ti.abs(local)


@ti.func
def least_of(ways):
    return ti.min(ways[0], ti.min(ways[1], ways[2]))


@ti.func
def nearest_place(between, along, size, half):
    """Where the axis of the cylinder is nearest to the box [m]."""
    t = 0.0 * size[1]
    for k in ti.static(range(HALVES)):
        ahead = 2.0 * ti.cast(within(t, between, along, half)[2] > t, ti.i32) - 1.0
        t += ahead * ti.static(0.5 ** (k + 1)) * size[1]
    return t


@ti.func
def within(t, between, along, half):
    """(3,) point of the box that is nearest to a place on the axis of the cylinder."""
    local = along.transpose() @ (ti.Vector([0.0, 0.0, t]) - between)
    return between + along @ ti.min(ti.max(local, -half), half)


@ti.func
def slab_way(place, step, far):
    """How many steps it is, as few as can be, to where each coordinate is within -far and far; anything if nowhere."""
    sure = step + 1.0e-9 * (2.0 * ti.cast(step >= 0.0, ti.i32) - 1.0)
    one = (-far - place) / sure
    other = (far - place) / sure
    low = ti.min(one, other)
    high = ti.max(one, other)
    return ti.min(ti.max(low.max(), 0.0), high.min())


@ti.func
def over_face(touch: ti.template(), env, spot, outward, pick, between, along, size, half):
    """(3,) point of a cylinder over the face of a box that looks there."""
    corner = corner_of(touch, spot)
    place = rim_of(touch, env, spot, outward, size)
    lowest = ti.cast(corner[0] == 0.0, touch.real)
    local = along.transpose() @ (place - between)
    step = ti.Vector([along[2, c] for c in ti.static(range(3))])
    # Sideways only: along the normal of the face it is within whatever it is.
    t = slab_way((1.0 - pick) * local, (1.0 - pick) * step, half)
    t = ti.min(ti.max(t, -size[1] - place[2]), size[1] - place[2])
    return place + ti.Vector([0.0, 0.0, lowest * t])


@ti.func
def least_face(facing):
    """1 for the axes of a face, 0 for that which looks out most."""
    one = ti.cast(facing[0] >= ti.max(facing[1], facing[2]), ti.f32)
    other = (1.0 - one) * ti.cast(facing[1] >= facing[2], ti.f32)
    return ti.Vector([1.0 - one, 1.0 - other, one + other])


@ti.func
def onto_end(start, corner, along, size, half):
    """(3,) the way of a corner along edges of its face to over the end of a cylinder.

    Along those that cross the end first, then to where the others come nearest.
    """
    free = least_face(ti.Vector([ti.abs(along[2, c]) for c in ti.static(range(3))]))
    place = ti.Vector([start[0], start[1]])
    way = ti.Vector([0.0, 0.0, 0.0])
    used = ti.Vector([0.0, 0.0, 0.0])
    for k in ti.static(range(6)):
        c = ti.static(k % 3)
        edge = ti.Vector([-corner[c] * along[0, c], -corner[c] * along[1, c]])
        steep = edge.dot(edge) + TINY
        back = place.dot(edge)
        room = place.dot(place) - size[0] * size[0]
        crosses = back * back - steep * room
        t = (-back - ti.sqrt(ti.max(crosses, TINY))) / steep
        allowed = free[c] * ti.cast(room > 0.0, ti.f32)
        if ti.static(k < 3):
            allowed *= ti.cast(crosses > 0.0, ti.f32)
        t = allowed * ti.min(ti.max(t, 0.0), 2.0 * half[c] - used[c])
        used[c] += t
        place += t * edge
        way += (-corner[c] * t) * ti.Vector([along[0, c], along[1, c], along[2, c]])
    return way


@ti.func
def onto_side(start, near, corner, along, size, half):
    """(3,) the way of a corner along edges of its face to where they are nearest to the axis of a cylinder.

    The edge that lies along the cylinder is followed to over it, the other one to where it is nearest.
    """
    apart = ti.sqrt(near[0] * near[0] + near[1] * near[1] + TINY)
    facing = ti.Vector([ti.abs(near[0] * along[0, c] + near[1] * along[1, c]) / apart for c in ti.static(range(3))])
    free = least_face(facing)
    rise = ti.Vector([free[c] * ti.abs(along[2, c]) for c in ti.static(range(3))])
    lies = 1.0 - least_face(rise)
    lying = ti.Vector([sum_at(lies, along, corner, c) for c in ti.static(range(3))])
    crossing = ti.Vector([sum_at(free - lies, along, corner, c) for c in ti.static(range(3))])
    far = ti.Vector([size[1], size[1], size[1]])
    high = ti.Vector([start[2], 0.0, 0.0])
    t = slab_way(high, ti.Vector([lying[2], 0.0, 0.0]), far)
    t = ti.min(ti.max(t, 0.0), 2.0 * lies.dot(half))
    x = start[0] + t * lying[0]
    y = start[1] + t * lying[1]
    s = -(x * crossing[0] + y * crossing[1]) / (crossing[0] * crossing[0] + crossing[1] * crossing[1] + TINY)
    s = ti.min(ti.max(s, 0.0), 2.0 * (free - lies).dot(half))
    return t * lying + s * crossing


@ti.func
def sum_at(weights, along, corner, c: ti.template()):
    """Towards the other corner of edges."""
    return -(
        weights[0] * corner[0] * along[c, 0]
        + weights[1] * corner[1] * along[c, 1]
        + weights[2] * corner[2] * along[c, 2]
    )
