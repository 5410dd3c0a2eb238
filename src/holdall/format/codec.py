"""How the bytes of a blob are stored: uncompressed, by zstd, or split into byte streams.

Decoding is given the lengths that the reference promised and checks them
before it allocates; encoding decodes what it made and compares, so that a
broken encoder or a flipped bit in memory is caught before anything is
uploaded. SPEC.md, "Blobs and codecs". How a writer chooses among codecs is `encoder.py`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import zstandard

from holdall.errors import FormatError, IntegrityError, UnsupportedFeatureError
from holdall.format.digest import Bytes
from holdall.format.frames import decompress_each

if TYPE_CHECKING:
    from holdall.format.planes import PlanarBlob, ScratchBuffers

UNCOMPRESSED, ZSTD, SPLIT, DELTA = 0, 1, 2, 3
SLACK: Final = 64  # an encoded blob is never longer than the decoded one by more than this
LEVEL: Final = 1  # level 3 is slower on weights and saves nothing
WORTH: Final = 0.97  # below this ratio, compressing is worth the decoding
_TABLES: Final = {item: struct.Struct(f"<4B{item}I") for item in (2, 4, 8)}  # what planes of so many bytes begin with


def encode(data: bytes) -> tuple[int, bytes]:
    """Return a blob's codec and stored bytes: zstd where that saves 3 % or more, else uncompressed."""
    packed = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True).compress(data)
    if len(packed) >= WORTH * len(data):
        return UNCOMPRESSED, data
    verify(decode(ZSTD, packed, len(data)) == data)
    return ZSTD, packed


def encode_planes(data: bytes, item_size: int, phase: int) -> tuple[int, bytes]:
    """Return codec and stored bytes of a blob of numbers of `item_size` bytes, the first of which begins at `phase`."""
    from holdall.format.planes import ScratchBuffers, numbers, split, view

    compressor = zstandard.ZstdCompressor(level=LEVEL, write_content_size=True)
    scratch = ScratchBuffers()
    whole = numbers(data, item_size, phase, scratch)
    apart = view(bytearray(item_size * len(whole))).reshape(item_size, len(whole))
    split(whole, apart, scratch)
    bitmap, planes = 0, []
    for p, plane in enumerate(plane.tobytes() for plane in apart):
        packed = compressor.compress(plane)
        if len(packed) < WORTH * len(plane):
            bitmap |= 1 << p
            plane = packed
        planes.append(plane)
    stored = b"".join([planes_header(data, item_size, phase, bitmap, [len(plane) for plane in planes]), *planes])
    verify(decode(SPLIT, stored, len(data)) == data)
    return SPLIT, stored


def planes_header(data: Bytes, item_size: int, phase: int, bitmap: int, lengths: Sequence[int]) -> bytes:
    """Return what precedes the planes of some data: their table, and the bytes that make no whole number."""
    tail = (len(data) - phase) % item_size
    table = _TABLES[item_size].pack(item_size, phase, tail, bitmap, *lengths)
    return b"".join([table, data[:phase], data[len(data) - tail :]])


def verify(same: bool) -> None:
    """Raise an IntegrityError unless what was encoded decoded to its source."""
    if not same:
        raise IntegrityError("encoder", "what was compressed does not decode to its source")


def decode(codec: int, stored: Bytes, raw: int) -> bytes:
    """Return the decoded bytes of a blob, `raw` of them.

    Raises:
        FormatError: The stored bytes are not what any encoder makes.
        UnsupportedFeatureError: The codec is one of a later version.
    """
    return Decoder().decode(codec, stored, raw)


def frame_length(stored: Bytes) -> int:
    """Return how many bytes a zstd frame says that it decodes to. Raises: FormatError, if it does not."""
    try:
        return zstandard.get_frame_parameters(stored).content_size
    except zstandard.ZstdError as error:
        raise FormatError("blob", f"not a zstd frame: {error}") from error


