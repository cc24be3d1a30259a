"""Towers, and what lands on several bodies: laws over restitution, friction, gaps, phases and turned worlds.

Many copies of one scene of three boxes: in each they stand, fly and land as its numbers say.
"""

import itertools
from dataclasses import dataclass, replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.rigid_bodies.impulses import DEPTH

from .differences import check_both_adjoints

G, SIDE, FAR = 9.81, 0.4, 100.0
BOUNCES = (0.0, 0.3, 1.0)
ROUNDING = 1e-9


@dataclass(frozen=True)
class Case:
    """One copy: three boxes (or what takes the place of the second one) and a floor through the origin."""

    place: tuple  # of each [m]
    velocity: tuple = ((0.0, 0.0),) * 3  # [m/s]
    half: tuple = ((SIDE / 2, SIDE / 2),) * 3  # of boxes [m]
    restitution: float = 0.0
    friction: float = 0.0
    gravity: float = 0.0
    turned: float = 0.0  # the whole world [rad]
    moved: tuple = (0.0, 0.0)  # the whole world [m]
    floor: float = 0.0  # how far below the origin [m]

    def mirrored(self):
        """The mirror image at x = 0, with the first two boxes in the other order."""

        def flipped(pairs):
            a, b, c = ((-x, y) for x, y in pairs)
            return (b, a, c)

        a, b, c = self.half
        return replace(self, place=flipped(self.place), velocity=flipped(self.velocity), half=(b, a, c))


def turn(angle, vectors):
    c, s = np.cos(angle), np.sin(angle)
    return np.asarray(vectors) @ np.array([[c, s], [-s, c]])


def simulated(cases, steps, dt, bodies=None):
    """Rollout of all cases: positions, velocities, angles, spins as they are in worlds that are not turned or moved."""
    bodies = bodies or [ds.Box((0.0, k + 1.0), (SIDE / 2, SIDE / 2)) for k in range(3)]
    scene = ds.RigidBodies(bodies, [ds.HalfPlane()], restitution=0.5, friction=0.5, density=10.0, dt=dt)
    tune = ("scene.initial_*", "scene.half_size", "scene.restitution", "scene.friction", "scene.gravity",
            "scene.obstacle_position", "scene.obstacle_angle")  # fmt: skip
    problem = ds.Problem(scene, steps=steps, tune=tune)
    boxes = [k for k, body in enumerate(bodies) if isinstance(body, ds.Box)]
    with ds.Simulation(problem, precision="f64", envs=len(cases), shared=False) as sim:
        params = sim.params()
        for env, case in enumerate(cases):
            params["scene.initial_position"][env] = turn(case.turned, case.place) + case.moved
            params["scene.initial_velocity"][env] = turn(case.turned, case.velocity)
            params["scene.initial_angle"][env] = case.turned
            params["scene.half_size"][env] = np.array(case.half)[boxes]
            params["scene.restitution"][env] = case.restitution
            params["scene.friction"][env] = case.friction
            params["scene.gravity"][env] = turn(case.turned, (0.0, -case.gravity))
            params["scene.obstacle_position"][env] = turn(case.turned, (0.0, -case.floor)) + case.moved
            params["scene.obstacle_angle"][env] = case.turned
        rollout = sim.rollout(params)
    place = np.stack([turn(-c.turned, rollout.position[k] - np.array(c.moved)) for k, c in enumerate(cases)])
    velocity = np.stack([turn(-c.turned, rollout.velocity[k]) for k, c in enumerate(cases)])
    angle = rollout.angle - np.array([c.turned for c in cases])[:, None, None]
    return rollout, place, velocity, angle


def tower(count, gap, speed, lift, **settings):
    """So many boxes above each other, the others far away; they come down at this speed from ``lift`` metres up."""
    place = [(0.0, lift + SIDE / 2 + k * (SIDE + gap)) if k < count else (3.0 * k, FAR) for k in range(3)]
    return Case(tuple(place), tuple((0.0, -speed if k < count else 0.0) for k in range(3)), **settings)


def towers(dt, **settings):
    random = np.random.default_rng(1)
    return [
        tower(count, gap, 1.0, (3.0 + random.uniform()) * dt, restitution=e, friction=mu, turned=angle,
              moved=tuple(random.uniform(-2.0, 2.0, 2)) if angle else (0.0, 0.0), **settings)
        for count, gap, e, mu, angle in itertools.product((2, 3), (0.0, 1e-3), BOUNCES, (0.0, 0.5), (0.0, -0.4, 2.5))
    ]  # fmt: skip


