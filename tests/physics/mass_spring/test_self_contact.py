"""Contact of a body with itself, against closed forms."""

from __future__ import annotations

import numpy as np
import pytest

import diffsim as ds
from diffsim.errors import CapacityError

THICK, STIFF, DAMP = 0.1, 200.0, 0.3
ROUNDING = 1e-9  # of forces of some newtons, read from velocities over a step


def scene(points, surface, velocity=None, **changes):
    """Points that nothing joins, over facets of others, without weight."""
    d = len(points[0])
    law = ds.SelfContact(thickness=THICK, stiffness=STIFF, damping=DAMP)
    given = {"gravity": np.zeros(d), "dt": 1e-3, "self_contact": law, "surface": surface, **changes}
    return ds.MassSpring(points, initial_velocity=velocity, **given)


def forces(made, places=None):
    """Of a single step, mass 1 each [N]; with ``places``, a list of them with the last point at each."""
    problem = ds.Problem(made, steps=1, tune=("scene.initial_position",))
    found = []
    with ds.Simulation(problem, precision="f64", executor="staged") as sim:
        for place in [made.points[-1]] if places is None else places:
            rollout = sim.rollout({"scene.initial_position": [*made.points[:-1], place]})
            found.append((rollout.velocity[1] - rollout.velocity[0]) / made.dt)
    return found[0] if places is None else found


EDGE = [[0.0, 0.0], [1.0, 0.0]]
UP = [[1, 0]]  # from right to left: its normal is up

PLACES = {
    "over the edge": ([0.3, 0.06], [0.0, 1.0], 0.06, 0.3),
    "beneath it": ([0.3, -0.06], [0.0, 1.0], -0.06, 0.3),
    "on it": ([0.3, 0.0], [0.0, 1.0], 0.0, 0.3),
    "beyond its end": ([1.03, 0.04], [0.6, 0.8], 0.05, 1.0),
    "before its start": ([-0.06, 0.0], [-1.0, 0.0], 0.06, 0.0),
    "too far": ([0.3, 0.11], [0.0, 0.0], 0.0, 0.3),
    "too far beyond": ([1.08, 0.08], [0.0, 0.0], 0.0, 1.0),
}


@pytest.mark.parametrize("where", PLACES)
def test_a_point_is_pressed_off_an_edge_and_the_edge_off_the_point(where):
    place, way, gap, share = PLACES[where]
    velocity = np.array([[0.0, 0.2], [0.0, 0.4], [0.5, -0.8]])
    found = forces(scene([*EDGE, place], UP, velocity))
    rate = np.dot(way, velocity[2] - (1.0 - share) * velocity[0] - share * velocity[1])
    force = STIFF * (THICK - gap) * max(0.0, 1.0 - DAMP * rate) * np.array(way)
    assert found == pytest.approx(np.stack([(share - 1.0) * force, -share * force, force]), abs=ROUNDING)


def test_what_leaves_fast_is_not_pulled_back():
    found = forces(scene([*EDGE, [0.3, 0.06]], UP, [[0.0, 0.0], [0.0, 0.0], [0.0, 4.0]]))
    assert found == pytest.approx(0.0, abs=ROUNDING)


TRIANGLE = [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]
OFF_TRIANGLE = {
    "over the face": ([0.2, 0.3, 0.07], [0.0, 0.0, 1.0], 0.07, [0.5, 0.2, 0.3]),
    "beneath it": ([0.2, 0.3, -0.04], [0.0, 0.0, 1.0], -0.04, [0.5, 0.2, 0.3]),
    "beside an edge": ([0.4, -0.03, 0.04], [0.0, -0.6, 0.8], 0.05, [0.6, 0.4, 0.0]),
    "beside the longest": ([0.52, 0.52, 0.0], [0.5**0.5, 0.5**0.5, 0.0], 0.04 * 0.5**0.5, [0.0, 0.5, 0.5]),
    "off a corner": ([-0.04, -0.04, 0.02], [-2 / 3, -2 / 3, 1 / 3], 0.06, [1.0, 0.0, 0.0]),
    "off another": ([1.06, -0.02, 0.03], [6 / 7, -2 / 7, 3 / 7], 0.07, [0.0, 1.0, 0.0]),
    "too far": ([0.2, 0.3, 0.11], [0.0, 0.0, 0.0], 0.0, [0.5, 0.2, 0.3]),
}


