"""Files that come in pieces, and what a download of many of them asks for and leaves behind."""

from __future__ import annotations

import io
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.faulty import Fault, FaultyBucket
from tests.support.stores import entropy, tiny_location

from holdall.chunks.pool import Pool
from holdall.errors import DestinationError, HoldallError, IntegrityError
from holdall.format.digest import sha256
from holdall.format.layout import PACKS
from holdall.format.tree import Entry, Kind
from holdall.storage.bucket import Bucket
from holdall.storage.local import LocalBucket
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, RequestCounter, TraceBucket
from holdall.store import Store
from holdall.trees import partial_file
from holdall.trees.destination import Destination, Place
from holdall.trees.partial_file import IncrementalHasher, PartialFile

MIB = 1 << 20


@given(st.binary(min_size=1, max_size=2000), st.lists(st.integers(1, 1999)), st.randoms(use_true_random=False))
def test_pieces_in_any_order_make_the_digest_of_the_whole(data: bytes, cuts: list[int], random: object) -> None:
    """And exactly one of them is told that it was the last."""
    ends = sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    pieces = list(pairwise(ends))
    random.shuffle(pieces)  # type: ignore[attr-defined]
    follower = IncrementalHasher(len(data), lambda start, stop: data[start:stop])
    assert sum(follower.add(start, stop) for start, stop in pieces) == 1
    assert follower.digest() == sha256(data)


def test_hashing_does_not_wait_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is whole from the beginning on is hashed before the rest is there, and never more than that."""
    monkeypatch.setattr(partial_file, "_BLOCK", 10)
    monkeypatch.setattr(partial_file, "_BEHIND", 10)
    read: list[tuple[int, int]] = []
    follower = IncrementalHasher(100, lambda start, stop: read.append((start, stop)) or bytes(stop - start))  # type: ignore[func-returns-value]
    follower.add(10, 50)
    assert read == []
    follower.add(0, 10)
    assert read == [(at, at + 10) for at in range(0, 50, 10)]


def test_who_comes_while_another_hashes_goes_on_at_once() -> None:
    """No thread waits for another's hashing; whoever has the turn takes what came meanwhile along."""
    began, may_end = threading.Event(), threading.Event()
    data = entropy(1)(4 * MIB)

    def slow(start: int, stop: int) -> bytes:
        began.set()
        assert may_end.wait(60)
        return data[start:stop]

    follower = IncrementalHasher(len(data), slow)
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(follower.add, 0, 2 * MIB)
        assert began.wait(60)
        assert not follower.add(2 * MIB, 4 * MIB)
        may_end.set()
        assert first.result()
    assert follower.digest() == sha256(data)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 3 * MIB), st.integers(0, 5))
def test_threads_that_write_at_once_make_the_file(
    tmp_path_factory: pytest.TempPathFactory, size: int, seed: int
) -> None:
    """In pieces of 64 KiB by eight threads: the file has its name, its content and nothing beside it."""
    data, target = entropy(seed)(size), tmp_path_factory.mktemp("to") / "file"
    file = PartialFile(Entry("file", Kind.FILE, size, sha256(data)), Place(Destination(target.parent), "file"))
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda at: file.write(at, memoryview(data)[at : at + 65536]), range(0, size, 65536)))
    assert file.closed
    assert target.read_bytes() == data
    assert [*target.parent.iterdir()] == [target]


def test_a_file_with_another_digest_never_gets_its_name(tmp_path: Path) -> None:
    """What stood there stays, and nothing is left beside it."""
    (tmp_path / "file").write_bytes(b"before")
    file = PartialFile(Entry("file", Kind.FILE, 5, sha256(b"right")), Place(Destination(tmp_path), "file"))
    with pytest.raises(IntegrityError, match="another SHA-256"):
        file.write(0, b"wrong")
    file.discard()
    assert (tmp_path / "file").read_bytes() == b"before"
    assert [*tmp_path.iterdir()] == [tmp_path / "file"]


