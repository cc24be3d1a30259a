"""The pages of docs/ and the README: their Python runs, and their links lead somewhere."""

from __future__ import annotations

import importlib.util
import re
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import matplotlib.pyplot as plt
import pytest

import diffsim as ds
from diffsim import physics
from diffsim.spec import Spec

from .examples import CONTROLLERS, OBJECTIVES, SCENES

ROOT = Path(__file__).parents[1]
PAGES = [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "README.md"]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]

BLOCK = re.compile(r"^(?:<!-- (?P<mark>[A-Za-z ]+) -->\n+)?```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
"""A fenced block, with the comment before it: ``no test``, or ``needs torch`` for an optional package."""

LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)|!\[[^\]]*\]\((?P<image>[^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    line: int  # of the page, where the text begins
    text: str
    mark: str  # "", "no test" or "needs PACKAGE"


def python_of(text: str) -> list[Block]:
    found = []
    for match in BLOCK.finditer(text):
        if match["language"] == "python":
            line = text.count("\n", 0, match.start("text")) + 1
            found.append(Block(line, match["text"], match["mark"] or ""))
    return found


def anchor(heading: str) -> str:
    """GitHub's name for a heading."""
    return re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")


def anchors_of(text: str) -> set[str]:
    prose = BLOCK.sub("", text)
    return {anchor(heading) for heading in re.findall(r"^#+ (.*)$", prose, re.M)}


@pytest.fixture
def apart(monkeypatch, tmp_path):
    """A folder of its own; what a page registers is forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    for name in ds.__all__:  # the package's own classes stay: imported by a page, they would be forgotten with it
        getattr(ds, name)
    monkeypatch.setattr(Spec, "_classes", dict(Spec._classes))
    known = dict(physics._REGISTRY)
    yield tmp_path
    physics._REGISTRY.clear()
    physics._REGISTRY.update(known)
    plt.close("all")


def run(page: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, package: str = "") -> None:
    """Run the page's blocks in order, in one namespace; Taichi reads a function's source from its file.

    The file has the page's line numbers, so that a failure points into the page.
    """
    module = ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)  # dataclasses look their module up
    for block in python_of(page.read_text()):
        if block.mark not in ("", f"needs {package}"):
            continue
        source = "\n" * (block.line - 1) + block.text
        file = folder / f"{page.stem}_{block.line}.py"
        file.write_text(source)
        # A page does not inherit this file's __future__: annotations that are strings would break its stages.
        exec(compile(source, str(file), "exec", dont_inherit=True), vars(module))


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_python_runs(page, apart, monkeypatch, capsys):
    run(page, apart, monkeypatch)


NEEDS = sorted(
    {
        (str(page.relative_to(ROOT)), block.mark.removeprefix("needs "))
        for page in PAGES
        for block in python_of(page.read_text())
        if block.mark.startswith("needs ")
    }
)


@pytest.mark.parametrize(("page", "package"), NEEDS)
def test_python_runs_with_an_optional_package(page, package, apart, monkeypatch, capsys):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    run(ROOT / page, apart, monkeypatch, package)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_marks_mean_something(page):
    marks = {block.mark for block in python_of(page.read_text())}
    assert all(mark in ("", "no test") or re.fullmatch(r"needs \w+", mark) for mark in marks)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_somewhere(page):
    text = BLOCK.sub("", page.read_text())
    for match in LINK.finditer(text):
        target = match["target"] or match["image"]
        if re.match(r"[a-z]+:", target):
            continue  # the tests stay offline
        path, _, fragment = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{page.name} links to {target}, which is not there"
        if fragment and file.suffix == ".md":
            assert fragment in anchors_of(file.read_text()), f"{page.name} links to {target}: no such heading"


def test_index_names_every_page():
    index = (ROOT / "docs" / "index.md").read_text()
    linked = {match["target"].partition("#")[0] for match in LINK.finditer(index) if match["target"]}
    names = [page.relative_to(ROOT / "docs").as_posix() for page in PAGES[:-1]]
    missing = [name for name in names if name != "index.md" and name not in linked]
    assert not missing, f"docs/index.md does not link {', '.join(missing)}"


@pytest.mark.parametrize("kind", SCENES, ids=lambda kind: kind.__name__)
def test_parameters_names_every_number_of_a_scene(kind):
    text = (ROOT / "docs" / "parameters.md").read_text()
    for name, make in SCENES[kind].items():
        missing = [number for number in make().numbers() if f"`scene.{number}`" not in text]
        assert not missing, f"docs/parameters.md does not name {', '.join(missing)} of the example {name}"


@pytest.mark.parametrize("kind", [*CONTROLLERS, *OBJECTIVES], ids=lambda kind: kind.__name__)
def test_parameters_has_a_row_for_every_controller_and_objective(kind):
    assert f"\n| `{kind.__name__}` |" in (ROOT / "docs" / "parameters.md").read_text()


# The reader of pages itself

SAMPLE = """# A page

```python
x = 1
```

<!-- needs torch -->
```python
import torch
```

<!-- no test -->

```python
nonsense(
```

```bash
make
```
"""


def test_blocks_are_found_with_their_lines_and_marks():
    assert python_of(SAMPLE) == [
        Block(4, "x = 1\n", ""),
        Block(9, "import torch\n", "needs torch"),
        Block(15, "nonsense(\n", "no test"),
    ]


def test_headings_become_anchors():
    assert anchors_of("# What may stand\n## `f32`, and f64!\n") == {"what-may-stand", "f32-and-f64"}


def test_a_page_that_fails_names_its_line(tmp_path, monkeypatch):
    page = tmp_path / "wrong.md"
    page.write_text("# Wrong\n\n```python\nfine = 1\nfine / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        run(page, tmp_path, monkeypatch)
    assert caught.traceback[-1].lineno + 1 == 5
