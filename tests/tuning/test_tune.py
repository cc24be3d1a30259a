"""The loop, on simulations of a few lines of NumPy: what it keeps, when it stops, what it shows."""

from __future__ import annotations

import dataclasses
import json
import math
import os
import signal
import threading
import time

import numpy as np
import pytest

from diffsim.errors import DivergenceError, InputError
from diffsim.tuning import SGD, Adam, PiecewiseConstant, Run, load_history, tune
from diffsim.tuning.result import Snapshots


class Bounds:
    """A problem that has only bounds."""

    def __init__(self, **limits):
        self.given = limits

    def limits(self, name):
        return self.given.get(name, (-math.inf, math.inf))

    def to_dict(self):
        return {"type": "Bounds"}


class Bowl:
    """The loss (x - 3)^2 + |y|^2, from x = 0 and y = (1, -1)."""

    shared, envs = True, 1

    def __init__(self, **limits):
        self.problem = Bounds(**limits)
        self.asked = []

    def params(self, seed=0):
        return {"x": np.array(0.0), "y": np.array([1.0, -1.0])}

    def value_and_grad(self, params):
        self.asked.append({name: value.copy() for name, value in params.items()})
        return self.answer(params["x"], params["y"])

    def answer(self, x, y):
        return float((x - 3.0) ** 2 + (y**2).sum()), {"x": 2.0 * (x - 3.0), "y": 2.0 * y}


class Cliff(Bowl):
    """The bowl, not finite beyond x = 2; ``how`` says in which way."""

    def __init__(self, how, edge=2.0, **limits):
        super().__init__(**limits)
        self.how, self.edge = how, edge

    def answer(self, x, y):
        loss, grad = super().answer(x, y)
        if x <= self.edge:
            return loss, grad
        if self.how == "raises":
            raise DivergenceError("velocity of env 0 is inf at step 9", array="velocity", env=0, step=9)
        if self.how == "loss":
            return math.nan, grad
        return loss, {**grad, "y": np.array([0.0, math.inf])}


def quiet(sim, **settings):
    return tune(sim, **{"progress": False, **settings})


def test_gradient_descent_on_a_bowl_is_the_closed_form():
    result = quiet(Bowl(), optimizer=SGD(0.1), iterations=5)
    # each step shortens the distance to the minimum to 1 - 2 * 0.1 of what it was
    losses = [0.8 ** (2 * k) * (9.0 + 2.0) for k in range(5)]
    np.testing.assert_allclose([record["loss"] for record in result.history], losses, rtol=1e-13)
    np.testing.assert_allclose(result.best_params["x"], 3.0 * (1.0 - 0.8**4), rtol=1e-13)
    norms = [2.0 * math.sqrt(loss) for loss in losses]
    np.testing.assert_allclose([record["gradient_norm"] for record in result.history], norms, rtol=1e-13)
    assert [record["iteration"] for record in result.history] == [0, 1, 2, 3, 4]
    assert [record["learning_rate"] for record in result.history] == [0.1] * 5
    assert result.stopped == "all 5 iterations are done"
    assert result.best_params["x"].shape == ()


def test_adam_finds_the_bottom_and_the_seed_sets_the_start():
    class Seeded(Bowl):
        def params(self, seed=0):
            return {"x": np.array(float(seed)), "y": np.zeros(2)}

    sim = Seeded()
    result = quiet(sim, optimizer=Adam(0.1), iterations=300, seed=5)
    assert sim.asked[0]["x"] == 5.0
    assert result.best_loss < 1e-6


def test_best_is_what_was_evaluated_not_the_step_after_it():
    sim = Bowl()
    result = quiet(sim, optimizer=SGD(PiecewiseConstant((0.5, 0.9), (1,))), iterations=4)
    # the first step lands on the minimum, and a gradient of zero stays there: it is found at iteration 1
    assert result.best_iteration == 1
    assert result.best_loss == 0.0
    overshoot = quiet(Bowl(), optimizer=SGD(1.1), iterations=6)  # diverges slowly: distances grow by 1.2
    assert overshoot.best_iteration == 0
    assert overshoot.best_loss == 11.0
    np.testing.assert_array_equal(overshoot.best_params["y"], [1.0, -1.0])
    assert overshoot.history[-1]["best"] == 11.0
    np.testing.assert_allclose(overshoot.last_params["y"], np.array([1.0, -1.0]) * (-1.2) ** 5, rtol=1e-13)


