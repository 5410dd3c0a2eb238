"""An index of all runs in memory: what pages show, and what they cost."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.depth import DEEP
from tests.support.runlogs import put_runs
from tests.support.stores import tiny_store

from holdall.errors import AccessDeniedError, InvalidArgumentError, InvalidFilterError, StoreNotFoundError
from holdall.runs.filling import NEWEST, Filling
from holdall.runs.remembered import Memory
from holdall.runs.run_index import RunIndex
from holdall.storage.bucket import ObjectInfo
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store

MANY = 9_999 if DEEP else 150  # a multiple of three


@pytest.fixture
def store() -> Store:
    return tiny_store(MemoryBucket())


def test_a_page_is_what_a_search_finds(store: Store) -> None:
    """Filter, order and stage mean the same; offset and limit cut, and the total says out of how many."""
    put_runs(store._location.bucket, 25)
    for filter, order in (
        (None, None),
        ("params.param1 = '1'", ["metrics.metric3 ASC"]),
        ("metrics.metric1 > 4", None),
    ):
        found = [record.info.run_id for record in store.runs.search(filter, order_by=order)]
        with store.runs.index() as index:
            page = index.page(filter, None, order, offset=3, limit=5)
        assert [run.run_id for run in page.records] == found[3:8]
        assert (page.total, page.complete, page.listed) == (len(found), True, 25)


def test_an_error_in_a_filter_says_where(store: Store) -> None:
    """A page refuses what a search refuses, at the same position, before anything is listed."""
    with pytest.raises(InvalidFilterError) as refused:
        store.runs.index().page("metrics.loss << 3")
    with pytest.raises(InvalidFilterError) as searched:
        store.runs.search("metrics.loss << 3")
    assert str(refused.value) == str(searched.value)
    with pytest.raises(InvalidArgumentError):
        store.runs.index().page(offset=-1)


def test_without_a_store_there_is_no_page() -> None:
    """An index of nothing says that there is no store, and makes none."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    bucket.objects.clear()
    store._location._descriptor = None
    with pytest.raises(StoreNotFoundError):
        store.runs.index().page()


def test_a_summary_tells_files_bytes_and_points(store: Store, tmp_path: Path) -> None:
    """What a table needs is in it, also where it was remembered: files, bytes, last step and how many points."""
    store._location.cache = tmp_path
    with store.runs.start() as run:
        run.log_bytes(b"12345", "five.bin")
        for step in range(3):
            run.log_metric("loss", 1.0 - step, step=step)
    for _ in range(2):  # read, then remembered
        found = store.runs.index().page().records[0]
        assert (found.files, found.bytes, found.metrics) == (1, 5, {"loss": -1.0})
        loss = found.metric_summaries["loss"]
        assert (loss.last, loss.step, loss.count, loss.min, loss.max) == (-1.0, 2, 3, -1.0, 1.0)
        record = store.runs.search()[0]
        assert record.metric_summaries == found.metric_summaries


def test_pages_ask_for_nothing(store: Store) -> None:
    """Once it is filled, pages, keys and single runs cost no request."""
    put_runs(store._location.bucket, 10)
    store._location.bucket = TraceBucket(store._location.bucket, count := RequestCounter())
    with store.runs.index() as index:
        index.page()
        count.clear()
        assert index.page("params.param1 = '1'").total == 3
        assert index.keys().metrics["metric0"] == 10
        assert index.get("0" * 32) is None
        assert count.total == 0


def counting(bucket: MemoryBucket, **more: Any) -> tuple[Store, RequestCounter]:
    count = RequestCounter()
    store = tiny_store(TraceBucket(bucket, count), create=False, seed=7)
    for name, value in more.items():
        setattr(store._location, name, value)
    return store, count


class Slow(MemoryBucket):
    """A bucket whose listings of runs wait until they may go on."""

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__("slow", objects)
        self.may_list = threading.Event()

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        if prefix == "runs/":
            self.may_list.wait(100)
        return super().list(prefix, limit=limit)


