"""What objectives measure, against the formulas in NumPy; how they add up; and what they refuse."""

import numpy as np
import pytest

import diffsim as ds
from diffsim.objectives import Sum
from diffsim.spec import Spec

STEPS, DT = 8, 0.02

ROUNDING = 1e-13  # relative: the same sums of a few dozen numbers in another order


def scene(dimension=2, muscles=2):
    points = np.array([[0.0, 0.1, 0.0], [1.0, 0.0, 0.1], [0.4, 0.9, 0.2]])[:, :dimension]
    return ds.MassSpring(
        points=points,
        springs=[[0, 1], [1, 2], [0, 2]],
        stiffness=40.0,
        actuation=np.where(np.arange(3) < muscles, 0.3, 0.0),
        initial_velocity=np.random.default_rng(5).normal(size=points.shape),
        dt=DT,
    )


def measured(objective, dimension=2):
    """The loss, and the rollout that it is of."""
    problem = ds.Problem(scene(dimension), ds.Sine(phase=0.5), objective, steps=STEPS)
    with ds.Simulation(problem, precision="f64") as simulation:
        params = simulation.params()
        rollout = simulation.rollout(params)
        assert rollout.loss == simulation.value(params)
        return rollout.loss, rollout


def centre(rollout):
    return rollout.position[-1].mean(axis=0)


def gone(rollout):
    return rollout.position[-1] - rollout.position[0]


def there_and_down():
    return np.concatenate([np.linspace((0.0, 0.0), (0.8, 0.4), 5), np.linspace((0.8, 0.4), (0.8, 0.0), 5)[1:]])


FORMULAS = {
    "travel": (ds.Travel(), 2, lambda r: -gone(r).mean(axis=0)[0]),
    "travel of a point": (
        ds.Travel(direction=(3.0, -4.0), point=2, weight=0.5),
        2,
        lambda r: -0.5 * (gone(r)[2] @ [3.0, -4.0]),
    ),
    "travel from an origin": (
        ds.Travel(direction=(0.0, 1.0, 2.0), origin=(5.0, 6.0, 7.0)),
        3,
        lambda r: -(centre(r) - [5.0, 6.0, 7.0]) @ [0.0, 1.0, 2.0],
    ),
    "reach": (ds.ReachTarget((2.0, -1.0), weight=3.0), 2, lambda r: 3.0 * np.sum((centre(r) - [2.0, -1.0]) ** 2)),
    "reach with a point": (
        ds.ReachTarget((2.0, -1.0, 0.5), point=0),
        3,
        lambda r: np.sum((r.position[-1, 0] - [2.0, -1.0, 0.5]) ** 2),
    ),
    "follow": (
        ds.Follow([(0.0, 0.0), (0.8, 0.4), (0.8, 0.0)], weight=2.0),  # 4 of 8 steps each
        2,
        lambda r: 2.0 * np.mean(np.sum((r.position.mean(axis=1) - there_and_down()) ** 2, axis=1)),
    ),
    "follow with a point": (
        ds.Follow([(0.0, 0.0, 1.0), (0.8, 0.4, 0.0)], point=2),
        3,
        lambda r: np.mean(np.sum((r.position[:, 2] - np.linspace((0, 0, 1), (0.8, 0.4, 0), 9)) ** 2, axis=1)),
    ),
    "effort": (ds.Effort(0.7), 2, lambda r: 0.7 * DT * np.sum(r.actuation**2)),
    "a sum": (
        ds.Travel(weight=2.0) + 0.1 * (ds.Effort() + ds.ReachTarget((0.0, 0.0), point=1)) + ds.Travel(point=0) * -3,
        2,
        lambda r: (
            -2.0 * gone(r).mean(axis=0)[0]
            + 0.1 * DT * np.sum(r.actuation**2)
            + 0.1 * np.sum(r.position[-1, 1] ** 2)
            + 3.0 * gone(r)[0, 0]
        ),
    ),
}


@pytest.mark.parametrize("case", FORMULAS)
def test_values(case):
    objective, dimension, formula = FORMULAS[case]
    loss, rollout = measured(objective, dimension)
    # A way is a difference of coordinates of order one, so its rounding is of that order.
    assert loss == pytest.approx(formula(rollout), rel=ROUNDING, abs=ROUNDING)


