"""The slope of a computed function at a point, by differences that know how wrong they are.

Differences of a simulation go wrong in two ways. A large step sees the curvature of the loss, and every contact that
switches on the way; a small one sees rounding, which a long rollout amplifies far beyond that of the loss itself.
So the function is sampled at rising steps on both sides of the point:

* the noise of its values is measured by difference tables (Moré & Wild 2011, SIAM J. Sci. Comput. 33(3), 1292-1314:
  ECnoise);
* the quotients are extrapolated to step 0; what the last extrapolation changed, and the noise, are the uncertainty
  (Ridders 1982, Adv. Eng. Softw. 4(2), 75-76);
* a larger step is believed only if it says the same as all smaller ones, and none is taken that is not needed.

Functions of one float; only NumPy.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

__all__ = ["SAFETY", "STEPS", "Extrapolation", "Judgement", "Limit", "judge", "noise_level"]

RATIO = math.sqrt(10.0)

STEPS = tuple(10.0 ** (k / 2) for k in range(-24, -1))
"""The ladder: 1e-12, 3.2e-12, ..., 0.1."""

SAFETY = 5.0
"""How many uncertainties count as a difference that is there."""

SEEN = 8e-4
"""Relative uncertainty, `SAFETY` included, that is small enough to tell: an error of a thousandth is larger."""

SURE = 0.01
"""The same for what may contradict another number if rounding is not all that is uncertain."""

NEGLIGIBLE = 1e-6
"""Differences that find nothing show a slope of zero if they would have seen this part of the function's values."""

ZERO = 1e-12
"""Two slopes of less than this part of the function's values are zero: whatever they are, rounding made them."""

EPS = float(np.finfo(np.float64).eps)

_SPACING = 1e-12  # of the values whose noise is measured: above the rounding of the point, below all structure
_VALUES = 9
_DOUBT = 2.0  # the noise of so few values is known to about this factor
_USUAL = 1e-10  # first step, unless rounding is amplified: nothing is as fine as that by chance
_AMPLIFIED = 1e4  # noise above so many roundings of the function


def noise_level(values: np.ndarray) -> float:
    """Standard deviation of the noise in equally spaced values of a smooth function.

    Differences of order k of a smooth function vanish with the spacing, those of noise of standard deviation s have
    standard deviation s sqrt((2k)!) / k!. The first order that, with the two after it, tells one noise within a
    factor of 4, and whose differences have both signs, is taken (Moré & Wild 2011, section 4). If there is none,
    the last three are; they overestimate.

    Args:
        values: (n,), n at least 4.
    """
    change = np.asarray(values, np.float64) - values[0]
    size = float(np.abs(change).max()) or 1.0  # by which it is divided: no square overflows
    table, levels, mixed = change / size, [], []
    for k in range(1, len(table)):
        table = np.diff(table)
        share = math.factorial(k) ** 2 / math.factorial(2 * k)
        levels.append(size * math.sqrt(share * float(np.mean(table**2))))
        mixed.append(bool(table.min() < 0.0 < table.max()))
    for k in range(len(levels) - 2):
        three = levels[k : k + 3]
        if mixed[k] and max(three) <= 4.0 * min(three):
            return max(three)
    return max(levels[-3:])


@dataclass(frozen=True)
class Limit:
    """What a quotient tends to as the step goes to 0.

    Attributes:
        value: extrapolated.
        uncertainty: of the value: noise, and what the last extrapolation changed.
        noise: the part that is noise.
        step: largest that was used.
    """

    value: float
    uncertainty: float
    noise: float
    step: float


