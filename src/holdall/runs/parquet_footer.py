"""What the end of a Parquet file says of the rest: columns, rows, where the first ones are. Bytes to values.

The file is anybody's. Its schema may be deeper than a library's stack, its pages may claim to be larger than memory:
so that is looked at here, before pyarrow sees anything of it. Nor is what they are when unpacked the end of it: a row
of lists may have as many values as their page claims, and each value of it may be the longest of a dictionary.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdall.runs.thrift import read_struct

MAGIC: Final = b"PAR1"
TAIL: Final = 8
MOST_FOOTER: Final = 512 << 10
MOST_PAGE: Final = 16 << 20
"""Bytes that a page may have when it is unpacked."""
_DEEPEST: Final = 40
_ELEMENTS: Final = 20_000
_REPETITION, _REPEATED = 3, 2  # of an element of the schema
_DATA: Final = {5: 2, 8: 4}  # of the header of a page: kinds of data, each with where it says its encoding
_DICTIONARY, _PREFIXES = 7, 7  # a kind, and an encoding
_TEXTS: Final = (6, 7)  # the kinds of values that may have any length
_TYPES: Final = ("boolean", "int32", "int64", "int96", "float", "double", "binary", "fixed")
_CONVERTED: Final[Mapping[int, str]] = {
    0: "string", 1: "map", 3: "list", 4: "enum", 5: "decimal", 6: "date", 7: "time", 8: "time", 9: "timestamp",
    10: "timestamp", 11: "uint8", 12: "uint16", 13: "uint32", 14: "uint64", 15: "int8", 16: "int16", 19: "json",
    20: "bson",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ColumnChunk:
    """Where the values of a column are, in a group of rows.

    Attributes:
        name: Of the outermost field.
        start, stop: Bytes of the file.
        texts: Whether a value may have any length.
    """

    name: str
    start: int
    stop: int
    texts: bool = True


@dataclass(frozen=True, slots=True)
class Footer:
    """What the end of a file says.

    Attributes:
        columns: Name and type of each outermost column.
        rows, groups: How many there are.
        writer: Who wrote it.
        first: The columns' values in the first group of rows; empty if there is none, or they are in other files.
        repeats: Whether a row may have many values of a column, as lists have.
    """

    columns: Sequence[tuple[str, str]]
    rows: int
    groups: int
    writer: str
    first: Sequence[ColumnChunk]
    repeats: bool = True


@dataclass(frozen=True, slots=True)
class Pages:
    """What the pages of a column claim.

    Attributes:
        unpacked: Bytes.
        shared: Bytes of those pages whose bytes may be a part of many values: of dictionaries, and of prefixes.
        values: How many.
    """

    unpacked: int
    shared: int
    values: int


def footer_length(tail: bytes) -> int:
    """Return how long the footer is, given the last eight bytes. Raises: ValueError: It is no Parquet, or too long."""
    length = int.from_bytes(tail[:4], "little")
    if tail[4:] != MAGIC:
        raise ValueError("it does not end as Parquet does")
    if length > MOST_FOOTER:
        raise ValueError(f"its footer has {length} bytes, more than {MOST_FOOTER}")
    return length


def parse_footer(data: bytes, size: int) -> Footer:
    """Return what a footer says of a file of so many bytes. Raises: ValueError: It is none that can be."""
    body, _ = read_struct(data)
    elements = _list(body.get(2))
    walked = list(_walked(elements))
    groups = _list(body.get(4))
    chunks = [_chunk(one, size) for one in _list(_field(groups[0], 1))] if groups else []
    writer = body.get(6, b"")
    first = [one for one in chunks if one is not None] if all(chunks) else []
    if first and [one.name for one in first] != [name for name, _, _, leaf in walked if leaf]:
        raise ValueError("its columns are not those of its schema")  # by whose order they are read
    return Footer(
        [(name, kind) for name, kind, outermost, _ in walked if outermost],
        rows=_count(body.get(3)),
        groups=len(groups),
        writer=writer.decode(errors="replace")[:200] if isinstance(writer, bytes) else "",
        first=first,
        repeats=any(_field(one, _REPETITION) == _REPEATED for one in elements),
    )


def check_pages(data: bytes) -> Pages:
    """Return what the pages of a column claim. Raises: ValueError: One claims more than is unpacked here."""
    at = total = shared = values = 0
    while at < len(data):
        header, end = read_struct(data, at)
        unpacked, packed = _count(header.get(2)), _count(header.get(3))
        if unpacked > MOST_PAGE:
            raise ValueError(f"a page has {unpacked} bytes unpacked, more than {MOST_PAGE}")
        at, total = end + packed, total + unpacked
        values += sum(_count(_field(header[kind], 1)) for kind in _DATA if kind in header)
        if _DICTIONARY in header or any(_field(header.get(kind), at) == _PREFIXES for kind, at in _DATA.items()):
            shared += unpacked
    return Pages(total, shared, values)


def _walked(elements: Sequence[Any]) -> Iterator[tuple[str, str, bool, bool]]:
    """Yield each element of a schema, which is a tree, written down parent by parent.

    With it come the name of the outermost column that it is in, its type, and whether it is such, and has values.
    """
    if not elements or len(elements) > _ELEMENTS:
        raise ValueError(f"its schema has {len(elements)} elements")
    open_: list[int] = [_count(_field(elements[0], 5))]
    column = ""
    for element in elements[1:]:
        while open_ and open_[-1] == 0:
            open_.pop()
        if not open_ or len(open_) > _DEEPEST:
            raise ValueError("its schema is no tree, or too deep")
        open_[-1] -= 1
        children = _count(_field(element, 5)) if _field(element, 5) else 0
        column = _name(element) if len(open_) == 1 else column
        yield column, _type(element), len(open_) == 1, not children
        open_.append(children)
    if any(open_):
        raise ValueError("its schema ends too early")


def _type(element: Any) -> str:
    converted, kind = _field(element, 6), _field(element, 1)
    if isinstance(converted, int) and converted in _CONVERTED:
        return _CONVERTED[converted]
    if isinstance(kind, int) and 0 <= kind < len(_TYPES):
        return _TYPES[kind]
    return "group"


def _chunk(column: Any, size: int) -> ColumnChunk | None:
    facts = _field(column, 3)
    path = _list(_field(facts, 3))
    data, dictionary, length = _field(facts, 9), _field(facts, 11), _field(facts, 7)
    if _field(column, 1) or not isinstance(data, int) or not isinstance(length, int) or not path:
        return None
    start = dictionary if isinstance(dictionary, int) and 0 < dictionary < data else data
    if not 0 < start < start + length <= size:
        return None
    return ColumnChunk(path[0].decode(errors="replace"), start, start + length, _field(facts, 1) in _TEXTS)


def _field(value: Any, number: int) -> Any:
    return value.get(number) if isinstance(value, dict) else None


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _count(value: Any) -> int:
    if not isinstance(value, int) or value < 0:
        raise ValueError("a count in it is none")
    return value


def _name(element: Any) -> str:
    name = _field(element, 4)
    return name.decode(errors="replace") if isinstance(name, bytes) else ""