@pytest.mark.parametrize("case", FORMULAS)
def test_terms_add_up_to_the_loss_and_say_it_in_words(case):
    """They are worked out in NumPy from the trajectory, each on its own."""
    objective, dimension, _ = FORMULAS[case]
    loss, rollout = measured(objective, dimension)
    assert sum(term.loss for term in rollout.terms) == pytest.approx(loss, rel=ROUNDING, abs=ROUNDING)
    assert [term.name for term in rollout.terms] == [name for name, _, _ in objective._placed()]
    assert all(term.words for term in rollout.terms)
    assert rollout.words == ", ".join(term.words for term in rollout.terms)


def test_what_stays_where_it_is_has_travelled_nothing():
    rest = ds.MassSpring([[3.0, 4.0], [5.0, 4.0]], gravity=(0.0, 0.0))
    with ds.Simulation(ds.Problem(rest, objective=ds.Travel(), steps=5, tune=("scene.mass",)), precision="f64") as sim:
        assert sim.value(sim.params()) == 0.0
        assert sim.rollout(sim.params()).words == "travelled 0.00 m"


def test_travel_from_a_start_that_is_tuned_is_the_same_from_everywhere():
    """Shifting a body that flies freely shifts start and end alike: no slope. From an origin of its own the slope is
    that of the end: -1 along the direction for each of n points, shared among them."""
    free = ds.MassSpring([[0.0, 1.0], [1.0, 1.0]], initial_velocity=(2.0, 0.0), gravity=(0.0, 0.0))
    for origin, slope in ((None, 0.0), ((0.0, 0.0), -0.5)):
        goal = ds.Travel(origin=origin)
        with ds.Simulation(
            ds.Problem(free, objective=goal, steps=5, tune=("scene.initial_position",)), precision="f64"
        ) as sim:
            _, grad = sim.value_and_grad(sim.params())
        np.testing.assert_allclose(grad["scene.initial_position"], [[slope, 0.0]] * 2, rtol=0, atol=ROUNDING)


def test_words_of_each():
    said = [
        (ds.Travel(), (-0.5, "travelled 0.50 m")),
        (ds.Travel(direction=(3.0, 4.0)), (-2.5, "travelled 0.50 m")),
        (ds.Travel(origin=(1.0, 0.0)), (-0.5, "0.50 m from its origin")),
        (ds.ReachTarget((1.0, 0.0)), (0.04, "0.2 m from the target")),
        (ds.Effort(3.0), (0.125, "effort 0.125 s")),
        (ds.MatchTrajectory(samples(2, 3)), (0.01, "0.1 m from what was measured (root mean square)")),
    ]
    for objective, (value, words) in said:
        numbers = {f"objective.{name}": number for name, number in objective.numbers(scene()).items()}
        (term,) = objective.terms_of(objective.weight * value, numbers)
        assert term.words == words
        assert term.loss == pytest.approx(objective.weight * value)


def samples(rows, columns, dimension=2, missing=()):
    found = np.random.default_rng(3).normal(size=(rows, columns, dimension))
    for row, column, coordinate in missing:
        found[row, column, coordinate] = np.nan
    return found


MASK = np.array([[True, True, False], [False, True, True]])

MATCHES = {
    "every point at every step": {"positions": samples(STEPS + 1, 3)},
    "the first few steps": {"positions": samples(3, 3)},
    "some steps": {"positions": samples(3, 3), "steps": (0, 3, STEPS)},  # the initial state and the last row
    "some points": {"positions": samples(2, 2), "steps": (1, 5), "points": (2, 0)},
    "one point twice": {"positions": samples(2, 2), "points": (1, 1)},
    "missing samples": {"positions": samples(3, 3, missing=[(0, 1, 0), (2, 0, 1), (2, 0, 0)]), "steps": (2, 4, 6)},
    "a mask": {"positions": samples(2, 3), "mask": MASK, "weight": 2.5},
    "a mask and missing samples": {"positions": samples(2, 3, missing=[(0, 0, 1), (0, 2, 0)]), "mask": MASK},
    "three dimensions": {"positions": samples(2, 3, 3, missing=[(1, 1, 2)]), "steps": (0, 7)},
}


