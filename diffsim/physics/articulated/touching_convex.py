"""Where ellipsoids meet what is no plane, and cylinders each other: at one spot, along the direction of least overlap.

A shape is how far it reaches in each direction, h(n): of an ellipsoid with half sizes s it is ``|s m|``, m the
direction n in its frame. Others are sums of such: a capsule is a ball and a needle along its axis, a cylinder a flat
disc and a needle, a box three needles. Needles and discs have a thickness, `THIN` times the size of the smaller one of
both shapes, so edges are round and h is smooth. They are shorter by as much: faces, ends and sides are where they are
in their middle, and towards their edges they are up to twice the thickness too low.

Along n two shapes, with c from the middle of the first to that of the second, are ``c . n - h_1(n) - h_2(n)`` apart.
The normal is the direction in which that is largest (the separating axis), whether they touch or not. It is found by
iteration, as a decision, and improved upon once by Newton's step, which gives it its derivative.
"""

from typing import Any

import taichi as ti

from diffsim.engine.stages import Stage
from diffsim.physics.articulated.compliance import TINY
from diffsim.physics.articulated.rotation import unpacked

__all__ = ["bulging"]

THIN = 2.0e-3
"""Thickness of needles and discs, over the largest half size of the smaller shape: 0.2 mm if that is 10 cm."""

MOST = 0.2
"""Their thickness at most, over the smallest half size of their shape: plates are thin."""

SHARE = (0.5, 0.8, 0.95, 1.0)
"""Of the sizes of both, while the normal is looked for: so it ends at the nearest sides if they overlap."""

TURNS = 20
"""Of Newton's steps for each of these, at most; some four are taken."""

POLISH = 6
"""Steps at most that make the normal exact to rounding; two or three are taken."""

HALVES = 12
"""Times that a step is halved at most which would bring both nearer together."""

CLOSE = 1.0e-12
"""Squared sine of a step after which the search ends; in single precision what is left is rounding."""


@ti.func
def forms_of(touch: ti.template(), env, geom, other):
    """(4, 3) squared half sizes of the ellipsoids whose sum a geom is beside another one [m^2]."""
    size = touch.geom_size[env, geom]
    beside = touch.geom_size[env, other]
    ball = ti.cast(touch.round[geom], touch.real)
    tube = ti.cast(touch.tube[geom], touch.real)
    oval = ti.cast(touch.oval[geom], touch.real)
    long = ti.cast(touch.long[geom], touch.real)
    box = 1.0 - ball - tube - oval
    shortest = ti.min(size[0], box * ti.min(size[1], size[2]) + (1.0 - box) * size[1])
    scale = ti.min(ti.max(size[0], ti.max(size[1], size[2])), ti.max(beside[0], ti.max(beside[1], beside[2])))
    thin = ti.min(ti.static(THIN) * scale, ti.static(MOST) * shortest)
    # Each is smaller by what the others add, so that the middles of faces, ends and sides are where they are.
    radius = size[0] - (tube + long) * thin
    half = tube * (size[1] - thin) + long * (size[1] + thin)
    ends = size - 2.0 * thin
    needle = thin * thin
    return ti.Matrix(
        [
            [
                (ball + tube) * radius * radius + oval * size[0] * size[0],
                (ball + tube) * radius * radius + oval * size[1] * size[1],
                ball * radius * radius + tube * needle + oval * size[2] * size[2],
            ],
            [box * ends[0] * ends[0], box * needle, box * needle],
            [box * needle, box * ends[1] * ends[1], box * needle],
            [
                (box + tube + long) * needle,
                (box + tube + long) * needle,
                box * ends[2] * ends[2] + half * half,
            ],
        ]
    )


