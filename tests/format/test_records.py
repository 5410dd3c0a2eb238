"""The small objects: descriptor, canary, hints, generations."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.format.strategies import digests, hexes, mutations, packs, refuses_or_parses
from tests.format.test_document import signed, texts, values

from holdall.errors import FormatError, UnsupportedFeatureError
from holdall.format.chunking import Chunker
from holdall.format.document import encode_document, parse_document
from holdall.format.layout import PackName
from holdall.format.records import (
    Descriptor,
    encode_canary,
    encode_descriptor,
    encode_generation,
    encode_hint,
    parse_descriptor,
    parse_generation,
    parse_hint,
)


@st.composite
def descriptors(draw: st.DrawFn) -> Descriptor:
    """The descriptor of any store that version 1 can make."""
    middle = draw(st.integers(256, 4 << 20))
    low, high = draw(st.integers(64, middle - 1)), draw(st.integers(middle + 1, 16 << 20))
    features = tuple(draw(st.lists(texts, max_size=2)))
    size = draw(st.integers(4096, 512 << 20))
    return Descriptor(draw(hexes), draw(st.integers(0, 2**53 - 1)), Chunker(low, middle, high), size, features)


@given(descriptors())
def test_a_descriptor_survives_its_document(descriptor: Descriptor) -> None:
    """`parse_descriptor` takes back what `encode_descriptor` gives; a reader passes over writers' features."""
    assert parse_descriptor(encode_descriptor(descriptor)) == descriptor


@given(descriptors(), st.data(), values)
def test_a_wrong_field_makes_no_descriptor(descriptor: Descriptor, data: st.DataObject, value: object) -> None:
    """Whatever stands in a field, it is right, damage, or refused by name; a missing field never passes."""
    body, _ = parse_document(encode_descriptor(descriptor), "it")
    name = data.draw(st.sampled_from(sorted(body)))
    refuses_or_parses(parse_descriptor, encode_document(body | {name: value}))
    with pytest.raises((FormatError, UnsupportedFeatureError)):
        parse_descriptor(encode_document({key: value for key, value in body.items() if key != name}))


@given(descriptors(), st.data())
def test_a_damaged_descriptor_is_refused_or_parsed(descriptor: Descriptor, data: st.DataObject) -> None:
    """Nothing but the two errors comes of a descriptor whose JSON was changed before it was signed."""
    bad = data.draw(mutations(encode_descriptor(descriptor).split(b"\n")[0]))
    refuses_or_parses(parse_descriptor, signed(bad))


def test_a_store_is_made_as_the_law_says() -> None:
    """The fields and values of a store with the usual sizes."""
    body = json.loads(encode_descriptor(Descriptor("0" * 32, 5)).split(b"\n")[0])
    assert body == {
        "format": 1,
        "store": "0" * 32,
        "created": 5,
        "reader_features": [],
        "writer_features": [],
        "chunk_id": "blake3",
        "file_id": "sha256",
        "chunker": {"name": "fastcdc2020", "min": 16384, "average": 32768, "max": 131072},
        "pack_size": 33554432,
    }


@given(hexes)
def test_a_canary_says_whose_it_is(store: str) -> None:
    """The canary is the same each time, or it could not be created in vain."""
    assert encode_canary(store) == encode_canary(store) == encode_document({"canary": store})


@given(digests, packs)
def test_a_hint_leads_from_a_chunk_to_its_pack(chunk: bytes, pack: PackName) -> None:
    """`parse_hint` takes back what `encode_hint` gives, and only for that chunk."""
    assert parse_hint(encode_hint(chunk, pack), chunk) == pack
    with pytest.raises(FormatError, match="another chunk"):
        parse_hint(encode_hint(chunk, pack), bytes(32) if any(chunk) else b"x" * 32)


@given(st.integers(0, 2**53 - 1), st.sampled_from(["condemn", "done"]), st.lists(packs, unique=True))
def test_a_generation_names_its_packs(generation: int, word: str, named: list[PackName]) -> None:
    """`parse_generation` takes back what `encode_generation` gives, sorted, and only for that generation."""
    data = encode_generation(generation, word, named)
    assert parse_generation(data, generation, word) == frozenset(named)
    body, _ = parse_document(data, "it")
    assert body["deleted" if word == "done" else "packs"] == sorted(map(str, named))
    for other in ((generation + 1, word), (generation, {"condemn": "done", "done": "condemn"}[word])):
        with pytest.raises(FormatError, match="not what its key says"):
            parse_generation(data, *other)


@given(digests, packs, st.data())
def test_damaged_records_are_refused_or_parsed(chunk: bytes, pack: PackName, data: st.DataObject) -> None:
    """Nothing but a FormatError comes of hints and generations that were good once."""
    good: list[tuple[bytes, Any]] = [
        (encode_hint(chunk, pack), lambda bad: parse_hint(bad, chunk)),
        (encode_generation(3, "condemn", [pack]), lambda bad: parse_generation(bad, 3, "condemn")),
    ]
    for document, parse in good:
        refuses_or_parses(parse, signed(data.draw(mutations(document.split(b"\n")[0]))))
