"""What searching remembers is of one user, of the very objects that are there, and believed from nobody else."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.support.stores import tiny_store

from holdall.storage.memory import MemoryBucket
from holdall.store import Store


def cached(bucket: MemoryBucket, folder: Path, seed: int = 1) -> Store:
    store = tiny_store(bucket, create=False, seed=seed)
    store._location.cache = folder
    return store


def test_it_is_the_users_alone(tmp_path: Path) -> None:
    """Neither the folder nor the file can be read or written by others."""
    bucket = MemoryBucket()
    tiny_store(bucket).runs.start().finish()
    cached(bucket, tmp_path / "cache").runs.search()
    (file,) = (tmp_path / "cache").iterdir()
    assert (file.stat().st_mode & 0o777, file.parent.stat().st_mode & 0o777) == (0o600, 0o700)


@pytest.mark.parametrize("wrong", ["folder", "file", "link"])
def test_what_others_may_write_is_not_believed(wrong: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A search goes on without it, and says so once."""
    bucket, folder = MemoryBucket(), tmp_path / "cache"
    tiny_store(bucket).runs.start().finish()
    cached(bucket, folder).runs.search()
    (file,) = folder.iterdir()
    if wrong == "link":
        file.rename(tmp_path / "elsewhere")
        file.symlink_to(tmp_path / "elsewhere")
    else:
        (folder if wrong == "folder" else file).chmod(0o777)
    with caplog.at_level(logging.WARNING, "holdall"):
        assert len(cached(bucket, folder).runs.search()) == 1
    assert "searching without the cache" in caplog.text


def test_a_restored_store_is_looked_at_anew(tmp_path: Path) -> None:
    """After a kill or a restore another entry has the number that is remembered: it differs in size or time."""
    bucket, folder = MemoryBucket(), tmp_path / "cache"
    run = tiny_store(bucket).runs.start()
    run.finish()
    before = dict(bucket.objects)
    store = tiny_store(bucket, create=False, seed=3)
    store.runs.get(run.id).set_tags({"which": "lost, and longer"})
    store.runs.get(run.id).finish()
    cached(bucket, folder).runs.search()
    numbers = len(bucket.objects)
    bucket.objects.clear()
    bucket.objects |= before
    again = tiny_store(bucket, create=False, seed=4)
    again.runs.get(run.id).set_tags({"which": "restored"})
    again.runs.get(run.id).finish()
    assert len(bucket.objects) == numbers, "the same numbers, other entries"
    (found,) = cached(bucket, folder).runs.search()
    assert found.data.tags["which"] == "restored"


def test_no_flipped_bit_makes_another_answer(tmp_path: Path) -> None:
    """Whatever byte of the cache is wrong, a search answers as without it."""
    bucket, folder = MemoryBucket(), tmp_path / "cache"
    run = tiny_store(bucket).runs.start(tags={"which": "x" * 200})
    run.finish()
    right = [(found.info, found.data) for found in cached(bucket, folder).runs.search()]
    (file,) = folder.iterdir()
    good = file.read_bytes()
    begin = good.index(b"x" * 200)
    for at in [*range(begin, begin + 200, 9), *range(0, len(good), len(good) // 60)]:
        bad = bytearray(good)
        bad[at] ^= 4
        file.write_bytes(bad)
        assert [(found.info, found.data) for found in cached(bucket, folder, seed=at).runs.search()] == right