class Extrapolation:
    """The limit of a quotient q(h) = q0 + c1 h^p1 + c2 h^p2 + ... at h = 0, from values at the rising `STEPS`.

    Neville's scheme. An entry of order k is compared with that of order k - 1 at smaller steps, and with the one of its
    own order before it; the larger of both changes, and the noise carried through the scheme, is its uncertainty. So
    at least three values have to say the same.

    Args:
        powers: p1, p2, ...

    Attributes:
        best: the entry with the smallest uncertainty, of those before the first that contradicts; None at first.
        broken: the step of the first entry that contradicts `best`; None if there is none.
    """

    def __init__(self, powers: tuple[int, ...]):
        self._factors = [RATIO**power for power in powers]
        self._given: list[tuple[float, float, float]] = []
        self._row: list[float] = []
        self._noise: list[float] = []
        self.best: Limit | None = None
        self.broken: float | None = None

    def add(self, step: float, value: float, noise: float) -> None:
        """The quotient at the next step, and the standard deviation of its noise."""
        self._given.append((step, value, noise))
        before, its_noise = self._row, self._noise
        self._row, self._noise = row, noises = [value], [noise]
        for k, factor in enumerate(self._factors[: len(before)]):
            row.append(before[k] + (before[k] - row[k]) / (factor - 1.0))
            noises.append((factor * its_noise[k] + noises[k]) / (factor - 1.0))
        found: Limit | None = None
        for k in range(1, min(len(row), len(before))):
            change = max(abs(row[k] - before[k - 1]), abs(row[k] - before[k]))
            if found is None or noises[k] + change < found.uncertainty:
                found = Limit(row[k], noises[k] + change, noises[k], step)
        if found is None or self.broken is not None:
            return
        best = self.best
        if best is not None and abs(found.value - best.value) > SAFETY * (found.uncertainty + best.uncertainty):
            self.broken = step
        elif best is None or found.uncertainty < best.uncertainty:
            self.best = found

    def sure(self, *, amplified: bool) -> bool:
        """Whether `best` may contradict another number.

        Three values of a function that varies faster than the steps can tell may look alike by chance. But then those
        at smaller steps differ by more than their noise. And it has to be known to a hundredth, or all that is
        uncertain is plain rounding: rounding that is ``amplified`` as far as the function varies hides any slope.
        """
        limit = self.best
        if limit is None:
            return False
        rounding = not amplified and limit.uncertainty <= 10.0 * limit.noise
        if not rounding and SAFETY * limit.uncertainty > SURE * abs(limit.value):
            return False
        smaller = [one for one in self._given if one[0] <= limit.step]
        used = smaller[-len(self._factors) :]
        bend = max(abs(value - limit.value) for _, value, _ in used) + SAFETY * limit.uncertainty
        return all(abs(value - limit.value) <= bend + SAFETY * noise for _, value, noise in smaller)


@dataclass(frozen=True)
class Judgement:
    """What differences say of a slope.

    Attributes:
        verdict: "agrees", "disagrees", "not differentiable" or "too noisy".
        differences: the slope by differences; nan if there is none.
        uncertainty: of it; inf if there is none.
        step: largest step that was used; nan if there is none.
        slopes: left and right of the point, if they differ.
        note: what there is to say beside.
        clear: whether the differences came to a clear end, so that nobody needs to look for what switches nearby.
        tried: largest step that was tried; 0 if none was.
    """

    verdict: str
    differences: float = math.nan
    uncertainty: float = math.inf
    step: float = math.nan
    slopes: tuple[float, float] | None = None
    note: str = ""
    clear: bool = False
    tried: float = 0.0


