"""Boxes on boxes, cylinders, ellipsoids and meshes: where they rest, how they roll and slide, and gradients."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

DT, G, MU, STEPS = 1e-3, 9.81, 0.5, 900
CUBE = np.array([[x, y, z] for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)], dtype=float)
INERTIA = (0.02, 0.025, 0.022)
LYING = (np.sqrt(0.5), np.sqrt(0.5), 0.0, 0.0)
"""About x by a quarter turn: the axis of a cylinder lies along y."""
TURNED = (np.sqrt(0.5), np.sqrt(0.48), 0.1, 0.1)
"""The same, and a little more."""


def free(name, geom, position, mass=2.0, inertia=INERTIA, **changes):
    return ds.Link(name, joints=ds.Joint(f"{name} root", "free"), position=position, mass=mass, inertia=inertia,
                   geoms=geom, **changes)  # fmt: skip


def geom(name, shape, size, bit, **changes):
    return ds.Geom(name, shape, size, friction=MU, contype=bit, conaffinity=bit, **changes)


def build():
    """Each experiment has a bit of its own, but for the floor that is under all."""
    floor = ds.Geom("floor", "plane", friction=MU, contype=63 | 2048, conaffinity=0)
    table = {"position": (0, 0, 0.25)}
    links = [
        # On the floor.
        free("can", geom("can", "cylinder", (0.1, 0.2), 1), (0, 0, 0.2)),
        free("wheel", geom("wheel", "cylinder", (0.1, 0.05), 2), (0, 0, 0.1), orientation=LYING),
        free("tilted", geom("tilted", "cylinder", (0.1, 0.2), 4), (0, 0, 0.3), orientation=(0.9, 0.2, 0.1, 0)),
        free("egg", geom("egg", "ellipsoid", (0.1, 0.15, 0.2), 8), (0, 0, 0.1), orientation=(0.7071, 0, 0.7071, 0)),
        free(
            "mesh",
            geom("mesh", "mesh", (0.1, 0.2, 0.3), 16, vertices=CUBE),
            (0, 0, 0.4),
            orientation=(0.9, 0.2, 0.1, 0),
        ),
        free("box", geom("box", "box", (0.1, 0.2, 0.3), 32), (0, 0, 0.4), orientation=(0.9, 0.2, 0.1, 0)),
        # On a box of the world: a box of its size, a bar across a bar, a can, a mesh, a ball on a mesh of the world.
        free("lid", geom("lid", "box", (0.2, 0.2, 0.1), 64), (0, 0, 0.6)),
        free("bar", geom("bar", "box", (0.3, 0.03, 0.03), 128), (0, 0, 0.53)),
        free("cup", geom("cup", "cylinder", (0.05, 0.1), 256), (0.05, 0, 0.6)),
        free("stone", geom("stone", "mesh", (0.1, 0.1, 0.1), 512, vertices=CUBE), (0, 0, 0.6)),
        free("ball", geom("ball", "sphere", 0.1, 1024), (0, 0, 0.6)),
        # A ball and a capsule on the end of a cylinder of the world.
        free("pea", geom("pea", "sphere", 0.1, 4096), (0.05, 0, 0.6)),
        free("bean", geom("bean", "capsule", (0.05, 0.1), 4096), (-0.1, 0, 0.55), orientation=LYING),
        # On the side of a cylinder that lies, and of a capsule like it; and those on a ball.
        *(
            free(f"over {k}", geom(f"over {k}", "sphere", 0.1, bit), (0.02, 0, 0.6), orientation=(0.9, 0.1, 0.2, 0))
            for k, bit in enumerate((8192, 16384))
        ),
        free("log 0", geom("log 0", "cylinder", (0.1, 0.3), 32768), (0.02, 0.01, 0.6), orientation=LYING),
        free("log 1", geom("log 1", "capsule", (0.1, 0.3), 65536), (0.02, 0.01, 0.6), orientation=LYING),
        # One on the other.
        free("lower", geom("lower", "box", (0.2, 0.2, 0.1), 2048), (0, 0, 0.1), mass=4.0),
        free("upper", geom("upper", "box", (0.1, 0.15, 0.1), 2048), (0.05, 0, 0.3), mass=1.0),
    ]
    world = [
        floor,
        geom("plinth", "box", (0.2, 0.2, 0.25), 64, **table),
        geom("rail", "box", (0.03, 0.3, 0.25), 128, **table),
        geom("shelf", "box", (0.2, 0.2, 0.25), 256 | 512, **table),
        geom("rock", "mesh", (0.2, 0.2, 0.25), 1024, vertices=CUBE, **table),
        geom("stump", "cylinder", (0.2, 0.25), 4096, **table),
        geom("trunk 0", "cylinder", (0.3, 2.0), 8192, position=(0, 0, 0.2), orientation=LYING),
        geom("trunk 1", "capsule", (0.3, 2.0), 16384, position=(0, 0, 0.2), orientation=LYING),
        geom("knob", "sphere", 0.3, 32768 | 65536, position=(0, 0, 0.2)),
    ]
    scene = ds.Articulated(links, geoms=world, dt=DT)
    speed = np.zeros((len(links), 6))
    names = [link.name for link in links]
    speed[names.index("wheel")] = [1.0, 0, 0, 0, 0, -10.0]  # rolls along x: its own z axis is the world's -y
    return scene, speed.ravel()


@pytest.fixture(scope="module")
def found():
    pytest.importorskip("taichi")
    scene, speed = build()
    with ds.Simulation(ds.Problem(scene, steps=STEPS, tune=("scene.initial_velocity",)), precision="f64") as simulation:
        yield scene, simulation.rollout({"scene.initial_velocity": speed})


def height(found, name, row=-1):
    scene, rollout = found
    return rollout.position[row, [link.name for link in scene.links].index(name)]


def lifts(found, name):
    """Mean force up on a geom while it rests."""
    scene, rollout = found
    spots = rollout.contact_force.shape[1]
    mine = [k for k in range(spots) if scene.contact_name(k).split(" and ")[1] == name]
    others = [k for k in range(spots) if scene.contact_name(k).removeprefix("geoms ").split(" and ")[0] == name]
    force = rollout.contact_force[-100:, mine].sum(axis=1) - rollout.contact_force[-100:, others].sum(axis=1)
    return force.mean(axis=0)[2]


RESTS = {
    "can": 0.2,
    "egg": 0.1,
    "lid": 0.6,
    "bar": 0.53,
    "cup": 0.6,
    "stone": 0.6,
    "ball": 0.6,
    "pea": 0.6,
    "bean": 0.55,
    "lower": 0.1,
    "upper": 0.3,
}


@pytest.mark.parametrize("name", RESTS)
def test_what_stands_stays(found, name):
    scene, rollout = found
    start = height(found, name, 0)
    assert height(found, name)[2] == pytest.approx(RESTS[name], abs=6e-3)
    assert height(found, name)[:2] == pytest.approx(start[:2], abs=2e-3)
    k = [link.name for link in scene.links].index(name)
    assert np.abs(rollout.rotation[-1, k] - rollout.rotation[0, k]).max() < 0.02
    weight = {"lower": 4.0, "upper": 1.0}.get(name, 2.0) * G
    assert lifts(found, name) == pytest.approx(weight, rel=0.02)


def test_a_mesh_of_the_corners_of_a_box_is_that_box(found):
    assert height(found, "mesh", slice(None)) == pytest.approx(height(found, "box", slice(None)), abs=1e-9)


@pytest.mark.parametrize("name", ["over", "log"])
def test_the_side_of_a_cylinder_is_that_of_a_capsule(found, name):
    """A ball rolls down over one, and it rolls down over a ball: 0.2 m.

    Where two capsules are nearest is found up to `touching_pairs.SHORT` and `PARALLEL`, on a cylinder without.
    """
    one, other = (height(found, f"{name} {k}", slice(None)) for k in range(2))
    assert one[-1, 2] < 0.56
    assert np.linalg.norm(one - other, axis=1).max() < 1e-5


def test_a_wheel_rolls_on(found):
    x = height(found, "wheel", slice(None))
    speed = np.gradient(x[:, 0], DT)
    assert speed[100:-5] == pytest.approx(np.ones(STEPS - 104), abs=0.02)
    assert np.abs(x[:, 1]).max() < 5e-3
    assert x[-1, 2] == pytest.approx(0.1, abs=4e-3)


def test_a_cylinder_that_falls_over_its_rim_comes_to_rest(found):
    _, rollout = found
    assert 0.08 < height(found, "tilted")[2] < 0.23
    assert np.isfinite(rollout.joint_velocity).all()


# Gradients


def shape_scene(kind):
    """Two things that press on each other and on the floor at odd angles, away from switches."""
    turned = {"orientation": (0.9, 0.2, 0.1, 0.3)}
    plane = ds.Geom("floor", "plane", friction=0.7, margin=0.001, contype=2, conaffinity=2)
    shapes = {
        "cylinder": ds.Geom("one", "cylinder", (0.1, 0.12), friction=0.4, contype=2),
        "ellipsoid": ds.Geom("one", "ellipsoid", (0.1, 0.12, 0.15), friction=0.4, contype=2),
        "mesh": ds.Geom("one", "mesh", (0.1, 0.12, 0.15), vertices=0.9 * CUBE, friction=0.4, contype=2),
    }
    if kind in shapes:
        high = {"cylinder": 0.135, "ellipsoid": 0.118, "mesh": 0.16}[kind]
        return ds.Articulated([free("one", shapes[kind], (0, 0, high), **turned)], geoms=plane, dt=2e-3)
    upper = {
        "box on box": ds.Geom("two", "box", (0.1, 0.06, 0.05), friction=0.5, margin=0.002),
        "cylinder on box": ds.Geom("two", "cylinder", (0.06, 0.05), friction=0.5, margin=0.002),
        "box on cylinder": ds.Geom("two", "box", (0.1, 0.06, 0.05), friction=0.5, margin=0.002),
        "box across cylinder": ds.Geom("two", "box", (0.1, 0.06, 0.05), friction=0.5, margin=0.002),
        "capsule on cylinder": ds.Geom("two", "capsule", (0.05, 0.1), orientation=TURNED, friction=0.5, margin=0.002),
    }[kind]
    lower = ds.Geom("one", "box", (0.2, 0.21, 0.1), friction=0.3)
    if kind == "box across cylinder":
        lower = ds.Geom("one", "cylinder", (0.1, 0.2), orientation=LYING, friction=0.3)
    if kind in ("capsule on cylinder", "box on cylinder"):
        lower = ds.Geom("one", "cylinder", (0.2, 0.1), friction=0.3)
    links = [
        free("one", lower, (0, 0, 0), orientation=(1, 0.03, 0.02, 0.1)),
        free("two", upper, (0.03, 0.02, 0.145), orientation=(1, 0.02, -0.03, 0.4), mass=0.7),
    ]
    return ds.Articulated(links, gravity=(0.5, 0.2, -9), dt=2e-3)


@pytest.mark.parametrize("executor", ["staged", *(pytest.param(e, marks=pytest.mark.bench) for e in ("fused", "wide"))])
@pytest.mark.parametrize(
    "kind",
    [
        "cylinder",
        "ellipsoid",
        "mesh",
        "box on box",
        "cylinder on box",
        "box on cylinder",
        "box across cylinder",
        "capsule on cylinder",
    ],
)
def test_gradients_agree_with_differences(kind, executor):
    scene = shape_scene(kind)
    names = (
        "geom_size",
        "geom_position",
        "geom_orientation",
        "friction",
        "initial_position",
        "initial_velocity",
        "mass",
    )
    tune = tuple(f"scene.{name}" for name in names)
    goal = ds.Travel(direction=(1.0, 0.5, -0.3))
    rng = np.random.default_rng(0)
    with ds.Simulation(
        ds.Problem(scene, objective=goal, steps=15, tune=tune), precision="f64", executor=executor
    ) as sim:
        params = sim.params()
        params["scene.initial_velocity"] = rng.uniform(-0.2, 0.2, scene.freedoms)
        assert (np.abs(sim.rollout(params).contact_force).sum(axis=(0, 2)) > 0.0).any()
        _, grad = sim.value_and_grad(params)
        for name in params:
            way = rng.uniform(0.5, 1.0, params[name].shape) * (params[name] != 0.0)
            ends = [sim.value({**params, name: params[name] + sign * 1e-6 * way}) for sign in (1, -1)]
            slope = (ends[0] - ends[1]) / 2e-6
            assert (grad[name] * way).sum() == pytest.approx(slope, rel=2e-5, abs=1e-8), name
        assert np.abs(grad["scene.geom_size"]).max() > 0.0


# Bad input

BAD = {
    "corners of a box": (("box", (1, 1, 1)), {"vertices": CUBE}, "geom 'g': vertices are of meshes, but this is a box"),
    "a mesh without corners": (("mesh", (1, 1, 1)), {}, r"vertices have the shape \(0,\), but a mesh has \(k, 3\)"),
    "corners beyond": (("mesh", (1, 1, 1)), {"vertices": 2 * CUBE}, "geom 'g': vertices"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_mesh_cannot_be_is_said(case):
    shape, changes, words = BAD[case]
    with pytest.raises(InputError, match=words):
        ds.Geom("g", *shape, **changes)
