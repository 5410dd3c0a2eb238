"""A writer may die, or lose the bucket, at any moment: what is visible is whole, and what was uploaded is not lost."""

from __future__ import annotations

import errno
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.depth import DEEP, thinned
from tests.support.faulty import Crash, Fault, FaultyBucket
from tests.support.logs import AccessLog, Asked, entries_of, ops_of, packs_in
from tests.support.servers import Server, start_moto, stop
from tests.support.stores import Serial, tiny_location, tiny_store
from tests.support.worker import Place

from holdall.chunks.cutter import Readable
from holdall.errors import CommitStateUnknownError, SourceChangedError, SourceUnreadableError
from holdall.format.layout import DESCRIPTOR, PACKS, log_key, run_log
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RetryBucket
from holdall.store import Store
from holdall.trees import session
from holdall.trees.source import Item, Opener, bytes_item, local_items

MIB = 1 << 20
_random = random.Random(5)
COMMITS = [
    {"a.txt": b"alpha"},
    {f"d/{n:02}": _random.randbytes(5_500) for n in range(13)},
    {"notes/b.txt": b"beta" * 20},
    {"z.bin": _random.randbytes(66_000)},
]
WHOLE = {path: data for commit in COMMITS for path, data in commit.items()}
PACK = 8192 + 4096  # bytes of a pack of the tiny stores, at most, with its footer


def log_all(run: Run) -> None:
    """The run that dies: something small, packs, something small, packs, the end."""
    for commit in COMMITS:
        run._log_items([bytes_item(path, data) for path, data in commit.items()])
    run.finish()


class Doom:
    """Dies before or after request `at` took effect; from then on nothing gets through."""

    def __init__(self, at: int, moment: str) -> None:
        self.at, self.moment, self.dead = at, moment, False
        self.acknowledged: list[str] = []

    def __call__(self, number: int, moment: str, verb: str, key: str) -> None:
        if self.dead or (number, moment) == (self.at, self.moment):
            self.dead = True
            raise Crash
        if (verb, moment) == ("put", "after") and key.startswith(PACKS):
            self.acknowledged.append(key)


@contextmanager
def dying() -> Iterator[None]:
    """A process that dies here closes nothing at its exit."""
    try:
        yield
    except Crash:
        session._open_sessions.clear()


def open_serial(bucket: FaultyBucket | RetryBucket | MemoryBucket, seed: int) -> Store:
    """A tiny store that another process opens, all of whose requests come one after the other."""
    return tiny_store(bucket, seed=seed, create=False, pool=Serial())


def held(run: Run) -> dict[str, bytes]:
    return {path: run.read(path) for path in run.manifest}


def sizes(bucket: MemoryBucket, keys: list[str]) -> int:
    return sum(len(bucket.objects[key]) for key in keys)


def undisturbed() -> tuple[int, int]:
    """How many requests the run takes, and the bytes of its packs."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    faulty = FaultyBucket(bucket)
    log_all(open_serial(faulty, 1).runs.start())
    return len(faulty.requests), sizes(bucket, packs_in(bucket))


REQUESTS, PACKED = undisturbed()
STEP = 1 if DEEP else 10  # from another request on each time, so that a few runs of the tests die at all of them


# To die after a request leaves what dying before the next one leaves: each is repeated both ways.
@pytest.mark.parametrize(("moment", "again"), [("before", "the same run"), ("after", "a new run")])
@pytest.mark.long
def test_a_crash_at_any_request_leaves_old_or_new(moment: str, again: str) -> None:
    """Whichever request a writer dies at: whole commits are visible and intact, and repeating reuses its packs."""
    for at in range(random.randrange(STEP) + 1, REQUESTS + 1, STEP):
        bucket, doom = MemoryBucket(), Doom(at, moment)
        tiny_store(bucket)
        with dying():
            log_all(open_serial(FaultyBucket(bucket, on=doom), 1).runs.start())
        store = open_serial(bucket, 2)
        found = store.maintenance.check()
        assert (found.problems, found.foreign) == ([], []), at
        runs = {info.key.split("/")[1] for info in bucket.list("runs/")}
        states = [{p: d for c in COMMITS[:n] for p, d in c.items()} for n in range(len(COMMITS) + 1)]
        assert all(held(store.runs.get(id)) in states for id in runs), at
        before = packs_in(bucket)
        run = store.runs.resume(*runs) if runs and again == "the same run" else store.runs.start()
        log_all(run)
        assert held(run) == WHOLE
        assert store.maintenance.check().problems == []
        anew = sizes(bucket, [key for key in packs_in(bucket) if key not in before])
        assert anew <= PACKED - sizes(bucket, doom.acknowledged) + PACK, (at, len(doom.acknowledged))


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_crash_while_a_store_is_made_leaves_none_or_one(moment: str) -> None:
    """Whichever request `create` dies at, there is a store or one can be made; at most a probe's objects are left."""
    for at in itertools.count(1):
        bucket = MemoryBucket()
        faulty = FaultyBucket(bucket, on=Doom(at, moment))
        with dying():
            tiny_location(faulty, pool=Serial())
        store = tiny_store(bucket, seed=2, create=DESCRIPTOR not in bucket.objects)
        run = store.runs.start()
        run.log_bytes(b"alpha", "a.txt")
        run.finish()
        assert held(run) == {"a.txt": b"alpha"}
        found = store.maintenance.check()
        assert found.problems == []
        assert all(key.startswith("probe/") for key in found.foreign)
        if len(faulty.requests) < at:
            break
    assert at > 20


