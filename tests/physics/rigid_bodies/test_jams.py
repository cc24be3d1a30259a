"""What friction jams, or holds at more places than it needs: closed forms, and gradients."""

import numpy as np
import pytest

import diffsim as ds

from .differences import check_both_adjoints

SLOW = [pytest.param(name, marks=pytest.mark.bench) for name in ("fused", "wide")]
RADIUS, SPEED, DT = 0.1, 1.0, 2e-3


# A wedge: two half-planes, each at an angle ``half`` from the vertical


def slopes(half):
    return [0.5 * np.pi - half, half - 0.5 * np.pi]


def wedge(half, friction, restitution):
    """A disc comes straight down into a wedge at 1 m/s."""
    disc = ds.Disc((0.0, 0.6), RADIUS, velocity=(0.0, -SPEED))
    planes = [ds.HalfPlane(angle=angle) for angle in slopes(half)]
    return ds.RigidBodies([disc], planes, gravity=(0.0, 0.0), friction=friction, restitution=restitution, dt=DT)


@pytest.mark.parametrize("friction", [0.2, 0.8])
def test_a_disc_jams_in_a_wedge_that_is_narrower_than_the_angle_of_friction(friction):
    """Narrower, friction takes back all that the normals give, so that no impulses let it leave: it stays where it
    touched both. Wider, it leaves with its restitution. It stays in the middle in both."""
    half, restitution, spin = (each.ravel() for each in np.meshgrid([0.3, 0.6], [0.0, 0.3, 1.0], [0.0, 3.0]))
    tune = ("scene.obstacle_angle", "scene.restitution", "scene.initial_angular_velocity", "scene.radius")
    problem = ds.Problem(wedge(0.5, friction, 0.5), steps=300, tune=tune)
    with ds.Simulation(problem, precision="f64", envs=len(half), shared=False) as sim:
        params = sim.params()
        params["scene.obstacle_angle"][:] = np.transpose(slopes(half))
        params["scene.restitution"][:] = restitution
        params["scene.initial_angular_velocity"][:, 0] = spin
        rollout, pull = sim.vjp(params)
        up = np.zeros_like(rollout.position)
        up[:, -1, 0, 1] = 1.0
        slope = pull({"position": up})["scene.radius"].ravel()
    touches = RADIUS / np.sin(half)
    leaves = np.where(friction > np.tan(half), 0.0, restitution)
    left = 300 * DT - (0.6 - touches) / SPEED
    np.testing.assert_allclose(rollout.velocity[:, -1, 0, 1], leaves * SPEED, atol=1e-12)
    np.testing.assert_allclose(rollout.position[:, -1, 0, 1], touches + leaves * SPEED * left, atol=1e-12)
    np.testing.assert_allclose(rollout.position[:, :, 0, 0], 0.0, atol=1e-12)
    # By the radius: it touches both sooner.
    np.testing.assert_allclose(slope, (1.0 + leaves) / np.sin(half), rtol=1e-9)
    rests = (leaves == 0.0) & (friction > np.tan(half))
    np.testing.assert_allclose(rollout.angular_velocity[rests, -1, 0], 0.0, atol=1e-12)


@pytest.mark.parametrize("executor", ["staged", *SLOW])
@pytest.mark.parametrize(("restitution", "gravity"), [(0.8, (0.3, -9.8)), (0.0, (4.0, -9.8))], ids=["up", "lifted"])
def test_gradients_through_a_jam_are_those_of_differences(restitution, gravity, executor):
    """A disc rolls down one side of a wedge, and jams where it hits the other one, from which it would bounce, or be
    lifted by gravity."""
    half = 0.3
    along, out = np.array([np.sin(half), np.cos(half)]), np.array([-np.cos(half), np.sin(half)])
    place = (RADIUS / np.tan(half) + 0.06) * along + (RADIUS + 0.003) * out
    disc = ds.Disc(tuple(place), RADIUS, velocity=tuple(-0.5 * along - 0.3 * out), angular_velocity=2.0)
    one, other = slopes(half)
    planes = [ds.HalfPlane(angle=one, restitution=0.0), ds.HalfPlane(angle=other)]
    scene = ds.RigidBodies([disc], planes, gravity=gravity, friction=0.8, restitution=restitution, dt=DT)
    tune = ("scene.initial_*", "scene.obstacle_angle", "scene.obstacle_position", "scene.radius", "scene.gravity")
    problem = ds.Problem(scene, objective=ds.Travel(direction=(0.6, 0.8)), steps=60, tune=tune)
    with ds.Simulation(problem, precision="f64", executor=executor) as sim:
        rollout = sim.rollout(sim.params())
    np.testing.assert_allclose(rollout.position[-1, 0], [0.0, RADIUS / np.sin(half)], atol=1e-5)
    # Its momentum in a step is 15 N. It was 880 kN, or 1 kN: friction took back what normals gave, in a circle.
    assert rollout.contact_force[..., 0].max() < 15.0
    check_both_adjoints(problem, executor, every=13)


# A box that lies a little askew, so that friction at its corners acts along nearly one line


@pytest.mark.parametrize("executor", ["staged", *SLOW])
def test_gradients_of_what_rubs_at_both_corners_are_those_of_differences(executor):
    """A disc falls on a box that a sideways force presses against friction."""
    tilt = 3e-6  # one corner is 1.2 um above the floor: no more than contacts hold closed
    box = ds.Box((0.0, 0.05 + 0.2 * tilt), (0.2, 0.05), angle=tilt)
    disc = ds.Disc((0.03, 0.18), 0.05, velocity=(0.1, -0.5), angular_velocity=0.4)
    scene = ds.RigidBodies([box, disc], [ds.HalfPlane()], gravity=(0.7, -9.8), friction=0.6, restitution=0.3, dt=0.005)
    tune = ("scene.initial_position", "scene.initial_velocity", "scene.gravity", "scene.half_size")
    objective = ds.Travel(direction=(0.6, 0.8), point=1) + 0.7 * ds.Travel(direction=(1.0, 0.3), point=0)
    check_both_adjoints(ds.Problem(scene, objective=objective, steps=40, tune=tune), executor, every=13)
