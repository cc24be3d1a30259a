"""Runge and Kutta's steps and those with implicit servos, against MuJoCo and against what motion keeps."""

import numpy as np
import pytest

import diffsim as ds

from ... import gymnasium_robots as gym
from .moving_scene import DROP, DT, INERTIA, TIME, WEIGHT, G, R, follow, force, free
from .stepped import step_errors

pytest.importorskip("mujoco")
pytest.importorskip("gymnasium")

from .against_mujoco import MEDLEY, Twins

# All kinds of joints and actuators, servos and one that saturates among them; and the robot whose file asks for RK4.
CASES = [("medley", "rk4"), ("medley", "implicitfast"), ("hopper", "rk4")]


@pytest.fixture(scope="module", params=CASES, ids=" ".join)
def twins(request):
    name, integrator = request.param
    made = Twins(name, integrator=integrator)
    yield made
    made.simulation.close()


def test_a_step_is_mujocos(twins):
    velocity, position = twins.one_step_errors(batches=2)
    assert velocity < 1e-12
    assert position < 1e-13


def test_trajectories_are_mujocos(twins):
    errors, own = twins.trajectory_errors()
    assert errors[own < 1e-7].max() < 1e-9


@pytest.mark.parametrize("twins", CASES[2:], indirect=True, ids=" ".join)
def test_derivatives_of_a_step_are_mujocos(twins):
    assert twins.derivative_errors() < 1e-7


def test_files_get_the_integrator_that_they_ask_for():
    for name, expected in (("hopper", "rk4"), ("walker2d", "rk4"), ("half_cheetah", "euler")):
        with gym.quiet():
            assert ds.load_mjcf(gym.path(name)).integrator == expected
    for given, expected in (("RK4", "rk4"), ("implicitfast", "implicitfast"), ("Euler", "euler")):
        asked = MEDLEY.replace("<option ", f'<option integrator="{given}" ')
        assert ds.load_mjcf(asked, contacts=False).integrator == expected
        assert ds.load_mjcf(asked, contacts=False, integrator="euler").integrator == "euler"


# Gyroscopic forces of free links, implicit with "implicitfast"

TOP = """
<mujoco>
  <option timestep="0.005" integrator="implicitfast" gravity="0 0 0"/>
  <worldbody>
    <body name="top"><joint name="root" type="free"{more}/>
      <inertial mass="2" pos=".02 .03 -.01" diaginertia=".01 .03 .035" euler="20 30 10"/></body>
  </worldbody>
</mujoco>
"""


def test_a_step_of_what_spins_freely_is_mujocos():
    for seed in range(3):
        source = TOP.format(more=' damping=".3" armature=".01"')
        assert step_errors(source, seed=seed, speed=20.0)[0] < 1e-13


@pytest.mark.bench
def test_what_spins_freely_gains_no_energy_and_has_a_gradient():
    """At 36 rad/s, a fifth of a radian a step: about its centre it loses energy in each, Euler's gains."""
    scene = ds.load_mjcf(TOP.format(more=""), initial_velocity=(1, 2, 0, 20, 8, 29))
    goal = ds.Travel(direction=(1.0, 0.5, -0.3)) + ds.ReachPose((0.1, 0, 0), (0.9, 0.1, 0.2, 0.1), "top")
    tune = ("scene.mass", "scene.inertia", "scene.centre", "scene.initial_velocity")
    with ds.Simulation(ds.Problem(scene, objective=goal, steps=100, tune=tune), precision="f64") as simulation:
        energy = simulation.rollout({**simulation.params(), "scene.centre": np.zeros((1, 3))}).energy
        report = ds.check_gradients(simulation, simulation.params(), tolerance=1e-6)
    assert np.diff(energy).max() < 0.0
    assert report.passed, report


# What motion keeps


def rod(name, parent, at):
    return ds.Link(name, parent=parent, joints=ds.Joint(name, axis=(0, 1, 0)), position=at, mass=1.0,
                   centre=(0, 0, -0.25), inertia=(0.02, 0.02, 0.001))  # fmt: skip


@pytest.mark.parametrize(("integrator", "kept"), [("rk4", True), ("euler", False)])
def test_energy_is_kept(integrator, kept):
    """Of a body that spins at 30 rad/s, about the axis of its middle moment almost, and of a double pendulum: 20 s.

    Euler's step, which MuJoCo's is, gains or loses it: what the docs say.
    """
    body = ds.Link("body", joints=ds.Joint("root", "free"), position=(0, 0, 5), mass=1.0, inertia=(0.01, 0.02, 0.025))
    start = {"initial_position": [0, 0, 5, 1, 0, 0, 0, 2.0, 0.5], "initial_velocity": [0, 0, 0, 3, 30, 1, 0, 0]}
    for links, numbers in (
        ([body], {name: value[: 7 if name[8:] == "position" else 6] for name, value in start.items()}),
        ([rod("upper", None, (0, 0, 0)), rod("lower", "upper", (0, 0, -0.5))], {"initial_position": [2.0, 0.5]}),
    ):
        scene = ds.Articulated(
            links, integrator=integrator, dt=2e-3, gravity=(0, 0, 0 if len(links) == 1 else -G), **numbers
        )
        with ds.Simulation(
            ds.Problem(scene, steps=10_000), precision="f64", adjoint=ds.Checkpointed(every=100)
        ) as simulation:
            energy = simulation.rollout(simulation.params(), finite=False).energy
        lost = np.abs(energy - energy[0]).max() / np.abs(energy[0])
        assert (lost < 1e-3) == kept


