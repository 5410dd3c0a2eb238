"""Bytes in, packs out, and the same bytes back."""

from __future__ import annotations

import _thread
import io
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.stores import TINY, entropy

from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.hints import smallest_ids
from holdall.chunks.pack_names import PackNames
from holdall.chunks.pending import WrittenStream
from holdall.chunks.pool import Pool
from holdall.chunks.reader import ChunkReader
from holdall.chunks.writer import ChunkWriter
from holdall.errors import AccessDeniedError, IntegrityError, ObjectExistsError
from holdall.format.digest import sha256
from holdall.format.layout import GARBAGE, HINTS, PACKS, PackName, generation_key, parse_key
from holdall.format.pack import parse_pack
from holdall.format.records import encode_generation
from holdall.format.reference import CHUNK, RECIPE
from holdall.storage.bucket import Bytes, ObjectInfo
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket

POOL = Pool(workers=4)


def writer_of(bucket: MemoryBucket, session: int = 1) -> ChunkWriter:
    """A writer with 1 KiB chunks and 8 KiB packs, in a session of its own."""
    known = ChunkIndex(bucket, POOL)
    return ChunkWriter(bucket, POOL, known, PackNames(bytes([session]) * 16), TINY.chunker, TINY.pack_size)


def write(writer: ChunkWriter, data: bytes) -> WrittenStream:
    """Write a stream, wait for the bucket."""
    written = writer.write(io.BytesIO(data))
    writer.flush()
    return written


def read(bucket: MemoryBucket, written: WrittenStream) -> bytes:
    """The bytes of a stream from its chunks."""
    return b"".join(ChunkReader(bucket, POOL).read([slot.ref for slot in written.chunks]))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 60_000), st.integers(0, 5), st.booleans())
def test_what_was_written_is_read_back(size: int, seed: int, dull: bool) -> None:
    """Any stream comes back byte for byte, whether it compresses or not."""
    data = (b"dull " * size)[:size] if dull else entropy(seed)(size)
    bucket = MemoryBucket()
    written = write(writer_of(bucket), data)
    assert (written.size, written.sha256) == (size, sha256(data))
    assert read(bucket, written) == data


def test_packs_keep_to_their_size_and_are_whole() -> None:
    """A pack is closed before it would pass its size, and each is intact."""
    bucket = MemoryBucket()
    write(writer_of(bucket), entropy(1)(200_000))
    packs = {key: data for key, data in bucket.objects.items() if key.startswith(PACKS)}
    bodies = [parse_pack(data, key).body for key, data in packs.items()]
    assert len(packs) > 20
    assert max(bodies) <= TINY.pack_size


def test_a_repeated_chunk_is_stored_once() -> None:
    """Within one stream and across streams of a session, equal chunks take space once."""
    bucket, block = MemoryBucket(), entropy(2)(40_000)
    writer = writer_of(bucket)
    write(writer, block + block)
    stored = sum(map(len, bucket.objects.values()))
    write(writer, block)
    assert stored < 60_000
    assert writer.stats.new < 50_000


def test_another_session_finds_what_is_there() -> None:
    """A second writer with no memory of the first uploads nothing of the same stream, and asks little."""
    bucket, data = MemoryBucket(), entropy(3)(200_000)
    write(writer_of(bucket, 1), data)
    before, count = dict(bucket.objects), RequestCounter()
    traced = TraceBucket(bucket, count)
    writer = writer_of(traced, 2)  # type: ignore[arg-type]  # a bucket in a bucket
    written = write(writer, data)
    assert bucket.objects == before
    assert writer.stats.new == 0
    assert read(bucket, written) == data
    packs = sum(key.startswith(PACKS) for key in before)
    assert count.requests["get_range"] <= 2 * packs + 2  # a footer, and a chunk to try it


def test_a_recipe_in_the_next_pack_is_found_again() -> None:
    """Where a file's chunks filled their pack, its recipe stands in the one behind, and is not stored twice."""
    bucket, data, recipe = MemoryBucket(), entropy(11)(8_000), entropy(12)(5_000)
    first = writer_of(bucket, 1)
    write(first, data)
    there = first.put_blob(recipe, RECIPE)
    first.flush()
    second = writer_of(bucket, 2)
    write(second, data)
    assert second.put_blob(recipe, RECIPE) == there


