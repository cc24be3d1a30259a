"""Welds and connections to what does not move: steps of MuJoCo's, gradients, what is refused."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.mjcf import load_mjcf

from ... import gymnasium_robots as gym
from .slopes import assert_slopes_agree
from .stepped import step_errors

mujoco = pytest.importorskip("mujoco")

ROUNDING = 1e-10
"""MuJoCo iterates on the dual or primal problem up to its tolerance."""

HAND = """
<mujoco>
  <option timestep="0.002" integrator="{integrator}" tolerance="1e-15" iterations="200"/>
  <worldbody>
    <body name="post" pos="0.1 0.2 0.9" quat="0.9 0.1 0 0.2">
      <site name="nail" pos="0.1 0 0.05" quat="0.8 0 0.3 0.1"/></body>
    <body name="target" mocap="true" pos="0.3 0.1 1.2" quat="0.8 0.2 0.1 0.1"/>
    <body name="upper" pos="0 0 1">
      <joint axis="0 1 0"/><joint axis="1 0 0"/><geom type="capsule" size="0.05 0.2" pos="0.1 0 0.2"/>
      <body name="lower" pos="0 0 0.5"><joint axis="1 0 0"/><joint type="slide" axis="0 0 1"/>
        <geom type="capsule" size="0.04 0.2" pos="0 0.1 0.2"/><site name="elbow" pos="0 0.1 0"/>
        <body name="hand" pos="0 0 0.3"><joint type="ball"/>
          <geom type="box" size="0.05 0.04 0.03" pos="0.1 0 0"/>
          <site name="palm" pos="0.1 0.02 0" quat="0.9 0.3 0 0.1"/>
        </body>
      </body>
    </body>
    <body name="raft" pos="1 0 1"><freejoint/><geom type="box" size="0.2 0.1 0.05" pos="0.02 0 0"/>
      <site name="deck" pos="0 0.1 0.05" quat="0.7 0.1 0.3 0.2"/><site name="bow" pos="0.2 0 0" quat="0.9 0 0.1 0.3"/>
      <body pos="0 0 0.2"><joint axis="1 0 0"/><geom size="0.05" pos="0 0.1 0"/></body></body>
  </worldbody>
  <equality>{equality}</equality>
