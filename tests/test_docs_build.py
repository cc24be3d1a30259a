"""The pages of docs/ become a site without a warning, and its reference has everything that diffsim exports."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

import diffsim as ds

DOCS = Path(__file__).parents[1] / "docs"
MISSING = [name for name in ("sphinx", "myst_parser", "furo") if importlib.util.find_spec(name) is None]
needs_sphinx = pytest.mark.skipif(
    bool(MISSING), reason=f'{", ".join(MISSING)} not installed; pip install "diffsim[docs]"'
)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site; in a process of its own, as Sphinx changes warnings, paths and locales."""
    folder = tmp_path_factory.mktemp("docs")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(folder / "doctrees")]
    done = subprocess.run([*command, str(DOCS), str(folder / "html")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "html"


@needs_sphinx
def test_every_page_is_there_and_in_the_sidebar(site):
    index = (site / "index.html").read_text()
    pages = [page.relative_to(DOCS).with_suffix(".html") for page in DOCS.rglob("*.md")]
    assert len(pages) > 20
    for page in pages:
        assert (site / page).is_file()
        if page.name != "index.html":
            assert f'class="reference internal" href="{page.as_posix()}"' in index, f"{page} is not in the sidebar"


@needs_sphinx
def test_pages_name_nothing_of_the_network(site):
    """Whoever reads them offline sees the same: scripts, styles and pictures are all in the folder."""
    for page in ("index.html", "tutorial.html", "gallery.html", "reference/simulation.html"):
        loaded = re.findall(
            r'<(?:script|img|link rel="stylesheet")[^>]*(?:src|href)="([^"]+)"', (site / page).read_text()
        )
        assert loaded
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)]


@needs_sphinx
def test_names_in_docstrings_lead_to_their_entries(site):
    assert 'id="diffsim.Simulation.value_and_grad"' in (site / "reference" / "simulation.html").read_text()
    assert 'href="simulation.html#diffsim.Simulation"' in (site / "reference" / "tuning.html").read_text()


@needs_sphinx
def test_what_is_before_a_colon_is_not_taken_for_a_type(site):
    for page in (site / "reference").glob("*.html"):
        assert 'class="field-odd">Type<' not in page.read_text(), f"a docstring in {page.name} is cut in two"


def test_reference_has_every_exported_name_once():
    text = "\n".join(page.read_text() for page in sorted((DOCS / "reference").glob("*.md")))
    found = re.findall(r"^\.\. auto(?:class|function|exception):: (\w+)$", text, re.M)
    exported = [name for name in found if hasattr(ds, name)]
    missing = set(ds.__all__) - set(exported)
    assert not missing, f"docs/reference lacks {', '.join(sorted(missing))}"
    assert len(exported) == len(set(exported))
