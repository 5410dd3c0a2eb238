"""A recipe's chunks are read from its rows as they are asked for, and are what they were."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import accumulate

import pytest

from holdall.format.chunk_table import BLOCK, ChunkTable, OneChunk
from holdall.format.layout import PackName
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe
from holdall.format.reference import Ref

PACKS = [PackName(bytes([n]) * 16, n) for n in range(1, 4)]


def refs(count: int, seed: int = 0) -> tuple[Ref, ...]:
    """Chunks in stretches of any length, in three packs."""
    draw = random.Random(seed)
    found: list[Ref] = []
    place, offset = PACKS[0], 8
    for _ in range(count):
        if draw.random() < 0.2:
            place, offset = draw.choice(PACKS), draw.randrange(8, 1 << 20)
        raw = draw.randrange(1, 1 << 12)
        stored = draw.randrange(1, raw + 64)
        found.append(Ref(draw.randbytes(32), place, offset, stored, raw, draw.randrange(3)))
        offset += stored
    return tuple(found)


@pytest.mark.parametrize("count", [1, 2, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 3 * BLOCK + 7])
def test_chunks_are_found_by_number_and_by_offset(count: int) -> None:
    """Every chunk is what was encoded, begins where those before it end, and is found by its first and last byte."""
    chunks = refs(count, seed=count)
    starts = [0, *accumulate(ref.raw for ref in chunks)]
    table = parse_recipe(encode_recipe(Recipe(starts[-1], bytes(32), chunks))).chunks
    assert isinstance(table, ChunkTable)
    assert (len(table), tuple(table), table[-1]) == (count, chunks, chunks[-1])
    assert list(table[1:9]) == list(chunks[1:9])
    assert [table.start(i) for i in range(count + 1)] == starts
    some = random.Random(1).sample(range(count), min(count, 300))
    assert [table.at(starts[i]) for i in some] == some == [table.at(starts[i + 1] - 1) for i in some]
    assert [table[i] for i in some] == [chunks[i] for i in some]
    assert table.at(starts[-1]) == count


@pytest.mark.parametrize("count", [1, BLOCK + 1])
def test_what_holds_the_same_chunks_is_equal(count: int) -> None:
    """A recipe that was read and one that was made are one member of a set, until a chunk of it is another."""
    chunks = refs(count)
    recipe = Recipe(sum(ref.raw for ref in chunks), bytes(32), chunks)
    read = parse_recipe(encode_recipe(recipe))
    assert {read, recipe, parse_recipe(encode_recipe(recipe))} == {recipe}
    other = (*chunks[:-1], replace(chunks[-1], id=bytes(32)))
    assert read.chunks != other
    assert read.chunks != chunks[:-1]
    assert parse_recipe(encode_recipe(Recipe(recipe.size, bytes(32), other))) != read


def test_a_table_has_no_chunk_behind_its_last() -> None:
    """An index beyond either end is none."""
    table = parse_recipe(encode_recipe(Recipe(5, bytes(32), (Ref(bytes(32), PACKS[0], 8, 5, 5, 0),)))).chunks
    for i in (1, -2):
        with pytest.raises(IndexError):
            table[i]


def test_a_file_that_is_not_cut_is_one_chunk() -> None:
    """It begins at 0 and ends with the file."""
    ref = refs(1)[0]
    one = OneChunk([ref])
    assert (list(one), one.start(0), one.start(1)) == ([ref], 0, ref.raw)
    assert (one.at(0), one.at(ref.raw - 1), one.at(ref.raw)) == (0, 0, 1)
