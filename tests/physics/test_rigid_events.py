"""What a rollout of rigid bodies that holds all says of contacts; and that there is an error where they are too many."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import CapacityError
from diffsim.events import describe

DT, STEPS = 5e-3, 200
BALL, BLOCK, OTHER, FLOOR = range(4)


@pytest.fixture(scope="module")
def sim():
    """A ball that bounces, a block that slides until friction stops it, and a ball that flies by; room for both."""
    bodies = [
        ds.Disc((0.0, 0.6), 0.1, restitution=0.5),
        ds.Box((2.0, 0.05), (0.2, 0.05), velocity=(1.0, 0.0)),
        ds.Disc((4.0, 5.0), 0.1),
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


def test_contact_says_what_a_ball_does(rollout):
    words = [describe(code) for code in of(rollout, "contact", BALL)[:, 0, 0]]
    falls = int(np.sqrt(2 * 0.5 / 9.81) / DT)
    print(words[falls-1:falls+3], [(k, w) for k, w in enumerate(words) if w != words[k-1]])
    blk = [[describe(c) for c in of(rollout, "contact", BLOCK)[:, 0, e]] for e in (0, 1)]
    print([[(k, w) for k, w in enumerate(b) if w != b[k-1]] for b in blk])
    print(of(rollout, "branch", BLOCK)[[0, 20, 66, 67, 68, 69, 70, 100]], rollout.branch.shape)
    print(of(rollout, "branch", BALL)[[0, falls-1, falls, falls+1]], (rollout.contact_pair>=0).sum(1))


def test_too_many(sim):
    params = sim.params()
    params["scene.initial_position"][:, 1] = [0.1, 0.05, 0.1]
    with pytest.raises(CapacityError) as e:
        sim.rollout(params)
    print(e.value)