def test_hints_are_the_smallest_chunks_of_each_pack() -> None:
    """Every pack has at least one hint, and it is for the smallest of its chunk ids."""
    bucket = MemoryBucket()
    write(writer_of(bucket), entropy(4)(50_000))
    hinted = {key.removeprefix(HINTS) for key in bucket.objects if key.startswith(HINTS)}
    for key, data in bucket.objects.items():
        if key.startswith(PACKS):
            chunks = [row.id for row in parse_pack(data, key).rows if row.kind == CHUNK]
            assert min(chunks).hex() in hinted
    assert len(smallest_ids([bytes([n]) * 32 for n in range(200)], 32 << 20)) == 4


def test_lost_hints_cost_space_and_nothing_else() -> None:
    """With its hints deleted or damaged, a store still takes and gives back the same stream."""
    bucket, data = MemoryBucket(), entropy(5)(30_000)
    write(writer_of(bucket, 1), data)
    for key in [key for key in bucket.objects if key.startswith(HINTS)]:
        bucket.objects[key] = b"nonsense"
    written = write(writer_of(bucket, 2), data)
    assert read(bucket, written) == data


def test_a_hint_to_a_missing_pack_is_not_believed() -> None:
    """A hint whose pack is gone leads to an upload, not to a dangling reference."""
    bucket, data = MemoryBucket(), entropy(6)(30_000)
    write(writer_of(bucket, 1), data)
    for key in [key for key in bucket.objects if key.startswith(PACKS)]:
        del bucket.objects[key]
    written = write(writer_of(bucket, 2), data)
    assert read(bucket, written) == data


def test_a_condemned_pack_is_not_referred_to() -> None:
    """What an unfinished garbage generation condemned is stored again (W2, W3)."""
    bucket, data = MemoryBucket(), entropy(7)(30_000)
    write(writer_of(bucket, 1), data)
    packs = [key.pack for name in list(bucket.objects) if (key := parse_key(name)) and key.pack]
    bucket.put(generation_key(0, "condemn"), encode_generation(0, "condemn", packs))
    written = write(writer_of(bucket, 2), data)
    assert {slot.ref.location.session for slot in written.chunks} == {bytes([2]) * 16}  # type: ignore[union-attr]


def test_a_pack_name_that_is_taken_by_others_bytes_is_an_error() -> None:
    """If a pack's name holds something else, writing fails instead of referring to it."""
    bucket = MemoryBucket()
    bucket.put(next(PackNames(bytes([1]) * 16)).key, b"something else" * 10)
    with pytest.raises(ObjectExistsError):
        write(writer_of(bucket, 1), entropy(8)(3000))


def test_an_upload_whose_answer_was_lost_counts_as_done() -> None:
    """A pack that is there already, with our own bytes, is ours."""
    bucket, data = MemoryBucket(), entropy(9)(3000)
    write(writer_of(bucket, 1), data)
    for key in [key for key in bucket.objects if key.startswith(HINTS)]:
        del bucket.objects[key]
    written = write(writer_of(bucket, 1), data)
    assert read(bucket, written) == data


class OnceWrong:
    """A bucket that gives wrong bytes the first time that it is asked for a range."""

    def __init__(self, inner: MemoryBucket, *, times: int) -> None:
        self.inner, self.url, self.times = inner, inner.url, times
        self.asked: Counter[str] = Counter()

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        data = self.inner.get_range(key, start, stop)
        self.asked[key] += 1
        return data if self.asked[key] > self.times else bytes(len(data))


@pytest.mark.parametrize("times", [1, 2])
def test_a_range_that_comes_back_wrong_is_fetched_once_more(times: int) -> None:
    """What is wrong once is read again; what is wrong twice is an error that names pack and offset."""
    bucket, data = MemoryBucket(), entropy(10)(1000)
    written = write(writer_of(bucket), data)
    reader = ChunkReader(OnceWrong(bucket, times=times), POOL)  # type: ignore[arg-type]
    refs = [slot.ref for slot in written.chunks]
    if times == 1:
        assert b"".join(reader.read(refs[:1])) == data[: refs[0].raw]
    else:
        with pytest.raises(IntegrityError, match=f"pack {refs[0].location}, offset {refs[0].offset}"):
            reader.read(refs[:1])


