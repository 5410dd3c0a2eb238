"""Large work that worker processes share: the same as in one process, whoever dies, whatever is met on the way."""

from __future__ import annotations

import io
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.folders import ChangedBehind, Doom, NotedFolder, folder_of, noise, shared_store
from tests.support.logs import entries_of, ops_of
from tests.support.watched import Recorder

from holdall.chunks.hints import PER_PACK
from holdall.chunks.pack_names import BLOCK
from holdall.errors import AccessDeniedError, SourceChangedError, SourceUnreadableError, WorkerDiedError
from holdall.format.layout import HINTS, PACKS, PackName, generation_key, parse_key, run_log
from holdall.format.recipe import parse_recipe
from holdall.format.records import encode_generation
from holdall.runs.run import Run
from holdall.store import Store
from holdall.trees import sharing
from holdall.trees.location import Sharing
from holdall.trees.session import Session
from holdall.trees.shared_files import LocalFile
from holdall.trees.source import local_items
from holdall.trees.stat_cache import StatCache
from holdall.trees.transaction import Transaction

FILES = {
    "large.bin": noise(150_000, 1),
    "sub/other.bin": noise(40_000, 2),
    "zeros.bin": bytes(70_000) + noise(30_000, 3) + bytes(60_000),
    "empty": b"",
    **{f"small/{n:02}.txt": noise(300 * n, 100 + n) for n in range(20)},
}
TWO_PARTS = Sharing(60_000, 50_000)  # of 100 KB, so that of two workers none takes a part from the other


def log(store: Store, folder: Path, path: str = "") -> Run:
    """A finished run that holds a folder."""
    with store.runs.start() as run:
        run.log_artifacts(folder, path or None)
    return run


def packs_of_workers(bucket: NotedFolder) -> list[PackName]:
    """The packs with numbers that were lent to workers."""
    packs = [key.pack for info in bucket.inner.list(PACKS) if (key := parse_key(info.key)) and key.pack]
    return [pack for pack in packs if pack.number >= BLOCK]


def chunks_of(store: Store, run: Run, path: str) -> list[tuple[bytes, int]]:
    """Ids and lengths of a file's chunks."""
    session = Session.resume(store._location, run_log(run.id))
    assert session is not None
    entry = session.view.paths.lookup([path]).there[path]
    assert entry.content is not None
    recipe = parse_recipe(session.blobs.read([entry.content])[0])
    session.close()
    return [(ref.id, ref.raw) for ref in recipe.chunks]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return folder_of(tmp_path, FILES)


def test_workers_store_what_one_process_stores(tmp_path: Path, source: Path) -> None:
    """The manifest, the bytes, the chunks and where they are cut are the same, and the store is whole."""
    runs = []
    for workers in (0, 3):
        (tmp_path / str(workers)).mkdir()
        store, bucket = shared_store(tmp_path / str(workers), workers)
        run = log(store, source)
        assert bool(packs_of_workers(bucket)) == bool(workers)
        assert {path: run.read(path) for path in FILES} == FILES
        assert store.maintenance.check().problems == []
        (commit,) = ops_of(entries_of(bucket, run.id), "commit")
        runs.append((run.manifest, commit["files"], commit["bytes"], chunks_of(store, run, "large.bin")))
    assert runs[0] == runs[1]


@pytest.mark.parametrize("first", [0, 3])
def test_what_one_way_stored_the_other_finds(tmp_path: Path, source: Path, first: int) -> None:
    """Logged again with workers or without, nothing is new but what one of them stores where zeros run over a part."""
    log(shared_store(tmp_path, first)[0], source)
    store, bucket = shared_store(tmp_path, 3 - first, seed=1)
    run = log(store, source)
    (commit,) = ops_of(entries_of(bucket, run.id), "commit")
    assert commit["new_bytes"] < 30_000
    assert {path: run.read(path) for path in FILES} == FILES


