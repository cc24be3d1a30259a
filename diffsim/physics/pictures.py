"""What a picture shows: which pixels are the body, and which parts of it have which colour."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import array

__all__ = ["Seen", "look"]

BRIGHT = 0.5  # least brightness of the body in an array of brightnesses, and least opacity, exclusive
EDGE = 0.25  # share of a picture's rim that the body may take before it is asked whether it is the background
CLEAR = 0.8  # share of the variance that two levels explain: 0.75 of evenly spread ones, and nearly all of ink on paper
APART = 0.2  # distance of two colours that are two, of channels from 0 to 1
LEAST, MOST = 0.02, 8  # share of the body that a colour of its own takes, and number of these: less is a soft edge

NAMES = {
    "black": (0.0, 0.0, 0.0),
    "grey": (0.5, 0.5, 0.5),
    "white": (1.0, 1.0, 1.0),
    "red": (0.9, 0.1, 0.1),
    "orange": (1.0, 0.55, 0.0),
    "yellow": (1.0, 0.9, 0.1),
    "green": (0.1, 0.65, 0.2),
    "cyan": (0.1, 0.8, 0.9),
    "blue": (0.1, 0.2, 0.9),
    "purple": (0.5, 0.1, 0.6),
    "pink": (1.0, 0.5, 0.75),
    "brown": (0.5, 0.3, 0.1),
}
"""By which a colour that is found is called: the nearest of these."""


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen; arrays (height, width), row 0 at the top.

    Attributes:
        body: whether each pixel is body.
        region: of each pixel, the index of its colour; None without colours.
        names: of the colours.
        words: what was taken for the body.
    """

    body: np.ndarray
    region: np.ndarray | None
    names: tuple[str, ...]
    words: str


def look(image: Any, threshold: float | None, background: Any, colours: Any) -> Seen:
    """Tell the body from the background; arguments as of `from_image`."""
    pixels, plain = _pixels(image)
    if plain and background is None:
        body, words = _bright(pixels[..., 0], BRIGHT if threshold is None else threshold, mask=plain == "mask")
    else:
        body, words = _apart(pixels, threshold, background)
    if not body.any():
        raise InputError(f"from_image.image has no body: it was to be {words}, and no pixel is")
    region, names = _regions(pixels, body, colours) if colours is not None or pixels.shape[2] > 2 else (None, ())
    share = f"{int(body.sum())} of {body.size} pixels"
    return Seen(body, region, names, f"{words}, {share}")


# Pixels


def _pixels(image: Any) -> tuple[np.ndarray, str]:
    """(height, width, channels) from 0 to 1: grey, grey and alpha, RGB or RGBA; and what an array of two axes is."""
    if isinstance(image, (str, os.PathLike)):
        return _channels(_read(Path(image))), ""
    try:
        given = np.asarray(image)
    except ValueError:
        raise InputError("from_image.image holds rows of different lengths; give an array") from None
    if given.ndim == 2:
        return _channels(given[..., None]), "mask" if given.dtype.kind == "b" else "grey"
    if given.ndim != 3 or given.shape[2] not in (1, 2, 3, 4):
        raise InputError(
            f"from_image.image has shape {given.shape}, but (height, width) is needed, or (height, width, channels) "
            "with grey, grey and alpha, RGB or RGBA; or the path of a picture"
        )
    return _channels(given), ""


def _read(path: Path) -> np.ndarray:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            clear = "transparency" in picture.info or picture.mode in ("RGBA", "LA", "PA")
            if picture.mode.startswith("I") or picture.mode == "F":
                found = np.asarray(picture, np.float64)  # 16 bits, or numbers of any size
                return (found / max(float(found.max(initial=0.0)), 1e-300))[..., None]
            grey = picture.mode in ("1", "L", "LA")
            found = np.asarray(picture.convert(("LA" if clear else "L") if grey else "RGBA" if clear else "RGB"))
    except FileNotFoundError:
        raise InputError(f"from_image.image is {str(path)!r}, but there is no such file") from None
    except (UnidentifiedImageError, OSError) as error:
        raise InputError(f"from_image.image is {str(path)!r}, which cannot be read as a picture: {error}") from None
    return found if found.ndim == 3 else found[..., None]


