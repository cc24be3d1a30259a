"""Where spheres and capsules meet cylinders: at the ends of a capsule, and at the point between that is nearest."""

import taichi as ti

from diffsim.physics.articulated.compliance import TINY, corner_of
from diffsim.physics.articulated.rotation import unpacked

__all__ = ["meet_tube"]

SHORT = 1.0e-7
"""Added to a squared half length [m^2]: spheres are capsules without length."""


@ti.func
def onto(place, radius, half):
    """The nearest point of a solid cylinder about z, in its own frame."""
    across = ti.sqrt(place[0] * place[0] + place[1] * place[1] + TINY)
    share = ti.min(radius / across, 1.0)
    return ti.Vector([share * place[0], share * place[1], ti.min(ti.max(place[2], -half), half)])


@ti.func
def nearer(t, centre, axis, radius, half):
    """A point of a capsule's axis, from -1 to 1, that is nearer to a cylinder: onto it, and back onto the axis."""
    aim = onto(centre + t * axis, radius, half) - centre
    return ti.min(ti.max(axis.dot(aim) / (axis.dot(axis) + SHORT), -1.0), 1.0)


@ti.func
def meet_tube(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """A point of a sphere or capsule, the first geom, and a cylinder.

    The point between the ends fades out within a radius of them, as over boxes.
    """
    part = element // touch.tubes
    pair = touch.rounds + touch.boxes + touch.points + touch.flats + element - part * touch.tubes
    spot = touch.planes + pair
    a = touch.first[spot]
    b = touch.second[spot]
    store = part * touch.couples + pair
    frame = part * tree.frames + touch.frame[b]
    turned = unpacked(motion.rotation[env, row, frame])
    middle = motion.position[env, row, frame] + turned @ touch.geom_position[env, b]
    out_of = turned @ unpacked(touch.turn[env, b])
    back = out_of.transpose()
    centre = back @ (touch.centre[env, row, part * touch.geoms + a] - middle)
    axis = back @ touch.axis[env, row, part * touch.geoms + a]
    radius = touch.geom_size[env, b][0]
    half = touch.geom_size[env, b][1]
    own = touch.geom_size[env, a][0]
    reach = own + touch.margin[env, spot]
    end = corner_of(touch, spot)[2]
    between = (1.0 - end * end) * (1.0 - ti.cast(touch.pointed[spot], touch.real))
    first = nearer(nearer(0.0, centre, axis, radius, half), centre, axis, radius, half)
    t = end + between * nearer(nearer(first, centre, axis, radius, half), centre, axis, radius, half)
    inside = ti.min((1.0 - ti.abs(t)) * ti.sqrt(axis.dot(axis) + TINY) / own, 1.0)
    strength = 1.0 - between * (1.0 - inside * inside * (3.0 - 2.0 * inside))
    place = centre + t * axis
    across = ti.sqrt(place[0] * place[0] + place[1] * place[1] + TINY)
    outward = ti.Vector([place[0] / across, place[1] / across, 0.0])
    up = ti.Vector([0.0, 0.0, 2.0 * ti.cast(place[2] > 0.0, touch.real) - 1.0])
    beside = across - radius
    above = ti.abs(place[2]) - half
    swapped = ti.cast(touch.flat[b], touch.real)
    if ti.max(beside, above) >= 0.0:
        face = onto(place, radius, half)
        apart = place - face
        distance = ti.sqrt(apart.dot(apart) + TINY)
        touch.overlap[env, row, store] = ti.Vector([reach - distance, strength])
        touch.toward[env, row, store] = out_of @ (-apart / distance)
        # Of two sides in the middle of what overlaps, as of capsules; over an end on the end, as over boxes. With
        # MuJoCo's law all are in the middle.
        side = ti.cast(above < 0.0, touch.real)
        deep = 0.5 * ti.max(side, ti.static(1.0 if touch.soft else 0.0)) * (own - distance)
        touch.place_of[env, row, store] = middle + out_of @ (face - (deep / distance) * apart)
        if ti.static(touch.held):
            # Over the side the normal turns about the axis, over an end it does not, over a rim in all ways.
            level = ti.cast(beside < 0.0, touch.real)
            curved = (1.0 - level) * (side / across + swapped * (1.0 - side) / distance)
            ridge = out_of @ ti.Vector([0.0, 0.0, side])
            away = swapped * (distance + deep) + (1.0 - swapped) * (side * (radius - deep) - (1.0 - side) * distance)
            touch.bend[env, row, store] = ti.Vector([ridge[0], ridge[1], ridge[2], curved, away])
    else:
        # Inside: out by the nearer one of side and end.
        nearest = ti.cast(beside >= above, touch.real)
        normal = nearest * outward + (1.0 - nearest) * up
        touch.overlap[env, row, store] = ti.Vector([reach - ti.max(beside, above), strength])
        touch.toward[env, row, store] = out_of @ (-normal)
        deep = ti.static(0.5 if touch.soft else 0.0) * (own + ti.max(beside, above))
        touch.place_of[env, row, store] = middle + out_of @ (place - deep * normal)
        if ti.static(touch.held):
            touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, (swapped - 1.0) * TINY])
