"""Every shape on every other one: it rests where both touch, and what lies flat stays."""

import numpy as np
import pytest

import diffsim as ds

CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
UPRIGHT = (1.0, 0.0, 0.0, 0.0)
LYING = (np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0)
TILTED = (0.9, 0.2, 0.3, 0.1)
TURNED = (np.cos(0.3), 0.0, 0.0, np.sin(0.3))
SMALL = {
    "sphere": (0.1,),
    "capsule": (0.04, 0.1),
    "box": (0.1, 0.1, 0.1),
    "cylinder": (0.08, 0.06),
    "ellipsoid": (0.1, 0.08, 0.06),
    "mesh": (0.1, 0.07, 0.08),
}
LARGE = {
    "sphere": (0.6,),
    "capsule": (0.3, 0.5),
    "box": (0.6, 0.5, 0.4),
    "cylinder": (0.5, 0.4),
    "ellipsoid": (0.6, 0.5, 0.4),
    "mesh": (0.6, 0.5, 0.4),
    "plane": (),
    "hfield": (2.0, 2.0),
}
POSES = (
    (UPRIGHT, UPRIGHT, (0.0, 0.0)),
    (UPRIGHT, UPRIGHT, (0.18, 0.03)),
    (UPRIGHT, LYING, (0.0, 0.1)),
    (LYING, UPRIGHT, (0.03, 0.0)),
    (TILTED, UPRIGHT, (0.1, 0.05)),
    (UPRIGHT, TILTED, (0.06, 0.03)),
)
"""Of the upper and of the lower one, and how far the upper one is off the middle [m]."""


def rotation(q):
    w, x, y, z = np.asarray(q) / np.linalg.norm(q)
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def pieces(shape, size):
    """What a shape is the union of: each the intersection of ellipsoids (centre, 1 / half sizes)."""
    if shape in ("sphere", "ellipsoid"):
        return [[((0, 0, 0), 1.0 / np.broadcast_to(size, 3))]]
    if shape in ("box", "mesh"):
        return [[((0, 0, 0), row / s) for row, s in zip(np.eye(3), size, strict=True)]]
    radius, half = size
    tube = [((0, 0, 0), np.array([1, 1, 0]) / radius), ((0, 0, 0), np.array([0, 0, 1]) / half)]
    balls = [[((0, 0, end), np.ones(3) / radius)] for end in (-half, half)]
    return [tube, *balls] if shape == "capsule" else [tube]


def top(shape, size, pose, x, y):
    """(n,) height of a shape over places, from its middle [m]; nan beside it."""
    if shape in ("plane", "hfield"):
        return np.zeros_like(x)
    turn = rotation(pose)
    start, up = np.stack([x, y, np.zeros_like(x)], axis=-1) @ turn, turn[2]
    found = []
    for parts in pieces(shape, size):
        low, high = np.full_like(x, -np.inf), np.full_like(x, np.inf)
        for centre, scale in parts:
            p, d = (start - centre) * scale, up * scale
            a, b, c = d @ d + 1e-18, p @ d, (p * p).sum(axis=1) - 1.0
            root = np.sqrt(np.where(b * b >= a * c, b * b - a * c, np.nan))
            low, high = np.maximum(low, (-b - root) / a), np.minimum(high, (root - b) / a)
        found.append(np.where(high >= low, high, -np.inf))
    height = np.max(found, axis=0)
    return np.where(np.isfinite(height), height, np.nan)


def touching_height(upper, lower, off):
    """How high the middle of one is over that of the other where they touch [m]."""
    width = 1.1 * min(np.linalg.norm(upper[1]), np.linalg.norm(lower[1]) if lower[0] not in ("plane", "hfield") else 9)
    centre = np.array(off) if np.linalg.norm(upper[1]) < 0.3 else np.zeros(2)
    best = -np.inf
    for _ in range(6):
        x, y = (each.ravel() for each in np.meshgrid(*(c + width * np.linspace(-1, 1, 101) for c in centre)))
        reach = top(*lower, x, y) + top(*upper, off[0] - x, off[1] - y)  # both are their own mirror images
        k = np.nanargmax(reach)
        best, centre, width = max(best, reach[k]), np.array([x[k], y[k]]), 0.1 * width
    return best


