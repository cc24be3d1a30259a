"""How articulated robots look: links in space, their joints and sites, what the world has, and where they touch."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from diffsim.errors import StartWarning
from diffsim.physics.articulated.geoms import SIZES, Geom
from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.pairs import grids, spots
from diffsim.physics.articulated.quaternions import rotation_of
from diffsim.physics.articulated.scene import Articulated
from diffsim.physics.articulated.series import series_of
from diffsim.physics.articulated.string_places import string_places
from diffsim.rollout import Rollout
from diffsim.viewing.colours import MOTOR, Colour, Driven, body_colours, rgba_of
from diffsim.viewing.extent import size_of
from diffsim.viewing.forces import arrow_ways
from diffsim.viewing.look import Arrows, Bodies, Element, Fixed, Joint, Joints, Look, Points, Segments, Sites, Surface
from diffsim.viewing.parts import Part
from diffsim.viewing.planes import Floor
from diffsim.viewing.shaped import tame
from diffsim.viewing.trails import trail_of_all

__all__ = ["look", "outlook"]

# A usual contact force's arrow has this share of the robot's size; one that is no hundredth of it would be a dot.
ARROW, LEAST = 0.3, 0.01

# A level box that reaches this many sizes of the robot to all sides is ground, where there is no plane.
SLAB = 3.0

# Heights of a field that are drawn, at most, along a side.
FINEST = 65

# A plane is ground to stand on if its normal points up at least this much; else it is a wall.
LEVEL = 0.3

# MuJoCo's colour of what has been given none.
GREY = (0.5, 0.5, 0.5)

# An outline has this share of the brightness of what it is around.
DARKER = 0.52

# Radius of what stands for a link that has no shape, as a share of the longest of them.
BONE = 0.06


def look(rollout: Rollout) -> Look:
    """What is to be seen of an `Articulated` rollout of one environment."""
    scene: Articulated = rollout.problem.scene
    n = len(scene.links)
    shapes = _shapes(rollout)
    places = tame(rollout["position"])[:, :n]
    turns = rollout["rotation"].reshape(len(places), n, 3, 3)
    bodies = Bodies(places, turns, [shape.part for shape in shapes if shape.part is not None and shape.owner >= 0])
    size = size_of(bodies)
    scenery = [shape for shape in shapes if shape.owner < 0]
    planes = sorted(filter(None, (shape.plane for shape in scenery)), key=lambda floor: -float(floor.normal[2]))
    planes = [*_slab(scenery, planes, SLAB * size), *planes]
    ground = planes.pop(0) if planes and planes[0].normal[2] > LEVEL else None
    sites = scene.all_sites
    at = np.array([site.position for _, site in sites]).reshape(-1, 3)
    elements: list[Element] = [
        Fixed([shape.part for shape in scenery if shape.part is not None]),
        bodies,
        _joints(rollout, bodies),
        *_strings(rollout),
        Sites(bodies, [owner for owner, _ in sites], at),
        *trail_of_all(bodies),
        *_contacts(rollout, ARROW * size),
    ]
    series = series_of(rollout)
    return Look(elements, ground, planes, roams=_loose(scene), outlook=outlook(scene), series=series)


@dataclass(frozen=True, eq=False)
class _Shape:
    """A geom with its numbers as tuned, of a link or of the world (-1): a part, or a plane.

    A box of the world that is taken for the ground loses its part.
    """

    owner: int
    part: Part | None
    plane: Floor | None = None


def _shapes(rollout: Rollout) -> list[_Shape]:
    """All geoms of a scene: numbers of which may be tuned are the rollout's, others those of the scene."""
    scene, numbers = rollout.problem.scene, rollout.numbers
    members, limbs = scene.all_geoms, _limbs(scene)
    size = np.zeros((len(members), 3))
    for k, (_, geom) in enumerate(members):
        size[k, : SIZES[geom.shape]] = geom.size
    size = np.asarray(numbers.get("scene.geom_size", size))
    at = numbers.get("scene.geom_position", np.array([geom.position for _, geom in members]).reshape(-1, 3))
    turned = numbers.get("scene.geom_orientation", np.array([g.orientation for _, g in members]).reshape(-1, 4))
    bones = [(owner, bone, bone.position, bone.orientation, np.array(bone.size)) for owner, bone in _bones(scene)]
    given = [(owner, geom, at[k], turned[k], size[k]) for k, (owner, geom) in enumerate(members)]
    found, starts = [], [*grids(scene).tolist(), *([(0, 0, 0)] * len(bones))]
    for (owner, geom, place, quaternion, sizes), (start, rows, columns) in zip([*given, *bones], starts, strict=True):
        rotation = rotation_of(quaternion)
        if not geom.visible:
            continue
        if geom.shape == "hfield":
            heights = np.asarray(numbers.get("scene.heights", geom.heights)).ravel()
            heights = heights[start : start + rows * columns] if "scene.heights" in numbers else heights
            found.append(_land(geom, place, rotation, sizes[:2], heights.reshape(rows, columns)))
            continue
        if geom.shape == "plane":
            if owner < 0:
                normal = rotation[:, 2]
                found.append(_Shape(owner, None, Floor(normal, float(normal @ place))))
            continue
        fill, edge = _colours(geom.colour, limbs[owner] if owner >= 0 else -1)
        sizes = sizes[: SIZES[geom.shape]]
        part = Part(
            "box" if geom.shape == "mesh" else geom.shape,
            sizes,
            at=place,
            turn=rotation,
            fill=fill,
            edge=edge,
            body=max(owner, 0),
        )
        found.append(_Shape(owner, part))
    return [*found, *_meshes(scene, limbs)]


