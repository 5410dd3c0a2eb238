"""The points of a chart as CSV: as many of them as a table can hold, and the file's name says of how many."""

from __future__ import annotations

import csv
import io
import re
from typing import Final

from holdall.store import Histories
from holdall.surfaces.web.page import Body

MOST: Final = 500_000  # points of all series of a file
EACH: Final = 100_000  # of one series
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def table_of(found: Histories) -> Body:
    """Return points as a file to keep."""
    made = io.StringIO()
    rows = csv.writer(made)
    rows.writerow(["run_id", "key", "step", "time", "value"])
    for one in found:
        key = inert(one.key)
        rows.writerows(
            [one.run_id, key, step, time, repr(value)]
            for step, time, value in zip(one.steps, one.times, one.values, strict=True)
        )
    headers = {"content-disposition": f'attachment; filename="{_name(found)}"'}
    return Body(made.getvalue().encode("utf-8", "replace"), "text/csv; charset=utf-8", headers)


def inert(text: str) -> str:
    """Return text that no program for tables takes for a formula.

    Example:
        >>> inert("=1+1"), inert("loss")
        ("'=1+1", 'loss')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text


def _name(found: Histories) -> str:
    keys = "+".join(dict.fromkeys(re.sub(r"[^A-Za-z0-9.-]+", "_", one.key) for one in found))[:80] or "points"
    shown, count = sum(map(len, found)), sum(one.count for one in found)
    return f"{keys}.csv" if shown == count else f"{keys}, {shown} of {count} points.csv"
