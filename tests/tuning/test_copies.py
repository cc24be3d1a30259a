"""Copies with parameters of their own: tuned as if each were alone, and one that diverges harms no other."""

from __future__ import annotations

import math

import numpy as np
import pytest

from diffsim.errors import DivergenceError
from diffsim.tuning import SGD, Adam, NormalisedGradientDescent, PiecewiseConstant, tune


class Unbounded:
    """A problem without bounds."""

    def limits(self, name):
        return -math.inf, math.inf


class Copies:
    """Copy k has the loss (x - k)^2 + k, so copy 0 can get lowest; ``bad(x)`` says which are not finite."""

    shared = False

    def __init__(self, start, bad=None, raises=False):
        self.start, self.envs, self.problem = np.array(start, dtype=float), len(start), Unbounded()
        self.bad, self.raises, self.asked = bad, raises, []

    def params(self, seed=0):
        return {"x": self.start[:, None], "y": np.zeros((self.envs, 2))}

    def value_and_grad(self, params):
        x = params["x"][:, 0]
        self.asked.append(x.copy())
        k = np.arange(self.envs)
        losses, gradient = (x - k) ** 2 + k, 2.0 * (x - k)
        bad = np.zeros(self.envs, dtype=bool) if self.bad is None else self.bad(x)
        if self.raises and bad.any():
            env = int(np.argmax(bad))
            raise DivergenceError(f"env {env} diverged", array="position", env=env, step=3)
        losses[bad] = np.nan
        gradient[bad] = np.inf
        return losses, {"x": gradient[:, None], "y": np.zeros((self.envs, 2))}


def quiet(sim, **settings):
    return tune(sim, **{"progress": False, **settings})


def test_copies_are_tuned_independently_and_the_best_of_all_is_returned():
    sim = Copies([4.0, 0.5, -3.0])
    result = quiet(sim, optimizer=SGD(0.25), iterations=60)
    assert result.best_copy == 0
    assert result.best_params["x"].shape == (1,)
    assert result.best_params["y"].shape == (2,)
    assert result.best_loss == pytest.approx(0.0, abs=1e-12)
    assert result.last_params["x"].shape == (3, 1)
    np.testing.assert_allclose(result.last_params["x"][:, 0], [0.0, 1.0, 2.0], atol=1e-12)
    assert result.history[0]["losses"] == [16.0, 1.25, 27.0]
    assert result.history[0]["loss"] == 1.25
    assert result.history[0]["gradient_norm"] == 1.0  # of the copy with the lowest loss
    np.testing.assert_allclose([float(p["x"][0]) for _, p in result.snapshots[:3]], [4.0, 1.0, 0.25])


def test_the_best_copy_need_not_be_the_first():
    result = quiet(Copies([4.0, 0.5, -3.0]), iterations=1)
    assert result.best_copy == 1
    assert result.best_loss == 1.25
    assert result.best_params["x"] == [0.5]
    assert [params["x"] for _, params in result.snapshots] == [[0.5]]


def test_norms_are_per_copy():
    sim = Copies([4.0, 0.5, -3.0])
    quiet(sim, optimizer=SGD(1.0), iterations=2, clip=2.0)
    np.testing.assert_allclose(sim.asked[1], [2.0, 1.5, -1.0])
    sim = Copies([4.0, 0.5, -3.0])
    quiet(sim, optimizer=NormalisedGradientDescent(0.125), iterations=2)
    np.testing.assert_allclose(sim.asked[1], [3.875, 0.625, -2.875])


