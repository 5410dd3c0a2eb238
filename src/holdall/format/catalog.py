"""Catalogs: what the newest entries of all runs say, in one object, so that who searches need not get each.

    magic | lengths and digest of the header | header | block | block | ...

The header says where each block is, which ids it spans, and its digest, so that one ranged read finds the newest
runs, and one more the runs of any ids. Whether a row still tells of a run's newest entry is for its reader to see.
SPEC.md, "Catalog".
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

import zstandard

from holdall.errors import FormatError
from holdall.format import digest
from holdall.format.codec import ZSTD, decode
from holdall.format.document import Json, count_of, parse_object
from holdall.format.layout import is_experiment_id, is_run_id
from holdall.format.ops import STATUSES, integer, is_count, is_integer, is_text, measured, number

MAGIC: Final = b"HOLDCAT1"
_HEAD: Final = struct.Struct("<8sII32s")
HEAD: Final = _HEAD.size
MAX_HEADER: Final = 4 << 20  # decoded bytes,
MAX_BLOCK: Final = 16 << 20  # and those of a block
MOST_ROWS: Final = 4096  # of a block
_LEVEL: Final = 3


@dataclass(frozen=True, slots=True)
class CatalogRow:
    """What the newest entry of a run's log says.

    Attributes:
        run: Its id.
        n, size, modified: The entry's number, and what a listing shows of its object.
        started, ended: As the run's tags or its log say, in ms since 1970 UTC.
        metrics: Key -> last value, step, time, count; perhaps least and greatest value behind these.
        pins: Pin -> by.
    """

    run: str
    n: int
    size: int
    modified: int | None
    experiment: str
    status: str
    started: int
    ended: int | None
    deleted: bool = False
    open: bool = False
    versioned: bool = False
    files: int = 0
    bytes: int = 0
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, Sequence[float]] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Block:
    """Where a block is, and what it spans. Attributes: start, stored, raw, rows, first, last (run ids), id (BLAKE3)."""

    start: int
    stored: int
    raw: int
    rows: int
    first: str
    last: str
    id: bytes

    @property
    def stop(self) -> int:
        """Return the byte after its last one."""
        return self.start + self.stored


@dataclass(frozen=True, slots=True)
class Catalog:
    """The header of a catalog.

    Attributes:
        time: When the listing began that it is as of, by its writer's clock.
        writer: Program and version.
        newest: The latest time that this listing showed of any run's newest entry; None where it showed none.
        blocks: The first has the newest runs once more; the others have all, ascending by run id.
    """

    time: int
    writer: str
    newest: int | None
    blocks: tuple[Block, ...]

    @property
    def runs(self) -> int:
        """Return how many runs it has."""
        return sum(block.rows for block in self.blocks[1:])


class CatalogBuilder:
    """Puts a catalog together, block after block, of runs in the order of their ids; encoded it is all that is held."""

    def __init__(self) -> None:
        self._packer = zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True)
        self._bodies: list[bytes] = []
        self._table: list[list[Any]] = []
        self.runs = 0

    def add(self, rows: Sequence[CatalogRow]) -> None:
        """Add a block of runs, whose ids come behind all that were added before."""
        self.runs += len(rows)
        for some in _fitting(rows):
            self._add(some)

    def _add(self, rows: Sequence[CatalogRow]) -> None:
        raw = _rows_json(rows)
        self._bodies.append(self._packer.compress(raw))
        first, last, id = min(row.run for row in rows), max(row.run for row in rows), digest.blob_id(self._bodies[-1])
        self._table.append([len(self._bodies[-1]), len(raw), len(rows), first, last, id.hex()])

    def finish(self, newest_rows: Sequence[CatalogRow], time: int, writer: str, newest: int | None) -> bytes:
        """Return the catalog, given the rows of the newest runs, which come first in it once more."""
        for rows in _fitting(newest_rows)[:1]:
            self._add(rows)
            self._bodies.insert(0, self._bodies.pop())
            self._table.insert(0, self._table.pop())
        raw = _json({"time": time, "writer": writer, "newest": newest, "blocks": self._table})
        header = self._packer.compress(raw)
        return b"".join([_HEAD.pack(MAGIC, len(header), len(raw), digest.blob_id(header)), header, *self._bodies])


def _rows_json(rows: Sequence[CatalogRow]) -> bytes:
    return _json({"rows": [_row_json(row) for row in rows]})


def _fitting(rows: Sequence[CatalogRow]) -> list[Sequence[CatalogRow]]:
    """Return rows as blocks that are not too large; a row that is too large for any is left out."""
    if not rows or (len(rows) <= MOST_ROWS and len(_rows_json(rows)) <= MAX_BLOCK):
        return [rows] if rows else []
    half = len(rows) // 2
    return [*_fitting(rows[:half]), *_fitting(rows[half:])] if half else []


def header_length(data: bytes, what: str) -> int:
    """Return how many bytes come before the first block, given the first `HEAD` bytes. Raises: FormatError."""
    if len(data) < HEAD or data[:8] != MAGIC:
        raise FormatError(what, "it is not a catalog of this version")
    _, stored, raw, _ = _HEAD.unpack(data[:HEAD])
    if not 0 < raw <= MAX_HEADER or not 0 < stored <= raw + 64:
        raise FormatError(what, f"its header would have {raw} bytes, in {stored}")
    return HEAD + int(stored)


def parse_header(data: bytes, what: str) -> Catalog:
    """Return what a catalog says of itself, given all bytes before its first block, or more.

    Raises:
        FormatError: Some of it is not what a writer makes.
    """
    start = header_length(data, what)
    _, _, raw, id = _HEAD.unpack(data[:HEAD])
    body = parse_object(_decoded(data[HEAD:start], id, raw, what, "header"), what, "its header")
    newest, writer, table = body.get("newest"), body.get("writer"), body.get("blocks")
    if not isinstance(writer, str) or not _is_count_or_null(newest) or not isinstance(table, list):
        raise FormatError(what, "its header lacks a field")
    blocks = []
    for row in table:
        blocks.append(_block(row, start, what))
        start = blocks[-1].stop
    if any(a.last >= b.first for a, b in pairwise(blocks[1:])):
        raise FormatError(what, "its blocks do not ascend")
    return Catalog(count_of(body, "time", what), writer, newest, tuple(blocks))


def _block(row: object, start: int, what: str) -> Block:
    if not isinstance(row, list) or len(row) != 6 or not all(map(is_count, row[:3])):
        raise FormatError(what, "its header has a block that is none")
    stored, raw, rows, first, last, id = row
    known = is_text(first) and is_text(last) and is_run_id(first) and is_run_id(last) and first <= last
    if not known or not 0 < raw <= MAX_BLOCK or not 0 < stored <= raw + 64 or not 0 < rows <= MOST_ROWS:
        raise FormatError(what, "its header has a block out of bounds")
    return Block(start, stored, raw, rows, first, last, digest.parse_hex(id, 32, what))


def parse_block(data: bytes, block: Block, what: str) -> list[CatalogRow]:
    """Return the rows of a block, given its bytes.

    Raises:
        FormatError: It is not what the header says, or what a writer makes.
    """
    body = parse_object(_decoded(data, block.id, block.raw, what, "block"), what, "a block")
    rows = body.get("rows")
    if not isinstance(rows, list) or len(rows) != block.rows:
        raise FormatError(what, "a block has other rows than its header says")
    found = [_row(each, what) for each in rows]
    if any(not block.first <= row.run <= block.last for row in found):
        raise FormatError(what, "a block has runs that its header does not span")
    return found


def _decoded(data: bytes, id: bytes, raw: int, what: str, part: str) -> bytes:
    if digest.blob_id(data) != id:
        raise FormatError(what, f"a {part} is not what was written")
    return decode(ZSTD, data, raw)


def _json(body: Json) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


_FLAGS: Final = ("deleted", "open", "versioned")  # said only where they are true
_MAPS: Final = ("params", "tags", "pins")


def _is_count_or_null(value: object) -> bool:
    return value is None or is_count(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(map(is_text, value.values()))


def _is_metrics(value: object) -> bool:
    return isinstance(value, dict) and all(map(_is_told, value.values()))


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _row_json(row: CatalogRow) -> Json:
    names = ("run", "n", "size", "modified", "experiment", "status", "started", "ended", "files", "bytes", *_MAPS)
    body: Json = {name: getattr(row, name) for name in names}
    body["metrics"] = {key: list(map(_number_json, told)) for key, told in row.metrics.items()}
    return body | {name: True for name in _FLAGS if getattr(row, name)}


def _number_json(value: float) -> object:
    """Return a number as JSON can say it: what is not finite, or a large integer, as a text."""
    if isinstance(value, int):
        return value if abs(value) <= 2**53 else str(value)
    return value if math.isfinite(value) else str(value)


def _row(body: Any, what: str) -> CatalogRow:
    if not isinstance(body, dict):
        raise FormatError(what, "a row of it is no object")
    for name, good in _ROW.items():
        if not good(body.get(name, False)):
            raise FormatError(what, f"a row of it has {name} {str(body.get(name))[:100]!r}")
    if body["experiment"][:8] != body["run"][:8]:
        raise FormatError(what, f"a row of it has run {body['run']} in experiment {body['experiment']}")
    row: dict[str, Any] = {name: body.get(name, False) for name in _ROW}
    row["metrics"] = {key: _told(told) for key, told in row["metrics"].items()}
    return CatalogRow(**row)


def _told(told: list[Any]) -> list[float]:
    return [measured(told[0]), *(integer(one) or 0 for one in told[1:4]), *map(measured, told[4:6])]


def _is_told(told: object) -> bool:
    return (
        isinstance(told, list)
        and len(told) in (4, 6)
        and all(number(value) is not None for value in (told[0], *told[4:]))
        and is_integer(told[1])
        and is_integer(told[2])
        and is_count(told[3])
    )


# field of a row -> what its value must be; a flag may be absent
_ROW: Final[dict[str, Callable[[Any], bool]]] = {
    "run": lambda value: is_text(value) and is_run_id(value),
    "experiment": is_experiment_id,
    "modified": _is_count_or_null,
    "ended": _is_count_or_null,
    "status": STATUSES.__contains__,
    "metrics": _is_metrics,
    **dict.fromkeys(("n", "size", "started", "files", "bytes"), is_count),
    **dict.fromkeys(_MAPS, _is_texts),
    **dict.fromkeys(_FLAGS, _is_flag),
}
