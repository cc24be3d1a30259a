"""Laws that hold whatever the numbers: conserved momentum, falling energy, invariance, points that do not move."""

import numpy as np
import pytest

import diffsim as ds

# Sums of 200 steps in float64, of positions and velocities of order one and forces up to a hundred; the bodies are
# soft (stiffness times dt^2 over mass is below 0.01) so that a rounding does not grow by more than a few times.
ROUNDING = 1e-12

# A square with both diagonals, no symmetry left in its numbers.
POINTS = np.array([[0.0, 0.6], [1.0, 0.5], [1.1, 1.6], [-0.1, 1.5]])
SPRINGS = np.array([[0, 1], [1, 2], [2, 3], [3, 0], [0, 2], [1, 3]])
VELOCITY = np.array([[0.3, 0.9], [-0.4, 0.2], [0.1, -0.6], [0.7, 0.4]])
MASS = np.array([1.0, 1.5, 0.7, 2.0])
STIFFNESS = np.array([80.0, 120.0, 90.0, 100.0, 60.0, 70.0])


def body(dimension=2, **changes):
    """The square, in the plane of the first and the last axis."""
    embed = np.eye(2) if dimension == 2 else np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    numbers = {
        "points": POINTS @ embed,
        "springs": SPRINGS,
        "stiffness": STIFFNESS,
        "rest_length": np.array([1.0, 1.1, 1.2, 0.9, 1.4, 1.5]),
        "spring_damping": np.linspace(0.5, 1.0, 6),
        "actuation": [0.2, 0.0, -0.1, 0.0, 0.3, 0.0],
        "mass": MASS,
        "gravity": np.array([0.0, -3.0]) @ embed,
        "force": np.array([0.5, 0.2]) @ embed,
        "initial_velocity": VELOCITY @ embed,
        "damping": 0.2,
        "dt": 0.005,
    }
    return ds.MassSpring(**{**numbers, **changes})


def driven(scene, steps=200, **problem):
    """With all its muscles at work."""
    return ds.Problem(scene, ds.Sine(phase=[0.0, 1.0, 2.0]), steps=steps, tune=("scene.*",), **problem)


@pytest.fixture(scope="module")
def flat():
    with ds.Simulation(driven(body()), precision="f64") as sim:
        yield sim


@pytest.fixture(scope="module")
def spatial():
    with ds.Simulation(driven(body(dimension=3)), precision="f64") as sim:
        yield sim


def turned(params, rotation):
    """The same scene with every vector turned."""
    vectors = ("initial_position", "initial_velocity", "gravity", "force", "ground_normal")
    turns = {f"scene.{name}" for name in vectors}
    return {name: value @ rotation.T if name in turns else value for name, value in params.items()}


def free(params):
    """Without anything from outside."""
    outside = ("scene.gravity", "scene.force", "scene.damping")
    return {name: np.zeros_like(value) if name in outside else value for name, value in params.items()}


def plane_rotation(angle):
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def random_rotation(seed):
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q = q * np.sign(np.diag(r))
    return q * np.sign(np.linalg.det(q))


def kinetic(velocity, mass):
    return 0.5 * (mass * (velocity**2).sum(axis=-1)).sum(axis=-1)


def energy(rollout, scene):
    """Kinetic and elastic, for each row."""
    apart = rollout.position[:, scene.springs[:, 0]] - rollout.position[:, scene.springs[:, 1]]
    length = np.linalg.norm(apart, axis=-1)
    elastic = 0.5 * (scene.stiffness * (length - scene.rest_length) ** 2).sum(axis=-1)
    return kinetic(rollout.velocity, scene.mass) + elastic


# Momentum


@pytest.mark.parametrize("name", ["flat", "spatial"])
def test_a_free_body_keeps_its_momentum(request, name):
    # Springs, dashpots and muscles push both their ends alike, along the line between them.
    sim = request.getfixturevalue(name)
    rollout = sim.rollout(free(sim.params()))
    momentum = np.einsum("p,rpc->rc", MASS, rollout.velocity)
    np.testing.assert_allclose(momentum - momentum[0], 0.0, atol=ROUNDING)
    x, v = rollout.position, rollout.velocity
    first, last = x[..., 0], x[..., -1]
    spin = (MASS * (first * v[..., -1] - last * v[..., 0])).sum(axis=1)
    np.testing.assert_allclose(spin - spin[0], 0.0, atol=ROUNDING)
    centre = (MASS[:, None] * x).sum(axis=1) / MASS.sum()
    path = centre[0] + np.outer(rollout.time, momentum[0] / MASS.sum())
    np.testing.assert_allclose(centre, path, rtol=0, atol=ROUNDING)
    # And something happens: the muscles work.
    assert np.ptp(np.linalg.norm(x[:, 0] - x[:, 2], axis=1)) > 0.1


