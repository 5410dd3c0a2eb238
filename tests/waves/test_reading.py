"""How many requests each verb that reads waits for, one after the other, and how many it makes, in a fresh process."""

from __future__ import annotations

import io
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from tests.support.waves import LatentBucket, counted

from holdall.__main__ import program
from holdall.chunks.pool import Pool
from holdall.format.records import Descriptor
from holdall.storage import schemes
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store
from holdall.trees.location import Location
from holdall.trees.source import bytes_item

MIB = 1 << 20
NOISE = random.Random(14).randbytes(100 * MIB // 8)
LIKE = replace(Descriptor("0" * 32, 0), pack_size=4 * MIB)  # an eighth of the usual packs for an eighth of the bytes
SMALL = [bytes_item(f"data/{n:03}.bin", NOISE[n << 12 : (n + 1) << 12]) for n in range(200)]
ALIAS = "models:/fraud@champion"
NAME = "waves-reading"  # of the bucket, for the command line
Fill = Callable[[Run], object]
Verb = Callable[[Store, str, Path], object]


def store_at(bucket: Bucket) -> Store:
    """A store as a process opens it that has done nothing yet."""
    return Store(Location(bucket, Pool(), lambda: 0, os.urandom, lambda _: None, "holdall test"))


def small_files(run: Run) -> None:
    run._log_items(SMALL)


def large_file(run: Run) -> None:
    run.log_stream(io.BytesIO(NOISE), "model.bin")


def tiny_commits(run: Run) -> None:
    for n in range(60):
        run.log_bytes(NOISE[n * 500 : n * 500 + 500], f"{n:02}.bin")


def little(run: Run) -> None:
    run.log_params({"rate": 0.1})
    run.log_metrics({"loss": 0.5})
    run.log_text("all is well", "report.txt")


def model(run: Run) -> None:
    """A model that is registered while its run goes on, under an alias."""
    store = Store(run._location)
    same = lambda model_input: model_input  # noqa: E731
    store.log_model(run, same, "model", pip_requirements=[], registered_model_name="fraud")
    store.registry.set_alias("fraud", "champion", 1)


class Row(NamedTuple):
    """What a verb costs at the most. `fill` logs into a run that then ends; `verb` reads it."""

    name: str
    fill: Fill
    verb: Verb
    waves: int
    requests: int


ROWS = [
    Row("download many", small_files, lambda store, run, to: store.artifacts.download(f"runs:/{run}", to), 3, 4),
    Row("download large", large_file, lambda store, run, to: store.artifacts.download(f"runs:/{run}", to), 4, 10),
    Row("download tiny commits", tiny_commits, lambda store, run, to: store.runs.get(run).download(None, to), 2, 3),
    Row("read", small_files, lambda store, run, _: store.artifacts.read(f"runs:/{run}/data/007.bin"), 3, 4),
    Row("read little", little, lambda store, run, _: store.artifacts.read(f"runs:/{run}/report.txt"), 3, 4),
    Row("open", large_file, lambda store, run, _: store.artifacts.open(f"runs:/{run}/model.bin").read(1), 4, 5),
    Row("list", small_files, lambda store, run, _: store.artifacts.list(f"runs:/{run}"), 3, 4),
    Row("record", little, lambda store, run, _: store.runs.get(run).record, 2, 3),
    Row("diff", small_files, lambda store, run, _: store.artifacts.diff(f"runs:/{run}", f"runs:/{run}/data"), 3, 7),
    Row("experiment", little, lambda store, _, __: store.experiments.named("Default"), 2, 3),
    Row("inspect model", model, lambda store, _, __: store.models.inspect(ALIAS), 6, 10),
    Row("model info", model, lambda store, _, __: store.model_info(ALIAS), 6, 10),
    Row("load by id", model, lambda store, run, _: store.models.load(f"models:/m-{run}-1"), 3, 4),
    Row("a version", model, lambda store, _, __: store.registry.get_version("fraud", 1), 3, 7),
    Row("load model", model, lambda store, _, __: store.models.load(ALIAS), 6, 10),
]
COMMANDS = [
    Row("run show", little, lambda _, run, __: shell("run", "show", run), 3, 6),
    Row("run manifest", small_files, lambda _, run, __: shell("run", "manifest", run, "--json"), 3, 4),
    Row("run compare", little, lambda _, run, __: shell("run", "compare", run, run), 3, 7),
    Row("artifact get", small_files, lambda _, run, to: shell("artifact", "get", f"runs:/{run}", "-d", to), 3, 4),
    Row("artifact get large", large_file, lambda _, run, to: shell("artifact", "get", f"runs:/{run}", "-d", to), 4, 10),
    Row("artifact list", small_files, lambda _, run, __: shell("artifact", "list", f"runs:/{run}"), 3, 4),
    Row("artifact cat", little, lambda _, run, __: shell("artifact", "cat", f"runs:/{run}/report.txt"), 3, 4),
    Row("artifact diff", little, lambda _, run, __: shell("artifact", "diff", f"runs:/{run}", f"runs:/{run}"), 3, 7),
    Row(
        "artifact get by a short id",
        little,
        lambda _, run, to: shell("artifact", "get", f"runs:/{run[:20]}", "-d", to),
        4,
        5,
    ),
    Row("model get", model, lambda _, __, to: shell("model", "get", ALIAS, "-d", to), 6, 10),
    Row("model show", model, lambda _, __, ___: shell("model", "show", ALIAS), 6, 10),
]


def shell(*words: object) -> None:
    """Run a command that ends well."""
    env = {"HOLDALL_STORE": f"memory://{NAME}", "HOLDALL_CACHE": "off"}
    done = CliRunner().invoke(program, [str(word) for word in words], prog_name="holdall", env=env)
    assert done.exit_code == 0, done.output


@pytest.fixture
def bucket() -> Iterator[LatentBucket]:
    """A bucket that the command line finds, too."""
    found = LatentBucket(MemoryBucket(NAME))
    schemes._memory[NAME] = found
    yield found
    del schemes._memory[NAME]


@pytest.mark.parametrize("row", [*ROWS, *COMMANDS], ids=lambda row: row.name)
@pytest.mark.every(3)
def test_a_verb_waits_for_so_many_requests_at_most(row: Row, bucket: LatentBucket, tmp_path: Path) -> None:
    """A verb's longest chain of requests has no more of them than the table says, and it makes no more of them."""
    writer = store_at(bucket.inner)
    writer._location.create(LIKE)
    run = writer.runs.start()
    row.fill(run)
    run.finish()
    cost = counted(bucket, lambda: row.verb(store_at(bucket), run.id, tmp_path / "to"))
    assert cost.waves <= row.waves, str(cost)
    assert len(cost.requests) <= row.requests, str(cost)
