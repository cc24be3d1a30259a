"""The wait before the first gradient: with an empty cache, and with Taichi's offline cache of the run before."""

from pathlib import Path

import pytest

from .alone import measure

pytestmark = pytest.mark.bench


@pytest.mark.parametrize("which", ["walker", "C"])
def test_first_gradient(which: str, tmp_path: Path) -> None:
    print()
    for name in ("cold", "from the cache"):
        found = measure("first_gradient", which, cache=tmp_path)
        parts = f"{found['imports']:.1f} imports + {found['make']:.1f} make + {found['call']:.1f} first call"
        print(f"{which}, {name}: {found['all']:.1f} s to the first gradient = {parts}")
