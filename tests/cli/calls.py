"""Calls of the command ``diffsim``."""

from diffsim.cli import main

__all__ = ["call"]


def call(*words):
    """Run the command; its exit status."""
    try:
        main([str(word) for word in words])
    except SystemExit as leaving:
        return leaving.code
    return 0
