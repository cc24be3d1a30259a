"""Every actuator follows a sine wave."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import taichi as ti

from diffsim.controllers.base import Controller
from diffsim.controllers.saturation import applied, saturated, saturates
from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.numbers import tunable
from diffsim.physics.checks import flag

__all__ = ["Sine"]


@dataclass(frozen=True)
class Clock:
    """Waves of one frequency: sin(w t + p) = sin(w t) cos(p) + cos(w t) sin(p): a step takes two sines in all."""

    hand: Any  # (env, row, 0) sine and cosine of the clock's angle
    parts: Any  # (env, actuator) amplitude times cosine and sine of the phase


@ti.func
def own_wave(wave: ti.template(), out: ti.template(), env, row, step, actuator):
    angle = wave.frequency[env, actuator] * (wave.dt * step) + wave.phase[env, actuator]
    asked = wave.amplitude[env, actuator] * ti.sin(angle) + wave.offset[env, actuator]
    if ti.static(wave.limited):
        out[env, row, actuator] = saturated(asked)
    else:
        out[env, row, actuator] = asked


@ti.func
def split_wave(wave: ti.template(), clock: ti.template(), env, row, step, actuator):
    amplitude = wave.amplitude[env, actuator]
    phase = wave.phase[env, actuator]
    clock.parts[env, actuator] = ti.Vector([amplitude * ti.cos(phase), amplitude * ti.sin(phase)])


@ti.func
def turn_clock(wave: ti.template(), clock: ti.template(), env, row, step, element):
    angle = wave.frequency[env, 0] * (wave.dt * step)
    clock.hand[env, row, 0] = ti.Vector([ti.sin(angle), ti.cos(angle)])


@ti.func
def shared_wave(wave: ti.template(), clock: ti.template(), out: ti.template(), env, row, step, actuator):
    swing = clock.parts[env, actuator].dot(clock.hand[env, row, 0])
    if ti.static(wave.limited):
        out[env, row, actuator] = saturated(swing + wave.offset[env, actuator])
    else:
        out[env, row, actuator] = swing + wave.offset[env, actuator]


@dataclass(frozen=True, eq=False, repr=False)
class Sine(Controller):
    """``amplitude * sin(frequency * t + phase) + offset`` for each of the k actuators.

    Attributes:
        amplitude: () or (k,); None is 0.5 for each actuator.
        phase: () or (k,) [rad]; None draws each actuator's own, uniformly from -pi to pi.
        offset: () or (k,); None is 0 for each actuator.
        frequency: () or (k,) [rad/s]; a single number stays one parameter, shared by all actuators.
        saturate: whether the actuation stays between -1 and 1: beyond 0.8 in size it bends towards 1, and what is
            asked for keeps a gradient. False gives what is asked for, whatever it is. It does nothing where actuators
            have limits of their own (robots), nor as the target of a `PD`.
    """

    amplitude: Any = tunable("k", default=None, start=lambda rng, shape: np.full(shape, 0.5))
    phase: Any = tunable("k", default=None, start=lambda rng, shape: rng.uniform(-np.pi, np.pi, shape))
    offset: Any = tunable("k", default=None, start=lambda rng, shape: np.zeros(shape))
    frequency: Any = tunable("k", default=10.0)
    saturate: bool = True

    def __post_init__(self) -> None:
        """Check every number."""
        super().__post_init__()
        self._set(saturate=flag("Sine.saturate", self.saturate))

    def act(
        self, numbers: Mapping[str, np.ndarray], seen: Mapping[str, np.ndarray], time: Any, problem: Any
    ) -> np.ndarray:
        """(..., k) actuations at a time, in NumPy: see `Problem.act`."""
        return applied(self.wave(numbers, time), self.saturate, problem.scene)

    def wave(self, numbers: Mapping[str, np.ndarray], time: Any) -> np.ndarray:
        """(..., k) the sine waves at times (...) [s]."""
        angle = numbers["frequency"] * np.asarray(time, np.float64)[..., None] + numbers["phase"]
        found: np.ndarray = numbers["amplitude"] * np.sin(angle) + numbers["offset"]
        return found

    def build(  # type: ignore[override]
        self, fields: Fields, model: Model, out: Any = None, prefix: str = "controller"
    ) -> Part:
        """Declare fields and list stages; ``out`` is what to write, the model's actuation if None."""
        k, shared = model.actuators, self.frequency.shape == ()
        limited = out is None and saturates(self.saturate, model)
        wave = self.record(fields, model, prefix, limited=limited)
        out = model.array("actuation", "Sine", "writes") if out is None else out
        if not shared:
            return Part(step=(Stage(own_wave, (wave, out), k),))
        clock = Clock(
            hand=fields.trajectory("clock", 1, 2, recorded=False),
            parts=fields.derived(k, 2, of=[f"{prefix}.amplitude", f"{prefix}.phase"]),
        )
        return Part(
            prepare=(Stage(split_wave, (wave, clock), k),),
            step=(Stage(turn_clock, (wave, clock), 1), Stage(shared_wave, (wave, clock, out), k)),
        )
