"""From world positions to pixels: a view that shows a whole trajectory, or moves along with it, in 2D or 3D."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

__all__ = ["Camera", "Viewport"]

# Pixels beyond this are not drawn: Agg's rasteriser counts in fixed point with 24 bits before the comma.
FAR = 2.0e4

# What is this many times as far from the eye as the content is too small to see, and would all be painted at
# its vanishing point.
HORIZON = 1.0e3

# The eye is this many times the content's radius away: mild perspective. Below about 2 the near corner of a
# box swells; above 10 it cannot be told from an orthographic view.
EYE = 4.5


@dataclass(frozen=True)
class Viewport:
    """A rectangle of the picture [pixels, from the lower left], where a camera's content has to fit."""

    left: float
    bottom: float
    width: float
    height: float

    def inset(self, left: float, bottom: float, right: float, top: float) -> Viewport:
        """The same rectangle without margins, given as shares of its width and height."""
        return Viewport(
            self.left + left * self.width,
            self.bottom + bottom * self.height,
            (1.0 - left - right) * self.width,
            (1.0 - bottom - top) * self.height,
        )

    @property
    def corners(self) -> np.ndarray:
        """(4, 2) counter-clockwise from the lower left [pixels]."""
        right, top = self.left + self.width, self.bottom + self.height
        return np.array([(self.left, self.bottom), (right, self.bottom), (right, top), (self.left, top)])


@dataclass(frozen=True)
class Camera:
    """A fixed view. In two dimensions x is right and y is up; in three z is up and the eye looks at `centre`.

    Attributes:
        axes: (3, d) unit vectors of the picture: right, up, and out of it towards the eye (zero in 2D).
        centre: (d,) world position that the view is built around [m].
        eye: distance of the eye from the centre [m]; infinite is orthographic.
        scale: pixels per metre at the centre.
        origin: (2,) pixels of the centre, from the lower left.
    """

    axes: np.ndarray
    centre: np.ndarray
    eye: float
    scale: float
    origin: np.ndarray

    @classmethod
    def fit(
        cls,
        content: np.ndarray,
        viewport: Viewport,
        *,
        azimuth: float = -62.0,
        elevation: float = 20.0,
        perspective: bool = True,
        rest: float = 0.5,
    ) -> Camera:
        """The camera that shows all of ``content`` (m, d) [m] as large as fits into the viewport.

        Args:
            content: finite world positions.
            viewport: where to fit them.
            azimuth: in 3D, direction from the centre to the eye, from x towards y [degrees].
            elevation: in 3D, height of the eye above the horizontal [degrees].
            perspective: in 3D, near things are larger; otherwise orthographic.
            rest: share of unused height that is left below the content.
        """
        axes = _axes(content.shape[1], azimuth, elevation)
        centre = 0.5 * (content.min(axis=0) + content.max(axis=0))
        radius = float(np.linalg.norm(content - centre, axis=1).max()) or 1.0
        eye = EYE * radius if perspective and content.shape[1] == 3 else np.inf
        plain = cls(axes, centre, eye, 1.0, np.zeros(2))
        flat, _ = plain.project(content)
        low, high = flat.min(axis=0), flat.max(axis=0)
        # At least a tenth of the radius either way: a body at rest on a line does not fill the picture.
        span = np.maximum(high - low, 0.1 * radius)
        room = np.array([viewport.width, viewport.height])
        scale = float(np.min(room / span))
        slack = room - scale * (high - low)
        corner = np.array([viewport.left, viewport.bottom]) + slack * (0.5, rest)
        return cls(axes, centre, eye, scale, corner - scale * low)

    @property
    def flat(self) -> bool:
        """Whether it shows two dimensions."""
        return len(self.centre) == 2

    def local(self, points: np.ndarray) -> np.ndarray:
        """(..., 3) right of, above and nearer than the centre [m], of positions (..., d) [m]."""
        found: np.ndarray = (points - self.centre) @ self.axes.T
        return found

    def moved(self, by: np.ndarray) -> Camera:
        """The same view from elsewhere: everything that stands still moves by ``-by`` (d,) [m] in the picture."""
        return replace(self, centre=self.centre + by)

    def project(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels (..., 2) from the lower left, and nearness to the eye (...) [m], of positions (..., d) [m].

        What cannot be drawn (not finite, behind the eye, far outside of the picture) has NaN for both.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            local = self.local(points)
            near = local[..., 2]
            flat = local[..., :2]
            if np.isfinite(self.eye):
                shrink = 1.0 - near / self.eye
                flat = flat / np.where((shrink > 0.02) & (shrink < HORIZON), shrink, np.nan)[..., None]
            pixels = self.origin + self.scale * flat
            seen = np.all(np.abs(pixels) < FAR, axis=-1)
        return np.where(seen[..., None], pixels, np.nan), np.where(seen, near, np.nan)


def _axes(dimension: int, azimuth: float, elevation: float) -> np.ndarray:
    if dimension == 2:
        return np.array([(1.0, 0.0), (0.0, 1.0), (0.0, 0.0)])
    a, e = np.radians(azimuth), np.radians(elevation)
    towards = np.array([np.cos(e) * np.cos(a), np.cos(e) * np.sin(a), np.sin(e)])
    right = np.array([-np.sin(a), np.cos(a), 0.0])
    return np.array([right, np.cross(towards, right), towards])
