"""Run the tutorial: what its blocks print goes below them, and its pictures into images/: ``make pictures``.

A block's output is a ``text`` block right below it, so no number on the page is written by hand.
"""

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).parent
PAGE = HERE / "tutorial.md"
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```$(?:\n\n```text\n.*?^```$)?", re.M | re.S)
"""A block of Python, with the output below it where there is one."""


def refreshed(page: str, folder: Path) -> str:
    """The page with what its blocks print now, all run in ``folder`` in one namespace."""
    module = sys.modules["tutorial"] = ModuleType("tutorial")

    def run(block: re.Match) -> str:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(compile(block["code"], str(PAGE), "exec", dont_inherit=True), vars(module))
        printed = "\n".join(line.rstrip() for line in said.getvalue().splitlines())
        return f"```python\n{block['code']}```" + (f"\n\n```text\n{printed}\n```" if printed else "")

    with contextlib.chdir(folder):
        return BLOCK.sub(run, page)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        page = refreshed(PAGE.read_text(), Path(made))
        for name in re.findall(r"\(images/(\w+\.\w+)\)", page):
            os.replace(Path(made, name), HERE / "images" / name)
    PAGE.write_text(page)