def judge(
    function: Callable[[float], float], slope: float, *, tolerance: float = 1e-6, largest: float = STEPS[-1]
) -> Judgement:
    """Whether ``slope`` is the derivative of ``function`` at 0.

    * "agrees": it is, within ``tolerance`` and the uncertainty of the differences, and an error of a thousandth would
      have been seen. Also if both are zero as far as differences can tell.
    * "disagrees": it is off by more than the tolerance and five uncertainties.
    * "not differentiable": the slopes on both sides differ, or the function jumps, and ``slope`` is one of them or lies
      between; if it does not, it "disagrees".
    * "too noisy": differences cannot tell.

    Args:
        function: a float, which may be inf or nan where the function has no value, but not at 0.
        slope: to be judged.
        tolerance: relative to the larger of both slopes.
        largest: step that may be taken.
    """
    if not math.isfinite(slope):
        return Judgement("disagrees", note="the gradient is not finite", clear=True)
    with np.errstate(over="ignore", invalid="ignore"):
        samples = _begin(function, slope)
        if samples is None:
            return Judgement("too noisy", note="the loss is not finite next to this point")
        centre, corner = _quotients()
        for step in STEPS:
            if not samples.start <= step <= 1.001 * largest:
                continue
            if not _sample(function, samples, step):
                break
            _extend(centre, corner, samples, len(samples.steps) - 1)
            if centre.broken or corner.broken or _enough(centre.best, corner.best, tolerance):
                break
        broken, note = bool(centre.broken or corner.broken), ""
        if broken:
            # Which of the larger steps was the first to go astray is not known: only what the smaller ones said counts.
            trusted = min(one.best.step for one in (centre, corner) if one.best)
            note = f"beyond {trusted:.0e} the slope is another one"
            centre, corner = _quotients()
            for k, step in enumerate(samples.steps):
                if step <= trusted:
                    _extend(centre, corner, samples, k)
        found = _verdict(samples, centre, corner, slope, tolerance)
    clear = not broken and found.verdict in ("agrees", "disagrees")
    note = "; ".join(filter(None, (found.note, note)))
    return replace(found, note=note, clear=clear, tried=max(samples.steps, default=0.0))


@dataclass
class _Samples:
    """The function on both sides of the point, at rising steps.

    Attributes:
        middle: its value at the point.
        noise: standard deviation of the noise of its values.
        largest: of its absolute values.
        start: first step at which a slope could be seen.
    """

    middle: float
    noise: float
    largest: float
    start: float
    amplified: bool
    steps: list[float] = field(default_factory=list)
    left: list[float] = field(default_factory=list)
    right: list[float] = field(default_factory=list)
    noises: list[float] = field(default_factory=list)


def _begin(function: Callable[[float], float], slope: float) -> _Samples | None:
    """The noise of the function, and the step to begin with; None if it is not finite next to the point."""
    middle = function(0.0)
    for side in (1.0, -1.0):  # one side is enough, and a jump at the point is no noise
        values = np.array([function(side * k * _SPACING) for k in range(1, _VALUES + 1)])
        if np.isfinite(values).all():
            break
    else:
        return None
    size = max(abs(middle), float(np.abs(values).max()))
    noise = max(_DOUBT * noise_level(values), EPS * size)
    amplified = noise > _AMPLIFIED * EPS * size
    scale = max(abs(slope), abs(float(values[-1] - values[0])) / ((_VALUES - 1) * _SPACING))
    start = max(STEPS[0] if amplified else _USUAL, noise / scale if scale > 0.0 else 0.0)
    return _Samples(middle, noise, size, min(start, STEPS[-4]) / 1.001, amplified)


def _sample(function: Callable[[float], float], samples: _Samples, step: float) -> bool:
    """Add a step; whether the function is finite there."""
    right, left = function(step), function(-step)
    if not (math.isfinite(right) and math.isfinite(left)):
        return False
    size, way = max(abs(right), abs(left)), max(abs(right - samples.middle), abs(left - samples.middle))
    samples.largest = max(samples.largest, size)
    samples.steps.append(step)
    samples.left.append(left)
    samples.right.append(right)
    # The place itself is rounded, too: that moves the value by a rounding times the slope.
    samples.noises.append(max(samples.noise, EPS * size, 2.0 * EPS * way / step))
    return True


def _quotients() -> tuple[Extrapolation, Extrapolation]:
    """Of the mean of the slopes on both sides, even in the step; and of their difference, odd in it."""
    return Extrapolation((2, 4, 6)), Extrapolation((1, 3, 5))


def _extend(centre: Extrapolation, corner: Extrapolation, samples: _Samples, k: int) -> None:
    """Add sample k to the mean of the slopes on both sides, and to their difference."""
    step, noise = samples.steps[k], samples.noises[k]
    up, down = samples.right[k] - samples.middle, samples.middle - samples.left[k]
    centre.add(step, (up + down) / (2.0 * step), noise / (math.sqrt(2.0) * step))
    corner.add(step, (up - down) / step, math.sqrt(6.0) * noise / step)


