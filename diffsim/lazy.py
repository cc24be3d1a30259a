"""Things that are known by a name or a path, and imported when they are first needed."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

__all__ = ["load_script", "named"]


def named(place: Any) -> Any:
    """What stands at "module:name"; anything but a string is given back as it is."""
    if not isinstance(place, str):
        return place
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def load_script(path: Path) -> ModuleType:
    """Import the script as Python would run it, but for its main line."""
    spec = importlib.util.spec_from_file_location(f"scene script {path.stem}", path)  # not one of the same name
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.parent.resolve()))  # a script may import its neighbours
    sys.modules[module.__name__] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
