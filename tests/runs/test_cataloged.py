"""Searching by a catalog: few requests, and never another answer than the logs give."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from tests.support.runlogs import put_runs
from tests.support.stores import tiny_store

import holdall
from holdall.format.catalog import CatalogBuilder, CatalogRow, parse_block, parse_header
from holdall.format.layout import CATALOG, catalog_key
from holdall.runs.cataloging import Cataloging
from holdall.runs.index import each_run
from holdall.runs.search import RunSummary
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store

MANY = 80


@pytest.fixture
def bucket() -> MemoryBucket:
    bucket = MemoryBucket()
    put_runs(tiny_store(bucket)._location.bucket, MANY)
    return bucket


def catalogs(bucket: MemoryBucket) -> list[str]:
    return sorted(key for key in bucket.objects if key.startswith("catalog/"))


def opened(bucket: MemoryBucket, count: RequestCounter | None = None, **more: Any) -> Store:
    store = tiny_store(TraceBucket(bucket, count) if count else bucket, create=False, seed=random.randrange(2**32))
    for name, value in more.items():
        setattr(store._location, name, value)
    return store


def told(store: Store) -> list[str]:
    return [repr(record) for record in store.runs.search()]


def rows_in(data: bytes) -> list[CatalogRow]:
    blocks = parse_header(data, "it").blocks[1:]
    return [row for block in blocks for row in parse_block(data[block.start : block.stop], block, "it")]


def forge(bucket: MemoryBucket, change: Any) -> None:
    """Put another catalog in the place of the one that is there."""
    (key,) = catalogs(bucket)
    rows = [change(row) for row in rows_in(bucket.objects.pop(key))]
    builder = CatalogBuilder()
    builder.add(rows)
    bucket.put(key, builder.finish(rows[:5], 1, "forged", 1))


def test_a_search_reads_the_catalog_instead_of_each_log(bucket: MemoryBucket) -> None:
    """The same answer for a handful of requests; without one it is a GET for each run."""
    without = told(opened(bucket, count := RequestCounter()))
    assert count.requests["get"] == MANY + 1
    report = opened(bucket).maintenance.catalog()
    assert (report.runs, report.changed, report.written) == (MANY, MANY, True)
    assert told(opened(bucket, count := RequestCounter())) == without
    assert count.total <= 6  # descriptor, listing, catalog's listing, its object, one run that is tried


def test_what_was_told_is_remembered_apart(bucket: MemoryBucket, tmp_path: Any) -> None:
    """The second search asks no catalog; and what decides of keeping and deleting reads the logs all the same."""
    opened(bucket).maintenance.catalog()
    told(opened(bucket, cache=tmp_path))
    told(opened(bucket, count := RequestCounter(), cache=tmp_path))
    assert count.total <= 3
    opened(bucket, count := RequestCounter(), cache=tmp_path).maintenance.due()
    assert count.requests["get"] >= MANY


def test_a_run_that_went_on_is_read_from_its_log(bucket: MemoryBucket) -> None:
    """Its row is of another entry than the newest, and counts for nothing."""
    opened(bucket).maintenance.catalog()
    store = opened(bucket)
    run = store.runs.get(store.runs.search()[7].info.run_id)
    run.set_tag("later", "yes")
    run.flush()
    new = opened(bucket).runs.start(name="new").id
    found = {record.info.run_id: record for record in opened(bucket).runs.search()}
    assert found[run.id].data.tags["later"] == "yes"
    assert len(found) == MANY + 1
    assert found[new].info.run_name == "new"


@pytest.mark.parametrize(
    "change",
    [
        lambda row: replace(row, metrics={"metric0": [9.0, 0, 0, 1]}),
        lambda row: replace(row, params={}),
        lambda row: replace(row, tags=dict(row.tags) | {"a": "b"}),
        lambda row: replace(row, deleted=True),
    ],
)
def test_a_forged_catalog_is_found_out(bucket: MemoryBucket, change: Any, caplog: pytest.LogCaptureFixture) -> None:
    """One row of each part is held against its log; where that says otherwise, all logs are read, and it is said."""
    opened(bucket).maintenance.catalog()
    without = told(opened(bucket))
    forge(bucket, change)
    assert told(opened(bucket)) == without
    assert "searching without the catalog" in caplog.text


def test_a_metric_that_is_no_number_discredits_no_catalog(
    bucket: MemoryBucket, caplog: pytest.LogCaptureFixture
) -> None:
    """NaN equals nothing, and is what the log says all the same: a catalog that says so is believed."""
    for key in [key for key in bucket.objects if key.startswith("runs/")]:
        del bucket.objects[key]
    for _ in range(48):
        with opened(bucket).runs.start() as run:
            run.log_metrics({"loss": math.nan, "high": math.inf, "zero": -0.0}, step=2**63 - 1)
    without = told(opened(bucket))
    opened(bucket).maintenance.catalog()
    assert told(opened(bucket, count := RequestCounter())) == without
    assert count.total <= 6
    assert not caplog.text


def test_who_trusts_no_writer_reads_no_catalog(bucket: MemoryBucket) -> None:
    """Where all that is shared is verified, a catalog is not asked for."""
    opened(bucket).maintenance.catalog()
    store = opened(bucket, count := RequestCounter())
    store._location.verifier.verify_all = True
    told(store)
    assert count.requests["get"] == MANY + 1


@pytest.mark.parametrize("wrong", [b"", b"HOLDCAT2" + bytes(100), b"nonsense" * 100])
def test_a_damaged_catalog_is_done_without(
    bucket: MemoryBucket, wrong: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    """It costs requests and a warning; a check names it, and finds the store intact all the same."""
    without = told(opened(bucket))
    bucket.put(catalog_key(3), wrong)
    assert told(opened(bucket)) == without
    assert "searching without the catalog" in caplog.text
    found = opened(bucket).maintenance.check(quick=True)
    assert [problem.where for problem in found.problems if problem.harmless] == [catalog_key(3)]
    report = opened(bucket).maintenance.catalog()
    assert report.written
    assert catalogs(bucket) == [catalog_key(4)]


def test_a_flipped_bit_anywhere_gives_no_other_answer(bucket: MemoryBucket) -> None:
    """Whatever byte of it is wrong, the search is as without it."""
    opened(bucket).maintenance.catalog()
    (key,), without = catalogs(bucket), told(opened(bucket))
    whole = bucket.objects[key]
    for at in range(3, len(whole), len(whole) // 12):
        bucket.objects[key] = whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :]
        assert told(opened(bucket)) == without


def test_the_newer_of_two_writers_stays(bucket: MemoryBucket) -> None:
    """Numbers are drawn first: who began before another ended, and has its number or a lower one, drops its work."""
    store = opened(bucket)
    slow, slower = Cataloging.begin(store._location), Cataloging.begin(store._location)
    runs = [(found.summary, found.head) for found in each_run(store._location, None) if found.summary]
    assert slow.write(runs).written
    assert not slower.write(runs).written
    assert opened(bucket).maintenance.catalog().written
    bucket.objects.pop(catalog_key(0), None)
    assert not slower.write(runs).written
    assert catalogs(bucket) == [catalog_key(1)]


def test_nothing_of_a_purged_run_stays_in_a_catalog(bucket: MemoryBucket) -> None:
    """Also if a catalog is on its way that was begun before the purge, and ends after it."""
    store = opened(bucket)
    with store.runs.start(name="secret") as run:
        run.log_param("token", "hunter2")
    store.maintenance.catalog()
    slow = Cataloging.begin(store._location)
    runs: list[tuple[RunSummary, Any]] = [
        (found.summary, found.head) for found in each_run(store._location, None) if found.summary
    ]
    store.maintenance.purge(run.id)
    assert not slow.write(runs).written
    assert catalogs(bucket) == [catalog_key(1)]
    assert rows_in(bucket.objects[catalog_key(1)]) == []
    assert run.id not in {record.info.run_id for record in opened(bucket).runs.search()}
    store.maintenance.gc(delay=0)
    assert run.id not in {row.run for row in rows_in(bucket.objects[catalogs(bucket)[0]])}


def test_a_collection_writes_one_where_many_runs_are_new(bucket: MemoryBucket) -> None:
    """And no other until there are many again; a dry run says so, and writes none."""
    assert opened(bucket).maintenance.gc(dry_run=True).cataloged == MANY
    assert catalogs(bucket) == []
    assert opened(bucket).maintenance.gc().cataloged == MANY
    assert opened(bucket).maintenance.gc().cataloged is None
    put_runs(bucket, MANY, seed=2)
    assert opened(bucket).maintenance.gc().cataloged == 2 * MANY
    assert len(catalogs(bucket)) == 1


def test_a_collection_takes_a_discarded_run_out(bucket: MemoryBucket) -> None:
    """What was purged otherwise, as by an older version, is out of the catalog with the next collection."""
    store = opened(bucket)
    run = store.runs.start(name="discarded")
    run.finish()
    store.maintenance.catalog()
    store.maintenance.discard(run.id)
    assert run.id in {row.run for row in rows_in(bucket.objects[catalogs(bucket)[0]])}
    store.maintenance.gc(delay=0)
    assert run.id not in {row.run for row in rows_in(bucket.objects[catalogs(bucket)[0]])}


def test_a_copy_takes_no_catalog_along(bucket: MemoryBucket) -> None:
    """It tells of another store's objects; the copy's own collection writes one."""
    opened(bucket).maintenance.catalog()
    url = f"memory://{random.randbytes(8).hex()}"
    opened(bucket).maintenance.copy_to(url)
    copied = holdall.open(url)
    assert not list(copied._location.bucket.list(CATALOG))
    assert len(copied.runs.search()) == MANY