@ti.func
def reach(forms, frame, n):
    """(4, 3) of a sum of ellipsoids: in the first row its farthest place along n, then how that turns with n.

    Args:
        forms: (4, 3) squared half sizes [m^2].
        frame: (3, 3) from its frame to the world.
        n: (3,) direction in the world.
    """
    m = frame.transpose() @ n
    place = ti.Vector([0.0, 0.0, 0.0])
    bends = ti.Matrix([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    for k in ti.static(range(4)):
        squares = ti.Vector([forms[k, 0], forms[k, 1], forms[k, 2]])
        far = squares * m
        inverse = 1.0 / ti.sqrt(far.dot(m) + ti.static(TINY * TINY))
        own = inverse * far
        place += own
        bends += inverse * (
            ti.Matrix([[squares[0], 0.0, 0.0], [0.0, squares[1], 0.0], [0.0, 0.0, squares[2]]]) - own.outer_product(own)
        )
    place = frame @ place
    bends = frame @ bends @ frame.transpose()
    return ti.Matrix(
        [
            [place[0], place[1], place[2]],
            [bends[0, 0], bends[0, 1], bends[0, 2]],
            [bends[1, 0], bends[1, 1], bends[1, 2]],
            [bends[2, 0], bends[2, 1], bends[2, 2]],
        ]
    )


@ti.func
def better(n, between, both, size, gap):
    """The direction after Newton's step towards that in which two shapes are farthest apart.

    Args:
        n: (3,) unit vector.
        between: (3,) from the middle of the first to that of the second [m].
        both: (4, 3) sum of what `reach` gives of both.
        size: a length like theirs [m].
        gap: how far they are apart, or overlap [m].
    """
    lacks = between - ti.Vector([both[0, 0], both[0, 1], both[0, 2]])
    across = lacks - lacks.dot(n) * n
    bends = ti.Matrix([[both[i + 1, j] for j in range(3)] for i in range(3)])
    bends += ti.Matrix(
        [[(size - gap) * n[i] * n[j] + (gap if i == j else 0.0) for j in ti.static(range(3))] for i in range(3)]
    )
    turned = n + bends.inverse() @ across
    return turned / ti.sqrt(turned.dot(turned))


@ti.func
def slope_at(n, between, both):
    """Squared rate at which the distance along a direction changes with it [m^2]; zero where it is largest."""
    lacks = between - ti.Vector([both[0, 0], both[0, 1], both[0, 2]])
    across = lacks - lacks.dot(n) * n
    return across.dot(across)


@ti.func
def frame_of(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, geom):
    """(3, 3) from the frame of a geom to the world."""
    rotation = unpacked(motion.rotation[env, row, part * tree.frames + touch.frame[geom]])
    return rotation @ unpacked(touch.turn[env, geom])


@ti.func
def middle_of(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, part, geom):
    """(3,) middle of a geom in the world [m]."""
    frame = part * tree.frames + touch.frame[geom]
    rotation = unpacked(motion.rotation[env, row, frame])
    return motion.position[env, row, frame] + rotation @ touch.geom_position[env, geom]


@ti.func
def is_near(touch: ti.template(), env, a, b, between, margin):
    """Whether balls around both touch."""
    one = touch.geom_size[env, a]
    other = touch.geom_size[env, b]
    return between.dot(between) < 3.0 * (2.0 * one.dot(one) + 2.0 * other.dot(other) + margin * margin)


@ti.func
def find_normal(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """A decision: in which direction two shapes are farthest apart."""
    part = element // touch.bulges
    spot = touch.planes + touch.couples - touch.lands - touch.bulges + element - part * touch.bulges
    a = touch.first[spot]
    b = touch.second[spot]
    between = middle_of(touch, tree, motion, env, row, part, b) - middle_of(touch, tree, motion, env, row, part, a)
    size = ti.sqrt(between.dot(between) + TINY)
    n = between / size
    if between.dot(between) < TINY:
        n = ti.Vector([0.0, 0.0, 1.0])
    if is_near(touch, env, a, b, between, touch.margin[env, spot]):
        first = forms_of(touch, env, a, b)
        second = forms_of(touch, env, b, a)
        frame = frame_of(touch, tree, motion, env, row, part, a)
        other = frame_of(touch, tree, motion, env, row, part, b)
        for k in ti.static(range(len(SHARE))):
            for _turn in range(TURNS):
                both = ti.static(SHARE[k]) * (reach(first, frame, n) + reach(second, other, n))
                gap = n.dot(between) - n.dot(ti.Vector([both[0, 0], both[0, 1], both[0, 2]]))
                # Where both overlap, as if they were as far apart: a step that never goes to the other side.
                aim = better(n, between, both, size, ti.abs(gap) + ti.static(1.0e-6) * size)
                share = 1.0
                for _half in range(HALVES):
                    tried = n + share * (aim - n)
                    tried = tried / ti.sqrt(tried.dot(tried))
                    ends = ti.static(SHARE[k]) * (reach(first, frame, tried) + reach(second, other, tried))
                    if tried.dot(between) - tried.dot(ti.Vector([ends[0, 0], ends[0, 1], ends[0, 2]])) >= gap:
                        aim = tried
                        break
                    share *= 0.5
                apart = aim - n
                n = aim
                if apart.dot(apart) < CLOSE:
                    break
        # Newton's own steps, as long as they come closer to what the derivative is taken at.
        left = slope_at(n, between, reach(first, frame, n) + reach(second, other, n))
        for _last in range(POLISH):
            both = reach(first, frame, n) + reach(second, other, n)
            gap = n.dot(between) - n.dot(ti.Vector([both[0, 0], both[0, 1], both[0, 2]]))
            aim = better(n, between, both, size, gap)
            slope = slope_at(aim, between, reach(first, frame, aim) + reach(second, other, aim))
            if slope >= left:
                break
            left = slope
            n = aim
    for c in ti.static(range(3)):
        touch.found[env, row, 3 * element + c] = n[c]


@ti.func
def meet_convex(touch: ti.template(), tree: ti.template(), motion: ti.template(), env, row, step, element):
    """Depth, normal and place of two shapes, given the direction that was found."""
    part = element // touch.bulges
    pair = touch.couples - touch.lands - touch.bulges + element - part * touch.bulges
    spot = touch.planes + pair
    a = touch.first[spot]
    b = touch.second[spot]
    store = part * touch.couples + pair
    middle = middle_of(touch, tree, motion, env, row, part, a)
    between = middle_of(touch, tree, motion, env, row, part, b) - middle
    margin = touch.margin[env, spot]
    if is_near(touch, env, a, b, between, margin):
        first = forms_of(touch, env, a, b)
        second = forms_of(touch, env, b, a)
        frame = frame_of(touch, tree, motion, env, row, part, a)
        other = frame_of(touch, tree, motion, env, row, part, b)
        found = ti.Vector([touch.found[env, row, 3 * element + c] for c in ti.static(range(3))])
        both = reach(first, frame, found) + reach(second, other, found)
        gap = found.dot(between) - found.dot(ti.Vector([both[0, 0], both[0, 1], both[0, 2]]))
        n = better(found, between, both, ti.sqrt(between.dot(between) + TINY), gap)
        near = reach(first, frame, n)
        far = reach(second, other, n)
        out = ti.Vector([near[0, 0], near[0, 1], near[0, 2]])
        back = ti.Vector([far[0, 0], far[0, 1], far[0, 2]])
        touch.overlap[env, row, store] = ti.Vector([margin - n.dot(between - out - back), 1.0])
        touch.toward[env, row, store] = n
        touch.place_of[env, row, store] = middle + 0.5 * (out + between - back)
        if ti.static(touch.held):
            swapped = ti.cast(touch.flat[b], touch.real)
            # From the place to the middle of the one that moves.
            place = n.dot(0.5 * (out + between - back))
            upwards = swapped * place + (1.0 - swapped) * (n.dot(between) - place)
            touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, upwards])
    else:
        touch.overlap[env, row, store] = ti.Vector([-1.0e10, 0.0])
        touch.toward[env, row, store] = ti.Vector([0.0, 0.0, 1.0])
        touch.place_of[env, row, store] = ti.Vector([0.0, 0.0, 0.0])
        if ti.static(touch.held):
            touch.bend[env, row, store] = ti.Vector([0.0, 0.0, 0.0, 0.0, 0.0])


def bulging(touch: Any, tree: Any, motion: Any) -> tuple[Stage, ...]:
    """Where these shapes meet; nothing without any."""
    if not touch.bulges:
        return ()
    records = (touch, tree, motion)
    return (
        Stage(find_normal, records, touch.bulges, differentiable=False),
        Stage(meet_convex, records, touch.bulges),
    )
