"""What controllers that declare their numbers have in common."""

from typing import Any, ClassVar

import numpy as np
import taichi as ti

from diffsim.engine import rules
from diffsim.engine.fields import Fields
from diffsim.engine.records import check_formula
from diffsim.engine.stages import Model, Part, Stage
from diffsim.errors import InputError
from diffsim.numbers import Declared, check_lengths, declared_of, numbers_of

__all__ = ["Controller", "actuators_of"]


def actuators_of(owner: str, scene: Any) -> int:
    """How many actuators a scene has.

    Raises:
        InputError: it does not say, so nothing in it can be driven.
    """
    if not hasattr(scene, "actuators"):
        names, kind = ", ".join(scene.numbers()), type(scene).__name__
        raise InputError(
            f"{owner} drives actuators, but a {kind} has none; it has {names}, which can be tuned without a controller"
        )
    return len(scene.actuators)


@ti.func
def drive(own: ti.template(), formula: ti.template(), out: ti.template(), env, row, step, actuator):
    out[env, row, actuator] = formula(own, env, row, step, actuator)


_ARGUMENTS = "own, env, row, step, actuator"


class Controller(Declared):
    """Base of controllers: a frozen dataclass with ``eq=False``.

    Its numbers are declared with `diffsim.numbers.tunable`: in shapes "k" is the number of actuators, "o" that of
    observations. It is said by a ``formula``, or by stages that `build` returns. A formula is a ``@ti.func`` of (own,
    env, row, step, actuator), and its value is the actuation. The record ``own`` has the numbers as fields, the
    constants, the arrays that are read, and ``dt`` [s]: time is ``own.dt * step``.

    Attributes:
        reads: names of the arrays of the model that it reads; "actuator_state" stands for ``actuator_position`` and
            ``actuator_velocity``.
        formula: or None.
    """

    kind: ClassVar[str] = "controller"
    reads: Any = frozenset()
    formula: ClassVar[Any] = None

    def __init_subclass__(cls, **keywords: Any) -> None:
        """Check what the class says."""
        super().__init_subclass__(**keywords)
        if "formula" in vars(cls) and "formula" not in vars(cls).get("__annotations__", {}):
            check_formula(cls.__name__, vars(cls)["formula"], _ARGUMENTS)

    def _lengths(self, scene: Any) -> dict[str, int]:
        known = {"k": actuators_of(type(self).__name__, scene), "o": getattr(scene, "observations", 0)}
        return {**known, "d": scene.dimension} if hasattr(scene, "dimension") else known

    def check(self, scene: Any, steps: int) -> None:
        """Raise InputError if the scene has another number of actuators, observations or dimensions."""
        lengths = self._lengths(scene)
        check_lengths(self, lengths, f"with {lengths['k']} actuators")

    def numbers(self, scene: Any, steps: int, seed: int = 0) -> dict[str, np.ndarray]:
        """Parameters by name, with their starting values; random ones are drawn with ``seed``."""
        rng, known, lengths = np.random.default_rng(seed), numbers_of(self), self._lengths(scene)
        found = {}
        for name, declared in declared_of(self).items():
            key = declared.name or name
            if key not in known and declared.start is not None:
                shape = tuple(lengths[each] if isinstance(each, str) else each for each in declared.shape)
                found[key] = np.asarray(declared.start(rng, shape), np.float64)
            elif key in known:
                found[key] = known[key]
        return found

    def record(self, fields: Fields, model: Model, prefix: str, **more: Any) -> Any:
        """Its numbers as fields, its constants, the arrays that it reads, ``dt``, and ``more``."""
        arrays = {name: model.array(name, type(self).__name__) for name in model.names(self)}
        lengths = {"k": model.actuators, "o": model.observations}
        lengths |= {"d": model.dimension} if model.dimension else {}
        return fields.record(self, prefix, lengths=lengths, dt=model.dt, **arrays, **more)

    def build(self, fields: Fields, model: Model, prefix: str = "controller") -> Part:
        """Declare fields and list the stages that write the model's actuation."""
        kind = type(self)
        if kind.formula is None:
            raise TypeError(f"{kind.__name__} must define a formula, or build(fields, model, prefix)")
        own = self.record(fields, model, prefix)
        rules.check(kind.formula, (own,))
        out = model.array("actuation", kind.__name__, "writes")
        return Part(step=(Stage(drive, (own, kind.formula, out), model.actuators),))
