"""Contact as built beside MuJoCo's: shapes that rest, bounce and slip, and robots that hold their pose for two seconds.

On request: ``pytest tests/benchmarks/test_beside_mujoco.py -m bench -s -n 0``. Files of robots are looked for where
``test_robot_files`` has them (``DIFFSIM_ROBOT_FILES``), and downloaded if they are not there. With LAW=compliant the
same of the compliant law.
"""

import os
import time
from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds

from .. import gymnasium_robots as gym
from .robot_files import download
from .test_robot_files import FOLDER

mujoco = pytest.importorskip("mujoco")

pytestmark = pytest.mark.bench

LAW = os.environ.get("LAW", "mujoco")

HEIGHT, ANGLE = 2e-3, 0.01
"""How far heights [m] and joints [rad] may be from MuJoCo's."""

SHAPES = {
    "sphere": '<geom type="sphere" size=".1"/>',
    "box": '<geom type="box" size=".1 .08 .06"/>',
    "feet": '<geom type="box" size=".1 .08 .02" contype="0" conaffinity="0"/>'
    + "".join(
        f'<geom type="capsule" size=".02 .03" pos="{x} {y} -.04" euler="0 90 0"/>'
        for x in (-0.08, 0.08)
        for y in (-0.06, 0.06)
    ),
}

WORLD = """
<mujoco>
  <option timestep="0.002" cone="{cone}"/>
  <default><geom friction="{friction}"/></default>
  <worldbody>
    <geom type="plane" size="9 9 .1" euler="0 {slope} 0"/>
    <body name="body" pos="0 0 {height}" euler="0 {slope} 0"><freejoint/>{geoms}</body>
  </worldbody>
</mujoco>
"""

CASES = {"rests": (0.0, 0.12, 0.8), "bounces": (0.0, 0.6, 0.8), "holds": (15.0, 0.12, 0.8), "slips": (25.0, 0.12, 0.2)}
"""Slope [deg], height [m] and friction."""

LOCOMOTION = "playground/mujoco_playground/_src/locomotion"

ROBOTS = {
    "Go1, feet": "go1/xmls/scene_mjx_feetonly_flat_terrain.xml",
    "Go1": "go1/xmls/scene_mjx_flat_terrain.xml",
    "Spot, feet": "spot/xmls/scene_mjx_feetonly_flat_terrain.xml",
    "Spot": "spot/xmls/scene_mjx_flat_terrain.xml",
    "H1": "h1/xmls/scene_mjx_feetonly.xml",
    "G1": "g1/xmls/scene_mjx_feetonly_flat_terrain.xml",
    "T1": "t1/xmls/scene_mjx_feetonly_flat_terrain.xml",
    "Apollo": "apollo/xmls/scene_mjx_feetonly_flat_terrain.xml",
    "OP3": "op3/xmls/scene_mjx_feetonly.xml",
    "Berkeley Humanoid": "berkeley_humanoid/xmls/scene_mjx_feetonly_flat_terrain.xml",
}
"""Menagerie's, as Playground has them: with a floor and a pose, without their meshes, which touch nothing there."""


TIED = {
    "quadruped": ("dm_control/dm_control/suite/quadruped.xml", {"ignore": ("pairs",)}),
    "fish": ("dm_control/dm_control/suite/fish.xml", {}),
    "ball in cup": ("dm_control/dm_control/suite/ball_in_cup.xml", {}),
    "manipulator": ("dm_control/dm_control/suite/manipulator.xml", {"contacts": "world"}),
    "hand": ("gymnasium-robotics/gymnasium_robotics/envs/assets/hand/reach.xml", {}),
    "coupled half-cheetahs": (
        "gymnasium-robotics/gymnasium_robotics/envs/multiagent_mujoco/assets/coupled_half_cheetah.xml",
        {},
    ),
}
"""Files with tendons and equalities, and how they are loaded; the torso of the quadruped touches nothing there."""


def there(model, position, control, steps):
    """Positions in MuJoCo, its solver as exact as it can be; controls are the same in all steps, or of each."""
    model.opt.tolerance, model.opt.iterations, model.opt.ls_iterations = 0.0, 200, 100
    data = mujoco.MjData(model)
    data.qpos[:] = position
    found = [data.qpos.copy()]
    for each in np.broadcast_to(control, (steps, model.nu)):
        data.ctrl[:] = each
        mujoco.mj_step(model, data)
        found.append(data.qpos.copy())
    return np.array(found)


def here(scene, steps, actuation):
    """Positions here."""
    driven = bool(scene.actuators)
    tune = ("controller.*",) if driven else ()
    problem = ds.Problem(scene, ds.OpenLoop() if driven else None, steps=steps, tune=tune)
    with ds.Simulation(problem, precision="f64", executor="staged") as sim:
        params = {"controller.values": np.broadcast_to(actuation, (steps, len(scene.actuators)))} if driven else {}
        return sim.rollout({**sim.params(), **params}).joint_position


