"""Which geoms of a robot may touch each other, and where.

A spot is one point of contact that is looked at in each step: an end of a capsule over a plane, a corner of a box, the
nearest points of two capsules.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from diffsim.errors import InputError
from diffsim.physics.articulated import softness
from diffsim.physics.articulated.geoms import SIZES, Geom, Pair
from diffsim.physics.articulated.tree import Tree

__all__ = [
    "Draft",
    "Spot",
    "Unsimulated",
    "check",
    "chosen_pairs",
    "dimensions",
    "geometry",
    "grids",
    "numbers",
    "prior",
    "renewed",
    "renewed_pairs",
    "spots",
    "touch_geoms",
    "touching",
    "twisting",
    "unsimulated",
    "welded",
]

ROUND = ("sphere", "capsule")
BOXES = ("box", "mesh")

RIM = 8
"""Points on each rim of a cylinder that touches height fields."""


class Spot(NamedTuple):
    """A point of contact.

    Attributes:
        kind: "plane" (a point of the second geom over the first one, a plane), "round" (two spheres or capsules), "box"
            (a sphere or capsule, and a box or mesh), "point" (a corner of the first geom, and a box or mesh), "flat" (a
            plane, and a cylinder or ellipsoid), "tube" (a sphere or capsule, and a cylinder), "can" (a point of the
            first geom: of a cylinder, and a box or mesh, or of these, and a cylinder), "convex" (an ellipsoid and
            anything but a plane, or two cylinders), or "field" (a point of the first geom, and a height field).
        geoms: both, as indices of the scene's ``all_geoms``.
        corner: (3,) where it is on the second geom, in half sizes; of a capsule's end in half lengths along z. Of a
            pair of a capsule and a box or cylinder, which point of the capsule: -1, 1 the ends, 0 the point nearest to
            the other. Of a point, also over a field, where it is on the first geom. Of a cylinder over a plane or a
            box which end, and which third of a turn from its lowest point.
        further: over a field, whether it is the second spot of a ball or an ellipsoid.
    """

    kind: str
    geoms: tuple[int, int]
    corner: tuple[float, float, float]
    further: bool = False


class Draft(Tree):
    """What a scene will be made of, to see which pairs it has before it is made."""

    def __init__(self, **parts: Any):
        for name, value in parts.items():
            setattr(self, name, value)


class Unsimulated(NamedTuple):
    """Pairs that may touch and are not simulated, by the names of the geoms.

    Attributes:
        own: of links of one tree.
        foreign: of two trees, or with the world.
    """

    own: list[tuple[str, str]]
    foreign: list[tuple[str, str]]


def unsimulated(scene: Tree) -> Unsimulated:
    """What `check` would refuse."""
    found = Unsimulated([], [])
    for (a, b), kind in _pairs(scene) if scene.contacts else ():
        if not kind:
            (one, first), (other, second) = (scene.all_geoms[k] for k in (a, b))
            same = min(one, other) >= 0 and scene.lineages[one][-1] == scene.lineages[other][-1]
            (found.own if same else found.foreign).append((first.name, second.name))
    return found


def touching(scene: Tree) -> tuple[tuple[int, int], ...]:
    """Pairs that may touch: a plane comes first, else of a box and something round the round one."""
    return tuple(pair for pair, kind in _pairs(scene) if kind) if scene.contacts else ()


def check(scene: Tree) -> None:
    """Raise InputError for a pair that may touch and is not simulated."""
    if not scene.contacts:
        return
    for (a, b), kind in _pairs(scene):
        if not kind:
            first, second = scene.all_geoms[a][1], scene.all_geoms[b][1]
            raise InputError(
                f"geoms {first.name!r} ({first.shape}) and {second.name!r} ({second.shape}) may touch, which is not "
                "simulated (see ds.Geom); keep them apart with exclude, or with contype and conaffinity 0"
            )


def _pairs(scene: Tree) -> list[tuple[tuple[int, int], str]]:
    geoms = scene.all_geoms
    excluded = {frozenset(pair) for pair in scene.exclude}
    chosen = chosen_pairs(scene)
    bodies = welded(scene)
    found = []
    for b in range(len(geoms)):
        for a in range(b):
            first, second = geoms[a][1], geoms[b][1]
            given = frozenset((a, b)) in chosen
            if not given and not ((first.contype & second.conaffinity) | (second.contype & first.conaffinity)):
                continue
            if not given and _related(scene, bodies, geoms[a][0], geoms[b][0]):
                continue
            if scene.contacts == "world" and min(bodies[k] if k >= 0 else -1 for k in (geoms[a][0], geoms[b][0])) >= 0:
                continue
            names = [{geom.name, *(() if given else _link_names(scene, owner))} for owner, geom in (geoms[a], geoms[b])]
            if any(frozenset((one, other)) in excluded for one in names[0] for other in names[1]):
                continue
            owners = [geoms[k][0] for k in (a, b)]
            own = min(owners) >= 0 and scene.lineages[owners[0]][-1] == scene.lineages[owners[1]][-1]
            found.append(_ordered(a, b, first, second, own))
    return found


def chosen_pairs(scene: Tree) -> dict[frozenset[int], int]:
    """Which of the scene's pairs two geoms are, by their indices."""
    if not scene.pairs:
        return {}
    index = {geom.name: k for k, (_, geom) in enumerate(scene.all_geoms)}
    return {frozenset((index[pair.first], index[pair.second])): k for k, pair in enumerate(scene.pairs)}


