"""What searching remembers is of one user, of the very objects that are there, and believed from nobody else."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.runlogs import put_runs
from tests.support.stores import tiny_store

from holdall.errors import AccessDeniedError
from holdall.format.layout import log_key, run_log
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store


def cached(bucket: Bucket, folder: Path, seed: int = 1) -> Store:
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


def test_one_refusal_makes_no_search_begin_from_nothing(tmp_path: Path) -> None:
    """Where one of many entries is not given, the error names its run, and what was read is not asked for again."""
    bucket = FaultyBucket(MemoryBucket())
    tiny_store(bucket).runs.start().finish()
    ids = sorted(put_runs(bucket, 900))
    refused = ids[850]
    fault = Fault("get", "fail", key=f"runs/{refused}/", times=None, error=lambda url, key: AccessDeniedError(url, key))
    bucket.plan(fault)
    with pytest.raises(AccessDeniedError, match=refused):
        cached(bucket, tmp_path).runs.search()
    bucket._faults.clear()
    count = RequestCounter()
    assert len(cached(TraceBucket(bucket, count), tmp_path).runs.search()) == 901
    assert count.requests["get"] <= 901 - 850 + 2


def test_of_a_run_that_goes_on_only_new_entries_are_read(tmp_path: Path) -> None:
    """What it amounted to is remembered with its digest, which the next entry proves."""
    bucket, count = MemoryBucket(), RequestCounter()
    run = tiny_store(bucket).runs.start()
    for step in range(40):
        run.log_metrics({"loss": 1 / (step + 1)}, step=step)
        run.flush()
    cached(bucket, tmp_path).runs.search()
    run.log_metrics({"loss": 0.001, "late": 1}, step=99)
    run.set_tags({"which": "later"})
    run.flush()
    (found,) = cached(TraceBucket(bucket, count), tmp_path).runs.search()
    assert found == run.record
    assert count.requests["get"] <= 3, "the descriptor, and the entries that are new"


def test_a_log_that_continues_something_else_is_read_anew(tmp_path: Path) -> None:
    """Where another entry has the remembered number, as after a restore, what was remembered is not believed."""
    bucket = MemoryBucket()
    run = tiny_store(bucket).runs.start(tags={"which": "lost"})
    before = dict(bucket.objects)
    run.set_tags({"other": "lost too"})
    run.flush()
    cached(bucket, tmp_path).runs.search()
    bucket.objects.clear()
    bucket.objects |= before
    again = tiny_store(bucket, create=False, seed=4).runs.get(run.id)
    for n in range(3):
        again.set_tags({"other": f"restored {n}"})
        again.flush()
    (found,) = cached(bucket, tmp_path).runs.search()
    assert found.data.tags["other"] == "restored 2"


def test_what_lies_behind_a_remembered_state_is_still_checked(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A damaged entry behind it is told as without a cache, and what can be read is found."""
    bucket = MemoryBucket()
    run = tiny_store(bucket).runs.start()
    cached(bucket, tmp_path).runs.search()
    for n in range(3):
        run.set_tags({"other": str(n)})
        run.flush()
    key = log_key(run_log(run.id), 2)
    bucket.objects[key] = b"x" + bucket.objects[key][1:]
    (found,) = cached(bucket, tmp_path).runs.search()
    assert found.data.tags["other"] == "2"
    assert f"run {run.id} is told by what can be read of it" in caplog.text
