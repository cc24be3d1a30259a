"""Links that are moved from outside: steps are MuJoCo's with its mocap set before each, and gradients differences."""

from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError, OmissionWarning
from diffsim.physics.articulated.kinematics import forward_kinematics

from ...gymnasium_robots import quiet

DT, STEPS = 0.004, 30
PULLED = """<mujoco><option timestep="0.004"/><default><geom contype="0" conaffinity="0"/></default><worldbody>
  <body name="hand" mocap="true" pos="0 0 1" quat="0.9 0.1 0.2 0.1"><geom size=".05"/>
    <body name="finger" pos="0.1 0 0" quat="0.8 0 0.3 0.1"><geom size="0.02"/></body></body>
  <body name="pusher" mocap="true" pos="1 0 0.1"><geom size="0.1" contype="1" conaffinity="1"/></body>
  <body name="other" mocap="true" pos="3 0 0"/>
  <body name="palm" pos="0.05 0.02 1.03"><freejoint/><geom type="box" size=".04 .03 .05"/>
    <body name="link" pos="0 0 -0.1"><joint axis="1 0.2 0"/><geom type="capsule" size=".02 .1"/></body></body>
  <body name="arm" pos="-1 0 1"><joint name="shoulder" axis="0 1 0.1"/><geom type="capsule"
    fromto="0 0 0 0.3 0 0.1" size="0.03"/></body>
  <body name="puck" pos="1.19 0.05 0.11"><freejoint/><geom size="0.1" contype="1" conaffinity="1"/></body>
</worldbody><actuator><motor joint="shoulder" gear="0.2"/></actuator><equality>
  <weld name="weld" body1="finger" body2="palm" relpose="0.05 0.02 0.01 1 0.1 0 0.05"/>
  <connect name="connect" body1="arm" body2="hand" anchor="0.3 0 0.1"/>
</equality></mujoco>"""

TIME = DT * np.arange(STEPS + 1)
HAND = np.stack([0.3 * np.sin(8 * TIME), 0.2 * TIME, 1 + 0.2 * np.sin(5 * TIME)], axis=1)
TURN = np.stack([1 + 0 * TIME, 0.5 * np.sin(6 * TIME), 0.4 * TIME, -0.3 * np.sin(3 * TIME)], axis=1)
AT = (0.0, 0.0, 0.0)
HINGE = ds.Joint("j")
PUSHER = ds.Mocap([(1.0, 0.0, 0.1), (1.1, 0.03, 0.12)], times=(0.01, 0.09))
GIVEN = {"hand": ds.Mocap(HAND, TURN), "pusher": PUSHER}


def pusher(time):
    along = np.clip((time - 0.01) / 0.08, 0.0, 1.0)
    return np.array([1.0, 0.0, 0.1]) + along * np.array([0.1, 0.03, 0.02])


def in_mujoco():
    """Positions after each step."""
    import mujoco

    model = mujoco.MjModel.from_xml_string(PULLED)
    data, found = mujoco.MjData(model), [model.qpos0]
    for k in range(STEPS):
        data.mocap_pos[1] = pusher(k * DT)
        data.mocap_pos[0], data.mocap_quat[0] = HAND[k], TURN[k]
        data.ctrl[:] = 0.5
        mujoco.mj_step(model, data)
        found.append(np.array(data.qpos))
    return np.array(found)


def test_steps_are_mujocos():
    with pytest.warns(
        OmissionWarning, match=r"what moves other from outside \(give mocap=\): they stay where they are"
    ):
        scene = ds.load_mjcf(PULLED, mocap=GIVEN, contact_law="mujoco")
    assert [hold.other for hold in scene.holds] == ["finger", "hand"]
    problem = ds.Problem(scene, ds.OpenLoop(0.5), steps=STEPS, tune=("scene.mass",))
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        rollout = simulation.rollout(simulation.params())
    theirs = in_mujoco()
    assert np.abs(theirs[-1] - theirs[0]).max() > 0.1  # pushed and pulled
    assert rollout.joint_position == pytest.approx(theirs, abs=1e-10)
    # The hand is where it is put, in rollouts and in NumPy.
    assert rollout.position[:, scene.places.index("hand")] == pytest.approx(HAND, abs=1e-14)
    pose = forward_kinematics(scene, rollout.joint_position, rollout.time)
    assert pose.origin == pytest.approx(rollout.position, abs=1e-13)
    assert pose.rotation.reshape(STEPS + 1, -1, 9) == pytest.approx(rollout.rotation, abs=1e-13)
    there = ds.replay_in_mujoco(problem, {}, PULLED)
    assert there.joint_position == pytest.approx(theirs, abs=1e-12)
    assert there.position == pytest.approx(rollout.position, abs=1e-9)


def ball(name, at, radius=0.1, **changes):
    geom = ds.Geom(name, "sphere", radius, friction=0.4)
    return ds.Link(name, position=at, mass=0.5, inertia=(0.002,) * 3, geoms=geom, **changes)


