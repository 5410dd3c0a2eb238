"""Templates to HTML. Everything that is not a template is text, and escaped."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from html import escape
from importlib.metadata import version
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from holdall.display import lasting, own, when
from holdall.sizes import format_size
from holdall.surfaces.web.page import Page
from holdall.surfaces.web.security import POLICY_OF_FILES
from holdall.surfaces.web.site import Site
from holdall.terminal import printable, printable_lines

_DIGITS: Final = 6


@cache
def environment() -> Environment:
    """Return the templates, with the filters that they use."""
    made = Environment(
        loader=PackageLoader("holdall.surfaces.web"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    made.filters.update(
        size=format_size,
        when=when,
        iso=_iso,
        number=number,
        shown=printable,
        own=own,
        lines=printable_lines,
        lasting=lasting,
        cell=cell,
        counted=counted,
    )
    made.globals |= {"version": version("holdall"), "policy_of_files": POLICY_OF_FILES}
    return made


def render(site: Site, page: Page) -> str:
    """Return a page as HTML."""

    def url(name: str, /, **arguments: Any) -> str:
        return site.link(name, arguments)

    template = environment().get_template(page.template)
    return template.render(**page.facts, page=page, site=site, url=url)


def number(value: float | None) -> str:
    """Return a measurement with six digits; "-" where there is none."""
    return "-" if value is None else f"{value:.{_DIGITS}g}"


def cell(text: str, most: int = 80) -> str:
    """Return text fit to be shown, cut so that it takes at most so many bytes of a page."""
    shown = printable(text[: most + 1])
    if len(text) <= most and len(escape(shown).encode()) <= most:
        return shown
    while shown and len(escape(shown).encode()) > most - 3:
        shown = shown[:-1]
    return shown + "…"


def counted(count: int, noun: str) -> str:
    """Return how many there are of something.

    Example:
        >>> counted(1, "file"), counted(12000, "file")
        ('1 file', '12,000 files')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def _iso(time: int | None) -> str:
    """Return a time in ms since 1970 UTC as a `<time>` element says it; "" where there is none that a calendar has."""
    try:
        return "" if time is None else datetime.fromtimestamp(time / 1000, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError, OSError):
        return ""
