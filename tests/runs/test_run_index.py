"""An index of all runs in memory: what pages show, and what they cost."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.runlogs import put_runs
from tests.support.stores import tiny_store

from holdall.errors import InvalidArgumentError, InvalidFilterError, StoreNotFoundError
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store


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
