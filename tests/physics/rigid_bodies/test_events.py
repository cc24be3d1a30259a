"""What a rollout that holds all says of the contacts of rigid bodies, and the error where they are too many."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import CapacityError
from diffsim.events import describe

DT, STEPS = 5e-3, 200
BALL, BLOCK, OTHER, FLOOR = range(4)
SETTLED = 10
"""Steps after which the solver has found what holds the block; in the first ones its front sinks a little."""


@pytest.fixture(scope="module")
def sim():
    """A ball that bounces, a block that slides until friction stops it, and a ball that flies by; room for both."""
    bodies = [
        ds.Disc((0.0, 0.6), 0.1, restitution=0.5),
        ds.Box((2.0, 0.05), (0.2, 0.05), velocity=(1.0, 0.0)),
        ds.Disc((4.0, 9.0), 0.1),
    ]
    scene = ds.RigidBodies(bodies, [ds.HalfPlane()], friction=0.3, dt=DT, contacts=3)
    problem = ds.Problem(scene, steps=STEPS, tune=("scene.initial_position", "scene.initial_velocity"))
    with ds.Simulation(problem, precision="f64", record="all") as made:
        yield made


@pytest.fixture(scope="module")
def rollout(sim):
    return sim.rollout(sim.params())


def of(rollout, name, body, other=FLOOR):
    """(steps, passes, 2) of a pair: both ends of what it has in common."""
    pairs = rollout.problem.scene.pairs
    found = rollout[name].reshape(STEPS, -1, len(pairs), 2)
    return found[:, :, (pairs == [body, other]).all(axis=1)][:, :, 0]


def words(rollout, body, end=0, floor=FLOOR):
    """(steps) what happens at an end."""
    return [describe(code) for code in of(rollout, "contact", body, floor)[:, 0, end]]


def changes(found):
    """The words in the order in which they come, each once as long as it lasts."""
    return [word for k, word in enumerate(found) if k == 0 or word != found[k - 1]]


def test_contact_says_that_a_ball_bounces_and_when(rollout):
    found = words(rollout, BALL)
    first = int(np.sqrt(2 * 0.5 / 9.81) / DT)  # it falls half a metre; semi-implicit Euler is half a step early
    hits = [k for k, word in enumerate(found) if word == "bounces without sliding"]
    assert abs(hits[0] - first) <= 1
    assert changes(found)[:3] == ["flies", "bounces without sliding", "flies"]
    # Half of the speed is left: it flies as long again as it fell.
    assert abs(hits[1] - hits[0] - first) <= 1


def test_contact_says_that_a_block_slides_and_rests_on_both_corners(rollout):
    for end in (0, 1):
        found = words(rollout, BLOCK, end)
        stops = found.index("rests")
        assert abs(stops - 1.0 / (0.3 * 9.81 * DT)) <= 1
        assert set(found[SETTLED:stops]) == {"slides"}
        assert set(found[stops:]) == {"rests"}


def test_nothing_happens_to_what_flies_by(rollout):
    assert not of(rollout, "contact", OTHER).any()
    assert not of(rollout, "contact", BALL, BLOCK).any()
    assert not of(rollout, "branch", OTHER)[: STEPS // 2].any()


def test_branch_says_which_way_the_law_went_in_each_pass(rollout, sim):
    ball, block = of(rollout, "branch", BALL)[..., 0], of(rollout, "branch", BLOCK)
    assert ball.shape[1] == sim.problem.scene.iterations
    happens = of(rollout, "contact", BALL)[:, 0, 0] > 0
    assert ball[happens].all()  # it is not silent where something happens
    found = words(rollout, BLOCK)
    slides, rests = found.index("slides", SETTLED), found.index("rests") + SETTLED
    assert (block[slides] != block[rests]).any()
    assert (block[slides] == block[slides + 1]).all()


def test_starts_that_differ_by_little_take_the_same_branches_and_others_do_not(rollout, sim):
    params = sim.params()
    params["scene.initial_velocity"][BLOCK, 0] += 1e-6
    near = sim.rollout(params)
    assert np.array_equal(near.branch, rollout.branch)
    assert np.array_equal(near.contact, rollout.contact)
    params["scene.initial_velocity"][BLOCK, 0] += 0.1
    assert not np.array_equal(sim.rollout(params).branch, rollout.branch)


def test_a_bounce_that_friction_stops_does_not_slide_whatever_rounding_says():
    """Discs roll off their bounces on slopes: what is left of the sliding after the pass they bounce in is rounding."""
    place = np.array([[0.0, 1.0], [3.0, 1.2], [6.0, 1.4]])
    discs = [ds.Disc(p, 0.1, velocity=(0.3, -2.0), angular_velocity=1.0 + k) for k, p in enumerate(place)]
    scene = ds.RigidBodies(discs, [ds.HalfPlane(angle=0.1)], friction=0.8, restitution=0.5, dt=DT)
    problem = ds.Problem(scene, steps=STEPS, tune=("scene.initial_angular_velocity",))
    with ds.Simulation(problem, precision="f64", record="all") as simulation:
        params = simulation.params()
        rollout = simulation.rollout(params)
        for disc in range(3):
            found = changes(words(rollout, disc, floor=3))
            assert found[:2] == ["flies", "bounces without sliding"]
            assert "bounces and slides" not in found
        for k in range(1, 9):
            near = simulation.rollout({name: value * (1.0 + k * 1e-13) for name, value in params.items()})
            assert np.array_equal(near.contact, rollout.contact)
            assert np.array_equal(near.branch, rollout.branch)


def test_a_bounce_that_friction_does_not_stop_slides():
    disc = ds.Disc((0.0, 0.5), 0.1, velocity=(5.0, -2.0))
    scene = ds.RigidBodies([disc], [ds.HalfPlane()], friction=0.1, restitution=0.5, dt=DT)
    with ds.Simulation(ds.Problem(scene, steps=STEPS), precision="f32", record="all") as simulation:
        found = changes(words(simulation.rollout(simulation.params()), 0, floor=1))
    assert found[:2] == ["flies", "bounces and slides"]


def test_too_many_contacts_are_an_error_that_says_how_many(sim):
    params = sim.params()
    params["scene.initial_position"][:, 1] = [0.1, 0.05, 0.1]  # all lie on the floor
    with pytest.raises(CapacityError, match=r"step 0 .* 4 points of contact, .* room for 3; .*contacts=5"):
        sim.rollout(params)
