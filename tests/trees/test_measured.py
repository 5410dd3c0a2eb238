"""Series of measurements: few requests however many entries hold them, and what entries say is what counts."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.support.stores import Serial, tiny_store

from holdall.errors import FormatError
from holdall.format.entry import encode_entry, parse_entry
from holdall.format.layout import log_key, run_log
from holdall.format.reference import JSON_BLOB
from holdall.format.sealing import PLAIN
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.trees import measured
from holdall.trees.snapshot import InlineBlobs


def logged(bucket: MemoryBucket, entries: int, *, end: bool = True) -> Run:
    """A run with a measurement of `loss` in each of so many entries, and one of `seldom` in every hundredth."""
    run = tiny_store(bucket, pool=Serial()).runs.start()
    for n in range(entries):
        run.log_metrics({"loss": n / 7} | ({"seldom": n} if n % 100 == 0 else {}), step=n)
        run.flush()
    if end:
        run.finish()
    return run


def history(bucket: MemoryBucket, run: Run, key: str = "loss") -> tuple[list[int], int]:
    """The steps of a series, and how many requests it took to read them."""
    count = RequestCounter()
    store = tiny_store(TraceBucket(bucket, count), create=False, seed=9, pool=Serial())
    return [point.step for point in store.runs.get(run.id).history(key)], count.total


def test_a_series_of_many_entries_is_read_in_few_requests() -> None:
    """Blocks are put together sixteen at a time, so 2,500 entries are some twenty requests, and 10^4 some thirty."""
    bucket = MemoryBucket()
    run = logged(bucket, 2500)
    steps, requests = history(bucket, run)
    assert steps == list(range(2500))
    assert requests <= 20
    assert history(bucket, run, "seldom")[0] == list(range(0, 2500, 100))
    assert history(bucket, run, "never")[0] == []
    assert [block.level for block in run.state.series] == [1, 1, *[0] * 8]
    assert tiny_store(bucket, create=False).maintenance.check().problems == []


@pytest.mark.parametrize("entries", [0, 1, 3, 4, 62, 63, 64, 65, 130])
def test_a_run_that_goes_on_tells_all_of_it(entries: int) -> None:
    """What comes after the last checkpoint is taken from where that was read anyway."""
    bucket = MemoryBucket()
    run = logged(bucket, entries, end=False)
    steps, requests = history(bucket, run)
    assert steps == list(range(entries))
    assert requests <= 3 + entries % 64 + entries // 64


def test_who_goes_on_with_a_run_goes_on_with_its_blocks() -> None:
    """Another process puts together what it adds, and leaves what is there."""
    bucket = MemoryBucket()
    run = logged(bucket, 70)
    again = tiny_store(bucket, create=False, seed=5).runs.resume(run.id)
    for n in range(70, 90):
        again.log_metrics({"loss": n}, step=n)
        again.flush()
    again.finish()
    steps, requests = history(bucket, run)
    assert steps == list(range(90))
    assert requests <= 8
    assert tiny_store(bucket, create=False).maintenance.check().problems == []


def test_a_writer_that_knows_no_blocks_leaves_a_gap_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between blocks, and behind the last one, entries are read themselves; check finds that right."""
    bucket = MemoryBucket()
    run = tiny_store(bucket).runs.start()
    for n in range(200):
        if n == 70:
            monkeypatch.setattr(measured, "_WORTH", 1 << 30)
        if n == 135:
            monkeypatch.undo()
        run.log_metrics({"loss": n}, step=n)
        run.flush()
    run.finish()
    assert [(block.first, block.last) for block in run.state.series] == [(0, 63), (128, 191), (192, 200)]
    assert history(bucket, run)[0] == list(range(200))
    assert tiny_store(bucket, create=False).maintenance.check().problems == []


@pytest.mark.parametrize("how", ["gone", "flipped", "another blob"])
def test_a_lost_block_is_no_lost_series(how: str) -> None:
    """Where the entry that carries a block is gone or damaged, or carries something else, its entries are read."""
    bucket = MemoryBucket()
    run = logged(bucket, 300)
    first = run.state.series[0]
    key = log_key(run_log(run.id), 64)
    assert (first.first, first.last, measured._entry_of(first)) == (0, 63, 64)
    if how == "gone":
        del bucket.objects[key]
    elif how == "flipped":
        bucket.objects[key] = bucket.objects[key].replace(b'"data":"', b'"data":"AAAA', 1)
    else:
        entry = parse_entry(bucket.objects[key], run_log(run.id), 64)
        bucket.objects[key] = encode_entry(replace(entry, blobs=entry.blobs[:-1]))
    steps, requests = history(bucket, run)
    assert steps == list(range(300))
    assert requests > 63, "the block's entries were read"


def test_check_finds_a_block_that_says_otherwise() -> None:
    """A block is held against the entries that it puts together."""
    bucket = MemoryBucket()
    run = logged(bucket, 20)
    n = max(entry.n for entry in [run._view().head] if entry)
    key = log_key(run_log(run.id), n)
    entry = parse_entry(bucket.objects[key], run_log(run.id), n)
    state = json.loads(json.dumps(entry.state))
    columns = {"loss": [[0.0], [0], [0]]}
    blobs = list(entry.blobs)
    ref = InlineBlobs(blobs, PLAIN).place(json.dumps(columns).encode(), JSON_BLOB)
    state["series"][0]["points"] = ref.carried_by(n).to_json()
    bucket.objects[key] = encode_entry(replace(entry, blobs=tuple(blobs), state=state))
    (problem,) = tiny_store(bucket, create=False).maintenance.check().problems
    assert "its series is not what its entries say" in problem.detail


def test_a_block_of_entries_that_come_after_its_checkpoint_is_damage() -> None:
    """Those are read as well, so their measurements would be there twice."""
    bucket = MemoryBucket()
    run = logged(bucket, 140, end=False)
    log = run_log(run.id)
    entry = parse_entry(bucket.objects[log_key(log, 128)], log, 128)
    state = json.loads(json.dumps(entry.state))
    state["series"][-1]["last"] = 130
    state["series"][-1]["points"]["entry"] = 135
    prev = entry.prev
    for n in range(128, 141):
        entry = parse_entry(bucket.objects[log_key(log, n)], log, n)
        made = encode_entry(replace(entry, prev=prev, state=state if n == 128 else entry.state))
        bucket.objects[log_key(log, n)] = made
        prev = parse_entry(made, log, n).sha256
    with pytest.raises(FormatError, match="entry 128: its series has a block of entries that come after it"):
        history(bucket, run)
    (problem,) = tiny_store(bucket, create=False).maintenance.check().problems
    assert "come after it" in problem.detail