# Contacts and limits in four evaluations


PHASES, STEP = 16, 1e-4


@pytest.fixture(scope="module")
def landings():
    """(2 phases,): a ball, two in the air and a weight at a limit, at phases of a landing and a little higher."""
    links = [
        free("ball", ds.Geom("ball", "sphere", R, friction=0.6, stiffness=1e4, damping=10.0, contype=1), (0, 0, R)),
        free("still", ds.Geom("still", "sphere", R, friction=0.6, contype=1), (3, 0, R - G / 2500.0 - 5e-4)),
        free("left", ds.Geom("left", "sphere", R, contype=2, conaffinity=2), (0, 50, 5)),
        free("right", ds.Geom("right", "sphere", R, contype=2, conaffinity=2), (1, 50, 5)),
        ds.Link("weight", joints=ds.Joint("rail", "slide", limits=(0.0, 9.0), limit_stiffness=WEIGHT[0],
                                          limit_damping=WEIGHT[1]), mass=2.0, inertia=(0.1,) * 3),
    ]  # fmt: skip
    floor = ds.Geom("floor", "plane", friction=0.0, contype=1, conaffinity=1)
    scene = ds.Articulated(links, geoms=floor, integrator="rk4", touch_depth=1e-3, dt=DT)
    place = np.repeat(scene.initial_position[None], 2 * PHASES, 0)
    speed = np.zeros((2 * PHASES, scene.freedoms))
    fall = DROP + np.arange(PHASES) / PHASES * 2.0 * DT
    fall = np.concatenate([fall, fall + STEP])
    place[:, 2] += fall
    place[:, 14] -= fall
    place[:, 28] = fall
    speed[:, 12] = 4.0
    params = {"scene.initial_position": place, "scene.initial_velocity": speed}
    problem = ds.Problem(scene, steps=round(TIME / DT), tune=tuple(params))
    with ds.Simulation(problem, precision="f64", envs=2 * PHASES, shared=False) as simulation:
        return simulation.rollout(params)


def test_what_rests_rests(landings):
    assert landings.position[:, :, 1, 2] == pytest.approx(R - G / 2500.0 - 5e-4, abs=1e-12)
    names = [landings.problem.scene.contact_name(k) for k in range(landings.contact_force.shape[2])]
    spot = names.index("geoms floor and still")
    assert landings.contact_force[:, :, spot, 2] == pytest.approx(G, rel=1e-9)


def slope(end):
    return (end[PHASES:] - end[:PHASES]) / STEP


def test_landings_count_from_when_they_are(landings):
    start = DROP + np.arange(4) / 4 * 2.0 * DT
    laws = {
        0: lambda x, v: force(-x, -v, 1e4, 10.0) - G,
        4: lambda x, v: force(-x, -v, *WEIGHT, 0.01) / 2.0 - G,
    }
    for link, law in laws.items():
        ends = [follow(law, high, np.zeros(4), steps=8000)[0] for high in (start, start + STEP)]
        expected = ((ends[1][-1] - ends[0][-1]) / STEP).mean()
        assert slope(landings.position[:, -1, link, 2]) == pytest.approx(np.full(PHASES, expected), rel=0.12)
        if link == 0:
            high = landings.position[:PHASES, round(0.6 * TIME / DT) :, 0, 2].max(axis=1) - R
            assert high == pytest.approx(np.full(PHASES, ends[0][60:].max(axis=0).mean()), rel=0.02)


def test_two_that_meet_keep_their_momentum(landings):
    left, right = landings.joint_velocity[:, :, 12], landings.joint_velocity[:, :, 18]
    assert left + right == pytest.approx(np.full_like(left, 4.0), abs=1e-12)
    apart = landings.position[:, -1, 3, 0] - landings.position[:, -1, 2, 0]
    assert np.abs(slope(apart) + 0.135).max() < 0.1


def test_a_ball_rolls_on_a_floor_of_four_evaluations():
    """What a rolling ball has of weight does not depend on how fast it is."""
    ball = free("ball", ds.Geom("ball", "sphere", R, friction=0.6), (0, 0, R - G / 2500.0 - 5e-4), inertia=INERTIA)
    scene = ds.Articulated([ball], geoms=ds.Geom("floor", "plane"), integrator="rk4", touch_depth=1e-3, dt=DT,
                           initial_velocity=[5, 0, 0, 0, 50, 0])  # fmt: skip
    with ds.Simulation(ds.Problem(scene, steps=100), precision="f64") as simulation:
        found = simulation.rollout(simulation.params())
    assert found.contact_force[:, 0, 2] == pytest.approx(G, rel=1e-6)
