"""Upper bounds of the memory that reading a request takes, computed before it is read.

A few bytes can stand for any amount of memory: `[]` is three bytes and a list
of 56, a header of 100,000 columns makes every line below it as wide, records
without a key in common make a table as wide as it is long, one long text makes
each element of an array of numpy as long, and Parquet names a text once and
repeats it for nothing. So every way in from bytes to data asks here first.
What is refused is an estimate, two or three times what it would have taken.
"""

from __future__ import annotations

import codecs
import io
import re
import sys
from collections.abc import Collection, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy
import pyarrow.parquet

from holdall.errors import OversizedPayloadError, PayloadError
from holdall.surfaces.serving.parquet import check_pages, facts_of, text_bytes

_LIST, _DICT, _VALUE, _TEXT = 72, 280, 56, 60  # bytes of Python's objects, with the place that points at them
_CELL: Final = 24  # of a table: while it is made, eight bytes are there up to three times
_COLUMN: Final = 2000  # of a table, whatever is in it
_REPEATS: Final = 100  # equal names of columns: pandas takes a time that is quadratic in them
_FIELD: Final = re.compile(rb'(?:"(?>[^"]+|"")*+"?[^,\r\n]*+|[^,\r\n]++)?(?P<end>,|\r\n?|\n|\Z)')
_RECORDS: Final = 3  # of CSV that are looked at: its header, and the first row, which may be wider


@dataclass(frozen=True, slots=True)
class Bound:
    """A budget of memory for one request.

    Every method raises an `OversizedPayloadError` for what would take more.
    """

    limit: int = sys.maxsize

    def json(self, body: bytes) -> None:
        """Bound a JSON text as Python's objects."""
        cost = 2 * _characters(body) + _LIST * body.count(b"[") + _DICT * body.count(b"{")
        self._check(cost + _VALUE * (body.count(b",") + body.count(b":")) + _TEXT * (body.count(b'"') // 2), "JSON")

    def csv(self, body: bytes) -> None:
        """Bound a CSV text as a table."""
        columns, lines = _width(body), body.count(b"\n") + body.count(b"\r") + 1
        self.table(lines, columns, 2 * _characters(body) + _TEXT * (body.count(b",") + lines))

    def parquet(self, body: bytes) -> None:
        """Bound a Parquet file as a table. Raises: PayloadError if it is no table of plain types."""
        footer = pyarrow.parquet.read_metadata(io.BytesIO(body))
        said = facts_of(body, footer)
        refuse_repeats(said.names)
        self.table(max(said.rows, -(-said.values // max(1, said.columns))), said.columns, 2 * said.bytes)
        self._check(said.longest * _CELL, f"{said.longest} values of one column")
        self._check(said.fixed_bytes, "fixed-length values")
        check_pages(body, footer)
        if said.worst_text_bytes > self.limit:
            self._check(text_bytes(body, said, self.limit), "text that is there many times")

    def table(self, rows: int, columns: int, more: int = 0) -> None:
        """Bound a table of so many rows and columns, with `more` bytes beside it."""
        self._check(rows * columns * _CELL + columns * _COLUMN + more, f"{rows} rows of {columns} columns")

    def split(self, said: Mapping[str, Any]) -> None:
        """Bound a table in parts: a part with fewer rows or columns is spread over all of them."""
        columns, index, data = said.get("columns"), said.get("index"), said["data"]
        if isinstance(columns, list):
            refuse_repeats(columns)
        rows, width = _shape(data)
        self.table(max(rows, _length(index)), max(width, _length(columns)))

    def data(self, data: Any) -> None:
        """Bound records or columns that become a table."""
        if isinstance(data, dict) or (isinstance(data, list) and any(isinstance(row, dict) for row in data)):
            self.table(*_shape(data))

    def arrays(self, said: Any) -> None:
        """Bound one array, or one for each column, or for each value of a record."""
        rows = said if isinstance(said, list) else [said]
        if any(isinstance(row, dict) for row in rows):
            for row in rows:
                for value in row.values() if isinstance(row, dict) else [row]:
                    self.array(value)
        else:
            self.array(said)

    def array(self, values: Any) -> None:
        """Bound values as a numpy array, in which every text is as long as the longest."""
        if isinstance(values, list):
            count, longest = _leaves(values)
            self._check(count * (4 * longest + _CELL), f"an array of {count} texts, the longest of {longest}")

    def _check(self, cost: int, what: str) -> None:
        if cost > self.limit:
            raise OversizedPayloadError(
                f"{what}: to read it may take {cost} bytes of memory, and a request has {self.limit}"
            )


def refuse_repeats(names: Collection[Hashable]) -> None:
    """Refuse hundreds of columns of one name. Raises: PayloadError; TypeError for names that are none."""
    if len(names) - len(set(names)) > _REPEATS:
        raise PayloadError(f"the names of {len(names)} columns are only {len(set(names))}; give each its own")


# --- inside ---


def _characters(body: bytes) -> int:
    """Return the bytes of a text in memory: one character outside Latin-1 makes all wider."""
    return len(body) * (1 if body.isascii() and b"\\u" not in body else 4)


def _width(body: bytes) -> int:
    """Return at most how many columns a CSV text has. Refuses hundreds of equal names."""
    widest, at = 0, len(body) - len(body.removeprefix(codecs.BOM_UTF8).lstrip())
    for record in range(_RECORDS):
        names: list[bytes] = []
        while found := _FIELD.match(body, at):
            at = found.end()
            names.append(found[0].rstrip(b",\r\n").strip(b'"'))
            if found["end"] != b",":
                break
        if not record:
            refuse_repeats([name for name in names if name])
        widest = max(widest, len(names))
    return widest


def _shape(data: Any) -> tuple[int, int]:
    """Return at most how many rows and columns pandas makes of this."""
    match data:
        case dict():
            spread = sum(len(each) for each in data.values() if isinstance(each, dict))
            return max([spread, 1, *map(_length, data.values())]), len(data)
        case list():
            keys = {key for row in data if isinstance(row, dict) for key in row}
            return len(data), max([len(keys), 1, *(len(row) for row in data if isinstance(row, list))])
    return 1, 1


def _length(value: Any) -> int:
    if isinstance(value, numpy.ndarray):
        return len(value) if value.ndim else 1
    return len(value) if isinstance(value, list) else 1


def _leaves(values: list[Any]) -> tuple[int, int]:
    """Return how many values these lists hold, and the length of the longest text."""
    count, longest, waiting = 0, 0, [values]
    while waiting:
        for each in waiting.pop():
            if isinstance(each, list):
                waiting.append(each)
            else:
                count += 1
                longest = max(longest, _text(each))
    return count, longest


def _text(value: Any) -> int:
    """Return the length of a text, or of the longest in an array."""
    if isinstance(value, numpy.ndarray):
        return value.itemsize // 4 if value.dtype.kind == "U" else 0
    return len(value) if isinstance(value, str) else 0
