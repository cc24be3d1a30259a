"""The scene scripts as modules."""

import importlib.util
from pathlib import Path
from types import ModuleType

__all__ = ["SCENES", "scene"]

SCENES = sorted((Path(__file__).parents[2] / "scenes").glob("*.py"))


def scene(name: str) -> ModuleType:
    """The script scenes/``name``.py."""
    spec = importlib.util.spec_from_file_location(name, next(path for path in SCENES if path.stem == name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
