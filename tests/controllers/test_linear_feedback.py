"""Actions along a trajectory with feedback: what it asks for, by hand, and what it is for."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds

RNG = np.random.default_rng(2)
CALLS, REPEAT = 4, 3
ARRAYS = ("position", "velocity")


def worm():
    return ds.MassSpring(
        [[0.0, 0.5], [0.2, 0.5], [0.1, 0.7]],
        [[0, 1], [1, 2], [0, 2]],
        stiffness=50.0,
        actuation=[0.1, 0.2, 0.0],
        dt=0.01,
    )


def controller(**changes):
    given = {
        "actions": RNG.uniform(-0.5, 0.5, (CALLS, 2)),
        "states": RNG.normal(size=(CALLS + 1, 12)),
        "gains": 0.2 * RNG.normal(size=(CALLS, 2, 12)),
        "arrays": ARRAYS,
        "repeat": REPEAT,
    }
    return ds.LinearFeedback(**{**given, **changes})


@pytest.mark.parametrize(("low", "high", "cut"), [(-9.0, 9.0, False), (-np.inf, np.inf, False), (-0.2, 0.4, True)])
def test_what_it_asks_for(low, high, cut):
    own = controller(low=low, high=high)
    problem = ds.Problem(worm(), own, steps=CALLS * REPEAT)
    with ds.Simulation(problem, precision="f64") as sim:
        rollout = sim.rollout(sim.params())
    assert np.any((rollout.actuation == low) | (rollout.actuation == high)) == cut
    for step, actuation in enumerate(rollout.actuation):
        t, share = step // REPEAT, (step % REPEAT) / REPEAT
        state = np.concatenate([rollout["position"][step].reshape(-1), rollout["velocity"][step].reshape(-1)])
        planned = (1.0 - share) * own.states[t] + share * own.states[t + 1]
        asked = own.actions[t] + own.gains[t] @ (state - planned)
        np.testing.assert_allclose(actuation, np.clip(asked, low, high), rtol=0, atol=1e-13)
        seen = {name: rollout[name][step] for name in ARRAYS}
        np.testing.assert_allclose(problem.act(sim.params(), seen, step * 0.01), actuation, rtol=0, atol=1e-13)


def cart(mass=2.0, at=1.0):
    rail = ds.Joint("rail", "slide", axis=(1, 0, 0), damping=0.3)
    link = ds.Link("cart", joints=[rail], mass=mass, inertia=(0.1, 0.1, 0.1))
    motor = ds.Actuator("push", "rail", control_range=(-3.0, 3.0))
    return ds.Articulated([link], [motor], initial_position=(at,), contacts=False, dt=0.02)


def test_a_plans_feedback_leads_another_start_to_the_same_end():
    cost = ds.QuadraticCost(running={"rail": 3.0}, final={"rail": 50.0, "rail.velocity": 5.0}, effort=0.2)
    plan = ds.plan(cart(), cost, 30, repeat=4)
    assert plan.feedback.arrays == ("joint_position", "joint_velocity")
    ends = {}
    for name, driven in (("alone", plan.controller), ("feedback", plan.feedback)):
        for at in (1.0, 1.2):
            with ds.Simulation(ds.Problem(cart(mass=2.2, at=at), driven, steps=120, tune=()), precision="f64") as sim:
                ends[name, at] = sim.rollout({}).joint_position[-1, 0]
    for at in (1.0, 1.2):
        assert abs(ends["feedback", at]) < 0.25 * abs(ends["alone", at])
    # Feedback in every step is a little stiffer than in every fourth, as `Plan.follow` has it.
    follows = plan.follow(plan.states[0] + [0.2, 0.0])[0][0, -1, 0]
    with ds.Simulation(ds.Problem(cart(at=1.2), plan.feedback, steps=120, tune=()), precision="f64") as sim:
        assert sim.rollout({}).joint_position[-1, 0] == pytest.approx(follows, abs=5e-3)


def test_limits_of_each_actuator_are_refused():
    cost = ds.QuadraticCost(running={"position[0, 0]": 1.0})
    plan = ds.plan(worm(), cost, 4, limits=((-1.0, -0.5), 1.0))
    with pytest.raises(ds.InputError, match=r"Plan.low is \[-1.0, -0.5\], but a LinearFeedback has one limit for all"):
        _ = plan.feedback


def used(own, steps=CALLS * REPEAT):
    with ds.Simulation(ds.Problem(worm(), own, steps=steps)):
        pass


BAD = {
    "gains": (lambda: controller(gains=np.zeros((CALLS, 2, 11))), "LinearFeedback.gains has shape (4, 2, 11)"),
    "states": (lambda: controller(states=np.zeros((CALLS, 12))), "LinearFeedback.states has shape (4, 12)"),
    "one name": (lambda: controller(arrays="position"), "LinearFeedback.arrays is 'position'"),
    "no names": (lambda: controller(arrays=()), "LinearFeedback.arrays is ()"),
    "limits": (lambda: controller(low=1.0), "LinearFeedback.low is 1, but it must be below high, 1"),
    "a limit": (lambda: controller(high=float("nan")), "LinearFeedback.high is nan"),
    "repeat": (lambda: controller(repeat=0), "LinearFeedback.repeat is 0"),
    "too long": (lambda: used(controller(), 13), "has 4 calls of 3 steps, but the rollout has 13 steps"),
    "another state": (
        lambda: used(controller(arrays=("velocity", "position"))),
        "the state of a MassSpring is position",
    ),
    "actuators": (
        lambda: used(controller(actions=np.zeros((CALLS, 3)), gains=np.zeros((CALLS, 3, 12)))),
        "for 3 actuators, but the scene has 2",
    ),
    "entries": (
        lambda: used(controller(states=np.zeros((CALLS + 1, 10)), gains=np.zeros((CALLS, 2, 10)))),
        "has 10 entries, but a state of this scene has 12",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    make, message = BAD[case]
    with pytest.raises(ds.InputError) as error:
        make()
    assert message in str(error.value)


def test_it_is_written_and_read():
    problem = ds.Problem(worm(), controller(low=-np.inf, high=np.inf), steps=6)
    assert ds.Problem.from_dict(problem.to_dict()) == problem
