"""The book's settings: `make docs` builds it, and warnings are errors."""

import functools
import sys
from importlib import metadata
from pathlib import Path

from sphinx.util.nodes import make_refnode

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from docstrings import to_rst  # noqa: E402
from generate import write_all  # noqa: E402

project = "pyrogen"
author = copyright = "The pyrogen developers"
release = metadata.version("pyrogen")
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["generated/tables"]  # included by pages
html_theme = "furo"
html_title = "pyrogen"
html_static_path = ["static"]
html_css_files = ["book.css"]
html_show_sphinx = False
html_copy_source = False
# thousands of names in the tree that stands beside every page would be most of what a build costs
toc_object_entries = False
myst_enable_extensions = ["attrs_block", "colon_fence", "deflist"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
# of a short name in a signature that two files define: it stays without a link
suppress_warnings = ["ref.python"]
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
python_maximum_signature_line_length = 100
# names of types in signatures are written short, and link where they can
autodoc_typehints_format = "short"


def readable(app, what, name, thing, options, lines) -> None:
    """Docstrings are plain text, see `docstrings.py`."""
    lines[:] = to_rst(lines)


@functools.cache
def defined(app) -> dict[str, list[str]]:
    """Full names of all that is documented, by their last part, and by their last two."""
    found: dict[str, list[str]] = {}
    for full in app.env.domains.python_domain.objects:
        parts = full.split(".")
        for tail in (parts[-2:], parts[-1:]):
            found.setdefault(".".join(tail), []).append(full)
    return found


def elsewhere(app, env, node, contnode):
    """A name that docstrings call by a shorter path than that of the file that defines it."""
    target = node.get("reftarget", "").split(".")
    for tail in (target[-2:], target[-1:]):
        found = defined(app).get(".".join(tail), [])
        if len(found) == 1:
            entry = env.domains.python_domain.objects[found[0]]
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, contnode, found[0])
    return None


def setup(app) -> None:
    """Pages that are made from the sources are written before the rest is read."""
    app.connect("builder-inited", lambda app: write_all(HERE / "generated"))
    app.connect("autodoc-process-docstring", readable)
    app.connect("missing-reference", elsewhere)
