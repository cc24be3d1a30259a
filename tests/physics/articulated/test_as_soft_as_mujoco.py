"""What says nothing of stiffness is as soft as in MuJoCo: rest depths, what is moved, landings with these numbers."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.articulated.kinematics import inverse_inertias

from ... import gymnasium_robots as gym
from .moving_scene import follow, force

R, G, HEAVY = 0.05, 9.81, (0.1, 1.0, 10.0)
LYING = 'quat="0.70710678 0 0.70710678 0"'
POST = '<geom type="box" size="0.05 0.05 0.5" pos="{x} {y} 0.5" {own} {bits}/>'

# Of each: what stands, how high its middle is, and what it stands on.
SHAPES = {
    "sphere": ('type="sphere" size="0.05"', R, ""),
    "box": ('type="box" size="0.1 0.08 0.05"', R, ""),
    "lying capsule": (f'type="capsule" size="0.05 0.2" {LYING}', R, ""),
    "standing capsule": ('type="capsule" size="0.05 0.1"', 0.15, ""),
    "bar on posts": (f'type="capsule" size="0.05 0.5" {LYING}', 1.0 + R, "posts"),
    "sphere on a box": ('type="sphere" size="0.05"', 1.0 + R, "post"),
    "sphere on a sphere": ('type="sphere" size="0.05"', 0.3 + R, "dome"),
}
SETTINGS = {
    "as it is": ("", ""),
    "slow": ('solref="0.04 1"', ""),
    "bouncing": ('solref="0.02 0.5"', ""),
    "soft at first": ('solimp="0.5 0.95 0.002"', ""),
    "steep": ('solimp="0.8 0.98 0.001 0.3 4"', ""),
    "direct": ('solref="-3000 -100"', ""),
    "with priority": ('solref="0.03 1" priority="1"', 'solref="0.01 1"'),
    "of the floor": ("", 'solref="0.05 1" solimp="0.9 0.99 0.001" solmix="3"'),
}
CASES = [
    (shape, setting, mass)
    for shape in SHAPES
    for setting in (SETTINGS if shape == "sphere" else ("as it is",))
    for mass in (HEAVY if setting == "as it is" else (1.0,))
]


def model():
    """Every case in a place of its own, its free body named by its number; MuJoCo's friction cones are elliptic, whose
    normal force does not depend on the coefficient of friction."""
    bodies = []
    for k, (shape, setting, mass) in enumerate(CASES):
        (geom, high, under), (own, floors) = SHAPES[shape], SETTINGS[setting]
        y, bits = 2.0 * k, f'contype="{1 << k % 30}" conaffinity="{1 << k % 30}"'
        if under == "posts":
            bodies += [POST.format(x=x, y=y, own=floors, bits=bits) for x in (-0.3, 0.3)]
        elif under == "post":
            bodies.append(POST.format(x=0, y=y, own=floors, bits=bits))
        elif under == "dome":
            bodies.append(f'<geom type="sphere" size="0.3" pos="0 {y} 0" {floors} {bits}/>')
        else:
            bodies.append(f'<geom type="plane" size="1 1 1" {floors} {bits}/>')
        bodies.append(
            f'<body name="{k}" pos="0 {y} {high}"><freejoint/><geom {geom} mass="{mass}" {own} {bits}/></body>'
        )
    return f'<mujoco><option timestep="0.002" cone="elliptic"/><worldbody>{"".join(bodies)}</worldbody></mujoco>'


STEPS = 600


@pytest.fixture(scope="module")
def scene():
    return ds.load_mjcf(model())


@pytest.fixture(scope="module")
def sunk(scene):
    """(cases, 2) how far below its start each is in the end, here and in MuJoCo [m]."""
    import mujoco

    peer = mujoco.MjModel.from_xml_string(model())
    data = mujoco.MjData(peer)
    for _ in range(STEPS):
        mujoco.mj_step(peer, data)
    with ds.Simulation(ds.Problem(scene, steps=STEPS), precision="f64") as simulation:
        end = simulation.rollout(simulation.params()).joint_position[-1]
    start = scene.initial_position
    return np.stack([(start - each)[2::7] for each in (end, data.qpos)], axis=1)


@pytest.mark.parametrize("case", range(len(CASES)), ids=[" ".join(map(str, case)) for case in CASES])
def test_what_rests_is_as_deep_as_in_mujoco(sunk, case):
    """Within a tenth, or 0.15 mm: half of the touch depth, over which a contact here sets in."""
    here, there = sunk[case]
    assert here == pytest.approx(there, rel=0.1, abs=1.5e-4)
    if CASES[case][0].startswith("sphere") and here > 3e-4:  # one spot under its own weight
        assert here == pytest.approx(there, rel=1e-3)


def test_what_a_push_moves_is_what_mujoco_counts_with(scene):
    import mujoco

    for name in ("hopper", "half_cheetah", "ant", "humanoid"):
        found = inverse_inertias(gym.load(name))
        assert found == pytest.approx(gym.peer(name).body_invweight0[1:], rel=1e-6), name
    peer = mujoco.MjModel.from_xml_string(model())
    assert inverse_inertias(scene) == pytest.approx(peer.body_invweight0[1:], rel=1e-6)


def test_a_step_too_long_for_a_time_constant_makes_it_longer():
    """As in MuJoCo: no less than two steps."""
    ball = ds.Link("ball", joints=ds.Joint("root", "free"), mass=1.0, inertia=(1e-3,) * 3,
                   geoms=ds.Geom("ball", "sphere", R))  # fmt: skip
    floor = ds.Geom("floor", "plane")
    stiffness = {
        (dt, substeps): ds.Articulated([ball], geoms=floor, dt=dt, substeps=substeps).numbers()["contact_stiffness"][1]
        for dt, substeps in ((0.01, 1), (0.02, 1), (0.02, 2), (0.02, 4))
    }
    assert stiffness[0.02, 2] == stiffness[0.01, 1] == stiffness[0.02, 4]
    slow = ds.Geom("ball", "sphere", R, solref=(0.06, 1.0))  # 0.04 s with the floor's
    ball = ds.Link("ball", joints=ds.Joint("root", "free"), mass=1.0, inertia=(1e-3,) * 3, geoms=slow)
    assert stiffness[0.02, 1] == ds.Articulated([ball], geoms=floor).numbers()["contact_stiffness"][1]


# Landings with these numbers

PHASES, STEP, DT, TIME, DROP, MU, BOUNCE = 16, 1e-4, 1e-3, 0.4, 0.2, 0.6, 0.6
BOUNCES = np.array([0.2, 0.5, 0.9])
INERTIA, MASS = 2e-3, 2.0


@pytest.fixture(scope="module")
def landings():
    """A ball at 16 phases of its landing and a little higher, twice: with restitution, then as it moves and slips.

    Behind these it is thrown without gravity, with restitutions and a little higher ones.
    """
    ball = ds.Link("ball", joints=ds.Joint("root", "free"), position=(0, 0, R), mass=MASS, inertia=(INERTIA,) * 3,
                   geoms=ds.Geom("ball", "sphere", R))  # fmt: skip
    scene = ds.Articulated([ball], geoms=ds.Geom("floor", "plane", friction=0.0), dt=DT)
    bouncing, slipping, thrown = np.split(np.arange(4 * PHASES + 2 * len(BOUNCES)), (2 * PHASES, 4 * PHASES))
    names = ("initial_position", "initial_velocity", "gravity", "restitution", "friction")
    numbers, envs = scene.numbers(), 4 * PHASES + 2 * len(BOUNCES)
    params = {f"scene.{name}": np.repeat(numbers[name][None], envs, 0) for name in names}
    place, speed = params["scene.initial_position"], params["scene.initial_velocity"]
    high = DROP + np.arange(PHASES) / PHASES * 2.0 * DT
    place[: 4 * PHASES, 2] += np.concatenate([high, high + STEP] * 2)
    params["scene.restitution"][bouncing, 1] = BOUNCE
    params["scene.friction"][:] = 0.0
    params["scene.friction"][slipping, 1] = MU
    speed[slipping, 0] = 1.0
    place[thrown, 2] += 0.1 + np.tile(0.3 * np.arange(len(BOUNCES)) * DT, 2)
    speed[thrown, 2] = -2.0
    params["scene.gravity"][thrown] = 0.0
    params["scene.restitution"][thrown, 1] = np.concatenate([BOUNCES, BOUNCES + STEP])
    problem = ds.Problem(scene, steps=round(TIME / DT), tune=tuple(params))
    with ds.Simulation(problem, precision="f64", envs=envs, shared=False) as simulation:
        yield numbers["contact_stiffness"][1], numbers["contact_damping"][1], simulation.rollout(params)


def damped(restitution):
    """Of critical damping: Schwager & Poschel 2007, Granular Matter 9, equations 20 to 22."""
    angle = np.linspace(1e-3, 1.57, 100_001)
    return np.cos(np.interp(restitution, np.exp(-2.0 * angle / np.tan(angle)), angle))


def law(stiffness, damping, friction):
    """Height and way in the end by how high it began: the law that `compliance` says, in small steps.

    It changes little over the phases; the mean takes away what the small steps leave of kinks.
    """

    def accelerate(x, v):
        push = force(-x[0], -v[0], stiffness, damping, 3e-4)
        slip = v[1] - R * v[2]
        drag = -friction * push * slip / np.sqrt(slip**2 + 1e-6)
        return np.array([push / MASS - G, drag / MASS, -R * drag / INERTIA])

    high = DROP + np.arange(PHASES) / PHASES * 2.0 * DT
    still = np.zeros(PHASES)
    ends = [
        follow(accelerate, (start, still, still), (still, still + (friction > 0.0), still), TIME)[0][-1]
        for start in (high, high + STEP)
    ]
    return ((ends[1] - ends[0]) / STEP).mean(axis=1)


def test_a_landing_counts_from_when_it_is(landings):
    """By how high it began; at 1 ms, as what is so stiff is in contact for seven steps of 2 ms only."""
    stiffness, damping, rollout = landings
    end = rollout.position[:, -1, 0]
    slope = (end[PHASES : 2 * PHASES, 2] - end[:PHASES, 2]) / STEP
    expected = law(stiffness, damped(BOUNCE) * damping, 0.0)[0]
    assert slope == pytest.approx(np.full(PHASES, expected), rel=0.1)
    slope = (end[3 * PHASES : 4 * PHASES, 0] - end[2 * PHASES : 3 * PHASES, 0]) / STEP
    expected = law(stiffness, damping, MU)[1]
    assert slope.mean() == pytest.approx(expected, rel=0.05)
    assert slope == pytest.approx(np.full(PHASES, expected), rel=0.4)


def test_what_lands_leaves_with_its_restitution(landings):
    left = landings[2].joint_velocity[4 * PHASES :, -1, 2] / 2.0
    count = len(BOUNCES)
    assert left[:count] == pytest.approx(BOUNCES, abs=0.02)
    assert (left[count:] - left[:count]) / STEP == pytest.approx(np.ones(count), abs=0.1)
