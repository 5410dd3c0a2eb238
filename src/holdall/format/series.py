"""Measurements of many entries in one blob, so that a series is read with few requests.

    state.series  [{"first": 0, "last": 1023, "level": 1, "points": reference}, {"first": 1024, ...}, ...]
    the blob      {"loss": [[0.9, 0.4], [1, 2], [0, 0]]}        key -> values, steps, times, as they were logged

A block says again what entries say: where one is lost or wrong, they are read.
SPEC.md, "State and checkpoints". Nothing here reads or writes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, TypeAlias

from holdall.errors import FormatError
from holdall.format.document import Json, parse_object
from holdall.format.ops import is_count, is_integer, number
from holdall.format.reference import InEntry, Ref, ref_from_json

MAX_BLOCK: Final = 1 << 20  # bytes of a block, decoded, that a writer makes
Point: TypeAlias = list[Any]  # key, value, step, time, as in the operation `metric`
Columns: TypeAlias = tuple[list[Any], list[Any], list[Any]]  # values, steps, times


@dataclass(frozen=True, slots=True)
class Block:
    """Where the measurements of some entries lie together.

    Attributes:
        first, last: Numbers of the entries, both included; all that these hold is in the block.
        level: How often blocks were put together to make it.
        ref: A JSON blob in an entry of the same log.
    """

    first: int
    last: int
    level: int
    ref: Ref


def parse_blocks(body: object, what: str) -> list[Block]:
    """Return the blocks that a checkpoint names. Raises: FormatError, about `what`."""
    if not isinstance(body, list):
        raise FormatError(what, "its state has a series that is no list")
    found = [_parse_block(each, what) for each in body]
    if not all(one.last < other.first for one, other in pairwise(found)):
        raise FormatError(what, "its state has a series whose blocks do not ascend")
    return found


def check_before(blocks: Iterable[Block], n: int, what: str) -> None:
    """Check that blocks speak of entries before n alone. Raises: FormatError, about `what`."""
    if any(block.last >= n for block in blocks):
        raise FormatError(what, "its series has a block of entries that come after it")


def _parse_block(body: object, what: str) -> Block:
    numbers = [body.get(name) for name in ("first", "last", "level")] if isinstance(body, dict) else []
    if not isinstance(body, dict) or not all(map(is_count, numbers)) or body["first"] > body["last"]:
        raise FormatError(what, f"its state has a series with {body!r:.200}")
    ref = ref_from_json(body.get("points"), what)
    if not isinstance(ref.location, InEntry) or ref.location.n is None or ref.location.n <= body["last"]:
        raise FormatError(what, "its state has a series in no later entry of its log")
    return Block(body["first"], body["last"], body["level"], ref)


def blocks_to_json(blocks: Iterable[Block]) -> list[Json]:
    """Return what a checkpoint says of blocks."""
    return [
        {"first": block.first, "last": block.last, "level": block.level, "points": block.ref.to_json()}
        for block in blocks
    ]


def add_points(columns: dict[str, Columns], points: Iterable[Point]) -> None:
    """Add measurements, in the order in which they were logged."""
    for key, value, step, time in points:
        values, steps, times = columns.setdefault(key, ([], [], []))
        values.append(value)
        steps.append(step)
        times.append(time)


def join_columns(columns: dict[str, Columns], later: Mapping[str, Columns]) -> None:
    """Add the measurements of a block that comes later."""
    for key, found in later.items():
        for mine, more in zip(columns.setdefault(key, ([], [], [])), found, strict=True):
            mine.extend(more)


def encode_block(columns: Mapping[str, Columns]) -> bytes:
    """Return the blob of a block."""
    return json.dumps(columns, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def parse_block(data: bytes, what: str) -> dict[str, Columns]:
    """Return the measurements in a blob, by key. Raises: FormatError, about `what`."""
    body = parse_object(data, what, "a block of measurements")
    for key, columns in body.items():
        if not isinstance(columns, list) or len(columns) != 3 or not all(isinstance(each, list) for each in columns):
            raise FormatError(what, f"the series of {key!r:.100} has no three columns")
        values, steps, times = columns
        good = all(number(value) is not None for value in values) and all(map(is_integer, (*steps, *times)))
        if not good or not len(values) == len(steps) == len(times):
            raise FormatError(what, f"the series of {key!r:.100} is not one of measurements")
    return {key: (columns[0], columns[1], columns[2]) for key, columns in body.items()}
