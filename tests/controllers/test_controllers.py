"""What controllers ask of the actuators, against the formulas in NumPy; and what they refuse."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.spec import Spec

STEPS, DT = 9, 0.02

# The same few operations in another order, on numbers of order one; a network adds some fifty of them.
ROUNDING = 1e-13


def frame(muscles=3, dimension=2):
    """A tetrahedron, or its outline in the plane, that moves; its first springs are muscles."""
    points = np.array([[0.0, 0.1, 0.0], [1.0, 0.0, 0.1], [0.4, 0.9, 0.2], [0.6, 0.5, 0.8]])[:, :dimension]
    springs = [[0, 1], [1, 2], [0, 2], [0, 3], [1, 3], [2, 3]]
    return ds.MassSpring(
        points=points,
        springs=springs,
        stiffness=40.0,
        actuation=np.where(np.arange(6) < muscles, 0.3, 0.0),
        initial_velocity=np.random.default_rng(5).normal(size=points.shape),
        dt=DT,
    )


def run(controller, scene=None, steps=STEPS, seed=1, **changes):
    """A rollout in float64, and its parameters; ``changes`` replace some of them."""
    problem = ds.Problem(scene or frame(), controller, steps=steps)
    with ds.Simulation(problem, precision="f64") as simulation:
        params = {**simulation.params(seed=seed), **{f"controller.{name}": value for name, value in changes.items()}}
        return simulation.rollout(params), {name.removeprefix("controller."): value for name, value in params.items()}


def bent(asked):
    """What `diffsim.controllers.saturation` says of what is asked for: as it is up to 0.8, below 1 beyond."""
    excess = np.maximum(np.abs(asked) - 0.8, 0.0) / 0.2
    return np.where(excess > 0.0, np.sign(asked) * (0.8 + 0.2 * excess / np.sqrt(1.0 + excess**2)), asked)


def assert_asked(rollout, expected, tolerance=ROUNDING):
    assert rollout.actuation.shape == expected.shape
    assert np.abs(rollout.actuation - expected).max() <= tolerance


# Sine


def sine(params, steps=STEPS):
    t = DT * np.arange(steps)[:, None]
    wave = params["amplitude"] * np.sin(params["frequency"] * t + params["phase"]) + params["offset"]
    return np.broadcast_to(wave, (steps, 3))


@pytest.mark.parametrize(
    "controller",
    [
        ds.Sine(),
        ds.Sine(amplitude=0.7, phase=0.2, offset=-0.3, frequency=4.0),
        ds.Sine(amplitude=[0.1, 0.2, 0.3], phase=[1.0, 2.0, 3.0], offset=[0.0, 0.5, 1.0], frequency=[3.0, 5.0, 40.0]),
    ],
    ids=["one frequency", "shared numbers", "own frequencies"],
)
def test_sine(controller):
    rollout, params = run(controller)
    assert_asked(rollout, bent(sine(params)))
    first = bent(params["amplitude"] * np.sin(params["phase"]) + params["offset"])
    assert np.abs(rollout.actuation[0] - first).max() < 1e-15


def test_sine_draws_a_phase_for_each_actuator():
    problem = ds.Problem(frame(), ds.Sine(), steps=2)
    first, second = (problem.numbers(seed)["controller.phase"] for seed in (0, 1))
    assert len({*first.tolist(), *second.tolist()}) == 6
    assert np.abs([first, second]).max() <= np.pi
    numbers = problem.numbers()
    assert np.array_equal(numbers["controller.amplitude"], [0.5, 0.5, 0.5])
    assert np.array_equal(numbers["controller.offset"], np.zeros(3))
    assert numbers["controller.frequency"] == 10.0


# OpenLoop


def test_open_loop_gives_each_step_its_value():
    values = np.random.default_rng(3).normal(size=(STEPS, 3))
    rollout, _ = run(ds.OpenLoop(values, saturate=False))
    assert np.array_equal(rollout.actuation, values)


def test_open_loop_repeats_what_is_the_same_at_all_times():
    assert np.array_equal(run(ds.OpenLoop(0.25))[0].actuation, np.full((STEPS, 3), 0.25))
    assert np.array_equal(run(ds.OpenLoop([0.1, 0.2, 0.3]))[0].actuation, np.tile([0.1, 0.2, 0.3], (STEPS, 1)))


@pytest.mark.parametrize(
    ("knots", "steps"),
    [
        (2, STEPS),
        (4, STEPS),  # knots between steps
        (5, STEPS),  # a knot at every other step
        (STEPS, STEPS),  # a knot at each
        (20, STEPS),  # more knots than steps
        (3, 1),
        (3, 2),
    ],
)
def test_open_loop_is_linear_between_knots(knots, steps):
    values = np.random.default_rng(4).normal(size=(knots, 3))
    rollout, _ = run(ds.OpenLoop(values, knots=knots, saturate=False), steps=steps)
    at = np.linspace(0.0, steps - 1, knots)
    expected = np.stack([np.interp(np.arange(steps), at, values[:, k]) for k in range(3)], axis=1)
    if steps == 1:
        expected = values[:1]  # all knots lie at the only step, of which the first counts
    assert_asked(rollout, expected)
    assert np.array_equal(rollout.actuation[0], values[0])
    if steps > 1:
        assert rollout.actuation[-1] == pytest.approx(values[-1], abs=1e-15)  # a + 1.0 * (b - a)


def test_open_loop_keeps_its_clock_from_segment_to_segment():
    values = np.random.default_rng(6).normal(size=(4, 3))
    problem = ds.Problem(frame(), ds.OpenLoop(values, knots=4), steps=STEPS)
    with (
        ds.Simulation(problem, precision="f64") as full,
        ds.Simulation(problem, precision="f64", adjoint=ds.Checkpointed(4)) as segments,
    ):
        one, other = full.rollout(full.params()), segments.rollout(segments.params())
    assert np.array_equal(one.actuation, other.actuation)


def test_open_loop_draws_small_values():
    numbers = ds.Problem(frame(), ds.OpenLoop(knots=1000), steps=2).numbers(seed=2)["controller.values"]
    assert numbers.shape == (1000, 3)
    assert np.std(numbers) == pytest.approx(0.1, rel=0.05)  # 3,000 draws know it to a hundredth


# PD


def coordinates(rollout):
    """Relative extension of every muscle and its rate, (rows, muscles)."""
    scene = rollout.problem.scene
    a, b = scene.springs[scene.actuators].T
    apart = rollout.position[:, a] - rollout.position[:, b]
    length = np.linalg.norm(apart, axis=2)
    rate = np.sum(apart * (rollout.velocity[:, a] - rollout.velocity[:, b]), axis=2) / length
    rest = scene.rest_length[scene.actuators]
    return length / rest - 1.0, rate / rest


# The model adds 1e-12 to squared lengths of about one, so that a collapsed spring has a direction.
COLLAPSE = 1e-11


@pytest.mark.parametrize("dimension", [2, 3])
@pytest.mark.parametrize(
    "gains", [{"kp": 2.0, "kd": 0.3}, {"kp": [1.0, 2.0, 3.0], "kd": [0.1, 0.0, -0.2]}], ids=["shared", "own"]
)
def test_pd(gains, dimension):
    rollout, params = run(ds.PD(target=ds.Sine(amplitude=0.2, offset=0.1), **gains), frame(dimension=dimension))
    position, velocity = coordinates(rollout)
    target = sine({name.removeprefix("target."): value for name, value in params.items()})
    expected = np.asarray(gains["kp"]) * (target - position[:-1]) - np.asarray(gains["kd"]) * velocity[:-1]
    assert_asked(rollout, bent(expected), COLLAPSE)
    assert np.abs(rollout.target - target).max() <= ROUNDING
    assert np.abs(rollout.actuator_position - position).max() <= COLLAPSE
    assert np.abs(rollout.actuator_velocity - velocity).max() <= COLLAPSE


def test_pd_follows_an_open_loop():
    values = np.random.default_rng(8).normal(size=(STEPS, 3))
    rollout, params = run(ds.PD(target=ds.OpenLoop(values), kp=1.5, kd=0.1))
    position, velocity = coordinates(rollout)
    assert_asked(rollout, bent(1.5 * (values - position[:-1]) - 0.1 * velocity[:-1]), COLLAPSE)
    assert np.array_equal(rollout.target, values)
    assert np.array_equal(params["target.values"], values)


# Saturation

ASKED = np.array([-30.0, -1.0, -0.81, -0.8, -0.5, 0.0, 0.3, 0.8, 0.9, 1.0, 1.5, 7.0])


def test_open_loop_bends_towards_one_and_keeps_a_gradient():
    """The slope is 1 up to the knee and (1 + e^2)^(-3/2) beyond, e the excess over 0.2: 0.35 at the limit itself."""
    controller = ds.OpenLoop(np.repeat(ASKED[:, None], 3, axis=1))
    problem = ds.Problem(frame(), controller, ds.Effort(), steps=len(ASKED))
    with ds.Simulation(problem, precision="f64") as simulation:
        _, grad = simulation.value_and_grad(simulation.params())
        actuation = simulation.rollout(simulation.params()).actuation[:, 0]
    assert np.abs(actuation - bent(ASKED)).max() <= ROUNDING
    assert np.abs(actuation).max() < 1.0
    gentle = np.abs(ASKED) <= 0.8
    assert np.array_equal(actuation[gentle], ASKED[gentle])
    excess = np.maximum(np.abs(ASKED) - 0.8, 0.0) / 0.2
    expected = 2.0 * DT * bent(ASKED) * (1.0 + excess**2) ** -1.5
    np.testing.assert_allclose(grad["controller.values"][:, 0], expected, rtol=1e-10)
    assert np.all(grad["controller.values"][ASKED != 0.0] != 0.0)


BEYOND = {
    "sine": lambda **more: ds.Sine(amplitude=2.0, offset=0.5, **more),
    "sines": lambda **more: ds.Sine(amplitude=2.0, frequency=[3.0, 4.0, 5.0], **more),
    "open loop": lambda **more: ds.OpenLoop(1.5, **more),
    "knots": lambda **more: ds.OpenLoop(1.5, knots=3, **more),
    "pd": lambda **more: ds.PD(target=ds.OpenLoop(2.0), kp=3.0, **more),
}


@pytest.mark.parametrize("name", BEYOND)
def test_every_controller_stays_between_minus_one_and_one_unless_told_otherwise(name):
    limited, free = run(BEYOND[name]())[0], run(BEYOND[name](saturate=False))[0]
    assert np.abs(limited.actuation).max() < 1.0
    assert np.abs(free.actuation).max() > 1.2
    if name == "pd":
        assert np.array_equal(limited.target, np.full((STEPS, 3), 2.0))  # where a joint should be is no actuation


def test_robots_have_limits_of_their_own():
    arm = ds.Articulated(
        [ds.Link("arm", joints=[ds.Joint("hinge", "hinge", axis=(0.0, 1.0, 0.0))], mass=1.0, inertia=(0.1, 0.1, 0.1))],
        [ds.Actuator("torque", "hinge")],
        dt=DT,
    )
    assert np.array_equal(run(ds.OpenLoop(3.0), arm)[0].actuation, np.full((STEPS, 1), 3.0))


# MLP

MOVING = tuple(zip(np.linspace(0.0, 1.0, STEPS + 1) ** 2, np.cos(np.arange(STEPS + 1)), strict=True))
"""A goal that passes a place at each step."""


def moved(goal, steps, later):
    """(steps, d) where a moving goal is at each step, or so many steps later."""
    at = np.linspace(0.0, steps, len(goal))
    return np.stack([np.interp(np.arange(steps) + later, at, goal[:, c]) for c in range(goal.shape[1])], axis=1)


def network(rollout, params, sines, observe, goal):
    """The forward pass in NumPy, from the trajectory that it led to."""
    position, velocity = rollout.position[:-1], rollout.velocity[:-1]
    centre = position.mean(axis=1, keepdims=True)
    t = DT * np.arange(len(position))[:, None]
    inputs = []
    if sines:
        inputs.append(np.sin(params["frequency"] * t + 2.0 * np.pi / sines * np.arange(sines)))
    if observe:  # of each point its offset from the centre, then its velocity, of which 20 m/s count as one
        inputs.append(np.concatenate([position - centre, 0.05 * velocity], axis=2).reshape(len(position), -1))
    if goal and np.ndim(goal) == 1:
        inputs.append(params["goal"] - centre[:, 0])
    elif goal:
        inputs += [moved(params["goal"], len(position), step) for step in (0, 1)]
        inputs[-1] = (inputs[-1] - inputs[-2]) / DT  # it goes straight between two steps: none of those ends a line
        inputs[-2] = inputs[-2] - centre[:, 0]
    values = np.concatenate(inputs, axis=1)
    for k in range(1, 1 + sum(name.startswith("w") for name in params)):
        values = np.tanh(values @ params[f"w{k}"].T + params[f"b{k}"])
    return values


@pytest.mark.parametrize(
    ("hidden", "sines", "observe", "goal", "dimension"),
    [
        ((5,), 3, True, None, 2),
        ((20, 7), 2, True, (0.5, 2.0, -1.0), 3),  # 2 + 24 + 3 inputs: rows of two blocks of 16, the second not full
        ((16,), 16, False, None, 2),  # full blocks
        ((), 0, False, (1.5, -0.5), 2),  # only a layer from the goal to the actuators
        ((3, 2, 4), 0, True, None, 2),
        ((4,), 1, True, MOVING, 2),
        ((4,), 0, False, ((0.0, 1.0, 0.5), (0.2, 0.9, 0.6)), 3),
    ],
    ids=["one layer", "wide in 3D", "time only", "goal only", "three layers", "a moving goal", "moving in 3D"],
)
def test_mlp(hidden, sines, observe, goal, dimension):
    controller = ds.MLP(hidden=hidden, sines=sines, observe=observe, goal=goal, frequency=7.0, scale=1.5)
    scene = frame(dimension=dimension)
    rng = np.random.default_rng(9)
    sizes = [*hidden, 3]
    biases = {f"b{k}": rng.normal(size=size) for k, size in enumerate(sizes, start=1)}
    rollout, params = run(controller, scene, **biases)
    into = sines + (16 if dimension == 2 else 24) * observe + (dimension * np.ndim(goal) if goal else 0)
    shapes = {f"w{k}": shape for k, shape in enumerate(zip(sizes, [into, *sizes[:-1]], strict=True), start=1)}
    assert {name: params[name].shape for name in shapes} == shapes
    assert_asked(rollout, network(rollout, params, sines, observe, goal), 1e-12)
    assert np.ptp(rollout.actuation) > 0.1


def test_mlp_saturates_without_losing_its_numbers():
    """exp(2 x) of a large x is infinite in float32 from 45 on, its gradient from 23 on."""
    problem = ds.Problem(frame(), ds.MLP(hidden=2, sines=1, observe=False), ds.Effort(), steps=3)
    with ds.Simulation(problem, precision="f32") as simulation:
        params = simulation.params()
        params["controller.b2"] = np.array([500.0, -500.0, 30.0])
        loss, grad = simulation.value_and_grad(params)
        assert np.array_equal(simulation.rollout(params).actuation, np.tile([1.0, -1.0, 1.0], (3, 1)))
    assert loss == pytest.approx(3 * 3 * DT, rel=1e-6)  # float32
    assert all(np.isfinite(value).all() for value in grad.values())


def test_mlp_starts_with_glorots_weights():
    numbers = ds.Problem(frame(), ds.MLP(hidden=300, sines=100, observe=False, scale=2.0), steps=1).numbers(seed=3)
    # 30,000 draws know their deviation to half a percent.
    assert np.std(numbers["controller.w1"]) == pytest.approx(2.0 * np.sqrt(2.0 / 400), rel=0.02)
    assert np.mean(numbers["controller.w1"]) == pytest.approx(0.0, abs=0.005)
    assert not np.any(numbers["controller.b1"])
    again = ds.Problem(frame(), ds.MLP(hidden=300, sines=100, observe=False, scale=2.0), steps=1)
    assert np.array_equal(again.numbers(seed=3)["controller.w1"], numbers["controller.w1"])
    assert not np.array_equal(again.numbers(seed=4)["controller.w1"], numbers["controller.w1"])


def test_mlp_has_no_frequency_without_sines():
    assert "controller.frequency" not in ds.Problem(frame(), ds.MLP(sines=0), steps=1).numbers()


# What is refused


def used(controller, **changes):
    return ds.Problem(**{"scene": frame(), "controller": controller, "steps": 4, **changes})


BAD = {
    "sine: too many phases": (
        lambda: used(ds.Sine(phase=np.zeros(4))),
        "Sine.phase of a scene with 3 actuators has shape (4,)",
    ),
    "sine: a table": (lambda: ds.Sine(amplitude=np.zeros((2, 3))), "Sine.amplitude has shape (2, 3)"),
    "sine: no frequency": (lambda: ds.Sine(frequency=None), "Sine.frequency takes numbers"),
    "sine: nan": (lambda: ds.Sine(offset=[0.0, np.nan, 0.0]), "Sine.offset[1] is nan, but it must be finite"),
    "sine: saturate": (lambda: ds.Sine(saturate="yes"), "Sine.saturate is 'yes', but it must be True or False"),
    "open loop: saturate": (lambda: ds.OpenLoop(saturate=1.0), "OpenLoop.saturate is 1.0"),
    "pd: saturate": (lambda: ds.PD(saturate=None), "PD.saturate is None"),
    "sine: words": (lambda: ds.Sine(phase="random"), "Sine.phase takes numbers, but 'random'"),
    "open loop: steps": (
        lambda: used(ds.OpenLoop(np.zeros((5, 3)))),
        "OpenLoop.values of 4 times and 3 actuators has shape (5, 3)",
    ),
    "open loop: actuators": (lambda: used(ds.OpenLoop(np.zeros(2))), "of 4 times and 3 actuators has shape (2,)"),
    "open loop: knots and steps": (lambda: used(ds.OpenLoop(np.zeros((4, 3)), knots=3)), "of 3 times and 3 actuators"),
    "open loop: a single knot": (
        lambda: ds.OpenLoop(knots=1),
        "OpenLoop.knots is 1, but it must be a whole number of at least 2",
    ),
    "open loop: half a knot": (lambda: ds.OpenLoop(knots=2.5), "OpenLoop.knots is 2.5"),
    "open loop: endless": (lambda: used(ds.OpenLoop(knots=2**20), steps=2**12), "steps times knots must be below 2^31"),
    "pd: a network as target": (lambda: ds.PD(target=ds.MLP()), "PD.target is MLP("),
    "pd: a number as target": (lambda: ds.PD(target=0.3), "a Sine or an OpenLoop is needed"),
    "pd: gains": (lambda: used(ds.PD(kp=[1.0, 2.0])), "PD.kp of a scene with 3 actuators has shape (2,)"),
    "pd: infinite": (lambda: ds.PD(kd=np.inf), "PD.kd is inf, but it must be finite"),
    "pd: the target's numbers": (
        lambda: used(ds.PD(target=ds.Sine(phase=[0.0, 1.0]))),
        "Sine.phase of a scene with 3 actuators",
    ),
    "mlp: no units": (lambda: ds.MLP(hidden=(4, 0)), "MLP.hidden[1] is 0, but it must be a whole number of at least 1"),
    "mlp: negative sines": (lambda: ds.MLP(sines=-1), "MLP.sines is -1, but it must be a whole number of at least 0"),
    "mlp: an activation": (
        lambda: ds.MLP(activation="relu"),
        "MLP.activation is 'relu', but it must be one of 'tanh', 'elu'",
    ),
    "mlp: a scale below zero": (lambda: ds.MLP(scale=-1.0), "MLP.scale is -1, but it must be at least 0"),
    "mlp: the goal's dimension": (
        lambda: used(ds.MLP(goal=(0.0, 0.0, 1.0))),
        "MLP.goal of a scene in 2 dimensions has shape (3,)",
    ),
    "mlp: a moving goal's dimension": (
        lambda: used(ds.MLP(goal=[(0.0, 0.0, 1.0), (1.0, 0.0, 0.0)])),
        "MLP.goal of a scene in 2 dimensions has shape (2, 3)",
    ),
    "mlp: a moving goal of one place": (lambda: ds.MLP(goal=[(0.0, 1.0)]), "MLP.goal moves, but holds one place"),
    "mlp: nothing to see": (
        lambda: used(ds.MLP(sines=0, observe=False)),
        "the number of inputs (sines, observe, goal) is 0",
    ),
    "mlp: nothing to drive": (
        lambda: used(ds.MLP(), scene=frame(muscles=0)),
        "the number of the scene's actuators is 0",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    make, said = BAD[case]
    with pytest.raises(ds.InputError) as caught:
        make()
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "controller",
    [
        ds.Sine(frequency=[1.0, 2.0, 3.0]),
        ds.OpenLoop(knots=3),
        ds.PD(target=ds.OpenLoop(0.1), kp=[1.0, 2.0, 3.0]),
        ds.MLP(goal=(1, 2)),
        ds.MLP(goal=[(1, 2), (3, 4)]),
    ],
    ids=lambda controller: type(controller).__name__,
)
def test_json_brings_an_equal_controller_back(controller):
    assert Spec.from_dict(controller.to_dict()) == controller
