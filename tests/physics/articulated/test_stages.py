"""What controllers and objectives are given of a robot, worked out again in NumPy. Its motion: test_motion.py."""

from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.articulated.kinematics import forward_kinematics
from diffsim.physics.articulated.quaternions import rotation_of

from ... import examples

EXACT = 1e-12  # a few hundred roundings
STEPS = examples.STEPS
DIRECTION, BENT, AXIS = np.array((1.0, 0.3, -0.2)), (0.8, 0.1, -0.3, 0.2), np.array((0.2, 0.1, 0.9))

GOALS = (
    ds.ForwardVelocity(DIRECTION, speed=0.4, link="leg")
    + ds.ForwardVelocity((0.2, 1.0, 0.1), after=0.05, weight=3.0)
    + ds.Height(least=0.9, link="base", weight=0.8)
    + ds.Height(weight=0.3)
    + ds.ReachPose((0.3, 0.1, 0.5), BENT, "leg", size=0.4, weight=2.0)
    + ds.TrackJoints([[0.1], [0.4], [-0.2]], "hip", steps=(0, 5, STEPS), weight=0.7)
    + ds.Upright("leg", axis=AXIS, least=0.97, after=0.03, weight=5.0)
    + ds.ReachTarget((1.0, 0.0, 0.0), point="nose", weight=0.1)
    + ds.Travel(weight=0.2)
)


@pytest.fixture(scope="module")
def rollout():
    """Of a robot that falls on its foot, with everything recorded."""
    scene = replace(examples.SCENES[ds.Articulated]["monoped"](), unobserved=())
    problem = ds.Problem(scene, ds.MLP(hidden=3, sines=1), GOALS, steps=STEPS)
    with ds.Simulation(problem, precision="f64", record="all") as simulation:
        return simulation.rollout(simulation.params())


@pytest.fixture(scope="module")
def velocity(rollout):
    """(rows, places, 3) of links and sites [m/s], by the axes of all joints."""
    scene = rollout.problem.scene
    pose = forward_kinematics(scene, rollout.joint_position)
    links = [*range(len(scene.links)), *(owner for owner, _ in scene.all_sites)]
    owners = np.array([owner for owner, _ in scene.freedom_owners])
    found = []
    for place, link in enumerate(links):
        moved = np.cross(pose.turn, rollout.position[:, place, None] - pose.point) + pose.slide
        moved[:, ~np.isin(owners, scene.lineages[link])] = 0.0
        found.append(np.einsum("rvi,rv->ri", moved, rollout.joint_velocity))
    return np.stack(found, axis=1)


def test_places_are_those_of_the_kinematics(rollout):
    scene = rollout.problem.scene
    pose = forward_kinematics(scene, rollout.joint_position)
    nose = pose.origin[:, 0] + pose.rotation[:, 0] @ scene.all_sites[0][1].position
    assert rollout.position[:, :2] == pytest.approx(pose.origin, abs=EXACT)
    assert rollout.position[:, 2] == pytest.approx(nose, abs=EXACT)
    assert rollout.rotation.reshape(-1, 2, 3, 3) == pytest.approx(pose.rotation, abs=EXACT)


def test_velocities_of_links_and_sites(rollout, velocity):
    assert rollout.velocity == pytest.approx(velocity, abs=EXACT)


def test_a_controller_sees_joints_velocities_and_what_touches(rollout):
    """Height, up and heading of the base; the hip, which has limits; all velocities times 0.1; trunk and shin."""
    base = rollout.rotation[:, 0].reshape(-1, 3, 3)
    seen = rollout.observation
    assert seen.shape == (STEPS + 1, rollout.problem.scene.observations) == (STEPS + 1, 6 + 1 + 7 + 2)
    assert seen[:, 0] == pytest.approx(rollout.position[:, 0, 2], abs=EXACT)
    assert seen[:, 1:4] == pytest.approx(base[:, 2], abs=EXACT)
    assert seen[:, 4:6] == pytest.approx(base[:, :2, 0], abs=EXACT)
    assert seen[:, 6] == pytest.approx(rollout.joint_position[:, 7], abs=EXACT)
    assert seen[:, 7:14] == pytest.approx(0.1 * rollout.joint_velocity, abs=EXACT)
    assert not seen[:, 14].any()  # the trunk stays in the air
    assert 0.0 == seen[0, 15] < seen[-1, 15] <= 2.0  # two ends of the shin


def test_objectives_are_what_they_say(rollout, velocity):
    steps, last = slice(0, STEPS), -1
    leg = rollout.rotation[:, 1].reshape(-1, 3, 3)
    along = velocity[steps, 1] @ DIRECTION
    height = rollout.position[steps, 0, 2]
    hip = rollout.joint_position[[0, 5, STEPS], 7]
    apart = rollout.position[last, 1] - (0.3, 0.1, 0.5)
    nose = rollout.position[last, 2] - (1.0, 0.0, 0.0)
    tilt = np.maximum(0.97 - leg[3:STEPS, 2] @ AXIS, 0.0)
    scene = rollout.problem.scene
    masses = np.array([link.mass for link in scene.links])
    centres = [
        np.array(
            [
                rollout.position[row, k] + turn @ link.centre
                for k, (link, turn) in enumerate(zip(scene.links, rollout.rotation[row].reshape(2, 3, 3), strict=True))
            ]
        )
        for row in (0, last)
    ]
    terms = (
        np.mean((along - 0.4) ** 2),
        -3.0 * np.mean(velocity[5:STEPS, 0] @ (0.2, 1.0, 0.1)),
        0.8 * np.mean(np.maximum(0.9 - height, 0.0) ** 2),
        -0.3 * np.mean(height),
        2.0 * (apart @ apart + 0.4**2 * (3.0 - np.trace(leg[last].T @ rotation_of(np.array(BENT))))),
        0.7 * np.mean((hip - (0.1, 0.4, -0.2)) ** 2),
        5.0 * np.mean(tilt**2),
        0.1 * nose @ nose,
        -0.2 * (masses @ (centres[1] - centres[0]))[0] / masses.sum(),
    )
    assert rollout.loss == pytest.approx(sum(terms), rel=EXACT)


@pytest.mark.parametrize("goal", [ds.ForwardVelocity(after=1.0), ds.Height(after=1.0), ds.Upright(after=1.0)])
def test_a_goal_that_begins_after_the_end_is_refused(goal):
    scene = examples.SCENES[ds.Articulated]["monoped"]()
    with pytest.raises(ds.InputError, match=rf"{type(goal).__name__}\.after is 1 s, but the rollout ends at 0\.5 s"):
        ds.Problem(scene, None, goal, steps=50)


def test_goals_of_robots_are_for_robots():
    scene = ds.MassSpring(points=[[0.0, 0.0], [1.0, 0.0]], springs=[[0, 1]])
    with pytest.raises(ds.InputError, match="Upright is about robots, but the scene is MassSpring"):
        ds.Problem(scene, None, ds.Upright(), steps=5)
    robot = examples.SCENES[ds.Articulated]["monoped"]()
    with pytest.raises(ds.InputError, match=r"Height\.link is 'head', but the links are base, leg"):
        ds.Problem(robot, None, ds.Height(link="head"), steps=5)
    with pytest.raises(ds.InputError, match=r"Travel\.point is 'tail', but the links and sites are base, leg, nose"):
        ds.Problem(robot, None, ds.Travel(point="tail"), steps=5)