def test_the_gradient_of_momentum_is_that_of_a_free_body(flat):
    # The momentum at the end depends on the start's velocities, by the masses, and on no spring at all.
    params = free(flat.params())
    rollout, pullback = flat.vjp(params)
    cotangent = np.zeros(rollout.velocity.shape)
    cotangent[-1, :, 0] = MASS
    grad = pullback({"velocity": cotangent})
    expected = np.outer(MASS, [1.0, 0.0])
    np.testing.assert_allclose(grad["scene.initial_velocity"], expected, rtol=0, atol=ROUNDING)
    for name in ("stiffness", "rest_length", "spring_damping", "actuation", "initial_position"):
        np.testing.assert_allclose(grad[f"scene.{name}"], 0.0, atol=ROUNDING)


def test_gravity_and_damping_act_on_the_centre_alone(flat):
    params = flat.params()
    rollout = flat.rollout(params)
    dt, keep = 0.005, np.exp(-0.2 * 0.005)
    momentum = [MASS @ VELOCITY]
    for _ in range(200):
        momentum.append(keep * momentum[-1] + dt * (MASS.sum() * np.array([0.0, -3.0]) + 4 * np.array([0.5, 0.2])))
    np.testing.assert_allclose(
        np.einsum("p,rpc->rc", MASS, rollout.velocity), momentum, rtol=0, atol=10 * ROUNDING
    )  # momenta up to 15


# Energy


@pytest.fixture(scope="module")
def passive():
    """The free body, undamped, 20 periods of its slowest vibration."""
    scene = body(actuation=0.0, spring_damping=0.0, damping=0.0, gravity=(0.0, 0.0), force=(0.0, 0.0))
    tune = ("scene.spring_damping", "scene.damping")
    with ds.Simulation(ds.Problem(scene, steps=2000, tune=tune), precision="f64") as sim:
        yield sim


# Of the energy, the part that goes to and fro in a step: dt omega / 2 of it, with omega = 20 rad/s the fastest.
BAND = 0.05


def test_the_energy_of_a_free_body_stays_in_a_band(passive):
    total = energy(passive.rollout(passive.params()), passive.problem.scene)
    assert np.abs(total / total[0] - 1.0).max() < BAND
    halves = total[1:].reshape(2, -1).mean(axis=1)
    assert halves[1] == pytest.approx(halves[0], rel=BAND / 10)  # no drift


@pytest.mark.parametrize("name", ["spring_damping", "damping"])
def test_damping_takes_energy(passive, name):
    params = passive.params()
    params[f"scene.{name}"] = params[f"scene.{name}"] + 0.5
    rollout = passive.rollout(params)
    total = energy(rollout, passive.problem.scene)
    best_so_far = np.minimum.accumulate(total)
    assert (total <= best_so_far * (1 + 2 * BAND)).all()  # never rises, but for what goes to and fro
    mass, time = passive.problem.scene.mass, rollout.time[-1]
    momentum = np.einsum("p,pc->c", mass, rollout.velocity[-1])
    if name == "damping":  # it slows everything
        np.testing.assert_allclose(momentum, mass @ VELOCITY * np.exp(-0.5 * time), rtol=0, atol=10 * ROUNDING)
        assert kinetic(rollout.velocity[-1], mass) < np.exp(-0.5 * time) * total[0]  # vibration decays with d / 2
    else:  # it takes from vibration alone
        np.testing.assert_allclose(momentum, mass @ VELOCITY, rtol=0, atol=10 * ROUNDING)
        assert total[-1] < 0.9 * total[0]


# Invariance


@pytest.mark.parametrize("angle", [0.4, np.pi / 2, 3.0])
def test_a_turned_scene_moves_as_before_but_turned(flat, angle):
    rotation, params = plane_rotation(angle), flat.params()
    before, after = flat.rollout(params), flat.rollout(turned(params, rotation))
    np.testing.assert_allclose(after.position, before.position @ rotation.T, rtol=0, atol=10 * ROUNDING)
    np.testing.assert_allclose(after.velocity, before.velocity @ rotation.T, rtol=0, atol=10 * ROUNDING)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_turned_scene_moves_as_before_in_space(spatial, seed):
    rotation, params = random_rotation(seed), spatial.params()
    params["scene.initial_velocity"] = params["scene.initial_velocity"] + [0.0, 0.3, 0.0]
    params["scene.initial_position"] = params["scene.initial_position"] + np.array([[0, 0.2, 0]]) * MASS[:, None]
    before, after = spatial.rollout(params), spatial.rollout(turned(params, rotation))
    np.testing.assert_allclose(after.position, before.position @ rotation.T, rtol=0, atol=10 * ROUNDING)
    np.testing.assert_allclose(after.velocity, before.velocity @ rotation.T, rtol=0, atol=10 * ROUNDING)