def combinations(shapes, poses):
    for large, size in LARGE.items():
        for small, other in SMALL.items():
            if not {large, small} & shapes:
                continue
            flat = large in ("plane", "hfield")
            for mine, theirs, off in poses:
                if not flat or theirs is UPRIGHT:
                    yield (small, other, mine), (large, size, theirs), off
                if not flat:
                    yield (large, size, mine), (small, other, theirs), off


def geom(name, shape, size, pose, **changes):
    shaped = {"mesh": {"vertices": CUBE}, "hfield": {"heights": np.zeros((5, 5))}}.get(shape, {})
    turned = {} if shape == "plane" else {"orientation": pose}
    return ds.Geom(name, shape, size, contype=0, conaffinity=0, **turned, **shaped, **changes)


def weight(size, mass):
    """Mass and inertia of about a ball of that size."""
    return {"mass": mass, "inertia": (0.4 * mass * sum(np.square(size)),) * 3}


def left_of_drops(which, base):
    """By how much each is above where it touches after a second [m]; the lower one stands, or is a heavy link."""
    links, world, pairs, heights = [], [], [], []
    for k, (upper, lower, off) in enumerate(which):
        heights.append(touching_height(upper, lower, off))
        slide = {"joints": ds.Joint(f"slide {k}", "slide", axis=(0, 0, 1)), **weight(upper[1], 1.0)}
        place = (off[0], off[1], heights[-1] + 0.02)
        made = [ds.Link(f"upper {k}", position=place, geoms=geom(f"upper {k}", *upper), **slide)]
        if base == "world" or lower[0] in ("plane", "hfield"):
            world.append(geom(f"lower {k}", *lower))
        else:
            base_joint = ds.Joint(f"base {k}", "slide", axis=(0, 0, 1))
            heavy = {"joints": base_joint, "buoyancy": 1.0, **weight(lower[1], 1000.0)}
            made.insert(base == "after", ds.Link(f"lower {k}", geoms=geom(f"lower {k}", *lower), **heavy))
        links += made
        pairs.append(ds.Pair(f"pair {k}", f"lower {k}", f"upper {k}"))
    scene = ds.Articulated(links, geoms=world, pairs=pairs, dt=0.002)
    with ds.Simulation(ds.Problem(scene, steps=500, tune=("scene.mass",)), precision="f64") as simulation:
        end = simulation.rollout(simulation.params()).joint_position[-1]
    where = {joint.name: end[k] for k, joint in enumerate(scene.joints)}
    return np.array([where[f"slide {k}"] + 0.02 - where.get(f"base {k}", 0.0) for k in range(len(which))])


ALL = set(LARGE)


@pytest.mark.parametrize(
    ("shapes", "poses", "base"),
    [
        ({"cylinder"}, POSES[1:4], "world"),
        *(pytest.param(ALL, POSES, base, marks=pytest.mark.bench) for base in ("world", "before", "after")),
    ],
)
def test_nothing_falls_through_or_floats(shapes, poses, base):
    """What is dropped on the middle, beside it, on the side or an edge rests as deep as a spring under its weight.

    But where an edge of the box and the rim of the cylinder cross, and neither corners nor points of the rim touch.
    """
    which = list(combinations(shapes, poses))
    left = left_of_drops(which, base)
    crossing = (("box", SMALL["box"], UPRIGHT), ("cylinder", LARGE["cylinder"], TILTED), POSES[5][2])
    bad = [
        (*pair, 1e3 * z)
        for pair, z in zip(which, left, strict=True)
        if not -(15e-3 if pair == crossing else 3e-3) < z < 0.2e-3
    ]
    assert not bad, "\n".join(map(str, bad))


@pytest.mark.parametrize(("half", "radius"), [((9.0, 9.0, 0.5), 0.1), ((0.2, 9.0, 0.02), 0.1)])
def test_an_ellipsoid_lies_on_a_large_box_where_it_lies_on_a_plane(half, radius):
    size = (radius, 0.8 * radius, 0.6 * radius)
    box, plane = (
        (("ellipsoid", size, UPRIGHT), ("box", half, UPRIGHT), (0.0, 0.0)),
        (("ellipsoid", size, UPRIGHT), ("plane", (), UPRIGHT), (0.0, 0.0)),
    )
    left = left_of_drops([box, plane], "world")
    assert left[0] == pytest.approx(left[1], abs=2e-5)