def _link_names(scene: Tree, owner: int) -> tuple[str, ...]:
    return (scene.links[owner].name,) if owner >= 0 else ()


def welded(scene: Tree) -> list[int]:
    """Of each link, the link that it is fixed to without a joint, in the end; -1 is the world."""
    found: list[int] = []
    for k, (link, parent) in enumerate(zip(scene.links, scene.parents, strict=True)):
        found.append(k if link.joints else (-1 if parent < 0 else found[parent]))
    return found


def _related(scene: Tree, bodies: list[int], a: int, b: int) -> bool:
    """Whether links are one rigid body, or parent and child; what is fixed to the world is nobody's parent."""
    one, other = (bodies[a] if a >= 0 else -1), (bodies[b] if b >= 0 else -1)
    if one == other:
        return True

    def above(k: int) -> int:
        parent = scene.parents[k] if k >= 0 else -1
        return bodies[parent] if parent >= 0 else -1

    return (one >= 0 and above(other) == one) or (other >= 0 and above(one) == other)


def _ordered(a: int, b: int, first: Geom, second: Geom, own: bool) -> tuple[tuple[int, int], str]:
    """A pair in its order, and its kind; "" is not simulated, as meshes of one robot are not, ``own``."""
    shapes = (first.shape, second.shape)
    if "hfield" in shapes:
        field, other = (a, b) if shapes[0] == "hfield" else (b, a)
        touches = (second if field == a else first).shape in (*ROUND, *BOXES, "cylinder", "ellipsoid")
        return (other, field), "field" if touches else ""
    if "plane" in shapes:
        plane, other = (a, b) if shapes[0] == "plane" else (b, a)
        shape = (second if plane == a else first).shape
        return (plane, other), {"cylinder": "flat", "ellipsoid": "flat", "plane": ""}.get(shape, "plane")
    if shapes[0] in ROUND and shapes[1] in ROUND:
        return (a, b), "round"
    if "cylinder" in shapes and set(shapes) & set(ROUND):
        return ((a, b) if shapes[0] in ROUND else (b, a)), "tube"
    if own and "mesh" in shapes:
        return (a, b), ""
    if set(shapes) & set(BOXES) and set(shapes) & set(ROUND):
        return ((a, b) if shapes[0] in ROUND else (b, a)), "box"
    if shapes[0] in BOXES and shapes[1] in BOXES:
        # Corners of the smaller one, so that the larger one says where out is.
        smaller = float(np.sum(np.square(first.size))) <= float(np.sum(np.square(second.size)))
        return ((a, b) if smaller else (b, a)), "point"
    if set(shapes) & set(BOXES) and "cylinder" in shapes:
        return ((a, b) if shapes[0] == "cylinder" else (b, a)), "can"
    if "ellipsoid" in shapes or shapes == ("cylinder", "cylinder"):
        return (a, b), "convex"
    return (a, b), ""


