"""CSV and TSV: the first rows and columns, as a table."""

from __future__ import annotations

import csv
import io
from typing import Final

from holdall.surfaces.web.previews.sample import TEXT, NoPreview, Preview, Sample

ROWS: Final = 200
COLUMNS: Final = 50
CELL: Final = 300
"""Characters of a cell that are shown."""


def fits(sample: Sample) -> bool:
    """Return whether it is called so, and is text."""
    return sample.suffix in (".csv", ".tsv") and sample.is_text


def show(sample: Sample) -> Preview:
    """Show its first rows. A formula among them is text, as anything else."""
    text = sample.text()[0]
    if sample.size > TEXT and "\n" in text:
        text = text[: text.rindex("\n")]  # not half a row
    rows = []
    for row in csv.reader(io.StringIO(text), delimiter=_delimiter(sample, text)):
        rows.append(row)
        if len(rows) > ROWS:
            break
    if not rows:
        raise NoPreview("it has no rows")
    return Preview("table", "table.html", *table_of(rows[0], rows[1:], cut=sample.size > TEXT))


def table_of(names: list[str], rows: list[list[str]], *, cut: bool) -> tuple[dict[str, object], tuple[str, ...]]:
    """Return what a template shows of a table, and what has to be said of it."""
    wide = max((len(row) for row in [names, *rows]), default=0)
    notes = [f"these are the first {COLUMNS} of {wide} columns"] if wide > COLUMNS else []
    if cut or len(rows) > ROWS - 1:
        notes.append(f"these are the first {min(len(rows), ROWS)} rows")
    columns = [*names, *[""] * (wide - len(names))][:COLUMNS]
    shown = [[_cut(cell) for cell in [*row, *[""] * (len(columns) - len(row))][:COLUMNS]] for row in rows[:ROWS]]
    return {"columns": [_cut(name) for name in columns], "rows": shown}, tuple(notes)


def _cut(cell: str) -> str:
    return cell if len(cell) <= CELL else f"{cell[:CELL]}..."


def _delimiter(sample: Sample, text: str) -> str:
    if sample.suffix == ".tsv":
        return "\t"
    first = text.partition("\n")[0]
    return max(",;\t", key=first.count)
