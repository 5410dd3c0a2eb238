"""The kinds of files, in the order in which they are tried: by content, then by name, then what is left."""

from __future__ import annotations

import logging
from types import ModuleType
from typing import Final

from holdall.errors import HoldallError
from holdall.surfaces.web.previews import (
    archives,
    binary,
    delimited,
    documents,
    jsons,
    markdowns,
    media,
    notebooks,
    parquets,
    pickles,
    pictures,
    sandboxed,
    tensors,
    texts,
)
from holdall.surfaces.web.previews.sample import NoPreview, Preview, Sample

KINDS: Final[tuple[ModuleType, ...]] = (
    pictures,
    media,
    documents,
    parquets,
    tensors,
    archives,
    pickles,
    sandboxed,
    notebooks,
    jsons,
    delimited,
    markdowns,
    texts,
    binary,
)
_log: Final = logging.getLogger("holdall")


def preview_of(sample: Sample) -> Preview:
    """Return what is shown of a file: by the first kind that it is of, and that can show it."""
    notes: list[str] = []
    for kind in KINDS:
        try:
            if kind.fits(sample):
                found: Preview = kind.show(sample)
                return Preview(found.kind, found.template, found.facts, (*notes, *found.notes))
        except NoPreview as error:
            notes.append(str(error))
        except HoldallError:
            raise
        except Exception as error:  # a file of anybody's, read by a library of somebody's
            _log.info("no preview of %s as %s: %s", sample.path, kind.__name__, error)
            notes.append(f"it cannot be shown as {kind.__name__.rpartition('.')[2]}: {type(error).__name__}")
    return Preview("unknown", "none.html", {}, tuple(notes))