@pytest.mark.parametrize("dt", [5e-3, 2e-3])
def test_a_tower_that_lands_does_not_spin_and_gains_nothing(dt):
    """Without gravity: by symmetry nothing turns or goes sideways; of restitution 1 all of it leaves as it came."""
    cases = towers(dt)
    rollout, place, velocity, angle = simulated(cases, 40, dt)
    assert np.abs(rollout.angular_velocity).max() < ROUNDING
    # What is too deep is pushed out corner by corner, a fifth of it: a micrometre over the side.
    assert np.abs(angle).max() < 1e-6
    assert np.abs(place[..., 0] - place[:, :1, :, 0]).max() < 1e-6
    energy = rollout.energy
    assert (np.diff(energy, axis=1) < ROUNDING).all()
    for k, case in enumerate(cases):
        count = 2 if case.place[2][1] == FAR else 3
        up = velocity[k, -1, :count, 1]
        if case.restitution == 1.0:
            assert energy[k, -1] == pytest.approx(energy[k, 0], rel=ROUNDING)
        if case.restitution == 1.0 or case.restitution == 0.0:
            np.testing.assert_allclose(up, case.restitution, atol=1e-6)
        assert (np.diff(up) > -1e-6).all()  # no box comes nearer to the one above it
        assert up[0] > -1e-6


def test_a_tower_that_lands_under_gravity_comes_to_rest_without_a_spin():
    cases = [replace(c, gravity=G) for c in towers(5e-3) if c.restitution < 1.0]
    rollout, place, *_ = simulated(cases, 300, 5e-3)
    assert np.abs(rollout.angular_velocity).max() < 1e-6
    for k, case in enumerate(cases):
        count = 2 if case.place[2][1] == FAR else 3
        # Nothing but friction would keep a tower from falling over: a tilt of 1e-6 grows to this in a second.
        np.testing.assert_allclose(place[k, -1, :count, 0], 0.0, atol=1e-4)
        np.testing.assert_allclose(place[k, -1, :count, 1], SIDE * (np.arange(count) + 0.5), atol=3 * DEPTH)


def heaps():
    """What lands on two boxes that stand, or fall, side by side: with a bias, and its mirror image right behind."""
    random = np.random.default_rng(3)
    found = []
    for e, mu, gap, beside, falls in itertools.product(BOUNCES, (0.0, 0.5), (0.0, 1e-3), (0.0, 0.07), (0.0, 1.0)):
        lift = falls * (2.0 + random.uniform()) * 5e-3
        low = lift + SIDE / 2
        top = low + SIDE + (gap if falls else gap + (2.0 + random.uniform()) * 5e-3)
        case = Case(
            ((-0.25, low), (0.25, low), (beside, top)),
            ((0.0, -falls), (0.0, -falls), (0.0, -1.0)),
            restitution=e,
            friction=mu,
        )
        found += [case, case.mirrored()]
    return found


def test_mirror_images_stay_mirror_images():
    """A box lands on two others, in the middle or not: the order of bodies, corners and contacts has no say."""
    cases = heaps()
    rollout, place, velocity, _ = simulated(cases, 40, 5e-3)
    assert (rollout.contact_force[..., 0] > 0.0).any(axis=(1, 2)).all()
    swap = [1, 0, 2]
    for k in range(0, len(cases), 2):
        # Corners rub at their own times within the step; which does, where there are more than need to, is open.
        np.testing.assert_allclose(place[k + 1][:, swap] * [-1.0, 1.0], place[k], atol=5e-5)
        np.testing.assert_allclose(velocity[k + 1][:, swap] * [-1.0, 1.0], velocity[k], atol=1e-6)
        np.testing.assert_allclose(-rollout.angular_velocity[k + 1][:, swap], rollout.angular_velocity[k], atol=1e-6)
        if cases[k].place[2][0] == 0.0:  # its own mirror image
            np.testing.assert_allclose(rollout.angular_velocity[k, :, 2], 0.0, atol=1e-7)
            np.testing.assert_allclose(velocity[k, :, 2, 0], 0.0, atol=1e-7)
    assert (np.diff(rollout.energy, axis=1) < ROUNDING)[[c.friction == 0.0 for c in cases]].all()


def test_a_tower_in_space_that_is_hit_keeps_both_momenta():
    """A box flies into a standing pair, from above or from the side, flat or beside the middle."""
    cases = [
        Case(((0.0, 0.0), (0.0, SIDE + gap), place), ((0.0, 0.0), (0.0, 0.0), speed), restitution=e, friction=mu,
             floor=FAR, turned=angle)
        for e, mu, gap, angle in itertools.product(BOUNCES, (0.0, 0.5), (0.0, 1e-3), (0.0, 0.7))
        for place, speed in (
            ((0.0, 2 * SIDE + 0.0123), (0.0, -1.0)),
            ((0.1, 2 * SIDE + 0.0123), (0.0, -1.0)),
            ((SIDE + 0.0123, SIDE / 2), (-1.0, 0.0)),
            ((SIDE + 0.0123, SIDE / 2 + 0.05), (-1.0, 0.3)),
        )
    ]  # fmt: skip
    rollout, *_ = simulated(cases, 40, 5e-3)
    momentum, around = rollout.momentum, rollout.angular_momentum
    np.testing.assert_allclose(momentum, np.broadcast_to(momentum[:, :1], momentum.shape), atol=1e-11)
    # The place of an impact is that of its time; bodies that turn meanwhile are off by their way squared.
    np.testing.assert_allclose(around, np.broadcast_to(around[:, :1], around.shape), atol=2e-3)
    assert (rollout.contact_force[..., 0] > 0.0).any(axis=(1, 2)).all()
    smooth = [c.friction == 0.0 for c in cases]
    assert (np.diff(rollout.energy, axis=1) < ROUNDING)[smooth].all()
    kept = [c.friction == 0.0 and c.restitution == 1.0 for c in cases]
    np.testing.assert_allclose(rollout.energy[kept, -1], rollout.energy[kept, 0], rtol=1e-6)