def test_clip_limits_the_step_but_not_the_norm_that_is_reported():
    sim = Bowl()
    result = quiet(sim, optimizer=SGD(1.0), iterations=2, clip=0.5)
    moved = np.array([sim.asked[1]["x"] - 0.0, *(sim.asked[1]["y"] - [1.0, -1.0])])
    np.testing.assert_allclose(np.linalg.norm(moved), 0.5, rtol=1e-14)
    np.testing.assert_allclose(moved * 2.0 * math.sqrt(11.0) / 0.5, [6.0, -2.0, 2.0], rtol=1e-13)
    np.testing.assert_allclose(result.history[0]["gradient_norm"], 2.0 * math.sqrt(11.0), rtol=1e-14)


def test_bounds_hold_at_the_start_and_after_each_step():
    sim = Bowl(x=(0.5, 1.0), y=(-0.25, math.inf))
    result = quiet(sim, optimizer=SGD(0.1), iterations=20)
    asked = [(float(p["x"]), p["y"].min()) for p in sim.asked]
    assert asked[0] == (0.5, -0.25)
    assert max(x for x, _ in asked) == 1.0
    assert min(y for _, y in asked) == -0.25
    assert result.best_params["x"] == 1.0  # the bound nearest to the minimum


@pytest.mark.parametrize("how", ["loss", "gradient", "raises"])
def test_a_divergent_step_is_taken_back_and_shortened(how):
    sim = Cliff(how)
    result = quiet(sim, optimizer=SGD(0.3), iterations=40)
    rejected = [record["iteration"] for record in result.history if "rejected" in record]
    beyond = [k for k, params in enumerate(sim.asked) if params["x"] > 2.0]
    assert rejected == beyond
    assert beyond[0] == 2  # x = 0, 1.8, 2.52
    np.testing.assert_allclose(sim.asked[2]["x"], 2.52, rtol=1e-13)
    np.testing.assert_allclose(sim.asked[3]["x"], 1.8 + 0.15 * 2.4, rtol=1e-13)  # half the step, from 1.8
    np.testing.assert_allclose(sim.asked[4]["x"], 1.8 + 0.075 * 2.4, rtol=1e-13)
    assert result.history[2]["learning_rate"] == pytest.approx(0.15)
    assert math.isnan(result.history[2]["loss"])
    reason = {
        "loss": "the loss is nan",
        "gradient": "the gradient of y is inf",
        "raises": "velocity of env 0 is inf at step 9",
    }
    assert result.history[2]["rejected"] == reason[how]
    assert result.best_params["x"] <= 2.0
    assert result.last_params["x"] <= 2.0
    assert result.best_loss == min(r["loss"] for r in result.history if "rejected" not in r)
    assert result.best_params["x"] > 1.99  # it creeps up to the edge


def test_a_rejected_step_leaves_the_optimizer_as_it_was():
    """The step after a rejection is Adam's, from the accepted state, at half the rate."""
    sim = Cliff("raises", edge=0.9)
    quiet(sim, optimizer=Adam(0.5), iterations=5)
    params, optimizer = Bowl().params(), Adam(0.5)
    state = optimizer.start(params)
    for _ in range(2):  # x = 0, 0.5 and the rejected 1.0
        kept, kept_state = params, state
        params, state = optimizer.step(params, Bowl().answer(params["x"], params["y"])[1], state)
    np.testing.assert_allclose(sim.asked[2]["x"], params["x"], rtol=1e-14)
    grad = Bowl().answer(kept["x"], kept["y"])[1]
    shorter, after = dataclasses.replace(optimizer, learning_rate=0.25).step(kept, grad, kept_state)
    np.testing.assert_allclose(sim.asked[3]["x"], shorter["x"], rtol=1e-14)
    grad = Bowl().answer(shorter["x"], shorter["y"])[1]
    recovered, _ = dataclasses.replace(optimizer, learning_rate=0.25 * 1.1).step(shorter, grad, after)
    np.testing.assert_allclose(sim.asked[4]["x"], recovered["x"], rtol=1e-14)


