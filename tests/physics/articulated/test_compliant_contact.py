"""Contacts and limits of robots against the law that they say they follow: at rest, sliding, bouncing, in pairs."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.articulated.forces import LIMIT_DEPTH
from diffsim.physics.articulated.pairs import spots

from .compliant_scene import DT, MU, SLOPE, STEPS, STIFFNESS, TABLE, G, build, depth, stored

SCENE, VELOCITY = build()
LINK = {link.name: k for k, link in enumerate(SCENE.links)}
JOINTS = SCENE.joints
FIRST = {joint.name: sum(each.freedoms for each in JOINTS[:k]) for k, joint in enumerate(JOINTS)}
START = {joint.name: sum(each.coordinates for each in JOINTS[:k]) for k, joint in enumerate(JOINTS)}

# Sums of some thousand steps in float64, of numbers of order one; what rests does so to rounding.
ROUNDING = 1e-12


@pytest.fixture(scope="module")
def rollouts():
    """With gravity, and without."""
    problem = ds.Problem(SCENE, steps=STEPS, tune=("scene.initial_velocity", "scene.gravity"))
    with ds.Simulation(problem, precision="f64", envs=2, shared=False) as simulation:
        gravity = np.array([(0.0, 0.0, -G), (0.0, 0.0, 0.0)])
        whole = simulation.rollout({"scene.initial_velocity": VELOCITY, "scene.gravity": gravity})
        yield whole.env(0), whole.env(1)


@pytest.fixture(scope="module")
def falling(rollouts):
    return rollouts[0]


@pytest.fixture(scope="module")
def weightless(rollouts):
    return rollouts[1]


def place(rollout, name):
    """(rows, 3) of a link's origin, which is its centre of mass."""
    return rollout.position[:, LINK[name]]


def turned(rollout, name):
    """(rows, 3, 3) from its frame to the world."""
    return rollout.rotation[:, LINK[name]].reshape(-1, 3, 3)


def velocity(rollout, name):
    """(rows, 6) in the world, and of turning in its own frame."""
    at = FIRST[f"{name} root"]
    return rollout.joint_velocity[:, at : at + 6]


def forces(rollout, name):
    """(steps, spots, 3) on a link, of all its contacts."""
    geoms = [geom.name for _, geom in SCENE.all_geoms]
    found = []
    for k, spot in enumerate(spots(SCENE)):
        pair = [geoms[geom] for geom in spot.geoms]
        if name in pair:
            found.append(rollout.contact_force[:, k] * (1.0 if pair[1] == name else -1.0))
    return np.stack(found, axis=1)


def energy(rollout, name, g):
    """(rows,) of motion and weight [J]."""
    link, speed = SCENE.links[LINK[name]], velocity(rollout, name)
    turning = (link.inertia * speed[:, 3:] ** 2).sum(axis=1)
    return (
        0.5 * link.mass * (speed[:, :3] ** 2).sum(axis=1) + 0.5 * turning + link.mass * g * place(rollout, name)[:, 2]
    )


def corners(rollout, name):
    """(rows, 8) heights of the corners of a cube."""
    signs = np.array(np.meshgrid(*[(-0.1, 0.1)] * 3)).reshape(3, 8)
    return (turned(rollout, name) @ signs)[:, 2] + place(rollout, name)[:, 2:]


# At rest


@pytest.mark.parametrize(
    ("name", "height", "spots"),
    [
        ("dropped", 0.1, 1),  # spheres on a plane
        ("padded", 0.1 + 0.03, 1),  # which begins to touch at its margin
        ("crate", 0.1, 4),  # boxes on four corners
        ("tumbling", 0.1, 4),
        ("sliding", 0.1, 4),
        ("marble", TABLE + 0.1, 1),  # a sphere on a box
        ("log", TABLE + 0.1, 3),  # a capsule on a box: its ends and the point between
    ],
)
def test_what_rests_is_as_deep_as_the_law_says(falling, name, height, spots):
    """2 kg; each of its spots carries the same."""
    assert height - place(falling, name)[-1, 2] == pytest.approx(depth(2.0 * G / spots), abs=1e-10)
    assert velocity(falling, name)[-1] == pytest.approx(np.zeros(6), abs=1e-9)
    pushed = forces(falling, name)[-1]
    assert pushed.sum(axis=0) == pytest.approx([0, 0, 2.0 * G], abs=1e-7)
    assert np.count_nonzero(pushed[:, 2] > 1e-6) == spots