@pytest.mark.parametrize("turn", [0, 1, 2])
@pytest.mark.parametrize("where", OFF_TRIANGLE)
def test_a_point_is_pressed_off_a_triangle_whichever_corner_comes_first(where, turn):
    place, way, gap, shares = OFF_TRIANGLE[where]
    velocity = np.array([[0.0, 0.1, 0.2], [0.0, 0.0, 0.4], [0.1, 0.0, 0.1], [0.1, 0.2, -0.8]])
    found = forces(scene([*TRIANGLE, place], [np.roll([0, 1, 2], turn)], velocity))
    rate = np.dot(way, velocity[3] - np.array(shares) @ velocity[:3])
    force = STIFF * (THICK - gap) * max(0.0, 1.0 - DAMP * rate) * np.array(way)
    assert found == pytest.approx(np.stack([*(-share * force for share in shares), force]), abs=ROUNDING)


def test_a_flat_row_of_edges_presses_like_one():
    row = [[0.25 * k, 0.0] for k in range(5)]
    edges = [[k + 1, k] for k in range(4)]
    places = [(x, 0.06) for x in np.linspace(0.0, 1.0, 41)]
    for place, found in zip(places, forces(scene([*row, places[0]], edges), places), strict=True):
        assert found[-1] == pytest.approx([0.0, STIFF * 0.04], abs=ROUNDING), place
        assert found.sum(axis=0) == pytest.approx(0.0, abs=ROUNDING)


def test_a_flat_net_of_triangles_presses_like_one():
    body = ds.grid((2, 2, 1), spacing=0.25)
    top = body.surface[(body.points[body.surface][:, :, 2] == 0.25).all(axis=1)]
    assert len(top) == 8
    rng = np.random.default_rng(0)
    flat = [*rng.uniform(0.01, 0.49, (12, 2)), (0.25, 0.25), (0.25, 0.125), (0.125, 0.125)]
    places = [(x, y, 0.25 + 0.06) for x, y in flat]
    made = scene([*body.points, places[0]], top, springs=body.springs, stiffness=0.0)
    for place, found in zip(places, forces(made, places), strict=True):
        assert found[-1] == pytest.approx([0.0, 0.0, STIFF * 0.04], abs=ROUNDING), place


def falling(d, **changes):
    """A point hits a row of loose masses, off its middle, and leaves again."""
    if d == 2:
        points = [*EDGE, [0.3, 0.15]]
        return scene(points, UP, [[0.0, 0.0], [0.1, 0.2], [0.3, -0.9]], mass=[1.0, 1.5, 0.7], **changes)
    points = [*TRIANGLE, [0.2, 0.3, 0.15]]
    velocity = [[0.0, 0.0, 0.0], [0.1, 0.0, 0.2], [0.0, 0.0, 0.0], [0.2, -0.1, -0.9]]
    return scene(points, [[0, 1, 2]], velocity, mass=[1.0, 1.5, 1.2, 0.7], **changes)


@pytest.mark.parametrize("d", [2, 3])
def test_momentum_and_angular_momentum_stay(d):
    with ds.Simulation(ds.Problem(falling(d), steps=400, tune=()), precision="f64", executor="staged") as sim:
        rollout = sim.rollout({})
    assert rollout.velocity[-1][-1][-1] - rollout.velocity[0][-1][-1] > 0.5  # it met the others
    for each in (rollout.momentum, rollout.angular_momentum):
        assert np.ptp(each, axis=0) == pytest.approx(0.0, abs=1e-12)


