"""References and places: round trips, and lengths that are checked before anything is fetched."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.format.strategies import places, refs

from holdall.errors import FormatError
from holdall.format.layout import PackName
from holdall.format.reference import (
    CHUNK,
    JSON_BLOB,
    LOCATION,
    MAX_JSON_BLOB,
    MAX_NODE,
    MAX_RECIPE,
    NODE,
    RECIPE,
    BlobLocation,
    InEntry,
    Ref,
    check_lengths,
    encode_locations,
    parse_locations,
    ref_from_json,
)

json_values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=70)


@given(refs())
def test_a_reference_survives_json(ref: Ref) -> None:
    """`ref_from_json` takes back what `to_json` gives, through text and all."""
    assert ref_from_json(json.loads(json.dumps(ref.to_json())), "it") == ref


@given(refs(), st.integers(0, 2**32))
def test_the_entry_that_says_so_gets_a_number(ref: Ref, n: int) -> None:
    """`carried_by` names the carrier where none was named, and changes nothing else."""
    carried = ref.carried_by(n)
    assert carried.location == (InEntry(n) if ref.location == InEntry(None) else ref.location)
    assert (carried.id, carried.offset, carried.raw) == (ref.id, ref.offset, ref.raw)


@given(st.data(), refs(), json_values)
def test_a_wrong_field_makes_no_reference(data: st.DataObject, ref: Ref, value: object) -> None:
    """Whatever stands in a field of a reference is an integer or a name, or damage."""
    body = ref.to_json()
    body |= {data.draw(st.sampled_from(sorted(body))): value}
    with suppress(FormatError):
        ref_from_json(body, "it")
        assert type(value) in (int, str)


@given(refs(), st.sampled_from(["id", "codec", "raw", "stored", "pack", "offset", "blob"]))
def test_a_reference_without_a_field_is_damage(ref: Ref, name: str) -> None:
    """All fields are needed; only `entry` may be absent."""
    body = ref.to_json()
    if body.pop(name, None) is not None:
        with pytest.raises(FormatError, match=r"^it: "):
            ref_from_json(body, "it")


@given(json_values | st.lists(json_values))
def test_what_is_no_object_is_no_reference(body: object) -> None:
    """A reference is a JSON object."""
    with pytest.raises(FormatError, match="not an object"):
        ref_from_json(body, "it")


@pytest.mark.parametrize(
    ("kind", "most"), [(CHUNK, 16 << 20), (RECIPE, MAX_RECIPE), (NODE, MAX_NODE), (JSON_BLOB, MAX_JSON_BLOB), (4, 0)]
)
def test_lengths_are_bounded_by_kind(kind: int, most: int) -> None:
    """No blob is empty, larger than its kind may be, or encoded with more than 64 bytes on top."""
    if most:
        check_lengths(most // 16 if kind in (RECIPE, JSON_BLOB) else 1, most, "it", kind)
        check_lengths(most + 64, most, "it", kind)
    for stored, raw in ((1, most + 1), (most + 65, most), (0, 1), (1, 0), (2**63, 2**63)):
        with pytest.raises(FormatError, match="cannot be"):
            check_lengths(stored, raw, "it", kind)


@given(st.lists(places, unique=True))
def test_places_survive_their_table(listed: list[BlobLocation]) -> None:
    """`parse_locations` takes back what `encode_locations` gives: packs, entries, and the carrier itself."""
    assert parse_locations(encode_locations(listed), "it") == listed


def test_places_are_laid_out_as_the_law_says() -> None:
    """16 bytes of session, zero for entries; then a number, all ones for the carrier."""
    table = encode_locations([PackName(b"s" * 16, 7), InEntry(5), InEntry(None)])
    assert table == b"s" * 16 + b"\7" + bytes(7) + bytes(16) + b"\5" + bytes(7) + bytes(16) + b"\xff" * 8


def test_a_table_lists_a_location_once() -> None:
    """Two rows for one place are damage, and so is a pack number of more than 32 bits."""
    for table, part in (
        (encode_locations([InEntry(1)]) * 2, "lists a location twice"),
        (LOCATION.pack(b"s" * 16, 1 << 32), "too large"),
    ):
        with pytest.raises(FormatError, match=part):
            parse_locations(table, "it")
