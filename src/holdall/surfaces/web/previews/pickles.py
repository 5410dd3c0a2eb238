"""Pickles: what they import when they are loaded, which is what they may run. They are not loaded."""

from __future__ import annotations

import io
from typing import Final

from holdall.errors import MissingLibraryError
from holdall.sizes import format_size
from holdall.store import imports_in
from holdall.surfaces.web.previews.sample import NoPreview, Preview, Sample
from holdall.terminal import printable

_READ: Final = 900 << 10
_SHOWN: Final = 500
_NAMES: Final = (".pkl", ".pickle", ".joblib", ".p", ".cloudpickle")


def fits(sample: Sample) -> bool:
    """Return whether it begins as one of protocol 2 and later does, or is called one."""
    head = sample.head
    begins = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    return begins or (sample.suffix in _NAMES and sample.size > 0)


def show(sample: Sample) -> Preview:
    """Show what it imports, and what is known of that."""
    data = sample.prefix(_READ)
    try:
        found, whole = imports_in(io.BytesIO(data), sample.path)
    except MissingLibraryError as error:
        return Preview("pickle", "none.html", {}, (f"what it imports is not known: {error}",))
    if not found and not whole and sample.head[:1] != b"\x80":
        raise NoPreview("it is no pickle that can be followed")
    rows = [[printable(one.name[:300]), one.verdict] for one in found[:_SHOWN]]
    notes = ["loading it runs what it imports; what is unknown may be anything"]
    if len(data) < sample.size:
        notes.append(f"these are the imports of its first {format_size(len(data))}")
    elif not whole:
        notes.append("it could not be followed to its end")
    return Preview("pickle", "table.html", {"columns": ["it imports", "which is"], "rows": rows}, tuple(notes))