def _enough(centre: Limit | None, corner: Limit | None, tolerance: float) -> bool:
    """Whether larger steps would not change the verdict."""
    if centre is None or corner is None:
        return False
    wanted = min(tolerance, 0.5 * SEEN) * abs(centre.value)
    return SAFETY * centre.uncertainty <= wanted and SAFETY * corner.uncertainty <= max(
        wanted, SURE * abs(corner.value)
    )


def _verdict(
    samples: _Samples, middle: Extrapolation, difference: Extrapolation, slope: float, tolerance: float
) -> Judgement:
    centre, corner, amplified = middle.best, difference.best, samples.amplified
    if centre is None or corner is None:
        return Judgement("too noisy", note="the loss is finite only very near this point")
    found = Judgement("agrees", centre.value, centre.uncertainty, centre.step)
    doubt, corner_doubt = SAFETY * centre.uncertainty, SAFETY * corner.uncertainty
    apart, scale, kink = abs(slope - centre.value), max(abs(slope), abs(centre.value)), abs(corner.value)
    slack = tolerance * scale + doubt
    outside = apart > slack + 0.5 * (kink + corner_doubt)  # of the slopes on both sides
    if kink - corner_doubt > tolerance * scale and (apart > slack or kink > SEEN * scale):
        known = difference.sure(amplified=amplified) and (not outside or middle.sure(amplified=amplified))
        if known:
            slopes = (centre.value - 0.5 * corner.value, centre.value + 0.5 * corner.value)
            return _one_sided(found, slopes, outside=outside)
    if apart <= slack and doubt + 0.5 * corner_doubt <= max(SEEN, 0.5 * tolerance) * scale:
        return found
    if scale <= max(ZERO * samples.largest, min(doubt, NEGLIGIBLE * samples.largest)):
        return found
    if outside and middle.sure(amplified=amplified):
        return replace(found, verdict="disagrees")
    note = f"rounding moves the loss by {samples.noise:.0e}" if amplified else ""
    return _at_a_jump(samples, slope, tolerance) or replace(found, verdict="too noisy", note=note)


def _at_a_jump(samples: _Samples, slope: float, tolerance: float) -> Judgement | None:
    """The judgement of a function that jumps at the point; None if it does not."""
    across, peak, left, right = (Extrapolation((1, 2, 3)) for _ in range(4))
    before: tuple[float, float, float] | None = None
    for step, low, high, noise in zip(samples.steps, samples.left, samples.right, samples.noises, strict=True):
        across.add(step, high - low, math.sqrt(2.0) * noise)
        peak.add(step, high + low - 2.0 * samples.middle, math.sqrt(6.0) * noise)
        if before is not None:
            gap = step - before[0]
            left.add(step, (before[1] - low) / gap, 2.0 * noise / gap)
            right.add(step, (high - before[2]) / gap, 2.0 * noise / gap)
        before = step, low, high
    jumps = [one.best.value for one in (across, peak) if one.best and one.sure(amplified=True)]
    if not jumps or left.best is None or right.best is None:
        return None
    slopes = (left.best.value, right.best.value)
    uncertainty = max(left.best.uncertainty, right.best.uncertainty)
    slack = SAFETY * uncertainty + tolerance * max(abs(slope), *map(abs, slopes))
    outside = not min(slopes) - slack <= slope <= max(slopes) + slack
    known = all(side.sure(amplified=samples.amplified) for side in (left, right))
    found = Judgement("", 0.5 * sum(slopes), uncertainty, max(left.best.step, right.best.step))
    found = _one_sided(found, slopes, outside=outside and known)
    return replace(found, note=f"the loss jumps by {max(jumps, key=abs):+.0e} here; {found.note}")


def _one_sided(found: Judgement, slopes: tuple[float, float], *, outside: bool) -> Judgement:
    note = f"the slope is {slopes[0]:+.6e} on the left and {slopes[1]:+.6e} on the right"
    return replace(found, verdict="disagrees" if outside else "not differentiable", slopes=slopes, note=note)
