"""What is recorded of contact: each decision of the contact law, and nothing between decisions."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.events import BOUNCES, DEEP, LIFTED, MEETS, RESTS, SLIDES, SLIPS, describe

from .small_models import DiscPair, RollingDisc, registered

RECORDED = {"precision": "f64", "record": "all"}


# One step of one point each

GAP = 0.1  # height of the ground [m]; 9.81 m/s^2 over 0.01 s are 0.0981 m/s
STARTS = {  # above the ground [m], velocity [m/s]
    "in the air": (1.0, (0.0, -1.0)),
    "jumping off": (0.0, (1.0, 1.0)),
    "fast and steep": (0.005, (0.1, -2.0)),
    "fast and flat": (0.005, (5.0, -2.0)),
    "slow": (1e-4, (0.001, -0.02)),
    "slow and flat": (1e-4, (1.0, -0.02)),
    "lying": (0.0, (0.0, 0.0)),
    "sliding": (0.0, (1.0, 0.0)),
    "lying below": (-0.01, (0.0, 0.0)),
    "fast below": (-0.01, (0.1, -2.0)),
    "slow below": (-0.01, (1.0, -0.02)),
    "fixed": (0.0, (0.0, 0.0)),
}
EVENTS = {  # on bouncing ground; on ground without restitution; where points stick; without time of impact
    "in the air": (0, 0, 0, 0),
    "jumping off": (0, 0, 0, 0),
    "fast and steep": (MEETS | BOUNCES, MEETS, MEETS, MEETS | BOUNCES),
    "fast and flat": (MEETS | BOUNCES | SLIDES, MEETS | SLIDES, MEETS, MEETS | BOUNCES | SLIDES),
    "slow": (MEETS, MEETS, MEETS, MEETS | BOUNCES),
    "slow and flat": (MEETS | SLIDES, MEETS | SLIDES, MEETS, MEETS | BOUNCES | SLIDES),
    "lying": (MEETS | RESTS, MEETS | RESTS, MEETS | RESTS, MEETS | BOUNCES),
    "sliding": (MEETS | RESTS | SLIDES, MEETS | RESTS | SLIDES, MEETS | RESTS, MEETS | BOUNCES | SLIDES),
    "lying below": (MEETS | RESTS, MEETS | RESTS, MEETS | RESTS, MEETS | BOUNCES),
    "fast below": (MEETS | BOUNCES | DEEP, MEETS | DEEP, MEETS | DEEP, MEETS | BOUNCES),
    "slow below": (MEETS | SLIDES | DEEP, MEETS | SLIDES | DEEP, MEETS | DEEP, MEETS | BOUNCES | SLIDES),
    "fixed": (0, 0, 0, 0),
}
GROUNDS = {
    "bouncing": {"friction": 0.4, "restitution": 0.6},
    "dead": {"friction": 0.4},
    "sticky": {},
    "plain": {"friction": 0.4, "restitution": 0.6, "time_of_impact": False},
}


DRIVEN = {  # above the ground [m], velocity [m/s], what forces add in the step [m/s]; without restitution
    "is lifted early": (0.002, (0.001, -1.1), (0.0, 0.1), MEETS | BOUNCES),
    "is lifted late": (0.008, (0.001, -1.1), (0.0, 0.1), MEETS | BOUNCES | LIFTED),
    "is lifted late and slides": (0.008, (1.0, -1.1), (0.0, 0.1), MEETS | BOUNCES | LIFTED | SLIDES),
    "turns round before": (1.8e-4, (1.0, -0.12), (0.0, 0.1), MEETS | LIFTED | SLIDES),
    "slips": (0.005, (0.1, -1.0), (0.1, -0.1), MEETS | SLIPS),
    "is driven": (0.005, (1.0, -1.0), (0.1, -0.1), MEETS | SLIPS | SLIDES),
    "lies and is driven": (0.0, (0.0, 0.0), (0.1, -0.1), MEETS | RESTS | SLIDES),
}


def test_what_forces_do_after_a_landing_is_recorded():
    gaps, velocities, pushes, events = zip(*DRIVEN.values(), strict=True)
    scene = ds.MassSpring(
        points=np.stack([np.arange(len(gaps)), GAP + np.array(gaps)], axis=1),
        initial_velocity=velocities,
        force=np.array(pushes) / 0.01,
        gravity=(0.0, 0.0),
        ground=ds.Ground(height=GAP, friction=0.4),
        dt=0.01,
    )
    with ds.Simulation(ds.Problem(scene, steps=1, tune=("scene.mass",)), **RECORDED) as sim:
        assert dict(zip(DRIVEN, sim.rollout(sim.params()).contact[0], strict=True)) == dict(
            zip(DRIVEN, events, strict=True)
        )


@pytest.mark.parametrize("ground", GROUNDS)
def test_every_decision_of_the_contact_law_is_recorded(ground):
    gaps, velocities = zip(*STARTS.values(), strict=True)
    points = np.stack([np.arange(len(gaps)), np.full(len(gaps), 10.0)], axis=1)
    scene = ds.MassSpring(
        points=points,
        initial_velocity=velocities,
        ground=ds.Ground(height=GAP, **GROUNDS[ground]),
        fixed=[len(gaps) - 1],
        dt=0.01,
    )
    points[:, 1] = GAP + np.array(gaps)
    with ds.Simulation(ds.Problem(scene, steps=1, tune=("scene.initial_position",)), **RECORDED) as sim:
        contact = sim.rollout({"scene.initial_position": points}).contact
    assert contact.shape == (1, len(STARTS))
    column = list(GROUNDS).index(ground)
    found = dict(zip(STARTS, map(describe, contact[0]), strict=True))
    assert found == {name: describe(codes[column]) for name, codes in EVENTS.items()}


def test_without_ground_nothing_happens():
    scene = ds.MassSpring(points=[[0.0, 1.0], [1.0, 1.0]], springs=[[0, 1]])
    problem = ds.Problem(scene, steps=3, tune=("scene.gravity",))
    with ds.Simulation(problem, **RECORDED) as sim:
        contact = sim.rollout(sim.params()).contact
    assert contact.shape == (3, 2)
    assert not contact.any()


# What it is for


def tumbling():
    """A stick that falls on hard ground, bounces, slides and comes to rest."""
    scene = ds.MassSpring(
        points=[[0.0, 0.2], [0.3, 0.25]],
        springs=[[0, 1]],
        stiffness=400.0,
        spring_damping=2.0,
        initial_velocity=[[1.5, -0.5], [1.3, -1.0]],
        ground=ds.Ground(friction=0.2, restitution=0.5),
        dt=0.01,
    )
    goal = ds.ReachTarget((0.9, 0.1), point=0) + ds.ReachTarget((1.2, 0.1), point=1)
    return ds.Problem(scene, objective=goal, steps=90, tune=("scene.initial_*",))


# Starts along a line. Between neighbours a smooth loss is a parabola but for third derivatives of up to 1e7 times
# NEAR^3 / 12; a slope that jumps by a hundredth is off by ten times that.
NEAR, STARTED, SMOOTH = 2e-5, 2000, 1e-8


@pytest.fixture(scope="module")
def line():
    """Contact (start, step, point), loss (start,) and its slope (start,), at equal distances along a line."""
    with ds.Simulation(tumbling(), **RECORDED, envs=STARTED, shared=False) as sim:
        params, s = sim.params(), NEAR * np.arange(STARTED)
        params["scene.initial_position"] = params["scene.initial_position"] + s[:, None, None] * [0.0, 1.0]
        loss, grad = sim.value_and_grad(params)
        contact = sim.rollout(params).contact
    return contact, loss, grad["scene.initial_position"][..., 1].sum(axis=1)


def test_rollouts_with_equal_events_are_on_one_smooth_piece_of_the_loss(line):
    contact, loss, slope = line
    same = (contact[1:] == contact[:-1]).all(axis=(1, 2))
    off = np.abs(np.diff(loss) - 0.5 * NEAR * (slope[1:] + slope[:-1]))
    assert off[same].max() < SMOOTH
    # And the events are told for a reason: nearly every time that they change, so does the slope, or the loss itself.
    assert (~same).sum() > 50
    assert (off[~same] > SMOOTH).mean() > 0.9
    seen = {describe(code) for code in np.unique(contact)}
    assert seen >= {"flies", "lands and slides", "slides", "rests", "bounces and slides", "bounces without sliding"}


@pytest.fixture(scope="module")
def recorded():
    """Loss and gradient, and a rollout after it: what a reverse pass leaves in the rows must not show."""
    with ds.Simulation(tumbling(), **RECORDED) as sim:
        return sim.value_and_grad(sim.params()), sim.rollout(sim.params())


def test_recording_changes_no_number(recorded):
    (loss, grad), rollout = recorded
    with ds.Simulation(tumbling(), precision="f64") as sim:
        same, alike = sim.value_and_grad(sim.params())
        plain = sim.rollout(sim.params())
    assert loss == same
    assert all(np.array_equal(grad[name], alike[name]) for name in grad)
    assert np.array_equal(rollout.position, plain.position)
    assert "contact" in rollout
    assert "contact" not in plain


def test_executors_and_segments_record_the_same(recorded):
    other = {"executor": "wide", "adjoint": ds.Checkpointed(every=7)}
    with ds.Simulation(tumbling(), **RECORDED, **other) as sim:
        sim.value_and_grad(sim.params())
        contact = sim.rollout(sim.params()).contact
    assert np.array_equal(contact, recorded[1].contact)
    assert contact.any()


def test_other_models_record_by_the_same_flags():
    with registered():
        # A step of friction takes 3 * 0.3 * 0.0981 m/s of the slip, so it takes more than six of 0.59 m/s.
        sliding = RollingDisc([[0.0, 0.1]], [[0.59, 0.0]], 0.1, friction=0.3, dt=0.01)
        with ds.Simulation(ds.Problem(sliding, steps=12, tune=("scene.gravity",)), **RECORDED) as sim:
            slid = sim.rollout(sim.params()).contact[:, 0]
        colliding = DiscPair([[0.0, 0.0], [0.71, 0.0]], [[1.0, 0.0], [0.0, 0.0]], [1.0, 1.0], [0.1, 0.1], 1.0, 0.02)
        with ds.Simulation(ds.Problem(colliding, steps=40, tune=("scene.mass",)), **RECORDED) as sim:
            collided = sim.rollout(sim.params()).contact[:, 0]
    assert [describe(code) for code in slid] == ["slides"] * 6 + ["rests"] * 6
    assert collided.sum() == collided[25] == MEETS | BOUNCES