def test_a_file_that_somebody_cuts_off_while_it_is_written_is_named(tmp_path: Path) -> None:
    """Reading it back meets its end too early: it never gets its name."""
    data = entropy(3)(2 * MIB)
    file = PartialFile(Entry("file", Kind.FILE, len(data), sha256(data)), Place(Destination(tmp_path), "file"))
    file.write(MIB, data[MIB:])
    (beside,) = tmp_path.iterdir()
    os.truncate(beside, 0)
    original = os.pwrite

    def cut(descriptor: int, some: bytes, at: int) -> int:
        done = original(descriptor, some, at)
        os.ftruncate(descriptor, MIB // 2)
        return done

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(os, "pwrite", cut)
        with pytest.raises(DestinationError, match="cut off while it was written"):
            file.write(0, data[:MIB])
    file.discard()
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_written_into_a_closed_destination(tmp_path: Path) -> None:
    """A request that comes too late does not write into a folder whose descriptor may be another's by now."""
    with Destination(tmp_path) as destination:
        place = Place(destination, "file")
    with pytest.raises(ValueError, match="write to closed destination"):
        partial_file.write_whole(Entry("file", Kind.FILE, 1, sha256(b"a")), place, b"a")
    assert list(tmp_path.iterdir()) == []


def test_a_large_file_takes_a_request_per_16_mib() -> None:
    """And 5 more, with those of the log, the tree and the recipe."""
    count, store, run_id = _stored(MemoryBucket(), {"f": entropy(2)(70 * MIB)})
    found = store.artifacts.read(f"runs:/{run_id}/f")
    assert len(found) == 70 * MIB
    assert count.total <= 70 // 16 + 1 + 5
    assert count.bytes["get_range"] <= 71 * MIB


def test_the_same_on_disk(tmp_path: Path) -> None:
    """A download asks for no more than reading does."""
    data = entropy(3)(40 * MIB)
    count, store, run_id = _stored(MemoryBucket(), {"f": data})
    assert store.artifacts.download(f"runs:/{run_id}/f", tmp_path).read_bytes() == data
    assert count.total <= 40 // 16 + 1 + 5


def test_a_local_disk_is_read_in_smaller_ranges(tmp_path: Path) -> None:
    """Of 4 MiB, by one thread more than there are processors: so little is in memory at once."""
    asked: list[Request] = []
    store = Store._over(TraceBucket(LocalBucket(tmp_path / "store"), asked.append), Pool())
    run = store.runs.start()
    run.log_stream(io.BytesIO(entropy(4)(40 * MIB)), "f")
    asked.clear()
    run.download("f", tmp_path / "to")
    ranges = [one.bytes for one in asked if one.verb == "get_range"]
    assert max(ranges) <= 4 * MIB
    assert len(ranges) <= 40 // 4 + 6


def test_several_large_files_share_their_requests(tmp_path: Path) -> None:
    """Twenty files of 2 MiB lie in two packs: they come as one stream, not one by one."""
    (tmp_path / "in").mkdir()
    for n in range(20):
        (tmp_path / "in" / f"{n:02}").write_bytes(entropy(n)(2 * MIB))
    count = RequestCounter()
    store = Store._over(TraceBucket(MemoryBucket(), count), Pool())
    run = store.runs.start()
    run.log_artifacts(tmp_path / "in")
    count.clear()
    run.download(None, tmp_path / "to")
    for path in (tmp_path / "in").iterdir():
        assert (tmp_path / "to" / path.name).read_bytes() == path.read_bytes()
    assert count.requests["get_range"] <= 6


def test_more_large_files_than_may_be_open(tmp_path: Path) -> None:
    """Three groups of them in one download, whose chunks are partly the same."""
    shared = entropy(5)(3000)
    data = {f"{n:03}": shared + entropy(n)(5000) + shared for n in range(300)}
    store = Store(tiny_location(MemoryBucket()))
    run = store.runs.start()
    for path, content in data.items():
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / path).write_bytes(content)
    run.log_artifacts(tmp_path / "in")
    run.download(None, tmp_path / "to")
    assert {path.name: path.read_bytes() for path in (tmp_path / "to").iterdir()} == data


@pytest.mark.parametrize("act", ["fail", "corrupt", "short"])
@pytest.mark.parametrize("at", [1, 3, 40])
@pytest.mark.every(3)
def test_a_failure_in_the_midst_leaves_whole_files_or_none(tmp_path: Path, act: str, at: int) -> None:
    """Whatever of a download fails: what has a name is right, and no `.partial` stays."""
    bucket = FaultyBucket(MemoryBucket())
    store = Store(tiny_location(bucket))
    data = {f"{n}": entropy(n)(60_000) for n in range(5)}
    run = store.runs.start()
    for path, content in data.items():
        run.log_stream(io.BytesIO(content), path)
    bucket.plan(Fault("get_range", act, PACKS, at=at, times=None))
    with pytest.raises(HoldallError):
        run.download(None, tmp_path)
    assert all(path.read_bytes() == data[path.name] for path in tmp_path.iterdir())


def _stored(bucket: Bucket, data: dict[str, bytes]) -> tuple[RequestCounter, Store, str]:
    """What is asked from now on of a store, with one finished run that holds this, and the run's id."""
    count = RequestCounter()
    store = Store._over(TraceBucket(bucket, count), Pool())
    run = store.runs.start()
    for path, content in data.items():
        run.log_stream(io.BytesIO(content), path)
    run.finish()
    count.clear()
    return count, store, run.id


def test_what_a_disk_takes_in_part_is_written_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A call may write less than it was given, also of several parts."""
    honest, counts = os.pwritev, []

    def short(descriptor: int, parts: list[bytes], at: int) -> int:
        counts.append(honest(descriptor, [parts[0][:3]], at))
        return counts[-1]

    monkeypatch.setattr(os, "pwritev", short)
    content = b"abcde" + b"fgh" + b"ij"
    file = PartialFile(Entry("file", Kind.FILE, len(content), sha256(content)), Place(Destination(tmp_path), "file"))
    file.write(0, b"abcde", b"fgh", b"ij")
    assert counts == [3]
    assert (tmp_path / "file").read_bytes() == content
