"""What a run was made with: versions, machine, command."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
import time
from typing import Any

__all__ = ["environment", "version"]


def environment() -> dict[str, Any]:
    """Of this process, as plain values."""
    return {
        "python": platform.python_version(),
        **{package: version(package) for package in ("diffsim", "numpy", "taichi")},
        "platform": platform.platform(),
        "processor": platform.machine(),
        "command": list(sys.orig_argv),
        "script": os.path.abspath(sys.argv[0]) if sys.argv[0].endswith(".py") else None,
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def version(package: str) -> str | None:
    """Of an installed package; None if it is not installed, or run from a checkout."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
