"""Height fields: as planes where they are flat or slope, MuJoCo's surface, and laws on ridges and in valleys."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

from .slopes import assert_slopes_agree

SHAPES = {
    "sphere": ds.Geom("body", "sphere", 0.05),
    "capsule": ds.Geom("body", "capsule", (0.04, 0.06), orientation=(0.8, 0.5, 0.2, 0.1)),
    "box": ds.Geom("body", "box", (0.05, 0.06, 0.07), orientation=(0.9, 0.1, 0.2, 0.1)),
    "ellipsoid": ds.Geom("body", "ellipsoid", (0.07, 0.04, 0.05), orientation=(0.9, 0.1, 0.2, 0.1)),
    "mesh": ds.Geom("body", "mesh", (0.05, 0.06, 0.07), vertices=[(1, 0, 0), (-1, 1, 0), (-1, -1, 0), (0, 0, -1)]),
}
SLOPE = (0.2, -0.1)  # along x and y


def scene(ground, geom=SHAPES["sphere"], at=(0.013, 0.021, 0.12), velocity=(0.5, 0.1, 0.0, 0.0, 0.0, 0.0), **changes):
    """One link that can go anywhere."""
    joint = changes.pop("joint", ds.Joint("free", "free"))
    link = ds.Link("link", joints=joint, position=at, mass=1.0, inertia=(1e-3, 1.2e-3, 0.9e-3), geoms=geom)
    if joint.motion == "free":
        changes["initial_velocity"] = velocity
    return ds.Articulated(link, geoms=ground, **{"dt": 0.002, **changes})


def run(scene, steps=250):
    with ds.Simulation(ds.Problem(scene, steps=steps), precision="f64") as simulation:
        return simulation.rollout(simulation.params(seed=0))


def field(heights, size=(2.0, 2.0), **changes):
    return ds.Geom("land", "hfield", size, heights=heights, **changes)


def sloping(x, y):
    return SLOPE[0] * x + SLOPE[1] * y


def grid(rows, columns, height, size=(2.0, 2.0)):
    x, y = np.meshgrid(np.linspace(-size[0], size[0], columns), np.linspace(-size[1], size[1], rows))
    return height(x, y)


def tilted_plane():
    """The plane of `sloping`."""
    normal = np.array([-SLOPE[0], -SLOPE[1], 1.0]) / np.sqrt(1.0 + SLOPE[0] ** 2 + SLOPE[1] ** 2)
    return ds.Geom("land", "plane", orientation=(1.0 + normal[2], -normal[1], normal[0], 0.0), friction=0.6)


@pytest.mark.parametrize(("shape", "law"), [*((shape, "compliant") for shape in SHAPES), ("sphere", "mujoco")])
def test_a_field_that_slopes_is_a_plane(shape, law):
    land = field(grid(9, 7, sloping), friction=0.6)
    rollouts = [run(scene(ground, SHAPES[shape], contact_law=law)) for ground in (tilted_plane(), land)]
    plane, other = (rollout.joint_position for rollout in rollouts)
    assert np.abs(plane[-1, :2] - plane[0, :2]).max() > 0.05
    # Corners of what tumbles touch for a moment; rounding of whether they do grows by some digits.
    assert other == pytest.approx(plane, abs=1e-8)


def test_a_ball_rolls_down_as_it_must():
    """At g sin / (1 + I / (m r^2)), and slower by what rolling has to be sped up to."""
    angle, radius, inertia = np.arctan(0.2), 0.05, 1.2e-3
    land = field(grid(5, 5, lambda x, y: -0.2 * x), friction=1.0)
    ball = scene(land, at=(-1.0, 0.02, 0.2 + radius / np.cos(angle)), velocity=(0.0,) * 6)
    rollout = run(ball, steps=400)
    along = (rollout.joint_position[:, 0] + 1.0) / np.cos(angle)
    time = rollout.time[-1] - rollout.time[200]
    speed = np.gradient(along, rollout.time)
    assert (speed[-2] - speed[200]) / (time - 0.002) == pytest.approx(
        9.81 * np.sin(angle) / (1.0 + inertia / radius**2), rel=0.01
    )


def test_heights_are_mujocos():
    """Balls that only go up and down rest on the surface that MuJoCo's rays meet, at the same triangle of a cell."""
    mujoco = pytest.importorskip("mujoco")
    rng = np.random.default_rng(5)
    heights = rng.uniform(0.0, 0.6, (5, 6))
    text = """<mujoco><asset><hfield name="h" nrow="5" ncol="6" size="1.5 1 1 0.1"/></asset>
      <worldbody><geom name="land" type="hfield" hfield="h" pos=".1 .2 .3"/><body name="b"><freejoint/>
      <geom size=".1"/></body></worldbody></mujoco>"""
    model = mujoco.MjModel.from_xml_string(text)
    model.hfield_data[:] = heights.ravel()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    places = rng.uniform((-1.3, -0.7), (1.5, 1.1), (12, 2))
    land = ds.load_mjcf(model).geoms[0]
    assert land.shape == "hfield"
    assert land.heights == pytest.approx(heights, abs=1e-7)
    pin = np.zeros((1), dtype=np.int32)
    theirs = []
    for x, y in places:
        far = mujoco.mj_ray(model, data, np.array([x, y, 3.0]), np.array([0.0, 0.0, -1.0]), None, 1, 1, pin)
        theirs.append(3.0 - far)
    # Needles that stand on their tips.
    needle = {"vertices": [(0, 0, -1), (1e-3, 0, 1), (0, 1e-3, 1), (-1e-3, 0, 1)], "friction": 0.0}
    links = [
        ds.Link(
            f"needle {k}",
            joints=ds.Joint(f"joint {k}", "slide"),
            position=(*place, height + 0.0202),
            mass=0.1,
            inertia=(1e-4,) * 3,
            geoms=ds.Geom(f"geom {k}", "mesh", (0.01,) * 3, position=(0.0, 0.0, -0.01), **needle),
        )
        for k, (place, height) in enumerate(zip(places.tolist(), theirs, strict=True))
    ]
    rollout = run(ds.Articulated(links, geoms=land, contacts="world", dt=0.002), steps=150)
    ours = rollout["position"][-1, :, 2] - 0.02
    # A tip rests a third of a millimetre deep along the normal, which on these slopes may be half of one.
    assert ours == pytest.approx(np.array(theirs), abs=1.2e-3)
    assert np.ptp(theirs) > 0.2