def test_what_pushes_and_pulls_has_a_gradient():
    """A ball is pushed by one, and held by a string to another; copies have paths of their own."""
    path = ds.Mocap([(0.0, 0.0, 0.0), (0.1, 0.02, 0.01)], (0.9, 0.1, 0.2, 0.0), times=(0.001, 0.0413))
    free = ds.Joint("free", "free")
    scene = ds.Articulated(
        [ball("pushes", (0, 0, 0), mocap=path), ball("is pushed", (0.19, 0.01, 0.02), joints=free)],
        holds=ds.Hold("string", "is pushed", (0.2, 0.1, 0.0), other="pushes", reference=(0.3, 1.0)),
        dt=0.004,
    )
    goal = ds.ReachTarget((0.4, 0.1, 0.1), point="is pushed")
    problem = ds.Problem(scene, objective=goal, steps=10, tune=("scene.mocap_*", "scene.hold_place"))
    with ds.Simulation(problem, precision="f64", executor="staged") as simulation:
        report = ds.check_gradients(simulation)
        assert {row.name for row in report.checks} >= {
            f"scene.mocap_{what}" for what in ("position", "orientation", "time")
        }
        changed = {**simulation.params(), "scene.mocap_position": [(0.0, 0.0, 0.0), (0.05, -0.02, 0.0)]}
        alone = [simulation.rollout(params).joint_position for params in (simulation.params(), changed)]
    numbers = {"scene.mocap_position": np.stack([path.positions, changed["scene.mocap_position"]])}
    fixed = ds.Problem(scene, objective=goal, steps=10, tune=("scene.hold_place",))
    with ds.Simulation(fixed, precision="f64", executor="staged", envs=2, numbers=numbers) as simulation:
        both = simulation.rollout(simulation.params()).arrays["joint_position"]
    assert np.abs(both[1] - both[0]).max() > 1e-3
    assert both == pytest.approx(np.stack(alone), abs=1e-12)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ds.Mocap([(0.0, 1.0)]), r"Mocap.positions has shape \(1, 2\)"),
        (lambda: ds.Mocap(HAND, TURN[1:]), r"Mocap.orientations has shape \(30, 4\)"),
        (lambda: ds.Mocap(HAND, 0.0 * TURN), r"Mocap.orientations\[0\] is zero"),
        (lambda: ds.Mocap(HAND[:3], times=(0.0, 0.2, 0.2)), r"Mocap.times\[2\] is 0.2 after 0.2, but each is later"),
        (lambda: ball("b", (0, 0, 0), mocap=HAND), "link 'b': mocap is of type ndarray, but a Mocap is needed"),
        (
            lambda: ball("b", (0, 0, 0), mocap=PUSHER, joints=HINGE),
            "link 'b': has a mocap, which says where in the world it is, but also the joint 'j'",
        ),
        (lambda: ball("b", (0, 0, 0), mocap=PUSHER, parent="a"), "but also the parent 'a'"),
        (
            lambda: ds.Articulated([ball("a", AT, mocap=PUSHER), ball("b", AT, parent="a", joints=HINGE)]),
            "link 'b' has joint 'j', but what link 'a' carries, which a mocap moves, has no joints",
        ),
        (lambda: ds.load_mjcf(PULLED, mocap={"arm": PUSHER}), "names 'arm', but bodies .* are hand, pusher, other"),
        (lambda: ds.load_mjcf(PULLED, mocap={"hand": HAND}), "link 'hand': mocap is of type ndarray"),
        (lambda: ds.load_mjcf(PULLED, mocap=PUSHER), "load_mjcf: mocap is .*, but a Mocap for each body is needed"),
        (lambda: ds.Stepper(moved()), "a Stepper's calls know no time, but the mocap of link 'pusher' goes by it"),
        (lambda: ds.load_mjcf(PLANE, mocap={"lift": PUSHER}), "geom 'deck' is a plane of link 'lift'"),
    ],
)  # fmt: skip
def test_bad_input_is_refused(make, message):
    with quiet(), pytest.raises(InputError, match=message):
        make()


PLANE = """<mujoco><worldbody>
  <body name="lift" mocap="true" pos="0 0 1"><geom name="deck" type="plane" size="1 1 1"/></body>
  <body pos="0 0 2"><freejoint/><geom size="0.1"/></body></worldbody></mujoco>"""


def moved():
    with quiet():
        return ds.load_mjcf(PULLED, mocap={"pusher": PUSHER})


def test_without_a_path_it_stays():
    with quiet():
        scene = ds.load_mjcf(PLANE)
    assert scene.geoms[0].position[2] == 1.0
    assert "mocap_position" not in scene.numbers()


def test_a_keyframe_puts_bodies_where_it_has_them():
    """But not those that have a path."""
    key = '<keyframe><key name="up" mpos="1 2 3 4 5 6 7 8 9" mquat="1 0 0 0 0 2 0 0 0.5 0.5 0.5 0.5"/></keyframe>'
    with quiet():
        scene = ds.load_mjcf(PULLED.replace("</mujoco>", f"{key}</mujoco>"), pose="up", mocap={"hand": GIVEN["hand"]})
    links = {link.name: link for link in scene.links}
    assert links["pusher"].position.tolist() == [4, 5, 6]
    assert links["pusher"].orientation.tolist() == [0, 1, 0, 0]
    assert links["other"].position.tolist() == [7, 8, 9]
    assert links["hand"].position.tolist() == [0, 0, 1]
    assert ds.Articulated.from_dict(scene.to_dict()) == scene
    with pytest.raises(InputError, match=r"pose_places\['up'\] puts link 'hand' somewhere, but its mocap"):
        replace(scene, pose_places={"up": {"hand": np.ones(7)}})
    with pytest.raises(InputError, match=r"pose_places\['up'\] names link 'foot', but the links are hand"):
        replace(scene, pose_places={"up": {"foot": np.ones(7)}})
    with pytest.raises(InputError, match=r"pose_places\['up'\] is 3, but a place and a quaternion"):
        replace(scene, pose_places={"up": 3})


def test_other_numbers_are_other_places():
    scene = moved()
    changed = scene.with_numbers({"mocap_position": [(0, 0, 1), (0, 0, 2)], "mocap_time": (0.0, 0.1)})
    (link,) = [link for link in changed.links if link.mocap]
    assert link.mocap.times.tolist() == [0.0, 0.1]
    assert forward_kinematics(changed, changed.initial_position, 0.05).origin[2].tolist() == [0.0, 0.0, 1.5]
    assert ds.Articulated.from_dict(scene.to_dict()) == scene
