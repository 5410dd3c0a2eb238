"""Large work that workers share, where the parent is in some trouble: it is done all the same, or fails as a whole."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support import in_workers
from tests.support.folders import SHARED_FROM, Doom, NotedFolder, folder_of, noise, shared_store
from tests.support.killing import fork
from tests.support.logs import entries_of, ops_of
from tests.support.stores import tiny_location

from holdall.format.layout import PACKS
from holdall.runs.run import Run
from holdall.storage.local import LocalBucket
from holdall.store import Store
from holdall.workers.crew import Crew

FILES = {"large.bin": noise(100_000, 1), "other.bin": noise(40_000, 2)}


@pytest.fixture(scope="module")
def crew() -> Iterator[Crew]:
    """Two workers for all of these tests: they must be as good as new after each."""
    made = Crew(2, 256 << 20)
    yield made
    made.close()


def opened(folder: Path, crew: Crew, doom: Doom | None = None, seed: int = 0) -> tuple[Store, NotedFolder]:
    """A store whose large work this crew shares."""
    store, bucket = shared_store(folder, doom=doom, seed=seed)
    store._location.crew = crew
    return store, bucket


def log(store: Store, folder: Path) -> Run:
    """A finished run that holds a folder."""
    with store.runs.start() as run:
        run.log_artifacts(folder)
    return run


def those_who_put(bucket: NotedFolder) -> set[int]:
    """The processes that have put packs."""
    return {pid for pid, verb, key in bucket.requests() if verb == "put" and key.startswith(PACKS)}


def held(run: Run) -> dict[str, bytes]:
    """What a run holds."""
    return {path: run.read(path) for path in run.manifest}


def test_an_interrupt_is_raised_once_and_the_same_call_works_again(tmp_path: Path, crew: Crew) -> None:
    """Ctrl-C while workers put packs: nothing is committed, and the same workers do it again."""
    source, go_on = folder_of(tmp_path, FILES), tmp_path / "go on"
    store, bucket = opened(tmp_path, crew, Doom("put", PACKS, "wait", 2, str(go_on)))

    def interrupt() -> None:
        while not those_who_put(bucket):
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        time.sleep(0.2)
        go_on.touch()  # a worker that waits for its bucket cannot be asked

    with store.runs.start() as run:
        interrupting = threading.Thread(target=interrupt)
        interrupting.start()
        with pytest.raises(KeyboardInterrupt):
            run.log_artifacts(source)
        interrupting.join()
        assert ops_of(entries_of(bucket, run.id), "commit") == []
        with crew.claim(2) as workers:
            before = {worker.pid for worker in workers}
        bucket.doom = None
        run.log_artifacts(source)
    assert held(run) == FILES
    assert os.getpid() not in those_who_put(bucket)
    with crew.claim(2) as workers:
        assert before == {worker.pid for worker in workers}


def test_too_little_memory_in_a_worker_is_a_memory_error(tmp_path: Path, crew: Crew) -> None:
    """As it is in one process; then the same call works, with the same workers."""
    source = folder_of(tmp_path, FILES)
    store, bucket = opened(tmp_path, crew, Doom("put", PACKS, "starve"))
    with store.runs.start() as run:
        with pytest.raises(MemoryError):
            run.log_artifacts(source)
        bucket.doom = None
        run.log_artifacts(source)
    assert held(run) == FILES


def test_threads_that_log_at_once_share_the_workers(tmp_path: Path, crew: Crew) -> None:
    """Who gets none works in this process; each run holds its own."""
    contents = [{"large.bin": noise(100_000, 10 + number), "b": noise(50_000, 20 + number)} for number in range(4)]
    sources = [folder_of(tmp_path, files) for files in contents]
    store, bucket = opened(tmp_path, crew)
    with ThreadPoolExecutor(4) as threads:
        runs = list(threads.map(lambda source: log(store, source), sources))
    assert [held(run) for run in runs] == contents
    assert len(those_who_put(bucket) - {os.getpid()}) == 2


def test_a_loop_of_asyncio_logs_in_its_threads(tmp_path: Path, crew: Crew) -> None:
    """And in its own, where it waits."""
    source = folder_of(tmp_path, FILES)
    store, _ = opened(tmp_path, crew)

    async def work() -> list[Run]:
        return [await asyncio.to_thread(log, store, source), log(store, source)]

    assert [held(run) for run in asyncio.run(work())] == [FILES, FILES]


def test_a_forked_child_shares_its_work_among_workers_of_its_own(tmp_path: Path, crew: Crew) -> None:
    """While its parent has some, who go on for the parent."""
    source, more = folder_of(tmp_path, FILES), folder_of(tmp_path, {"more.bin": noise(150_000, 3)})
    store, bucket = opened(tmp_path, crew)
    log(store, source)
    parents = those_who_put(bucket)
    child = fork(lambda: log(opened(tmp_path, crew, seed=1)[0], more))
    assert os.waitpid(child, 0)[1] == 0
    childs = those_who_put(bucket) - parents
    assert childs
    assert child not in childs
    again = folder_of(tmp_path, {"again.bin": noise(150_000, 4)})
    assert held(log(store, again)) == {"again.bin": noise(150_000, 4)}
    assert those_who_put(bucket) == parents | childs


def test_workers_import_what_they_need(tmp_path: Path) -> None:
    """After real work: no framework, none of the rooms above the trees, nothing of the parent's script."""
    location, crew = tiny_location(LocalBucket(tmp_path / "store")), Crew(2, 256 << 20)
    location.crew, location.sharing = crew, SHARED_FROM
    log(Store(location), folder_of(tmp_path, FILES)).download(None, tmp_path / "out")
    with crew.claim(2) as workers:
        there = set().union(*(worker.call(in_workers.imported).result() for worker in workers))
    crew.close()
    assert there >= {"holdall.chunks.writer", "holdall.chunks.delivery"}
    assert {name.partition(".")[0] for name in there}.isdisjoint({"pytest", "torch", "pandas", "sklearn", "mlflow"})
    assert there.isdisjoint({f"holdall.{room}" for room in ("store", "settings", "runs", "modeling", "surfaces")})


def test_a_frozen_program_does_the_work_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker could be started; the run holds the same."""
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    store, bucket = opened(tmp_path, Crew(2, 256 << 20))
    run = log(store, folder_of(tmp_path, FILES))
    assert held(run) == FILES
    assert those_who_put(bucket) == {os.getpid()}