def test_the_same_again_stores_nothing(tmp_path: Path) -> None:
    """No pack is made for it, and its recipe is found where the first one lies."""
    source = folder_of(tmp_path, {"large.bin": noise(100_000, 1)})
    store, bucket = shared_store(tmp_path, 2)
    store._location.sharing = TWO_PARTS
    log(store, source)
    packs = len(list(bucket.inner.list(PACKS)))
    run = log(store, source)
    assert len(list(bucket.inner.list(PACKS))) == packs
    assert run.read("large.bin") == noise(100_000, 1)


def test_requests_are_those_of_one_process_and_a_pack_for_each_worker(tmp_path: Path) -> None:
    """Counted over all processes: one look at the garbage, and what each worker asks where its part begins.

    There it knows of no pack yet, as one process does where the file begins: it asks for some hints, and for the
    footers of the packs that they name. Each of two workers has one of two parts, so there are two beginnings.
    """
    source = folder_of(tmp_path, {"large.bin": noise(100_000, 1)})
    counts = []
    for workers in (0, 2):
        (tmp_path / str(workers)).mkdir()
        store, bucket = shared_store(tmp_path / str(workers), workers)
        store._location.sharing = TWO_PARTS
        for _ in range(2):
            log(store, source)
            counts.append(Counter((verb, key.split("/")[0]) for _, verb, key in bucket.requests()))
            bucket.notes.unlink()
    alone, alone_again, shared, shared_again = counts
    hints, footers = 2 * PER_PACK, 2 * PER_PACK
    assert shared["list", "gc"] == alone["list", "gc"] == 1
    assert shared["put", "runs"] == alone["put", "runs"]
    assert shared["put", "packs"] <= alone["put", "packs"] + 1
    assert shared.total() <= alone.total() + hints + 1  # and the pack
    assert shared_again["put", "packs"] == alone_again["put", "packs"] == 0
    assert shared_again.total() <= alone_again.total() + hints + footers


def test_copies_of_a_file_are_stored_once(tmp_path: Path) -> None:
    """What two workers meet at once is stored by the first, and the other is told where it is."""
    data = noise(200_000, 1)
    source = folder_of(tmp_path, {f"{n}.bin": data for n in range(6)})
    store, bucket = shared_store(tmp_path)
    run = log(store, source)
    (commit,) = ops_of(entries_of(bucket, run.id), "commit")
    assert packs_of_workers(bucket)
    assert commit["new_bytes"] < 1.1 * len(data)
    assert all(run.read(path) == data for path in run.manifest)
    assert store.maintenance.check().problems == []


def test_small_work_stays_in_this_process(tmp_path: Path) -> None:
    """Below the threshold no worker is asked for anything."""
    store, bucket = shared_store(tmp_path)
    log(store, folder_of(tmp_path, {"small.bin": noise(50_000, 1)}))
    assert {pid for pid, _, _ in bucket.requests()} == {os.getpid()}


def test_a_bucket_of_this_process_alone_stays_there(tmp_path: Path, source: Path) -> None:
    """A bucket that cannot travel is written to by one process, however much there is."""
    store, bucket = shared_store(tmp_path)
    store._location.bucket = _Here(bucket)
    run = log(store, source)
    assert run.read("large.bin") == FILES["large.bin"]
    assert {pid for pid, _, _ in bucket.requests()} == {os.getpid()}


class _Here:
    """A bucket that says of itself that it is nobody else's."""

    shared = False

    def __init__(self, bucket: NotedFolder) -> None:
        self.url, self.get, self.get_range, self.put = bucket.url, bucket.get, bucket.get_range, bucket.put
        self.list, self.delete, self.delete_many = bucket.list, bucket.delete, bucket.delete_many


# --- what goes wrong


