"""Codecs: what goes in comes out, and what was made by no encoder is refused before it costs anything."""

from __future__ import annotations

import struct
import tracemalloc

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.format.strategies import mutations, refuses_or_parses

from holdall.errors import FormatError, UnsupportedFeatureError
from holdall.format.codec import DELTA, SLACK, SPLIT, UNCOMPRESSED, ZSTD, Decoder, decode, encode, encode_planes

blobs = st.binary(min_size=1, max_size=400) | st.builds(bytes.__mul__, st.binary(min_size=1, max_size=9), st.just(50))
PHASES = [(item_size, phase) for item_size in (2, 4, 8) for phase in range(item_size)]


@given(blobs)
def test_what_is_encoded_decodes_to_its_source(data: bytes) -> None:
    """Whichever codec is chosen, and never with more than 64 bytes on top."""
    codec, stored = encode(data)
    assert codec in (UNCOMPRESSED, ZSTD)
    assert len(stored) <= len(data) + SLACK
    assert decode(codec, stored, len(data)) == decode(codec, memoryview(stored), len(data)) == data


def test_only_what_compresses_is_compressed() -> None:
    """Repetition is worth a frame, randomness is not."""
    noise = struct.pack("<64Q", *(pow(3, n, 2**64 - 59) for n in range(1000, 1064)))
    assert encode(noise) == (UNCOMPRESSED, noise)
    assert encode(bytes(1000))[0] == ZSTD


@pytest.mark.parametrize(("item_size", "phase"), PHASES)
@given(data=blobs)
def test_planes_decode_to_their_source(item_size: int, phase: int, data: bytes) -> None:
    """For every item size, phase and length that leaves room for it."""
    if len(data) < phase:
        data += bytes(phase)
    codec, stored = encode_planes(data, item_size, phase)
    assert codec == SPLIT
    assert len(stored) <= len(data) + SLACK
    assert decode(codec, stored, len(data)) == data


def test_planes_are_laid_out_as_the_law_says() -> None:
    """Item, phase, tail, bitmap, lengths, the ends as they are, then each plane."""
    _, stored = encode_planes(b"H" + b"aA" * 3 + b"T", 2, 1)
    assert stored == bytes([2, 1, 1, 0]) + struct.pack("<2I", 3, 3) + b"HT" + b"aaa" + b"AAA"


def test_the_phase_makes_no_difference_to_the_ratio() -> None:
    """A tensor takes the same room at every offset from the cut, if the phase says where it begins."""
    tensor = b"".join(struct.pack("<f", (n * 7919 % 4001) / 4001 - 0.5) for n in range(4000))
    sizes = [len(encode_planes(bytes(shift) + tensor, 4, shift % 4)[1]) for shift in range(8)]
    assert max(sizes) - min(sizes) < 0.005 * len(tensor)
    assert max(sizes) < 0.95 * len(tensor)


def test_one_flipped_plane_length_is_refused() -> None:
    """Planes that do not add up to what is stored are no planes."""
    _, stored = encode_planes(bytes(range(100)), 4, 2)
    for at in range(4, 20):
        with pytest.raises(FormatError, match="do not add up"):
            decode(SPLIT, stored[:at] + bytes([stored[at] ^ 1]) + stored[at + 1 :], 100)


