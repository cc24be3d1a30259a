"""Run pages: what their blocks print goes below them, and the pictures they make into images/: ``make pictures``.

A block's output is a ``text`` block right below it, so no number there is written by hand.
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
PAGES = ("tutorial", "own_scene", "identify", "planning")
BLOCK = re.compile(r"^```python\n(?P<code>.*?)^```$(?:\n\n```text\n.*?^```$)?", re.M | re.S)
"""A block of Python, with the output below it where there is one."""


def refreshed(name: str, folder: Path) -> str:
    """The text of a page with what its blocks print now, all run in ``folder`` in one namespace."""
    module = sys.modules[name] = ModuleType(name)
    page = HERE / f"{name}.md"

    def run(block: re.Match) -> str:
        said = io.StringIO()
        file = folder / f"{name}_{block.start()}.py"  # scene_main asks for the file of a problem
        file.write_text(block["code"])
        with contextlib.redirect_stdout(said):
            exec(compile(block["code"], str(file), "exec", dont_inherit=True), vars(module))
        printed = "\n".join(line.rstrip() for line in said.getvalue().splitlines())
        return f"```python\n{block['code']}```" + (f"\n\n```text\n{printed}\n```" if printed else "")

    here = Path.cwd()
    os.chdir(folder)
    try:
        return BLOCK.sub(run, page.read_text())
    finally:
        os.chdir(here)


if __name__ == "__main__":
    for name in sys.argv[1:] or PAGES:
        with tempfile.TemporaryDirectory() as made:
            page = refreshed(name, Path(made))
            for picture in re.findall(r"\(images/([\w.]+)\)", page):
                if Path(made, picture).exists():
                    (HERE / "images" / picture).write_bytes(Path(made, picture).read_bytes())
        (HERE / f"{name}.md").write_text(page)