def _land(geom: Geom, place: np.ndarray, rotation: np.ndarray, size: np.ndarray, heights: np.ndarray) -> _Shape:
    """A height field as a surface; of a very fine one every so many heights."""
    rows, columns = (np.unique(np.linspace(0, n - 1, min(n, FINEST)).astype(int)) for n in heights.shape)
    y, x = (2.0 * which / (n - 1) - 1.0 for which, n in zip((rows, columns), heights.shape, strict=True))
    x, y = np.meshgrid(x * size[0], y * size[1])
    vertices = np.stack([x, y, heights[np.ix_(rows, columns)]], axis=-1).reshape(-1, 3)
    number = np.arange(len(vertices)).reshape(x.shape)
    a, b, c, d = number[:-1, :-1], number[:-1, 1:], number[1:, 1:], number[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]).reshape(-1, 3)
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    middle, half = 0.5 * (low + high), np.maximum(0.5 * (high - low), 1e-3)
    fill, edge = _colours(geom.colour, -1)
    at = place + rotation @ middle
    return _Shape(-1, Part("mesh", half, None, at, rotation, fill, edge, 0, Surface(vertices - middle, faces)))


def _meshes(scene: Articulated, limbs: list[int]) -> list[_Shape]:
    """What is only seen, of links and of the world."""
    surfaces = {}
    for mesh in scene.meshes:
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        middle = 0.5 * (low + high)
        surfaces[mesh.name] = (middle, 0.5 * (high - low), Surface(mesh.vertices - middle, mesh.faces))
    found = []
    for owner, visuals in [(-1, scene.visuals), *((k, link.visuals) for k, link in enumerate(scene.links))]:
        for visual in visuals:
            middle, size, surface = surfaces[visual.mesh]
            turn = rotation_of(visual.orientation)
            fill, edge = _own(visual.colour, limbs[owner] if owner >= 0 else -1)
            at = visual.position + turn @ middle
            found.append(_Shape(owner, Part("mesh", size, None, at, turn, fill, edge, max(owner, 0), surface)))
    return found


