"""What to say where a library is missing."""

from __future__ import annotations

import importlib
from typing import Any

from diffsim.errors import MissingExtraError

__all__ = ["needed"]


def needed(package: str, owner: str, extra: str) -> Any:
    """A package of the library, imported.

    Raises:
        MissingExtraError: it is not there; naming it, and the extra that has it.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package.partition(".")[0]:
            raise
        raise MissingExtraError(f'{owner} needs the package {error.name}: pip install "diffsim[{extra}]"') from None
