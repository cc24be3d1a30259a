"""Steps from given states: the physics of a rollout to the bit, and cotangents as central differences have them."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import InputError

from . import examples

# Differences of fourth order, mostly the rounding of stiff springs and contact over the length of the difference.
DIFFERENCES = 1e-6

# Lengths of differences. That of a state is short, as stiff joints and contacts bend with it. By a number of the scene
# it is a share of it, and long: of friction the effect is small beside the rounding of stiff contacts.
STEPS = {"state": 1e-6, "action": 1e-5, "number": 1e-3}

# The same numbers added up in another order, in float64.
ROUNDING = 1e-11

PARTS = {
    "coulomb": ("scene.friction", "scene.mass", "scene.stiffness"),
    "linked": ("scene.mass", "scene.thrust"),
    "monoped": ("scene.friction", "scene.mass", "scene.damping"),
}
"""Scenes, one of each kind of physics, and numbers of theirs to tune."""

READS = {"coulomb": ("observation", "position"), "linked": ("actuator_state",), "monoped": ("observation", "position")}

BEGIN = {"coulomb": 0, "linked": 2, "monoped": 8}
"""Calls before the states at which gradients are looked at: what is in contact is so in all the steps that follow, or
strikes within them and not near their ends."""

REPEAT = 3


def scene_of(name):
    return {name: make for made in examples.SCENES.values() for name, make in made.items()}[name]()


@pytest.fixture(scope="module", params=PARTS)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def steppers():
    """Makes steppers that stay open until the module is done; the same settings give the same one."""
    made = {}

    def make(name, **settings):
        key = (name, *sorted((k, str(v)) for k, v in settings.items()))
        if key not in made:
            given = {"precision": "f64", "tune": PARTS[name], "reads": READS[name], "keep": 16, **settings}
            made[key] = ds.Stepper(scene_of(name), **given)
        return made[key]

    yield make
    for stepper in made.values():
        stepper.close()


def actions_for(stepper, count, seed=0):
    """(count, envs, actuators) within what muscles and motors take."""
    return np.random.default_rng(seed).uniform(-0.6, 0.6, (count, stepper.envs, stepper.action_size))


def begun(stepper, name):
    """A state some calls after the start, and an action there; about a percent apart in the copies."""
    spread = np.random.default_rng(5).uniform(0.99, 1.01, (stepper.envs, stepper.action_size))
    state, action = stepper.start(), 0.3 * spread
    for k in range(BEGIN[name]):
        state, _ = stepper.step(state, action, at=k * stepper.repeat)
    return state, action


def numbers_of(stepper):
    """Their values in the scene."""
    known = {f"scene.{name}": value for name, value in stepper.scene.numbers().items()}
    return {name: known[name] for name in stepper.tuned}


# Against rollouts


@pytest.mark.parametrize("repeat", [1, 2])
def test_steps_are_those_of_a_rollout_to_the_bit(name, steppers, repeat):
    precision = "f32" if name == "coulomb" else "f64"
    stepper = steppers(name, precision=precision, repeat=repeat)
    actions = actions_for(stepper, 4)
    held = np.repeat(actions[:, 0], repeat, axis=0)
    problem = ds.Problem(stepper.scene, ds.OpenLoop(held, saturate=False), steps=len(held), tune=PARTS[name])
    with ds.Simulation(problem, precision=precision, executor="staged") as sim:
        rollout = sim.rollout(sim.params())
    state = stepper.start()
    for k, action in enumerate(actions):
        state, _ = stepper.step(state, action, at=k * repeat)
        for array, value in stepper.named(state).items():
            if array in rollout:
                recorded = rollout[array][(k + 1) * repeat]
                np.testing.assert_array_equal(value[0, : len(recorded)], recorded.astype(stepper.dtype), err_msg=array)


def test_pulling_through_a_window_is_the_gradient_of_a_rollout(name, steppers):
    """A loss on the state of every row, by the actions and by numbers of the scene."""
    stepper = steppers(name)
    actions, rng = actions_for(stepper, 6), np.random.default_rng(1)
    problem = ds.Problem(
        stepper.scene,
        ds.OpenLoop(actions[:, 0], saturate=False),
        steps=len(actions),
        tune=("controller.values", *PARTS[name]),
    )
    with ds.Simulation(problem, precision="f64", executor="staged") as sim:
        params = sim.params()
        rollout, pullback = sim.vjp(params)
        arrays = [array for array in stepper.layout if array in rollout]
        weights = {array: rng.normal(size=rollout[array].shape) for array in arrays}
        for weight in weights.values():
            weight[0] = 0.0  # the start is not a call's
        wanted = pullback(weights)
    tickets, state = [], stepper.start()
    for k, action in enumerate(actions):
        state, ticket = stepper.step(state, action, at=k)
        tickets.append(ticket)
    adjoint, found = np.zeros_like(state), {n: np.zeros_like(v) for n, v in wanted.items()}
    for k in reversed(range(len(actions))):
        for array in arrays:
            part = stepper.named(adjoint)[array]
            part[0, : weights[array].shape[1]] += weights[array][k + 1]
        pulled = stepper.pull(tickets[k], adjoint)
        adjoint = pulled.state
        found["controller.values"][k] = pulled.action[0]
        for number, value in pulled.numbers.items():
            found[number] += value[0]
    for number, value in wanted.items():
        scale = np.abs(value).max()
        assert scale > 0.0, number
        np.testing.assert_allclose(found[number], value, rtol=0.0, atol=ROUNDING * scale, err_msg=number)


# Against central differences


@pytest.mark.parametrize("envs", [1, 5])
def test_cotangents_are_those_of_central_differences(name, steppers, envs):
    """Of the new state and of what is read of it, in random directions of the state, the action and each number."""
    stepper, rng = steppers(name, envs=envs, repeat=REPEAT), np.random.default_rng(2)
    spread = rng.uniform(0.99, 1.01, envs)
    numbers = {n: v * spread.reshape(envs, *[1] * v.ndim) for n, v in numbers_of(stepper).items()}
    stepper.load(numbers)
    state, action = begun(stepper, name)
    out, ticket = stepper.step(state, action, at=7)
    weight = rng.normal(size=out.shape)
    for array, part in stepper.layout.items():
        weight[:, part][:, stepper._engine.shown[array] :] = 0.0  # numbers of the solver's own
    weights = {n: rng.normal(size=v.shape) for n, v in ticket.sensed.items()}
    pulled = stepper.pull(ticket, weight, weights)

    def value(state, action, numbers=None):
        if numbers is not None:
            stepper.load(numbers)
        out, ticket = stepper.step(state, action, at=7)
        parts = [(weight * out).sum(axis=1)]
        parts += [(w * ticket.sensed[n]).reshape(envs, -1).sum(axis=1) for n, w in weights.items()]
        return sum(parts)

    def compare(what, cotangent, direction, along):
        step = STEPS.get(what, STEPS["number"])
        near, far = (along(k * step) - along(-k * step) for k in (1, 2))
        difference = (8.0 * near - far) / (12.0 * step)  # of fourth order
        found = (cotangent * direction).reshape(envs, -1).sum(axis=1)
        scale = np.abs(cotangent * direction).reshape(envs, -1).sum(axis=1) + 1e-3
        assert np.abs(found).max() > 0.0, what
        assert np.all(np.abs(found - difference) <= DIFFERENCES * scale), (what, found, difference)

    way = np.zeros_like(state)
    for array, part in stepper.layout.items():
        shown = stepper._engine.shown[array]
        way[:, part.start : part.start + shown] = rng.normal(size=(envs, shown))
    compare("state", pulled.state, way, lambda h: value(state + h * way, action))
    push = rng.normal(size=action.shape)
    compare("action", pulled.action, push, lambda h: value(state, action + h * push))
    for number, at in numbers.items():
        way_of = rng.uniform(0.5, 1.0, at.shape) * at
        compare(number, pulled.numbers[number], way_of, lambda h: value(state, action, {number: at + h * way_of}))  # noqa: B023
        stepper.load(numbers)


def test_jacobians_are_those_of_central_differences(steppers):
    stepper = steppers("coulomb", envs=5, repeat=REPEAT)
    stepper.load(numbers_of(stepper))
    state, action = begun(stepper, "coulomb")
    by_state, by_action = stepper.jacobians(state, action)
    assert by_state.shape == (5, stepper.state_size, stepper.state_size)
    assert by_action.shape == (5, stepper.state_size, stepper.action_size)
    for jacobian, given, place in ((by_state, state, 0), (by_action, action, 1)):
        for k in range(given.shape[1]):
            ends = []
            for h in (1e-6, -1e-6):
                both = [state.copy(), action.copy()]
                both[place][:, k] += h
                ends.append(stepper.step(*both)[0])
            np.testing.assert_allclose(jacobian[:, :, k], (ends[0] - ends[1]) / 2e-6, rtol=1e-6, atol=1e-7)


# Copies, numbers, memory


def test_copies_are_single_runs_to_the_bit(name, steppers):
    """Each with its own state, action and numbers, which come out as if it were alone."""
    many, one = steppers(name, envs=5, repeat=REPEAT), steppers(name, envs=1, repeat=REPEAT)
    rng = np.random.default_rng(3)
    numbers = {n: v * rng.uniform(0.9, 1.1, (5, *v.shape)) for n, v in numbers_of(many).items()}
    many.load(numbers)
    actions, state = actions_for(many, 2), many.start(1, noise=1e-3)
    first, _ = many.step(state, actions[0])
    second, ticket = many.step(first, actions[1])
    weight = rng.normal(size=second.shape)
    pulled = many.pull(ticket, weight)
    for k in range(5):
        one.load({n: v[k] for n, v in numbers.items()})
        own, _ = one.step(state[k : k + 1], actions[0, k : k + 1])
        np.testing.assert_array_equal(own[0], first[k])
        own, ticket = one.step(own, actions[1, k : k + 1])
        np.testing.assert_array_equal(own[0], second[k])
        alone = one.pull(ticket, weight[k : k + 1])
        np.testing.assert_array_equal(alone.state[0], pulled.state[k])
        np.testing.assert_array_equal(alone.action[0], pulled.action[k])
        for number, value in alone.numbers.items():
            np.testing.assert_array_equal(value[0], pulled.numbers[number][k])


def test_what_is_read_is_what_is_observed_of_the_new_state(name, steppers):
    stepper = steppers(name)
    stepper.load(numbers_of(stepper))
    state, ticket = stepper.step(stepper.start(), actions_for(stepper, 1)[0])
    observed = stepper.observe(state, at=1)
    assert observed.keys() == ticket.sensed.keys() == stepper.sensed.keys()
    for array, value in observed.items():
        assert value.shape == (1, *stepper.sensed[array])
        np.testing.assert_array_equal(value, ticket.sensed[array], err_msg=array)


def test_calls_are_pulled_in_any_order_and_any_number_of_times(name, steppers):
    stepper = steppers(name, repeat=2)
    states, calls = [stepper.start()], []
    for action in actions_for(stepper, 4):
        state, ticket = stepper.step(states[-1], action)
        states.append(state)
        calls.append(ticket)
    weight = np.random.default_rng(6).normal(size=state.shape)
    sensed = {n: np.ones_like(v) for n, v in ticket.sensed.items()}
    first = [stepper.pull(ticket, weight, sensed) for ticket in calls]
    for k in (2, 0, 3, 1, 1):
        again = stepper.pull(calls[k], weight, sensed)
        np.testing.assert_array_equal(again.state, first[k].state)
        np.testing.assert_array_equal(again.action, first[k].action)
        for number, value in again.numbers.items():
            np.testing.assert_array_equal(value, first[k].numbers[number])


def test_rows_that_are_used_again_hold_nothing_of_the_call_before():
    """What accumulates begins at zero in every call and every pull, also where it is only looked at in the last row."""
    settings = {"precision": "f64", "keep": 2, "reads": ("observation", "centre", "force")}
    with ds.Stepper(scene_of("coulomb"), repeat=2, **settings) as stepper:
        state, action = begun(stepper, "coulomb")
        found = []
        for _ in range(5):
            following, ticket = stepper.step(state, action)
            weights = {name: np.ones_like(value) for name, value in ticket.sensed.items()}
            found.append((following, *ticket.sensed.values(), *stepper.pull(ticket, following, weights)[:2]))
            found.append((following, *stepper.observe(following).values(), *found[-1][-2:]))
        for each in found[1:]:
            for value, first in zip(each, found[0], strict=True):
                np.testing.assert_array_equal(value, first)


def test_a_ticket_whose_rows_are_gone_is_an_error_in_words(steppers):
    stepper = steppers("coulomb", keep=2)
    state, action = stepper.start(), np.zeros((1, stepper.action_size))
    tickets = [stepper.step(state, action)[1] for _ in range(3)]
    assert [stepper.kept(ticket) for ticket in tickets] == [False, True, True]
    with pytest.raises(InputError, match=r"call 0 is no longer in memory: of 3 calls the last 2 are kept.*keep=3"):
        stepper.pull(tickets[0], state)
    stepper.pull(tickets[1], state)
    stepper.load({})
    with pytest.raises(InputError, match="call 2 was made before numbers were loaded"):
        stepper.pull(tickets[2], state)
    with pytest.raises(InputError, match="there was no call 17; there were 3"):
        stepper.pull(tickets[0]._replace(call=17))


def test_a_call_that_is_broken_off_leaves_nothing_behind(steppers, monkeypatch):
    stepper = steppers("coulomb")
    stepper.load(numbers_of(stepper))
    state, action = begun(stepper, "coulomb")
    weight = np.ones_like(state)
    _, ticket = stepper.step(state, action)
    wanted = stepper.pull(ticket, weight)

    def broken(*arguments):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(stepper._engine, "numbers", broken)
        with pytest.raises(KeyboardInterrupt):
            stepper.pull(ticket, weight)
    assert not stepper.kept(ticket)
    _, ticket = stepper.step(state, action)
    found = stepper.pull(ticket, weight)
    np.testing.assert_array_equal(found.state, wanted.state)
    np.testing.assert_array_equal(found.numbers["scene.mass"], wanted.numbers["scene.mass"])


# States


def test_noise_is_of_each_copy_and_only_where_it_is_asked_for(steppers):
    stepper = steppers("monoped", envs=5)
    plain, noisy = stepper.start(), stepper.start(3, noise=0.1)
    assert np.all(plain == plain[0])
    assert np.all(noisy != plain)
    assert len({row.tobytes() for row in noisy}) == 5
    np.testing.assert_array_equal(noisy, stepper.start(3, noise=0.1))
    some = stepper.start(3, noise={"joint_velocity": [0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.2]})
    changed = some != plain
    assert np.all(changed.sum(axis=1) == 2)
    assert np.all(changed[:, stepper.layout["joint_velocity"]][:, [0, 6]])


def test_the_solvers_own_numbers_have_no_noise(steppers):
    stepper = steppers("linked")
    changed = stepper.named(stepper.start(0, noise=0.1) - stepper.start())
    assert np.all(changed["position"][:, :5] != 0.0)  # its bodies
    assert not changed["joint_carried"].any()


def test_states_are_put_together_from_arrays(steppers):
    stepper = steppers("monoped", envs=5)
    velocity = np.arange(35.0).reshape(5, 7)
    state = stepper.state_of({"joint_velocity": velocity, "joint_position": stepper.scene.initial_position})
    np.testing.assert_array_equal(stepper.named(state)["joint_velocity"], velocity)
    np.testing.assert_array_equal(
        stepper.named(state)["joint_position"], stepper.named(stepper.start())["joint_position"]
    )


# What is refused


def test_wrong_input_is_an_error_in_words(steppers):
    stepper, scene = steppers("coulomb"), scene_of("coulomb")
    state, action = stepper.start(), np.zeros((1, stepper.action_size))
    _, ticket = stepper.step(state, action)
    for call, words in (
        (lambda: stepper.step(state[0], action), r"state has shape \(12,\), but \(1, 12\) is needed"),
        (lambda: stepper.step(state, np.zeros((2, 2))), r"action has shape \(2, 2\), but \(1, 2\) is needed"),
        (lambda: stepper.pull(ticket, state[:, :3]), r"the cotangent of the state has shape \(1, 3\)"),
        (lambda: stepper.pull(ticket, sensed={"centre": 0.0}), "is of 'centre', but this stepper reads observation"),
        (lambda: stepper.pull(ticket, sensed={"position": 0.0}), r"cotangent of position has shape \(\)"),
        (lambda: stepper.load({"scene.damping": 1.0}), "'scene.damping', but of this stepper scene.stiffness"),
        (lambda: stepper.load({"scene.friction": [0.1, 0.2]}), r"numbers\['scene.friction'\] has shape \(2,\)"),
        (lambda: stepper.load({"scene.friction": np.nan}), "must be finite"),
        (lambda: stepper.start(noise={"place": 1.0}), "noise names 'place', but a state has position, velocity"),
        (lambda: stepper.state_of({"place": 1.0}), "a state has no 'place'; it has position, velocity"),
        (lambda: ds.Stepper(scene, reads="colour"), "Stepper reads 'colour', but a MassSpring has position"),
        (lambda: ds.Stepper(scene, reads="actuation"), "'actuation', which has a value during a step and none"),
        (lambda: ds.Stepper(scene, reads=[3]), "reads holds 3, but it takes names"),
        (lambda: ds.Stepper(scene, tune="scene.initial_velocity"), "nothing depends on scene.initial_velocity"),
        (lambda: ds.Stepper(scene, tune="scene.weight"), "'scene.weight', which matches nothing"),
        (lambda: ds.Stepper(scene, envs=0), "envs is 0"),
        (lambda: ds.Stepper(scene, precision="f16"), "precision is 'f16'"),
    ):
        with pytest.raises(InputError, match=words):
            call()


def test_a_closed_stepper_says_so():
    stepper = ds.Stepper(scene_of("air"))
    stepper.close()
    with pytest.raises(InputError, match="this stepper is closed"):
        stepper.start()


def test_a_scene_without_actuators_takes_actions_of_no_numbers():
    scene = ds.MassSpring([[0.0, 1.0], [0.3, 1.0]], [[0, 1]], stiffness=20.0, initial_velocity=(0.1, 0.0), dt=0.01)
    with ds.Stepper(scene, precision="f64") as stepper:
        assert stepper.action_size == 0
        state, ticket = stepper.step(stepper.start(), np.zeros((1, 0)))
        assert np.any(state != stepper.start())
        assert stepper.pull(ticket, np.ones_like(state)).action.shape == (1, 0)
