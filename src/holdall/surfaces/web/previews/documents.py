"""PDF: named, and offered as a download. Browsers' own viewers run scripts of a document."""

from __future__ import annotations

from holdall.surfaces.web.previews.sample import Preview, Sample


def fits(sample: Sample) -> bool:
    """Return whether it is a PDF."""
    return sample.head.startswith(b"%PDF-")


def show(sample: Sample) -> Preview:
    """Say which version of the format it is of."""
    version = sample.head[5:8].decode("latin-1")
    return Preview(f"PDF {version}" if version.replace(".", "").isdecimal() else "PDF", "none.html")