def spots(scene: Tree) -> tuple[Spot, ...]:
    """All points of contact: first those over planes, then by kind in the order of `Spot`."""
    kinds = ("plane", "round", "box", "point", "flat", "tube", "can", "convex", "field")
    found: dict[str, list[Spot]] = {kind: [] for kind in kinds}
    for pair, kind in _pairs(scene) if scene.contacts else ():
        geom = scene.all_geoms[pair[1] if kind in ("plane", "flat") else pair[0]][1]
        for corner in _corners(kind, geom) if kind else ():
            found[kind].append(Spot(kind, pair, corner))
            if kind == "field" and geom.shape in (*ROUND, "ellipsoid"):
                found[kind].append(Spot(kind, pair, corner, further=True))
        if kind == "can":
            other = scene.all_geoms[pair[1]][1]
            found[kind] += [Spot(kind, (pair[1], pair[0]), corner) for corner in _corners("point", other)]
    return tuple(spot for each in found.values() for spot in each)


def _corners(kind: str, geom: Geom) -> list[tuple[float, float, float]]:
    shape = geom.shape
    kind = {"field": "point" if shape != "capsule" else "plane"}.get(kind, kind)
    if kind in ("plane", "point") and shape == "mesh":
        return [(float(x), float(y), float(z)) for x, y, z in geom.vertices]
    if kind == "point" and shape == "cylinder":
        around = 2.0 * np.pi * np.arange(RIM) / RIM
        return [(float(np.cos(t)), float(np.sin(t)), z) for z in (-1.0, 1.0) for t in around]
    if kind in ("flat", "can"):
        return (
            [(third, 0.0, z) for z in (-1.0, 1.0) for third in (-1.0, 0.0, 1.0)] if shape == "cylinder" else [(0, 0, 0)]
        )
    if kind in ("plane", "point") and shape == "box":
        return [(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)]
    if kind == "plane" and shape == "capsule":
        return [(0.0, 0.0, -1.0), (0.0, 0.0, 1.0)]
    if kind in ("box", "tube") and shape == "capsule":
        return [(0.0, 0.0, -1.0), (0.0, 0.0, 1.0), (0.0, 0.0, 0.0)]
    return [(0.0, 0.0, 0.0)]


def grids(scene: Tree) -> np.ndarray:
    """(geoms, 3) of each geom where its heights begin among those of all, rows and columns; 0 of what is no field."""
    found, start = np.zeros((len(scene.all_geoms), 3), dtype=int), 0
    for k, (_, geom) in enumerate(scene.all_geoms):
        if geom.shape == "hfield":
            found[k] = start, *geom.heights.shape
            start += geom.heights.size
    return found


def twisting(scene: Tree) -> bool:
    """Whether there is friction against turning or rolling."""
    return any(dimensions(scene, spot) > 3 for spot in spots(scene))


def dimensions(scene: Tree, spot: Spot) -> int:
    """MuJoCo's condim of a contact: that of the pair, or of the geom with more priority, else the larger one."""
    chosen = chosen_pairs(scene).get(frozenset(spot.geoms))
    if chosen is not None:
        return int(scene.pairs[chosen].condim)
    pair = [scene.all_geoms[k][1] for k in spot.geoms]
    most = max(geom.priority for geom in pair)
    return max(1 if geom.frictionless else geom.condim for geom in pair if geom.priority == most)


def prior(scene: Tree, spot: Spot) -> int:
    """Which geom of a contact has more priority: 1 the first, 2 the second, 0 neither."""
    one, other = (scene.all_geoms[k][1].priority for k in spot.geoms)
    return int(one > other) + 2 * int(other > one)


def has_gaps(scene: Tree) -> bool:
    """Whether a link sticks to what it does not touch yet."""
    sticks = any(each.link is not None for each in scene.actuators)
    return sticks and any(each.gap for each in (*(geom for _, geom in scene.all_geoms), *scene.pairs))


def _heights(geoms: Any) -> dict[str, np.ndarray]:
    fields = [geom.heights.ravel() for _, geom in geoms if geom.shape == "hfield"]
    return {"heights": np.concatenate(fields)} if fields else {}


def _twists(geoms: Any) -> dict[str, np.ndarray]:
    return {name: np.array([getattr(geom, name) for _, geom in geoms]) for name in ("torsion", "rolling")}


def _of_pairs(scene: Tree) -> dict[str, np.ndarray]:
    gap, twist = ("gap",) * has_gaps(scene), ("torsion", "rolling") * twisting(scene)
    names = ("friction", "margin", *gap, *twist)
    found = {f"pair_{name}": np.array([getattr(each, name) for each in scene.pairs]) for name in names if scene.pairs}
    if scene.contact_law == "mujoco" and scene.pairs:
        geoms = {geom.name: geom for _, geom in scene.all_geoms}
        both = [softness.mixed(geoms[each.first], geoms[each.second]) for each in scene.pairs]
        for k, name in enumerate(("solref", "solimp")):
            given = [(getattr(each, name), own[k]) for each, own in zip(scene.pairs, both, strict=True)]
            found[f"pair_{name}"] = np.array([mixed if own is None else own for own, mixed in given])
    return found


