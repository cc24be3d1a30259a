"""What scenes that declare their numbers have in common."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, ClassVar

import numpy as np

from diffsim.errors import InputError
from diffsim.numbers import Declared, declared_of, numbers_of

__all__ = ["Scene"]


class Scene(Declared):
    """Base of scenes: a frozen dataclass with ``eq=False`` of `diffsim.numbers.tunable` numbers and constants.

    It has a ``dt`` [s]. What it may have besides: ``dimension``, 2 or 3; ``actuators``, of which controllers drive
    each; ``observations``, how many numbers a controller can observe; ``derives`` and ``derive``, arrays worked out
    from recorded ones.
    """

    kind: ClassVar[str] = "scene"
    dt: float

    def numbers(self) -> dict[str, np.ndarray]:
        """Everything that can be tuned, by its parameter's name without the leading ``scene.``."""
        return numbers_of(self)

    def with_numbers(self, numbers: dict[str, np.ndarray]) -> Any:
        """The same scene with other numbers, named as in `numbers`.

        Raises:
            InputError: for a name that this scene does not have, and for what a new scene refuses.
        """
        fields = {declared.name or name: name for name, declared in declared_of(self).items()}
        known = self.numbers()
        for name in numbers:
            if name not in known:
                raise InputError(f"this scene has no number {name!r}; it has {', '.join(known)}")
        return replace(self, **{fields[name]: value for name, value in numbers.items()})  # type: ignore[type-var]
