"""What touches while it moves: landings at any time within a step, rolling, sliding, over edges and what is round."""

import numpy as np
import pytest

import diffsim as ds

from .moving_scene import DROP, DT, INERTIA, TIME, WEIGHT, G, R, build, follow, force, numbers

PHASES, STEP = 16, 1e-4  # of a difference [m]: larger than what a kink of the law could hide
STIFF, SOFT = (1e4, 10.0, 0.0, 0.0), (2500.0, 100.0, 0.6, 1.0)  # stiffness, damping, friction, speed
LANDINGS = {"stiff": STIFF, "default with friction": SOFT, "sliding on": (2500.0, 20.0, 0.3, 1.0)}
ROLLING = (2.0, 5.0, 10.0)
SLIDING = {"without spin": (2.0, 0.0), "with backspin": (2.0, -40.0), "with spin": (2.0, 40.0)}  # m/s, rad/s
SLOPE, MU = np.radians(30.0), (0.15, 0.15 + 1e-4)
ROUGH = (0.3, 0.3 + 1e-4)
BOUNCES = np.array([0.2, 0.5, 0.8, 0.95])
HALF = len(LANDINGS) * PHASES
ENVS = 2 * HALF + len(ROLLING) + len(SLIDING) + len(MU) + len(ROUGH) + 2 * len(BOUNCES)
SCENE = build()
LINK = {link.name: k for k, link in enumerate(SCENE.links)}
BALL = [geom.name for _, geom in SCENE.all_geoms].index("ball")
ROLLS = slice(2 * HALF, 2 * HALF + len(ROLLING))
SLIDES = slice(ROLLS.stop, ROLLS.stop + len(SLIDING))
SLIPS = slice(SLIDES.stop, SLIDES.stop + len(MU))
STOPS = slice(SLIPS.stop, SLIPS.stop + len(ROUGH))
THROWN = slice(STOPS.stop, STOPS.stop + 2 * len(BOUNCES))


def started(dt):
    """The parameters of all environments."""
    params, at, first = numbers(SCENE, ENVS)
    place, speed, friction = (params[f"scene.{name}"] for name in ("initial_position", "initial_velocity", "friction"))
    for side in range(2):
        for k, (stiffness, damping, mu, along) in enumerate(LANDINGS.values()):
            rows = slice(side * HALF + k * PHASES, side * HALF + (k + 1) * PHASES)
            fall = DROP + np.arange(PHASES) / PHASES * 2.0 * dt + side * STEP  # 2 m/s: the steps of a landing
            for name in ("ball", "cube", "log", "marble"):
                place[rows, at[name] + 2] += fall
            place[rows, at["rail"]] = fall
            place[rows, at["left"]] -= fall
            speed[rows, first["left"]] = 4.0
            speed[rows, first["ball"]] = along
            params["scene.contact_stiffness"][rows, BALL] = stiffness
            params["scene.contact_damping"][rows, BALL] = damping
            friction[rows, BALL] = mu
    for k, v in enumerate(ROLLING):
        for name, mass in (("ball", 1.0), ("log", 0.5)):
            place[ROLLS.start + k, at[name] + 2] -= mass * G / 2500.0 + 5e-4
            speed[ROLLS.start + k, [first[name], first[name] + 4]] = v, v / R
        friction[ROLLS.start + k, BALL] = 0.6
        speed[ROLLS.start + k, [first["along"], first["axle"]]] = v, v / R
        place[ROLLS.start + k, at["up"]] = -4.0 * G / 1e4 - 5e-4
    for k, (v, spin) in enumerate(SLIDING.values()):
        place[SLIDES.start + k, at["ball"] + 2] -= G / 2500.0 + 5e-4
        speed[SLIDES.start + k, [first["ball"], first["ball"] + 4]] = v, spin
        friction[SLIDES.start + k, BALL] = 0.3
    place[SLIPS, at["ball"] + 2] -= G * np.cos(SLOPE) / 2500.0 + 5e-4
    params["scene.gravity"][SLIPS] = G * np.sin(SLOPE), 0.0, -G * np.cos(SLOPE)
    friction[SLIPS, BALL] = MU
    place[STOPS, at["ball"] + 2] -= G / 2500.0 + 5e-4
    speed[STOPS, first["ball"]] = 2.0
    friction[STOPS, BALL] = ROUGH
    params["scene.gravity"][THROWN] = 0.0
    params["scene.restitution"][THROWN, 1:] = np.concatenate([BOUNCES, BOUNCES + STEP])[:, None]
    for name in ("ball", "marble"):
        place[THROWN, at[name] + 2] += 0.1 + 0.3 * np.arange(2 * len(BOUNCES)) / len(BOUNCES) * dt
        speed[THROWN, first[name] + 2] = -2.0
    place[THROWN, at["left"]] += 0.6
    speed[THROWN, first["left"]] = 4.0
    for name, v in (("rider", 0.4), ("tightrope", 0.8), ("edge", 0.6)):
        speed[:, first[name]] = v
    speed[:, first["tightrope"] + 1] = 3.0  # along the ridge, which turns nothing
    return params


