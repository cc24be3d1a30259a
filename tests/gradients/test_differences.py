"""The judge of slopes, on functions whose slopes are known."""

import math
from collections import Counter

import numpy as np
import pytest

from diffsim.gradients.differences import RATIO, STEPS, Extrapolation, judge, noise_level

FACTORS = (1.0, 1.001, 0.999, 0.0, -1.0)
"""What a slope is multiplied by: the first is right, the others are an error of a thousandth and worse."""


# Functions of one number with their slopes at 0, drawn at random


def smooth(rng):
    """Waves of very different lengths, on a constant that is up to a hundred times as large."""
    height, phase, offset = rng.normal(size=4), rng.uniform(0.0, 6.0, 4), rng.normal() * 10 ** rng.uniform(-2, 2)
    wave = 10.0 ** rng.uniform(-2, 3, 4)
    slope = float(np.sum(height * wave * np.cos(phase)))
    return lambda t: offset + float(np.sum(height * np.sin(wave * t + phase))), slope


def noisy(rng):
    """The same with noise of 1e-15 to 1e-8, the same each time it is asked."""
    function, slope = smooth(rng)
    noise, kept = 10 ** rng.uniform(-15, -8), {}

    def value(t):
        if t not in kept:
            kept[t] = function(t) + noise * rng.normal()
        return kept[t]

    return value, slope


def far(rng):
    """The same on a constant of up to a million: rounding is 1e-10."""
    function, slope = smooth(rng)
    offset = 10 ** rng.uniform(3, 6)
    return lambda t: offset + function(t), slope


def stiff(rng):
    """A wave so short that steps of a millionth are far too large."""
    wave, phase = 10 ** rng.uniform(3, 7), rng.uniform(0.0, 6.0)
    return lambda t: 1.0 + math.sin(wave * t + phase), wave * math.cos(phase)


def bent(rng):
    """The curvature jumps somewhere near, as when a contact with time of impact switches."""
    function, slope = smooth(rng)
    at, bend = rng.choice([-1, 1]) * 10 ** rng.uniform(-11, -1), rng.normal() * 10 ** rng.uniform(-3, 3)
    return lambda t: function(t) + (bend * (t - at) ** 2 if t / at > 1.0 else 0.0), slope


def kinked_nearby(rng):
    """The slope jumps somewhere near."""
    function, slope = smooth(rng)
    at, kink = rng.choice([-1, 1]) * 10 ** rng.uniform(-11, -1), rng.normal() * 10 ** rng.uniform(-3, 1)
    return lambda t: function(t) + (kink * (t - at) if t / at > 1.0 else 0.0), slope


def jumping_nearby(rng):
    """The function jumps somewhere near."""
    function, slope = smooth(rng)
    at, jump = rng.choice([-1, 1]) * 10 ** rng.uniform(-11, -1), rng.normal() * 10 ** rng.uniform(-6, 1)
    return lambda t: function(t) + (jump if t / at > 1.0 else 0.0), slope


def logistic(rng):
    """Chaos: an error doubles in each of up to 80 steps."""
    steps, start, growth = int(rng.integers(5, 80)), rng.uniform(0.1, 0.9), rng.uniform(3.6, 4.0)

    def value(t):
        x = start * (1.0 + t)
        for _ in range(steps):
            x = growth * x * (1.0 - x)
        return x

    x, slope = start, start
    for _ in range(steps):
        slope *= growth * (1.0 - 2.0 * x)
        x = growth * x * (1.0 - x)
    return value, slope


def tent(rng):
    """Chaos made of kinks, like contacts that switch everywhere."""
    steps, start, growth = int(rng.integers(3, 60)), rng.uniform(0.1, 0.9), rng.uniform(1.3, 1.99)

    def value(t):
        x = start * (1.0 + t)
        for _ in range(steps):
            x = growth * min(x, 1.0 - x)
        return x

    x, slope = start, start
    for _ in range(steps):
        slope *= growth if x < 0.5 else -growth
        x = growth * min(x, 1.0 - x)
    return value, slope


def shifted(rng):
    """Chaos made of jumps."""
    steps, start, growth = int(rng.integers(3, 60)), rng.uniform(0.1, 0.9), rng.uniform(1.3, 2.5)

    def value(t):
        x = start * (1.0 + t)
        for _ in range(steps):
            x = growth * x % 1.0
        return x

    return value, start * growth**steps


def ragged(rng):
    """Weierstrass's function, cut off: as steep as it looks at any scale, and steeper at the next."""
    share, finer, terms = rng.uniform(0.3, 0.9), rng.uniform(2.0, 6.0), int(rng.integers(3, 30))
    height, wave, phase = share ** np.arange(terms), finer ** np.arange(terms), rng.uniform(0.0, 6.0, terms)
    slope = -float(np.sum(height * wave * np.sin(phase)))
    return lambda t: float(np.sum(height * np.cos(wave * t + phase))), slope


