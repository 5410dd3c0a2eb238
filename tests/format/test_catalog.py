"""Catalogs: what is written is read, and whatever else is damage."""

from __future__ import annotations

import math
import random
from dataclasses import replace

import pytest

from holdall.errors import HoldallError
from holdall.format.catalog import HEAD, CatalogBuilder, CatalogRow, parse_block, parse_header
from holdall.format.layout import experiment_id, timed_run_id

OWNER = experiment_id("Default")
ROW = CatalogRow(
    run="",
    n=2,
    size=900,
    modified=1_750_000_000_000,
    experiment=OWNER,
    status="FINISHED",
    started=5,
    ended=6,
    versioned=True,
    files=3,
    bytes=2**52,
    params={"rate": "0.1", "ü": "\n"},
    tags={"mlflow.runName": "one"},
    metrics={"loss": [math.nan, -(2**60), 5, 7], "least": [-math.inf, 1, 2, 3, -1.5, 2.5]},
    pins={"p": "by"},
)


def rows(count: int) -> list[CatalogRow]:
    source = random.Random(1)
    return [replace(ROW, run=timed_run_id(OWNER, 10_000 - n, source.randbytes(6)), started=n) for n in range(count)]


def built(count: int, each: int = 7) -> bytes:
    builder, some = CatalogBuilder(), rows(count)
    for at in range(0, count, each):
        builder.add(some[at : at + each])
    return builder.finish(some[-3:], 77, "test 1", 88)


def test_what_is_written_is_read() -> None:
    """Every field comes back, numbers that are none too; the header says which ids each block spans."""
    data, some = built(20), rows(20)
    found = parse_header(data, "it")
    assert (found.time, found.writer, found.newest, found.runs) == (77, "test 1", 88, 20)
    read = [row for block in found.blocks for row in parse_block(data[block.start : block.stop], block, "it")]
    assert repr(read) == repr([*some[-3:], *some])
    assert [block.first for block in found.blocks[1:]] == [some[0].run, some[7].run, some[14].run]
    assert found.blocks[-1].stop == len(data)


def test_a_catalog_of_nothing_has_no_blocks() -> None:
    """It says when it was made, and tells of no run."""
    found = parse_header(CatalogBuilder().finish((), 5, "w", None), "it")
    assert (found.runs, found.blocks, found.newest) == (0, (), None)


def test_no_flipped_bit_goes_unseen() -> None:
    """Whichever byte is another one: the header or a block of it is damage, never other rows."""
    data = built(10)
    for at in range(0, len(data), 5):
        wrong = bytearray(data)
        wrong[at] ^= 0x10
        with pytest.raises(HoldallError):
            for block in parse_header(bytes(wrong), "it").blocks:
                parse_block(bytes(wrong[block.start : block.stop]), block, "it")


@pytest.mark.parametrize(
    "change",
    [
        {"status": "DONE"},
        {"experiment": "0" * 16},
        {"run": OWNER[:8] + "x" * 24},
        {"n": -1},
        {"size": 2**53},
        {"modified": "1"},
        {"params": {"a": 1}},
        {"metrics": {"a": [1.0, 2, 3]}},
        {"metrics": {"a": [1.0, 2.5, 3, 4]}},
        {"pins": ["p"]},
    ],
)
def test_a_row_that_no_writer_makes_is_damage(change: dict[str, object]) -> None:
    """Each field is checked, as everything is that comes from a bucket."""
    builder, row = CatalogBuilder(), rows(1)[0]
    builder.add([replace(row, **change)])  # type: ignore[arg-type]
    with pytest.raises(HoldallError):
        data = builder.finish((), 1, "w", None)
        for block in parse_header(data, "it").blocks:
            parse_block(data[block.start : block.stop], block, "it")


def test_lengths_are_refused_before_memory_is_taken() -> None:
    """A header that promises gigabytes is damage by its first bytes."""
    data = bytearray(built(1))
    data[12:16] = b"\xff\xff\xff\x7f"
    for wrong in (bytes(data), b"", data[: HEAD - 1], b"HOLDCAT2" + data[8:]):
        with pytest.raises(HoldallError):
            parse_header(bytes(wrong), "it")
