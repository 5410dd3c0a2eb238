"""The first rows of a Parquet file, by ranges: its footer, and of its first group of rows what fits into a budget."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdall.errors import MissingLibraryError
from holdall.libraries import library
from holdall.runs.parquet import without_extensions
from holdall.runs.parquet_footer import TAIL, ColumnChunk, Footer, check_pages, footer_length, parse_footer

Ranges = Callable[[Sequence[tuple[int, int]]], Sequence[bytes]]
_GAP: Final = 1 << 20  # bytes that are asked for at once, of which not all were read
_LIMIT: Final = 1 << 20  # of texts and lists that pyarrow's own reader of footers takes


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
    for part in parts:
        check_pages(part)
    names = list(dict.fromkeys(one.name for one in chosen))
    try:
        values = _decoded(_Parts(size, footer, chosen, parts), names, rows)
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


def _decoded(file: _Parts, names: Sequence[str], rows: int) -> list[list[Any]]:
    parquet = library("pyarrow.parquet", "reading Parquet", "pyarrow")
    opened = parquet.ParquetFile(file, thrift_string_size_limit=_LIMIT, thrift_container_size_limit=_LIMIT)
    for batch in opened.iter_batches(batch_size=rows, row_groups=[0], columns=list(names), use_threads=False):
        columns = [batch.column(n).to_pylist() for n in range(batch.num_columns)]
        return [list(row) for row in zip(*columns, strict=True)]
    return []


class _Parts(io.BytesIO):
    """A file of which only some stretches are there: its end, without types that would be built, and some columns."""

    def __init__(self, size: int, footer: bytes, chunks: Sequence[ColumnChunk], parts: Sequence[bytes]) -> None:
        super().__init__()
        self._size = size
        safe = without_extensions(footer)
        if len(safe) != len(footer):
            raise ValueError("its footer would become another one")
        self._parts = [
            (size - len(footer), safe),
            *((one.start, part) for one, part in zip(chunks, parts, strict=True)),
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