@pytest.mark.parametrize("cone", ["pyramidal", "elliptic"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes(shape, cone):
    for what, (slope, height, friction) in CASES.items():
        source = WORLD.format(cone=cone, slope=slope, height=height, friction=friction, geoms=SHAPES[shape])
        model = mujoco.MjModel.from_xml_string(source)
        theirs = there(model, model.qpos0, (), 500)
        ours = here(ds.load_mjcf(source, contact_law=LAW), 500, ())
        most = np.abs(ours[:, :3] - theirs[:, :3]).max()
        depth, low = (q[-1, 2] - model.qpos0[2] for q in (ours, theirs))
        print(f"\n{shape}, {cone}: {what}: {1e3 * most:.2g} mm apart;", end="")
        print(f" ends {1e3 * depth:.3f} mm up here, {1e3 * low:.3f} mm there", end="")
        assert most < HEIGHT


def without_meshes(path):
    """The compiled model of a file whose meshes are not there."""
    spec = mujoco.MjSpec.from_file(str(path))
    for geom in list(spec.geoms):
        geom.material = ""
        if geom.type == mujoco.mjtGeom.mjGEOM_MESH:
            spec.delete(geom)
    for each in (*spec.meshes, *spec.materials, *spec.textures):
        spec.delete(each)
    return spec.compile()


def inside(scene):
    """Where a robot starts, 0.01 rad from limits: on one, rounding says whether it acts (hopper's thigh and leg)."""
    found = scene.initial_position.copy()
    limits = {joint.name: joint.limits for joint in scene.joints}
    for name, end, kind in scene.joint_coordinates():
        if limits[name] is not None and kind in ("hinge", "slide"):
            low, high = limits[name]
            found[end - 1] = np.clip(found[end - 1], low + 0.01, high - 0.01)
    return found


def held(model, seconds=2.0):
    """A robot in its home pose by its own actuators: the scene, and positions here and in MuJoCo."""
    pose = {"pose": model.key(0).name or "key_0", "hold": True} if model.nkey else {}
    with gym.quiet():
        scene = ds.load_mjcf(model, contact_law=LAW, **pose)
        scene = replace(scene, initial_position=inside(scene))
    controls = np.array([0.0 if each.neutral is None else each.neutral for each in scene.actuators])
    actuation = np.zeros(model.nu)
    if not pose:  # without a pose an actuation of 0 is the middle of the range
        low, high = model.actuator_ctrlrange.T
        actuation = -(high + low) / (high - low)
    steps = round(seconds / scene.dt)
    return scene, here(scene, steps, actuation), there(model, scene.initial_position, controls, steps)


def apart(name, scene, ours, theirs):
    """How far heights and joints are from each other, which is printed beside how far both creep."""
    ends = {joint: (end, kind) for joint, end, kind in scene.joint_coordinates()}
    joints = [end - 1 for end, kind in ends.values() if kind in ("hinge", "slide")]
    free = [end - 7 for end, kind in ends.values() if kind == "free"]
    between = np.abs(ours - theirs)
    height = between[:, free[0] + 2].max() if free else 0.0
    joint = between[:, joints].max()
    creeps = [1e3 * np.linalg.norm(q[-1, free[0] :][:2] - q[0, free[0] :][:2]) if free else 0.0 for q in (ours, theirs)]
    print(f"\n{name}: height {1e3 * height:.2g} mm, joints {joint:.2g} apart;", end="")
    print(f" goes {creeps[0]:.3f} mm here, {creeps[1]:.3f} mm there", end="")
    return height, joint


@pytest.mark.parametrize("name", ["half_cheetah", "hopper", "walker2d", "ant", "humanoid"])
def test_gymnasiums_robots(name):
    height, joint = apart(name, *held(gym.peer(name)))
    assert height < HEIGHT
    assert joint < ANGLE


def test_what_the_law_costs_beside_the_compliant_one():
    """CPU time of a rollout of 100 steps in 16 copies, and of its gradient: medians, in turns."""
    made = {}
    for law in ("compliant", "mujoco"):
        scene = gym.load("half_cheetah", contact_law=law)
        problem = ds.Problem(scene, ds.MLP(hidden=8, sines=6, frequency=12.0), ds.Travel(point="torso"), steps=100)
        sim = ds.Simulation(problem, precision="f32", envs=16)
        made[law] = (sim, sim.params(seed=1))
    times = {law: [] for law in made}
    for _ in range(30):
        for law, (sim, params) in made.items():
            begun = time.process_time()
            sim.value(params)
            middle = time.process_time()
            sim.value_and_grad(params)
            times[law].append((middle - begun, time.process_time() - middle))
    one, other = (1e6 / 1600 * np.median(times[law], axis=0) for law in made)
    print(f"\nhalf_cheetah, us a step: compliant {one[0]:.2f}, with gradient {one[1]:.2f};", end="")
    print(
        f" mujoco {other[0]:.2f} and {other[1]:.2f}, {other[0] / one[0]:.2f} and {other[1] / one[1]:.2f} times", end=""
    )
    for sim, _ in made.values():
        sim.close()
    assert other[1] < 2.0 * one[1]


@pytest.fixture(scope="module")
def folder():
    download(FOLDER)
    return FOLDER / LOCOMOTION


@pytest.mark.parametrize("name", TIED)
def test_tendons_and_equalities_of_packages(name, folder):
    """Fifty steps from the file's start under random controls."""
    path, loading = TIED[name]
    model, steps = mujoco.MjModel.from_xml_path(str(FOLDER / path)), 50
    with gym.quiet():
        scene = ds.load_mjcf(model, contact_law=LAW, **loading)
    actuation = np.random.default_rng(0).uniform(-1.0, 1.0, (steps, model.nu))
    low, high = np.where(model.actuator_ctrllimited[:, None].astype(bool), model.actuator_ctrlrange, (-1.0, 1.0)).T
    controls = low + 0.5 * (high - low) * (actuation + 1.0)
    between = np.abs(here(scene, steps, actuation) - there(model, scene.initial_position, controls, steps)).max()
    print(f"\n{name}: {model.ntendon} tendons, {model.neq} equalities: {between:.1e} apart", end="")
    assert between < 1e-9


@pytest.mark.parametrize("name", ROBOTS)
def test_robots_of_packages(name, folder):
    height, joint = apart(name, *held(without_meshes(folder / ROBOTS[name])))
    assert height < HEIGHT
    assert joint < ANGLE
