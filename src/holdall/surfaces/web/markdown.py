"""Markdown of anybody to HTML that runs nothing and asks for nothing.

Raw HTML in it is text. Links lead to `http`, `https` and `mailto` alone, and say nothing of where they were
followed from. A picture is drawn as a link to where it is: a page that asked other hosts for it would tell
them who reads it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markupsafe import Markup

from holdall.terminal import printable_lines

MOST: Final = 64 << 10
"""Characters that are drawn; more is shown as text."""
_SCHEMES: Final = ("http", "https", "mailto")


def as_html(text: str) -> Markup:
    """Return Markdown as HTML of ours; as plain text where it is longer than anybody reads, or cannot be parsed."""
    shown = printable_lines(text)
    if not text.strip():
        return Markup("")
    if len(text) > MOST:
        return _plain(shown)
    try:
        return Markup(_parser().render(shown))
    except (RecursionError, ValueError, IndexError):
        return _plain(shown)


def _plain(text: str) -> Markup:
    return Markup('<pre class="plain">{}</pre>').format(text)


def _leads_somewhere(url: str) -> bool:
    try:
        return urlsplit(url.strip()).scheme.lower() in _SCHEMES
    except ValueError:
        return False


@cache
def _parser() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "maxNesting": 20}).enable("table")
    drawn = RendererHTML()
    made.validateLink = _leads_somewhere  # type: ignore[method-assign]  # as its documentation says

    def link(_: Any, tokens: Any, at: int, options: Any, env: Any) -> str:
        tokens[at].attrs = {"href": tokens[at].attrGet("href") or "", "rel": "noopener noreferrer"}
        return drawn.renderToken(tokens, at, options, env)

    def picture(_: Any, tokens: Any, at: int, *__: Any) -> str:
        where, said = str(tokens[at].attrGet("src") or ""), tokens[at].content
        return str(Markup('<a rel="noopener noreferrer" href="{}">{}</a>').format(where, said or where))

    def cell(_: Any, tokens: Any, at: int, options: Any, env: Any) -> str:
        tokens[at].attrs = {}  # it says how the column is set by a style of its own, which the policy forbids
        return drawn.renderToken(tokens, at, options, env)

    for name in ("th_open", "td_open"):
        made.add_render_rule(name, cell)
    made.add_render_rule("link_open", link)
    made.add_render_rule("image", picture)
    return made