def test_ellipsoids_touch_where_mujocos_do():
    """Turned anyhow over sides, edges and corners: MuJoCo's iteration ends within 1e-6 m of the first touch."""
    mujoco = pytest.importorskip("mujoco")
    rng = np.random.default_rng(0)
    heights, bodies = rng.uniform(0.0, 0.15, (7, 8)), ""
    for x, y in rng.uniform((-0.8, -0.5), (0.8, 0.5), (8, 2)):
        size, turn = rng.uniform(0.05, 0.2, 3), rng.normal(size=4)
        shape = f'size="{size[0]} {size[1]} {size[2]}" quat="{turn[0]} {turn[1]} {turn[2]} {turn[3]}"'
        bodies += f"""<body pos="{x} {y} 0"><joint type="slide"/>
          <geom type="ellipsoid" {shape} contype="1" conaffinity="0"/></body>"""
    model = mujoco.MjModel.from_xml_string(f"""<mujoco>
      <asset><hfield name="h" nrow="7" ncol="8" size="1.5 1 1 0.1"/></asset>
      <worldbody><geom type="hfield" hfield="h" contype="0" conaffinity="1"/>{bodies}</worldbody></mujoco>""")
    model.hfield_data[:] = heights.ravel()
    data = mujoco.MjData(model)

    def touch_there(at):
        data.qpos[:] = at
        mujoco.mj_fwdPosition(model, data)
        deep = data.contact.geom[data.contact.dist < 0.0]
        return np.isin(np.arange(1, 9), deep)

    problem = ds.Problem(ds.load_mjcf(model), steps=1, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64") as simulation:

        def touch_here(at):
            force = simulation.rollout({"scene.initial_position": at}).arrays["contact_force"][0]
            return np.linalg.norm(force, axis=1).reshape(8, 2).max(axis=1) > 0.0

        assert lowest_free(touch_here) == pytest.approx(lowest_free(touch_there), abs=1e-6)


def lowest_free(touch):
    """(8,) least heights at which nothing touches yet."""
    low, high = np.zeros(8), np.ones(8)
    for _ in range(32):
        middle = 0.5 * (low + high)
        touches = touch(middle)
        low, high = np.where(touches, middle, low), np.where(touches, high, middle)
    return low


@pytest.mark.parametrize(("height", "spots", "share"), [(-0.5, 1, 1.0), (0.5, 2, 0.5)])
def test_a_ball_on_a_ridge_and_in_a_valley(height, spots, share):
    """On a ridge it stands on the edge, in a valley between two triangles that share its weight."""
    land = field(grid(4, 5, lambda x, y: height * np.abs(x)), friction=0.0)
    angle = np.arctan(0.5)
    top = 0.05 if height < 0.0 else 0.05 / np.cos(angle)
    ball = scene(land, at=(0.0, 0.1, top), joint=ds.Joint("up", "slide"))
    rollout = run(ball, steps=200)
    force = rollout.arrays["contact_force"][-1]
    pressed = np.linalg.norm(force, axis=1) > 1e-6
    assert pressed.sum() == spots
    assert force[pressed, 2] == pytest.approx(np.full(spots, -share * 9.81), rel=1e-3)
    slant = 0.0 if height < 0.0 else np.tan(angle)
    assert np.abs(force[pressed, 0]) == pytest.approx(np.full(spots, slant * share * 9.81), rel=1e-3, abs=1e-6)


@pytest.mark.parametrize(("wide", "high"), [(0.05, 0.05), (0.07, 0.04)])
def test_what_is_round_beside_a_ridge_rests_on_what_is_nearest(wide, high):
    """At a distance x from it: on the edge, at c sqrt(1 - x^2 / a^2), or on a side, at sqrt(c^2 + a^2 tan^2) - x tan.

    Half sizes are a, along x, and c; of an ellipsoid, a is along its z.
    """
    land = field(grid(4, 5, lambda x, y: -0.5 * np.abs(x)), friction=0.0)
    places = np.linspace(-0.9, 1.0, 8) * wide
    shape = {"shape": "sphere", "size": wide}
    if wide != high:
        shape = {"shape": "ellipsoid", "size": (high, 0.03, wide), "orientation": (0.5**0.5, 0.0, 0.5**0.5, 0.0)}
    links = [
        ds.Link(
            f"body {k}",
            joints=ds.Joint(f"joint {k}", "slide"),
            position=(x, 0.1, 0.051),
            mass=1.0,
            inertia=(1e-3,) * 3,
            geoms=ds.Geom(f"geom {k}", **shape, friction=0.0),
        )
        for k, x in enumerate(places.tolist())
    ]
    rollout = run(ds.Articulated(links, geoms=land, contacts="world", dt=0.002), steps=200)
    reach = np.hypot(high, 0.5 * wide)
    edge = np.abs(places) < 0.5 * wide**2 / reach
    over_edge = high * np.sqrt(np.maximum(1.0 - (places / wide) ** 2, 0.0))
    heights = np.where(edge, over_edge, reach - 0.5 * np.abs(places))
    assert 2 < edge.sum() < 6
    # Less by the depth at rest. By the plane of the triangle below it they would be up to 5 mm lower.
    low = heights - rollout["position"][-1, :, 2]
    assert low.min() > 1e-4
    assert low.max() < 4.5e-4


def test_slopes_of_all_numbers_agree():
    rng = np.random.default_rng(1)
    heights = grid(6, 7, lambda x, y: 0.15 * np.sin(1.7 * x) + 0.1 * np.cos(2.1 * y) - 0.02)
    land = field(heights, friction=0.6, position=(0.05, -0.02, 0.01), orientation=(0.99, 0.03, 0.02, 0.05))
    at = {"position": (0.02, -0.15, -0.05), "orientation": (0.8, 0.1, 0.5, 0.2)}
    link = ds.Link(
        "link",
        joints=ds.Joint("free", "free"),
        mass=1.0,
        inertia=(2e-3, 1.2e-3, 1.9e-3),
        geoms=[
            ds.Geom("ball", "sphere", 0.1, position=(0.2, 0.0, 0.0), friction=0.5),
            ds.Geom("bar", "capsule", (0.06, 0.15), position=(-0.2, 0.03, 0.0), orientation=(0.7, 0.1, 0.7, 0.02)),
            ds.Geom("brick", "box", (0.1, 0.05, 0.06), position=(0.0, 0.2, -0.06), friction=0.4),
            ds.Geom("egg", "ellipsoid", (0.05, 0.08, 0.12), **at, friction=0.3),
        ],
    )
    start = (0.1, 0.05, 0.165, 0.99, 0.05, 0.02, 0.1)
    robot = ds.Articulated(
        link, geoms=land, initial_position=start, initial_velocity=(0.6, 0.2, -0.3, 0.3, 0.2, 0.5), dt=0.004
    )
    names = ("heights", "geom_size", "geom_position", "geom_orientation", "initial_position", "initial_velocity")
    problem = ds.Problem(
        robot, objective=ds.Travel(direction=(1.0, 0.4, 0.2)), steps=30, tune=[f"scene.{name}" for name in names]
    )
    with ds.Simulation(problem, precision="f64") as simulation:
        params = simulation.params(seed=0)
        pressed = np.linalg.norm(simulation.rollout(params).arrays["contact_force"], axis=2).max(axis=0) > 0.1
        assert pressed.sum() >= 4
        assert_slopes_agree(simulation, params, rng, relative=1e-4)


def test_numbers_come_and_go():
    robot = scene([field(np.arange(6.0).reshape(2, 3)), ds.Geom("more", "hfield", (1, 1), heights=np.ones((2, 2)))])
    numbers = robot.numbers()
    assert numbers["heights"].tolist() == [0, 1, 2, 3, 4, 5, 1, 1, 1, 1]
    changed = robot.with_numbers({"heights": numbers["heights"] + np.arange(10)})
    assert changed.geoms[0].heights.tolist() == [[0, 2, 4], [6, 8, 10]]
    assert changed.geoms[1].heights.tolist() == [[7, 8], [9, 10]]


def test_a_field_is_seen(tmp_path):
    robot = scene(field(grid(20, 20, lambda x, y: 0.3 * np.sin(3 * x)), colour=(0.2, 0.7, 0.3)))
    picture = ds.snapshot(run(robot, steps=1), 0, size=(160, 140)).astype(int)
    assert ((picture[..., 1] > picture[..., 0] + 30) & (picture[..., 1] > picture[..., 2] + 20)).sum() > 2000


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda: ds.Geom("g", "hfield", (1, 1)), r"geom 'g': heights have the shape \(0,\)"),
        (lambda: ds.Geom("g", "hfield", (1, 1), heights=[[1.0, 2.0]]), r"heights have the shape \(1, 2\)"),
        (lambda: ds.Geom("g", "hfield", (1, 1), heights=[[1.0, 2.0], [1.0, np.nan]]), r"geom 'g': heights\[1, 1\]"),
        (lambda: ds.Geom("g", "box", (1, 1, 1), heights=np.ones((2, 2))), "but this is a box"),
        (lambda: scene((), field(np.ones((2, 2)))), "is a height field of link 'link'; height fields do not move"),
    ],
)
def test_errors(wrong, words):
    with pytest.raises(InputError, match=words):
        wrong()
