"""The first rows of a Parquet file, by ranges: its footer, and of its first group of rows what fits into a budget."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Final

from holdall.errors import MissingLibraryError
from holdall.libraries import library
from holdall.runs.parquet import without_extensions
from holdall.runs.parquet_footer import TAIL, ColumnChunk, Footer, check_pages, footer_length, parse_footer

Ranges = Callable[[Sequence[tuple[int, int]]], Sequence[bytes]]
Part = tuple[ColumnChunk, bytes]  # a column of the first group of rows, and its bytes
_GAP: Final = 1 << 20  # bytes that are asked for at once, of which not all were read
_LIMIT: Final = 1 << 20  # of texts and lists that pyarrow's own reader of footers takes
_UNPACKED: Final = 128 << 20  # bytes of all pages of which rows are made
_SHOWN: Final = 32 << 20  # bytes of rows, as Arrow has them, behind which there are no more
_IN_LISTS: Final = 1 << 20  # values of lists, of which one row may have all
_OF_TEXTS: Final = 256 << 20  # bytes that these may have if each is the longest there may be


@dataclass(frozen=True, slots=True)
class ParquetSample:
    """What is known of a Parquet file after a look.

    Attributes:
        footer: What its end says.
        names: The columns that are shown.
        rows: Their first values, row by row.
        left_out: Why there are no rows, or not all columns; "" otherwise.
    """

    footer: Footer
    names: Sequence[str] = ()
    rows: Sequence[Sequence[Any]] = ()
    left_out: str = ""


def sample_parquet(
    read: Ranges, size: int, *, rows: int = 100, columns: int = 50, most: int = 768 << 10
) -> ParquetSample:
    """Return what a Parquet file is, and its first rows.

    Args:
        read: Returns ranges of the file.
        size: Its bytes.
        rows, columns: How many are returned at most.
        most: How many bytes are read at most, the footer among them.

    Raises:
        ValueError: It is no Parquet, or no such that can be looked at.

    Cost: two reads for the footer, and one for the rows.

    Example:
        >>> data = (holdall_parquet := __import__("io").BytesIO())
        >>> import pyarrow, pyarrow.parquet
        >>> pyarrow.parquet.write_table(pyarrow.table({"score": [1, 2]}), data)
        >>> file = data.getvalue()
        >>> found = sample_parquet(lambda ranges: [file[a:b] for a, b in ranges], len(file))
        >>> found.footer.rows, found.names, found.rows
        (2, ['score'], [[1], [2]])
    """
    if size < TAIL:
        raise ValueError("it is shorter than any Parquet file")
    length = footer_length(read([(size - TAIL, size)])[0])
    if length + TAIL > size:
        raise ValueError("its footer is longer than the file")
    footer = read([(size - TAIL - length, size)])[0]
    found = parse_footer(footer[:length], size)
    chosen = _chosen(found, columns, most - length)
    if not chosen:
        why = (
            "it has no rows"
            if not found.rows
            else "the first column of its first group of rows is too large to be read"
        )
        return ParquetSample(found, left_out=why)
    parts = read([(one.start, one.stop) for one in chosen])
    read_parts = _bounded(found, list(zip(chosen, parts, strict=True)))
    names = list(dict.fromkeys(chunk.name for chunk, _ in read_parts))
    if not names:
        return ParquetSample(found, left_out="its first rows may be too large when they are unpacked")
    try:
        values = _decoded(_Parts(size, footer, read_parts), names, rows)
    except MissingLibraryError as error:
        return ParquetSample(found, left_out=str(error))
    except Exception as error:  # each codec of Arrow's has failures of its own
        return ParquetSample(found, left_out=f"its rows cannot be read: {type(error).__name__}")
    more = len(found.columns) - len(names)
    return ParquetSample(found, names, values, f"{more} more columns are not read" if more > 0 else "")


def _chosen(footer: Footer, columns: int, most: int) -> list[ColumnChunk]:
    """Return the stretches of the first columns, as many whole columns as fit."""
    chosen: list[ColumnChunk] = []
    for name in [name for name, _ in footer.columns[:columns]]:
        parts = [one for one in footer.first if one.name == name]
        most -= sum(one.stop - one.start for one in parts)
        if most < 0 or not parts:
            break
        chosen += parts
    return chosen


def _bounded(footer: Footer, read: Sequence[Part]) -> list[Part]:
    """Return those of the first columns that can be unpacked, as many as fit. Raises: ValueError: as `check_pages`."""
    kept, left = list[Part](), _UNPACKED
    for _, some in groupby(read, key=lambda one: one[0].name):
        of_column = list(some)
        for chunk, part in of_column:
            pages = check_pages(part)
            left -= pages.unpacked
            if footer.repeats and (
                pages.values > _IN_LISTS or (chunk.texts and pages.shared * pages.values > _OF_TEXTS)
            ):
                left = -1
        if left < 0:
            break
        kept += of_column
    return kept


def _decoded(file: _Parts, names: Sequence[str], rows: int) -> list[list[Any]]:
    parquet = library("pyarrow.parquet", "reading Parquet", "pyarrow")
    opened = parquet.ParquetFile(file, thrift_string_size_limit=_LIMIT, thrift_container_size_limit=_LIMIT)
    found, left = list[list[Any]](), _SHOWN
    for batch in opened.iter_batches(batch_size=1, row_groups=[0], columns=list(names), use_threads=False):
        left -= batch.nbytes
        if len(found) == rows or left < 0:
            break
        found += [[batch.column(n)[at].as_py() for n in range(batch.num_columns)] for at in range(batch.num_rows)]
    return found


class _Parts(io.BytesIO):
    """A file of which only some stretches are there: its end, without types that would be built, and some columns."""

    def __init__(self, size: int, footer: bytes, parts: Sequence[Part]) -> None:
        super().__init__()
        self._size = size
        safe = without_extensions(footer)
        if len(safe) != len(footer):
            raise ValueError("its footer would become another one")
        self._parts = [
            (size - len(footer), safe),
            *((chunk.start, part) for chunk, part in parts),
        ]
        self._at = 0

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        self._at = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence] + offset
        return self._at

    def tell(self) -> int:
        return self._at

    def read(self, size: int | None = -1, /) -> bytes:
        stop = self._size if size is None or size < 0 else min(self._at + size, self._size)
        for start, part in self._parts:
            if start <= self._at and stop <= start + len(part):
                found = part[self._at - start : stop - start]
                self._at = stop
                return found
        if stop - self._at > _GAP:
            raise ValueError("it asks for bytes that were not read")
        return self._filled(stop)

    def _filled(self, stop: int) -> bytes:
        """Return a stretch with zeros where nothing was read: pyarrow takes more than the footer at the end."""
        found = bytearray(max(stop - self._at, 0))
        for start, part in self._parts:
            low, high = max(start, self._at), min(start + len(part), stop)
            if low < high:
                found[low - self._at : high - self._at] = part[low - start : high - start]
        self._at = stop
        return bytes(found)
