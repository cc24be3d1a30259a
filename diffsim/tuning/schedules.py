"""Learning rates that change with the iteration: frozen settings, called with the iteration's number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from diffsim.errors import InputError
from diffsim.spec import number, whole

__all__ = ["Constant", "CosineDecay", "ExponentialDecay", "PiecewiseConstant", "Schedule"]


class Schedule(Protocol):
    """Anything that gives a learning rate for an iteration."""

    def __call__(self, iteration: int) -> float:
        """The learning rate of that iteration, counted from 0."""


@dataclass(frozen=True)
class Constant:
    """The same learning rate throughout.

    Attributes:
        value: the learning rate, above 0.
    """

    value: float

    def __post_init__(self) -> None:
        """Check the value."""
        object.__setattr__(self, "value", number("Constant.value", self.value, above=0.0))

    def __call__(self, iteration: int) -> float:
        """The learning rate."""
        return self.value


@dataclass(frozen=True)
class CosineDecay:
    """Half a cosine from `peak` down to `floor`, after an optional linear warm-up.

    Loshchilov & Hutter, "SGDR: Stochastic Gradient Descent with Warm Restarts", ICLR 2017, equation 5 without
    restarts. The warm-up of w iterations starts at ``peak / w``, not at 0, so that no iteration is wasted.

    Attributes:
        peak: highest learning rate, above 0.
        steps: iteration from which on the rate is `floor`, the warm-up included.
        floor: final learning rate, from 0 to `peak`.
        warmup: iterations of linear rise, less than `steps`.
    """

    peak: float
    steps: int
    floor: float = 0.0
    warmup: int = 0

    def __post_init__(self) -> None:
        """Check every number."""
        peak = number("CosineDecay.peak", self.peak, above=0.0)
        steps = whole("CosineDecay.steps", self.steps)
        warmup = whole("CosineDecay.warmup", self.warmup, least=0)
        if warmup >= steps:
            raise InputError(f"CosineDecay.warmup is {warmup}, but it must be less than steps, which is {steps}")
        floor = number("CosineDecay.floor", self.floor, least=0.0, most=peak)
        for name, value in (("peak", peak), ("steps", steps), ("floor", floor), ("warmup", warmup)):
            object.__setattr__(self, name, value)

    def __call__(self, iteration: int) -> float:
        """The learning rate of that iteration."""
        if iteration < self.warmup:
            return self.peak * (iteration + 1) / self.warmup
        share = min(1.0, (iteration - self.warmup) / (self.steps - self.warmup))
        return self.floor + 0.5 * (self.peak - self.floor) * (1.0 + math.cos(math.pi * share))


@dataclass(frozen=True)
class ExponentialDecay:
    """``start * factor ** (iteration / every)``, but never below `floor`.

    Attributes:
        start: learning rate of iteration 0, above 0.
        factor: share that is left after `every` iterations, above 0 and at most 1.
        every: iterations.
        floor: lowest learning rate, from 0 to `start`.
    """

    start: float
    factor: float
    every: int = 1
    floor: float = 0.0

    def __post_init__(self) -> None:
        """Check every number."""
        start = number("ExponentialDecay.start", self.start, above=0.0)
        factor = number("ExponentialDecay.factor", self.factor, above=0.0, most=1.0)
        every = whole("ExponentialDecay.every", self.every)
        floor = number("ExponentialDecay.floor", self.floor, least=0.0, most=start)
        for name, value in (("start", start), ("factor", factor), ("every", every), ("floor", floor)):
            object.__setattr__(self, name, value)

    def __call__(self, iteration: int) -> float:
        """The learning rate of that iteration."""
        return max(self.floor, self.start * self.factor ** (iteration / self.every))


@dataclass(frozen=True)
class PiecewiseConstant:
    """One learning rate after another: ``values[k]`` until iteration ``boundaries[k]``, which has the next.

    Attributes:
        values: learning rates, each above 0; one more than there are boundaries.
        boundaries: iterations at which the next value begins, rising.
    """

    values: tuple[float, ...]
    boundaries: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check every number."""
        values = tuple(number(f"PiecewiseConstant.values[{k}]", v, above=0.0) for k, v in enumerate(self.values))
        boundaries = tuple(whole(f"PiecewiseConstant.boundaries[{k}]", b) for k, b in enumerate(self.boundaries))
        if len(values) != len(boundaries) + 1:
            raise InputError(
                f"PiecewiseConstant has {len(values)} values and {len(boundaries)} boundaries, but "
                "there must be one value more than boundaries"
            )
        for k in range(1, len(boundaries)):
            if boundaries[k] <= boundaries[k - 1]:
                raise InputError(
                    f"PiecewiseConstant.boundaries[{k}] is {boundaries[k]}, but it "
                    f"must be greater than the one before, {boundaries[k - 1]}"
                )
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "boundaries", boundaries)

    def __call__(self, iteration: int) -> float:
        """The learning rate of that iteration."""
        return self.values[sum(iteration >= boundary for boundary in self.boundaries)]
