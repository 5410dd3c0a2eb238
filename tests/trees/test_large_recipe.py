"""One slice of a file with a million chunks: little memory, few requests, and nothing that is not verified."""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from tests.support.stores import tiny_store

from holdall.chunks import streamed
from holdall.chunks.pool import Pool
from holdall.chunks.reader import ChunkReader
from holdall.errors import IntegrityError
from holdall.format.codec import UNCOMPRESSED, ZSTD, encode
from holdall.format.digest import blob_id
from holdall.format.layout import PackName, run_log
from holdall.format.recipe import MAGIC
from holdall.format.reference import Ref
from holdall.format.tree import Entry, Kind
from holdall.storage.memory import MemoryBucket
from holdall.trees import checkout
from holdall.trees.artifact_file import ArtifactFile
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal

MILLION, SIZE, PER_PACK = 1_000_000, 65_536, 500
CHUNK = random.Random(0).randbytes(SIZE)
CONTENT, HOME = b"\1" * 16, PackName(b"\2" * 16, 0)  # the session of the content's packs; the recipe's pack


class Content(MemoryBucket):
    """Whatever is asked for of a pack of the content, it is that chunk's bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        self.asked.append(key)
        if key == HOME.key:
            return super().get_range(key, start, stop)
        assert stop is not None
        return CHUNK * ((stop - start) // SIZE)


def million(real: list[int]) -> bytes:
    """The recipe of a file of a million chunks, of which some are those that the bucket has."""
    rows = bytearray(41 * MILLION)
    ids = random.Random(1).randbytes(32 * MILLION)
    for k in range(32):
        rows[k::41] = ids[k::32]
    for k, byte in enumerate(struct.pack("<IIB", SIZE, SIZE, 0), 32):
        rows[k::41] = bytes([byte]) * MILLION
    for i in real:
        rows[41 * i : 41 * i + 32] = blob_id(CHUNK)
    packs = MILLION // PER_PACK
    head = struct.pack("<4sBBHQ32sIII", MAGIC, 1, 1, 0, SIZE * MILLION, bytes(32), packs, packs, MILLION)
    locations = b"".join(struct.pack("<16sQ", CONTENT, n) for n in range(packs))
    return head + locations + b"".join(struct.pack("<III", n, 8, PER_PACK) for n in range(packs)) + rows


def stored(bucket: MemoryBucket, data: bytes, make: Callable[[bytes], tuple[int, bytes]] = encode) -> Ref:
    """Where a pack has some bytes, alone, as encoded by a function."""
    codec, body = make(data)
    bucket.put(HOME.key, b"HOLDPAK1" + body)
    return Ref(blob_id(data), HOME, 8, len(body), len(data), codec)


def test_a_kilobyte_of_a_file_of_64_gb_takes_less_than_64_mb() -> None:
    """Its recipe comes in parts and stays as it is stored; reading on and seeking do not read it again."""
    middle, last = MILLION // 2 + 7, MILLION - 1
    bucket = Content()
    ref = stored(bucket, million([middle, middle + 1, last]))
    blobs = RunBlobReader(bucket, Pool(), Journal(bucket, Pool(), run_log("0" * 32)))
    entry = Entry("model.bin", Kind.FILE, SIZE * MILLION, bytes(32), content=ref, whole=False)
    tracemalloc.start()
    try:
        file = ArtifactFile(blobs, entry)
        file.seek(middle * SIZE + 500)
        assert file.read(1000) == CHUNK[500:1500]
        assert tracemalloc.get_traced_memory()[1] < 64_000_000  # with what other threads take meanwhile
    finally:
        tracemalloc.stop()
    assert bucket.asked.count(HOME.key) == -(-ref.stored // streamed.LARGE) <= 10
    assert len(bucket.asked) == bucket.asked.count(HOME.key) + 1
    file.seek(-1000, 2)
    assert file.read(1000) == CHUNK[-1000:]
    file.seek(middle * SIZE + 1500)
    assert file.read(SIZE) == CHUNK[1500:] + CHUNK[:1500]
    assert bucket.asked.count(HOME.key) <= 10
    file.seek(0)
    with pytest.raises(IntegrityError):
        file.read(1)  # that chunk the bucket has not


DATA = b"".join(struct.pack("<32sI", random.Random(n).randbytes(32), n) for n in range(2000))


def twice(data: bytes) -> tuple[int, bytes]:
    return ZSTD, encode(data)[1] + zstandard.compress(b"more")


def too_much(data: bytes) -> tuple[int, bytes]:
    return ZSTD, zstandard.ZstdCompressor(write_content_size=True).compress(data + b"more")


def unsized(data: bytes) -> tuple[int, bytes]:
    return ZSTD, zstandard.ZstdCompressor(write_content_size=False).compress(data)


def raw(data: bytes) -> tuple[int, bytes]:
    return UNCOMPRESSED, data


def cut(data: bytes) -> tuple[int, bytes]:
    return ZSTD, encode(data)[1][:-9]


@pytest.mark.parametrize("make", [twice, too_much, unsized, cut])
def test_a_blob_that_no_writer_makes_is_none(make: Callable[[bytes], tuple[int, bytes]]) -> None:
    """A frame that decodes to more, or with something behind it, or cut off, is refused by either way of reading."""
    bucket = MemoryBucket()
    ref = stored(bucket, DATA, make)
    assert streamed.read_streamed(bucket, Pool(), ref) is None
    with pytest.raises(IntegrityError):
        ChunkReader(bucket, Pool()).read([ref])


@pytest.mark.parametrize("make", [encode, raw])
def test_parts_make_the_whole(make: Callable[[bytes], tuple[int, bytes]], monkeypatch: pytest.MonkeyPatch) -> None:
    """However small its parts, a blob decodes to what was encoded; with one bit flipped it is no answer."""
    monkeypatch.setattr(streamed, "LARGE", 1000)
    bucket = MemoryBucket()
    ref = stored(bucket, DATA, make)
    assert bytes(streamed.read_streamed(bucket, Pool(), ref) or b"") == DATA
    whole = bytearray(bucket.objects[HOME.key])
    whole[len(whole) // 2] ^= 4
    bucket.objects[HOME.key] = bytes(whole)
    assert streamed.read_streamed(bucket, Pool(), ref) is None
    del bucket.objects[HOME.key]
    assert streamed.read_streamed(bucket, Pool(), ref) is None


def test_a_frame_that_looks_far_back_is_decoded_whole() -> None:
    """The law allows windows of 4 GiB, which a decoder in parts would allocate; such a blob is read as others are."""
    params = zstandard.ZstdCompressionParameters(window_log=25, write_content_size=True)
    data = random.Random(2).randbytes(40_000) * 900
    bucket = MemoryBucket()
    ref = stored(bucket, data, lambda all: (ZSTD, zstandard.ZstdCompressor(compression_params=params).compress(all)))
    assert streamed.read_streamed(bucket, Pool(), ref) is None
    assert ChunkReader(bucket, Pool()).read_large(ref) == data


def test_a_download_plans_some_chunks_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of more chunks than are planned together is written whole."""
    monkeypatch.setattr(checkout, "_PLANNED", 7)
    data = random.Random(3).randbytes(60_000)
    run = tiny_store(MemoryBucket()).runs.start()
    run.log_bytes(data, "model.bin")
    assert run.download("model.bin", tmp_path).read_bytes() == data