def verdicts(kind, factor, count=300):
    found = Counter()
    for seed in range(count):
        function, slope = kind(np.random.default_rng(seed))
        found[judge(function, factor * slope).verdict] += 1
    return found


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", [smooth, noisy, far, stiff, bent], ids=lambda kind: kind.__name__)
def test_smooth_functions_are_judged_right(kind, factor):
    """All of them; but for a few whose slope is by chance so small that nobody could tell an error of a thousandth."""
    found = verdicts(kind, factor)
    right = "agrees" if factor == 1.0 else "disagrees"
    assert set(found) <= {right, "too noisy"}
    assert found["too noisy"] <= (0 if kind in (smooth, bent) else 9)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", [kinked_nearby, jumping_nearby], ids=lambda kind: kind.__name__)
def test_what_happens_nearby_misleads_nobody(kind, factor):
    """A kink at 1e-11 cannot be told from one right here, so some are not differentiable; but nothing wrong agrees."""
    found = verdicts(kind, factor)
    right, wrong = ("agrees", "disagrees") if factor == 1.0 else ("disagrees", "agrees")
    assert found[wrong] == 0
    assert found[right] >= 240


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize("kind", [logistic, tent, shifted, ragged], ids=lambda kind: kind.__name__)
def test_chaos_is_too_noisy_or_judged_right(kind, factor):
    found = verdicts(kind, factor)
    right, wrong = ("agrees", "disagrees") if factor == 1.0 else ("disagrees", "agrees")
    assert found[wrong] == 0
    assert found[right] > 100
    assert found["too noisy"] > 50


# Points without a derivative


@pytest.fixture(params=range(5))
def rng(request):
    return np.random.default_rng(request.param)


def test_a_kink_has_two_slopes(rng):
    function, slope = smooth(rng)
    left, right = slope - 0.4 * abs(slope), slope + 0.3 * abs(slope)

    def value(t):
        return function(t) + (right - slope if t > 0.0 else left - slope) * t

    for claim in (left, right, slope):
        found = judge(value, claim)
        assert found.verdict == "not differentiable"
        assert found.slopes == pytest.approx((left, right), rel=1e-5)
        assert "on the left" in found.note
    for claim in (left - 0.01 * abs(slope), right + 0.01 * abs(slope), 0.0, -slope):
        assert judge(value, claim).verdict == "disagrees"


@pytest.mark.parametrize("claim", [-1.0, 0.0, 0.3, 1.0])
def test_the_absolute_value(claim):
    assert judge(abs, claim).verdict == "not differentiable"
    assert judge(lambda t: 3.0 + abs(t), claim).slopes == pytest.approx((-1.0, 1.0))
    assert judge(abs, 1.1 if claim >= 0.0 else -1.1).verdict == "disagrees"


@pytest.mark.parametrize("kink", [2e-6, 1e-5, 1e-4])
def test_a_small_kink_is_no_reason_to_disagree(kink):
    """Both slopes pass; between them lies what central differences find."""
    for claim in (1.0, 1.0 + kink):
        assert judge(lambda t: 1.0 + t + kink * max(t, 0.0), claim).verdict in ("agrees", "not differentiable")
    assert judge(lambda t: 1.0 + t + kink * max(t, 0.0), 1.0 + 10.0 * kink).verdict == "disagrees"


@pytest.mark.parametrize("value_here", ["left", "right", "neither"])
def test_a_jump(rng, value_here):
    function, slope = smooth(rng)
    jump = rng.choice([-1, 1]) * 10 ** rng.uniform(-5, 1)

    def value(t):
        if t == 0.0:
            return function(t) + {"left": 0.0, "right": jump, "neither": -0.3 * jump}[value_here]
        return function(t) + (jump if t > 0.0 else 0.0)

    found = judge(value, slope)
    assert found.verdict == "not differentiable"
    assert "the loss jumps" in found.note
    assert found.slopes == pytest.approx((slope, slope), rel=1e-3)
    assert judge(value, -slope).verdict == "disagrees"
    assert judge(value, 0.9 * slope).verdict == "disagrees"


# Slopes of zero


@pytest.mark.parametrize("function", [lambda t: 3.0, lambda t: 0.0, lambda t: 1.0 + t * t, lambda t: t * t, math.cos])
def test_no_slope(function):
    assert judge(function, 0.0).verdict == "agrees"
    assert judge(function, 1e-3).verdict == "disagrees"


def test_the_end_of_a_search_has_a_gradient_of_rounding():
    """The sum of squares of what is 0 but for rounding: its slope, too, is what rounding makes it."""
    for seed in range(100):
        rng = np.random.default_rng(seed)
        slope, place, start = rng.normal(size=5), 3.0 * rng.normal(size=5), rng.normal()
        measured = place + slope * start + 1e-16 * place * rng.normal(size=5)

        def value(t, slope=slope, place=place, start=start, measured=measured):
            return float(np.sum((place + slope * start * (1.0 + t) - measured) ** 2))

        off = place + slope * start - measured
        assert judge(value, float(np.sum(2.0 * off * slope * start))).verdict in ("agrees", "too noisy")


def test_a_slope_that_rounding_hides_is_not_said_to_agree():
    """The function is known to 1e-16 and the slope of 1e-13, at a step of 0.1, to a hundredth."""
    found = judge(lambda t: 1.0 + (1e-11 * t), 1e-11)
    assert found.verdict == "too noisy"
    assert judge(lambda t: 1.0 + (1e-11 * t), -1e-11).verdict == "disagrees"