def newest(bucket: MemoryBucket, count: int) -> list[str]:
    return [record.info.run_id for record in tiny_store(bucket, create=False).runs.search(limit=count)]


def test_a_fresh_machine_shows_the_newest_runs_by_the_catalog() -> None:
    """Within 50 requests, before the store is listed, and those that came after the catalog are among them."""
    bucket = MemoryBucket()
    put_runs(tiny_store(bucket)._location.bucket, MANY)
    tiny_store(bucket, create=False).maintenance.catalog()
    store = tiny_store(bucket, create=False, seed=3)
    late = [store.runs.start(start_time=1_900_000_000_000 + n).id for n in range(3)]
    expected = newest(bucket, 100)
    assert set(expected) > set(late)
    slow = Slow(bucket.objects)
    store, count = counting(slow)
    with store.runs.index() as index:
        page = index.page()
        assert ([run.run_id for run in page.records], page.complete) == (expected, False)
        assert count.total <= 50
        slow.may_list.set()
        index.refresh()
        assert index.page().complete


def test_a_machine_that_knows_the_store_shows_it_before_it_is_listed(tmp_path: Path) -> None:
    """No request but the descriptor's: the newest at once, all with a filter, as of the listing before."""
    bucket = MemoryBucket()
    put_runs(tiny_store(bucket)._location.bucket, MANY)
    store, _ = counting(bucket, cache=tmp_path)
    with store.runs.index() as index:
        index.refresh()
        before = index.page()
    slow = Slow(bucket.objects)
    store, count = counting(slow, cache=tmp_path)
    with store.runs.index() as index:
        page = index.page()
        assert [run.run_id for run in page.records] == [run.run_id for run in before.records]
        assert (page.as_of, page.complete) == (before.as_of, False)
        assert index.page("params.param1 = '1'").total == MANY // 3
        assert count.total <= 2
        slow.may_list.set()


def test_a_run_that_goes_on_is_looked_at_between_listings() -> None:
    """What it measured is shown after a few seconds, for some dozens of requests and no listing of all runs."""
    bucket = MemoryBucket()
    put_runs(tiny_store(bucket)._location.bucket, 300)
    writer = tiny_store(bucket, create=False, seed=5)
    run = writer.runs.start(name="live")
    store, count = counting(bucket)
    seconds = [0.0]
    store._location.ticks = lambda: seconds[0]
    with store.runs.index() as index:
        index.refresh()
        run.log_metric("loss", 0.5)
        run.flush()
        begun = writer.runs.start(name="begun later").id
        index._due, seconds[0] = 1e9, 100.0
        count.clear()
        index.page()
        index.close()
        assert index.get(run.id).metrics == {"loss": 0.5}  # type: ignore[union-attr]
        assert index.get(begun) is not None
        assert count.total <= 50


def test_a_run_with_a_long_log_is_looked_at_between_listings() -> None:
    """However many entries it has: a listing that shows a part of its log shows the newest."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    [run] = put_runs(bucket, 1, "live", 300)
    seconds = [0.0]
    store._location.ticks = lambda: seconds[0]
    with store.runs.index() as index:
        index.refresh()
        other = tiny_store(bucket, create=False, seed=5).runs.get(run)
        other.set_tag("later", "yes")
        other.flush()
        index._due, seconds[0] = 1e9, 100.0
        index.page()
        index.close()
        assert index.get(run).tags["later"] == "yes"  # type: ignore[union-attr]


def test_who_reads_while_a_run_changes_finds_it(store: Store) -> None:
    """As it was, or as it is: never is it missing for a moment."""
    put_runs(store._location.bucket, 1)
    with store.runs.index() as index:
        index.refresh()
        run = index.page().records[0]

        class Looked(dict[str, str]):
            def values(self) -> Any:
                assert index.get(run.run_id) is not None
                assert index.page().total == 1
                return super().values()

        index._rows.put(b"later", replace(run, tags=Looked(run.tags)))
        assert [found.run_id for found in index.page().records] == [run.run_id]


def test_what_is_known_to_be_purged_is_not_remembered(tmp_path: Path) -> None:
    """Nor is an older state shown in place of a newer one, though a catalog told of it once."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    put_runs(bucket, 60)
    store.maintenance.catalog()
    known = tiny_store(bucket, create=False, seed=2)
    known._location.cache = tmp_path
    gone, changed = (record.info.run_id for record in known.runs.search(limit=2))
    store.runs.get(changed).set_tag("later", "yes")
    store.runs.get(changed).flush()
    store.maintenance.discard(gone)
    known.runs.search()
    remembered = {one.run_id: one for _, one in Memory(tmp_path, known._location.descriptor.store).each()}
    assert gone not in remembered
    assert remembered[changed].tags["later"] == "yes"


