"""Command lines: the one that all scene scripts share, and ``diffsim``."""

from diffsim.cli.main import main
from diffsim.cli.scene import scene_main

__all__ = ["main", "scene_main"]