def test_a_ball_on_a_box_on_a_floor(falling):
    """1 kg of 2500 N/m on 4 kg of 10000 N/m: springs in series; the floor carries both."""
    assert forces(falling, "rider")[-1].sum(axis=0) == pytest.approx([0, 0, G], abs=1e-7)
    assert forces(falling, "cart")[-1].sum(axis=0) == pytest.approx([0, 0, 4 * G], abs=1e-7)
    apart = place(falling, "rider")[-1, 2] - place(falling, "cart")[-1, 2]
    assert 0.2 - apart == pytest.approx(depth(G, 2000.0), abs=1e-10)
    assert 0.1 - place(falling, "cart")[-1, 2] == pytest.approx(depth(5 * G / 4, 10000.0), abs=1e-10)


def test_a_sphere_that_rests_touches_where_it_is(falling):
    (spot,) = [k for k in range(len(spots(SCENE))) if SCENE.contact_name(k) == "geoms floor and dropped"]
    assert falling.contact_point[-1, spot] == pytest.approx([0, 0, -depth(2.0 * G)], abs=1e-10)


def test_limits_hold_as_the_law_says(falling):
    """A weight on a rail, a pendulum at a hinge and one at a ball; what they are moved by is what the limit gives."""
    stiffness = SCENE.numbers()["limit_stiffness"][-3:]
    end = falling.joint_position[-1]
    down = -0.1 - end[START["rail"]]
    bent = end[START["hinge"]] - 0.5
    q = end[START["ball"] : START["ball"] + 4]
    swung = 2.0 * np.arccos(q[0]) - 0.4
    torque = 2.0 * G * 0.3
    assert stiffness == pytest.approx([3.0 / 0.02**2, *[(0.02 + 2.0 * 0.3**2) / 0.02**2] * 2], rel=1e-12)
    assert down == pytest.approx(depth(3.0 * G, stiffness[0], LIMIT_DEPTH), abs=1e-10)
    assert bent == pytest.approx(depth(torque * np.cos(bent + 0.5), stiffness[1], LIMIT_DEPTH), abs=1e-10)
    assert swung == pytest.approx(depth(torque * np.cos(swung + 0.4), stiffness[2], LIMIT_DEPTH), abs=1e-8)
    assert np.abs(falling.joint_velocity[-1, FIRST["rail"] :]).max() < 1e-8


# Energy


@pytest.mark.parametrize("name", ["dropped", "tumbling", "crate", "sliding"])
def test_energy_never_rises(falling, name):
    """Of motion, weight and the contacts' springs, whose end of the step is what pushes: nothing is ever given back."""
    heights = corners(falling, name) if name != "dropped" else place(falling, name)[:, 2:] - 0.1
    whole = energy(falling, name, G) + STIFFNESS * stored(-heights).sum(axis=1)
    assert np.diff(whole).max() < 1e-14
    assert whole[0] > whole[-1]


def test_critical_damping_lands_without_a_bounce(falling):
    height = place(falling, "dropped")[:, 2]
    landed = np.argmax(height < 0.1)
    assert height[0] == 0.6
    assert height[landed:].max() < 0.1
    assert height[landed:].min() < 0.1 - depth(2.0 * G)


# Friction


def test_a_box_slides_as_far_as_coulomb_says(falling):
    """v^2 / (2 mu g) up to a percent: steps of 1 ms, a slip speed of 1 mm/s."""
    at = place(falling, "sliding")
    assert at[-1, 0] == pytest.approx(2.0**2 / (2.0 * MU * G), rel=0.01)
    assert at[-1, 1] == pytest.approx(0.0, abs=ROUNDING)
    whole = forces(falling, "sliding").sum(axis=1)
    steady = slice(280, 300)  # it has tilted forwards by then, and stops at 0.34 s
    assert whole[steady, 0] == pytest.approx(-MU * whole[steady, 2], rel=2e-5)  # a slip speed of 1 mm/s at 0.2 m/s


def test_a_box_on_a_slope_creeps_as_the_law_says(falling):
    speed = np.linalg.norm(velocity(falling, "creeping")[-1, :3])
    t = np.tan(SLOPE)
    assert speed == pytest.approx(1e-3 * t / np.sqrt(MU**2 - t**2), rel=1e-6)
    assert speed < 1e-3
    along, across = np.array([np.cos(SLOPE), 0, -np.sin(SLOPE)]), np.array([np.sin(SLOPE), 0, np.cos(SLOPE)])
    whole = forces(falling, "creeping")[-1].sum(axis=0)
    assert whole @ across == pytest.approx(2.0 * G * np.cos(SLOPE), rel=1e-6)
    assert whole @ along == pytest.approx(-2.0 * G * np.sin(SLOPE), rel=1e-6)