def _bones(scene: Articulated) -> list[tuple[int, Geom]]:
    """Of links without geoms, as of a robot whose meshes are left out: capsules to the links that they carry."""
    bare, spans = {k for k, link in enumerate(scene.links) if not (link.geoms or link.visuals)}, []
    for k, (link, parent) in enumerate(zip(scene.links, scene.parents, strict=True)):
        if parent in bare and np.linalg.norm(link.position) > 1e-9:
            spans.append((k, parent, link.position))
    longest = max((float(np.linalg.norm(way)) for _, _, way in spans), default=0.0)
    found = []
    for k, parent, way in spans:
        long = float(np.linalg.norm(way))
        # The rotation by half a turn about the middle between both takes the z axis to the way.
        middle = way / long + (0.0, 0.0, 1.0)
        turned = (0.0, *middle) if np.linalg.norm(middle) > 1e-6 else (0.0, 1.0, 0.0, 0.0)
        size = (BONE * longest, 0.5 * long)
        found.append((parent, Geom(f"bone {k}", "capsule", size, position=0.5 * way, orientation=turned)))
    return found


def _limbs(scene: Articulated) -> list[int]:
    """Of each link: 0 in the trunk, up to where the tree first branches, then the number of its branch."""
    children = [[c for c, parent in enumerate(scene.parents) if parent == k] for k in range(len(scene.links))]
    limbs, count = [0] * len(scene.links), 0
    for k, parent in enumerate(scene.parents):
        if parent < 0:
            continue
        if len(children[parent]) > 1:
            count += 1
            limbs[k] = count
        else:
            limbs[k] = limbs[parent]
    return limbs


def _colours(given: np.ndarray | None, limb: int) -> tuple[Colour, Colour]:
    """What fills and what outlines a geom with this colour, of a limb; -1 is the world's."""
    if given is None or np.allclose(given[:3], GREY):
        fill, edge = ("soil", "surface") if limb < 0 else body_colours(limb)
        if given is not None and len(given) > 3:
            return (*rgba_of(fill)[:3], float(given[3])), edge
        return fill, edge
    return _own(given, limb)


def _own(given: np.ndarray | None, limb: int) -> tuple[Colour, Colour]:
    """The same where grey is a colour, too, as of meshes."""
    if given is None:
        return _colours(None, limb)
    return np.clip(given, 0.0, 1.0), np.clip(DARKER * given[:3], 0.0, 1.0)


def _slab(scenery: list[_Shape], planes: list[Floor], reach: float) -> list[Floor]:
    """A plane in place of a level box of the world that reaches this far [m], if no other plane is level."""
    if planes and planes[0].normal[2] > 0.5:
        return []
    for k, shape in enumerate(scenery):
        if shape.part is None or shape.part.shape != "box":
            continue
        turn, size = shape.part.turn, shape.part.size
        upright = int(np.argmax(np.abs(turn[2])))
        normal = turn[:, upright] * np.sign(turn[2, upright])
        if normal[2] > 0.99 and np.delete(size, upright).min() > reach:
            scenery[k] = _Shape(-1, None)
            return [Floor(normal, float(normal @ shape.part.at + size[upright]))]
    return []


def _joints(rollout: Rollout, bodies: Bodies) -> Joints:
    """Where links are joined, in the colours of their motors where they have some."""
    scene: Articulated = rollout.problem.scene
    motors = {actuator.joint: k for k, actuator in enumerate(scene.actuators)}
    anchors = rollout.numbers.get("scene.anchor", np.array([joint.anchor for joint in scene.joints]))
    found: list[Joint] = []
    driven: list[tuple[int, int]] = []
    at = 0
    for k, link in enumerate(scene.links):
        # Several joints at one place have one dot.
        places: dict[tuple[float, ...], list[int]] = {}
        for joint in link.joints:
            if joint.motion in ("hinge", "ball") and (scene.parents[k] >= 0 or joint.name in motors):
                own = places.setdefault(tuple(anchors[at].tolist()), [])
                own += [motors[joint.name]] if joint.name in motors else []
            at += 1
        for place, own in places.items():
            driven += [(len(found), motor) for motor in own]
            found.append(Joint("pin", (k, scene.parents[k]), [place]))
    if not driven:
        return Joints(bodies, found)
    which, actuators = np.array(driven).T
    return Joints(bodies, found, Driven(which, actuators, _gains(rollout)[actuators], MOTOR))


