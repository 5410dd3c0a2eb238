"""Are blocks of measurements what the entries say that they put together?"""

from __future__ import annotations

from holdall.errors import FormatError
from holdall.format.entry import LogEntry
from holdall.format.series import Block, Columns, add_points, join_columns, parse_block
from holdall.format.state import State
from holdall.trees.blobs import RunBlobReader


def check_series(entry: LogEntry, before: State, after: State, blobs: RunBlobReader) -> None:
    """Hold the blocks that a checkpoint adds against what was known before it.

    Args:
        entry: It carries the checkpoint.
        before: What the entries before it amount to, by the checkpoint before; its blocks were held against these.
        after: What this checkpoint says.
        blobs: Reads the run.

    Raises:
        DamageError: One cannot be read, or says something else.

    Cost: the blocks that it was made of; of one that was not made of others, and of more than the entries since the
        last checkpoint, its entries.
    """
    for block in after.series:
        if block in before.series:
            continue
        (data,) = blobs.read([block.ref])
        if parse_block(data, f"{entry.log} entry {entry.n}, a block of its series") != _expected(block, before, blobs):
            raise FormatError(f"{entry.log} entry {entry.n}", "its series is not what its entries say")


def _expected(block: Block, before: State, blobs: RunBlobReader) -> dict[str, Columns]:
    """Return the measurements of the entries that a block speaks of."""
    inside = [each for each in before.series if block.first <= each.first and each.last <= block.last]
    columns: dict[str, Columns] = {}
    for data in blobs.read([each.ref for each in inside]):
        join_columns(columns, parse_block(data, "a block"))
    told = {n for each in inside for n in range(each.first, each.last + 1)}
    known = {n for n, _ in before.recent}
    missing = [n for n in before.batches if block.first <= n <= block.last and n not in told and n not in known]
    if missing:  # not made as we make them
        columns = {}
        for entry in blobs.journal.each(n for n in before.batches if block.first <= n <= block.last):
            for op in entry.ops:
                add_points(columns, op["points"] if op["op"] == "metric" else ())
        return columns
    for n, points in before.recent:
        add_points(columns, points if block.first <= n <= block.last and n not in told else ())
    return columns
