"""Command lines: the one that all scene scripts share, and ``diffsim``."""

from typing import Any

from diffsim.cli.main import main

__all__ = ["main", "policy_main", "scene_main"]


def __getattr__(name: str) -> Any:
    """What scripts use is imported when one does: a command's help needs no tuner."""
    if name == "scene_main":
        from diffsim.cli.scene import scene_main

        return scene_main
    if name == "policy_main":
        from diffsim.cli.policy import policy_main

        return policy_main
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
