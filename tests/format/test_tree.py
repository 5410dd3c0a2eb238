"""Tree nodes: rows survive their bytes in order, and nothing that a run may not hold is read."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.format.strategies import mutations, packs, paths, refs, refuses_or_parses, trees

from holdall.errors import FormatError
from holdall.format.digest import sha256
from holdall.format.layout import PackName
from holdall.format.paths import sort_key
from holdall.format.reference import MAX_NODE, InEntry, Ref
from holdall.format.tree import (
    MAX_LEVEL,
    Child,
    Entry,
    Kind,
    _encode_row,
    _row_length,
    encode_node,
    parse_node,
    split_rows,
)

PACK = PackName(b"s" * 16, 0)
CARRIER = 2**32
children = st.lists(st.builds(Child, paths, refs()), min_size=1, max_size=8, unique_by=lambda row: row.path)


def absolute(row: Entry | Child, n: int) -> Entry | Child:
    """A row as it is read from entry n."""
    if isinstance(row, Child):
        return replace(row, ref=row.ref.carried_by(n))
    return replace(row, content=row.content.carried_by(n)) if row.content else row


@given(trees)
def test_entries_survive_their_node(rows: list[Entry]) -> None:
    """`parse_node` takes back what `encode_node` gives, with the carrier's number where it was left out."""
    node = parse_node(encode_node(0, rows), CARRIER)
    assert (node.level, node.children) == (0, ())
    assert list(node.entries) == [absolute(row, CARRIER) for row in rows]


@given(children, st.integers(1, MAX_LEVEL))
def test_children_survive_their_node(rows: list[Child], level: int) -> None:
    """The same for the nodes above the leaves."""
    rows.sort(key=lambda row: sort_key(row.path))
    node = parse_node(encode_node(level, rows), CARRIER)
    assert (node.level, node.entries) == (level, ())
    assert list(node.children) == [absolute(row, CARRIER) for row in rows]


@given(trees | children)
def test_a_rows_length_is_known_before_it_is_encoded(rows: list[Entry] | list[Child]) -> None:
    """To the byte, for rows of every type: nodes are cut by it."""
    for row in rows:
        assert _row_length(row) == len(_encode_row(row, defaultdict(int)))


@given(trees, st.integers(0, 3_000))
def test_stretches_hold_all_rows_in_order_and_keep_to_their_size(rows: list[Entry], size: int) -> None:
    """`split_rows` drops and moves nothing; a node is larger than asked for only with one row."""
    stretches = split_rows(rows, size)
    assert [row for some in stretches for row in some] == rows
    for some in stretches:
        assert len(some) == 1 or len(encode_node(0, some)) <= size
    for some, following in pairwise(stretches):
        assert len(encode_node(0, [*some, following[0]])) > size - 24 * (len(some) + 1)


@given(st.data(), trees)
def test_rows_out_of_order_are_refused(data: st.DataObject, rows: list[Entry]) -> None:
    """Rows ascend strictly, with `/` below every other byte."""
    at = data.draw(st.integers(0, len(rows) - 1))
    for wrong in ([*rows[: at + 1], *rows[at:]], [*rows, rows[at]] if at < len(rows) - 1 else [*rows, rows[0]]):
        with pytest.raises(FormatError, match="do not ascend"):
            parse_node(encode_node(0, wrong), CARRIER)


@given(paths, paths, st.booleans())
def test_nothing_lies_below_a_file(path: str, below: str, linked: bool) -> None:
    """Nor below a link; but a directory may be logged and hold something."""
    inside = Entry(f"{path}/{below}"[:300].rstrip("/"), Kind.DIRECTORY)
    above = Entry(path, Kind.LINK, target="a") if linked else Entry(path, sha256=sha256(b""))
    with pytest.raises(FormatError, match="lies in it"):
        parse_node(encode_node(0, [above, inside]), None)
    assert len(parse_node(encode_node(0, [Entry(path, Kind.DIRECTORY), inside]), None).rows) == 2


