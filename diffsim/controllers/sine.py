"""Every actuator follows a sine wave."""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import taichi as ti

from diffsim.engine.fields import Fields
from diffsim.engine.stages import Model, Part, Stage
from diffsim.spec import Spec, array

__all__ = ["Sine"]


@dataclass(frozen=True)
class Wave:
    amplitude: Any  # (env, actuator)
    phase: Any  # (env, actuator) [rad]
    offset: Any  # (env, actuator)
    frequency: Any  # (env, actuator) [rad/s]
    dt: float  # [s]


@ti.func
def sine_actuation(wave: ti.template(), out: ti.template(), env, row, step, actuator):
    angle = wave.frequency[env, actuator] * (wave.dt * step) + wave.phase[env, actuator]
    out[env, row, actuator] = wave.amplitude[env, actuator] * ti.sin(angle) + wave.offset[env, actuator]


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
        k = len(scene.actuators)
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
        k = model.actuators
        names = ("amplitude", "phase", "offset", "frequency")
        wave = Wave(*(fields.number(f"{prefix}.{name}", k) for name in names), dt=model.dt)
        out = model.motion.actuation if out is None else out
        return Part(step=(Stage(sine_actuation, (wave, out), k),))