@pytest.mark.parametrize("raises", [False, True])
def test_a_copy_that_is_bad_from_the_start_is_dropped(raises):
    optimizer = Adam(0.1)  # whose state would betray a step that was counted but not taken
    sim = Copies([4.0, 100.0, 3.0], bad=lambda x: x > 50.0, raises=raises)
    result = quiet(sim, optimizer=optimizer, iterations=60)
    alone = quiet(Copies([4.0, 0.0, 3.0]), optimizer=optimizer, iterations=59 if raises else 60)
    assert result.best_copy == 0
    assert result.best_loss == alone.best_loss
    assert result.history[0]["rejected"] == f"copy 1: {'env 1 diverged' if raises else 'the loss is nan'}"
    assert not any("rejected" in record for record in result.history[1:])
    assert all(math.isnan(record["losses"][1]) for record in result.history)
    np.testing.assert_array_equal(result.last_params["x"][[0, 2]], alone.last_params["x"][[0, 2]])
    assert max(x[1] for x in sim.asked[1:]) <= 4.0  # its row follows a living copy


@pytest.mark.parametrize("raises", [False, True])
def test_a_copy_that_steps_over_a_cliff_goes_back_and_the_others_go_on(raises):
    """Copy 2 starts at -3 and wants to 2, but is not finite beyond 0."""
    optimizer = SGD(PiecewiseConstant((0.4, 0.3), (1,)))  # a copy that is only tried again keeps its old step
    sim = Copies([4.0, 0.5, -3.0], bad=lambda x: np.array([False, False, x[2] > 0.0]), raises=raises)
    result = quiet(sim, optimizer=optimizer, iterations=30)
    rejected = [record["iteration"] for record in result.history if "rejected" in record]
    assert rejected[0] == 1  # -3 + 0.8 * 5 = 1
    np.testing.assert_allclose(sim.asked[2][2], -3.0 + 0.3 * 5.0)
    free = Copies([4.0, 0.5, -3.0])
    quiet(free, optimizer=optimizer, iterations=30)
    if raises:  # an exception tells nothing of the others: they are evaluated again, at the same point
        np.testing.assert_array_equal(sim.asked[2][:2], sim.asked[1][:2])
        np.testing.assert_allclose(sim.asked[3][:2], free.asked[2][:2], rtol=1e-13)
    else:
        np.testing.assert_array_equal([x[:2] for x in sim.asked], [x[:2] for x in free.asked])
    assert result.best_loss == pytest.approx(0.0, abs=1e-6)
    assert result.last_params["x"][2, 0] <= 0.0


def test_an_exception_in_a_dropped_row_is_blamed_on_the_copy_that_it_follows():
    """Copy 0 is dropped; then copy 1 steps over a cliff at 0.5, and row 0 with it, which is found first."""
    sim = Copies([100.0, -3.0], bad=lambda x: x > 0.5, raises=True)
    result = quiet(sim, optimizer=SGD(0.45), iterations=60)
    assert result.history[0]["rejected"] == "copy 0: env 0 diverged"
    assert result.history[2]["rejected"] == "copy 1: env 0 diverged"  # -3 + 0.9 * 4 = 0.6
    assert result.best_copy == 1
    assert 1.25 <= result.best_loss < 1.26  # at the edge


def test_a_copy_rejected_twenty_times_is_dropped_and_the_others_finish():
    sim = Copies([4.0, 0.5, -3.0], bad=lambda x: np.array([False, False, x[2] > -3.0]))
    result = quiet(sim, optimizer=SGD(0.05), iterations=50)
    rejected = [record["iteration"] for record in result.history if "rejected" in record]
    assert rejected == list(range(1, 21))
    assert len(result.history) == 50
    assert result.last_params["x"][2, 0] == -3.0
    every = quiet(Copies([1.0, 2.0], bad=lambda x: x < [1.0, 2.0]), optimizer=SGD(0.05), iterations=50)
    assert every.stopped == "20 steps in a row were rejected in every copy"
    assert every.best_loss == 1.0


@pytest.mark.parametrize("raises", [False, True])
def test_all_copies_bad_raises(raises):
    with pytest.raises(DivergenceError):
        quiet(Copies([4.0, 5.0], bad=lambda x: x > 0.0, raises=raises), iterations=50)
    with pytest.raises(DivergenceError):  # ends before the second copy had its turn
        quiet(Copies([4.0, 5.0], bad=lambda x: x == 4.0, raises=True), iterations=1)