# Where the function ends


def test_the_largest_steps_may_leave_the_domain():
    found = judge(lambda t: math.sqrt(1e-4 + t) if t > -1e-4 else math.nan, 50.0)
    assert found.verdict == "agrees"
    assert found.tried < 1e-4
    assert judge(lambda t: 1.0 / (1e-4 + t) if t > -1e-4 else math.inf, -1e8 * 1.001).verdict == "disagrees"


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_a_function_with_one_side_only_cannot_be_judged(side):
    found = judge(lambda t: t if t * side >= 0.0 else math.nan, 1.0)
    assert found.verdict == "too noisy"
    assert "finite" in found.note


def test_a_function_of_one_point():
    found = judge(lambda t: 1.0 if t == 0.0 else math.inf, 1.0)
    assert (found.verdict, found.clear, found.tried) == ("too noisy", False, 0.0)
    assert "not finite next to this point" in found.note


@pytest.mark.parametrize("slope", [math.nan, math.inf])
def test_a_slope_that_is_not_finite(slope):
    found = judge(math.sin, slope)
    assert (found.verdict, found.note) == ("disagrees", "the gradient is not finite")


def test_huge_values_do_not_overflow():
    assert judge(lambda t: 1e300 * (1.0 + t), 1e300).verdict == "agrees"
    assert judge(lambda t: 1e300 * (1.0 + t), -1e300).verdict == "disagrees"


# Limits and costs


def test_no_step_beyond_the_largest_is_taken():
    asked = []

    def value(t):
        asked.append(abs(t))
        return math.exp(t)

    assert judge(value, 1.0, largest=1e-8).tried == pytest.approx(1e-8)
    assert max(asked) == pytest.approx(1e-8)


def test_no_more_is_asked_than_is_needed():
    """A coarse tolerance needs fewer steps."""
    counts = []
    for tolerance in (1e-3, 1e-6, 1e-9):
        asked = []
        assert (
            judge(lambda t, asked=asked: asked.append(t) or math.exp(t), 1.0, tolerance=tolerance).verdict == "agrees"
        )
        counts.append(len(asked))
    assert counts[0] < counts[1] < counts[2] <= 50
    assert counts[1] <= 30


def test_the_tolerance_decides():
    for tolerance in (1e-2, 1e-4, 1e-8):
        assert judge(math.exp, 1.0 + 0.5 * tolerance, tolerance=tolerance).verdict == "agrees"
        assert judge(math.exp, 1.0 + 2.0 * tolerance, tolerance=tolerance).verdict == "disagrees"


def test_uncertainties_are_honest(rng):
    """What is found is right within five uncertainties, and they are not far too large either."""
    for _ in range(20):
        function, slope = noisy(rng)
        found = judge(function, slope)
        assert abs(found.differences - slope) <= 5.0 * found.uncertainty
        assert found.uncertainty <= 1e-3 * abs(slope) or found.verdict == "too noisy"


# Parts


@pytest.mark.parametrize("level", [1e-14, 1e-9, 1e-3])
def test_noise_is_measured(level):
    """Within a factor of 4, on a slope and a curvature that are far larger than the noise."""
    measured = []
    for seed in range(50):
        noise = level * np.random.default_rng(seed).normal(size=9)
        k = np.arange(9)
        measured.append(noise_level(1.0 + 20.0 * level * k + 3.0 * level * k**2 + noise) / level)
    assert min(measured) > 0.25
    assert max(measured) < 4.0
    assert 0.7 < np.median(measured) < 1.5


def test_no_noise():
    assert noise_level(np.full(9, 3.0)) == 0.0
    assert noise_level(np.arange(9.0)) == 0.0


def test_extrapolation_is_exact_for_what_it_is_made_for():
    centre = Extrapolation((2, 4, 6))
    for step in STEPS[-8:]:
        centre.add(step, 3.0 + 5.0 * step**2 - 7.0 * step**4 + 2.0 * step**6, 0.0)
    assert centre.broken is None
    assert centre.best.value == pytest.approx(3.0, rel=1e-14)
    assert centre.best.uncertainty < 1e-9


def test_extrapolation_carries_the_noise():
    """At worst the noises of both values of (10 q(h / r) - q(h)) / 9 add up; r² is 10."""
    centre = Extrapolation((2,))
    for step in STEPS[-3:]:
        centre.add(step, 1.0, 1.0 / step)
    assert centre.best.noise == pytest.approx((10.0 * RATIO + 1.0) / 9.0 / STEPS[-1])
    assert centre.best.uncertainty == centre.best.noise


def test_a_step_that_contradicts_is_noticed():
    centre = Extrapolation((2, 4, 6))
    for k, step in enumerate(STEPS[4:12]):
        centre.add(step, 1.0 if k < 4 else 1.5, 1e-6)
    assert centre.best.value == pytest.approx(1.0, rel=1e-5)
    assert centre.broken == STEPS[10]  # the third of those: two alike may be chance
