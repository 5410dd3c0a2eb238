"""How the bytes of a blob are stored: as they are, compressed, or in planes.

Decoding is given the lengths that the reference promised and checks them
before it allocates; encoding decodes what it made and compares, so that a
broken encoder or a flipped bit in memory is caught before anything is
uploaded. SPEC.md, 4.
"""

from __future__ import annotations

import struct
from typing import Final

import zstandard

from holdfast.errors import FormatError, IntegrityError, UnsupportedFeatureError
from holdfast.format.digest import Bytes

RAW, ZSTD, PLANES, DELTA = 0, 1, 2, 3
SLACK: Final = 64  # an encoded blob is never longer than the decoded one by more than this
_LEVEL: Final = 1  # level 3 is slower on weights and saves nothing
_WORTH: Final = 0.97  # below this ratio, compressing is worth the decoding


def encode(data: bytes) -> tuple[int, bytes]:
    """A blob's codec and stored bytes: compressed where that saves something."""
    packed = _compress(data)
    if len(packed) >= _WORTH * len(data):
        return RAW, data
    return _verified(ZSTD, packed, data)


def encode_planes(data: bytes, item: int, head: int) -> tuple[int, bytes]:
    """A blob of numbers with `item` bytes each, the first of which begins at `head`."""
    count = (len(data) - head) // item
    tail = len(data) - head - count * item
    bitmap, planes = 0, []
    for p in range(item):
        plane = data[head + p : head + count * item : item]
        packed = _compress(plane)
        if len(packed) < _WORTH * len(plane):
            bitmap |= 1 << p
            plane = packed
        planes.append(plane)
    lengths = struct.pack(f"<4B{item}I", item, head, tail, bitmap, *map(len, planes))
    ends = data[:head] + data[len(data) - tail :]
    return _verified(PLANES, b"".join([lengths, ends, *planes]), data)


def decode(codec: int, stored: Bytes, raw: int) -> bytes:
    """The bytes of a blob, `raw` of them.

    Raises:
        FormatError: The stored bytes are not what any encoder makes.
        UnsupportedFeatureError: The codec is one of a later version.
    """
    if codec == RAW:
        if len(stored) != raw:
            raise FormatError("blob", f"{len(stored)} bytes are stored raw, not {raw}")
        return bytes(stored)
    if codec == ZSTD:
        return _decompress(stored, raw)
    if codec == PLANES:
        return _join_planes(bytes(stored), raw)
    raise UnsupportedFeatureError("blob", "codec delta" if codec == DELTA else f"codec {codec}")


def _verified(codec: int, stored: bytes, data: bytes) -> tuple[int, bytes]:
    if decode(codec, stored, len(data)) != data:
        raise IntegrityError("encoder", "what was compressed does not decode to its source")
    return codec, stored


def _compress(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL, write_content_size=True).compress(data)


def _decompress(stored: Bytes, raw: int) -> bytes:
    """One zstd frame that promises, and holds, exactly `raw` bytes."""
    try:
        frame = zstandard.get_frame_parameters(stored)
        if not raw or frame.content_size != raw:
            raise FormatError("blob", f"its zstd frame promises {frame.content_size} bytes, not {raw}")
        if frame.dict_id:
            raise FormatError("blob", f"its zstd frame wants dictionary {frame.dict_id}")
        data = zstandard.ZstdDecompressor().decompress(stored, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise FormatError("blob", f"not a zstd frame: {error}") from error
    if len(data) != raw:
        raise FormatError("blob", f"its zstd frame holds {len(data)} bytes, not {raw}")
    return data


def _join_planes(stored: bytes, raw: int) -> bytes:
    item, head, tail, bitmap = stored[:4] if len(stored) >= 4 else (0, 0, 0, 0)
    if item not in (2, 4, 8) or head >= item or tail >= item or bitmap >> item:
        raise FormatError("blob", "its header of planes is not one")
    count, rest = divmod(raw - head - tail, item)
    begin = 4 + 4 * item
    if count < 0 or rest or len(stored) < begin + head + tail:
        raise FormatError("blob", f"planes of {item} bytes cannot make {raw} bytes")
    lengths = struct.unpack_from(f"<{item}I", stored, 4)
    at = begin + head + tail
    if at + sum(lengths) != len(stored):
        raise FormatError("blob", "its planes do not add up to what is stored")
    data = bytearray(raw)
    data[:head] = stored[begin : begin + head]
    data[raw - tail :] = stored[begin + head : at]
    for p, length in enumerate(lengths):
        plane = stored[at : at + length]
        at += length
        if bitmap >> p & 1:
            plane = _decompress(plane, count)
        if len(plane) != count:
            raise FormatError("blob", f"plane {p} has {len(plane)} bytes, not {count}")
        data[head + p : head + item * count : item] = plane
    return bytes(data)