@pytest.fixture(scope="module")
def rollouts():
    """By the length of the step."""
    found = {}
    for dt in (DT, DT / 2):
        problem = ds.Problem(build(dt), steps=round(TIME / dt), tune=tuple(started(dt)))
        with ds.Simulation(problem, precision="f64", envs=ENVS, shared=False) as simulation:
            found[dt] = simulation.rollout(started(dt))
    return found


def heights(rollout, name, axis=2):
    return rollout.position[:, :, LINK[name], axis]


def slopes(rollout, name, axis=2, case=0):
    """(phase,) how the place at the end changes with the height at the start."""
    rows = slice(case * PHASES, (case + 1) * PHASES)
    end = heights(rollout, name, axis)[:, -1]
    return (end[HALF : 2 * HALF][rows] - end[:HALF][rows]) / STEP


def fallen(stiffness, damping, mass, spots=1):
    """Slope, and the height after the bounce, of what falls onto spots of a stiffness and damping."""
    start = DROP + np.arange(4) / 4 * 2.0 * DT
    end, top = [], []
    for high in (start, start + STEP):
        places, _ = follow(
            lambda x, v: spots * force(-x, -v, stiffness, damping) / mass - G, high, np.zeros(4), steps=8000
        )
        end.append(places[-1])
        top.append(places[60:].max(axis=0))
    return ((end[1] - end[0]) / STEP).mean(), top[0].mean()


# Landings


FALLS = {
    "ball": (*STIFF[:2], 1.0, 1),
    "cube": (2500.0, 5.0, 2.0, 4),
    "marble": (6000.0, 8.0, 1.0, 1),
}


@pytest.mark.parametrize("name", FALLS)
def test_a_landing_counts_from_when_it_is(rollouts, name):
    """At every phase within the step, on a plane, on four corners, and on a box; halving with the step."""
    slope, top = fallen(*FALLS[name])
    errors = {dt: np.abs(slopes(rollout, name) - slope).max() for dt, rollout in rollouts.items()}
    assert errors[DT] < 0.1 * abs(slope)
    assert errors[DT / 2] < 0.06 * abs(slope)
    high = heights(rollouts[DT], name)[:PHASES, round(0.6 * TIME / DT) :].max(axis=1) - R
    assert high == pytest.approx(np.full(PHASES, top), rel=0.02)


