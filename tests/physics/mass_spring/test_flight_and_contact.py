"""Flight, bounces and friction against closed forms, and both sides of the switches between them."""

import numpy as np
import pytest

import diffsim as ds

from ..references import CASES, matched_steps, orders, pulled

# Sums of a few hundred steps in float64, of numbers of order one.
ROUNDING = 1e-11


def thrown(steps, dt, ground, **scene):
    """One point above the ground or on it."""
    scene = ds.MassSpring(ground=ground, dt=dt, **scene)
    problem = ds.Problem(
        scene, steps=steps, tune=("scene.initial_*", "scene.gravity", "scene.ground_*", *of_impacts(ground))
    )
    return ds.Simulation(problem, precision="f64")


def of_impacts(ground):
    """The numbers of this ground that can be tuned."""
    return ("scene.restitution", *(("scene.friction",) if np.isfinite(ground.friction) else ()))


# The range of a projectile: it sticks where it lands


@pytest.fixture(scope="module")
def landings():
    """Time step, landing place and gradient, for three time steps."""
    h, vx, vy, g = (CASES["projectile_range"]["inputs"][name] for name in ("h", "vx", "vy", "g"))
    flight, found = (vy + np.sqrt(vy**2 + 2 * g * h)) / g, []
    for steps in (50, 100, 200):
        dt = flight / (steps + 0.2)  # all land at the same phase of a step
        with thrown(
            steps + 10, dt, ds.Ground(), points=[[0.0, h]], initial_velocity=(vx, vy), gravity=(0.0, -g)
        ) as sim:
            rollout, grad = pulled(sim, sim.params(), "position", (-1, 0, 0))
        assert rollout.position[-1, 0, 1] == pytest.approx(0.0, abs=ROUNDING)
        assert not rollout.velocity[-1].any()
        speeds = grad["scene.initial_velocity"]
        by_name = {
            "value": rollout.position[-1, 0, 0],
            "h": grad["scene.initial_position"][0, 1],
            "vx": speeds[0],
            "vy": speeds[1],
            "g": -grad["scene.gravity"][1],
        }
        assert grad["scene.ground_height"] == pytest.approx(-by_name["h"], abs=ROUNDING)
        assert grad["scene.initial_position"][0, 0] == pytest.approx(1.0, abs=ROUNDING)
        found.append((dt, by_name))
    return found


def test_the_range_meets_its_discrete_solution(landings):
    h, vx, vy, g = (CASES["projectile_range"]["inputs"][name] for name in ("h", "vx", "vy", "g"))
    for dt, found in landings:
        n = np.arange(1000)
        height = h + vy * n * dt - g * dt**2 * n * (n + 1) / 2
        last = np.flatnonzero(height > 0)[-1]  # the last row in the air, then a straight line to the ground
        speed = vy - g * dt * (last + 1)
        time = last * dt - height[last] / speed
        assert found["value"] == pytest.approx(vx * time, abs=ROUNDING)
        assert found["vx"] == pytest.approx(time, abs=ROUNDING)
        assert found["h"] == pytest.approx(-vx / speed, abs=ROUNDING)
        assert found["vy"] == pytest.approx(-vx / speed * last * dt + vx * height[last] / speed**2, abs=ROUNDING)
        fall = -(dt**2) * last * (last + 1) / 2
        dg = vx * (-fall / speed - height[last] * dt * (last + 1) / speed**2)
        assert found["g"] == pytest.approx(dg, abs=ROUNDING)


@pytest.mark.parametrize("name", ["value", "h", "vx", "vy", "g"])
def test_the_range_converges_with_first_order(landings, name):
    case = CASES["projectile_range"]
    truth = case["value"] if name == "value" else case["grad"][name]
    errors = [found[name] - truth for _, found in landings]
    # The next term of the error is a share dt / flight of it, 0.02 at the coarsest.
    np.testing.assert_allclose(orders(errors), 1.0, atol=0.03)
    assert abs(errors[-1]) < 0.01 * max(1.0, abs(truth))  # 200 steps, first order


# Bounces