def _channels(given: np.ndarray) -> np.ndarray:
    """As numbers from 0 to 1."""
    if given.dtype.kind == "b":
        return given.astype(np.float64)
    found = array("from_image.image", given[..., 0] if given.shape[2] == 1 else given)
    if 0 in found.shape:
        raise InputError(f"from_image.image has shape {given.shape}, but it needs a pixel")
    found = found.reshape(given.shape)
    if given.dtype.kind == "u":
        return found / np.iinfo(given.dtype).max
    if given.shape[2] == 1:
        return found
    if given.dtype.kind == "i":
        found = found / 255.0
    if found.min() < 0.0 or found.max() > 1.0:
        raise InputError(
            f"from_image.image has channels from {found.min():g} to {found.max():g}, but floats from 0 to 1 are "
            "needed, or unsigned integers as pictures are read"
        )
    return found


# Body


def _bright(grey: np.ndarray, threshold: float, *, mask: bool) -> tuple[np.ndarray, str]:
    """Of an array of brightnesses, what is bright; of truth values, what is true."""
    if mask:
        if not grey.any():
            raise InputError("from_image.image has no body: no pixel is true, but at least one is needed")
        return grey > 0.5, "what is true"
    body = grey > threshold
    if not body.any():
        raise InputError(
            f"from_image.image has no body: no pixel is brighter than the threshold {threshold:g}; the brightest is "
            f"{grey.max():g}"
        )
    if not body.all() and _rim(body).mean() > 1.0 - EDGE / 2.0 and min(body.shape) > 2:
        warnings.warn(
            "from_image took what is bright for the body, and nearly all of the picture's rim is; if the body is dark "
            "on light paper, give background='light'",
            stacklevel=4,
        )
    return body, f"what is brighter than {threshold:g}"


def _apart(pixels: np.ndarray, threshold: float | None, background: Any) -> tuple[np.ndarray, str]:
    """What is opaque or, where everything is, what differs from the background."""
    alpha = pixels[..., -1] if pixels.shape[2] in (2, 4) else None
    if alpha is not None and background is None and alpha.min() < 1.0:
        least = BRIGHT if threshold is None else threshold
        return alpha > least, f"what is opaque (alpha above {least:g})"
    colour = pixels[..., :3] if pixels.shape[2] > 2 else pixels[..., :1]
    if background is None:
        ground, told = np.median(_rim(colour), axis=0), "its rim"
    elif isinstance(background, str) and background in ("light", "dark"):
        ground, told = np.full(colour.shape[2], float(background == "light")), background
    else:
        ground, told = _colour("from_image.background", background), "what was given"
    if threshold is not None:
        grey, light = colour.mean(axis=2), float(np.mean(ground)) > 0.5
        body = grey < threshold if light else grey > threshold
        return body, f"what is {'darker' if light else 'brighter'} than {threshold:g} (the background is {told})"
    distance = np.abs(colour - ground).max(axis=2)
    if np.ptp(distance) < 1e-3:
        raise InputError("from_image.image has no body: all its pixels are alike; give an array of truth values")
    level, clear = _otsu(distance)
    body = distance > level
    if background is None and _rim(body).mean() > EDGE:
        _warn(f"the body takes {_rim(body).mean():.0%} of the picture's rim, from which the background is taken")
    elif clear < CLEAR:
        _warn("body and background are not clearly apart")
    dark = float(colour[body].mean()) < float(np.mean(ground))
    return body, (
        f"what differs from the background {_hex(ground)} ({told}) by more than {level:.2f} (Otsu's threshold): "
        f"{'dark on light' if dark else 'light on dark'}"
    )


