"""How Sphinx builds these pages: ``make docs``. Nothing is fetched, so it builds without a network.

The pages are Markdown that also reads well on GitHub. So the tables of contents are not written a second time: each
list of links in ``index.md`` under a heading becomes a toctree with that heading as its caption (`contents`).
"""

import re
import sys
from pathlib import Path

from sphinx.domains.python import PyObject

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

project = "diffsim"
author = "the diffsim authors"
project_copyright = author
html_title = "diffsim"

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
suppress_warnings = ["config.cache"]

html_theme = "furo"
html_show_sphinx = False
html_static_path = ["static"]
html_css_files = ["diffsim.css"]
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#2a6fc4", "color-brand-content": "#2a6fc4"},
    "dark_css_variables": {"color-brand-primary": "#86b4ee", "color-brand-content": "#86b4ee"},
}
pygments_style = "friendly"
pygments_dark_style = "monokai"

myst_heading_anchors = 3  # GitHub's names of headings, which links between pages use

default_role = "py:obj"  # `Simulation` in a docstring leads to its entry
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # docstrings say shapes and units, which types do not
autodoc_preserve_defaults = True
autodoc_class_signature = "mixed"
napoleon_numpy_docstring = False
napoleon_use_ivar = True  # attributes as a list,
napoleon_attr_annotations = False  # and without types, like arguments
napoleon_use_rtype = False
python_maximum_signature_line_length = 90
python_use_unqualified_type_names = True
add_module_names = False


def contents(text: str) -> str:
    """The index with a hidden toctree for each of its lists of links."""
    parts = re.split(r"^## (.*)$", text, flags=re.M)
    trees = []
    for caption, body in zip(parts[1::2], parts[2::2], strict=True):
        pages = re.findall(r"^\* \[[^\]]*\]\(([\w/]+)\.md\)", body, flags=re.M)
        if pages:
            trees.append("\n".join(["```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```"]))
    return "\n\n".join([text, *trees, ""])


def _read(app, docname, source):
    if docname == "index":
        source[0] = contents(source[0])


def _whole_property(app, what, name, thing, options, lines):
    """Napoleon takes what is before a colon in a property's first line for its type; here it is prose."""
    if what == "property":
        lines.insert(0, "\\ ")  # a line without a colon, which vanishes


def _signature(app, what, name, thing, options, signature, returned):
    """Defaults as one would write them: dictionaries that a dataclass makes, and one pattern, which needs no tuple."""
    if signature:
        return signature.replace("<factory>", "{}").replace("('controller.*',)", "'controller.*'"), returned
    return None


def setup(app):
    """Hook these in."""
    app.connect("source-read", _read)
    app.connect("autodoc-process-docstring", _whole_property, priority=400)  # before Napoleon
    app.connect("autodoc-process-signature", _signature)
    for field in PyObject.doc_field_types:
        if field.name == "variable":
            field.label = "Attributes"
