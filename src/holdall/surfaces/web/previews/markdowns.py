"""Markdown, drawn without anything that it could run or ask for."""

from __future__ import annotations

from holdall.surfaces.web.markdown import MOST, as_html
from holdall.surfaces.web.previews.sample import NoPreview, Preview, Sample


def fits(sample: Sample) -> bool:
    """Return whether it is called Markdown, and is text."""
    return sample.suffix in (".md", ".markdown") and sample.is_text


def show(sample: Sample) -> Preview:
    """Show it drawn."""
    if sample.size > MOST:
        raise NoPreview(f"it is shown as text: it has more than {MOST} bytes")
    return Preview("Markdown", "markdown.html", {"html": as_html(sample.text()[0])})
