"""Searching a store: the right runs, and few requests however many there are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.depth import DEEP
from tests.support.stores import entropy, tiny_location, tiny_store

from holdall.errors import InvalidFilterError
from holdall.format.entry import LogEntry, encode_entry
from holdall.format.layout import experiment_id, log_key, run_log
from holdall.format.layout import run_id as make_run_id
from holdall.format.state import State
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store


@pytest.fixture
def store() -> Store:
    """Three runs of two experiments: one finished, one running, one deleted."""
    store = tiny_store(MemoryBucket())
    for n, (experiment, loss) in enumerate([("a", 0.3), ("a", 0.1), ("b", 0.2)]):
        run = store.runs.start(experiment=experiment, name=f"run{n}", tags={"n": n})
        run.log_metrics({"loss": loss})
        run.log_bytes(f"{n}".encode(), f"out/{n}.txt")
        if n == 0:
            run.finish()
        run.flush()
        if n == 2:
            run.delete()
    return store


def names(store: Store, filter: str | None = None, **more: object) -> list[str]:
    """The names of the runs that a search finds, in its order."""
    return [found.info.run_name for found in store.runs.search(filter, **more)]  # type: ignore[arg-type]


def test_a_search_finds_what_it_says(store: Store) -> None:
    """Filters, orders, experiments, limits and stages choose among all runs of the store."""
    assert names(store) == ["run1", "run0"]
    assert names(store, "metrics.loss > 0.2") == ["run0"]
    assert names(store, "status = 'RUNNING'") == ["run1"]
    assert names(store, order_by=["metrics.loss DESC"]) == ["run0", "run1"]
    assert names(store, limit=1) == ["run1"]
    assert names(store, stage="deleted") == ["run2"]
    assert names(store, stage=None, experiments=[experiment_id("b")]) == ["run2"]
    assert names(store, experiments=[]) == []
    with pytest.raises(InvalidFilterError):
        names(store, "metrics.loss >")


def test_runs_are_found_by_what_they_hold(store: Store) -> None:
    """A path or a digest of an artifact finds the runs that hold it."""
    assert names(store, "artifacts.path = 'out/0.txt'") == ["run0"]
    assert names(store, "artifacts.path LIKE 'out/%'") == ["run1", "run0"]
    digest = next(iter(store.runs.search("run_name = 'run1'"))).info.run_id
    sha = store.runs.get(digest).manifest["out/1.txt"]
    assert names(store, f"artifacts.digest = 'sha256:{sha}'") == ["run1"]


def test_experiments_are_found_by_name_and_tag(store: Store) -> None:
    """The same grammar on experiments' names and tags."""
    store.experiments.create("vision/cats", {"team": "x"})
    assert [e.name for e in store.experiments.search("name LIKE 'vision/%'")] == ["vision/cats"]
    assert [e.name for e in store.experiments.search("tags.team = 'x'")] == ["vision/cats"]
    assert [e.name for e in store.experiments.search()] == ["vision/cats", "b", "a"]


def many_runs(bucket: MemoryBucket, count: int) -> None:
    """Finished runs of five entries each, written as a writer would."""
    owner, random = experiment_id("Default"), entropy(3)
    session = random(16).hex()
    for n in range(count):
        log, state, before = run_log(make_run_id(owner, random(12))), State(), None
        first = [{"op": "create", "experiment": owner}, {"op": "open", "session": session}]
        params = [{"op": "param", "key": f"p{k}", "value": str(n % (k + 2))} for k in range(3)]
        last = [{"op": "status", "status": "FINISHED"}, {"op": "close", "session": session}]
        for number, ops in enumerate([first, *([param] for param in params), last]):
            body = state.to_json() if number == 4 else None
            write_id = random(16).hex()
            entry = LogEntry(log, number, write_id, before, n, "w", 4 if body else None, tuple(ops), (), body)
            data = encode_entry(entry)
            bucket.put(log_key(log, number), data)
            state.apply(entry)
            before = data[-67:-3].decode()


COUNT = 10_000 if DEEP else 3000


def test_many_runs_are_searched_with_a_get_each_once(tmp_path: Path) -> None:
    """The first search costs a GET per run and the listings; the second the listings alone, at most 60 requests."""
    bucket, count = MemoryBucket(), RequestCounter()
    tiny_location(bucket)
    many_runs(bucket, COUNT)

    def search(filter: str) -> int:
        location = tiny_location(TraceBucket(bucket, count), create=False)
        location.cache = tmp_path / "cache"
        count.clear()
        return len(Store(location).runs.search(filter))

    assert search("params.p0 = '1'") == COUNT // 2
    assert count.requests["get"] <= COUNT + 1
    assert count.requests["list"] <= 51
    assert search("params.p1 = '2' and params.p0 = '0'") == -(-COUNT // 6)
    assert count.total <= 60
    (tmp_path / "cache/summaries.sqlite").write_bytes(b"nonsense" * 1000)
    assert search("params.p0 = '1'") == COUNT // 2


def test_a_cache_that_cannot_be_written_is_done_without(store: Store, tmp_path: Path) -> None:
    """Where the cache's folder is a file, searching works all the same."""
    (tmp_path / "file").touch()
    store._location.cache = tmp_path / "file" / "cache"
    assert names(store) == ["run1", "run0"]
    assert os.listdir(tmp_path) == ["file"]


def test_a_run_that_went_on_is_seen_anew(store: Store, tmp_path: Path) -> None:
    """The cache never shows a run as it was before its newest entry."""
    store._location.cache = tmp_path
    assert names(store, "metrics.loss < 0.05") == []
    found = store.runs.search("run_name = 'run1'")[0]
    run = store.runs.get(found.info.run_id)
    run.log_metrics({"loss": 0.01}, step=9)
    run.flush()
    assert names(store, "metrics.loss < 0.05") == ["run1"]


def test_a_damaged_run_hides_no_other(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    """A run of which no entry can be read leaves the other runs to be found, and is said."""
    bucket = store._location.bucket
    hurt = store.runs.search("run_name = 'run1'")[0].info.run_id
    for found in list(bucket.list(f"runs/{hurt}/")):
        bucket.objects[found.key] = bucket.objects[found.key][:-9] + b"x" + bucket.objects[found.key][-8:]  # type: ignore[attr-defined]
    assert names(store) == ["run0"]
    assert f"run {hurt} is damaged" in caplog.text