@pytest.fixture(scope="module")
def floating():
    """A point without gravity over an elastic ground: 480 steps, as in the paper."""
    y0, v0, r, e, T = (CASES["bounce_once_no_gravity"]["inputs"][name] for name in ("y0", "v0", "r", "e", "T"))
    ground = ds.Ground(height=r, restitution=e, friction=0.0)
    with thrown(480, T / 480, ground, points=[[0.0, y0]], initial_velocity=(2.0, v0), gravity=(0.0, 0.0)) as sim:
        yield sim


def test_a_bounce_without_gravity_is_exact(floating):
    case = CASES["bounce_once_no_gravity"]
    rollout, grad = pulled(floating, floating.params(), "position", (-1, 0, 1))
    # The impact, at 0.45 s, falls on the border of two steps.
    np.testing.assert_allclose(rollout.position[-1, 0], [2.0, case["value"]], rtol=0, atol=ROUNDING)
    assert grad["scene.initial_position"][0, 1] == pytest.approx(case["grad"]["y0"], abs=ROUNDING)
    assert grad["scene.initial_velocity"][1] == pytest.approx(case["grad"]["v0"], abs=ROUNDING)
    assert grad["scene.restitution"] == pytest.approx(case["grad"]["e"], abs=ROUNDING)
    assert grad["scene.ground_height"] == pytest.approx(1 + case["inputs"]["e"], abs=ROUNDING)  # y(T) = r (1 + e) + ...


@pytest.mark.parametrize("offset", [-1e-5, -1e-8, -1e-15, 0.0, 1e-15, 1e-8, 1e-5, 1.7e-3])
def test_a_bounce_on_the_border_of_two_steps_has_one_gradient(floating, offset):
    # From both sides of the switch, nearer and farther than the skin of the ground.
    params = floating.params()
    params["scene.initial_position"] = params["scene.initial_position"] + [0.0, offset]
    rollout, grad = pulled(floating, params, "position", (-1, 0, 1))
    assert rollout.position[-1, 0, 1] == pytest.approx(1.2 - offset, abs=ROUNDING)
    assert grad["scene.initial_position"][0, 1] == pytest.approx(-1.0, abs=ROUNDING)
    assert grad["scene.ground_height"] == pytest.approx(2.0, abs=ROUNDING)


def test_without_time_of_impact_the_gradient_has_the_wrong_sign():
    # The impact is taken 216 steps after the start, at 0.45 s, as it happens: y = y0 + v0 0.45 - e v0 0.55.
    case = CASES["bounce_once_no_gravity"]
    y0, v0, r, e, T = (case["inputs"][name] for name in ("y0", "v0", "r", "e", "T"))
    ground = ds.Ground(height=r, restitution=e, friction=0.0, time_of_impact=False)
    scene = {"points": [[0.0, y0 + 1e-9]], "initial_velocity": (2.0, v0), "gravity": (0.0, 0.0)}
    with thrown(480, T / 480, ground, **scene) as sim:
        rollout, grad = pulled(sim, sim.params(), "position", (-1, 0, 1))
        assert rollout.position[-1, 0, 1] == pytest.approx(case["value"], abs=1e-8)  # the place is right, and yet
        assert grad["scene.initial_position"][0, 1] == pytest.approx(1.0, abs=ROUNDING)  # -1
        assert grad["scene.initial_velocity"][1] == pytest.approx(-0.1, abs=ROUNDING)  # -1
        assert grad["scene.restitution"] == pytest.approx(1.1, abs=ROUNDING)
        assert grad["scene.ground_height"] == 0.0  # 2
        # Under gravity the speed at the end of the step is turned round, whenever in it the impact is.
        params = {**sim.params(), "scene.gravity": np.array([0.0, -3.0]), "scene.restitution": np.array(0.6)}
        y, v = (sim.rollout(params)[name][:, 0, 1] for name in ("position", "velocity"))
    dt = T / 480
    row = np.flatnonzero(v[1:] > v[:-1])[0]
    assert v[row + 1] == pytest.approx(-0.6 * (v[row] - 3.0 * dt), abs=ROUNDING)
    assert y[row + 1] == pytest.approx(y[row] + dt * v[row + 1], abs=ROUNDING)


