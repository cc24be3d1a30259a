"""Links that are moved from outside, along a trajectory that is given: MuJoCo's mocap bodies."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.spec import Spec, array

__all__ = ["Mocap", "check", "check_carried", "given", "numbers", "place_of", "renewed", "starts"]


@dataclass(frozen=True, eq=False, repr=False)
class Mocap(Spec):
    """Where a link without joints is put from outside, over time.

    Between two times it goes straight, and turns the shorter way; before the first and behind the last it stays. What
    it touches and what it holds feels where it is, but no velocity of it, as in MuJoCo.

    Attributes:
        positions: (t, 3) of its frame in the world [m]; (3,) is one.
        orientations: (t, 4) quaternions w, x, y, z of its frame in the world, of any length but zero; (4,) is one for
            all times. None is that of the link.
        times: (t,) when it is there, each later than the one before [s]. None is a place for each step of the scene,
            from the first one on.
    """

    positions: Any
    orientations: Any = None
    _: KW_ONLY
    times: Any = None

    def __post_init__(self) -> None:
        """Check every number."""
        positions = np.atleast_2d(array("Mocap.positions", self.positions, (3,), ("t", 3)))
        count = len(positions)
        turns, times = self.orientations, self.times
        if turns is not None:
            turns = np.atleast_2d(array("Mocap.orientations", turns, (4,), (count, 4)))
            for k in np.flatnonzero(np.linalg.norm(turns, axis=1) < 1e-12)[:1].tolist():
                raise InputError(f"Mocap.orientations[{k}] is zero, but a quaternion (w, x, y, z) is needed")
            turns = np.broadcast_to(turns, (count, 4))
        if times is not None:
            times = array("Mocap.times", times, (count,))
            for k in np.flatnonzero(np.diff(times) <= 0.0)[:1].tolist():
                late = f"Mocap.times[{k + 1}] is {times[k + 1]:g} after {times[k]:g}"
                raise InputError(f"{late}, but each is later than the one before")
        self._set(positions=positions, orientations=turns, times=times)


def check(owner: str, link: Any) -> None:
    """Refuse a link that is moved from outside if it is not one of the world, or joints move it."""
    if not isinstance(link.mocap, Mocap):
        raise InputError(f"{owner}mocap is of type {type(link.mocap).__name__}, but a Mocap is needed")
    if link.joints or link.parent is not None:
        what = f"joint {link.joints[0].name!r}" if link.joints else f"parent {link.parent!r}"
        raise InputError(f"{owner}has a mocap, which says where in the world it is, but also the {what}")


def check_carried(scene: Any) -> None:
    """Refuse joints of what is moved from outside."""
    for k, link in enumerate(scene.links):
        root = scene.links[scene.lineages[k][-1]]
        if root.mocap is not None and link.joints:
            raise InputError(
                f"link {link.name!r} has joint {link.joints[0].name!r}, but what link {root.name!r} carries, which a "
                "mocap moves, has no joints; hold it there with a Hold"
            )


def given(scene: Any) -> list[int]:
    """Links that are moved from outside."""
    return [k for k, link in enumerate(scene.links) if link.mocap is not None]


def starts(scene: Any) -> list[int]:
    """Where the places of each of these begin among those of all, and where the last ones end."""
    counts = [len(scene.links[k].mocap.positions) for k in given(scene)]
    return [0, *np.cumsum(counts, dtype=int).tolist()]


def _filled(scene: Any, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Positions, quaternions and times of a link that is moved from outside, all of them said."""
    link = scene.links[k]
    own, count = link.mocap, len(link.mocap.positions)
    turns = np.tile(link.orientation, (count, 1)) if own.orientations is None else own.orientations
    return own.positions, turns, scene.dt * np.arange(count) if own.times is None else own.times


def numbers(scene: Any) -> dict[str, np.ndarray]:
    """Places of all links that are moved from outside, one link after the other."""
    own = [_filled(scene, k) for k in given(scene)]
    names = ("mocap_position", "mocap_orientation", "mocap_time")
    return {name: np.concatenate(each) for name, each in zip(names, zip(*own, strict=True), strict=False)}


def renewed(scene: Any, values: dict[str, np.ndarray]) -> dict[int, Mocap]:
    """Of each link that is moved from outside its `Mocap` with other numbers."""
    first, found = starts(scene), {}
    names = {"mocap_position": "positions", "mocap_orientation": "orientations", "mocap_time": "times"}
    for place, k in enumerate(given(scene)):
        own = slice(first[place], first[place + 1])
        change: dict[str, Any] = {attribute: values[name][own] for name, attribute in names.items() if name in values}
        found[k] = replace(scene.links[k].mocap, **change)
    return found


def place_of(scene: Any, k: int, time: Any) -> tuple[np.ndarray, np.ndarray]:
    """Position (..., 3) and quaternion (..., 4) of a link that is moved from outside, at times (...) [s]."""
    positions, turns, times = _filled(scene, k)
    turns = turns / np.linalg.norm(turns, axis=1, keepdims=True)
    time = np.asarray(time, float)
    before = np.clip(np.searchsorted(times, time, side="right") - 1, 0, max(len(times) - 2, 0))
    after = np.minimum(before + 1, len(times) - 1)
    span = np.where(before == after, 1.0, times[after] - times[before])
    along = np.clip((time - times[before]) / span, 0.0, 1.0)[..., None]
    q, other = turns[before], turns[after]
    other = np.where((q * other).sum(axis=-1, keepdims=True) < 0.0, -other, other)
    turn = q + along * (other - q)
    place = positions[before] + along * (positions[after] - positions[before])
    return place, turn / np.linalg.norm(turn, axis=-1, keepdims=True)
