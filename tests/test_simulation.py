"""The waist: what goes in, what comes out in which shape, and what is said when it cannot."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds
from diffsim.engine import runtime

STEPS = 6
SCENE = ds.MassSpring(
    points=[[0.0, 0.0], [1.0, 0.0], [0.4, 0.7]],
    springs=[[0, 1], [1, 2], [0, 2]],
    stiffness=50.0,
    actuation=[0.1, 0.2, 0.0],
    dt=0.01,
)
PROBLEM = ds.Problem(
    SCENE, ds.Sine(offset=(0.2, 0.2)), ds.Travel(point=1), steps=STEPS, tune=("controller.*", "scene.initial_velocity")
)
SHAPES = {
    "scene.initial_velocity": (2,),
    "controller.amplitude": (2,),
    "controller.phase": (2,),
    "controller.offset": (2,),
    "controller.frequency": (),
}


@pytest.fixture(scope="module")
def single():
    with ds.Simulation(PROBLEM, precision="f64") as simulation:
        yield simulation


@pytest.fixture(scope="module")
def shared():
    with ds.Simulation(PROBLEM, precision="f64", envs=4) as simulation:
        yield simulation


@pytest.fixture(scope="module")
def own():
    with ds.Simulation(PROBLEM, precision="f64", envs=4, shared=False) as simulation:
        yield simulation


# Parameters


def test_parts_of_numbers_have_their_parts_of_the_gradient(single):
    """An array tuned whole and in parts: the same losses, and the same gradient cut up."""
    whole = replace(PROBLEM, tune=("scene.initial_position", "scene.stiffness", "controller.amplitude"))
    names = ("scene.initial_position[1]", "scene.initial_position[0, 1]", "scene.stiffness", "controller.amplitude[1:]")
    parts = replace(PROBLEM, tune=names)
    with (
        ds.Simulation(whole, precision="f64") as full,
        ds.Simulation(parts, precision="f64") as simulation,
        ds.Simulation(parts, precision="f64", envs=2, shared=False) as copies,
    ):
        params, changed = simulation.params(), full.params()
        assert {name: value.shape for name, value in params.items()} == dict(
            zip(names, [(2,), (), (), (1,)], strict=True)
        )
        assert {name: value.shape for name, value in copies.params().items()} == {
            name: (2, *value.shape) for name, value in params.items()
        }
        moved = {name: value + 0.1 for name, value in params.items()}
        for name in ("scene.initial_position", "controller.amplitude", "scene.stiffness"):
            changed[name] = parts.filled(moved)[name]
        loss, grad = simulation.value_and_grad(moved)
        expected, whole_grad = full.value_and_grad(changed)
        losses, grads = copies.value_and_grad({n: np.stack([params[n], moved[n]]) for n in names})
        assert loss == expected == losses[1] != losses[0] == simulation.value(params)
        assert np.any(grad[names[0]])
        for name in names:
            assert np.array_equal(grad[name], parts.pick(name, whole_grad))
            assert np.array_equal(grad[name], grads[name][1])
        rollout = copies.rollout({n: np.stack([params[n], moved[n]]) for n in names}).env(1)
        assert np.array_equal(rollout.position[0], changed["scene.initial_position"])
        assert np.array_equal(rollout.numbers["scene.initial_position"], changed["scene.initial_position"])


def test_params_are_the_tuned_numbers_in_float64(single, shared):
    for simulation in (single, shared):
        params = simulation.params()
        assert {name: value.shape for name, value in params.items()} == SHAPES
        assert all(value.dtype == np.float64 for value in params.values())


def test_copies_draw_with_seeds_of_their_own(single, own):
    params = own.params(seed=3)
    assert {name: value.shape for name, value in params.items()} == {n: (4, *s) for n, s in SHAPES.items()}
    for env in range(4):
        for name, value in single.params(seed=3 + env).items():
            assert np.array_equal(params[name][env], value)


def test_params_belong_to_the_caller(single):
    single.params()["controller.offset"][:] = 7.0
    assert np.array_equal(single.params()["controller.offset"], [0.2, 0.2])


def bad(change):
    params = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    change(params)
    return params


BAD = {
    "missing": (lambda p: p.pop("controller.phase"), "params holds", "but this problem tunes", "controller.phase"),
    "extra": (lambda p: p.update({"scene.mass": 1.0}), "scene.mass", "but this problem tunes"),
    "misspelt": (
        lambda p: p.update({"controller.fase": p.pop("controller.phase")}),
        "controller.fase",
        "controller.phase",
    ),
    "long": (
        lambda p: p.update({"controller.phase": np.zeros(3)}),
        "params['controller.phase'] has shape (3,), but (2,) is needed",
    ),
    "a number for all": (lambda p: p.update({"controller.phase": 0.0}), "has shape (), but (2,) is needed"),
    "a list for a number": (lambda p: p.update({"controller.frequency": [1.0]}), "has shape (1,), but () is needed"),
    "nan": (
        lambda p: p.update({"controller.phase": [0.0, np.nan]}),
        "params['controller.phase'] holds a number that is not finite",
    ),
    "infinite": (lambda p: p.update({"controller.frequency": np.inf}), "params['controller.frequency']", "not finite"),
}


@pytest.mark.parametrize("use", ["value", "value_and_grad", "rollout", "vjp"])
@pytest.mark.parametrize("case", BAD)
def test_bad_params_are_named(single, case, use):
    change, *said = BAD[case]
    with pytest.raises(ds.InputError) as caught:
        getattr(single, use)(bad(change))
    assert all(words in str(caught.value) for words in said), str(caught.value)


def test_bad_params_of_copies_are_named(own):
    params = own.params()
    params["controller.phase"] = np.zeros((3, 2))
    with pytest.raises(ds.InputError, match=r"has shape \(3, 2\), but \(2,\) or \(4, 2\) is needed"):
        own.value(params)


def test_bad_params_leave_nothing_behind(single):
    params = single.params()
    expected = single.value(params)
    with pytest.raises(ds.InputError):
        single.value({**params, "controller.frequency": np.nan})
    assert single.value(params) == expected


def test_lists_and_other_types_of_numbers_are_taken(single):
    params = single.params()
    listed = {name: np.float32(value).tolist() for name, value in params.items()}
    rounded = {name: np.asarray(value, np.float64) for name, value in listed.items()}
    assert single.value(listed) == single.value(rounded)


# What comes out


def test_a_single_run_gives_numbers(single):
    params = single.params()
    loss, grad = single.value_and_grad(params)
    assert type(loss) is float
    assert loss == single.value(params)
    assert {name: value.shape for name, value in grad.items()} == SHAPES


def test_shared_runs_give_the_mean(single, shared):
    params = shared.params()
    loss, grad = shared.value_and_grad(params)
    assert type(loss) is float
    # Four times the same numbers; a quarter of each is exact in binary.
    assert loss == single.value(params) == shared.value(params)
    for name, value in single.value_and_grad(params)[1].items():
        assert grad[name].shape == SHAPES[name]
        assert grad[name] == pytest.approx(value, rel=1e-14, abs=1e-17)  # sums of four quarters


def test_runs_of_their_own_give_a_loss_each(own):
    params = own.params()
    losses, grad = own.value_and_grad(params)
    assert losses.shape == (4,)
    assert np.array_equal(losses, own.value(params))
    assert {name: value.shape for name, value in grad.items()} == {n: (4, *s) for n, s in SHAPES.items()}


def test_parameters_without_an_axis_are_for_all_environments(single, own):
    params = own.params()
    params["controller.phase"] = np.array([0.3, -0.4])
    losses = own.value(params)
    for env in range(4):
        one = {n: v if n == "controller.phase" else v[env] for n, v in params.items()}
        assert losses[env] == single.value(one)


def test_losses_and_gradients_belong_to_the_caller(own):
    params = own.params()
    losses, grad = own.value_and_grad(params)
    kept = losses.copy(), {name: value.copy() for name, value in grad.items()}
    own.value_and_grad({name: 2.0 * value + 0.1 for name, value in params.items()})
    assert np.array_equal(losses, kept[0])
    assert all(np.array_equal(grad[name], kept[1][name]) for name in grad)


# Rollouts


def test_rollout_of_a_single_run(single):
    params = single.params()
    rollout = single.rollout(params)
    assert {name: rollout[name].shape for name in rollout} == {
        "time": (STEPS + 1,),
        "position": (STEPS + 1, 3, 2),
        "velocity": (STEPS + 1, 3, 2),
        "actuation": (STEPS, 2),
        "energy": (STEPS + 1,),
        "momentum": (STEPS + 1, 2),
        "angular_momentum": (STEPS + 1,),
    }
    assert np.allclose(rollout.time, 0.01 * np.arange(STEPS + 1), rtol=1e-15)
    assert np.array_equal(rollout.position[0], SCENE.points)
    assert rollout.position is rollout["position"] is rollout.arrays["position"]
    assert rollout.loss == single.value(params)
    assert rollout.problem is PROBLEM
    assert rollout.envs == 1
    assert rollout.env(0) is rollout
    assert len(rollout) == len(list(rollout)) == 7
    assert rollout.energy is rollout["energy"] is rollout.derived["energy"]


def test_rollout_keeps_its_parameters(single):
    params = single.params()
    rollout = single.rollout(params)
    expected = params["controller.phase"].copy()
    params["controller.phase"][:] = 9.0
    assert np.array_equal(rollout.params["controller.phase"], expected)


def test_rollout_of_many_runs(single, own, shared):
    rollout = own.rollout(own.params())
    assert rollout.position.shape == (4, STEPS + 1, 3, 2)
    assert rollout.actuation.shape == (4, STEPS, 2)
    assert rollout.time.shape == (STEPS + 1,)
    assert np.array_equal(rollout.loss, own.value(own.params()))
    assert rollout.energy.shape == (4, STEPS + 1)
    third = rollout.env(2)
    assert third.envs == 1
    assert np.array_equal(third.momentum, rollout.momentum[2])
    assert third.loss == rollout.loss[2]
    assert np.array_equal(third.position, rollout.position[2])
    assert np.array_equal(third.params["controller.phase"], own.params()["controller.phase"][2])
    assert third.loss == single.value(third.params)
    together = shared.rollout(shared.params())
    assert type(together.loss) is float
    assert np.array_equal(together.env(3).params["controller.phase"], shared.params()["controller.phase"])


@pytest.mark.parametrize("index", [-1, 4])
def test_rollout_of_an_absent_environment(own, index):
    with pytest.raises(IndexError, match=rf"there is no environment {index}; there are 4 \(0 to 3\)"):
        own.rollout(own.params()).env(index)


def test_rollout_of_an_absent_array(single):
    rollout = single.rollout(single.params())
    with pytest.raises(KeyError, match=r"holds time, position, velocity, actuation, energy, .*; not 'force'"):
        rollout["force"]
    with pytest.raises(AttributeError, match="Rollout has no attribute 'force'"):
        rollout.force  # noqa: B018


def test_rollout_survives_a_pickle(single):
    rollout = single.rollout(single.params())
    again = pickle.loads(pickle.dumps(rollout))
    assert again.problem == PROBLEM
    assert np.array_equal(again.velocity, rollout.velocity)


def test_a_pickled_problem_runs_to_the_same_bits(single):
    problem = pickle.loads(pickle.dumps(PROBLEM))
    with ds.Simulation(problem, precision="f64") as simulation:
        params = simulation.params(seed=2)
        assert simulation.value(params) == single.value(single.params(seed=2))


# Divergence


def exploding(**changes):
    """A stretched spring, much too stiff for its time step: each step the force turns round and grows."""
    scene = ds.MassSpring(
        points=[[0.0, 0.0], [1.5, 0.0]], springs=[[0, 1]], rest_length=1.0, stiffness=1e8, gravity=(0.0, 0.0), dt=0.01
    )
    return ds.Problem(
        **{"scene": scene, "objective": ds.Travel(point=1), "steps": 20, "tune": ("scene.stiffness",), **changes}
    )


def first_lost_row():
    """The same spring by NumPy in float32, along its axis: the row at which it is not finite any more."""
    one, dt, k = np.float32(1.0), np.float32(0.01), np.float32(1e8)
    x, v = np.array([0.0, 1.5], np.float32), np.zeros(2, np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        for row in range(1, 21):
            apart = x[0] - x[1]
            length = np.sqrt(apart * apart)
            force = (k * (length - one) / length) * apart
            v = v + dt * np.array([-force, force], np.float32)
            x = x + dt * v
            if not (np.isfinite(x).all() and np.isfinite(v).all()):
                return row
    raise AssertionError("it stayed finite")


@pytest.mark.parametrize("use", ["value", "value_and_grad", "rollout", "vjp"])
def test_a_rollout_that_explodes_says_where(use):
    with ds.Simulation(exploding()) as simulation:
        with pytest.raises(ds.DivergenceError, match="in environment 0 is not finite from step") as caught:
            getattr(simulation, use)(simulation.params())
        assert (caught.value.env, caught.value.step) == (0, first_lost_row())
        assert caught.value.array in ("position", "velocity")  # both are lost in one step
        assert f"step {caught.value.step} on" in str(caught.value)
        loss = simulation.value({"scene.stiffness": np.array(10.0)})
    assert np.isfinite(loss)  # and it runs again with better numbers


def test_shared_runs_name_the_environment_that_explodes():
    rest, stretched = [[0.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [1.5, 0.0]]
    states = {"initial_position": [rest, rest, stretched, rest]}
    with ds.Simulation(exploding(), envs=4, initial_states=states) as simulation:
        for use in (simulation.value, simulation.value_and_grad, simulation.rollout):
            with pytest.raises(ds.DivergenceError, match="environment 2") as caught:
                use(simulation.params())
            assert (caught.value.env, caught.value.step) == (2, first_lost_row())


def test_runs_of_their_own_keep_the_others():
    with ds.Simulation(exploding(), envs=3, shared=False) as simulation:
        params = {"scene.stiffness": np.array([10.0, 1e8, 20.0])}
        losses, grad = simulation.value_and_grad(params)
        assert np.array_equal(np.isfinite(losses), [True, False, True])
        assert np.array_equal(np.isfinite(grad["scene.stiffness"]), [True, False, True])
        assert np.array_equal(simulation.value(params), losses, equal_nan=True)
        calm = {"scene.stiffness": np.array([10.0, 15.0, 20.0])}
        assert np.array_equal(simulation.value(calm)[[0, 2]], losses[[0, 2]])
        assert np.array_equal(
            simulation.value_and_grad(calm)[1]["scene.stiffness"][[0, 2]], grad["scene.stiffness"][[0, 2]]
        )
        with pytest.raises(ds.DivergenceError, match="environment 1") as caught:
            simulation.rollout(params)
        assert caught.value.env == 1


def test_a_loss_that_overflows_is_told_from_a_trajectory_that_does():
    problem = exploding(objective=ds.ReachTarget((3e19, 0.0), point=1), steps=2)
    with ds.Simulation(problem) as simulation:
        with pytest.raises(ds.DivergenceError, match="though its trajectory is finite") as caught:
            simulation.value({"scene.stiffness": np.array(10.0)})
        assert (caught.value.array, caught.value.env, caught.value.step) == ("loss", 0, 2)


def test_a_gradient_that_overflows_names_its_parameter():
    # A force of 1e-30 N on 1e-25 kg: the loss is of order one, its slope by the mass is acceleration over mass.
    scene = ds.MassSpring(points=[[0.0, 0.0]], mass=1e-25, force=(1e-30, 0.0), gravity=(0.0, 0.0), dt=1.0)
    problem = ds.Problem(scene, objective=ds.Travel(point=0, weight=1e20), steps=2, tune=("scene.mass", "scene.force"))
    with ds.Simulation(problem) as simulation:
        assert np.isfinite(simulation.value(simulation.params()))
        with pytest.raises(
            ds.DivergenceError, match=r"the gradient with respect to scene\.\w+ is not finite"
        ) as caught:
            simulation.value_and_grad(simulation.params())
        assert (caught.value.step, caught.value.env) == (-1, 0)
        assert caught.value.array in problem.tuned


# Pullbacks


def test_pullback_refuses_what_was_not_recorded(single):
    rollout, pullback = single.vjp(single.params())
    with pytest.raises(ds.InputError, match="there is no array 'force' to pull back; there are position, velocity"):
        pullback({"force": rollout.position})
    with pytest.raises(ds.InputError, match="'energy' cannot be pulled back: it is worked out from the recorded"):
        pullback({"energy": rollout.energy})
    with pytest.raises(ds.InputError, match=r"the cotangent of position has shape \(3, 2\), but \(7, 3, 2\) is needed"):
        pullback({"position": rollout.position[0]})
    with pytest.raises(ds.InputError, match=r"the cotangent of position\[0, 0, 0\] is nan"):
        pullback({"position": np.full_like(rollout.position, np.nan)})


def test_pull_is_the_pullback_without_a_rollout_before(single, shared, own, monkeypatch):
    for simulation in (single, shared, own):
        params = simulation.params(seed=2)
        rollout, pullback = simulation.vjp(params)
        rng = np.random.default_rng(4)
        cotangents = {name: rng.normal(size=rollout[name].shape) for name in ("position", "actuation")}
        wanted = pullback(cotangents)
        with monkeypatch.context() as patch:
            patch.setattr(simulation._trajectory, "forward", None)
            found = simulation.pull(params, cotangents)
        assert found.keys() == wanted.keys()
        for name, value in wanted.items():
            np.testing.assert_array_equal(found[name], value)
            assert np.any(value != 0.0), name


def test_a_rollout_of_some_arrays_has_only_those(single, own):
    for simulation in (single, own):
        whole, some = (
            simulation.rollout(simulation.params()),
            simulation.rollout(simulation.params(), arrays="velocity"),
        )
        assert tuple(some) == ("time", "velocity")
        assert np.all(some.loss == whole.loss)
        np.testing.assert_array_equal(some.velocity, whole.velocity)
        assert (whole.complete, some.complete, some.terms, some.derives) == (True, False, (), ())
        assert some.env(0).complete is False
        both = simulation.rollout(simulation.params(), arrays=("actuation", "position"))
        np.testing.assert_array_equal(both.actuation, whole.actuation)
        np.testing.assert_array_equal(both.position, whole.position)
    rollout, pullback = single.vjp(single.params(), arrays=("position",))
    assert tuple(rollout) == ("time", "position")
    assert pullback({"velocity": np.ones((STEPS + 1, 3, 2))}).keys() == SHAPES.keys()
    with pytest.raises(ds.InputError, match="there is no array 'force' to record; there are position, velocity"):
        single.rollout(single.params(), arrays=("force",))
    with pytest.raises(ds.InputError, match="'energy' cannot be picked: it is worked out from"):
        single.rollout(single.params(), arrays="energy")


def test_segments_record_some_arrays_as_well(single):
    with single.again(adjoint=ds.Checkpointed(every=4)) as segments:
        some = segments.rollout(segments.params(), arrays="actuation")
    np.testing.assert_array_equal(some.actuation, single.rollout(single.params()).actuation)


def test_pullback_is_of_the_point_where_it_was_made(single):
    params = single.params()
    rollout, pullback = single.vjp(params)
    cotangent = {"velocity": np.ones_like(rollout.velocity)}
    expected = pullback(cotangent)
    params["controller.phase"][:] = 5.0
    single.value(params)
    again = pullback(cotangent)
    assert all(np.array_equal(expected[name], again[name]) for name in expected)


def test_pullback_of_many_runs_is_that_of_each(single, own):
    params = own.params()
    rng = np.random.default_rng(6)
    rollout, pullback = own.vjp(params)
    cotangent = rng.normal(size=rollout.position.shape)
    pulled = pullback({"position": cotangent})
    for env in range(4):
        _, one = single.vjp({name: value[env] for name, value in params.items()})
        for name, value in one({"position": cotangent[env]}).items():
            assert np.array_equal(pulled[name][env], value), (name, env)


# Making one


def test_without_an_objective_there_are_rollouts_only():
    with ds.Simulation(ds.Problem(SCENE, ds.Sine(), steps=3)) as simulation:
        params = simulation.params()
        assert simulation.rollout(params).loss is None
        for use in (simulation.value, simulation.value_and_grad):
            with pytest.raises(
                ds.InputError, match="this problem has no objective; give it one, or use rollout and vjp"
            ):
                use(params)


MISMADE = {
    "a scene": (lambda: ds.Simulation(SCENE), "Simulation takes a Problem, but MassSpring"),
    "a precision": (
        lambda: ds.Simulation(PROBLEM, precision="f16"),
        "precision is 'f16', but it must be one of 'f32', 'f64'",
    ),
    "an executor": (lambda: ds.Simulation(PROBLEM, executor="fast"), "executor is 'fast'"),
    "an adjoint": (
        lambda: ds.Simulation(PROBLEM, adjoint="full"),
        "adjoint is 'full', but FullTape(), Checkpointed() or Truncated(window) is needed",
    ),
    "the class of an adjoint": (
        lambda: ds.Simulation(PROBLEM, adjoint=ds.FullTape),
        "FullTape(), Checkpointed() or Truncated(window) is needed",
    ),
    "no environments": (
        lambda: ds.Simulation(PROBLEM, envs=0),
        "envs is 0, but it must be a whole number of at least 1",
    ),
    "half an environment": (lambda: ds.Simulation(PROBLEM, envs=1.5), "envs is 1.5"),
    "a state of the wrong size": (
        lambda: ds.Simulation(PROBLEM, envs=2, initial_states={"initial_position": np.zeros((3, 3, 2))}),
        "initial_states['initial_position'] has shape (3, 3, 2), but (2, 3, 2) is needed",
    ),
    "a state that is tuned": (
        lambda: ds.Simulation(PROBLEM, envs=2, initial_states={"initial_velocity": np.zeros((2, 3, 2))}),
        "initial_states gives scene.initial_velocity, which this problem tunes",
    ),
    "a number of the wrong size": (
        lambda: ds.Simulation(PROBLEM, envs=2, numbers={"scene.mass": np.ones(3)}),
        "numbers['scene.mass'] has shape (3,), but",
    ),
    "a number that is tuned": (
        lambda: ds.Simulation(PROBLEM, envs=2, numbers={"scene.initial_velocity": np.zeros((2, 3, 2))}),
        "numbers gives scene.initial_velocity, which this problem tunes",
    ),
    "a number that there is not": (
        lambda: ds.Simulation(PROBLEM, envs=2, numbers={"scene.masses": np.ones(2)}),
        "numbers names 'scene.masses', which is no number of this problem; near: scene.mass",
    ),
    "a number that is given twice": (
        lambda: ds.Simulation(
            PROBLEM,
            envs=2,
            initial_states={"initial_position": np.zeros((2, 3, 2))},
            numbers={"scene.initial_position": np.zeros((2, 3, 2))},
        ),
        "initial_states and numbers both give scene.initial_position",
    ),
    "a state of something else": (
        lambda: ds.Simulation(PROBLEM, envs=2, initial_states={"mass": np.zeros((2, 3))}),
        "initial_states names 'mass', but of this scene it takes initial_position, initial_velocity",
    ),
}


@pytest.mark.parametrize("case", MISMADE)
def test_bad_settings_are_named(case):
    make, said = MISMADE[case]
    with pytest.raises(ds.InputError) as caught:
        make()
    assert said in str(caught.value)


def test_the_context_closes_also_after_an_error():
    simulation = ds.Simulation(PROBLEM)
    with pytest.raises(IndexError), simulation as same:
        same.rollout(same.params()).env(1)
    assert same is simulation
    assert simulation not in runtime._alive
    with pytest.raises(ds.InputError, match="closed"):
        simulation.value(simulation.params())


def test_again_changes_only_what_is_asked_for(own):
    with own.again(precision="f32") as other:
        assert (other.precision, other.envs, other.shared, other.executor) == ("f32", 4, False, own.executor)
        assert other.problem == own.problem
        # Six steps of single precision, numbers of order one.
        assert other.value(own.params()) == pytest.approx(own.value(own.params()), abs=1e-5)


def test_again_keeps_initial_states():
    states = {"initial_position": np.stack([SCENE.points, 2.0 * SCENE.points])}
    problem = ds.Problem(SCENE, objective=ds.Travel(), steps=2, tune=("scene.stiffness",))
    with ds.Simulation(problem, envs=2, initial_states=states) as one, one.again(precision="f64") as other:
        assert np.array_equal(other.rollout(other.params()).position[:, 0], states["initial_position"])


def test_copies_have_numbers_of_their_own():
    problem = ds.Problem(SCENE, objective=ds.Travel((0.0, 1.0)), steps=4, tune=("scene.stiffness",))
    numbers = {"scene.gravity": [(0.0, -9.81), (1.0, 2.0)], "objective.weight": [1.0, 3.0]}
    singles = []
    for k in range(2):
        scene = SCENE.with_numbers({"gravity": np.array(numbers["scene.gravity"][k])})
        objective = ds.Travel((0.0, 1.0), weight=numbers["objective.weight"][k])
        with ds.Simulation(replace(problem, scene=scene, objective=objective), precision="f64") as one:
            singles.append((*one.value_and_grad(one.params()), one.rollout(one.params())))
    with (
        ds.Simulation(problem, envs=2, numbers=numbers) as single,
        single.again(precision="f64") as sim,
        ds.Simulation(problem, envs=2, numbers=numbers, precision="f64", shared=False) as apart,
    ):
        loss, grad = sim.value_and_grad(sim.params())
        rollout = sim.rollout(sim.params())
        losses = apart.value(apart.params())
    assert losses.tolist() == [single[0] for single in singles]
    assert losses[0] != losses[1]
    assert loss == pytest.approx(losses.mean(), rel=1e-14)
    mean = np.mean([single[1]["scene.stiffness"] for single in singles], axis=0)
    assert grad["scene.stiffness"] == pytest.approx(mean, rel=1e-12)
    for k, (_, _, own) in enumerate(singles):
        found = rollout.env(k)
        assert np.array_equal(found.position, own.position)
        assert found.energy == pytest.approx(own.energy, rel=1e-14)
        assert found.numbers["scene.gravity"].tolist() == list(numbers["scene.gravity"][k])


def test_repr_says_what_runs_and_how(own):
    assert repr(own) == (
        "Simulation(MassSpring, steps=6, device='cpu', precision='f64', envs=4, shared=False, adjoint=FullTape())"
    )


def test_a_rollout_of_some_steps_is_the_beginning_of_the_whole():
    scene = ds.MassSpring([[0.0, 1.0], [0.3, 1.0]], [[0, 1]], stiffness=50.0, fixed=[0], dt=0.01)
    problem = ds.Problem(scene, None, ds.Travel(), steps=20, tune=("scene.stiffness",))
    for adjoint in (ds.FullTape(), ds.Checkpointed(every=6)):
        with ds.Simulation(problem, adjoint=adjoint) as simulation:
            params = simulation.params()
            whole = simulation.rollout(params)
            for steps in (1, 6, 13, 20):
                part = simulation.rollout(params, steps=steps)
                assert part.loss is None
                assert len(part.time) == steps + 1
                for name in ("position", "velocity"):
                    np.testing.assert_array_equal(part[name], whole[name][: steps + 1])
            assert simulation.rollout(params).loss == whole.loss
            for steps, message in ((21, "steps is 21, but this problem has 20"), (0, "at least 1")):
                with pytest.raises(ds.InputError, match=message):
                    simulation.rollout(params, steps=steps)