@pytest.mark.parametrize("at", [1, 4])
def test_a_worker_that_is_killed_is_an_error_and_the_same_call_works(tmp_path: Path, source: Path, at: int) -> None:
    """Nothing of it can be seen; what was acknowledged with its hints is found by the next try."""
    store, bucket = shared_store(tmp_path, doom=Doom("put", PACKS, "die", at))
    with store.runs.start() as run:
        with pytest.raises(WorkerDiedError, match="SIGKILL"):
            run.log_artifacts(source)
        assert ops_of(entries_of(bucket, run.id), "commit") == []
        bucket.doom = None
        hinted = len(list(bucket.inner.list(HINTS)))
        run.log_artifacts(source)
    assert {path: run.read(path) for path in FILES} == FILES
    names = [key for _, verb, key in bucket.requests() if verb == "put" and key.startswith(PACKS)]
    assert len(names) == len(set(names)), "no name is given twice"
    (commit,) = ops_of(entries_of(bucket, run.id), "commit")
    assert not hinted or commit["new_bytes"] < sum(map(len, FILES.values()))


def test_a_bucket_that_refuses_a_worker_is_the_same_error(tmp_path: Path, source: Path) -> None:
    """The error of the bucket arrives as it is; the same call works when the bucket does."""
    store, bucket = shared_store(tmp_path, doom=Doom("put", PACKS, "refuse", 2))
    with store.runs.start() as run:
        with pytest.raises(AccessDeniedError, match="on purpose"):
            run.log_artifacts(source)
        bucket.doom = None
        run.log_artifacts(source)
    assert {path: run.read(path) for path in FILES} == FILES


def test_a_file_that_cannot_be_read_is_the_same_error(tmp_path: Path, source: Path) -> None:
    """One that is gone when workers come to it is named."""
    store, _ = shared_store(tmp_path)
    items = local_items(source, "")
    (source / "sub/other.bin").unlink()
    with store.runs.start() as run, pytest.raises(SourceUnreadableError, match=r"other\.bin"):
        run._log_items(items)


def test_a_part_of_a_file_that_changed_is_refused(tmp_path: Path) -> None:
    """Also where its size and times are as they were: the two who read it have not read the same."""
    path = tmp_path / "file"
    path.write_bytes(noise(10_000, 1))
    file = LocalFile.at(str(path))
    with file.open_part(0, 6000, 1000, 5000) as first:
        first.readinto(memoryview(bytearray(6000)))
        met = first.digest()
    with path.open("r+b") as stream:
        stream.seek(3000)
        stream.write(b"changed")
    os.utime(path, ns=(file.stamp[3], file.stamp[3]))
    with pytest.raises(SourceChangedError), file.open_part(0, 6000, 1000, 5000):
        pass
    with LocalFile.at(str(path)).open_part(0, 6000, 1000, 5000) as second:
        second.readinto(memoryview(bytearray(6000)))
        assert second.digest() != met