@pytest.mark.parametrize("case", ["default with friction", "sliding on"])
def test_a_landing_slips_from_when_it_is(rollouts, case):
    """Until it rolls: where it gets to depends on when it has landed. Every phase within 10 %."""
    stiffness, damping, mu, speed = LANDINGS[case]

    def accelerate(x, v):
        push = force(-x[0], -v[0], stiffness, damping)
        slip = v[1] - R * v[2]
        drag = -mu * push * slip / np.sqrt(slip**2 + 1e-6)
        return np.array([push - G, drag, -R * drag / INERTIA])

    high = DROP + np.arange(8) / 8 * 2.0 * DT
    ends = []
    for start in (high, high + STEP):
        zero = np.zeros(8)
        places, _ = follow(accelerate, (start, zero, zero), (zero, zero + speed, zero), steps=16000)
        ends.append(places[-1, 1])
    law = ((ends[1] - ends[0]) / STEP).mean()
    found = slopes(rollouts[DT], "ball", 0, list(LANDINGS).index(case))
    assert found == pytest.approx(np.full(PHASES, law), rel=0.1)


def test_two_that_meet_in_the_air_count_from_when_they_do(rollouts):
    """1 kg each, critically damped by 4 m/s: how far apart they were is forgotten."""
    gap = 1.0 - 2.0 * R

    def accelerate(x, v):
        push = force(x - gap, v, 1250.0, 50.0)  # x: how far the gap has closed
        return -2.0 * push

    start = -DROP - np.array([0.0, STEP])
    places, speeds = follow(accelerate, start, np.full(2, 4.0))
    law = (places[-1, 1] - places[-1, 0]) / STEP
    for dt, rollout in rollouts.items():
        apart = heights(rollout, "right", 0) - heights(rollout, "left", 0)
        found = -(apart[HALF : 2 * HALF, -1] - apart[:HALF, -1]) / STEP
        assert np.abs(found - law).max() < 0.1 * (dt / DT), dt
        closing = (
            rollout.joint_velocity[:HALF, -1, 6 * LINK["left"]] - rollout.joint_velocity[:HALF, -1, 6 * LINK["right"]]
        )
        assert closing == pytest.approx(np.full(HALF, speeds[-1, 0]), abs=0.01)


def test_a_limit_counts_from_when_it_is_reached(rollouts):
    stiffness, damping = WEIGHT
    start = DROP + np.arange(4) / 4 * 2.0 * DT
    ends = []
    for high in (start, start + STEP):
        places, _ = follow(
            lambda x, v: force(-x, -v, stiffness, damping, 0.01) / 2.0 - G, high, np.zeros(4), steps=8000
        )
        ends.append(places[-1])
    law = ((ends[1] - ends[0]) / STEP).mean()
    for dt, rollout in rollouts.items():
        assert slopes(rollout, "weight") == pytest.approx(np.full(PHASES, law), abs=0.1 * abs(law) * dt / DT + 0.01)


# Rolling and sliding


@pytest.mark.parametrize("name", ["ball", "log", "wheel"])
@pytest.mark.parametrize("dt", [DT, DT / 2])
def test_what_rolls_stays_as_deep_as_it_rests(rollouts, name, dt):
    """A sphere, a capsule on its side, a wheel of a chassis: the weight is what presses, however fast."""
    rollout = rollouts[dt]
    weight = {"ball": 1.0, "log": 1.0, "wheel": 4.0}[name] * G
    names = [SCENE.contact_name(k) for k in range(rollout.contact_force.shape[2])]
    spots = [k for k, each in enumerate(names) if each == f"geoms floor and {name}"]
    pressed = rollout.contact_force[ROLLS][..., spots, 2].sum(axis=-1)
    assert pressed == pytest.approx(np.full_like(pressed, weight), rel=1e-6)
    if name == "ball":
        deep = R - heights(rollout, name)[ROLLS]
        assert deep == pytest.approx(np.full_like(deep, G / 2500.0 + 5e-4), abs=1e-10)


def test_friction_is_its_share_of_what_presses(rollouts):
    pushed = rollouts[DT].contact_force[SLIDES, :20, 0]  # 40 ms, in which all of them slide
    share = np.linalg.norm(pushed[..., :2], axis=-1) / pushed[..., 2]
    assert share[:, 1:] == pytest.approx(np.full_like(share[:, 1:], 0.3), rel=1e-4)
    assert pushed[..., 2] == pytest.approx(np.full_like(share, G), rel=1e-3)