def _warn(why: str) -> None:
    warnings.warn(
        f"from_image is not sure of the body: {why}; give background='light', 'dark' or a "
        "colour, a threshold, or an array of truth values",
        stacklevel=5,
    )


def _rim(values: np.ndarray) -> np.ndarray:
    """The pixels at the picture's edges, one after the other."""
    return np.concatenate([values[0], values[-1], values[1:-1, 0], values[1:-1, -1]])


def _otsu(values: np.ndarray) -> tuple[float, float]:
    """The level that parts values into two groups best, and the share of the variance that lies between these.

    Otsu, "A threshold selection method from gray-level histograms", IEEE Transactions on Systems, Man, and Cybernetics
    9(1), 1979, equations 12 to 15; the level is in the middle between both groups' nearest values.
    """
    levels, counts = np.unique(np.round(values, 4), return_counts=True)
    share = counts / counts.sum()
    below, mean = np.cumsum(share)[:-1], np.cumsum(share * levels)
    between = (mean[-1] * below - mean[:-1]) ** 2 / (below * (1.0 - below))
    at = int(np.argmax(between))
    variance = float((share * (levels - mean[-1]) ** 2).sum())
    return float(levels[at] + levels[at + 1]) / 2.0, float(between[at]) / variance


# Colours


def _regions(pixels: np.ndarray, body: np.ndarray, colours: Any) -> tuple[np.ndarray, tuple[str, ...]]:
    """The nearest colour of each pixel, and the colours' names: those given, else those that are found."""
    colour = pixels[..., :3] if pixels.shape[2] > 2 else np.repeat(pixels[..., :1], 3, axis=2)
    if colours is None:
        known = _found(colour[body])
    elif isinstance(colours, Mapping) and colours:
        known = {str(name): _colour(f"from_image.colours[{name!r}]", each) for name, each in colours.items()}
    else:
        raise InputError(
            f"from_image.colours is {colours!r}, but {{name: colour}} is needed, e.g. {{'leg': '#d02020'}}"
        )
    centres = np.stack(list(known.values()))
    distance = np.linalg.norm(colour[:, :, None] - centres, axis=3)
    return np.argmin(distance, axis=2), tuple(known)


def _found(colours: np.ndarray) -> dict[str, np.ndarray]:
    """The colours that take much of a body (pixels, 3), by name, the most frequent first."""
    bins = np.round(colours * 15.0).astype(np.int64)
    levels, which, counts = np.unique(bins, axis=0, return_inverse=True, return_counts=True)
    which = which.reshape(-1)
    found: dict[str, np.ndarray] = {}
    for k in np.argsort(-counts, kind="stable").tolist():
        if counts[k] < LEAST * len(colours) or len(found) == MOST:
            break
        centre = np.median(colours[which == k], axis=0)
        if all(np.abs(centre - other).max() > APART for other in found.values()):
            found[_name(centre, found)] = centre
    return found or {_name(levels[0] / 15.0, {}): np.median(colours, axis=0)}


def _name(colour: np.ndarray, taken: Mapping[str, Any]) -> str:
    nearest = min(NAMES, key=lambda name: float(np.linalg.norm(colour - NAMES[name])))
    count = sum(name == nearest or name.startswith(f"{nearest}-") for name in taken)
    return f"{nearest}-{count + 1}" if count else nearest


def _colour(owner: str, given: Any) -> np.ndarray:
    """(3,) from 0 to 1, of a name, "#rrggbb" or three numbers."""
    if not isinstance(given, str):
        return array(owner, given, (3,), least=0.0, most=1.0)
    from PIL import ImageColor

    try:
        return np.array(ImageColor.getrgb(given)[:3]) / 255.0
    except ValueError:
        raise InputError(
            f"{owner} is {given!r}, but a colour is needed: 'red', '#d02020' or three numbers from 0 to 1"
        ) from None


def _hex(colour: np.ndarray) -> str:
    channels = np.broadcast_to(colour, (3,))
    return "#" + "".join(f"{round(255 * float(channel)):02x}" for channel in channels)
