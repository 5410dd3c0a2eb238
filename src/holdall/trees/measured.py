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

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import Final, TypeAlias, TypeVar

from holdall.chunks.delivery import decode_verified
from holdall.chunks.pool import Pool
from holdall.errors import DamageError, HoldallError, IntegrityError
from holdall.format.entry import LogEntry
from holdall.format.reference import JSON_BLOB, InEntry, Ref
from holdall.format.sealing import Sealing
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
from holdall.trees.salvage import UNREADABLE
from holdall.trees.view import View

T = TypeVar("T")
_Part: TypeAlias = int | Block | None  # an entry; None: what the view knows anyway
_Parts: TypeAlias = tuple[T, View | None, list[_Part], LogEntry | None]  # those of one entry, if it is at hand
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

    Cost: as `stream_columns`.
    """
    if key not in view.state.metrics:
        return
    for _, columns in stream_columns(pool, [(None, view)], (key,)):
        if isinstance(columns, HoldallError):
            raise columns
        for values, steps, times in columns.values():
            yield from ([key, *point] for point in zip(values, steps, times, strict=True))


def stream_columns(
    pool: Pool, views: Iterable[tuple[T, View | None]], keys: Collection[str] | None
) -> Iterator[tuple[T, dict[str, Columns] | HoldallError]]:
    """Yield the measurements of many runs, as of views, some at a time: runs in order, and in each as it logged them.

    Args:
        pool: Reads.
        views: Runs, each with what the caller says of it; None has no measurements.
        keys: Those that are wanted; all when None.

    Yields:
        For each run, once at least, what the caller said of it and some measurements by key; or why some of them
        cannot be read.

    Cost: a GET for each block, and for each entry with measurements that is in none, 32 side by side, of all runs;
        none for an entry that a view has at hand.
    """

    def wanted() -> Iterator[tuple[_Parts[T], list[tuple[Journal, int]]]]:
        for said, view in views:
            for n, parts in groupby(
                _parts(view.state) if view else (), key=_entry_of
            ):  # a block may lie in what is next
                entry = view.paths.blobs.entry_at_hand(n) if view else None
                yield (said, view, list(parts), entry), [] if entry or not view else [(view.paths.blobs.journal, n)]
            yield (said, view, [None], None), []

    read = pool.stream(lambda one: one[0].read_or_damage(one[1]), wanted(), ahead=_AHEAD)
    for (said, view, parts, entry), found in read:
        for part in parts:
            try:
                yield said, _columns_in(part, entry or (found[0] if found else None), keys, view) if view else {}
            except UNREADABLE as error:
                yield said, error


def requests_for(view: View) -> int:
    """Return how many requests it takes to read all that a run measured."""
    found = {_entry_of(part) for part in _parts(view.state)}
    return sum(view.paths.blobs.entry_at_hand(n) is None for n in found)


def columns_of_entry(entry: LogEntry, keys: Collection[str] | None, columns: dict[str, Columns]) -> None:
    """Add what an entry measured of some keys, or of all."""
    for op in entry.ops:
        if op["op"] == "metric":
            add_points(columns, _wanted(op["points"], keys))


def _wanted(points: Iterable[Point], keys: Collection[str] | None) -> Iterable[Point]:
    return points if keys is None else (point for point in points if point[0] in keys)


def _parts(state: State) -> Iterator[int | Block]:
    """Yield blocks, and the entries that are in none, in the order of the log; not those whose points it knows."""
    known = {n for n, _ in state.recent}
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


def _entry_of(part: int | Block) -> int:
    """Return the number of the entry that a part lies in."""
    if isinstance(part, int):
        return part
    assert isinstance(part.ref.location, InEntry)
    return part.ref.location.n or 0


def _columns_in(
    part: _Part, entry: LogEntry | HoldallError | None, keys: Collection[str] | None, view: View
) -> dict[str, Columns]:
    """Return what an entry or a block holds of some keys; None: what the view knows. Raises: as `measurements`.

    For a block that cannot be read, it is what its entries hold.
    """
    columns: dict[str, Columns] = {}
    if part is None or entry is None:
        for _, points in view.state.recent:
            add_points(columns, _wanted(points, keys))
        return columns
    entries = [entry]
    if isinstance(part, Block):
        with suppress(DamageError):
            found = read_block(part.ref, entry, view.paths.blobs.sealing)
            return {key: columns for key, columns in found.items() if keys is None or key in keys}
        numbers = (n for n in view.state.batches if part.first <= n <= part.last)
        entries = list(view.paths.blobs.journal.each(numbers))
    for each in entries:
        if isinstance(each, HoldallError):
            raise each
        columns_of_entry(each, keys, columns)
    return columns


def read_block(ref: Ref, entry: LogEntry | HoldallError, sealing: Sealing) -> dict[str, Columns]:
    """Return the measurements of a block, given the entry that it is in. Raises: DamageError."""
    if isinstance(entry, HoldallError):
        raise entry
    what = f"{entry.log} entry {entry.n}, blob {ref.offset}"
    if ref.offset >= len(entry.blobs):
        raise IntegrityError(what, "there is no such blob")
    return parse_block(decode_verified(ref, entry.blobs[ref.offset].data, sealing, what), what)
