"""Many short zstd frames in one call, and a long one in parts.

A chunk's plane is compressed in 30 microseconds. Done one at a time, each
would let the GIL go and ask for it again, and threads that do that ten
thousand times a second spend more time on taking turns than on compressing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import IO, Final, cast

import zstandard

from holdall.errors import FormatError
from holdall.format.digest import Bytes

_WINDOW: Final = 8 << 20  # bytes that are looked back at, at most, while a frame comes: they are allocated
_REPEATED: Final = 1  # the kind of a block of one byte, which is repeated
_TOGETHER = {"multi_compress_to_buffer", "multi_decompress_to_buffer"} <= set(zstandard.backend_features)


def compress_each(compressor: zstandard.ZstdCompressor, parts: Sequence[Bytes]) -> list[Bytes]:
    """Return a zstd frame for each part, none of which is empty."""
    if not _TOGETHER or len(parts) < 2:  # only zstandard's C backend can
        return [compressor.compress(part) for part in parts]
    frames = compressor.multi_compress_to_buffer(list(parts))
    return [_view(frames[at]) for at in range(len(frames))]


def decompress_each(
    decompressor: zstandard.ZstdDecompressor, frames: Sequence[Bytes], sizes: Sequence[int]
) -> list[Bytes]:
    """Return the content of each frame, of the length that `sizes` says, without allocating more than that.

    Raises:
        zstandard.ZstdError: It is not that many, or not a frame.
    """
    if not _TOGETHER or len(frames) < 2:
        return [_content(decompressor, frame, size) for frame, size in zip(frames, sizes, strict=True)]
    lengths = struct.pack(f"={len(sizes)}Q", *sizes)
    contents = decompressor.multi_decompress_to_buffer(list(frames), lengths)
    return [_view(contents[at]) for at in range(len(contents))]


def decompress_into(data: bytearray, source: IO[bytes], head: Bytes, *, step: int) -> None:
    """Decompress the one frame that a stream gives into a buffer of its length, and write nowhere else.

    Args:
        data: The buffer.
        source: The stream.
        head: The first bytes that it will give.
        step: Bytes to decompress at a time.

    Raises:
        FormatError: It is no frame of that length, has something beside it, or looks back further than may be
            allocated here.
    """
    try:
        frame = zstandard.get_frame_parameters(head)
        if (
            bytes(head[:4]) != zstandard.FRAME_HEADER
            or frame.content_size != len(data)
            or frame.dict_id
            or frame.window_size > _WINDOW
        ):
            raise FormatError("blob", "its frame cannot be decoded in parts")
        decompressor = zstandard.ZstdDecompressor(max_window_size=_WINDOW)
        followed = _OneFrame(source, zstandard.frame_header_size(head), frame.has_checksum)
        reader = decompressor.stream_reader(cast("IO[bytes]", followed), read_across_frames=True, closefd=False)
        view, at = memoryview(data), 0
        while at < len(data) and (count := reader.readinto(view[at : at + step])):
            at += count
        if at < len(data) or reader.read(1) or not followed.ended:
            raise FormatError("blob", f"its zstd frame does not hold {len(data)} bytes")
    except zstandard.ZstdError as error:
        raise FormatError("blob", f"not a zstd frame: {error}") from error


class _OneFrame:
    """A stream of one frame, whose blocks are followed as they pass: a decoder does not tell what it passes over.

    Args:
        source: The stream.
        header: Bytes before its first block.
        checksum: Whether four bytes follow its last one.
    """

    def __init__(self, source: IO[bytes], header: int, checksum: bool) -> None:
        self._source, self._checksum = source, 4 * checksum
        self._passing, self._next, self._last = header, b"", False

    @property
    def ended(self) -> bool:
        """Return whether all of it was read."""
        return self._last and not self._passing

    def read(self, size: int = -1) -> bytes:
        """Return bytes of the stream. Raises: FormatError, where they come after the frame."""
        piece = self._source.read(size)
        at = 0
        while at < len(piece):
            if self.ended:
                raise FormatError("blob", "something follows its zstd frame")
            step = min(self._passing or 3 - len(self._next), len(piece) - at)
            if self._passing:
                self._passing -= step
            else:
                self._begin(self._next + piece[at : at + step])
            at += step
        return piece

    def _begin(self, header: bytes) -> None:
        """Begin a block, once its header of three bytes is there."""
        self._next = header
        if len(header) == 3:
            said = int.from_bytes(header, "little")
            self._next, self._last = b"", bool(said & 1)
            content = 1 if said >> 1 & 3 == _REPEATED else said >> 3
            self._passing = content + self._checksum * self._last


def _content(decompressor: zstandard.ZstdDecompressor, frame: Bytes, size: int) -> bytes:
    if zstandard.get_frame_parameters(frame).content_size != size:  # before anything is allocated
        raise zstandard.ZstdError(f"a frame does not promise {size} bytes")
    return decompressor.decompress(frame, allow_extra_data=False)


def _view(segment: zstandard.BufferSegment) -> memoryview:
    return memoryview(cast("bytes", segment))  # it is a buffer, which its stubs do not say
