"""How many requests each verb that writes waits for, one after the other, and how many it makes."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import pytest
from tests.support.waves import LatentBucket, counted

from holdall.chunks.pool import Pool
from holdall.format.records import Descriptor
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.location import Location
from holdall.trees.source import bytes_item

MIB = 1 << 20
PACK = 4 * MIB  # an eighth of the usual, so that an eighth of a large file's bytes make as many packs
NOISE = random.Random(13).randbytes(100 * MIB // 8)
LIKE = replace(Descriptor("0" * 32, 0), pack_size=PACK)
SMALL = [bytes_item(f"data/{n:03}.bin", NOISE[n << 12 : (n + 1) << 12]) for n in range(200)]
HERE = {
    "process": {"source_type": "LOCAL", "entry_script": None, "command": ["train.py"]},
    "repository": None,
    "host": {"user": "ada"},
}
Work = Callable[[], object]


def store_at(bucket: LatentBucket | MemoryBucket) -> Store:
    """A store as a process opens it that has done nothing yet."""
    location = Location(bucket, Pool(), lambda: 0, os.urandom, lambda _: None, "holdall test", lambda: HERE)
    return Store(location)


def written(bucket: LatentBucket) -> Store:
    """A store that another process has written to."""
    _made(bucket).runs.start().finish()
    return store_at(bucket)


def _made(bucket: LatentBucket) -> Store:
    """The store of another process, which makes it if there is none."""
    store = store_at(bucket.inner)
    if not bucket.inner.objects:
        store._location.create(LIKE)
    return store


def first_opening(bucket: LatentBucket) -> Work:
    return lambda: store_at(bucket).runs.start()


def start(bucket: LatentBucket) -> Work:
    store = written(bucket)
    return lambda: store.runs.start()


def start_new_experiment(bucket: LatentBucket) -> Work:
    store = written(bucket)
    return lambda: store.runs.start(experiment="new")


def log_small_files(bucket: LatentBucket) -> Work:
    run = written(bucket).runs.start(experiment="new")
    return lambda: run._log_items(SMALL)


def log_small_files_behind_a_run(bucket: LatentBucket) -> Work:
    run = written(bucket).runs.start()
    return lambda: run._log_items(SMALL)


def log_large_file(bucket: LatentBucket) -> Work:
    run = written(bucket).runs.start(experiment="new")
    return lambda: run.log_stream(io.BytesIO(NOISE), "model.bin")


def log_large_file_behind_a_run(bucket: LatentBucket) -> Work:
    run = written(bucket).runs.start()
    return lambda: run.log_stream(io.BytesIO(NOISE), "model.bin")


def log_large_file_again(bucket: LatentBucket) -> Work:
    before = _made(bucket).runs.start()
    before.log_stream(io.BytesIO(NOISE), "model.bin")
    before.finish()
    run = written(bucket).runs.start()
    return lambda: run.log_stream(io.BytesIO(NOISE), "model.bin")


def log_small_file(bucket: LatentBucket) -> Work:
    run = written(bucket).runs.start()
    return lambda: run.log_bytes(b"all is well", "report.txt")


def log_small_file_to_a_run_that_is_there(bucket: LatentBucket) -> Work:
    before = _made(bucket).runs.start()
    before.finish()
    run = written(bucket).runs.get(before.id)
    return lambda: run.log_bytes(b"all is well", "report.txt")


def finish(bucket: LatentBucket) -> Work:
    run = written(bucket).runs.start()
    run.log_bytes(b"all is well", "report.txt")
    return run.finish


def log_model(bucket: LatentBucket) -> Work:
    store = written(bucket)
    run = store.runs.start()
    return lambda: store.models.log(run, lambda model_input: model_input, "model", pip_requirements=[])


def register_new(bucket: LatentBucket) -> Work:
    uri = a_model(bucket)
    store = written(bucket)
    return lambda: store.registry.register(uri, "fraud")


def register_second(bucket: LatentBucket) -> Work:
    uri = a_model(bucket)
    store_at(bucket.inner).registry.register(uri, "fraud")
    store = written(bucket)
    return lambda: store.registry.register(uri, "fraud")


def a_model(bucket: LatentBucket) -> str:
    """The address of a model in a run that has ended."""
    run = _made(bucket).runs.start()
    run.log_bytes(b"weights", "model/weights.bin")
    run.finish()
    return f"runs:/{run.id}/model"


class Row(NamedTuple):
    """What a verb costs at the most. `prepare` does what comes before, and returns the verb."""

    prepare: Callable[[LatentBucket], Work]
    waves: int
    requests: int


ROWS = [
    Row(first_opening, 12, 65),
    Row(
        start, 3, 4
    ),  # not 2: the canary says that the bucket is safe before anything is written (SPEC.md, "Committing")
    Row(start_new_experiment, 4, 5),
    Row(log_small_file, 1, 1),
    Row(log_small_file_to_a_run_that_is_there, 5, 5),  # two of them open the store
    Row(log_small_files, 3, 9),
    # Two more: where hints find nothing, the run before is asked for the paths, a listing and its newest entry. Beside
    # the hints they would cost these two requests, too, where hints find all.
    Row(log_small_files_behind_a_run, 5, 11),
    Row(log_large_file, 6, 36),
    Row(log_large_file_behind_a_run, 8, 38),
    # Not 5: the footer behind the first is asked for when the stream comes to its end, and only then those ahead of
    # it. Asked for beside the first they would be two requests in vain for each file of one pack.
    Row(log_large_file_again, 7, 15),
    Row(finish, 1, 1),
    Row(log_model, 1, 1),
    Row(register_new, 6, 10),
    Row(register_second, 6, 11),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.prepare.__name__)
@pytest.mark.every(3)
def test_a_verb_waits_for_so_many_requests_at_most(row: Row) -> None:
    """A verb's longest chain of requests has no more of them than the table says, and it makes no more of them."""
    cost = counted(bucket := LatentBucket(), row.prepare(bucket))
    assert cost.waves <= row.waves, str(cost)
    assert len(cost.requests) <= row.requests, str(cost)