def test_the_runs_of_an_experiment_are_not_those_of_the_newest_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of some experiments waits for all that is remembered, as one with a filter does."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    old = store.runs.start(experiment="old", start_time=0)
    put_runs(bucket, NEWEST + 5)
    known = tiny_store(bucket, create=False)
    known._location.cache = tmp_path
    with known.runs.index() as index:
        index.refresh()
    remembered = Filling.remembered
    monkeypatch.setattr(Filling, "remembered", lambda self: [threading.Event().wait(0.5), remembered(self)])
    known = tiny_store(slow := Slow(bucket.objects), create=False)
    known._location.cache = tmp_path
    with known.runs.index() as index:
        assert index.page(experiments=[old.info.experiment_id]).total == 1
        slow.may_list.set()


def test_runs_that_are_gone_are_no_longer_shown() -> None:
    """A purge and a deletion are seen by the next listing."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    gone, deleted, kept = (store.runs.start() for _ in range(3))
    with store.runs.index() as index:
        index.refresh()
        store.maintenance.discard(gone.id)
        deleted.delete()
        index.refresh()
        assert [run.run_id for run in index.page().records] == [kept.id]
        assert {run.run_id for run in index.page(stage=None).records} == {kept.id, deleted.id}


def test_what_goes_wrong_is_said_where_nothing_is_known() -> None:
    """And where something is, that is shown, as of then."""
    bucket = MemoryBucket()
    put_runs(tiny_store(bucket)._location.bucket, 3)
    store = tiny_store(refusing := Refusing(bucket.objects), create=False)
    with store.runs.index() as index, pytest.raises(AccessDeniedError):
        index.page()
    refusing.refuses = False
    seconds = [0.0]
    store._location.ticks = lambda: seconds[0]
    with store.runs.index() as index:
        index.refresh()
        refusing.refuses, seconds[0] = True, 1000.0
        assert index.page().total == 3


class Refusing(MemoryBucket):
    """A bucket that lists nothing."""

    refuses = True

    def __init__(self, objects: dict[str, bytes]) -> None:
        super().__init__("refusing", objects)

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        if self.refuses:
            raise AccessDeniedError(self.url, prefix, "not allowed")
        return super().list(prefix, limit=limit)


def test_a_run_that_was_cut_is_shown_whole() -> None:
    """Beyond the room of an index it is found by its name and times, and read when it is shown."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    put_runs(bucket, 5)
    store.runs.start(name="large", start_time=1_900_000_000_000).log_param("a", "b")
    with RunIndex(store._location, store.runs.flush, store.runs._holding, most=3_000) as index:
        index.refresh()
        page = index.page(limit=1)
        assert (page.listed, page.cut > 0) == (6, True)
        assert page.records[0].params == {"a": "b"}


def test_threads_ask_at_once() -> None:
    """However many pages are asked for at first, the store is listed once."""
    bucket = MemoryBucket()
    put_runs(tiny_store(bucket)._location.bucket, 50)
    store, count = counting(bucket)
    with store.runs.index() as index, ThreadPoolExecutor(8) as threads:
        pages = list(threads.map(lambda _: index.page(), range(24)))
    assert {page.total for page in pages} == {50}
    assert count.requests["get"] <= 60