def renewed_pairs(scene: Tree, values: dict[str, np.ndarray]) -> list[Pair]:
    """The pairs with other numbers."""
    known = ("friction", "margin", "gap", "torsion", "rolling", "solref", "solimp")
    names = [name for name in known if f"pair_{name}" in values]
    return [replace(each, **{n: values[f"pair_{n}"][k] for n in names}) for k, each in enumerate(scene.pairs)]


def touch_geoms(scene: Tree) -> tuple[int, ...]:
    """Geoms that may touch a plane, as indices of ``all_geoms``, if a controller observes whether they do."""
    if not scene.feels:
        return ()
    return tuple(dict.fromkeys(spot.geoms[1] for spot in spots(scene) if spot.kind == "plane"))


def geometry(scene: Tree) -> dict[str, np.ndarray]:
    """Where geoms are and how large, each an array over ``all_geoms``."""
    geoms = scene.all_geoms
    size = np.zeros((len(geoms), 3))
    for k, (_, geom) in enumerate(geoms):
        size[k, : SIZES[geom.shape]] = geom.size
    return {
        **_heights(geoms),
        "geom_position": np.array([geom.position for _, geom in geoms]),
        "geom_orientation": np.array([geom.orientation for _, geom in geoms]),
        "geom_size": size,
    }


def numbers(scene: Tree) -> dict[str, np.ndarray]:
    """What can be tuned of geoms, each an array over ``all_geoms``."""
    geoms, bodies = scene.all_geoms, welded(scene)
    still = [owner < 0 or bodies[owner] < 0 for owner, _ in geoms]
    soft = scene.contact_law == "mujoco"
    stiffness, damping = softness.defaults(scene, touching(scene), still)
    for k, (owner, geom) in enumerate(geoms):
        if geom.shape != "plane" and geom.stiffness is not None:
            own = scene.links[owner].mass if owner >= 0 else 0.0
            stiffness[k], damping[k] = geom.stiffness, 2.0 * np.sqrt(geom.stiffness * own)
        if geom.shape != "plane" and geom.damping is not None:
            damping[k] = geom.damping
    law = {name: np.array([getattr(geom, name) for _, geom in geoms]) for name in ("solref", "solimp", "solmix")}
    if not soft:
        law = {
            "restitution": np.array([geom.restitution for _, geom in geoms]),
            "contact_stiffness": stiffness,
            "contact_damping": damping,
        }
    return {
        **_of_pairs(scene),
        **geometry(scene),
        "geom_margin": np.array([geom.margin for _, geom in geoms]),
        **({"geom_gap": np.array([geom.gap for _, geom in geoms])} if has_gaps(scene) else {}),
        "friction": np.array([geom.friction for _, geom in geoms]),
        **(_twists(geoms) if twisting(scene) else {}),
        **law,
    }


def renewed(scene: Tree, values: dict[str, np.ndarray]) -> list[Geom]:
    """The geoms with other numbers."""
    names = {
        "geom_position": "position",
        "geom_orientation": "orientation",
        "geom_margin": "margin",
        "geom_gap": "gap",
        "friction": "friction",
        "torsion": "torsion",
        "rolling": "rolling",
        "restitution": "restitution",
        "solref": "solref",
        "solimp": "solimp",
        "solmix": "solmix",
    }
    found, starts = [], grids(scene).tolist()
    for k, (owner, geom) in enumerate(scene.all_geoms):
        change: dict[str, Any] = {attribute: values[name][k] for name, attribute in names.items() if name in values}
        if "heights" in values and geom.shape == "hfield":
            start, rows, columns = starts[k]
            change["heights"] = values["heights"][start : start + rows * columns].reshape(rows, columns)
        if "geom_size" in values and geom.shape != "plane":
            change["size"] = values["geom_size"][k, : SIZES[geom.shape]]
        if owner >= 0 and geom.shape != "plane":
            if "contact_stiffness" in values and values["contact_stiffness"][k] > 0.0:
                change["stiffness"] = values["contact_stiffness"][k]
            if "contact_damping" in values:
                change["damping"] = values["contact_damping"][k]
        found.append(replace(geom, **change) if change else geom)
    return found