LYING = [ds.Box((0.0, 1.0), (0.2, 0.2)), ds.Capsule((0.0, 2.0), SIDE / 4, SIDE / 2), ds.Box((0.0, 3.0), (0.1, 0.1))]


def test_capsules_and_bricks_that_lie_on_each_other_land_flat():
    """A capsule on its side between two bricks of other sizes."""
    dt = 5e-3
    cases = []
    for gap, e, mu, wide in itertools.product((0.0, 1e-3), BOUNCES, (0.0, 0.5), (0.15, 0.5)):
        brick, top, lift = (wide, 0.05), (0.08, 0.1), 3.4 * dt
        place = ((0.0, lift + 0.05), (0.0, lift + 0.1 + gap + SIDE / 2), (0.0, lift + 0.2 + 2 * gap + SIDE))
        cases.append(Case(place, ((0.0, -1.0),) * 3, (brick, brick, top), restitution=e, friction=mu, turned=0.3))
    rollout, place, velocity, _ = simulated(cases, 40, dt, LYING)
    assert np.abs(rollout.angular_velocity).max() < ROUNDING
    np.testing.assert_allclose(velocity[..., 0], 0.0, atol=ROUNDING)
    assert (np.diff(rollout.energy, axis=1) < ROUNDING).all()
    full = [c.restitution == 1.0 for c in cases]
    np.testing.assert_allclose(rollout.energy[full, -1], rollout.energy[full, 0], rtol=1e-6)


# Gradients


def pile_up():
    """Three slabs, nearly flat and a millimetre apart, land on each other and bounce within a few steps."""
    fall = {"velocity": (0.2, -1.3)}
    bodies = [
        ds.Box((0.0, 0.0664), (0.15, 0.05), angle=0.011, **fall),
        ds.Box((0.03, 0.1691), (0.12, 0.05), angle=0.004, **fall),
        ds.Capsule((-0.02, 0.2607), 0.06, 0.04, angle=0.016, velocity=(0.1, -1.5), mass=0.15),
    ]
    scene = ds.RigidBodies(bodies, [ds.HalfPlane(angle=0.003)], gravity=(0.1, -9.7), density=10.0, friction=0.3,
                           restitution=0.35, damping=0.1, dt=0.01)  # fmt: skip
    goal = ds.Travel(point=0) + ds.Travel(point=1, direction=(0.3, 1.0)) + ds.Travel(point=2, weight=0.7)
    tune = ("scene.initial_*", "scene.friction", "scene.restitution", "scene.density", "scene.gravity")
    return ds.Problem(scene, objective=goal, steps=4, tune=tune)


SLOW = [pytest.param(name, marks=pytest.mark.bench) for name in ("fused", "wide")]


@pytest.mark.parametrize("executor", ["staged", *SLOW])
def test_gradients_through_rounds_of_impacts_are_those_of_differences(executor):
    problem = pile_up()
    with ds.Simulation(problem, precision="f64", executor=executor) as sim:
        rollout = sim.rollout(sim.params())
    # In one step the floor and both pairs.
    forces = rollout.contact_force[..., 0]
    assert max(len(set(pair[force > 0.0])) for pair, force in zip(rollout.contact_pair, forces, strict=True)) == 3
    check_both_adjoints(problem, executor, every=3)


def test_what_is_recorded_of_the_law_does_not_change_by_rounding():
    """Else `check_gradients` leaves out differences, and calls gradients noisy, where nothing switches."""
    rng, problem = np.random.default_rng(0), replace(pile_up(), steps=12)
    with ds.Simulation(problem, precision="f64", record="all", envs=40, shared=False) as sim:
        params = sim.params()
        for name in ("scene.initial_angle", "scene.initial_velocity"):
            params[name] += rng.uniform(-0.1, 0.1, params[name].shape)
        first = sim.rollout(params).arrays["branch"]
        assert (first >= 256.0 * 25.0).any()  # some land in several rounds of a step
        moved = {name: value * (1.0 + 1e-12 * rng.uniform(-1.0, 1.0, value.shape)) for name, value in params.items()}
        np.testing.assert_array_equal(sim.rollout(moved).arrays["branch"], first)