FLAT = {
    "box on stump": (("box", (0.1, 0.1, 0.1), UPRIGHT), ("cylinder", (0.4, 0.3), UPRIGHT), (0, 0), 0.4),
    "box near the rim": (("box", (0.1, 0.1, 0.1), TURNED), ("cylinder", (0.4, 0.3), UPRIGHT), (0.25, 0.25), 0.4),
    "bar across stump": (("box", (0.05, 0.5, 0.05), UPRIGHT), ("cylinder", (0.2, 0.3), UPRIGHT), (0.1, 0), 0.35),
    "plate on stump": (("box", (0.5, 0.5, 0.05), UPRIGHT), ("cylinder", (0.2, 0.3), UPRIGHT), (0.05, 0), 0.35),
    "box along trunk": (("box", (0.2, 0.1, 0.05), LYING), ("cylinder", (0.3, 1.0), LYING), (0, 0), 0.4),
    "box on trunk": (("box", (0.1, 0.2, 0.1), TURNED), ("cylinder", (0.5, 1.0), LYING), (0, 0.3), 0.6),
    "mesh on stump": (("mesh", (0.1, 0.1, 0.1), UPRIGHT), ("cylinder", (0.4, 0.3), UPRIGHT), (0, 0), 0.4),
    "mesh on trunk": (("mesh", (0.1, 0.1, 0.1), UPRIGHT), ("cylinder", (0.4, 0.3), LYING), (0, 0), 0.5),
    "can over a corner": (("cylinder", (0.1, 0.1), UPRIGHT), ("box", (0.5, 0.5, 0.2), UPRIGHT), (0.48, 0.48), 0.3),
    "can on a post": (("cylinder", (0.3, 0.1), UPRIGHT), ("box", (0.1, 0.1, 0.2), TURNED), (0.05, 0), 0.3),
    "log on a post": (("cylinder", (0.1, 0.3), LYING), ("box", (0.1, 0.1, 0.2), UPRIGHT), (0, 0.05), 0.3),
    "log on a table": (("cylinder", (0.1, 0.3), LYING), ("box", (2, 2, 0.2), TURNED), (0, 0.05), 0.3),
}
"""Upper, lower, off the middle, height."""


def test_what_lies_flat_on_a_cylinder_or_as_one_stays():
    """Free to turn and slide: the middle of each is over the part that both share."""
    links, world, pairs = [], [], []
    for name, (upper, lower, off, high) in FLAT.items():
        moment = 0.67 * 2.0 * np.mean(np.square(upper[1]))
        root = ds.Joint(f"root {name}", "free")
        upper_geom = geom(f"upper {name}", upper[0], upper[1], UPRIGHT)
        links.append(
            ds.Link(
                name,
                joints=root,
                mass=2.0,
                inertia=(moment,) * 3,
                position=(*off, high + 0.01),
                orientation=upper[2],
                geoms=upper_geom,
            )
        )
        world.append(geom(f"lower {name}", *lower))
        pairs.append(ds.Pair(name, f"lower {name}", f"upper {name}"))
    scene = ds.Articulated(links, geoms=world, pairs=pairs, dt=0.002)
    with ds.Simulation(ds.Problem(scene, steps=500, tune=("scene.mass",)), precision="f64") as simulation:
        rollout = simulation.rollout(simulation.params())
    ends = rollout.joint_position[-1].reshape(-1, 7)
    for (name, (upper, _, off, high)), end in zip(FLAT.items(), ends, strict=True):
        assert end[:2] == pytest.approx(off, abs=3e-4), name
        assert high - 5e-4 < end[2] < high, name
        aligned = abs(np.dot(end[3:], upper[2]) / np.linalg.norm(end[3:]) / np.linalg.norm(upper[2]))
        assert 2.0 * np.arccos(min(aligned, 1.0)) < 3e-3, name
    assert np.abs(rollout.joint_velocity[-1]).max() < 1e-4
