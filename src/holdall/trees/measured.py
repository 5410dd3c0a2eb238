"""Series of measurements: put into blocks by who writes a checkpoint, read by block where there are some.

    entries   0 ... 63 | 64 ... 127 | ... | 960 ... 1023 | 1024 ...
    blocks    [  0   ] | [   0    ] | ... | [    0     ]              one in each checkpoint's entry
              [                     1                  ]              sixteen of them together, in a later one

So ten thousand entries are read in some twenty requests, and each measurement is written three times at most
below a million entries. Blocks lie in entries of the log itself: no collector needs to know them, and W1 to W7
of SPEC.md do not speak of them. They are advice. What is in no block, or in one that cannot be read, is in its
entries still.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from holdall.chunks.delivery import decode_verified
from holdall.chunks.pool import Pool
from holdall.errors import DamageError, HoldallError, IntegrityError
from holdall.format.entry import LogEntry
from holdall.format.reference import JSON_BLOB, InEntry, Ref
from holdall.format.series import (
    MAX_BLOCK,
    Block,
    Columns,
    Point,
    add_points,
    encode_block,
    join_columns,
    parse_block,
)
from holdall.format.state import State
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.view import View

_WORTH: Final = 4  # entries with measurements that are put into a block; fewer are as soon read
_TOGETHER: Final = 16  # blocks of one level that become one
_AHEAD: Final = 64  # entries that are fetched before they are needed


def add_block(view: View, place: Callable[[bytes, int], Ref]) -> list[Block]:
    """Return the blocks of the checkpoint after the view's head.

    Args:
        view: The log so far.
        place: Puts a blob of some kind into that entry.
    """
    state = view.state
    if state.recent_from is None or len(state.recent) < _WORTH:
        return state.series
    columns = columns_of(state.recent)
    kept, level, first = _mergeable(state, view.paths.blobs, columns)
    data = encode_block(columns)
    if len(data) > MAX_BLOCK:
        return state.series
    ref = place(data, JSON_BLOB).carried_by(view.next)
    return [*kept, Block(state.recent_from if first is None else first, view.next - 1, level, ref)]


def columns_of(recent: Sequence[tuple[int, Sequence[Point]]]) -> dict[str, Columns]:
    """Return the measurements of some entries by key."""
    columns: dict[str, Columns] = {}
    for _, points in recent:
        add_points(columns, points)
    return columns


def _mergeable(state: State, blobs: RunBlobReader, columns: dict[str, Columns]) -> tuple[list[Block], int, int | None]:
    """Put older blocks before some measurements, as many as make one of a higher level; return what stays of them.

    Returns:
        The blocks that stay, the level of what `columns` is now, and its first entry where older blocks are in it.
    """
    kept, level, first = list(state.series), 0, None
    following = state.recent_from
    while True:
        same = kept[1 - _TOGETHER :]
        ends = [*(block.first for block in same[1:]), following]
        alike = len(same) == _TOGETHER - 1 and all(block.level == level for block in same)
        joined = alike and all(block.last + 1 == end for block, end in zip(same, ends, strict=True))
        if not joined or sum(block.ref.raw for block in same) > MAX_BLOCK // 2:
            return kept, level, first
        try:
            older = [parse_block(data, "a block") for data in blobs.read([block.ref for block in same])]
        except DamageError:
            return kept, level, first
        whole: dict[str, Columns] = {}
        for each in (*older, dict(columns)):
            join_columns(whole, each)
        columns.clear()
        columns.update(whole)
        del kept[1 - _TOGETHER :]
        level, first = level + 1, same[0].first
        following = first


def measurements(view: View, key: str, pool: Pool) -> Iterator[Point]:
    """Yield every measurement of a key, in the order in which they were logged.

    Raises:
        LogGapError: An entry that holds some is missing.
        FormatError: It is damaged.

    Cost: a GET for each block, and for each entry with measurements that is in none, 32 side by side.
    """
    state, journal = view.state, view.paths.blobs.journal
    if key not in state.metrics:
        return
    known = {n for n, _ in state.recent}
    groups = ((part, [part if isinstance(part, int) else _entry_of(part)]) for part in _parts(state, known))
    for part, (entry,) in pool.stream(journal.read_or_damage, groups, ahead=_AHEAD):
        yield from _points_of(part, entry, key, journal, state)
    for _, points in state.recent:
        yield from (point for point in points if point[0] == key)


def _parts(state: State, known: set[int]) -> Iterator[int | Block]:
    """Yield blocks, and the entries that are in none, in the order of the log."""
    left = iter(state.series)
    block = next(left, None)
    for n in state.batches:
        while block and block.last < n:
            yield block
            block = next(left, None)
        if n not in known and not (block and block.first <= n):
            yield n
    if block:
        yield block


def _entry_of(block: Block) -> int:
    assert isinstance(block.ref.location, InEntry)
    return block.ref.location.n or 0


def _points_of(
    part: int | Block, entry: LogEntry | HoldallError, key: str, journal: Journal, state: State
) -> Iterator[Point]:
    """Yield what an entry or a block holds of a key; in place of a block that cannot be read, what its entries hold."""
    if isinstance(part, Block):
        try:
            values, steps, times = read_block(part.ref, entry).get(key, ((), (), ()))
        except DamageError:
            for other in journal.each(n for n in state.batches if part.first <= n <= part.last):
                yield from _points_of(other.n, other, key, journal, state)
            return
        yield from ([key, *point] for point in zip(values, steps, times, strict=True))
        return
    if isinstance(entry, HoldallError):
        raise entry
    yield from (point for op in entry.ops if op["op"] == "metric" for point in op["points"] if point[0] == key)


def read_block(ref: Ref, entry: LogEntry | HoldallError) -> dict[str, Columns]:
    """Return the measurements of a block, given the entry that it is in. Raises: DamageError."""
    if isinstance(entry, HoldallError):
        raise entry
    what = f"{entry.log} entry {entry.n}, blob {ref.offset}"
    if ref.offset >= len(entry.blobs):
        raise IntegrityError(what, "there is no such blob")
    return parse_block(decode_verified(ref, entry.blobs[ref.offset].data, what), what)
