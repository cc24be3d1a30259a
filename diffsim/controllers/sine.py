"""Every actuator follows a sine wave."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.physics.checks import actuators_of
from diffsim.spec import Spec, array

__all__ = ["Sine"]


@dataclass(frozen=True)
class Wave:
    amplitude: Any  # (env, actuator)
    phase: Any  # (env, actuator) [rad]
    offset: Any  # (env, actuator)
    frequency: Any  # (env, actuator), or (env, 0) where all share one [rad/s]
    dt: float  # [s]


@dataclass(frozen=True)
class Clock:
    """Waves of one frequency: sin(w t + p) = sin(w t) cos(p) + cos(w t) sin(p): a step takes two sines in all."""

    hand: Any  # (env, row, 0) sine and cosine of the clock's angle
    parts: Any  # (env, actuator) amplitude times cosine and sine of the phase


@ti.func
def own_wave(wave: ti.template(), out: ti.template(), env, row, step, actuator):
    angle = wave.frequency[env, actuator] * (wave.dt * step) + wave.phase[env, actuator]
    out[env, row, actuator] = wave.amplitude[env, actuator] * ti.sin(angle) + wave.offset[env, actuator]


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
    out[env, row, actuator] = swing + wave.offset[env, actuator]


@dataclass(frozen=True, eq=False, repr=False)
class Sine(Spec):
    """``amplitude * sin(frequency * t + phase) + offset`` for each of the k actuators.

    Attributes:
        amplitude: () or (k,); None is 0.5 for each actuator.
        phase: () or (k,) [rad]; None draws each actuator's own, uniformly from -pi to pi.
        offset: () or (k,); None is 0 for each actuator.
        frequency: () or (k,) [rad/s]; a single number stays one parameter, shared by all actuators.
    """

    kind: ClassVar[str] = "controller"
    reads: ClassVar[frozenset[str]] = frozenset()

    amplitude: Any = None
    phase: Any = None
    offset: Any = None
    frequency: Any = 10.0

    def __post_init__(self) -> None:
        """Check every number; lengths are checked against the scene by `check`."""
        for name in ("amplitude", "phase", "offset"):
            if getattr(self, name) is not None:
                self._set(**{name: array(f"Sine.{name}", getattr(self, name), (), ("k",))})
        self._set(frequency=array("Sine.frequency", self.frequency, (), ("k",)))

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError if the scene has another number of actuators."""
        k = actuators_of("Sine", scene)
        for name in ("amplitude", "phase", "offset", "frequency"):
            if getattr(self, name) is not None:
                array(f"Sine.{name} of a scene with {k} actuators", getattr(self, name), (), (k,))

    def numbers(self, scene: Any, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Parameters by name, with their starting values."""
        k = len(scene.actuators)
        phase = np.random.default_rng(seed).uniform(-np.pi, np.pi, k)
        return {
            "amplitude": np.full(k, 0.5) if self.amplitude is None else self.amplitude,
            "phase": phase if self.phase is None else self.phase,
            "offset": np.zeros(k) if self.offset is None else self.offset,
            "frequency": self.frequency,
        }

    def build(self, fields: Fields, model: Model, out: Any = None, prefix: str = "controller") -> Part:
        """Declare fields and list stages; ``out`` is what to write, the model's actuation if None."""
        k, shared = model.actuators, self.frequency.shape == ()
        amplitude, phase, offset = (fields.number(f"{prefix}.{name}", k) for name in ("amplitude", "phase", "offset"))
        frequency = fields.number(f"{prefix}.frequency", 1 if shared else k)
        wave = Wave(amplitude, phase, offset, frequency, model.dt)
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
