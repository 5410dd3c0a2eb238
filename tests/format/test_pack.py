"""Packs: every blob is found where its row says, and no flipped bit goes unnoticed."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.format.strategies import mutations, packs, refuses_or_parses

from holdall.errors import FormatError, UnsupportedFeatureError
from holdall.format.codec import decode, encode
from holdall.format.digest import blob_id, sha256
from holdall.format.layout import PackName
from holdall.format.pack import MAGIC, TRAILER, PackBuilder, footer_length, parse_footer, parse_pack
from holdall.format.reference import Ref

FOOTER, ROW = 88, 48  # SPEC.md, "Packs": head and trailer, and one row of it
blobs = st.lists(st.binary(min_size=1, max_size=60) | st.builds(bytes, st.integers(1, 500)), min_size=1, max_size=8)


def pack_of(blobs: list[bytes]) -> bytes:
    """A pack of these blobs, of all kinds in turn."""
    builder = PackBuilder()
    for n, data in enumerate(blobs):
        builder.add(blob_id(data), n % 4, *encode(data), len(data))
    return bytes(builder.finish())


@given(blobs, st.integers(1, 4_000))
def test_a_blob_fits_if_the_finished_pack_stays_in_its_memory(blobs: list[bytes], size: int) -> None:
    """Blob, row and footer are counted to the byte: a pack that outgrows a buffer which is reused would be a copy."""
    for data in blobs:
        builder = PackBuilder(memoryview(bytearray(size + 1_000)))
        while builder.fits(len(data)):
            builder.add(blob_id(data), 0, 0, data, len(data))
        assert builder.size + FOOTER + ROW * len(builder.rows) <= size + 1_000
        assert builder.size + len(data) + FOOTER + ROW * (len(builder.rows) + 1) > size + 1_000
        if builder.rows:
            assert len(builder.finish()) == builder.size + FOOTER + ROW * len(builder.rows)


@given(blobs, packs)
def test_every_blob_is_where_its_row_says(blobs: list[bytes], name: PackName) -> None:
    """A pack's footer leads to each blob, in order and without a gap."""
    data = pack_of(blobs)
    footer = parse_pack(data, "pack")
    for n, (row, blob) in enumerate(zip(footer.rows, blobs, strict=True)):
        assert decode(row.codec, data[row.offset : row.offset + row.stored], row.raw) == blob
        assert (row.id, row.kind) == (blob_id(blob), n % 4)
        assert row.ref(name) == Ref(row.id, name, row.offset, row.stored, row.raw, row.codec)
    assert footer.rows[0].offset == len(MAGIC)
    assert all(a.offset + a.stored == b.offset for a, b in pairwise(footer.rows))


@given(blobs, st.integers(0, 400))
def test_a_footer_is_read_from_any_tail_that_holds_it(blobs: list[bytes], more: int) -> None:
    """The last bytes are enough, given as many as `footer_length` asks for, or more."""
    data = pack_of(blobs)
    needed = footer_length(data[-TRAILER:], "pack") + TRAILER
    assert needed == 40 + 48 * len(blobs) + 48
    assert parse_footer(data[-needed - more :], "pack") == parse_pack(memoryview(data), "pack")
    with pytest.raises(FormatError, match="does not match its digest"):
        parse_footer(data[-needed + 1 :], "pack")


def test_no_flipped_bit_goes_unnoticed() -> None:
    """Changing any one bit of a pack, wherever it stands, makes reading it a FormatError."""
    data = bytearray(pack_of([b"hold fast", bytes(300)]))
    for at in range(len(data)):
        for bit in range(8):
            data[at] ^= 1 << bit
            with pytest.raises(FormatError):
                parse_pack(data, "pack")
            data[at] ^= 1 << bit
    assert len(parse_pack(data, "pack").rows) == 2


@given(blobs, st.data())
def test_no_flipped_bit_of_any_pack_goes_unnoticed(blobs: list[bytes], data: st.DataObject) -> None:
    """The same for packs of any content."""
    pack = bytearray(pack_of(blobs))
    pack[data.draw(st.integers(0, len(pack) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(FormatError):
        parse_pack(pack, "pack")


@given(blobs, st.data())
def test_a_cut_pack_is_refused(blobs: list[bytes], data: st.DataObject) -> None:
    """A pack without its first, last or middle bytes is damaged."""
    pack = pack_of(blobs)
    at = data.draw(st.integers(0, len(pack) - 1))
    to = data.draw(st.integers(at + 1, len(pack)))
    with pytest.raises(FormatError):
        parse_pack(pack[:at] + pack[to:], "pack")


def test_a_pack_is_laid_out_as_the_law_says() -> None:
    """Magic, blobs, footer with the digest of the body, trailer with the digest of the footer."""
    builder = PackBuilder()
    assert builder.add(blob_id(b"one"), 0, 0, b"one", 3).offset == 8
    body = b"HOLDPAK1one"
    footer = b"\1\0\0\0\x0b\0\0\0" + blob_id(body) + blob_id(b"one") + b"\x08\0\0\0\3\0\0\0\3\0\0\0" + bytes(4)
    assert builder.finish() == body + footer + sha256(footer) + b"\x58" + bytes(7) + b"HOLDPAK1"


def test_an_empty_pack_is_none() -> None:
    """A pack holds at least one blob."""
    with pytest.raises(FormatError, match="a footer of 40 bytes cannot be"):
        parse_pack(PackBuilder().finish(), "pack")


@pytest.mark.parametrize("length", [0, 1, 87, 89, 40, 1 << 31, 2**64 - 1])
def test_an_absurd_footer_length_is_refused_from_the_trailer(length: int) -> None:
    """48 bytes are enough to know that a footer of this length need not be fetched."""
    with pytest.raises(FormatError, match="cannot be"):
        footer_length(bytes(32) + length.to_bytes(8, "little") + MAGIC, "pack")


def test_a_sealed_pack_is_refused_by_name() -> None:
    """The reserved magic says that a later version wrote this."""
    with pytest.raises(UnsupportedFeatureError, match="sealed packs"):
        footer_length(bytes(40) + b"HOLDPAKS", "pack")


@given(st.binary(max_size=300) | st.binary(max_size=300).map(lambda data: data + MAGIC))
def test_any_bytes_are_a_pack_or_refused(data: bytes) -> None:
    """Nothing but a FormatError or an UnsupportedFeatureError comes of bytes that are no pack."""
    refuses_or_parses(lambda data: parse_pack(data, "pack"), data)
    refuses_or_parses(lambda data: parse_footer(data, "pack"), data)


@given(st.data(), blobs)
def test_a_footer_with_a_right_digest_may_still_be_wrong(data: st.DataObject, blobs: list[bytes]) -> None:
    """A footer that was damaged before its digest was made is refused or parsed like any other."""
    pack = pack_of(blobs)
    begin = len(pack) - TRAILER - footer_length(pack, "pack")
    footer = data.draw(mutations(pack[begin:-TRAILER]))
    trailer = sha256(footer) + len(footer).to_bytes(8, "little") + MAGIC
    refuses_or_parses(lambda data: parse_pack(data, "pack"), pack[:begin] + footer + trailer)
