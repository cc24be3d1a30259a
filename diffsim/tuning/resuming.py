"""What a run that goes on must have in common with the one in its folder, and what it takes from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from diffsim.errors import InputError
from diffsim.files import read_packed
from diffsim.spec import numbers_by_name
from diffsim.tuning.load import load_about

__all__ = ["STOPS", "difference", "kept_units", "last_state"]

STOPS = ("iterations", "target", "patience", "time_limit")  # settings that only say when to stop: they may change


def kept_units(folder: Path, names: Iterable[str]) -> dict[str, float]:
    """The units that the run in the folder counts its parameters in; empty if there is no run.

    Before there were units of their own (in version 0.1.0) they were what ``scale`` named, and else 1.
    """
    try:
        settings = load_about(folder).get("settings", {})
    except FileNotFoundError:
        return {}
    names = list(names)
    known = settings.get("units")
    if known is None:
        known = {**dict.fromkeys(names, 1.0), **numbers_by_name("the run's scale", settings.get("scale") or {}, names)}
    return {name: float(known[name]) for name in names if name in known}


def difference(about: Mapping[str, Any], given: Mapping[str, Any]) -> str | None:
    """The first difference between the run in a folder and what is to go on, in words; None if there is none.

    Args:
        about: what the run's ``problem.json`` holds.
        given: the same of what is to go on, whose units were taken from the run.
    """
    free = {name: given["settings"].get(name) for name in (*STOPS, "units")}
    kept = {**about, "settings": {**about["settings"], **free}}
    return _difference({name: kept.get(name) for name in given}, dict(given))


def _difference(theirs: Any, ours: Any, where: str = "") -> str | None:
    if isinstance(theirs, dict) and isinstance(ours, dict):
        pairs = [(name, theirs.get(name), ours.get(name)) for name in {**theirs, **ours}]
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = [(str(k), *pair) for k, pair in enumerate(zip(theirs, ours, strict=True))]
    elif theirs == ours:
        return None
    else:
        one, other = json.dumps(theirs), json.dumps(ours)
        same = next((k for k, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))
        return f"its {where} is {_excerpt(one, same)}, but now it is {_excerpt(other, same)}"
    parts = (_difference(a, b, f"{where}.{name}" if where else name) for name, a, b in pairs)
    return next((part for part in parts if part), None)


def _excerpt(words: str, at: int) -> str:
    """At most 60 letters around a place."""
    start = max(0, min(at - 20, len(words) - 60))
    end = start + 60
    return ("..." if start else "") + words[start:end] + ("..." if end < len(words) else "")


def last_state(folder: Path, about: Mapping[str, Any]) -> tuple[dict[str, np.ndarray] | None, list[bytes]]:
    """The state of the run in the folder, None if it was ended in its first moments, and the lines of its history."""
    path = folder / "history.jsonl"
    lines = path.read_bytes().split(b"\n")[:-1] if path.exists() else []
    own = bool(lines) and json.loads(lines[0]).get("run") == about.get("run")
    try:
        held = read_packed(folder / "state.npz")
    except FileNotFoundError:
        held = {}
    if held and str(held.pop("run", "")) == about.get("run"):
        if len(lines) < int(held["records"]):
            raise InputError(
                f"{folder} cannot be resumed: its state was saved after {int(held['records'])} records, but "
                f"history.jsonl holds {len(lines)}; start it anew"
            )
        return held, lines
    if own and len(lines) > 1:
        raise InputError(f"{folder} cannot be resumed: it has a history, but its state.npz is gone; start it anew")
    return None, lines