@pytest.mark.parametrize("case", MATCHES)
def test_match_trajectory(case):
    given = MATCHES[case]
    objective = ds.MatchTrajectory(**given)
    loss, rollout = measured(objective, given["positions"].shape[2])
    m, k, _ = given["positions"].shape
    steps, points = given.get("steps", range(m)), given.get("points", range(k))
    apart = rollout.position[np.ix_(list(steps), list(points))] - given["positions"]
    present = ~np.isnan(apart).any(axis=2) & given.get("mask", np.ones((m, k), bool))
    expected = given.get("weight", 1.0) * np.mean(np.sum(apart[present] ** 2, axis=1))
    assert loss == pytest.approx(expected, rel=ROUNDING)


def test_a_trajectory_matches_itself_exactly():
    _, rollout = measured(ds.Travel())
    assert measured(ds.MatchTrajectory(rollout.position))[0] == 0.0


def test_missing_samples_have_no_gradient():
    positions = samples(2, 3, missing=[(0, 1, 0)])
    problem = ds.Problem(
        scene(), objective=ds.MatchTrajectory(positions, mask=MASK), steps=3, tune=("objective.positions",)
    )
    with ds.Simulation(problem, precision="f64") as simulation:
        params = simulation.params()
        _, grad = simulation.value_and_grad(params)
        rollout = simulation.rollout(params)
    present = MASK & ~np.isnan(positions).any(axis=2)
    expected = np.where(present[..., None], 2.0 * (positions - rollout.position[:2]) / present.sum(), 0.0)
    # Slopes of single squares, to rounding of numbers of order one; the missing ones are zero and not nan.
    assert np.abs(grad["objective.positions"] - expected).max() <= 1e-14
    assert not np.any(grad["objective.positions"][~present])


# Sums


def test_terms_are_flat_and_named():
    total = ds.Travel() + (ds.Effort(0.5) + ds.Travel(point=0)) + ds.Travel(point=1)
    assert [type(term).__name__ for term in total.terms] == ["Travel", "Effort", "Travel", "Travel"]
    names = list(total.numbers(scene()))
    assert [name for name in names if name.endswith("weight")] == [
        "travel.weight",
        "effort.weight",
        "travel_2.weight",
        "travel_3.weight",
    ]
    assert total.reads == {"centre"}


def test_factors_scale_the_weights():
    assert (2.0 * ds.Effort(0.5)).weight == (ds.Effort(0.5) * 2).weight == 1.0
    scaled = 3.0 * (ds.Effort(0.5) + ds.Travel(weight=2.0))
    assert isinstance(scaled, Sum)
    assert [term.weight for term in scaled.terms] == [1.5, 6.0]
    assert 2.0 * ds.Travel(point=1) == ds.Travel(point=1, weight=2.0)


def test_the_parts_are_left_as_they_were():
    effort = ds.Effort(0.5)
    _ = 2.0 * effort + ds.Travel()
    assert effort == ds.Effort(0.5)


@pytest.mark.parametrize("other", [1.0, None, "effort", ds.Sine()], ids=["number", "none", "text", "controller"])
def test_only_objectives_add_up(other):
    with pytest.raises(TypeError, match="unsupported operand"):
        ds.Effort() + other


@pytest.mark.parametrize(
    "objective", [f[0] for f in FORMULAS.values()] + [ds.MatchTrajectory(**MATCHES["a mask"])], ids=repr
)
def test_json_brings_an_equal_objective_back(objective):
    assert Spec.from_dict(objective.to_dict()) == objective


def test_a_masked_sample_is_a_missing_one():
    hidden = samples(2, 3)
    hidden[~MASK] = np.nan
    assert ds.MatchTrajectory(samples(2, 3), mask=MASK) == ds.MatchTrajectory(hidden)


def test_samples_belong_to_the_objective():
    positions = samples(2, 3)
    objective = ds.MatchTrajectory(positions)
    positions[:] = 0.0
    assert np.array_equal(objective.positions, samples(2, 3))
    with pytest.raises(ValueError, match="read-only"):
        objective.positions[0, 0, 0] = 1.0


# What is refused


def used(objective, **changes):
    return ds.Problem(**{"scene": scene(), "objective": objective, "steps": STEPS, **changes})


