"""Many frames in one call are the frames of many calls."""

from __future__ import annotations

import io
import struct

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from holdall.errors import FormatError
from holdall.format import frames
from holdall.format.codec import Decoder
from holdall.format.frames import compress_each, decompress_each, decompress_into

PARTS = st.lists(st.binary(min_size=1, max_size=300), min_size=1, max_size=8)


@given(PARTS, st.booleans())
def test_each_part_has_the_frame_that_it_would_have_alone(parts: list[bytes], together: bool) -> None:
    """Also where the library cannot make them together."""
    compressor, decompressor = zstandard.ZstdCompressor(level=1), zstandard.ZstdDecompressor()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(frames, "_TOGETHER", together)
        made = compress_each(compressor, parts)
        assert [bytes(frame) for frame in made] == [compressor.compress(part) for part in parts]
        assert [bytes(data) for data in decompress_each(decompressor, made, [len(part) for part in parts])] == parts


@pytest.mark.parametrize("together", [True, False])
@pytest.mark.parametrize("wrong", [-1, 1])
def test_a_frame_that_holds_another_length_is_refused(
    together: bool, wrong: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte more or less than was announced is an error, not a shorter or longer answer."""
    monkeypatch.setattr(frames, "_TOGETHER", together)
    made = compress_each(zstandard.ZstdCompressor(level=1), [b"a" * 500, b"b" * 500])
    with pytest.raises(zstandard.ZstdError):
        decompress_each(zstandard.ZstdDecompressor(), made, [500, 500 + wrong])


def in_parts(frame: bytes, size: int) -> bytes:
    """What a frame of so many bytes decodes to, in parts."""
    data = bytearray(size)
    decompress_into(data, io.BytesIO(frame), frame[: 1 << 10], step=1 << 16)
    return bytes(data)


def whole(frame: bytes, size: int) -> bytes:
    return Decoder().decompress(frame, size)


DATA = bytes(range(256)) * 3000 + bytes(300_000)
ZERO = zstandard.ZstdCompressor().compress(b"")


def skippable(size: int) -> bytes:
    return struct.pack("<II", 0x184D2A50, size) + bytes(size)


@given(st.binary(max_size=3000), st.integers(0, 3), st.booleans(), st.sampled_from([1, 100, 200_000]))
def test_a_frame_in_parts_is_the_frame_as_a_whole(data: bytes, level: int, checksum: bool, times: int) -> None:
    """Of any content, with a checksum and without: blocks of each kind."""
    data = (data or b"x") * (times // 50 + 1)
    frame = zstandard.ZstdCompressor(level=level, write_checksum=checksum).compress(data)
    assert in_parts(frame, len(data)) == whole(frame, len(data)) == data


@pytest.mark.parametrize("checksum", [True, False])
@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b"\0"),
        (b"", b"\x28"),
        (b"", b"\x28\xb5\x2f"),
        (b"", b"\x28\xb5\x2f\xfd"),
        (b"", ZERO),
        (b"", skippable(0)),
        (b"", skippable(100)),
        (skippable(len(DATA)), b""),
        (ZERO, b""),
    ],
)
def test_what_is_beside_a_frame_is_damage_in_parts_as_it_is_as_a_whole(
    before: bytes, after: bytes, checksum: bool
) -> None:
    """Nothing before it and nothing after it, be it what a decoder would pass over."""
    frame = zstandard.ZstdCompressor(write_checksum=checksum).compress(DATA)
    for decode in (whole, in_parts):
        with pytest.raises(FormatError):
            decode(before + frame + after, len(DATA))


@pytest.mark.parametrize("cut", [1, 4, 5, 1000])
def test_a_frame_that_ends_early_is_damage_in_parts(cut: int) -> None:
    """Its checksum belongs to it."""
    frame = zstandard.ZstdCompressor(write_checksum=True).compress(DATA)
    with pytest.raises(FormatError):
        in_parts(frame[:-cut], len(DATA))
