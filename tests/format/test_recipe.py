"""Recipes: a file's chunks survive their table, and no other table is one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.format.strategies import digests, mutations, packs, refs, refuses_or_parses

from holdall.errors import FormatError
from holdall.format.digest import blob_id, sha256
from holdall.format.layout import PackName
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe
from holdall.format.reference import Ref

DATA = b"a chunk"
PACK = PackName(b"s" * 16, 0)


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """A recipe over a few packs, in which some chunks are neighbours."""
    where = st.sampled_from(draw(st.lists(packs, min_size=1, max_size=3)))
    chunks: list[Ref] = []
    drawn = draw(st.lists(st.tuples(refs(where), st.booleans()), min_size=1, max_size=12))
    for ref, joins in drawn:
        last = chunks[-1] if chunks and joins else None
        chunks.append(replace(ref, location=last.location, offset=last.offset + last.stored) if last else ref)
    fit = tuple(chunk for chunk in chunks if chunk.offset + chunk.stored <= 2**30)
    return Recipe(sum(chunk.raw for chunk in fit), draw(digests), fit)


@given(recipes())
def test_a_recipe_survives_its_bytes(recipe: Recipe) -> None:
    """`parse_recipe` takes back what `encode_recipe` gives."""
    assert parse_recipe(encode_recipe(recipe)) == recipe


def test_neighbours_share_an_extent() -> None:
    """Chunks back to back in a pack cost 41 bytes each; a jump 12 more, another pack 24."""
    chunks = [Ref(blob_id(bytes([n])), PACK, 8 + 10 * n, 10, 9, 0) for n in range(5)]
    sizes = [
        len(encode_recipe(Recipe(45, bytes(32), tuple(some))))
        for some in (chunks, chunks[::-1], [*chunks[:4], replace(chunks[4], location=PackName(b"s" * 16, 1))])
    ]
    assert sizes == [60 + 24 + 12 + 5 * 41, 60 + 24 + 5 * 12 + 5 * 41, 60 + 2 * 24 + 2 * 12 + 5 * 41]


def test_a_recipe_is_laid_out_as_the_law_says() -> None:
    """Magic, algorithms, size, digest, counts; then places, extents, chunks."""
    ref = Ref(blob_id(DATA), PACK, 8, 20, 7, 1)
    head = b"HFR1\1\1\0\0" + b"\7" + bytes(7) + sha256(DATA) + b"\1\0\0\0" * 3
    tables = b"s" * 16 + bytes(8) + b"\0\0\0\0\x08\0\0\0\1\0\0\0" + blob_id(DATA) + b"\x14\0\0\0\7\0\0\0\1"
    assert encode_recipe(Recipe(7, sha256(DATA), (ref,))) == head + tables


@given(st.data(), recipes())
def test_a_cut_recipe_is_refused(data: st.DataObject, recipe: Recipe) -> None:
    """No beginning of a recipe is a recipe, nor one with more behind it."""
    good = encode_recipe(recipe)
    for bad in (good[: data.draw(st.integers(0, len(good) - 1))], good + data.draw(st.binary(min_size=1, max_size=50))):
        with pytest.raises(FormatError):
            parse_recipe(bad)


def test_absurd_counts_cost_nothing() -> None:
    """Counts of four billion rows are refused by the length of what is there."""
    good = encode_recipe(Recipe(7, sha256(DATA), (Ref(blob_id(DATA), PACK, 8, 20, 7, 1),)))
    for at in (48, 52, 56):
        with pytest.raises(FormatError, match="do not fill it"):
            parse_recipe(good[:at] + b"\xff\xff\xff\xff" + good[at + 4 :])


@given(st.binary(max_size=300) | st.binary(max_size=300).map(b"HFR1\1\1\0\0".__add__))
def test_any_bytes_are_a_recipe_or_refused(data: bytes) -> None:
    """Nothing but a FormatError or an UnsupportedFeatureError comes of bytes that are no recipe."""
    refuses_or_parses(parse_recipe, data)


@given(st.data(), recipes())
def test_damaged_recipes_are_refused_or_parsed(data: st.DataObject, recipe: Recipe) -> None:
    """The same for recipes that were good once."""
    refuses_or_parses(parse_recipe, data.draw(mutations(encode_recipe(recipe))))
