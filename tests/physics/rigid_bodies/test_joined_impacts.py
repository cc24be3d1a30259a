"""Impacts of what joints hold, flat landings, ropes that go taut: closed forms, over the phases of an impact."""

from dataclasses import replace

import numpy as np
import pytest

import diffsim as ds

from ... import examples
from .differences import check_both_adjoints

DT, STEPS = 2e-3, 250
PHASES = np.linspace(0.05, 0.95, 7)  # of the step in which the impact is
PARTS = 0.35  # of the square of the step: at most so fast a pinned rod parts from what it lands on [1/s^3]

RODS = {
    "box": ds.Box((0.5, 0.0), (0.5, 0.02), mass=1.0),
    "capsule": ds.Capsule((0.4, 0.0), 0.35, 0.05, mass=2.0),
    "triangle": ds.Polygon((0.3, 0.0), [(-0.3, -0.05), (0.6, 0.0), (-0.3, 0.05)], mass=0.7),
}


def held_rod(name, restitution):
    """A rod pinned at the origin that turns at 1 rad/s, down onto a floor 0.1 m below its pin."""
    rod = RODS[name]
    scene = ds.RigidBodies(
        [rod],
        [ds.HalfPlane((0.0, -0.2))],
        joints=[ds.Pin(0, None, at=(0.0, 0.0))],
        gravity=(0.0, 0.0),
        friction=0.0,
        restitution=restitution,
        dt=DT,
    )
    tune = ("scene.initial_angle", "scene.initial_position", "scene.initial_velocity", "scene.initial_angular_velocity")
    problem = ds.Problem(scene, steps=round(0.5 / DT), tune=tune)
    return ds.Simulation(problem, precision="f64", envs=len(PHASES), shared=False)


def turned(sim, angle):
    """Parameters with the rod at these angles, (envs,)."""
    params = sim.params()
    reach = params["scene.initial_position"][0, 0, 0]
    direction = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    params["scene.initial_angle"][:, 0] = angle
    params["scene.initial_position"][:, 0] = reach * direction
    params["scene.initial_velocity"][:, 0] = reach * np.stack([np.sin(angle), -np.cos(angle)], axis=1)
    params["scene.initial_angular_velocity"][:, 0] = -1.0
    return params


