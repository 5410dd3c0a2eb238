"""Many short zstd frames in one call.

A chunk's plane is compressed in 30 microseconds. Done one at a time, each
would let the GIL go and ask for it again, and threads that do that ten
thousand times a second spend more time on taking turns than on compressing.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import cast

import zstandard

from holdall.format.digest import Bytes

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


def _content(decompressor: zstandard.ZstdDecompressor, frame: Bytes, size: int) -> bytes:
    if zstandard.get_frame_parameters(frame).content_size != size:  # before anything is allocated
        raise zstandard.ZstdError(f"a frame does not promise {size} bytes")
    return decompressor.decompress(frame, allow_extra_data=False)


def _view(segment: zstandard.BufferSegment) -> memoryview:
    return memoryview(cast("bytes", segment))  # it is a buffer, which its stubs do not say
