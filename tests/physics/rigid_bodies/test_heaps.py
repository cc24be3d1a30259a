"""Heaps of many bodies that land: room is made for them, and mirror images stay mirror images, whatever the order of
bodies, corners and contacts is."""

import itertools

import numpy as np
import pytest

import diffsim as ds
from diffsim.physics.rigid_bodies import impact_fields

from .differences import check_both_adjoints

G, DT = 9.81, 5e-3
CASES = list(itertools.product((0.0, 0.5, 1.0), (0.0, 0.5), (0.0, G), (0.0, 1e-3)))  # restitution, friction, g, gap


def pyramid(rows, gap, side=0.4, space=0.5):
    """Places and half sides of boxes of which each stands on two."""
    places = [
        ((k - (rows - level - 1) / 2) * space, side * (level + 0.5) + level * gap)
        for level in range(rows)
        for k in range(rows - level)
    ]
    return np.array(places), [(side / 2, side / 2)] * len(places)


def landed(make, cases, steps, moved=0.0, seed=2):
    """A rollout of heaps that land at 1 m/s, one case each and then its mirror image with bodies the other way round.

    ``moved`` is how far bodies are beside their places, at most [m].
    """
    random = np.random.default_rng(seed)
    halves = make(0.0)[1]
    bodies = [ds.Box((0.0, 3.0 * half[1] * (k + 1.0)), half) for k, half in enumerate(halves)]
    scene = ds.RigidBodies(bodies, [ds.HalfPlane()], restitution=0.5, friction=0.5, density=10.0, dt=DT)
    tune = ("scene.initial_*", "scene.restitution", "scene.friction", "scene.gravity")
    problem = ds.Problem(scene, steps=steps, tune=tune)
    with ds.Simulation(problem, precision="f64", envs=2 * len(cases), shared=False) as sim:
        params = sim.params()
        params["scene.initial_velocity"][:] = (0.0, -1.0)
        for k, (e, mu, g, gap) in enumerate(cases):
            places = make(gap)[0] + [0.0, (3.0 + random.uniform()) * DT]
            places[:, 0] += moved * random.uniform(-1.0, 1.0, len(places))
            params["scene.initial_position"][2 * k] = places
            params["scene.initial_position"][2 * k + 1] = places[::-1] * [-1.0, 1.0]
            for env in (2 * k, 2 * k + 1):
                params["scene.restitution"][env], params["scene.friction"][env] = e, mu
                params["scene.gravity"][env] = (0.0, -g)
        return sim.rollout(params)


def difference(rollout):
    """(cases,) how far rollouts and their mirror images are apart: positions [m], angles [rad], and speeds."""
    pairs = [
        (rollout.position[0::2], rollout.position[1::2, :, ::-1] * [-1.0, 1.0]),
        (rollout.velocity[0::2], rollout.velocity[1::2, :, ::-1] * [-1.0, 1.0]),
        (rollout.angle[0::2], -rollout.angle[1::2, :, ::-1]),
        (rollout.angular_velocity[0::2], -rollout.angular_velocity[1::2, :, ::-1]),
    ]
    return np.max([np.abs(a - b).reshape(len(a), -1).max(axis=1) for a, b in pairs], axis=0)


@pytest.mark.parametrize("moved", [0.0, 0.02])
@pytest.mark.parametrize("rows", [3, 4])
def test_the_mirror_image_of_a_pyramid_lands_as_the_mirror_image(rows, moved):
    """What bounces a little under gravity, at a restitution of 0.5, is in part for the passes, and not in here."""
    cases = [case for case in CASES if case[0] != 0.5 or case[2] == 0.0]
    rollout = landed(lambda gap: pyramid(rows, gap), cases, 12, moved)
    assert difference(rollout).max() < 1e-9, cases[difference(rollout).argmax()]
    assert (rollout.contact_force[..., 0] > 0.0).any(axis=(1, 2)).all()
    for k, (_, mu, g, _) in enumerate(cases):
        energy = rollout.energy[2 * k]
        if mu == g == 0.0:
            assert np.diff(energy).max() < 1e-9 * energy[0], cases[k]


@pytest.mark.bench
def test_a_pyramid_of_twenty_one_boxes_is_its_own_mirror_image():
    """72 contacts in one cluster, of which nothing is left to the passes."""
    cases = [(0.0, 0.0, 0.0, 0.0), (0.0, 0.5, G, 0.0), (1.0, 0.0, 0.0, 0.0)]
    rollout = landed(lambda gap: pyramid(6, gap), cases, 8)
    assert difference(rollout).max() < 1e-9
    assert np.abs(rollout.angular_velocity[:4]).max() < 1e-9  # by symmetry, and as nothing bounces
    np.testing.assert_allclose(rollout.energy[4, -1], rollout.energy[4, 0], rtol=1e-9)


def test_what_is_beyond_the_room_is_said_once(monkeypatch):
    monkeypatch.setattr(impact_fields, "MOST", 24)
    with pytest.warns(ds.RoomWarning, match="32 contacts act on each other, but at most 24 are solved") as found:
        landed(lambda gap: pyramid(4, gap), [(0.0, 0.0, G, 0.0)], 8)
    assert len(found) == 1


def wedged():
    """Bricks a millimetre apart on each other and askew, which land, bounce and slide in a few steps."""
    fall = {"velocity": (0.2, -1.3)}
    bodies = [
        ds.Box((-0.21, 0.109), (0.2, 0.1), angle=0.003, **fall),
        ds.Box((0.212, 0.108), (0.2, 0.1), angle=0.002, **fall),
        ds.Box((0.01, 0.3106), (0.2, 0.1), angle=0.0025, **fall),
    ]
    scene = ds.RigidBodies(bodies, [ds.HalfPlane()], density=10.0, friction=0.3, restitution=0.3, dt=0.01)
    goal = ds.Travel(point=0) + ds.Travel(point=1, direction=(0.3, 1.0)) + ds.Travel(point=2, weight=0.7)
    tune = ("scene.initial_*", "scene.friction", "scene.restitution", "scene.gravity")
    return ds.Problem(scene, objective=goal, steps=4, tune=tune)


SLOW = [pytest.param(name, marks=pytest.mark.bench) for name in ("fused", "wide")]


@pytest.mark.parametrize("executor", ["staged", *SLOW])
def test_gradients_through_more_contacts_than_are_needed_are_those_of_differences(executor):
    check_both_adjoints(wedged(), executor, every=3)