BAD = {
    "travel: dimension": (
        lambda: used(ds.Travel((1.0, 0.0, 0.0))),
        "Travel.direction of a scene in 2 dimensions has shape (3,)",
    ),
    "travel: direction": (
        lambda: ds.Travel(direction=1.0),
        "Travel.direction has shape (), but (2,) or (3,) is needed",
    ),
    "travel: origin": (lambda: ds.Travel(origin=(0.0, np.inf)), "Travel.origin[1] is inf"),
    "travel: an absent point": (
        lambda: used(ds.Travel(point=3)),
        "Travel.point is 3, but the scene has 3 points (0 to 2)",
    ),
    "travel: a negative point": (
        lambda: ds.Travel(point=-1),
        "Travel.point is -1, but it must be a whole number of at least 0",
    ),
    "travel: weight": (lambda: ds.Travel(weight=np.nan), "Travel.weight is nan"),
    "reach: dimension": (
        lambda: used(ds.ReachTarget((1.0, 0.0, 0.0))),
        "ReachTarget.target of a scene in 2 dimensions",
    ),
    "reach: an absent point": (
        lambda: used(ds.ReachTarget((1.0, 0.0), point=9)),
        "ReachTarget.point is 9, but the scene has 3",
    ),
    "reach: no target": (lambda: ds.ReachTarget(None), "ReachTarget.target takes numbers"),
    "match: a flat list": (
        lambda: ds.MatchTrajectory(np.zeros((3, 2))),
        "has shape (3, 2), but (m, k, 2 or 3) is needed",
    ),
    "match: nothing": (lambda: ds.MatchTrajectory(np.zeros((0, 3, 2))), "has shape (0, 3, 2)"),
    "match: all missing": (
        lambda: ds.MatchTrajectory(np.full((1, 1, 2), np.nan)),
        "no measurement: every sample is NaN or masked",
    ),
    "match: all masked": (
        lambda: ds.MatchTrajectory(samples(2, 3), mask=np.zeros((2, 3), bool)),
        "every sample is NaN or masked",
    ),
    "match: infinite": (lambda: ds.MatchTrajectory([[[0.0, np.inf]]]), "MatchTrajectory.positions[0, 0, 1] is inf"),
    "match: the mask's shape": (
        lambda: ds.MatchTrajectory(samples(2, 3), mask=np.ones(3, bool)),
        "MatchTrajectory.mask",
    ),
    "match: steps that fall": (
        lambda: ds.MatchTrajectory(samples(2, 3), steps=(3, 1)),
        "steps must increase from row to row",
    ),
    "match: a step twice": (
        lambda: ds.MatchTrajectory(samples(2, 3), steps=(1, 1)),
        "steps must increase from row to row",
    ),
    "match: too few steps": (
        lambda: ds.MatchTrajectory(samples(2, 3), steps=(1,)),
        "MatchTrajectory.steps has shape (1,)",
    ),
    "match: half a step": (
        lambda: ds.MatchTrajectory(samples(1, 3), steps=(0.5,)),
        "steps[0] is 0.5, but it must be a whole number",
    ),
    "match: after the end": (
        lambda: used(ds.MatchTrajectory(samples(2, 3), steps=(0, 9))),
        "MatchTrajectory.steps of a rollout of 8 steps[1] is 9, but it must be at most 8",
    ),
    "match: absent points": (
        lambda: used(ds.MatchTrajectory(samples(1, 2), points=(0, 3))),
        "MatchTrajectory.points of a scene with 3 points[1] is 3, but it must be at most 2",
    ),
    "match: more points than there are": (lambda: used(ds.MatchTrajectory(samples(1, 4))), "must be at most 2"),
    "match: dimension": (lambda: used(ds.MatchTrajectory(samples(1, 3, 3))), "are in 3 dimensions, the scene in 2"),
    "effort: nothing to drive": (
        lambda: used(ds.Effort(), scene=scene(muscles=0)),
        "Effort needs actuators, but the scene has none",
    ),
    "effort: weight": (lambda: ds.Effort(weight="much"), "Effort.weight takes numbers"),
    "a sum with a wrong part": (lambda: used(ds.Effort() + ds.Travel(point=3)), "Travel.point is 3"),
    "a sum of something else": (lambda: Sum((ds.Effort(), 3.0)), "Sum.terms[1] is 3.0, but an objective is needed"),
    "a factor of nan": (lambda: ds.Effort() * np.nan, "the factor of Effort is nan"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_named(case):
    make, said = BAD[case]
    with pytest.raises(ds.InputError) as caught:
        make()
    assert said in str(caught.value)