def _strings(rollout: Rollout) -> list[Segments]:
    """Strings as they run with the numbers of the rollout, in the colours of what draws them; nothing without any."""
    scene: Articulated = rollout.problem.scene
    if not any(tendon.path for tendon in scene.tendons):
        return []
    known = scene.numbers()
    tuned = {n.removeprefix("scene."): v for n, v in rollout.numbers.items() if n.removeprefix("scene.") in known}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", StartWarning)
        points, ends, names = string_places(scene.with_numbers(tuned), tame(rollout["joint_position"]), rollout.time)
    drawing = {actuator.tendon: k for k, actuator in enumerate(scene.actuators)}
    driven = [(line, drawing[name]) for line, name in enumerate(names) if name in drawing]
    if not driven:
        return [Segments(Points(points), ends)]
    which, actuators = np.array(driven).T
    return [Segments(Points(points), ends, driven=Driven(which, actuators, _gains(rollout)[actuators], MOTOR))]


def _gains(rollout: Rollout) -> np.ndarray:
    """(actuators,) One without a range is shown against the most that it is ever asked for."""
    actuators = rollout.problem.scene.actuators
    endless = np.array([actuator.control_range is None for actuator in actuators], dtype=bool)
    asked = rollout.arrays.get("actuation")
    if asked is None or not len(asked):
        return np.ones(len(actuators))
    most = np.abs(np.nan_to_num(np.asarray(asked, dtype=float))).max(axis=0, initial=1e-12)
    return 1.0 / np.where(endless, most, 1.0)


def _contacts(rollout: Rollout, size: float) -> list[Arrows]:
    """Forces on links: at a spot between two links there are two; nothing where none are recorded."""
    scene, arrays = rollout.problem.scene, rollout.arrays
    if "contact_point" not in arrays or "contact_force" not in arrays:
        return []
    own = [[scene.all_geoms[k][0] >= 0 for k in spot.geoms] for spot in spots(scene)]
    if not own:
        return []
    first, second = np.array(own, dtype=bool).T[..., None]
    points = tame(arrays["contact_point"])
    ways = arrow_ways(tame(arrays["contact_force"]), size, LEAST * size)
    both = [np.where(second, ways, np.nan), np.where(first, -ways, np.nan)]
    return [Arrows(np.concatenate([points, points], axis=1), np.concatenate(both, axis=1))]


def _loose(scene: Articulated) -> bool:
    """Whether a link of the world can go anywhere: no limits end its way."""
    roots = [link for link, parent in zip(scene.links, scene.parents, strict=True) if parent < 0]
    return any(
        joint.motion == "free" or (joint.motion == "slide" and joint.limits is None)
        for link in roots
        for joint in link.joints
    )


def outlook(scene: Articulated) -> tuple[float, float]:
    """Azimuth and elevation of the eye [degrees]: what moves in a plane is seen from its side, or from above."""
    pose = forward_kinematics(scene, scene.initial_position)
    normal = None
    if all(joint.motion in ("hinge", "slide") for joint in scene.joints):
        turns = pose.turn[np.linalg.norm(pose.turn, axis=1) > 0.5]
        if len(turns):
            apart = np.concatenate([np.cross(turns, turns[0]).ravel(), pose.slide @ turns[0]])
            normal = turns[0] if np.abs(apart).max() < 1e-3 else None
    if normal is None:
        return -62.0, 20.0
    if abs(normal[2]) > 0.99:
        return -90.0, 55.0
    if abs(normal[2]) > 0.01:
        return -62.0, 20.0
    # Of both sides, that from which x (or y, if there is no x) goes to the right.
    right = np.array([-normal[1], normal[0]])
    flip = right[0] < -1e-6 or (abs(right[0]) <= 1e-6 and right[1] < 0.0)
    side = -normal if flip else normal
    return float(np.degrees(np.arctan2(side[1], side[0]))), 9.0
