"""Benchmarks run on request only: `make bench`, or any pytest call whose -m names them."""

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if "bench" in config.getoption("markexpr"):
        return
    asked_not = [item for item in items if item.get_closest_marker("bench")]
    items[:] = [item for item in items if not item.get_closest_marker("bench")]
    if asked_not:
        config.hook.pytest_deselected(items=asked_not)