@pytest.mark.parametrize("restitution", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("name", RODS)
def test_a_pinned_rod_bounces_with_its_restitution(name, restitution):
    with held_rod(name, restitution) as sim:
        start = 0.05 + PHASES * DT
        rollout = sim.rollout(turned(sim, start))
        # What is left is of the order of what it turns in a step, 2e-3, times what a joint closes in one. What lands
        # without a bounce parts by the square of the step, see below.
        closes = 3e-4 if restitution else PARTS * DT**2
        np.testing.assert_allclose(rollout.angular_velocity[:, -1, 0], restitution, atol=closes)
        # After the impact it turns back by restitution for each radian that it came: the same slope at each phase.
        end = rollout.angle[:, -1, 0]
        np.testing.assert_allclose(np.diff(end) / np.diff(start), -restitution, atol=0.01)
        # The same slope by the reverse pass, along the way on which all starting numbers go.
        _, pull = sim.vjp(turned(sim, start))
        cotangent = np.zeros_like(rollout.angle)
        cotangent[:, -1, 0] = 1.0
        grad = pull({"angle": cotangent})
        way = {key: (turned(sim, start + 1e-6)[key] - turned(sim, start - 1e-6)[key]) / 2e-6 for key in grad}
        slope = sum((grad[key] * way[key]).reshape(len(PHASES), -1).sum(axis=1) for key in grad)
        np.testing.assert_allclose(slope, -restitution, atol=0.01)


@pytest.mark.bench
@pytest.mark.parametrize("name", RODS)
def test_a_pinned_rod_that_lands_parts_by_the_square_of_the_step(name, monkeypatch):
    """At every phase, with the same factor for steps of 4 to 0.5 ms: the method's order, not rounding."""
    phases = (np.arange(64) + 0.5) / 64.0
    monkeypatch.setitem(globals(), "PHASES", phases)
    most = []
    for dt in (4e-3, 2e-3, 1e-3, 5e-4):
        monkeypatch.setitem(globals(), "DT", dt)
        with held_rod(name, 0.0) as sim:
            turning = sim.rollout(turned(sim, 0.05 + phases * dt)).angular_velocity[:, :, 0]
        landed = (turning > -0.5).argmax(axis=1)
        most.append(turning[np.arange(len(phases)), landed].max() / dt**2)
    print(f"\n{name}: at most {np.round(most, 3)} times the square of the step")
    np.testing.assert_allclose(most, most[-1], rtol=0.05)
    assert max(most) < PARTS


def flying(bodies, joints, restitution, envs=1, **settings):
    scene = ds.RigidBodies(
        bodies,
        [ds.HalfPlane((0.0, 0.0))],
        joints=joints,
        gravity=(0.0, 0.0),
        friction=0.0,
        restitution=restitution,
        dt=DT,
        **settings,
    )
    problem = ds.Problem(scene, steps=STEPS, tune=("scene.initial_position",))
    return ds.Simulation(problem, precision="f64", envs=envs, shared=False)


@pytest.mark.parametrize("restitution", [1.0, 0.6, 0.0])
def test_a_welded_dumbbell_bounces_as_one_body(restitution):
    # Two discs, the second 0.6 m to the right and 0.2 m higher: the first hits, with the mass of a point 0.3 m beside
    # the middle of one body.
    discs = [ds.Disc((x, y), 0.1, mass=1.0, inertia=0.005, velocity=(0.0, -1.0)) for x, y in ((-0.3, 0.3), (0.3, 0.5))]
    with flying(discs, [ds.Weld(0, 1, at=(0.0, 0.4))], restitution, len(PHASES)) as sim:
        params = sim.params()
        params["scene.initial_position"][:, :, 1] += (PHASES * DT)[:, None]
        rollout = sim.rollout(params)
        hit = rollout.contact_force[..., 0, 0].argmax(axis=1)
        inertia = 2 * 0.005 + 2 * (0.3**2 + 0.1**2)
        impulse = (1.0 + restitution) / (0.5 + 0.3**2 / inertia)
        np.testing.assert_allclose(rollout.contact_force[np.arange(len(PHASES)), hit, :, 0].sum(1) * DT, impulse, 1e-9)
        after = hit + 1
        spin = rollout.angular_velocity[np.arange(len(PHASES)), after]
        np.testing.assert_allclose(spin, -0.3 * impulse / inertia, rtol=2e-3)
        centre = rollout.velocity[np.arange(len(PHASES)), after].mean(axis=1)
        np.testing.assert_allclose(centre[:, 1], -1.0 + impulse / 2.0, rtol=1e-9)
        if restitution == 1.0:
            np.testing.assert_allclose(rollout.energy[:, -1], rollout.energy[:, 0], rtol=1e-3)
        # Before the second disc comes down as well, both turn about their middle at an even rate.
        assert np.ptp(rollout.angle[np.arange(len(PHASES)), after, 0] - rollout.angle[:, 0, 0]) < 0.01


@pytest.mark.parametrize("arm", [0.0, 0.2])
def test_what_does_not_bounce_from_a_trolley_goes_on_with_it(arm):
    """Both have the speed of their common momentum along the rail, step after step, wherever the trolley is hit."""
    trolley = ds.Box((0.0, 0.0), (0.05, 0.3), mass=0.5)
    disc = ds.Disc((-0.5, arm), 0.1, mass=2.0, velocity=(4.0, 0.0))
    rail = ds.Slider(0, None, at=(0.0, 0.0), axis=(1.0, 0.0))
    scene = ds.RigidBodies([trolley, disc], joints=[rail], gravity=(0.0, 0.0), friction=0.0, restitution=0.0, dt=1e-3)
    with ds.Simulation(ds.Problem(scene, steps=120), precision="f64") as sim:
        rollout = sim.rollout(sim.params())
    hit = int((rollout.contact_force[..., 0] > 0.0).any(axis=1).argmax())
    assert 80 < hit < 100
    together = np.broadcast_to((4.0 * 2.0 / 2.5, 0.0), (120 - hit, 2, 2))
    np.testing.assert_allclose(rollout.velocity[hit + 1 :], together, atol=1e-8)
    np.testing.assert_allclose(rollout.angular_velocity[hit + 1 :], 0.0, atol=1e-7)


FLAT = {
    "box": ds.Box((0.0, 0.3), (0.2, 0.2), mass=1.0),
    "tall box": ds.Box((0.0, 0.6), (0.05, 0.5), mass=1.0),
    "wide box": ds.Box((0.0, 0.2), (0.6, 0.05), mass=3.0),
    "capsule": ds.Capsule((0.0, 0.2), 0.3, 0.1, mass=1.0),
    "triangle": ds.Polygon((0.0, 0.3), [(-0.3, -0.1), (0.3, -0.1), (0.0, 0.2)], mass=1.0),
}


@pytest.mark.parametrize("restitution", [1.0, 0.5, 0.0])
@pytest.mark.parametrize("name", FLAT)
def test_what_lands_flat_does_not_spin(name, restitution):
    body = replace(FLAT[name], velocity=(0.0, -1.0))
    with flying([body], [], restitution, len(PHASES)) as sim:
        params = sim.params()
        params["scene.initial_position"][:, 0, 1] += PHASES * DT
        rollout = sim.rollout(params)
        np.testing.assert_allclose(rollout.angular_velocity[:, -1, 0], 0.0, atol=1e-9)
        np.testing.assert_allclose(rollout.velocity[:, -1, 0, 1], restitution, atol=1e-9)
        np.testing.assert_allclose(rollout.velocity[:, -1, 0, 0], 0.0, atol=1e-9)
        height = rollout.position[:, -1, 0, 1]
        np.testing.assert_allclose(np.diff(height) / np.diff(PHASES * DT), -restitution, atol=1e-6)


@pytest.mark.parametrize("restitution", [1.0, 0.6, 0.0])
def test_corners_that_land_where_two_steps_meet_land_together(restitution):
    """Rounding says of one of these corners that it is there at the end of a step, and of the other that it is not."""
    angles = np.arange(3) * 2.0 * np.pi / 3.0 - 5.0 * np.pi / 6.0
    triangle = 0.2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert 0.0 < np.ptp(triangle[:2, 1]) < 1e-15
    body = ds.Polygon((0.0, 0.2), triangle, velocity=(0.0, -1.0), mass=1.0)
    scene = ds.RigidBodies([body], [ds.HalfPlane()], gravity=(0.0, 0.0), restitution=restitution, friction=0.4, dt=DT)
    problem = ds.Problem(scene, steps=100, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64") as sim:
        rollout, pull = sim.vjp(sim.params())
        np.testing.assert_allclose(rollout.velocity[-1, 0], [0.0, restitution], atol=1e-9)
        np.testing.assert_allclose(rollout.angular_velocity[-1, 0], 0.0, atol=1e-9)
        chosen = np.zeros_like(rollout.position)
        chosen[-1, 0, 1] = 1.0
        assert pull({"position": chosen})["scene.initial_position"][0, 1] == pytest.approx(-restitution, abs=1e-9)


@pytest.mark.parametrize("restitution", [0.7, 0.0])
def test_what_lands_flat_and_rubs_keeps_what_friction_leaves(restitution):
    """Friction at both corners of one box is that of one: it takes mu times what presses, along and around."""
    mu, width, height = 0.2, 0.3, 0.1
    body = ds.Box((0.0, 0.3), (width, height), mass=2.0, velocity=(1.0, -1.0))
    scene = ds.RigidBodies([body], [ds.HalfPlane((0.0, 0.0))], gravity=(0.0, 0.0), friction=mu,
                           restitution=restitution, dt=DT)  # fmt: skip
    problem = ds.Problem(scene, steps=STEPS, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64", envs=len(PHASES), shared=False) as sim:
        params = sim.params()
        params["scene.initial_position"][:, 0, 1] += PHASES * DT
        rollout = sim.rollout(params)
    impulse = rollout.contact_force.sum(axis=2)[..., 0].max(axis=1) * DT
    np.testing.assert_allclose(impulse, 2.0 * (1.0 + restitution), rtol=1e-9)
    np.testing.assert_allclose(rollout.velocity[:, -1, 0, 0], 1.0 - mu * (1.0 + restitution), rtol=1e-9)
    np.testing.assert_allclose(rollout.velocity[:, -1, 0, 1], restitution, atol=1e-9)
    np.testing.assert_allclose(rollout.angular_velocity[:, -1, 0], 0.0, atol=1e-9)


@pytest.mark.parametrize("restitution", [1.0, 0.5])
def test_more_contacts_than_there_are_ways_to_move(restitution):
    """A box welded to another one lands on four corners, two pinned ones on theirs: three ways to move, or four."""
    boxes = [ds.Box((x, 0.3), (0.1, 0.05), mass=1.0, velocity=(0.0, -1.0), group=0) for x in (-0.12, 0.12)]
    for joint in (ds.Weld(0, 1, at=(0.0, 0.3)), ds.Pin(0, 1, at=(0.0, 0.3))):
        with flying(boxes, [joint], restitution, len(PHASES)) as sim:
            params = sim.params()
            params["scene.initial_position"][:, :, 1] += (PHASES * DT)[:, None]
            rollout = sim.rollout(params)
            # Up to what makes the joints' matrix definite, 1e-10 of its diagonal, times the bodies' lever.
            np.testing.assert_allclose(rollout.velocity[:, -1, :, 1], restitution, rtol=1e-7)
            np.testing.assert_allclose(rollout.angular_velocity[:, -1], 0.0, atol=1e-7)
            assert (rollout.contact_force[..., 0] > -1e-9).all()


def test_a_disc_between_two_touching_discs_keeps_mirror_images():
    half = np.sqrt(3.0) * 0.1
    discs = [
        ds.Disc((-0.1, 1.0), 0.1, mass=1.0),
        ds.Disc((0.1, 1.0), 0.1, mass=1.0),
        ds.Disc((0.0, 1.0 + half + 0.05), 0.1, mass=1.0, velocity=(0.0, -1.0)),
    ]
    with flying(discs, [], 1.0) as sim:
        rollout = sim.rollout(sim.params())
        left, right, top = rollout.velocity[100]
        np.testing.assert_allclose(left * [-1.0, 1.0], right, atol=1e-9)
        # Both contacts at once, at 30 degrees: impulses x with (2 cos^2 + 1) x = 2 cos, x = 0.4 sqrt(3).
        np.testing.assert_allclose(top, [0.0, 0.2], atol=1e-9)
        np.testing.assert_allclose(right, [0.2 * np.sqrt(3.0), -0.6], atol=1e-9)
        np.testing.assert_allclose(rollout.energy[100], rollout.energy[0], rtol=1e-9)


def test_a_rope_that_goes_taut_takes_its_direction_then():
    # A disc flies beside its post; when the rope of 0.5 m is taut it keeps what goes around: w = v x0 / L^2.
    disc = ds.Disc((0.2, 0.0), 0.05, mass=1.0, velocity=(0.0, 1.0))
    rope = ds.Rope(0, None, ((0.0, 0.0), (0.0, 0.0)), 0.5)
    scene = ds.RigidBodies([disc], joints=[rope], gravity=(0.0, 0.0), dt=DT)
    problem = ds.Problem(scene, steps=400, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64", envs=len(PHASES), shared=False) as sim:

        def at(x):
            params = sim.params()
            params["scene.initial_position"][:, 0, 0] = x
            params["scene.initial_position"][:, 0, 1] = PHASES * DT
            return params

        rollout = sim.rollout(at(0.2))
        place = rollout.position[:, -1, 0]
        angle = np.arctan2(place[:, 1], place[:, 0])

        def law(x):
            up = np.sqrt(0.25 - x * x)
            return np.arctan2(up, x) + (0.8 - (up - PHASES * DT)) * x / 0.25

        np.testing.assert_allclose(angle, law(0.2), atol=2e-3)
        slope = (law(0.2 + 1e-6) - law(0.2 - 1e-6)) / 2e-6
        _, pull = sim.vjp(at(0.2))
        cotangent = np.zeros_like(rollout.position)
        cotangent[:, -1, 0] = np.stack([-place[:, 1], place[:, 0]], axis=1) / (place**2).sum(axis=1)[:, None]
        grad = pull({"position": cotangent})["scene.initial_position"]
        np.testing.assert_allclose(grad[:, 0, 0], slope, atol=0.02)


def towed(bodies, joints, envs, steps, iterations, moves=None):
    """A rollout without gravity, (envs,) of it with the bodies moved by the phases' share of a step, times this."""
    scene = ds.RigidBodies(bodies, joints=joints, gravity=(0.0, 0.0), iterations=iterations, dt=DT)
    problem = ds.Problem(scene, steps=steps, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64", envs=envs, shared=False) as sim:
        params = sim.params()
        if moves is not None:
            params["scene.initial_position"] += PHASES[:, None, None] * DT * np.array(moves)
        return sim.rollout(params)


@pytest.mark.parametrize("iterations", [1, 10])
def test_a_rope_from_a_welded_pair_pulls_as_from_one_body(iterations):
    """Beside their middle: they turn. At every phase, whatever the passes are."""
    discs = [ds.Disc(place, 0.05, mass=1.0, velocity=(-1.0, 0.0)) for place in ((0.0, 0.0), (0.0, 0.2))]
    joints = [ds.Weld(0, 1, at=(0.0, 0.1)), ds.Rope(0, 2, ((0.0, 0.0), (0.0, 0.0)), 0.4)]
    bodies = [*discs, ds.Disc((0.3, 0.0), 0.05, mass=1.0)]
    rollout = towed(bodies, joints, len(PHASES), 70, iterations, [(0, 0), (0, 0), (-2, 0)])
    inertia = 2.0 * (0.5 * 0.05**2 + 0.1**2)
    impulse = 1.0 / (1.0 + 0.5 + 0.1**2 / inertia)
    taut = np.abs(rollout.velocity[:, :, 2, 0]).argmax(axis=1)
    every = np.arange(len(PHASES))
    np.testing.assert_allclose(rollout.velocity[every, taut, 2, 0], -impulse, rtol=1e-3)
    np.testing.assert_allclose(rollout.angular_velocity[every, taut, 0], impulse * 0.1 / inertia, rtol=1e-3)
    np.testing.assert_allclose(rollout.momentum[:, -1], np.broadcast_to([-2.0, 0.0], (len(PHASES), 2)), atol=1e-12)


@pytest.mark.parametrize("iterations", [1, 10])
def test_a_rope_between_two_pinned_rods(iterations):
    """Tip to tip across: it shares the turning by the rods' moments about their pins."""
    rods = [
        ds.Box((0.0, 0.5), (0.02, 0.5), mass=1.0, angular_velocity=1.0, velocity=(-0.5, 0.0)),
        ds.Box((0.5, 0.5), (0.02, 0.5), mass=2.0),
    ]
    joints = [
        ds.Pin(0, None, at=(0.0, 0.0)),
        ds.Pin(1, None, at=(0.5, 0.0)),
        ds.Rope(0, 1, ((0.0, 0.5), (0.0, 0.5)), 0.55),
    ]
    rollout = towed(rods, joints, 1, 30, iterations).env(0)
    taut = int((rollout.angular_velocity[:, 1] > 0.0).argmax())
    # 50 mm of 550: the rope is level but for a thousandth, the first rod leans by 3 degrees.
    np.testing.assert_allclose(rollout.angular_velocity[taut], 1.0 / 3.0, rtol=3e-3)


@pytest.mark.parametrize("iterations", [1, 10])
@pytest.mark.parametrize("slack", [0.05, 0.0])
def test_a_train_is_drawn_by_its_ropes_one_car_after_the_other(iterations, slack):
    """Each car takes its part of the momentum of those that run; with no slack all at once."""
    cars = [ds.Disc((0.2 * k, 0.0), 0.05, mass=1.0, velocity=(-1.0 if k == 0 else 0.0, 0.0)) for k in range(4)]
    ropes = [ds.Rope(k, k + 1, ((0.0, 0.0), (0.0, 0.0)), 0.2 + slack) for k in range(3)]
    rollout = towed(cars, ropes, 1, 200, iterations).env(0)
    expected = {10: 1, 50: 2, 110: 3, 190: 4} if slack else {1: 4, 100: 4}
    for step, running in expected.items():
        speed = np.where(np.arange(4) < running, -1.0 / running, 0.0)
        # With one pass ropes are as long as they may be up to the micrometre that bodies may be deep in each other.
        np.testing.assert_allclose(rollout.velocity[step, :, 0], speed, atol=1e-5)


# Gradients


SPIN = 2.0  # of the box before the jerk [rad/s]


def jerked(places, velocity, length, end):
    """Angular velocity at a time of a box that turns, shortly before which a rope at its end went taut to a disc.

    w + r x n J / I, where J along the rope stops the anchors from moving apart (Brogliato 2016, "Nonsmooth Mechanics",
    section 4.3, with a restitution of 0); and from then on the rope keeps them on their circles.
    """
    mass, inertia, speed = np.array([1.0, 0.5]), (0.2**2 + 0.08**2) / 12.0, np.asarray(velocity)

    def at(time):
        arm = 0.1 * np.array([np.cos(SPIN * time), np.sin(SPIN * time)])
        return arm, places[1] + time * speed - places[0] - arm, speed - SPIN * np.array([-arm[1], arm[0]])

    time = 0.0
    for _ in range(30):  # Newton: when the anchors are as far apart as the rope is long
        _, apart, leaving = at(time)
        time -= (np.hypot(*apart) - length) / (apart @ leaving / np.hypot(*apart))
    arm, apart, leaving = at(time)
    n = apart / length
    lever = arm[0] * n[1] - arm[1] * n[0]
    share = 1.0 / (1.0 / mass[0] + 1.0 / mass[1] + lever**2 / inertia)
    impulse = leaving @ n * share
    spin = SPIN + lever * impulse / inertia
    leaving = speed - impulse * n * (1.0 / mass).sum() - spin * np.array([-arm[1], arm[0]])
    tension = (leaving @ leaving / length + spin**2 * arm @ n) * share
    return spin + (end - time) * lever * tension / inertia


@pytest.mark.parametrize("iterations", [1, 10])
@pytest.mark.parametrize("slack", [0.0013, 0.0048, 0.0102])
def test_the_gradient_through_a_jerk_is_the_law_s_and_the_same_from_both_sides(slack, iterations):
    """By where the disc is: through the time of the jerk, and the direction that the rope has then.

    A step after the jerk: the speeds of a step in which a rope holds are those of its middle.
    """
    velocity = (0.6, -0.9)
    places = np.array([[0.0, 0.0], [0.1 + 0.06, -0.08]])
    length = 0.1 + slack
    inertia = (0.2**2 + 0.08**2) / 12.0
    bodies = [
        ds.Box(places[0], (0.1, 0.04), mass=1.0, inertia=inertia, angular_velocity=SPIN, group=0),
        ds.Disc(places[1], 0.01, mass=0.5, velocity=velocity, group=0),
    ]
    ropes = [ds.Rope(0, 1, ((0.1, 0.0), (0.0, 0.0)), length)]
    scene = ds.RigidBodies(bodies, joints=ropes, gravity=(0.0, 0.0), iterations=iterations, dt=DT)
    steps = 16
    problem = ds.Problem(scene, steps=steps, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64") as sim:
        params = sim.params()
        rollout, pullback = sim.vjp(params)
        turning = np.flatnonzero(np.abs(rollout.angular_velocity[:, 0] - SPIN) > 1e-6)[0] + 1
        end = turning * DT
        chosen = np.zeros_like(rollout.angular_velocity)
        chosen[turning, 0] = 1.0
        found = pullback({"angular_velocity": chosen})["scene.initial_position"]
        assert rollout.angular_velocity[turning, 0] == pytest.approx(jerked(places, velocity, length, end), rel=2e-3)
        for k in range(2):
            step = np.zeros((2, 2))
            step[1, k] = 1e-7
            ends = [
                sim.rollout({"scene.initial_position": places + sign * step}).angular_velocity[turning, 0]
                for sign in (-1, 0, 1)
            ]
            np.testing.assert_allclose(np.diff(ends) / 1e-7, found[1, k], rtol=1e-5, atol=1e-4)
            law = np.diff([jerked(places + sign * step, velocity, length, end) for sign in (-1, 1)]) / 2e-7
            assert found[1, k] == pytest.approx(law[0], rel=0.015)


@pytest.mark.parametrize("speed", [-1.1, -1.4, -1.8])
def test_a_rope_between_what_joints_hold_has_no_kink_where_it_went_taut(speed):
    """After the jerk it is at its length to rounding: a rope that gave way there had another slope to each side."""
    linked = examples.SCENES[ds.RigidBodies]["linked"]()
    bodies = list(linked.bodies)
    bodies[3] = replace(bodies[3], velocity=(0.9, speed))
    problem = ds.Problem(replace(linked, bodies=bodies), steps=1, tune=("scene.initial_position",))
    with ds.Simulation(problem, precision="f64") as sim:
        params = sim.params()
        way = np.random.default_rng(0).normal(size=params["scene.initial_position"].shape)
        rollout, pullback = sim.vjp(params)
        assert rollout.angular_velocity[1, 1] != pytest.approx(rollout.angular_velocity[0, 1], abs=0.1)  # it jerks
        chosen = np.zeros_like(rollout.angular_velocity)
        chosen[1] = 1.0
        slope = float(np.sum(pullback({"angular_velocity": chosen})["scene.initial_position"] * way))
        ends = [
            sim.rollout({"scene.initial_position": params["scene.initial_position"] + sign * 1e-7 * way})
            for sign in (-1, 0, 1)
        ]
        sides = np.diff([float(end.angular_velocity[1].sum()) for end in ends]) / 1e-7
        np.testing.assert_allclose(sides, slope, rtol=1e-6, atol=2e-4)


def landing():
    """Pins, a weld and a slider between bodies that hit a slope with friction, two corners of one in one step."""
    bodies = [
        ds.Box((0.0, 0.213), (0.12, 0.04), velocity=(0.3, -1.0), group=0),
        ds.Capsule((0.24, 0.26), 0.1, 0.03, angle=0.3, velocity=(0.3, -1.1), angular_velocity=1.0, group=0),
        ds.Box((-0.3, 0.3), (0.06, 0.05), angle=0.2, velocity=(0.1, -1.4), restitution=0.1, group=0),
        ds.Disc((-0.45, 0.24), 0.05, velocity=(0.1, -1.5), group=0),
        ds.Box((0.02, 0.35), (0.05, 0.05), mass=0.2, velocity=(0.2, -1.0), group=0),
        ds.Box((0.7, 0.195), (0.1, 0.04), angle=0.02, velocity=(0.4, -0.5), group=0),
    ]
    scene = ds.RigidBodies(
        bodies,
        [ds.HalfPlane((0.0, 0.13), angle=0.02, friction=0.4, restitution=0.5)],
        joints=[
            ds.Pin(0, 1, at=(0.14, 0.23)),
            ds.Weld(2, 3, at=(-0.38, 0.27)),
            ds.Slider(0, 4, at=(0.0, 0.3), axis=(0.2, 1.0)),
        ],
        gravity=(0.1, -9.7),
        density=20.0,
        friction=0.3,
        restitution=0.6,
        dt=0.01,
    )
    goal = ds.Travel(point=1) + ds.Travel(point=3, weight=0.7) + ds.Travel(point=5, direction=(0.3, 1.0), weight=0.5)
    tune = ("scene.initial_*", "scene.friction", "scene.restitution", "scene.density", "scene.gravity")
    return ds.Problem(scene, objective=goal, steps=12, tune=tune)


SLOW = [pytest.param(name, marks=pytest.mark.bench) for name in ("fused", "wide")]


@pytest.mark.parametrize("executor", ["staged", *SLOW])
def test_gradients_through_joined_impacts_are_those_of_differences(executor):
    problem = landing()
    with ds.Simulation(problem, precision="f64", executor=executor) as sim:
        rollout = sim.rollout(sim.params())
    assert (rollout.contact_force[..., 0] > 0.0).any(axis=1).sum() >= 3
    check_both_adjoints(problem, executor, every=5)