def test_the_step_recovers_to_its_full_length():
    class Once(Bowl):
        def answer(self, x, y):
            loss, grad = super().answer(x, y)
            return (math.nan if len(self.asked) == 3 else loss), grad

    rates = [record["learning_rate"] for record in quiet(Once(), optimizer=SGD(0.01), iterations=20).history]
    assert rates[:2] == [0.01, 0.01]
    assert rates[2] == 0.005
    np.testing.assert_allclose(rates[3:9], 0.005 * 1.1 ** np.arange(1, 7), rtol=1e-13)
    assert rates[10:] == [0.01] * 10


@pytest.mark.parametrize("how", ["loss", "gradient", "raises"])
def test_divergence_at_the_very_start_is_raised(how):
    with pytest.raises(DivergenceError) as caught:
        quiet(Cliff(how, edge=-1.0))
    assert caught.value.array == {"loss": "loss", "gradient": "gradient of y", "raises": "velocity"}[how]


def test_twenty_rejections_in_a_row_end_the_run_with_what_was_earned():
    sim = Cliff("raises", edge=0.0)  # the start itself is the only finite point in the direction of descent
    result = quiet(sim, optimizer=SGD(0.1), iterations=1000)
    assert result.stopped == "20 steps in a row were rejected"
    assert len(result.history) == 21
    assert result.best_loss == 11.0
    np.testing.assert_array_equal(result.last_params["x"], 0.0)


def test_other_exceptions_pass_but_leave_the_files(tmp_path):
    class Broken(Bowl):
        def answer(self, x, y):
            if len(self.asked) == 4:
                raise RuntimeError("out of memory")
            return super().answer(x, y)

    with pytest.raises(RuntimeError, match="out of memory"):
        quiet(Broken(), optimizer=SGD(0.1), run=Run(tmp_path))
    assert len(load_history(tmp_path)) == 3
    with np.load(tmp_path / "params.npz") as held:
        np.testing.assert_allclose(held["best/x"], 3.0 * (1.0 - 0.8**2), rtol=1e-13)


def test_early_stops():
    result = quiet(Bowl(), optimizer=SGD(0.1), iterations=1000, target=1.0)
    assert result.stopped == "the target of 1 is reached"
    assert result.best_loss <= 1.0 < result.history[-2]["loss"]
    result = quiet(Bowl(), optimizer=SGD(1.1), iterations=1000, patience=7)
    assert result.stopped == "no new best in 7 iterations"
    assert len(result.history) == 8

    class Slow(Bowl):
        def answer(self, x, y):
            time.sleep(0.02)
            return super().answer(x, y)

    result = quiet(Slow(), iterations=1000, time_limit=0.1)
    assert result.stopped == "the time limit of 0.1 s is reached"
    assert 2 <= len(result.history) <= 6


def test_callback_sees_copies_and_can_stop():
    seen = []

    def callback(record, params):
        seen.append((record["iteration"], float(params["x"])))
        record["loss"] = -1.0
        params["x"][...] = 77.0
        return len(seen) == 3

    result = quiet(Bowl(), optimizer=SGD(0.1), iterations=50, callback=callback)
    np.testing.assert_allclose(seen, [(0, 0.0), (1, 0.6), (2, 1.08)], rtol=1e-13)
    assert result.stopped == "the callback said so"
    np.testing.assert_allclose(result.last_params["x"], 1.08, rtol=1e-13)
    assert result.history[2]["loss"] > 0.0


def test_given_params_and_going_on():
    once = quiet(Bowl(), optimizer=SGD(0.1), iterations=3)
    sim = Bowl()
    quiet(sim, optimizer=SGD(0.1), iterations=2, params=once.last_params)
    np.testing.assert_allclose(sim.asked[1]["x"], 3.0 * (1.0 - 0.8**3), rtol=1e-13)


def test_snapshots_of_a_long_run():
    result = quiet(Bowl(), optimizer=SGD(0.01), iterations=1000)
    iterations = [iteration for iteration, _ in result.snapshots]
    assert iterations[0] == 0
    assert result.best_iteration in iterations
    assert iterations == sorted(set(iterations))
    assert 17 <= len(iterations) <= 34
    # spread evenly: 1000 iterations in strides of 32
    assert max(np.diff(iterations)) == 32
    for iteration, params in result.snapshots:
        np.testing.assert_allclose(params["x"], 3.0 * (1.0 - 0.98**iteration), rtol=1e-12, atol=1e-15)


