"""Ellipsoids against all shapes, and cylinders against each other: distances of MuJoCo's, a law, gradients."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import diffsim as ds

from .slopes import assert_slopes_agree

mujoco = pytest.importorskip("mujoco")

MARGIN = 0.3
"""At which they touch, so that a force tells how far they are apart [m]."""

ENVS = 40

EGG = (0.1, 0.06, 0.15)

SHAPES = {
    "sphere": ("sphere", (0.08,)),
    "capsule": ("capsule", (0.04, 0.12)),
    "box": ("box", (0.07, 0.12, 0.05)),
    "cylinder": ("cylinder", (0.09, 0.06)),
    "egg": ("ellipsoid", (0.05, 0.09, 0.07)),
}
"""What meets an egg of the world, and a cylinder that meets another one there."""


def placed(shape, size, bit, name="world", **changes):
    return ds.Geom(f"{name} {bit}", shape, size, contype=bit, conaffinity=bit, **changes)


@pytest.fixture(scope="module")
def pairs():
    """(envs, pairs) of ours: distance, normal, place; and of theirs, at random poses, near and overlapping."""
    kinds = [*(("ellipsoid", EGG, *each) for each in SHAPES.values()), ("cylinder", (0.08, 0.1), *SHAPES["cylinder"])]
    world = [placed(first, size, 2**k, position=(k, 0, 0)) for k, (first, size, *_) in enumerate(kinds)]
    links = [
        ds.Link(
            f"link {k}",
            joints=ds.Joint(f"root {k}", "free"),
            mass=1e6,
            inertia=(1e6, 1e6, 1e6),
            geoms=placed(shape, size, 2**k, "link", stiffness=1.0, damping=0.0, margin=MARGIN, friction=0.0),
        )
        for k, (*_, shape, size) in enumerate(kinds)
    ]
    scene = ds.Articulated(links, geoms=world, gravity=(0, 0, 0), dt=1e-6)
    rng = np.random.default_rng(0)
    at = rng.normal(size=(ENVS, len(kinds), 3))
    at *= rng.uniform(0.09, 0.3, (ENVS, len(kinds), 1)) / np.linalg.norm(at, axis=-1, keepdims=True)
    turns = rng.normal(size=(ENVS, len(kinds), 4))
    start = np.concatenate([at + np.arange(len(kinds))[:, None] * [1.0, 0, 0], turns], axis=-1).reshape(ENVS, -1)
    problem = ds.Problem(scene, steps=1, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64", envs=ENVS, shared=False) as simulation:
        found = simulation.rollout({"scene.initial_position": start})
    force, place = found.contact_force[:, 0], found.contact_point[:, 0]
    size = np.linalg.norm(force, axis=-1)
    ours = MARGIN - size - 0.5 * scene.touch_depth, force / size[..., None], place
    theirs = np.zeros((ENVS, len(kinds))), np.zeros((ENVS, len(kinds), 6))
    for k, (first, size, shape, other) in enumerate(kinds):
        sizes = [" ".join(map(str, each)) for each in (size, other)]
        model = mujoco.MjModel.from_xml_string(
            f"""<mujoco><worldbody><geom type="{first}" size="{sizes[0]}"/><body><freejoint/>
            <geom type="{shape}" size="{sizes[1]}" mass="1"/></body></worldbody></mujoco>"""
        )
        model.opt.ccd_iterations, model.opt.ccd_tolerance = 500, 1e-10
        data = mujoco.MjData(model)
        for env in range(ENVS):
            data.qpos[:3], data.qpos[3:] = at[env, k], turns[env, k] / np.linalg.norm(turns[env, k])
            mujoco.mj_kinematics(model, data)
            theirs[0][env, k] = mujoco.mj_geomDistance(model, data, 0, 1, 1.0, theirs[1][env, k])
    return kinds, ours, theirs, at


def test_distances_are_mujocos(pairs):
    """Of what is round all over to its tolerance; of others as close as needles and discs are thin."""
    kinds, (distance, *_), (theirs, _), _ = pairs
    for k, (first, size, shape, other) in enumerate(kinds):
        apart = theirs[:, k] > 1e-3
        assert apart.sum() > 15
        smooth = shape in ("sphere", "ellipsoid")
        thin = 0.0 if smooth else 2e-3 * min(max(size), max(other))
        off = theirs[:, k] - distance[:, k]
        # Edges are round, so what is there is too thin; ends of capsules are half a thickness too thick on their way.
        assert off[apart].min() > -4.0 * thin - 1e-6, (first, shape)
        assert off[apart].max() < 0.5 * thin + 1e-6, (first, shape)


def test_normals_and_places_are_mujocos(pairs):
    """From the one to the other, where they are apart; a place on an edge may be beside, along it."""
    kinds, (_, normal, place), (theirs, ends), _ = pairs
    for k, (first, _, shape, _) in enumerate(kinds):
        apart = theirs[:, k] > 1e-2
        way = (ends[apart, k, 3:] - ends[apart, k, :3]) / theirs[apart, k, None]
        close = 1e-4 if shape in ("sphere", "ellipsoid") else 0.05
        assert np.abs(normal[apart, k] - way).max() < close, (first, shape)
        if shape in ("sphere", "ellipsoid"):
            middle = 0.5 * (ends[apart, k, 3:] + ends[apart, k, :3]) + [k, 0, 0]
            assert np.abs(place[apart, k] - middle).max() < close, (first, shape)


def test_depths_are_mujocos(pairs):
    """Of what overlaps by up to 2 cm, the least way by which it comes apart."""
    kinds, (distance, *_), (theirs, _), _ = pairs
    for k, (first, size, shape, other) in enumerate(kinds):
        deep = (theirs[:, k] < -1e-3) & (theirs[:, k] > -0.02)
        smooth = shape in ("sphere", "ellipsoid")
        thick = 1e-5 if smooth else 2.0 * 2e-3 * (sum(other) + (sum(size) if first == "cylinder" else 0.0))
        assert deep.any(), (first, shape)
        assert np.abs(theirs[deep, k] - distance[deep, k]).max(initial=0.0) < thick, (first, shape)


def build(**changes):
    """An egg on a table, a can across a log, an egg on a ball and one on a capsule; each falls a little."""

    def free(name, geom, place, turn):
        return ds.Link(name, joints=ds.Joint(f"{name} root", "free"), position=place, orientation=turn, mass=2.0,
                       inertia=(0.02, 0.025, 0.022), geoms=geom)  # fmt: skip

    table = placed("box", (0.3, 0.3, 0.1), 1, position=(0, 0, 0.1))
    log = placed("cylinder", (0.1, 0.4), 2, position=(2, 0, 0.1), orientation=(1, 1, 0, 0))
    ball = placed("sphere", (0.2,), 4, position=(4, 0, 0.2))
    stick = placed("capsule", (0.1, 0.4), 8, position=(6, 0, 0.1), orientation=(1, 1, 0.05, 0))
    links = [
        free("egg", placed("ellipsoid", (0.12, 0.1, 0.08), 1, "egg"), (0.02, 0.03, 0.279), (1, 0.02, 0.03, 0)),
        free("can", placed("cylinder", (0.08, 0.2), 2, "can"), (2.01, 0.02, 0.279), (1, 0.02, 1, 0.03)),
        free("pea", placed("ellipsoid", (0.1, 0.12, 0.08), 4, "pea"), (4.003, 0.002, 0.479), (1, 0.03, 0.02, 0.1)),
        free("bean", placed("ellipsoid", (0.1, 0.12, 0.08), 8, "bean"), (6.004, 0.02, 0.279), (1, 0.03, 0.02, 0.1)),
    ]
    return ds.Articulated(links, geoms=[table, log, ball, stick], **changes)


def test_an_egg_rests_on_its_flat_side():
    """For two seconds, after a fall of 2 cm: at the height of its smallest half size, less the depth."""
    scene = build(dt=0.001)
    with ds.Simulation(ds.Problem(scene, steps=2000, tune=("scene.mass",)), precision="f64") as simulation:
        found = simulation.rollout(simulation.params())
    assert found.position[-1, 0, 2] == pytest.approx(0.28, abs=1.5e-3)
    assert found.contact_force[-200:, 0, 2].mean() == pytest.approx(2.0 * 9.81, rel=0.02)


@pytest.mark.parametrize("integrator", ["euler", pytest.param("rk4", marks=pytest.mark.bench)])
@pytest.mark.parametrize("executor", ["staged", *(pytest.param(e, marks=pytest.mark.bench) for e in ("fused", "wide"))])
def test_gradients_agree_with_differences(executor, integrator):
    scene = build(dt=0.002, integrator=integrator)
    names = ("geom_size", "geom_position", "geom_orientation", "mass", "initial_position", "initial_velocity")
    tune = (*(f"scene.{name}" for name in names), "scene.friction", "scene.contact_stiffness")
    goal = ds.Travel((1.0, 0.5, -0.3), point="egg") + ds.Travel((0.4, -0.5, 0.8), point="can")
    goal = goal + ds.Travel((0.3, 1.0, 0.7), point="pea") + ds.Travel((0.6, 0.5, -0.3), point="bean")
    problem = ds.Problem(scene, objective=goal, steps=15, tune=tune)
    rng = np.random.default_rng(0)
    with ds.Simulation(problem, precision="f64", executor=executor) as simulation:
        params = simulation.params()
        params["scene.initial_velocity"] = rng.uniform(-0.5, 0.5, 24)
        params["scene.initial_velocity"][2::6] = -0.3
        params["scene.friction"] = rng.uniform(0.3, 0.9, 8)
        assert np.abs(simulation.rollout(params).contact_force).sum(axis=(0, 2)).min() > 0.0
        assert_slopes_agree(simulation, params, rng)


def test_friction_of_an_egg_that_turns_is_its_share_of_what_presses():
    """An egg that slides and spins: its friction over what presses, and where it is after 0.3 s by the law."""
    mu, mass, half, speed, spin = 0.1, 1.0, np.array([0.1, 0.1, 0.07]), 3.0, 10.0
    stiffness, damping, width, moment = 45000.0, 424.0, 3e-4, 0.2 * (0.1**2 + 0.07**2)

    def law(_, state):
        _, z, angle, along, up, turning = state
        own = np.array([-np.sin(angle), np.cos(angle)])  # the normal in its frame
        lowest = -(half[::2] ** 2) * own / np.linalg.norm(half[::2] * own)
        x = np.cos(angle) * lowest[0] + np.sin(angle) * lowest[1]
        y = np.cos(angle) * lowest[1] - np.sin(angle) * lowest[0]
        depth, slip, rate = -z - y, along + turning * y, turning * x - up
        spring = max(depth, 0.0) ** 2 / (2.0 * width) if depth < width else depth - 0.5 * width
        push = max(0.0, stiffness * spring + damping * np.clip(depth / width, 0.0, 1.0) * rate)
        drag = -mu * push * slip / np.hypot(slip, 1e-3)
        return [along, up, turning, drag / mass, push / mass - 9.81, (y * drag - x * push) / moment]

    high = half[2] - 9.81 * mass / stiffness - 0.5 * width
    end = solve_ivp(law, (0.0, 0.3), [0, high, 0, speed, 0, spin], method="LSODA", rtol=1e-9, atol=1e-11).y[:, -1]
    geom = ds.Geom("egg", "ellipsoid", half, friction=mu, stiffness=stiffness, damping=damping)
    link = ds.Link("egg", joints=ds.Joint("root", "free"), mass=mass, inertia=(0.003, moment, 0.004), geoms=geom)
    start = {"initial_position": [0, 0, high, 1, 0, 0, 0], "initial_velocity": [speed, 0, 0, 0, spin, 0]}
    scene = ds.Articulated(link, geoms=ds.Geom("floor", "plane", friction=0.0), dt=1e-3, **start)
    with ds.Simulation(ds.Problem(scene, steps=300), precision="f64") as simulation:
        found = simulation.rollout(simulation.params())
    pushed = found.contact_force[10:, 0]  # as deep as it is to be
    assert np.linalg.norm(pushed[:, :2], axis=1) / pushed[:, 2] == pytest.approx(np.full(len(pushed), mu), rel=0.02)
    assert found.position[-1, 0, 0] == pytest.approx(end[0], abs=5e-4)
    assert found.joint_velocity[-1, 0] == pytest.approx(end[3], abs=1e-3)


@pytest.mark.parametrize("law", ["compliant", "mujoco"])
def test_an_egg_rests_on_a_box_beside_a_height_field(law):
    """Both kinds in one scene: each rests as it does alone."""
    egg = ds.Link("egg", joints=ds.Joint("egg root", "free"), position=(0, 0, 1.05), mass=1.0, inertia=(0.003,) * 3,
                  geoms=ds.Geom("egg", "ellipsoid", (0.1, 0.1, 0.05), contype=1))  # fmt: skip
    ball = ds.Link("ball", joints=ds.Joint("ball root", "free"), position=(0.1, 9.2, 0.12), mass=1.0,
                   inertia=(0.004,) * 3, geoms=ds.Geom("ball", "sphere", 0.1, contype=2))  # fmt: skip
    table = ds.Geom("table", "box", (0.3, 0.3, 0.5), position=(0, 0, 0.5), contype=1, conaffinity=1)
    level, bits = np.full((3, 3), 0.02), {"contype": 2, "conaffinity": 2}
    land = ds.Geom("land", "hfield", (1.0, 1.0), position=(0, 9, 0), heights=level, **bits)
    ends = []
    for links, ground in (((egg,), (table,)), ((ball,), (land,)), ((egg, ball), (table, land))):
        apart = [replace(link, geoms=[replace(link.geoms[0], conaffinity=link.geoms[0].contype)]) for link in links]
        scene = ds.Articulated(apart, geoms=ground, dt=2e-3, contact_law=law)
        with ds.Simulation(ds.Problem(scene, steps=150), precision="f64") as simulation:
            ends.append(simulation.rollout(simulation.params()).joint_position[-1])
    assert ends[2] == pytest.approx(np.concatenate(ends[:2]), abs=1e-9)
    assert ends[2][[2, 9]] == pytest.approx([1.05, 0.12], abs=2e-3)
