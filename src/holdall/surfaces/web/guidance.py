"""The page of help: keys, and what filters look like."""

from __future__ import annotations

from typing import Final

from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.site import Site

FILTERS: Final = (
    ("metrics.loss < 0.1", "the latest value of a metric"),
    ("min.loss < 0.1 and max.accuracy > 0.9", "the least value, the greatest value"),
    ("params.model = 'forest' and metrics.`val/loss` < 0.2", "both hold"),
    ("tags.team IS NOT NULL", "has the tag"),
    ("run_name LIKE 'resnet%'", "begins with it; % is any text, ILIKE ignores case"),
    ("status = 'RUNNING'", "also FINISHED, FAILED, KILLED, SCHEDULED"),
    ("duration > 3600000", "went on for longer than an hour; in ms"),
    ("bytes > 1000000000", "holds more than 1 GB of files"),
    ("artifacts.path LIKE '%.safetensors'", "holds such a file"),
)


def help(_: Site, __: Query) -> Page:
    """Draw what keys do, and examples of filters."""
    return Page("help.html", "Help", {"filters": FILTERS})


PAGES: Final[Pages] = {"help": help}