# --- answers that are lost or late


def test_a_lost_answer_changes_nothing() -> None:
    """Whichever put's answer is lost after it landed: success, the same entries and packs as without, intact."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    log_all(run := open_serial(bucket, 1).runs.start())
    wanted = [[op["op"] for op in entry.ops] for entry in entries_of(bucket, run.id)]
    for at in thinned(range(1, 1000), 5):
        bucket = MemoryBucket()
        tiny_store(bucket)
        faulty = FaultyBucket(bucket)
        faulty.plan(fault := Fault("put", "lose", at=at))
        run = open_serial(RetryBucket(faulty, sleep=lambda _: None), 1).runs.start()
        log_all(run)
        assert [[op["op"] for op in entry.ops] for entry in entries_of(bucket, run.id)] == wanted, at
        assert sizes(bucket, packs_in(bucket)) == PACKED
        assert held(run) == WHOLE
        found = open_serial(bucket, 2).maintenance.check()
        assert (found.problems, found.orphans) == ([], [])
        if fault.met < at:
            break
    assert at > 40


@pytest.mark.parametrize("content", [b"alpha", WHOLE["z.bin"]], ids=["inline", "packs"])
def test_a_commit_without_any_answer_is_found_by_a_look(content: bytes) -> None:
    """If every answer to the put is lost and the log can still be read, the commit is known to have happened."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    faulty = FaultyBucket(bucket)
    run = open_serial(faulty, 1).runs.start()
    faulty.plan(Fault("put", "lose", key=run_log(run.id), times=None))
    run.log_bytes(content, "a")
    faulty.clear()
    run.finish()
    assert len(ops_of(entries_of(bucket, run.id), "commit")) == 1
    assert held(run) == {"a": content}


@pytest.mark.parametrize("landed", [True, False], ids=["landed", "did not land"])
@pytest.mark.parametrize("content", [b"alpha", WHOLE["z.bin"]], ids=["inline", "packs"])
def test_an_unknown_commit_is_resolved_by_logging_again(landed: bool, content: bytes) -> None:
    """Without an answer to the put and to the look that follows, the error says so; repeating writes nothing twice."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    faulty = FaultyBucket(bucket)
    patient = RetryBucket(faulty, deadline=3.5, clock=itertools.count().__next__, sleep=lambda _: None)
    run = open_serial(patient, 1).runs.start()
    key = log_key(run_log(run.id), 1)
    put = Fault("put", "lose" if landed else "fail", key=key, times=None)
    faulty.plan(put, Fault("get", "fail", key=key, times=None))
    with pytest.raises(CommitStateUnknownError) as caught:
        run.log_bytes(content, "a")
    assert caught.value.key == key
    assert put.met > 1
    faulty.clear()
    before = packs_in(bucket)
    run.log_bytes(content, "a")
    run.finish()
    assert len(ops_of(entries_of(bucket, run.id), "commit")) == 1
    assert packs_in(bucket) == before
    assert (entries_of(bucket, run.id)[1].write_id == caught.value.write_id) == landed
    assert held(run) == {"a": content}
    assert open_serial(bucket, 2).maintenance.check().problems == []


@pytest.mark.parametrize("first", ["the late one", "the same again", "something else"])
def test_a_late_commit_is_the_one_or_none(first: str) -> None:
    """An entry that arrives after its writer gave up is there once, or is refused, and never beside another."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    faulty = FaultyBucket(bucket)
    run = open_serial(faulty, 1).runs.start()
    key = log_key(run_log(run.id), 1)
    faulty.plan(Fault("put", "late", key=key))
    with pytest.raises(CommitStateUnknownError):
        run.log_bytes(WHOLE["z.bin"], "z.bin")
    packs = packs_in(bucket)
    if first == "the late one":
        assert faulty.deliver() == []
    if first == "something else":
        run.log_bytes(b"alpha", "a.txt")
    run.log_bytes(WHOLE["z.bin"], "z.bin")
    assert faulty.deliver() == ([] if first == "the late one" else [key])
    run.finish()
    assert len(ops_of(entries_of(bucket, run.id), "commit")) == (2 if first == "something else" else 1)
    assert packs_in(bucket) == packs
    assert run.read("z.bin") == WHOLE["z.bin"]
    assert open_serial(bucket, 2).maintenance.check().problems == []


# --- files that fail while they are read


class Interrupted:
    """A file to which something happens before its second read."""

    def __init__(self, file: Readable, happens: Callable[[], None]) -> None:
        self._file, self._happens, self._reads = file, happens, 0

    def readinto(self, buffer: memoryview, /) -> int | None:
        self._reads += 1
        if self._reads == 2:
            self._happens()
        return self._file.readinto(buffer)