@pytest.mark.parametrize("gap", [1e-9, 5e-7, 2e-6, 4e-3, 1e-2, 1.5e-2])
def test_a_landing_has_one_gradient_however_near_the_ground_the_step_starts(landing, gap):
    # It lands at time gap / 1 and sticks there: x = 0.5 gap, y = 0.1.
    params = {"scene.initial_position": np.array([[0.0, 0.1 + gap]]), "scene.ground_height": np.array(0.1)}
    rollout, grad = pulled(landing, params, "position", (-1, 0, 0))
    np.testing.assert_allclose(rollout.position[-1, 0], [0.5 * gap, 0.1], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(grad["scene.initial_position"][0], [1.0, 0.5], rtol=0, atol=ROUNDING)
    assert grad["scene.ground_height"] == pytest.approx(-0.5, abs=ROUNDING)


@pytest.fixture(scope="module")
def landing():
    """A point without weight that comes down on ground where it sticks."""
    scene = ds.MassSpring(
        points=[[0.0, 1.0]],
        initial_velocity=(0.5, -1.0),
        gravity=(0.0, 0.0),
        ground=ds.Ground(height=0.1),
        dt=0.01,
    )
    problem = ds.Problem(scene, steps=4, tune=("scene.initial_position", "scene.ground_height"))
    with ds.Simulation(problem, precision="f64") as simulation:
        yield simulation


@pytest.mark.parametrize("e", [0.0, 0.3, 1.0])
def test_restitution_is_the_share_of_speed_that_is_left(floating, e):
    params = {**floating.params(), "scene.restitution": np.array(e)}
    rollout = floating.rollout(params)
    np.testing.assert_allclose(rollout.velocity[-1, 0], [2.0, 2.0 * e], rtol=0, atol=ROUNDING)  # no friction
    assert rollout.position[:, 0, 1].min() >= 0.1 - ROUNDING
    _, grad = pulled(floating, params, "velocity", (-1, 0, 1))
    assert grad["scene.restitution"] == pytest.approx(2.0, abs=ROUNDING)
    assert grad["scene.initial_velocity"][1] == pytest.approx(-e, abs=ROUNDING)


@pytest.fixture(scope="module")
def bounces():
    """Height and gradient at T of a dropped point, for three time steps; the last simulation, kept open."""
    y0, v0, e, g, r, T = (CASES["bounce_under_gravity"]["inputs"][name] for name in ("y0", "v0", "e", "g", "r", "T"))
    share = np.sqrt(2 * (y0 - r) / g) / T  # of the rollout that is over at the impact
    found, sims = [], []
    for steps in matched_steps(share, 100):
        sims.append(
            thrown(
                steps,
                T / steps,
                ds.Ground(height=r, restitution=e, friction=0.0),
                points=[[0.0, y0]],
                initial_velocity=(0.0, v0),
                gravity=(0.0, -g),
            )
        )
        rollout, grad = pulled(sims[-1], sims[-1].params(), "position", (-1, 0, 1))
        by_name = {
            "value": rollout.position[-1, 0, 1],
            "y0": grad["scene.initial_position"][0, 1],
            "v0": grad["scene.initial_velocity"][1],
            "e": grad["scene.restitution"],
            "g": -grad["scene.gravity"][1],
            "r": grad["scene.ground_height"],
        }
        found.append((steps, by_name))
    yield sims[-1], found
    for sim in sims:
        sim.close()


@pytest.mark.parametrize("name", ["value", "y0", "v0", "e", "g", "r"])
def test_a_bounce_under_gravity_converges_with_first_order(bounces, name):
    case = CASES["bounce_under_gravity"]
    truth = case["value"] if name == "value" else case["grad"][name]
    scaled = [steps * (found[name] - truth) for steps, found in bounces[1]]
    # First order: error times steps is a constant, but for where in its step the impact is (the same to 0.02 of a step,
    # see `matched_steps`) and for the next term, a share of about 1 / steps of it.
    np.testing.assert_allclose(scaled, scaled[-1], rtol=0.04)
    assert abs(scaled[-1]) / bounces[1][-1][0] < 0.01


def test_elastic_bounces_keep_the_height(bounces):
    sim, _ = bounces
    # 12 bounces of 1 cm to 2 cm; the drop is low so that many fit into the rollout.
    params = {**sim.params(), "scene.restitution": np.array(1.0), "scene.initial_position": np.array([[0.0, 0.104]])}
    y = sim.rollout(params).position[:, 0, 1] - 0.1
    tops = y[1:-1][(y[1:-1] >= y[:-2]) & (y[1:-1] > y[2:])]
    assert len(tops) >= 10
    # A top lies up to half a step from a row, g dt^2 / 8; the start is the whole g dt / 2 early. No drift beyond that.
    dt = sim.problem.scene.dt
    assert abs(tops[-3:].max() - tops[:3].max()) < 9.81 * dt**2
    assert y.min() >= -ROUNDING


def test_bounces_end_at_rest(bounces):
    sim, _ = bounces
    params = {**sim.params(), "scene.restitution": np.array(0.3), "scene.initial_position": np.array([[0.0, 0.15]])}
    rollout = sim.rollout(params)
    assert rollout.position[-1, 0, 1] == pytest.approx(0.1, abs=1e-6)  # SKIN: nearer than this it is on the ground
    assert rollout.velocity[-1, 0, 1] == 0.0


# Friction


def stopped(v0, mu, g, dt):
    """Where Coulomb friction stops a block in discrete time, with the derivatives by v0 and mu."""
    n = np.floor(v0 / (mu * g * dt))  # steps after which it still moves
    sum_n = n * (n + 1) / 2
    return dt * (n * v0 - mu * g * dt * sum_n), n * dt, -g * dt**2 * sum_n


@pytest.fixture(scope="module")
def blocks():
    """Time step, stopping distance and gradient of a sliding block, for three time steps; the last simulation."""
    v0, mu, g = (CASES["block_stopping_distance"]["inputs"][name] for name in ("v0", "mu", "g"))
    found, sims = [], []
    for steps in (50, 100, 200):
        dt = v0 / (mu * g) / (steps + 0.25)  # all stop in the first quarter of a step
        sims.append(
            thrown(
                steps + 10,
                dt,
                ds.Ground(friction=mu, restitution=0.5),  # which is for impacts; a block that slides has none
                points=[[0.0, 0.0]],
                initial_velocity=(v0, 0.0),
                gravity=(0.0, -g),
            )
        )
        rollout, grad = pulled(sims[-1], sims[-1].params(), "position", (-1, 0, 0))
        found.append(
            (dt, rollout, rollout.position[-1, 0, 0], grad["scene.initial_velocity"][0], grad["scene.friction"])
        )
    yield sims[-1], found
    for sim in sims:
        sim.close()


def test_a_block_stops_where_discrete_friction_stops_it(blocks):
    v0, mu, g = (CASES["block_stopping_distance"]["inputs"][name] for name in ("v0", "mu", "g"))
    for dt, rollout, *numbers in blocks[1]:
        np.testing.assert_allclose(numbers, stopped(v0, mu, g, dt), rtol=0, atol=ROUNDING)
        assert not rollout.velocity[-5:].any()  # it sticks
        assert len(set(rollout.position[-5:, 0, 0])) == 1
        assert not rollout.position[:, 0, 1].any()  # and never leaves the ground or sinks


@pytest.mark.parametrize("which", [0, 1, 2], ids=["value", "v0", "mu"])
def test_the_stopping_distance_converges_with_first_order(blocks, which):
    case = CASES["block_stopping_distance"]
    truth = (case["value"], case["grad"]["v0"], case["grad"]["mu"])[which]
    errors = [numbers[which] - truth for _, _, *numbers in blocks[1]]
    # The next term of the error is 1 / steps of it: 0.02 at the coarsest.
    np.testing.assert_allclose(orders(errors), 1.0, atol=0.03)
    assert abs(errors[-1] / truth) < 0.01


def test_at_the_switch_of_friction_the_block_slides_or_sticks(blocks):
    # In one step friction can take mu g dt of the speed: just below it all of it, just above it that much.
    sim, _ = blocks
    dt, limit = sim.problem.scene.dt, 0.3 * 9.81 * sim.problem.scene.dt
    for share, slope in ((0.99, 0.0), (1.01, 1.0)):
        params = {**sim.params(), "scene.initial_velocity": np.array([share * limit, 0.0])}
        rollout, grad = pulled(sim, params, "position", (-1, 0, 0))
        assert rollout.velocity[1, 0, 0] == pytest.approx(max(share - 1.0, 0.0) * limit, abs=1e-15)
        assert grad["scene.initial_velocity"][0] == pytest.approx(slope * dt, abs=1e-13)


@pytest.fixture(scope="module")
def pushed():
    """A block of 2 kg on the ground that a constant force may push, 10 s long."""
    scene = ds.MassSpring(
        points=[[0.0, 0.25]],
        mass=2.0,
        ground=ds.Ground(height=0.25, friction=0.4, restitution=0.2),
        dt=0.005,
    )
    problem = ds.Problem(scene, steps=2000, tune=("scene.force", "scene.initial_velocity", "scene.friction"))
    with ds.Simulation(problem, precision="f64") as sim:
        yield sim


def test_a_point_at_rest_stays_at_rest(pushed):
    rollout = pushed.rollout(pushed.params())
    assert not np.ptp(rollout.position, axis=0).any()
    assert not rollout.velocity.any()


def test_a_push_below_friction_moves_nothing(pushed):
    limit = 0.4 * 2.0 * 9.81
    rollout = pushed.rollout({**pushed.params(), "scene.force": np.array([0.999 * limit, 0.0])})
    assert not rollout.velocity.any()
    # Pressing down makes it hold more.
    rollout = pushed.rollout({**pushed.params(), "scene.force": np.array([1.5 * limit, -0.6 * 2 * 9.81])})
    assert not rollout.velocity.any()


def test_a_push_above_friction_accelerates(pushed):
    force, lift, mu, g, m = 12.0, 3.0, 0.4, 9.81, 2.0
    params = {**pushed.params(), "scene.force": np.array([force, lift])}
    acceleration = force / m - mu * (g - lift / m)
    rollout, grad = pulled(pushed, params, "velocity", (-1, 0, 0))
    # Rounding of 2000 sums of numbers up to 30.
    np.testing.assert_allclose(rollout.velocity[:, 0, 0], acceleration * rollout.time, rtol=0, atol=1e-11)
    np.testing.assert_allclose(grad["scene.force"], [10.0 / m, mu * 10.0 / m], rtol=1e-11)
    assert grad["scene.friction"] == pytest.approx(-(g - lift / m) * 10.0, rel=1e-11)


@pytest.mark.parametrize("dimension", [2, 3])
def test_a_block_on_a_slope_slides_if_it_is_steeper_than_friction(dimension):
    angle, g = 0.3, 9.81  # tan is 0.3093
    normal = [np.sin(angle), *([0.0] * (dimension - 2)), np.cos(angle)]
    down = np.array([np.cos(angle), *([0.0] * (dimension - 2)), -np.sin(angle)])
    start = 0.7 * np.array(normal)
    scene = ds.MassSpring(points=[start], ground=ds.Ground(height=0.7, friction=0.3, normal=normal), dt=0.01)
    with ds.Simulation(ds.Problem(scene, steps=100, tune=("scene.friction",)), precision="f64") as sim:
        for mu in (0.0, 0.3, np.tan(angle) - 1e-6, np.tan(angle) + 1e-6, 0.8):
            rollout = sim.rollout({"scene.friction": np.array(mu)})
            speed = rollout.time * max(0.0, g * (np.sin(angle) - mu * np.cos(angle)))
            np.testing.assert_allclose(rollout.velocity[:, 0], np.outer(speed, down), rtol=0, atol=ROUNDING)
            np.testing.assert_allclose(rollout.position[:, 0] @ normal, 0.7, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("length", [1.0, 2.5])
def test_the_derivative_by_the_normal_of_a_slope(length):
    angle, mu, g, steps, h = 0.5, 0.2, 9.81, 50, 0.01
    normal = length * np.array([np.sin(angle), np.cos(angle)])
    scene = ds.MassSpring(points=[[0.0, 0.0]], ground=ds.Ground(friction=mu, normal=normal), dt=h)
    turned = np.array([np.cos(angle), -np.sin(angle)]) / length  # d angle / d normal
    fall = g * h * h * steps * (steps + 1) / 2
    down, slope = fall * (np.sin(angle) - mu * np.cos(angle)), fall * (np.cos(angle) + mu * np.sin(angle))
    way, way_turns = np.array([np.cos(angle), -np.sin(angle)]), np.array([-np.sin(angle), -np.cos(angle)])
    with ds.Simulation(ds.Problem(scene, steps=steps, tune=("scene.ground_normal",)), precision="f64") as sim:
        for axis in range(2):
            rollout, grad = pulled(sim, {"scene.ground_normal": normal}, "position", (-1, 0, axis))
            np.testing.assert_allclose(rollout.position[-1, 0], down * way, rtol=0, atol=1e-12)
            expected = (slope * way[axis] + down * way_turns[axis]) * turned
            np.testing.assert_allclose(grad["scene.ground_normal"], expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("given", [(0.36, 0.48, 0.8), (0.0, 0.0, 3.0), (0.5, -0.3, 0.9)])
def test_a_bounce_reflects_at_the_tuned_normal(given):
    given = np.array(given)
    normal, velocity = given / np.linalg.norm(given), np.array([0.7, -0.4, -3.0])
    ground = ds.Ground(friction=0.0, restitution=1.0, normal=(0, 0, 1), height=-0.1)
    scene = ds.MassSpring([[0.0, 0.0, 0.0]], ground=ground, gravity=(0, 0, 0), initial_velocity=velocity, dt=0.05)
    across = (np.eye(3) - np.outer(normal, normal)) / np.linalg.norm(given)  # d normal / d given
    by_normal = -2.0 * (velocity @ normal * np.eye(3) + np.outer(normal, velocity))
    with ds.Simulation(ds.Problem(scene, steps=3, tune=("scene.ground_normal",)), precision="f64") as sim:
        for axis in range(3):
            rollout, grad = pulled(sim, {"scene.ground_normal": given}, "velocity", (-1, 0, axis))
            np.testing.assert_allclose(
                rollout.velocity[-1, 0], velocity - 2.0 * velocity @ normal * normal, rtol=0, atol=1e-13
            )
            np.testing.assert_allclose(grad["scene.ground_normal"], (by_normal @ across)[axis], rtol=0, atol=1e-12)


def on_the_ground(gap):
    """A point that starts ``gap`` above the ground and falls for one step: about the switch of landing."""
    scene = ds.MassSpring(points=[[0.0, gap]], initial_velocity=(0.5, -1.0), ground=ds.Ground(), dt=0.01)
    return ds.Problem(scene, steps=1, tune=("scene.initial_position", "scene.initial_velocity"))


def test_at_the_switch_of_landing_the_position_is_continuous():
    fall = 0.01 * (1.0 + 9.81 * 0.01)  # in the one step
    with ds.Simulation(on_the_ground(1.0), precision="f64") as sim:
        ends, slopes = [], []
        for gap in (fall - 1e-7, fall + 1e-7):
            params = {**sim.params(), "scene.initial_position": np.array([[0.0, gap]])}
            rollout, grad = pulled(sim, params, "position", (-1, 0, 1))
            _, across = pulled(sim, params, "position", (-1, 0, 0))
            ends.append(rollout.position[-1, 0])
            slopes.append((grad["scene.initial_position"][0, 1], across["scene.initial_position"][0, 1]))
    np.testing.assert_allclose(ends[0], ends[1], rtol=0, atol=2e-7)  # as far apart as the starts
    # Landed: the height is the ground's, and a higher start lands farther out, by vx over the speed of the fall.
    np.testing.assert_allclose(slopes[0], [0.0, 0.5 / (1.0 + 9.81 * 0.01)], rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(slopes[1], [1.0, 0.0], rtol=0, atol=ROUNDING)