def test_what_a_part_reads_behind_its_end_is_what_the_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last chunk ends in the next part: bytes that were others when it was read are found out, whatever the times.

    As in a file that somebody writes through a map of its pages, whose times the system changes later.
    """
    source = folder_of(tmp_path, {"large.bin": noise(100_000, 1)})
    store, bucket = shared_store(tmp_path, 2)
    store._location.sharing = TWO_PARTS
    monkeypatch.setattr(sharing, "LocalFile", ChangedBehind)
    with store.runs.start() as run:
        with pytest.raises(SourceChangedError, match=r"large\.bin"):
            run.log_artifacts(source)
        assert ops_of(entries_of(bucket, run.id), "commit") == []
        monkeypatch.undo()
        run.log_artifacts(source)
    assert run.read("large.bin") == noise(100_000, 1)


def test_an_interrupt_ends_the_call_and_the_next_one_works(tmp_path: Path, source: Path) -> None:
    """Ctrl-C while workers work: nothing is committed, and they are there for the same call again."""
    store, bucket = shared_store(tmp_path, doom=Doom("put", PACKS, "wait", 2, str(tmp_path / "never")))
    with store.runs.start() as run:
        noticed = threading.Event()
        pressing = threading.Thread(target=_press, args=[noticed])
        pressing.start()
        with pytest.raises(KeyboardInterrupt):
            run.log_artifacts(source)
        noticed.set()
        pressing.join()
        assert ops_of(entries_of(bucket, run.id), "commit") == []
        bucket.doom = None
        run.log_artifacts(source)
    assert {path: run.read(path) for path in FILES} == FILES


def _press(noticed: threading.Event) -> None:
    """Ctrl-C, and again where it got lost: Python sees none that comes just before it waits for a lock."""
    wait = 1.0
    while not noticed.wait(wait):
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        wait = 20.0


# --- what else a commit does


def test_progress_is_of_all_workers(tmp_path: Path, source: Path) -> None:
    """All bytes are told once, as done; of the same again, all as saved."""
    store, _ = shared_store(tmp_path)
    store._location.observer = recorder = Recorder()
    size = sum(map(len, FILES.values()))
    log(store, source)
    log(store, source)
    first, second = recorder.told
    assert (first.total, first.done, second.total, second.done) == (size, size, size, size)
    assert second.saved > size - 30_000


def test_a_versioned_run_replaces_what_workers_store(tmp_path: Path, source: Path) -> None:
    """Its paths hold the new content, the versions before it stay, and what is the same is not stored again."""
    store, bucket = shared_store(tmp_path)
    with store.runs.start(paths="versioned") as run:
        run.log_artifacts(source)
        (source / "large.bin").write_bytes(noise(150_000, 77))
        run.log_artifacts(source, on_conflict="replace")
    assert run.read("large.bin") == noise(150_000, 77)
    assert run.read("sub/other.bin") == FILES["sub/other.bin"]
    assert run.read("large.bin", version=run.versions("large.bin")[-1].version) == FILES["large.bin"]
    commits = ops_of(entries_of(bucket, run.id), "commit")
    assert commits[1]["new_bytes"] < 200_000


def test_what_workers_read_is_remembered_by_the_stat_cache(tmp_path: Path) -> None:
    """A file that is as it was is not read again, nor are workers asked for it."""
    source = folder_of(tmp_path, {"large.bin": noise(2 << 20, 1)})
    os.utime(source / "large.bin", (1, 1))
    store, bucket = shared_store(tmp_path)
    store._location.stat_cache = StatCache(tmp_path / "cache", now=lambda: time.time_ns() + 10**12)
    log(store, source)
    assert {pid for pid, _, _ in bucket.requests()} != {os.getpid()}
    bucket.notes.unlink()
    run = log(store, source)
    assert {pid for pid, _, _ in bucket.requests()} == {os.getpid()}
    assert run.read("large.bin") == noise(2 << 20, 1)


# --- the rules of garbage


class Logged:
    """A run that is open, and a commit of it whose files workers have stored."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.store, self.bucket = shared_store(folder)
        self.run = self.store.runs.start()
        session = Session.resume(self.store._location, run_log(self.run.id))
        assert session is not None
        self.session, self.transaction = session, Transaction(session)
        self.transaction.stage(local_items(source, ""))
        self.packs = packs_of_workers(self.bucket)
        assert self.packs

    def append(self, *ops: dict[str, object]) -> None:
        """As another, in the run's log."""
        from holdall.chunks.pool import Pool
        from holdall.format.entry import LogEntry
        from holdall.trees.journal import Journal

        last = entries_of(self.bucket, self.run.id)[-1]
        entry = LogEntry(last.log, last.n + 1, f"{last.n:032x}", last.sha256, 0, "collector", last.state_at, ops)
        Journal(self.bucket, Pool(workers=1), last.log).create(entry)

    def condemn(self, *, fence: bool = True) -> None:
        """As a collector: condemn what workers have written."""
        self.bucket.put(generation_key(0, "condemn"), encode_generation(0, "condemn", sorted(self.packs)))
        if fence:
            self.append({"op": "fence", "generation": 0})

    def sweep(self) -> None:
        for pack in self.packs:
            self.bucket.delete(pack.key)

    def is_whole(self) -> bool:
        """Whether the run holds what was logged, read anew."""
        run = self.store.runs.get(self.run.id)
        return {path: run.read(path) for path in FILES} == FILES


