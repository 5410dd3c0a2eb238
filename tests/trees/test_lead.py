"""What lies before a tree's root comes with it, for who reads content, and is believed no more than anything else."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.stores import tiny_location, tiny_store

from holdall.errors import IntegrityError
from holdall.format.layout import PACKS
from holdall.format.records import Descriptor
from holdall.runs.run import Run
from holdall.storage.local import LocalBucket
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import Store
from holdall.trees.source import bytes_item

FILES = {f"{n:03}.txt": random.Random(n).randbytes(5_000) for n in range(30)}


def logged(bucket: MemoryBucket | LocalBucket) -> Run:
    """A finished run of small files that are in one pack with their tree."""
    location = tiny_location(bucket, create=False)
    location.create(Descriptor("0" * 32, 0))
    run = Store(location).runs.start()
    run._log_items([bytes_item(path, data) for path, data in FILES.items()])
    run.finish()
    return run


def packs_read(bucket: MemoryBucket | LocalBucket, run: Run) -> tuple[Run, list[int]]:
    """The run as another process reads it, and the bytes of each range of a pack that it reads."""
    found: list[int] = []

    def see(request: Request) -> None:
        if request.key.startswith(PACKS):
            found.append(request.bytes)

    return tiny_store(TraceBucket(bucket, see), create=False).runs.get(run.id), found


def test_small_files_are_one_request_with_their_tree(tmp_path: Path) -> None:
    """A download of files that lie before their tree reads the pack once; a listing reads the tree alone."""
    bucket = MemoryBucket()
    run = logged(bucket)
    there, read = packs_read(bucket, run)
    there.download(None, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == FILES
    assert len(read) == 1
    there, listing = packs_read(bucket, run)
    assert len(list(there.entries())) == len(FILES)
    assert len(listing) == 1
    assert listing[0] < read[0]


def test_a_local_disk_is_asked_for_no_more(tmp_path: Path) -> None:
    """Where no request is waited for, the root comes alone."""
    bucket = LocalBucket(tmp_path / "store")
    there, read = packs_read(bucket, logged(bucket))
    assert there.read("003.txt") == FILES["003.txt"]
    assert len(read) == 2


class Liar(MemoryBucket):
    """Flips a bit at the beginning of every long answer out of a pack, or of every one."""

    always = False

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        data = bytearray(super().get_range(key, start, stop))
        if key.startswith(PACKS) and (self.always or len(data) > 10_000):
            data[0] ^= 1
        return bytes(data)


def test_what_came_along_wrong_is_fetched_anew() -> None:
    """A blob that came with the root and is not what was written is asked for alone; wrong again, it is told."""
    bucket = MemoryBucket()
    run = logged(bucket)
    liar = Liar("liar", bucket.objects)
    first = min(FILES)
    assert tiny_store(liar, create=False).runs.get(run.id).read(first) == FILES[first]
    liar.always = True
    with pytest.raises(IntegrityError):
        tiny_store(liar, create=False).runs.get(run.id).read(first)
