"""What controllers and objectives read of a robot."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Stage
from diffsim.physics.articulated import compliance
from diffsim.physics.articulated.observing import VELOCITY_SCALE
from diffsim.physics.articulated.rotation import unit, unpacked
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.spatial import angular, linear

__all__ = ["stages"]


@dataclass(frozen=True)
class Seen:
    """Of every joint that is seen: fields (k,) of whole numbers."""

    scalar: Any  # where the position of a hinge or slide is
    scalar_at: Any  # where it goes in the observation
    around: Any  # 1 for a hinge without limits, of which sine and cosine are seen
    ball: Any  # where the quaternion of a ball begins
    ball_at: Any
    free: Any  # link of a free joint
    free_at: Any
    velocity_at: int
    touch_at: int
    counts: tuple[int, int, int]


def _seen(scene: Articulated, fields: Fields) -> Seen:
    scalar, ball, free = [], [], []
    at = coordinate = 0
    for k, link in enumerate(scene.links):
        for joint in link.joints:
            if joint.motion == "free":
                free.append((k, at))
                at += 6
            elif joint.motion == "ball":
                ball.append((coordinate, at))
                at += 4
            elif joint.name not in scene.unobserved:
                around = joint.motion == "hinge" and joint.limits is None
                scalar.append((coordinate, at, int(around)))
                at += 1 + around
            coordinate += joint.coordinates
    lists = [np.array(each).reshape(-1, width) for each, width in ((scalar, 3), (ball, 2), (free, 2))]
    names = ("scalar", "scalar_at", "around", "ball", "ball_at", "free", "free_at")
    columns = [fields.integers(column) for each in lists for column in each.T]
    counts = (len(scalar), len(ball), len(free))
    return Seen(**dict(zip(names, columns, strict=True)), velocity_at=at, touch_at=at + scene.freedoms, counts=counts)


@ti.func
def see_scalar(seen: ti.template(), motion: ti.template(), env, row, step, k):
    position = motion.joint_position[env, row, seen.scalar[k]]
    at = seen.scalar_at[k]
    if seen.around[k] == 1:
        motion.observation[env, row, at] = ti.sin(position)
        motion.observation[env, row, at + 1] = ti.cos(position)
    else:
        motion.observation[env, row, at] = position


@ti.func
def see_ball(seen: ti.template(), motion: ti.template(), env, row, step, k):
    first = seen.ball[k]
    q = unit(ti.Vector([motion.joint_position[env, row, first + c] for c in ti.static(range(4))]))
    for c in ti.static(range(4)):
        motion.observation[env, row, seen.ball_at[k] + c] = q[c]


@ti.func
def see_free(seen: ti.template(), motion: ti.template(), env, row, step, k):
    """Height, which way is up in the link's frame, and where its x axis points in the plane."""
    link = seen.free[k]
    at = seen.free_at[k]
    r = motion.rotation[env, row, link]
    motion.observation[env, row, at] = motion.position[env, row, link][2]
    for c in ti.static(range(3)):
        motion.observation[env, row, at + 1 + c] = r[6 + c]
    motion.observation[env, row, at + 4] = r[0]
    motion.observation[env, row, at + 5] = r[3]


@ti.func
def see_velocity(seen: ti.template(), motion: ti.template(), env, row, step, k):
    motion.observation[env, row, seen.velocity_at + k] = VELOCITY_SCALE * motion.joint_velocity[env, row, k]


@ti.func
def see_touch(seen: ti.template(), motion: ti.template(), env, row, step, k):
    motion.observation[env, row, seen.touch_at + k] = motion.touch[env, row, k]


@ti.func
def see_actuator(muscles: ti.template(), motion: ti.template(), env, row, step, k):
    motion.actuator_position[env, row, k] = motion.joint_position[env, row, muscles.coordinate[k]]
    motion.actuator_velocity[env, row, k] = motion.joint_velocity[env, row, muscles.freedom[k]]


@ti.func
def see_jointed(muscles: ti.template(), motion: ti.template(), env, row, step, element):
    see_actuator(muscles, motion, env, row, step, muscles.jointed[element])


@ti.func
def see_tied(muscles: ti.template(), rows: ti.template(), motion: ti.template(), env, row, step, element):
    """Length of the tendon, and how fast it changes."""
    k = muscles.tied[element]
    motion.actuator_position[env, row, k] = rows.length[env, row, muscles.row[k]]
    motion.actuator_velocity[env, row, k] = rows.rate[env, row, muscles.row[k]]


@ti.func
def see_resting(muscles: ti.template(), motion: ti.template(), env, row, step, element):
    """Nothing: a thruster has no position, nor has what sticks."""
    k = muscles.resting[element]
    motion.actuator_position[env, row, k] = 0.0
    motion.actuator_velocity[env, row, k] = 0.0


@ti.func
def centre(tree: ti.template(), motion: ti.template(), env, row, step, link):
    place = motion.position[env, row, link] + unpacked(motion.rotation[env, row, link]) @ tree.centre[env, link]
    motion.centre[env, row, 0] += tree.share[env, link] * place


@ti.func
def move_place(tree: ti.template(), motion: ti.template(), work: ti.template(), env, row, step, place):
    """Velocity of the origin of a link, or of a site."""
    speed = work.speed[env, row, tree.place_carrier[place]]
    arm = motion.position[env, row, place] - motion.position[env, row, tree.place_root[place]]
    motion.velocity[env, row, place] = linear(speed) + angular(speed).cross(arm)


def stages(
    scene: Articulated,
    fields: Fields,
    reads: frozenset[str],
    tree: Any,
    motion: Any,
    work: Any,
    muscles: Any,
    rows: Any,
    touch: Any,
) -> tuple[Stage, ...]:
    """What writes that of the motion which is read."""
    found = []
    if "centre" in reads:
        found.append(Stage(centre, (tree, motion), len(scene.links)))
    if "velocity" in reads:
        found.append(Stage(move_place, (tree, motion, work), tree.places))
    if "observation" in reads:
        seen = _seen(scene, fields)
        scalars, balls, frees = seen.counts
        found += [
            Stage(see_scalar, (seen, motion), scalars),
            Stage(see_ball, (seen, motion), balls),
            Stage(see_free, (seen, motion), frees),
            Stage(see_velocity, (seen, motion), scene.freedoms),
            Stage(compliance.feel, (touch, tree, motion), touch.planes if touch.felt else 0),
            Stage(see_touch, (seen, motion), touch.felt),
        ]
    if "actuator_state" in reads:
        jointed, tied, _, _, resting = muscles.counts
        found += [
            Stage(see_jointed if muscles.mixed else see_actuator, (muscles, motion), jointed),
            Stage(see_tied, (muscles, rows, motion), tied),
            Stage(see_resting, (muscles, motion), resting),
        ]
    return tuple(found)
