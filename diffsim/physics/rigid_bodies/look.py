"""How planar rigid bodies look, with what they meet, what joins them and how hard they press."""

from __future__ import annotations

import numpy as np

from diffsim.physics.rigid_bodies.bodies import HalfPlane, Shape
from diffsim.physics.rigid_bodies.joints import Connection, Pin, Rope, Slider, Spring, Weld, in_world
from diffsim.physics.rigid_bodies.scene import Elements
from diffsim.physics.rigid_bodies.series import series_of
from diffsim.rollout import Rollout
from diffsim.viewing.colours import MOTOR, MUSCLE, Colour, Driven, ball_colours, body_colours
from diffsim.viewing.forces import arrow_ways
from diffsim.viewing.look import Arrows, Bodies, Fixed, Joint, Joints, Look, Trail
from diffsim.viewing.parts import Part
from diffsim.viewing.planes import Floor
from diffsim.viewing.shaped import WILD, tame
from diffsim.viewing.style import STYLE
from diffsim.viewing.trails import trail_of_all, trails_of_each

__all__ = ["look"]

# A half-plane whose line is less than this from the horizontal [rad] is ground to stand on; else it is a wall.
STEEPEST = 1.2

KINDS: dict[type, str] = {Pin: "pin", Weld: "weld", Slider: "slider", Rope: "rope", Spring: "spring"}


def look(rollout: Rollout) -> Look:
    """What is to be seen of a `RigidBodies` rollout of one environment."""
    scene = rollout.problem.scene
    numbers = {name: rollout.numbers[f"scene.{name}"] for name in scene.numbers()}
    elements, gravity = scene.elements(numbers), numbers["gravity"]
    planes = [_floor(plane, gravity) for plane in elements.obstacles if isinstance(plane, HalfPlane)]
    planes.sort(key=lambda plane: -plane.normal[1])  # the most level one is the ground
    table = len(planes) > 1 and not gravity.any()  # nothing pulls anything down: it is seen from above
    ground = planes.pop(0) if planes and not table and _is_level(planes[0]) else None
    colours = _colours(elements, table)
    parts = [_part(body, *colours[k], k, ball=table) for k, body in enumerate(elements.bodies)]
    bodies = Bodies(rollout["position"], rollout["angle"], parts)
    solid = [shape for shape in elements.obstacles if not isinstance(shape, HalfPlane)]
    stands = ("cushion", "rail") if table else ("soil", "surface")
    obstacles = [_part(shape, *stands, at=shape.position, turn=shape.angle) for shape in solid]
    links = (*elements.joints, *elements.springs)
    found = [Fixed(obstacles), bodies, *_trails(bodies, parts, colours, joined=bool(links), table=table)]
    if links:
        joints = [_joint(link) for link in links]
        down = gravity / np.linalg.norm(gravity) if gravity.any() else (0.0, -1.0)
        found.append(Joints(bodies, joints, _driven(scene, elements), down))
    size = float(np.median([part.reach for part in parts])) if parts else 1.0
    found += _drives(rollout, elements, size) + _contacts(rollout, bodies, size)
    reach = _reach(rollout, parts, obstacles, links)
    return Look(found, ground=ground, walls=planes, reach=reach, series=series_of(rollout), table=table)


def _colours(elements: Elements, table: bool) -> list[tuple[str, str]]:
    """What fills and what outlines each body; on a table what moves at the start has the colour of a cue ball."""
    if not table:
        return [body_colours(family) for family in _families(len(elements.bodies), elements.joints)]
    moves = [bool(np.any(body.velocity)) for body in elements.bodies]
    ranks = np.cumsum(np.logical_not(moves)) - 1
    return [STYLE.cue if moving else ball_colours(int(k)) for k, moving in zip(ranks, moves, strict=True)]


def _trails(
    bodies: Bodies, parts: list[Part], colours: list[tuple[str, str]], *, joined: bool, table: bool
) -> list[Trail]:
    """Of what is joined one, of its middle; of bodies that are alone one each, in their own colour."""
    if joined:
        return trail_of_all(bodies)
    reach = np.array([part.reach for part in parts])
    return trails_of_each(bodies, reach, [fill if table else edge for fill, edge in colours])


def _part(shape: Shape, fill: Colour, edge: Colour, body: int = 0, *, ball: bool = False, **placed: object) -> Part:
    core, given = shape.core, {"fill": fill, "edge": edge, "body": body, **placed}
    if len(core) == 1:
        return Part("ball" if ball else "disc", shape.margin, **given)  # type: ignore[arg-type]
    if len(core) == 2:
        return Part("capsule", (shape.margin, core[1, 0]), **given)  # type: ignore[arg-type]
    return Part("polygon", corners=core, **given)  # type: ignore[arg-type]


def _families(n: int, joints: tuple[object, ...]) -> list[int]:
    """Of each of n bodies: those that are welded together are one family, numbered from 0."""
    family = list(range(n))
    for joint in joints:
        if isinstance(joint, Weld) and joint.second is not None:
            one, other = sorted((family[joint.first], family[joint.second]))
            family = [one if mine == other else mine for mine in family]
    return [sorted(set(family)).index(mine) for mine in family]


def _floor(plane: HalfPlane, gravity: np.ndarray) -> Floor:
    floor = Floor(plane.normal, float(plane.normal @ plane.position))
    return Floor(floor.normal, floor.height, shadows=bool(_is_level(floor) and gravity @ plane.normal < 0.0))