def sixty_files(folder: Path) -> dict[str, bytes]:
    source = random.Random(60)
    content = {f"{n:02}.bin": source.randbytes(20_000) for n in range(60)}
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return content


def interrupted(items: list[Item], path: str, happens: Callable[[], None]) -> list[Item]:
    def opener(item: Item) -> Opener:
        @contextmanager
        def opened() -> Iterator[Readable]:
            with item.open() as file:
                yield Interrupted(file, happens)

        return opened

    return [replace(item, open=opener(item)) if item.path == path else item for item in items]


def resumes_after_failure(bucket: MemoryBucket, run: Run, content: dict[str, bytes], log: Callable[[], object]) -> None:
    before = packs_in(bucket)
    assert sizes(bucket, before) > 400_000
    assert run.manifest == {}
    log()
    anew = sizes(bucket, [key for key in packs_in(bucket) if key not in before])
    assert anew <= 60 * 20_000 * 1.1 - sizes(bucket, before) + 2 * PACK
    run.finish()
    assert held(run) == {f"d/{name}": data for name, data in content.items()}
    assert tiny_store(bucket, seed=2, create=False).maintenance.check().problems == []


def test_a_file_that_cannot_be_read_to_its_end_fails_the_folder(tmp_path: Path) -> None:
    """The error names the 31st of sixty files, nothing is visible; mended, the upload goes on where it stopped."""

    def fail() -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    content, bucket = sixty_files(tmp_path), MemoryBucket()
    run, items = tiny_store(bucket).runs.start(), local_items(tmp_path, "d")
    with pytest.raises(SourceUnreadableError, match=r"30\.bin: cannot be read: "):
        run._log_items(interrupted(items, "d/30.bin", fail))
    resumes_after_failure(bucket, run, content, lambda: run._log_items(items))


def test_a_file_that_shrinks_while_it_is_read_fails_the_folder(tmp_path: Path) -> None:
    """The error names the file that was cut short, nothing is visible; mended, the upload goes on where it stopped."""
    content, bucket = sixty_files(tmp_path), MemoryBucket()
    run, items, target = tiny_store(bucket).runs.start(), local_items(tmp_path, "d"), tmp_path / "30.bin"
    with pytest.raises(SourceChangedError, match=r"30\.bin: it changed while it was read"):
        run._log_items(interrupted(items, "d/30.bin", lambda: os.truncate(target, 10)))
    target.write_bytes(content["30.bin"])
    resumes_after_failure(bucket, run, content, lambda: run.log_artifacts(tmp_path, "d"))


# --- a real process, a real server


LOG_FILE = """
import json, sys, holdall
holdall.set_store(sys.argv[1], **json.loads(sys.argv[2]))
with holdall.start_run():
    holdall.log_artifact(sys.argv[3])
"""


@pytest.fixture
def own_moto(tmp_path: Path) -> Iterator[Server]:
    """A server for this test alone, since it is to hold 160 MB."""
    server, pid = start_moto(tmp_path)
    yield server
    stop(pid)


@pytest.mark.long
def test_what_a_killed_upload_had_acknowledged_is_not_sent_again(own_moto: Server, tmp_path: Path) -> None:
    """SIGKILL amid 160 MB, then the same script in a new run and another home: only what is missing is sent."""
    size, pack = 160_000_000, 32 << 20
    file, place = tmp_path / "model.bin", Place(f"{own_moto.new_bucket()}/store", own_moto.options)
    source = random.Random(300)
    file.write_bytes(b"".join(source.randbytes(size // 10) for _ in range(10)))
    place.store().maintenance.create()
    log = AccessLog(own_moto, place.url)

    def begin(home: str) -> subprocess.Popen[bytes]:
        (tmp_path / home).mkdir()
        env = {**os.environ, "HOME": str(tmp_path / home), "HOLDALL_MEMORY": "64M"}
        command = [sys.executable, "-c", LOG_FILE, place.url, json.dumps(place.options), str(file)]
        return subprocess.Popen(command, env=env)

    def packs_sent() -> list[Asked]:
        return [asked for asked in log.news() if asked.method == "PUT" and asked.key.startswith(PACKS)]

    first, acknowledged = begin("first"), list[Asked]()
    while len(acknowledged) < size // pack // 2 + 1 and first.poll() is None:
        time.sleep(0.01)
        acknowledged += packs_sent()
    first.kill()
    assert first.wait() == -signal.SIGKILL
    acknowledged += packs_sent()
    killed = packs_in(place.bucket())
    assert begin("second").wait(120) == 0
    sent, known = sum(asked.bytes for asked in packs_sent()), sum(asked.bytes for asked in acknowledged)
    assert sent <= size - known + pack + MIB
    found = place.store().maintenance.check()
    assert (found.problems, found.files, found.bytes) == ([], 1, size)
    assert set(found.orphans) <= set(killed)
