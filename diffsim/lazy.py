"""Things that are known by name, and imported when they are first needed."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["named"]


def named(place: Any) -> Any:
    """What stands at "module:name"; anything but a string is given back as it is."""
    if not isinstance(place, str):
        return place
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