def test_on_a_steep_slope_it_slides_as_coulomb_says(rollouts):
    speed = rollouts[DT].joint_velocity[SLIPS, :, 0]
    gained = (speed[:, -1] - speed[:, 50]) / (TIME - 50 * DT)
    law = G * (np.sin(SLOPE) - np.array(MU) * np.cos(SLOPE))
    assert gained == pytest.approx(law, rel=1e-4)
    assert (gained[1] - gained[0]) / (MU[1] - MU[0]) == pytest.approx(-G * np.cos(SLOPE), rel=1e-2)


def test_what_slips_rolls_in_the_end(rollouts):
    """At 5/7 of its speed; by when depends on the friction."""
    for dt, rollout in rollouts.items():
        speed, way = rollout.joint_velocity[STOPS, -1, 0], heights(rollout, "ball", 0)[STOPS, -1]
        assert speed == pytest.approx([10.0 / 7.0] * 2, rel=1e-6)
        law = -2.0 / 49.0 * 2.0**2 / (ROUGH[0] ** 2 * G)
        assert (way[1] - way[0]) / (ROUGH[1] - ROUGH[0]) == pytest.approx(law, rel=0.05 * dt / DT)


# Restitution


def test_what_lands_leaves_with_its_restitution(rollouts):
    """On a plane with default stiffness, on a box with one of its own, and two in flight; as it says, and its slope."""
    for dt, rollout in rollouts.items():
        speed = {name: rollout.joint_velocity[THROWN, -1, 6 * LINK[name] :] for name in ("ball", "left", "right")}
        found = {
            "ball": speed["ball"][:, 2] / 2.0,
            "left": (speed["right"][:, 0] - speed["left"][:, 0]) / 4.0,
        }
        for name, left in found.items():
            assert left[: len(BOUNCES)] == pytest.approx(BOUNCES, abs=0.02), (name, dt)
            slope = (left[len(BOUNCES) :] - left[: len(BOUNCES)]) / STEP
            assert slope == pytest.approx(np.ones(len(BOUNCES)), abs=0.1), (name, dt)


# Over what is round, and edges


def nearest_of(name, place):
    """(n, 3) of what stands still, its reach included in R."""
    x, z = place[:, 0], place[:, 1]
    if name == "edge":
        return np.stack([np.minimum(x, 1.0), np.minimum(z, 0.0)], axis=1), R
    return np.zeros_like(place), R + 0.3


@pytest.mark.parametrize(
    ("name", "start", "speed"), [("rider", 0.02, 0.4), ("tightrope", 0.0, 0.8), ("edge", 0.99, 0.6)]
)
def test_over_a_dome_a_ridge_and_an_edge(rollouts, name, start, speed):
    """Without friction, from a little above it: the way and what presses are those of the law."""

    def accelerate(x, v):
        at, reach = nearest_of(name, x)
        apart = x - at
        distance = np.linalg.norm(apart, axis=1, keepdims=True)
        normal = apart / distance
        push = force(reach - distance, -(normal * v).sum(axis=1, keepdims=True), 2500.0, 100.0)
        return push * normal + (0.0, -G)

    high = R if name == "edge" else 0.4
    places, speeds = follow(accelerate, [[start, high]], [[speed, 0.0]])
    for dt, allowed in ((DT, 2e-3), (DT / 2, 1e-3)):
        found = rollouts[dt].position[0, :, LINK[name]]
        rows = np.linspace(0, len(found) - 1, 101).round().astype(int)
        assert found[rows][:, [0, 2]] == pytest.approx(places[:, 0], abs=allowed), dt
        along = rollouts[dt].joint_velocity[0, -1, 6 * LINK[name]]
        assert along == pytest.approx(speeds[-1, 0, 0], abs=10 * allowed)