def test_a_box_on_a_slippery_slope_slides_as_coulomb_says(falling):
    """Faster than the slip speed by a factor of 1000 after a second, so the regularisation is not seen."""
    speed = np.linalg.norm(velocity(falling, "slipping")[:, :3], axis=1)
    gained = (speed[-1] - speed[-1001]) / (1000 * DT)
    assert gained == pytest.approx(G * (np.sin(SLOPE) - 0.2 * np.cos(SLOPE)), rel=1e-6)


def test_without_friction_nothing_slows(falling):
    """Geoms that are frictionless, though their coefficients are not zero."""
    speed = velocity(falling, "puck")[:, :3]
    assert speed[:, :2] == pytest.approx(np.broadcast_to([1.0, 0.5], (STEPS + 1, 2)), abs=ROUNDING)
    assert np.abs(forces(falling, "puck")[..., :2]).max() < ROUNDING


def test_contacts_push_and_hold_within_the_cone(falling):
    """Up to what is implicit: a step is linear, so a contact that ends in it may pull for that step.

    Largest are 6.7 N of pull and 26 N of friction beyond the cone, of a cube that lands on a corner with 460 N.
    """
    for name in ("dropped", "padded", "crate", "tumbling", "sliding", "creeping", "slipping", "marble", "log", "rider"):
        on, peak = forces(falling, name), np.abs(forces(falling, name)).max()
        up = (np.sin(SLOPE), 0.0, np.cos(SLOPE)) if name in ("creeping", "slipping") else (0.0, 0.0, 1.0)
        normal = on @ up
        along = np.linalg.norm(on - normal[..., None] * up, axis=-1)
        assert normal.min() > -0.02 * peak, name
        assert (along - MU * np.maximum(normal, 0.0)).max() < 0.1 * peak, name
        steady = slice(-100, None)
        assert normal[steady].min() > -1e-7, name
        assert (along - MU * normal)[steady].max() < 1e-7, name


# Pairs


def test_two_that_meet_in_flight_keep_their_momentum(weightless):
    """Off the middle, with friction: they turn."""
    momentum, around, whole = np.zeros((STEPS + 1, 3)), np.zeros((STEPS + 1, 3)), np.zeros(STEPS + 1)
    for name in ("left", "right"):
        link, speed = SCENE.links[LINK[name]], velocity(weightless, name)
        momentum += link.mass * speed[:, :3]
        around += np.cross(place(weightless, name), link.mass * speed[:, :3])
        around += np.einsum("rij,rj->ri", turned(weightless, name), link.inertia * speed[:, 3:])
        whole += energy(weightless, name, 0.0)
    assert np.abs(forces(weightless, "left")).max() > 100.0
    assert np.abs(velocity(weightless, "left")[-1, 3:]).max() > 1.0
    assert momentum == pytest.approx(np.broadcast_to(momentum[0], momentum.shape), abs=ROUNDING)
    assert around == pytest.approx(np.broadcast_to(around[0], around.shape), abs=ROUNDING)
    assert whole[-1] < whole[0]


def test_all_forces_together_are_what_moves_the_whole(rollouts):
    """Each step, of a pair in flight: impulse and change of momentum."""
    for rollout in rollouts:
        for name in ("right", "rider", "tumbling", "log"):
            mass = SCENE.links[LINK[name]].mass
            change = np.diff(mass * velocity(rollout, name)[:, :3], axis=0) / DT
            gravity = mass * rollout.numbers["scene.gravity"]
            assert change - gravity == pytest.approx(forces(rollout, name).sum(axis=1), abs=1e-8)


# Substeps


@pytest.mark.bench
def test_substeps_are_shorter_steps(falling):
    scene, _ = build(dt=4 * DT, substeps=4)
    problem = ds.Problem(scene, steps=STEPS // 4, tune=("scene.initial_velocity",))
    with ds.Simulation(problem, precision="f64") as simulation:
        found = simulation.rollout({"scene.initial_velocity": VELOCITY})
    for name in ("joint_position", "joint_velocity", "position", "rotation"):
        assert found[name] == pytest.approx(falling[name][::4], abs=ROUNDING), name
    mean = falling.contact_force.reshape(STEPS // 4, 4, -1, 3).mean(axis=1)
    assert found.contact_force == pytest.approx(mean, abs=1e-9)
