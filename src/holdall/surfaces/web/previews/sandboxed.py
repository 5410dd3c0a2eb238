"""HTML and SVG, as plots of plotly, Bokeh and Altair are logged: in a frame that may run and see nothing."""

from __future__ import annotations

from holdall.sizes import format_size
from holdall.surfaces.web.artifact_bytes import MOST_SHUT_IN
from holdall.surfaces.web.previews.sample import NoPreview, Preview, Sample

_NAMES = (".html", ".htm", ".xhtml", ".svg")


def fits(sample: Sample) -> bool:
    """Return whether it begins as such a document, or is called one."""
    return sample.markup is not None or (sample.suffix in _NAMES and sample.is_text)


def show(sample: Sample) -> Preview:
    """Show a frame, in which scripts of the document run without cookies, network, or this page."""
    if sample.size > MOST_SHUT_IN:
        raise NoPreview(f"it has {format_size(sample.size)}, more than is shown of a document")
    svg = sample.markup == "svg" or (sample.markup is None and sample.suffix == ".svg")
    note = "It is shut in: its scripts run, and reach neither this page nor the network. What they load is missing."
    return Preview("SVG" if svg else "HTML", "sandboxed.html", {"kind": "svg" if svg else ""}, (note,))
