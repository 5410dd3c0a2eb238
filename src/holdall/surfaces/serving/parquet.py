"""The claims of a Parquet file, checked before any of it is decoded.

A file is compressed twice: its pages by a codec, and its values by encodings
that name a value once and repeat it. The pages' headers say how large they are
without the codec, and how many values there are; how long these become is only
known where texts are repeated by looking at which one is meant how often.
"""

from __future__ import annotations

import base64
import binascii
import io
from dataclasses import dataclass
from typing import Any, Final

import pyarrow.compute
import pyarrow.parquet

from holdall.errors import PayloadError
from holdall.surfaces.serving.pages import BEGINNINGS, DICTIONARY, Page, check_counts, pages_of

_ROWS: Final = 4096  # of one look


@dataclass(slots=True)
class Facts:
    """The claims of a footer and its pages.

    Attributes:
        names, rows: Of the table.
        columns: All of them, those inside of others too.
        values: In all columns together, dictionaries included.
        longest: Of the column that has most.
        bytes: Of all pages without their codec.
        fixed_bytes: Of all values whose length the schema tells.
        worst_text_bytes: Of the texts of columns that may name one often, if that is always the longest.
        texts: The paths of these columns, each with the bytes of its pages, and whether dictionaries do it.
    """

    names: list[str]
    rows: int
    columns: int
    values: int = 0
    longest: int = 0
    bytes: int = 0
    fixed_bytes: int = 0
    worst_text_bytes: int = 0
    texts: dict[str, tuple[int, bool]] | None = None


def facts_of(body: bytes, said: pyarrow.parquet.FileMetaData) -> Facts:
    """Return the claims of a file. Raises: PayloadError for types that are not Parquet's own, and invalid pages."""
    _refuse_extensions(said.metadata or {})
    schema = said.schema
    names = [schema.column(n).path.partition(".")[0] for n in range(said.num_columns)]
    top = [name for n, name in enumerate(names) if schema.column(n).path == name]
    found = Facts(top, said.num_rows, said.num_columns)
    chunks: dict[tuple[int, int], list[Page]] = {}
    for group, n, page in pages_of(body, said):
        chunks.setdefault((group, n), []).append(page)
    values = [0] * said.num_columns
    texts: dict[str, tuple[int, bool]] = {}
    for (_, n), pages in chunks.items():
        values[n] += _count(found, schema.column(n), pages, texts)
    found.longest, found.texts = max(values, default=0), texts
    return found


def check_pages(body: bytes, said: pyarrow.parquet.FileMetaData) -> None:
    """Refuse pages that say one thing before their values and another in them. Raises: PayloadError."""
    for group, n, page in pages_of(body, said):
        column = said.schema.column(n)
        levels = column.max_repetition_level, column.max_definition_level
        check_counts(page, said.row_group(group).column(n).compression, levels)


def text_bytes(body: bytes, said: Facts, limit: int) -> int:
    """Return the bytes of texts that a file refers to repeatedly, as a table holds them; counted up to a limit."""
    counted = 0
    for path, (size, by_dictionary) in (said.texts or {}).items():
        file = pyarrow.parquet.ParquetFile(io.BytesIO(body), read_dictionary=[path] if by_dictionary else [])
        rows = _ROWS if by_dictionary else max(1, min(_ROWS, limit // (32 * max(size, 1))))
        for batch in file.iter_batches(batch_size=rows, columns=[path]):
            counted += sum(map(_spread, batch.columns))
            if counted > limit:
                return counted
    return counted


# --- inside ---


def _count(found: Facts, column: Any, pages: list[Page], texts: dict[str, tuple[int, bool]]) -> int:
    """Add what the pages of one column in one row group hold. Returns: how many values."""
    values, size = sum(page.values for page in pages), sum(page.bytes for page in pages)
    encodings = {page.encoding for page in pages if not page.is_dictionary}
    found.values += values
    found.bytes += max(size, sum(len(page.stored) for page in pages))
    if column.physical_type == "FIXED_LEN_BYTE_ARRAY":
        found.fixed_bytes += values * column.length
    if column.physical_type == "BYTE_ARRAY" and encodings & (DICTIONARY | {BEGINNINGS}):
        found.worst_text_bytes += values * size
        before, only = texts.get(column.path, (0, True))
        texts[column.path] = max(before, size), only and BEGINNINGS not in encodings
    return values


def _refuse_extensions(metadata: dict[bytes, bytes]) -> None:
    """Remove Arrow's extension types: their names choose code to run, and a request needs none."""
    try:
        schema = base64.b64decode(metadata.get(b"ARROW:schema", b""), validate=True)
    except binascii.Error as error:
        raise PayloadError(f"its Arrow schema cannot be read: {error}") from error
    if b"ARROW:extension" in schema:
        raise PayloadError("it has columns of Arrow's extension types; send them as the plain types that they hold")


def _spread(array: Any) -> int:
    """Return the bytes of the texts in an array, each as often as it is referred to."""
    while not pyarrow.types.is_dictionary(array.type):
        if not hasattr(array, "flatten") or not array.type.num_fields:
            return int(array.nbytes)
        children = array.flatten()
        if isinstance(children, list):
            return sum(map(_spread, children))
        array = children
    lengths = pyarrow.compute.cast(pyarrow.compute.binary_length(array.dictionary), "int64")
    return int(pyarrow.compute.sum(lengths.take(array.indices)).as_py() or 0)
