"""Parquet: its columns, and the first rows where pyarrow is installed."""

from __future__ import annotations

from typing import Any, Final

from holdall.store import sample_parquet
from holdall.surfaces.web.previews.delimited import CELL
from holdall.surfaces.web.previews.sample import NoPreview, Preview, Sample
from holdall.terminal import printable

_SHOWN: Final = 1_000  # columns of the schema


def fits(sample: Sample) -> bool:
    """Return whether it begins as Parquet does."""
    return sample.head.startswith(b"PAR1")


def show(sample: Sample) -> Preview:
    """Show what its footer says, and the first rows of its first group."""
    try:
        found = sample_parquet(sample.read_ranges, sample.size)
    except ValueError as error:
        raise NoPreview(f"it is no Parquet that can be shown: {error}") from error
    footer = found.footer
    facts = {
        "footer": footer,
        "schema": footer.columns[:_SHOWN],
        "columns": found.names,
        "rows": [[_cell(value) for value in row] for row in found.rows],
    }
    notes = tuple(
        filter(
            None,
            [
                found.left_out,
                f"these are the first {len(found.rows)} rows" * (len(found.rows) < footer.rows and bool(found.rows)),
            ],
        )
    )
    return Preview("Parquet", "parquet.html", facts, notes)


def _cell(value: Any) -> str:
    text = "" if value is None else value if isinstance(value, str) else str(value)
    return printable(text if len(text) <= CELL else f"{text[:CELL]}...")
