"""What is said where a library is missing."""

from __future__ import annotations

import sys

import pytest

import diffsim as ds
from diffsim.errors import MissingExtraError


@pytest.mark.parametrize("name", ["jax", "tensorflow", "torch"])
def test_a_missing_library_is_named_with_its_extra(name, monkeypatch):
    monkeypatch.delitem(sys.modules, f"diffsim.bridges.{name}", raising=False)
    for module in [name, *(each for each in sys.modules if each.startswith(f"{name}."))]:
        monkeypatch.setitem(sys.modules, module, None)  # as if it were not installed
    with pytest.raises(
        MissingExtraError, match=rf'ds\.{name} needs the package {name}: pip install "diffsim\[{name}\]"'
    ):
        getattr(ds, name)


def test_a_library_that_lacks_something_itself_is_not_called_missing(monkeypatch, tmp_path):
    (tmp_path / "torch.py").write_text("import nothing_of_this_name\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "diffsim.bridges.torch", raising=False)
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(ModuleNotFoundError, match="nothing_of_this_name"):
        ds.torch  # noqa: B018