class Decoder:
    """Decodes blobs one after another, with zstd tables that are made once. For one thread at a time."""

    def __init__(self) -> None:
        self._scratch: ScratchBuffers | None = None
        self._zstd: zstandard.ZstdDecompressor | None = None  # its tables cost more than a small blob does

    def decode(self, codec: int, stored: Bytes, raw: int) -> bytes:
        """Return the decoded bytes of a blob, as the function of this name does."""
        if codec == UNCOMPRESSED:
            return bytes(_raw(stored, raw))
        if codec == ZSTD:
            return self.decompress(stored, raw)
        if codec == SPLIT:
            return bytes(self.decode_run([(codec, stored, raw)])[0])
        raise UnsupportedFeatureError("blob", "codec delta" if codec == DELTA else f"codec {codec}")

    def decompress(self, stored: Bytes, raw: int) -> bytes:
        """Return the content of a zstd frame whose header says `raw` bytes and which holds exactly those."""
        try:
            frame = zstandard.get_frame_parameters(stored)
            if not raw or frame.content_size != raw:
                raise FormatError("blob", f"its zstd frame promises {frame.content_size} bytes, not {raw}")
            if frame.dict_id:
                raise FormatError("blob", f"its zstd frame wants dictionary {frame.dict_id}")
            self._zstd = self._zstd or zstandard.ZstdDecompressor()
            data = self._zstd.decompress(stored, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise FormatError("blob", f"not a zstd frame: {error}") from error
        if len(data) != raw:
            raise FormatError("blob", f"its zstd frame holds {len(data)} bytes, not {raw}")
        return data

    def decompress_each(self, frames: Sequence[Bytes], sizes: Sequence[int]) -> list[Bytes]:
        """Return the contents of frames that were just made, to be compared with their source."""
        self._zstd = self._zstd or zstandard.ZstdDecompressor()
        try:
            return decompress_each(self._zstd, frames, sizes)
        except zstandard.ZstdError as error:
            raise IntegrityError("encoder", f"what was compressed does not decode: {error}") from error

    def decode_run(self, blobs: Iterable[tuple[int, Bytes, int]]) -> list[Bytes]:
        """Decode many blobs, each given as codec, stored bytes and decoded length.

        They are valid until the next call; what is stored as it is is given back itself. Raises: as `decode`.
        """
        found: list[Bytes] = []
        planar: list[PlanarBlob] = []
        places: list[int] = []
        for codec, stored, raw in blobs:
            if codec == SPLIT:
                planar.append(self._planes(memoryview(stored), raw))
                places.append(len(found))
                found.append(b"")
            else:
                found.append(_raw(stored, raw) if codec == UNCOMPRESSED else self.decode(codec, stored, raw))
        if planar:
            for at, data in zip(places, self._joined(planar), strict=True):
                found[at] = data
        return found

    def _joined(self, blobs: Sequence[PlanarBlob]) -> list[memoryview]:
        from holdall.format.planes import ScratchBuffers, join_all

        self._scratch = self._scratch or ScratchBuffers()
        return join_all(blobs, self._scratch)

    def _planes(self, stored: memoryview, raw: int) -> PlanarBlob:
        """Return a blob's planes, decompressed, between the bytes that make no whole number."""
        table = _TABLES.get(stored[0]) if stored else None
        if table is None or len(stored) < table.size:
            raise FormatError("blob", "its header of planes is invalid")
        item_size, phase, tail, bitmap, *lengths = table.unpack_from(stored)
        if phase >= item_size or tail >= item_size or bitmap >> item_size:
            raise FormatError("blob", "its header of planes is invalid")
        count, rest = divmod(raw - phase - tail, item_size)
        at = table.size + phase + tail
        if count < 0 or rest or len(stored) < at:
            raise FormatError("blob", f"planes of {item_size} bytes cannot make {raw} bytes")
        if at + sum(lengths) != len(stored):
            raise FormatError("blob", "its planes do not add up to what is stored")
        middle = at - tail
        head, last = stored[table.size : middle], stored[middle:at]
        planes: list[Bytes] = []
        for p, length in enumerate(lengths):
            plane: Bytes = stored[at : at + length]
            at += length
            if bitmap >> p & 1:
                plane = self.decompress(plane, count)
            if len(plane) != count:
                raise FormatError("blob", f"plane {p} has {len(plane)} bytes, not {count}")
            planes.append(plane)
        return item_size, head, planes, last


def _raw(stored: Bytes, raw: int) -> Bytes:
    if len(stored) != raw:
        raise FormatError("blob", f"{len(stored)} bytes are stored uncompressed, not {raw}")
    return stored