def test_a_condemned_pack_of_ones_own_is_not_referred_to_either() -> None:
    """What this very writer packed is packed again when a fence condemned it meanwhile (W4)."""
    bucket, recipe = MemoryBucket(), entropy(13)(3000)
    known = ChunkIndex(bucket, POOL)
    writer = ChunkWriter(bucket, POOL, known, PackNames(bytes([1]) * 16), TINY.chunker, TINY.pack_size)
    first = writer.put_blob(recipe, RECIPE)
    writer.flush()
    assert isinstance(first.location, PackName)
    bucket.put(generation_key(0, "condemn"), encode_generation(0, "condemn", [first.location]))
    known.note_fence(0)
    again = writer.put_blob(recipe, RECIPE)
    writer.flush()
    assert again.location != first.location
    assert ChunkReader(bucket, POOL).read([again]) == [recipe]


def test_an_interrupted_read_leaves_nothing_running() -> None:
    """After Ctrl-C no thread hands on another byte: what it would write to may be gone."""
    bucket, done = MemoryBucket(), []
    written = write(writer_of(bucket), entropy(14)(100_000))
    interrupted = threading.Event()

    def deliver(data: Bytes) -> None:
        if not interrupted.is_set():
            interrupted.set()
            _thread.interrupt_main()
        time.sleep(0.05)
        done.append(bytes(data))

    with pytest.raises(KeyboardInterrupt):
        ChunkReader(bucket, POOL).deliver((slot.ref, deliver) for slot in written.chunks)
        time.sleep(5)  # the interrupt comes at the latest here
    count = len(done)
    time.sleep(0.3)
    assert len(done) == count


class Refusing:
    """A bucket whose credentials have expired: it takes no pack."""

    def __init__(self, inner: MemoryBucket) -> None:
        self.inner, self.url, self.asked = inner, inner.url, 0

    def __getattr__(self, name: str) -> object:
        return getattr(self.inner, name)

    def put(self, key: str, data: Bytes) -> None:
        self.asked += 1
        raise AccessDeniedError(self.url, key, "expired")


def test_a_bucket_that_refuses_is_not_asked_for_ever() -> None:
    """The first refused pack ends the upload; the rest of a large file is neither read nor sent."""
    bucket = Refusing(MemoryBucket())
    source = io.BytesIO(entropy(15)(40_000_000))
    with pytest.raises(AccessDeniedError):
        write_stream(writer_of(bucket), source)  # type: ignore[arg-type]
    assert bucket.asked < 2000
    assert source.tell() < 40_000_000


def test_what_was_refused_is_never_called_flushed() -> None:
    """Whoever tries again after a failure meets it again, since nothing may refer to a pack that is not there."""
    writer = writer_of(Refusing(MemoryBucket()))  # type: ignore[arg-type]
    writer.write(io.BytesIO(entropy(15)(6_000)))
    for _ in range(3):
        with pytest.raises(AccessDeniedError):
            writer.flush()


def test_a_bucket_that_did_not_answer_is_asked_again() -> None:
    """Where the garbage state could not be listed the writer is as it was: tried again, it stores every chunk once."""

    class Silent(MemoryBucket):
        silent = True

        def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
            if self.silent and prefix == GARBAGE:
                raise AccessDeniedError(self.url, prefix, "not now")
            return super().list(prefix, limit=limit)

    bucket, data = Silent(), entropy(16)(50_000)
    writer = writer_of(bucket)
    with pytest.raises(AccessDeniedError):
        writer.write(io.BytesIO(data))
        writer.flush()
    bucket.silent = False
    again = writer.write(io.BytesIO(data))
    writer.flush()
    assert read(bucket, again) == data
    assert writer.stats.new == len(data)


def write_stream(writer: ChunkWriter, stream: io.BytesIO) -> None:
    """Write a stream, wait for the bucket."""
    writer.write(stream)
    writer.flush()