def test_a_bomb_is_refused_before_it_goes_off() -> None:
    """A frame that would become 100 MB, where 1,000 bytes were promised, allocates nothing."""
    bomb = zstandard.ZstdCompressor().compress(bytes(100_000_000))
    unsized = zstandard.ZstdCompressor(write_content_size=False).compress(bytes(100_000_000))
    planes = bytes([2, 0, 0, 3]) + struct.pack("<2I", len(bomb), len(bomb)) + bomb + bomb
    tracemalloc.start()
    for codec, stored in ((ZSTD, bomb), (ZSTD, unsized), (SPLIT, planes), (UNCOMPRESSED, bomb)):
        with pytest.raises(FormatError):
            decode(codec, stored, 1_000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1_000_000


def test_a_frame_that_lies_about_its_size_is_refused() -> None:
    """A frame whose header promises more, or less, than it holds."""
    frame = zstandard.ZstdCompressor().compress(bytes(200))
    at = frame.index(bytes([200]))
    for promised in (100, 201, 255):
        with pytest.raises(FormatError, match="zstd"):
            decode(ZSTD, frame[:at] + bytes([promised]) + frame[at + 1 :], promised)


def test_nothing_may_follow_a_frame() -> None:
    """Not a byte, not another frame, not a skippable one; nor may a frame without content hide in a plane."""
    frame = zstandard.ZstdCompressor().compress(bytes(200))
    skippable = b"\x50\x2a\x4d\x18" + struct.pack("<I", 4) + b"more"
    for stored in (frame + b"\0", frame + frame, frame + skippable, skippable + frame):
        with pytest.raises(FormatError):
            decode(ZSTD, stored, 200)
    empty = zstandard.ZstdCompressor(write_content_size=True).compress(b"") + b"hidden"
    with pytest.raises(FormatError):
        decode(SPLIT, bytes([2, 1, 0, 1]) + struct.pack("<2I", len(empty), 0) + b"x" + empty, 1)


def test_a_frame_may_have_a_checksum_and_any_window() -> None:
    """A checksum that is right, and a window far beyond the content, for which nothing is allocated."""
    summed = zstandard.ZstdCompressor(write_checksum=True).compress(bytes(200))
    assert decode(ZSTD, summed, 200) == bytes(200)
    with pytest.raises(FormatError):
        decode(ZSTD, summed[:-1] + bytes([summed[-1] ^ 1]), 200)
    for window in (0x00, 0xA8):  # 1 KiB and 2 GiB
        block = struct.pack("<I", 200 << 3 | 1)[:3] + bytes(200)
        frame = b"\x28\xb5\x2f\xfd" + bytes([0x80, window]) + struct.pack("<I", 200) + block
        tracemalloc.start()
        assert decode(ZSTD, frame, 200) == bytes(200)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()


def test_a_frame_may_not_want_a_dictionary() -> None:
    """What was compressed with a dictionary names it, and is refused."""
    samples: list[bytes | bytearray | memoryview] = [b"%d holds fast to %d" % (n, n * n) for n in range(2000)]
    words = zstandard.train_dictionary(2_000, samples)
    frame = zstandard.ZstdCompressor(dict_data=words).compress(samples[7])
    with pytest.raises(FormatError, match="wants dictionary"):
        decode(ZSTD, frame, len(samples[7]))


def test_codecs_of_later_versions_are_refused_by_name() -> None:
    """Delta is reserved, and the rest unknown."""
    with pytest.raises(UnsupportedFeatureError, match="'codec delta'"):
        decode(DELTA, b"x", 1)
    with pytest.raises(UnsupportedFeatureError, match="'codec 255'"):
        decode(255, b"x", 1)


@given(st.integers(0, 4), st.binary(max_size=200), st.integers(0, 300))
def test_any_bytes_decode_or_are_refused(codec: int, stored: bytes, raw: int) -> None:
    """Whatever is stored, it decodes to as many bytes as promised or raises one of two errors."""
    refuses_or_parses(lambda data: len(decode(codec, data, raw)) == raw or pytest.fail("another length"), stored)


@given(st.data(), blobs, st.sampled_from(PHASES), st.booleans())
def test_damaged_blobs_decode_or_are_refused(
    data: st.DataObject, blob: bytes, number: tuple[int, int], planes: bool
) -> None:
    """The same for blobs that were good once."""
    item_size, phase = number
    codec, stored = encode_planes(blob + bytes(8), item_size, phase) if planes else (ZSTD, encode(blob * 9)[1])
    refuses_or_parses(lambda bad: decode(codec, bad, len(blob) + 8), data.draw(mutations(stored)))


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["raw", "zstd", 2, 4, 8]), st.binary(min_size=16, max_size=200), st.integers(0, 7)),
        min_size=1,
        max_size=12,
    )
)
def test_a_run_of_blobs_is_decoded_as_each_is(blobs: list[tuple[str | int, bytes, int]]) -> None:
    """Raw, compressed, in planes of any width, in any order: each is what it is alone."""
    stored: list[tuple[int, bytes, int]] = []
    for how, data, phase in blobs:
        if isinstance(how, int):
            codec, made = encode_planes(data, how, phase % how)
        else:
            codec, made = (UNCOMPRESSED, data) if how == "raw" else encode(data * 9)
        stored.append((codec, made, len(data) if how != "zstd" else 9 * len(data)))
    found = Decoder().decode_run(stored)
    assert [bytes(data) for data in found] == [decode(codec, made, raw) for codec, made, raw in stored]