def test_gradients_turn_with_the_scene(flat):
    rotation, params = plane_rotation(0.7), flat.params()
    cotangent = np.random.default_rng(3).normal(size=flat.rollout(params).position.shape)
    before = flat.vjp(params)[1]({"position": cotangent})
    after = flat.vjp(turned(params, rotation))[1]({"position": cotangent @ rotation.T})
    for name, value in turned(before, rotation).items():
        # 200 rows are pulled back at once: gradients are of order 100 and so are their roundings.
        np.testing.assert_allclose(after[name], value, rtol=0, atol=1e-12 * max(1.0, np.abs(value).max()) * 100)


def test_a_shifted_scene_moves_as_before(flat):
    params = flat.params()
    before = flat.rollout(params)
    shift = np.array([3.0, -2.0])
    after = flat.rollout({**params, "scene.initial_position": params["scene.initial_position"] + shift})
    np.testing.assert_allclose(after.position, before.position + shift, rtol=0, atol=10 * ROUNDING)
    np.testing.assert_allclose(after.velocity, before.velocity, rtol=0, atol=10 * ROUNDING)


def test_a_moving_frame_sees_the_same(flat):
    # Without damping, which is relative to the world.
    params = free(flat.params())
    before = flat.rollout(params)
    wind = np.array([2.0, 1.0])
    after = flat.rollout({**params, "scene.initial_velocity": params["scene.initial_velocity"] + wind})
    moved = before.position + before.time[:, None, None] * wind
    np.testing.assert_allclose(after.position, moved, rtol=0, atol=10 * ROUNDING)


def test_a_flat_scene_in_space_moves_as_in_the_plane(flat, spatial):
    plane, space = flat.rollout(flat.params()), spatial.rollout(spatial.params())
    np.testing.assert_allclose(space.position[..., [0, 2]], plane.position, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(space.velocity[..., [0, 2]], plane.velocity, rtol=0, atol=ROUNDING)
    assert not space.position[..., 1].any()


def test_gradients_of_a_flat_scene_in_space_are_those_in_the_plane(flat, spatial):
    found = []
    for sim, axes in ((flat, [0, 1]), (spatial, [0, 2])):
        rollout, pullback = sim.vjp(sim.params())
        cotangent = np.zeros(rollout.position.shape)
        cotangent[-1, 2, axes] = (1.0, -2.0)
        found.append(pullback({"position": cotangent}))
    for name, value in found[0].items():
        other = found[1][name][..., [0, 2]] if found[1][name].shape[-1:] == (3,) else found[1][name]
        np.testing.assert_allclose(other, value, rtol=0, atol=10 * ROUNDING)


def thrown(rotation):
    """A body that is thrown down, bounces and slides, turned; one of its points is fixed."""
    return body(
        points=POINTS @ rotation.T,
        initial_velocity=VELOCITY @ rotation.T,
        gravity=rotation @ [0.0, -9.0],
        force=rotation @ [0.5, 0.2],
        ground=ds.Ground(height=0.2, friction=0.3, restitution=0.5, normal=rotation @ [0.0, 1.0]),
        fixed=[1],
    )


@pytest.fixture(scope="module")
def upright():
    with ds.Simulation(driven(thrown(np.eye(2))), precision="f64") as sim:
        yield sim


def test_the_ground_turns_with_the_scene(upright):
    # Impacts in the middle of steps, so that rounding moves none.
    found = []
    rotation = plane_rotation(0.5)
    with ds.Simulation(driven(thrown(rotation)), precision="f64") as tilted:
        for sim, turn in ((upright, np.eye(2)), (tilted, rotation)):
            rollout, pullback = sim.vjp(sim.params())
            cotangent = np.zeros(rollout.position.shape)
            cotangent[-1, 0] = turn @ [1.0, -2.0]
            found.append((rollout, pullback({"position": cotangent})))
    (before, slopes), (after, turned_slopes) = found
    turns = before.velocity[:-1, :, 1] * before.velocity[1:, :, 1] < 0
    assert (turns & (before.position[1:, :, 1] < 0.25)).any(axis=0).sum() >= 2  # they bounce
    np.testing.assert_allclose(after.position, before.position @ rotation.T, rtol=0, atol=100 * ROUNDING)
    for name, value in turned(slopes, rotation).items():
        # Bounces and slides: larger numbers, as many roundings.
        size = max(1.0, np.abs(value).max())
        np.testing.assert_allclose(turned_slopes[name], value, rtol=0, atol=100 * ROUNDING * size)


# Fixed points


def test_fixed_points_do_not_move(upright):
    rollout, pullback = upright.vjp(upright.params())
    cotangent = np.zeros(rollout.position.shape)
    cotangent[-1, 1] = (1.0, 2.0)
    grad = pullback({"position": cotangent})
    assert not np.ptp(rollout.position[:, 1], axis=0).any()
    assert not rollout.velocity[:, 1].any()
    assert np.ptp(rollout.position[:, [0, 2, 3]], axis=0).min() > 0.01  # the others do
    # Where a fixed point ends is where it starts, and nothing else.
    expected = np.zeros((4, 2))
    expected[1] = (1.0, 2.0)
    assert np.array_equal(grad.pop("scene.initial_position"), expected)
    assert not any(value.any() for value in grad.values())
