"""How the documentation site is built.

    pip install -e '.[docs]' && sphinx-build -W docs docs/_build

Little text lies here: a page includes the file that is kept beside the code, and the
reference is made of docstrings.
"""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

from sphinx.application import Sphinx

project = "holdall"
author = "the holdall maintainers"
copyright = author
version = release = importlib.metadata.version("holdall")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
autodoc_mock_imports = [
    "accelerate",
    "keras",
    "lightgbm",
    "lightning",
    "optuna",
    "transformers",
    "xgboost",
]  # frameworks
exclude_patterns = ["_build"]
root_doc = "index"
html_theme = "furo"
html_title = f"holdall {release}"
html_copy_source = False

myst_heading_anchors = 3
default_role = "code"  # a docstring puts names between single backticks, as Markdown does

napoleon_use_ivar = True
napoleon_include_init_with_doc = False
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autodoc_inherit_docstrings = False
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 88

# Where a file of the repository is on the site.
PLACES = {
    "src/holdall/guide/": "guide/",
    "src/holdall/format/SPEC.md": "specification.md",
    "src/holdall/trees/COMMIT.md": "design/commit.md",
    "src/holdall/chunks/DEDUPLICATION.md": "design/deduplication.md",
    "src/holdall/collecting/GARBAGE.md": "design/garbage.md",
    "../format/SPEC.md": "../specification.md",
    "benchmarks/README.md": "benchmarks.md",
    "localstack/README.md": "localstack.md",
    "CONTRIBUTING.md": "contributing.md",
}


def relink(_: Sphinx, __: Path, ___: str, content: list[str]) -> None:
    """Let the README's links lead to pages of the site."""
    for there, here in PLACES.items():
        content[0] = re.sub(rf"\]\({re.escape(there)}", f"]({here}", content[0])


def adapt(_: Sphinx, what: str, __: str, ___: object, ____: object, lines: list[str]) -> None:
    """Say in reStructuredText what the docstrings say in their own way, before napoleon reads them."""
    if what == "module":
        _draw(lines)
    elif what in ("property", "attribute"):
        lines[:0] = ["..", ""]  # behind a comment, napoleon looks for no type before the first colon


def _draw(lines: list[str]) -> None:
    """An indented block is code or a picture, as in Markdown."""
    for at in range(len(lines) - 1, 1, -1):
        if lines[at].startswith("    ") and not lines[at - 1] and not lines[at - 2].startswith("    "):
            lines[at:at] = ["::", ""]


def setup(app: Sphinx) -> None:
    app.connect("autodoc-process-docstring", adapt, priority=400)
    app.connect("include-read", relink)
