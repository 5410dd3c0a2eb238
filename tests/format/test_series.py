"""Blocks of measurements come back as they were, and whatever else is there is damage."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdall.errors import FormatError
from holdall.format.reference import InEntry, Ref
from holdall.format.series import (
    Block,
    add_points,
    blocks_to_json,
    encode_block,
    join_columns,
    parse_block,
    parse_blocks,
)

POINTS = st.lists(
    st.tuples(
        st.sampled_from(["loss", "acc", "ü"]),
        st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(["nan", "-inf", str(2**70)]),
        st.integers(-(2**53), 2**53),
        st.integers(0, 2**53),
    ).map(list)
)
REF = Ref(b"i" * 32, InEntry(9), 0, 5, 9, 0)


@given(POINTS, POINTS)
def test_measurements_come_back_in_order(some: list[list[Any]], others: list[list[Any]]) -> None:
    """Of each key, all points of one block and then those of the next."""
    first, second = {}, {}  # type: ignore[var-annotated]
    add_points(first, some)
    add_points(second, others)
    joined = parse_block(encode_block(first), "it")
    join_columns(joined, parse_block(encode_block(second), "it"))
    for key in ("loss", "acc", "ü"):
        points = [point[1:] for point in some + others if point[0] == key]
        assert [list(point) for point in zip(*joined.get(key, ([], [], [])), strict=True)] == points


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b'{"loss": [[1], [2]]}',
        b'{"loss": [[1], [2], [3, 4]]}',
        b'{"loss": [["one"], [2], [3]]}',
        b'{"loss": [[1], [2.5], [3]]}',
        b'{"loss": [[1], [2], [null]]}',
        b'{"loss": {"a": 1}}',
        b'{"loss": [1, 2, 3]}',
    ],
)
def test_a_block_that_holds_something_else_is_damage(body: bytes) -> None:
    """Three columns of one length, of numbers, integers and integers."""
    with pytest.raises(FormatError):
        parse_block(body, "it")


GOOD = blocks_to_json([Block(0, 7, 0, REF)])[0]
WRONG = [
    {},
    "series",
    [1],
    [GOOD, GOOD],
    [GOOD | {"first": 8}],
    [GOOD | {"first": -1}],
    [GOOD | {"level": None}],
    [GOOD | {"last": 9}],
    [GOOD | {"points": GOOD["points"] | {"entry": 7}}],
    [GOOD | {"points": {name: value for name, value in GOOD["points"].items() if name != "entry"}}],
    [GOOD | {"points": {"id": GOOD["points"]["id"], "codec": 0, "raw": 9, "stored": 5, "pack": "0" * 41, "offset": 8}}],
]


@pytest.mark.parametrize("body", WRONG, ids=str)
def test_blocks_ascend_and_lie_in_later_entries(body: Any) -> None:
    """What a checkpoint says of blocks otherwise is damage."""
    assert parse_blocks([GOOD], "it") == [Block(0, 7, 0, REF)]
    with pytest.raises(FormatError):
        parse_blocks(body, "it")
