"""A volume that absorbs light or X-rays, and cameras that see it from several sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from diffsim.errors import InputError
from diffsim.numbers import constant, tunable
from diffsim.physics.base import Scene
from diffsim.physics.checks import first, flag
from diffsim.spec import array, whole

__all__ = ["Volume"]

UPRIGHT = 1.0e-3
"""A camera looks up or down if its view has less than this share along x and y: which way is up is then undefined."""


@dataclass(frozen=True, eq=False, repr=False)
class Volume(Scene):
    """A box of n by m by l cells that absorbs, seen by v cameras: tomography.

    A ray that passes through it has the optical depth ``tau``, the attenuation integrated along the ray, and what
    arrives of its light is ``exp(-tau)`` (Bouguer, Beer and Lambert's law). The integral is a sum over as many samples
    at even distances between the ray's ends in the box, with the attenuation between the middles of cells interpolated
    linearly. Pictures are square, of ``pixels`` pixels along each side, and stand upright: z is up.

    Nothing changes with time; one step is enough. Arrays of the pictures are there on request of an objective, and hold
    those of the last row: ``optical_depth`` and ``transmittance``, both (v * pixels, pixels), one picture beside the
    other; entry [v * pixels + i, j] is the i-th pixel from the left, the j-th from below. `MatchPicture` compares.

    Attributes:
        attenuation: (n, m, l) coefficient in each cell [1/m].
        camera_position: (v, 3) [m].
        camera_target: (3,) or (v, 3) what is in the middle of a picture [m]; None is the middle of the box.
        picture_width: () or (v,) of what a picture shows, at the target's distance [m].
        low, high: (3,) corners of the box [m].
        pixels: along each side of a picture.
        samples: of each ray; None is as many as cells along the longest side, times 1.5.
        parallel: rays are parallel, as in many scanners; else they come together at the camera.
        dt: time step [s].

    Raises:
        InputError: naming the element, what was given and what is allowed.
    """

    dimension: ClassVar[int] = 3

    attenuation: Any = tunable("n", "m", "l", unit="1/m")
    camera_position: Any = tunable("v", 3, unit="m")
    camera_target: Any = tunable("v", 3, default=None, unit="m")
    picture_width: Any = tunable("v", default=2.0, unit="m", above=0.0)
    low: Any = (-0.5, -0.5, -0.5)
    high: Any = (0.5, 0.5, 0.5)
    pixels: int = 64
    samples: Any = None
    parallel: bool = False
    dt: float = constant(1.0, unit="s", above=0.0)

    def __post_init__(self) -> None:
        """Check every number."""
        low, high = (array(f"Volume.{name}", getattr(self, name), (3,), unit="m") for name in ("low", "high"))
        for k in first(low >= high):
            raise InputError(f"Volume.low[{k}] is {low[k]:g}, but it must be below Volume.high[{k}], {high[k]:g}")
        self._set(low=low, high=high)
        if self.camera_target is None:
            self._set(camera_target=0.5 * (low + high))
        super().__post_init__()
        ways = self.camera_target - self.camera_position
        for k in first(np.linalg.norm(ways[:, :2], axis=1) <= UPRIGHT * np.linalg.norm(ways, axis=1)):
            raise InputError(
                f"Volume.camera_position[{k}] lies above, below or in its target, but a camera must see it from a side"
            )
        samples = self.samples
        if samples is None:
            samples = max(1, 3 * max(self.attenuation.shape) // 2)
        self._set(
            pixels=whole("Volume.pixels", self.pixels),
            samples=whole("Volume.samples", samples),
            parallel=flag("Volume.parallel", self.parallel),
        )

    @property
    def spacing(self) -> np.ndarray:
        """(3,) sides of a cell [m]."""
        return np.asarray((self.high - self.low) / self.attenuation.shape)