@given(refs(packs), st.integers(0, 10), st.integers(0, 10))
def test_a_node_refers_to_no_later_entry(ref: Ref, n: int, carrier: int) -> None:
    """In an entry it may refer to that one and those before; in a pack not to its carrier, which has no number."""
    data = encode_node(1, [Child("a", replace(ref, location=InEntry(n)))])
    if n <= carrier:
        assert parse_node(data, carrier).children[0].ref.location == InEntry(n)
    else:
        with pytest.raises(FormatError, match=f"refers to entry {n}"):
            parse_node(data, carrier)
    with pytest.raises(FormatError, match="is in a pack"):
        parse_node(encode_node(1, [Child("a", replace(ref, location=InEntry(None)))]), None)


def test_a_node_is_laid_out_as_the_law_says() -> None:
    """Header, places, then each row: path, kind, flags, and what its kind has."""
    ref = Ref(b"i" * 32, PACK, 8, 5, 7, 1)
    rows = [
        Entry("d", Kind.DIRECTORY),
        Entry("e", size=0, sha256=sha256(b""), executable=True),
        Entry("f", size=7, sha256=b"h" * 32, content=ref),
        Entry("g", size=9, sha256=b"h" * 32, content=ref, whole=False),
        Entry("l", Kind.LINK, target="d"),
    ]
    reference = b"i" * 32 + bytes(4) + b"\x08\0\0\0\5\0\0\0\7\0\0\0\1"
    assert encode_node(0, rows) == b"".join(
        [
            b"HFT1\0\1\1\0\1\0\0\0\5\0\0\0" + b"s" * 16 + bytes(8),
            b"\1\0d\2\0",
            b"\1\0e\0\1" + bytes(8) + sha256(b"") + b"\0",
            b"\1\0f\0\0\7" + bytes(7) + b"h" * 32 + b"\1" + reference,
            b"\1\0g\0\0\x09" + bytes(7) + b"h" * 32 + b"\2" + reference,
            b"\1\0l\1\0\1\0d",
        ]
    )


def test_an_entry_is_the_same_wherever_its_bytes_are() -> None:
    """Where content is stored is no part of what a path holds; its size, digest and bit are."""
    entry = Entry("f", size=7, sha256=b"h" * 32, content=Ref(b"i" * 32, PACK, 8, 5, 7, 1))
    assert entry.same_as(replace(entry, content=None, whole=False))
    others = [replace(entry, executable=True), replace(entry, sha256=b"x" * 32), replace(entry, path="g")]
    assert not any(entry.same_as(other) for other in others)


def test_large_nodes_and_absurd_counts_are_refused_at_once() -> None:
    """More than 1 MiB is no node, and four billion rows or places do not fit."""
    good = encode_node(0, [Entry("d", Kind.DIRECTORY)])
    for bad in (
        good + bytes(MAX_NODE),
        good[:8] + b"\xff\xff\xff\xff" + good[12:],
        good[:12] + b"\xff\xff\xff\xff" + good[16:],
    ):
        with pytest.raises(FormatError):
            parse_node(bad, None)


@given(st.binary(max_size=300) | st.binary(max_size=300).map(b"HFT1\0\1\1\0\0\0\0\0\2\0\0\0".__add__))
def test_any_bytes_are_a_node_or_refused(data: bytes) -> None:
    """Nothing but a FormatError or an UnsupportedFeatureError comes of bytes that are no node."""
    refuses_or_parses(lambda data: parse_node(data, None), data)


@given(st.data(), trees)
def test_damaged_nodes_are_refused_or_parsed(data: st.DataObject, rows: list[Entry]) -> None:
    """The same for nodes that were good once; and what is parsed can be written again."""
    bad = data.draw(mutations(encode_node(0, rows)))
    refuses_or_parses(lambda data: encode_node(0, parse_node(data, CARRIER).rows), bad)