@pytest.fixture
def logged(tmp_path: Path, source: Path) -> Iterator[Logged]:
    made = Logged(tmp_path, source)
    yield made
    made.session.close()
    made.run.finish()


def test_a_fence_reaches_what_workers_wrote(logged: Logged) -> None:
    """W4: packs of workers that are condemned before the commit are copied out of."""
    logged.condemn()
    assert logged.transaction.publish().committed
    logged.sweep()
    assert logged.is_whole()


def test_what_workers_wrote_and_a_collector_took_is_read_again(logged: Logged) -> None:
    """W4: where the packs are gone already, the files are at hand."""
    logged.condemn()
    logged.sweep()
    assert logged.transaction.publish().committed
    assert logged.is_whole()


def test_a_session_that_was_closed_counts_what_its_workers_wrote_as_anothers(logged: Logged) -> None:
    """W6: the footers of their packs are read again, after a new look; what is condemned by then is not referred to."""
    opened = [op["session"] for op in ops_of(entries_of(logged.bucket, logged.run.id), "open")]
    logged.append(*({"op": "close", "session": session} for session in opened))
    logged.condemn(fence=False)
    assert logged.transaction.publish().committed
    logged.sweep()
    assert logged.is_whole()


def test_the_look_at_the_garbage_comes_before_all_that_workers_do(tmp_path: Path, source: Path) -> None:
    """W2: one look, by the parent, before a worker reads a footer or sends a pack; and W1 before that."""
    store, bucket = shared_store(tmp_path)
    log(store, source)
    asked = bucket.requests()
    looked = [n for n, (pid, verb, key) in enumerate(asked) if (verb, key) == ("list", "gc/")]
    workers = [n for n, (pid, _, _) in enumerate(asked) if pid != os.getpid()]
    opened = [n for n, (_, verb, key) in enumerate(asked) if verb == "put" and key.startswith("runs/")]
    assert len(looked) == 1
    assert opened[0] < looked[0] < workers[0]
    assert workers[-1] < opened[-1]


def test_workers_do_not_borrow_what_is_condemned(tmp_path: Path, source: Path) -> None:
    """W2, W3: what the parent saw, each of them goes by."""
    store, bucket = shared_store(tmp_path)
    log(store, source)
    old = packs_of_workers(bucket)
    bucket.put(generation_key(0, "condemn"), encode_generation(0, "condemn", sorted(old)))
    store, bucket = shared_store(tmp_path, seed=1)
    run = log(store, source)
    new = [pack for pack in packs_of_workers(bucket) if pack not in old]
    assert len(new) > len(old) / 2, "they stored all anew, and nobody had to copy it out of what is condemned"
    for pack in old:
        bucket.delete(pack.key)
    assert {path: run.read(path) for path in FILES} == FILES


def test_a_stream_is_logged_here_beside_files_that_workers_store(tmp_path: Path, source: Path) -> None:
    """What is no local file stays in this process, and travels with the same commit."""
    from holdall.trees.source import bytes_item

    store, _ = shared_store(tmp_path)
    with store.runs.start() as run:
        run._log_items(
            [bytes_item("a/first.bin", noise(30_000, 8)), *local_items(source, ""), bytes_item("b", b"last")]
        )
    assert run.read("a/first.bin") == noise(30_000, 8)
    assert run.read("b") == b"last"
    assert {path: run.read(path) for path in FILES} == FILES
    assert io.BytesIO(run.read("empty")).read() == b""