def test_snapshots_keep_all_of_a_short_run_and_always_the_first():
    snapshots = Snapshots(4)
    for iteration in range(3, 8):
        snapshots.offer(iteration, str(iteration))
    assert snapshots.all() == [(3, "3"), (4, "4"), (6, "6")]
    assert len(quiet(Bowl(), iterations=10).snapshots) == 10


def test_fewer_snapshots_are_kept_of_large_arrays():
    """They are in each saved state, with copies for the optimizer: of two million bytes each four, and the first."""
    snapshots = Snapshots()
    for iteration in range(1, 100):
        snapshots.offer(iteration, np.full(2**18, float(iteration)))
    assert [iteration for iteration, _ in snapshots.all()] == [1, 32, 64, 96]
    again = Snapshots()
    again.restore(snapshots.saved())
    again.offer(128, np.full(2**18, 128.0))
    assert [iteration for iteration, _ in again.all()] == [1, 32, 64, 96, 128]


def test_a_keyboard_interrupt_keeps_the_best():
    class Interrupted(Bowl):
        def answer(self, x, y):
            if len(self.asked) == 4:
                raise KeyboardInterrupt
            return super().answer(x, y)

    result = quiet(Interrupted(), optimizer=SGD(0.1))
    assert result.stopped == "interrupted"
    assert len(result.history) == 3
    assert result.best_iteration == 2


def test_ctrl_c_finishes_the_iteration_in_progress():
    class Pressed(Bowl):
        def answer(self, x, y):
            if len(self.asked) == 4:
                os.kill(os.getpid(), signal.SIGINT)
            return super().answer(x, y)

    # A process in the background may have been started to ignore it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        result = quiet(Pressed(), optimizer=SGD(0.1))
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    finally:
        signal.signal(signal.SIGINT, before)
    assert result.stopped == "interrupted"
    assert len(result.history) == 4
    assert result.best_iteration == 3


def test_works_outside_the_main_thread():
    found = []
    thread = threading.Thread(target=lambda: found.append(quiet(Bowl(), iterations=3)))
    thread.start()
    thread.join()
    assert len(found[0].history) == 3


BAD = [
    ({"iterations": 0}, r"tune\(iterations\) is 0, but it must be a whole number of at least 1"),
    ({"clip": 0.0}, r"tune\(clip\) is 0, but it must be greater than 0"),
    ({"patience": 0}, r"tune\(patience\) is 0"),
    ({"time_limit": -1.0}, r"tune\(time_limit\) is -1"),
    ({"target": "low"}, r"tune\(target\) takes numbers"),
    ({"optimizer": "adam"}, r"tune\(optimizer\) is 'adam', but an optimizer"),
    ({"run": "outputs"}, r"tune\(run\) is 'outputs', but a diffsim.Run"),
    ({"params": {"x": np.array(1.0)}}, r"tune\(params\) holds x, but exactly x, y is needed"),
    ({"params": {"x": np.array(1.0), "y": np.zeros(3)}}, r"tune\(params\)\['y'\] has shape \(3,\)"),
    ({"params": {"x": np.array(1.0), "y": np.array([0.0, np.nan])}}, r"tune\(params\) must be finite"),
]


@pytest.mark.parametrize(("settings", "message"), BAD)
def test_bad_arguments_are_named_before_anything_runs(settings, message):
    sim = Bowl()
    with pytest.raises(InputError, match=message):
        quiet(sim, **settings)
    assert sim.asked == []


def test_nothing_to_tune_is_said():
    class Empty(Bowl):
        def params(self, seed=0):
            return {}

    with pytest.raises(InputError, match="nothing to tune"):
        quiet(Empty())


def test_result_prints_in_one_line():
    result = quiet(Bowl(), optimizer=SGD(0.5), iterations=3)
    assert repr(result) == (
        "Result(best_loss=0, best_iteration=1, best_copy=0, iterations=3, stopped='all 3 iterations are done')"
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        result.best_loss = 1.0
    json.dumps(result.history)  # plain numbers only