def test_energy_is_given_back_without_damping_and_lost_with_it():
    left = {}
    for damping in (0.0, 0.3):
        law = ds.SelfContact(thickness=THICK, stiffness=STIFF, damping=damping)
        made = falling(2, self_contact=law)
        with ds.Simulation(ds.Problem(made, steps=600, tune=()), precision="f64", executor="staged") as sim:
            energy = sim.rollout({}).energy
        left[damping] = energy[-1] / energy[0]
    assert left[0.0] == pytest.approx(1.0, abs=2e-3)  # first order in the step
    assert left[0.3] < 0.97


@pytest.mark.parametrize("d", [2, 3])
def test_gradients_agree_with_differences(d):
    """Of a whole collision; of every number in every executor they do in `tests/test_conformance.py`."""
    goal = ds.ReachTarget(np.full(d, 0.4), point=d)
    problem = ds.Problem(falling(d), None, goal, steps=150, tune=("scene.*",))
    with ds.Simulation(problem, precision="f64", executor="staged") as sim:
        report = ds.check_gradients(sim, sim.params(seed=0))
    assert report.passed, report


# Bodies


def claw(**changes):
    """An upright U that is thrown at itself: its arms swing together."""
    filled = np.ones((5, 4), dtype=bool)
    filled[1:4, 1:] = False
    body = ds.grid(filled, spacing=0.1)
    arms = np.clip(body.points[:, 1] - 0.1, 0.0, None) * np.sign(0.25 - body.points[:, 0])
    velocity = np.stack([25.0 * arms, 0.0 * arms], axis=1)
    given = {"stiffness": 1500.0, "spring_damping": 1.0, "mass": 0.2, "gravity": (0.0, 0.0), "dt": 1e-3}
    return ds.MassSpring(body, initial_velocity=velocity, **given, **changes)


def gap_of(made):
    """How far apart the tips of the two arms ever are, at least [m]; negative where they crossed."""
    with ds.Simulation(ds.Problem(made, steps=300, tune=()), precision="f64", executor="staged") as sim:
        position = sim.rollout({}).position
    start = made.points
    left = np.flatnonzero((start[:, 1] > 0.15) & np.isclose(start[:, 0], 0.1))
    right = np.flatnonzero((start[:, 1] > 0.15) & np.isclose(start[:, 0], 0.4))
    return float((position[:, right, 0].min(axis=1) - position[:, left, 0].max(axis=1)).min())


def test_arms_that_swing_together_cross_without_contact_and_not_with_it():
    assert gap_of(claw()) < -0.05
    assert gap_of(claw(self_contact=ds.SelfContact(thickness=0.04, stiffness=4000.0, damping=0.2))) > 0.0


def test_a_body_at_rest_does_not_touch_itself():
    body = ds.grid((3, 2), spacing=0.1)
    touching = ds.MassSpring(body, gravity=(0.0, 0.0), self_contact=ds.SelfContact(thickness=0.05))
    assert np.array_equal(forces(touching), forces(ds.MassSpring(body, gravity=(0.0, 0.0))))


def test_defaults_come_from_the_body():
    body = ds.grid((3, 2), spacing=0.2)
    law = ds.MassSpring(body, stiffness=700.0, self_contact=ds.SelfContact()).self_contact
    assert (law.thickness, law.stiffness, law.damping, law.room) == (pytest.approx(0.05), 700.0, 0.0, 4)
    assert ds.MassSpring(ds.grid((1, 1, 1)), self_contact=ds.SelfContact()).self_contact.room == 12


def test_too_little_room_is_said_in_words():
    law = ds.SelfContact(thickness=0.3, stiffness=1.0, room=2)
    row = [[0.1 * k, 0.0] for k in range(6)]
    made = scene([*row, [0.25, 0.06]], [[k + 1, k] for k in range(5)], self_contact=law)
    words = r"near to 5 facets .* room for 2; SelfContact\(room=7\)"
    with pytest.raises(CapacityError, match=words):
        forces(made)