</mujoco>
"""

EQUALITIES = {
    "weld to a target": '<weld body1="target" body2="hand" solref="0.03 0.8"/>',
    "weld, the other way round": '<weld body1="raft" body2="target" torquescale="0.7"/>',
    "weld with a pose": '<weld body1="post" body2="raft" relpose="0.1 0.2 0.3 0.9 0.1 0.2 0.3" anchor="0.05 0.1 0"/>',
    "weld where it is": '<weld body1="lower"/>',
    "connection": '<connect body1="hand" body2="post" anchor="0.1 0.05 0" solimp="0.8 0.9 0.5 0.3 3"/>',
    "connection, the other way round": '<connect body1="target" body2="raft" anchor="0 0.1 0" solref="-500 -20"/>',
    "two that move": '<connect name="grip" body1="hand" body2="raft" anchor="0.1 0.05 0" solref="0.03 0.8"/>'
    '<connect body1="upper" body2="hand" anchor="0 0.1 0" solimp="0.8 0.9 0.5 0.3 3"/>',
    "weld of two that move": '<weld name="grip" body1="hand" body2="raft" anchor="0.1 0.05 0" torquescale="0.7"/>'
    '<weld body1="lower" body2="upper" relpose="0.1 0 0.3 0.9 0.1 0.2 0.3" solref="0.03 0.8" solimp="0.8 0.9 2 0.3 3"/>'
    '<connect body1="upper" body2="hand" anchor="0 0.1 0"/><weld body1="target" body2="hand"/>',
    "sites": '<weld site1="palm" site2="deck" torquescale="0.7"/><connect site1="bow" site2="elbow"/>'
    '<weld site1="bow" site2="nail" solref="0.03 0.8"/><connect site1="nail" site2="palm"/>',
    "two": '<weld body1="target" body2="raft"/><connect body1="hand" anchor="0 0 0"/>',
}


def xml(case, integrator="Euler"):
    return HAND.format(equality=EQUALITIES[case], integrator=integrator)


@pytest.mark.parametrize("case", EQUALITIES)
def test_a_step_is_mujocos(case):
    for seed in range(2):
        assert step_errors(xml(case), seed=seed)[0] < ROUNDING


def test_a_step_of_runge_and_kuttas_is_mujocos():
    assert step_errors(xml("two that move", "RK4"))[0] < ROUNDING
    assert step_errors(xml("two", "RK4"))[0] < ROUNDING


def test_what_is_held_stays_near():
    """For a second, against its weight: as far from its place as in MuJoCo."""
    source = xml("two")
    with gym.quiet():
        scene = load_mjcf(source, contacts=False)
    model = gym.without_contacts(mujoco.MjModel.from_xml_string(source))
    data = mujoco.MjData(model)
    for _ in range(500):
        mujoco.mj_step(model, data)
    with ds.Simulation(ds.Problem(scene, steps=500, tune=("scene.mass",)), precision="f64") as simulation:
        found = simulation.rollout(simulation.params())
    raft = [link.name for link in scene.links].index("raft")
    assert found.position[-1, raft] == pytest.approx(data.body("raft").xpos, abs=1e-4)
    assert found.position[-1, raft] == pytest.approx([1, 0, 1], abs=2e-3)  # where it was against the target


@pytest.mark.parametrize("executor", ["staged", *(pytest.param(e, marks=pytest.mark.bench) for e in ("fused", "wide"))])
def test_gradients_of_two_that_move_agree_with_differences(executor):
    source = EQUALITIES["two that move"] + EQUALITIES["weld of two that move"].replace("grip", "weld")
    with gym.quiet():
        scene = load_mjcf(HAND.format(equality=source, integrator="Euler"), contacts=False)
    held = ("anchor", "place", "orientation", "lever", "weight", "reference", "impedance")
    names = (*(f"hold_{name}" for name in held), "mass", "initial_velocity")
    goal = ds.Travel(direction=(1.0, 0.5, -0.3))
    problem = ds.Problem(scene, objective=goal, steps=12, tune=tuple(f"scene.{name}" for name in names))
    rng = np.random.default_rng(0)
    with ds.Simulation(problem, precision="f64", executor=executor) as simulation:
        params = simulation.params()
        params["scene.initial_velocity"] = rng.uniform(-1, 1, scene.freedoms)
        soft = np.array([[0.8, 0.95, 2.0, 0.4, 2.5], [0.7, 0.9, 1.5, 0.6, 3.0]])
        params["scene.hold_impedance"] = np.tile(soft, (3, 1))
        assert_slopes_agree(simulation, params, rng)


@pytest.mark.parametrize("executor", ["staged", *(pytest.param(e, marks=pytest.mark.bench) for e in ("fused", "wide"))])
def test_gradients_agree_with_differences(executor):
    source = HAND.format(equality=EQUALITIES["weld with a pose"] + EQUALITIES["connection"], integrator="Euler")
    with gym.quiet():
        scene = load_mjcf(source, contacts=False)
    names = ("anchor", "place", "orientation", "weight", "reference", "impedance", "lever")
    tune = (*(f"scene.hold_{name}" for name in names), "scene.mass", "scene.initial_velocity")
    goal = ds.Travel(direction=(1.0, 0.5, -0.3))
    rng = np.random.default_rng(0)
    problem = ds.Problem(scene, objective=goal, steps=12, tune=tune)
    with ds.Simulation(problem, precision="f64", executor=executor) as simulation:
        params = simulation.params()
        params["scene.initial_velocity"] = rng.uniform(-1, 1, scene.freedoms)
        params["scene.hold_impedance"] = np.array([[0.8, 0.95, 2.0, 0.4, 2.5], [0.7, 0.9, 1.5, 0.6, 3.0]])
        assert_slopes_agree(simulation, params, rng)


@pytest.mark.parametrize("equality", ["connect", "weld"])
def test_two_links_stay_together(equality):
    """For a second: where they are in MuJoCo, and with the momentum of what nothing else holds."""
    source = """<mujoco><option timestep="0.002" gravity="0 0 0" tolerance="1e-15" iterations="200"/><worldbody>
      <body name="one"><freejoint/><geom size="0.1" mass="1"/></body>
      <body name="other" pos="0.5 0 0"><freejoint/><geom type="box" size="0.1 0.2 0.05" mass="3"/></body>
      </worldbody><equality><EQUALITY body1="one" body2="other" anchor="0.2 0 0"/></equality></mujoco>"""
    source = source.replace("EQUALITY", equality)
    if equality == "weld":  # of which the anchor is on the second body
        source = source.replace("0.2 0 0", "-0.3 0 0")
    scene, model = load_mjcf(source, contacts=False), gym.without_contacts(mujoco.MjModel.from_xml_string(source))
    data = mujoco.MjData(model)
    velocity = np.array([0.3, 0.5, 0, 0.2, 0, 1.0, 0, -0.4, 0.1, 1.0, 0.5, 0])
    data.qvel[:] = velocity
    mujoco.mj_step(model, data, 500)
    problem = ds.Problem(scene, steps=500, tune=("scene.initial_velocity",))
    with ds.Simulation(problem, precision="f64") as simulation:
        found = simulation.rollout({"scene.initial_velocity": velocity})
    assert found.joint_position[-1] == pytest.approx(data.qpos, abs=1e-6)
    turn = found.rotation[-1].reshape(2, 3, 3)
    ends = found.position[-1, 0] + turn[0] @ (0.2, 0, 0), found.position[-1, 1] + turn[1] @ (-0.3, 0, 0)
    assert np.linalg.norm(ends[0] - ends[1]) < 2e-3
    if equality == "weld":
        assert turn[0] == pytest.approx(turn[1], abs=2e-3)
    assert found["momentum"] == pytest.approx(np.broadcast_to(found["momentum"][0], found["momentum"].shape), abs=1e-9)


def test_weights_follow_from_what_is_moved():
    with gym.quiet():
        scene = load_mjcf(xml("two that move"), contacts=False)
    given = scene.numbers()["hold_weight"]
    bare = [ds.Hold(h.name, h.link, h.place, other=h.other, anchor=h.anchor) for h in scene.holds]
    assert ds.Articulated(scene.links, holds=bare).numbers()["hold_weight"] == pytest.approx(given, rel=1e-9)
    with gym.quiet():
        scene = load_mjcf(xml("two"), contacts=False)
    given = scene.numbers()["hold_weight"]
    bare = [ds.Hold(h.name, h.link, h.place, h.orientation, anchor=h.anchor) for h in scene.holds]
    found = ds.Articulated(scene.links, holds=bare).numbers()["hold_weight"]
    assert found == pytest.approx(given, rel=1e-9)
    renewed = scene.with_numbers({"hold_place": np.ones((2, 3))})
    assert [hold.place.tolist() for hold in renewed.holds] == [[1, 1, 1], [1, 1, 1]]
    assert renewed.holds[1].orientation is None


def test_what_is_simulated_can_be_ignored():
    with pytest.warns(OmissionWarning):
        assert not load_mjcf(xml("weld to a target"), ignore="equality").holds


LINK = ds.Link("box", joints=ds.Joint("root", "free"), mass=1.0, inertia=(1, 1, 1))

BAD = {
    "no link": (lambda: ds.Articulated([LINK], holds=ds.Hold("h", "ball", (0, 0, 0))), "hold 'h' holds link 'ball'"),
    "a link that does not move": (
        lambda: ds.Articulated([LINK, ds.Link("wall")], holds=ds.Hold("h", "wall", (0, 0, 0))),
        "hold 'h' holds link 'wall', but that does not move",
    ),
    "no other": (
        lambda: ds.Articulated([LINK], holds=ds.Hold("h", "box", (0, 0, 0), other="ball")),
        "hold 'h' holds to link 'ball'",
    ),
    "itself": (lambda: ds.Hold("h", "box", (0, 0, 0), other="box"), "hold 'h': link 'box' cannot be held to itself"),
    "no time": (lambda: ds.Hold("h", "box", (0, 0, 0), reference=(0, 1)), "hold 'h': reference"),
    "two of a name": (
        lambda: ds.Articulated([LINK], holds=[ds.Hold("h", "box", (0, 0, 0)), ds.Hold("h", "box", (1, 0, 0))]),
        "two holds are named 'h'",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_a_hold_cannot_be_is_said(case):
    make, words = BAD[case]
    with pytest.raises(InputError, match=words):
        make()