def _is_level(plane: Floor) -> bool:
    return bool(plane.normal[1] > np.cos(STEEPEST))


def _joint(link: Connection) -> Joint:
    owners = (int(link.first), -1 if link.second is None else int(link.second))
    axis = float(link.axis_angle) if isinstance(link, Slider) else 0.0
    return Joint(KINDS[type(link)], owners, link.anchors, axis, float(link.length) if isinstance(link, Rope) else 0.0)


def _driven(scene: object, elements: Elements) -> list[Driven]:
    """Muscles come first among actuators, then motors."""
    muscles, motors = scene.driven_springs, scene.driven_joints  # type: ignore[attr-defined]
    changes = np.array([elements.springs[k].actuation for k in muscles])
    found = []
    if len(muscles):
        gains = changes / (np.abs(changes).max() or 1.0)
        found.append(Driven(len(elements.joints) + muscles, np.arange(len(muscles)), gains, MUSCLE))
    if len(motors):
        found.append(Driven(motors, len(muscles) + np.arange(len(motors)), 1.0, MOTOR))
    return found


def _drives(rollout: Rollout, elements: Elements, size: float) -> list[Arrows]:
    """The forces of thrusters and of recorded pushes, where they act."""
    place, angle = tame(rollout["position"]), tame(rollout["angle"])
    time = rollout.time[:-1]
    points, forces = [], []
    asked = rollout["actuation"] if elements.thrusters else np.zeros((len(time), 0))
    for thruster, share in zip(elements.thrusters, asked.T[asked.shape[1] - len(elements.thrusters) :], strict=True):
        turned = angle[:-1, thruster.body] * thruster.turns + thruster.angle
        forces.append((thruster.thrust * share)[:, None] * np.stack([np.cos(turned), np.sin(turned)], axis=1))
        points.append(in_world(place[:-1], angle[:-1], np.array([thruster.body]), thruster.point[None])[:, 0])
    for push in elements.pushes:
        moments = push.start + push.every * np.arange(len(push.forces))
        inside = (time >= moments[0]) & (time <= moments[-1])
        forces.append(np.stack([np.interp(time, moments, part) * inside for part in push.forces.T], axis=1))
        points.append(in_world(place[:-1], angle[:-1], np.array([push.body]), push.point[None])[:, 0])
    if not points:
        return []
    return [Arrows(np.stack(points, axis=1), arrow_ways(np.stack(forces, axis=1), 2.0 * size))]


def _reach(rollout: Rollout, parts: list[Part], obstacles: list[Part], links: tuple[Connection, ...]) -> float:
    """How far bodies may get before the camera gives them up: by the size of all that there is at the start [m]."""
    place, size = tame(rollout["position"])[0], np.array([part.reach for part in parts])[:, None]
    around = [place - size, place + size, *(link.anchors[1:] for link in links if link.second is None)]
    for part in obstacles:
        points = part.placed(part.core)
        around += [points - part.margin, points + part.margin]
    every = np.concatenate(around)
    every = every[np.isfinite(every).all(axis=1)]
    return WILD * (float(np.ptp(every, axis=0).max()) if len(every) else 1.0)


def _contacts(rollout: Rollout, bodies: Bodies, size: float) -> list[Arrows]:
    """The forces on bodies where they press: one by an obstacle, two between bodies; dots if no normal is recorded."""
    scene, arrays = rollout.problem.scene, rollout.arrays
    if not all(f"contact_{name}" in arrays for name in ("point", "force", "pair")):
        return []
    pair = np.asarray(arrays["contact_pair"]).astype(int)
    force = tame(arrays["contact_force"])
    with np.errstate(invalid="ignore"):
        there = (np.linalg.norm(force, axis=2) > 0.0) & (pair >= 0)
    # Slots are as many as pairs could touch; few ever do at a time.
    most = int(there.sum(axis=1).max(initial=0))
    if most == 0:
        return []
    slots = np.argsort(~there, axis=1, kind="stable")[:, :most]

    def chosen(array: np.ndarray) -> np.ndarray:
        return np.take_along_axis(np.asarray(array), slots[..., None] if array.ndim == 3 else slots, axis=1)

    seen = chosen(there)[..., None]
    points, force = np.where(seen, tame(chosen(arrays["contact_point"])), np.nan), np.where(seen, chosen(force), np.nan)
    if "contact_normal" not in arrays:
        return [Arrows(points, np.where(seen, 0.0, np.nan) * np.ones(2))]
    normals = chosen(arrays["contact_normal"])
    shapes = scene.pairs[np.maximum(chosen(pair), 0)]
    # Whichever way the normal points, a body is pushed to its own side. The first of a pair always is a body.
    inwards = np.take_along_axis(bodies.places[: len(pair)], shapes[..., :1], axis=1) - points
    across = np.stack([-normals[..., 1], normals[..., 0]], axis=-1)
    both = force[..., :1] * normals + force[..., 1:] * across
    with np.errstate(invalid="ignore"):
        away = (inwards * normals).sum(axis=-1, keepdims=True) < 0.0
    ways = arrow_ways(np.where(away, -1.0, 1.0) * both, size)
    second = np.where(shapes[..., 1:] < len(scene.bodies), -ways, np.nan)
    return [Arrows(np.concatenate([points, points], axis=1), np.concatenate([ways, second], axis=1))]
