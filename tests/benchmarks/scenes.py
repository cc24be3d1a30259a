"""The scene scripts as modules."""

import importlib.util
from pathlib import Path
from types import ModuleType

__all__ = ["POLICIES", "SCENES", "scene"]

EVERY = sorted((Path(__file__).parents[2] / "scenes").glob("*.py"))
POLICIES = [path for path in EVERY if "policy_main" in path.read_text()]
"""Those that learn a policy: they have a task, and no problem."""
SCENES = [path for path in EVERY if path not in POLICIES]


def scene(name: str) -> ModuleType:
    """The script scenes/``name``.py."""
    spec = importlib.util.spec_from_file_location(name, next(path for path in EVERY if path.stem == name))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
