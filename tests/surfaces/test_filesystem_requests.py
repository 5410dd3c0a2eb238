"""What the file system asks of a bucket: at most one request more than the verb of a run that does the same."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet
import pytest
from tests.support.filesystems import filesystem_of
from tests.support.stores import entropy, tiny_store

from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Run, RunSnapshot, Store
from holdall.surfaces.filesystem import HoldallFileSystem

PARTS = 9
ROWS = 1000


class World:
    """A run with a data set of nine files, and a file of many packs."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        run = tiny_store(self.bucket).runs.start(paths="versioned")
        for n in range(PARTS):
            file = io.BytesIO()
            pa.parquet.write_table(pa.table({"a": range(n * ROWS, (n + 1) * ROWS)}), file, compression="none")
            run.log_stream(io.BytesIO(file.getvalue()), f"ds/part-{n}.parquet")
        run.log_stream(io.BytesIO(entropy(1)(100_000)), "large")
        run.log_text("all is well", "notes.txt")
        run.finish()
        self.id, self.root = run.id, f"runs/{run.id}"

    def reader(self) -> tuple[Store, RequestCounter]:
        asked = RequestCounter()
        return tiny_store(TraceBucket(self.bucket, asked), seed=1, create=False), asked


@pytest.fixture(scope="module")
def world() -> World:
    return World()


Fs = HoldallFileSystem
VERBS: dict[str, tuple[Callable[[Fs, str, Path], Any], Callable[[Run, Path], Any]]] = {
    "info": (lambda fs, root, _: fs.info(f"{root}/notes.txt"), lambda run, _: run.entry("notes.txt")),
    "exists": (lambda fs, root, _: fs.exists(f"{root}/missing"), lambda run, _: run.state),
    "isdir": (lambda fs, root, _: fs.isdir(f"{root}/ds"), lambda run, _: list(run.entries("ds"))),
    "ls": (lambda fs, root, _: fs.ls(root), lambda run, _: list(run.entries())),
    "find": (lambda fs, root, _: fs.find(root), lambda run, _: list(run.entries())),
    "walk": (lambda fs, root, _: list(fs.walk(root)), lambda run, _: list(run.entries())),
    "glob": (lambda fs, root, _: fs.glob(f"{root}/**/*.parquet"), lambda run, _: list(run.entries())),
    "du": (lambda fs, root, _: fs.du(root), lambda run, _: list(run.entries())),
    "ukey": (lambda fs, root, _: fs.ukey(f"{root}/large"), lambda run, _: run.entry("large")),
    "cat": (lambda fs, root, _: fs.cat(f"{root}/large"), lambda run, _: run.read("large")),
    "cat_file, a slice": (
        lambda fs, root, _: fs.cat_file(f"{root}/large", 10, 50),
        lambda run, _: run.read_ranges("large", [(10, 50)]),
    ),
    "cat_ranges": (
        lambda fs, root, _: fs.cat_ranges([f"{root}/large"] * 3, [0, 50_000, 99_000], [10, 50_010, 99_010]),
        lambda run, _: run.read_ranges("large", [(0, 10), (50_000, 50_010), (99_000, 99_010)]),
    ),
    "open": (lambda fs, root, _: fs.open(f"{root}/large").read(10), lambda run, _: run.open("large").read(10)),
    "get_file": (
        lambda fs, root, to: fs.get_file(f"{root}/large", str(to / "large")),
        lambda run, to: run.download("large", to),
    ),
    "get": (
        lambda fs, root, to: fs.get(f"{root}/ds", str(to / "ds"), recursive=True),
        lambda run, to: run.download("ds", to),
    ),
    "pipe": (lambda fs, root, _: fs.pipe(f"{root}/new", b"new"), lambda run, _: run.log_bytes(b"new", "new")),
    "open to write": (lambda fs, root, _: _write(fs, f"{root}/new"), lambda run, _: run.log_bytes(b"new", "new")),
    "put_file": (lambda fs, root, _: fs.put_file(__file__, f"{root}/new"), lambda run, _: run.log_artifact(__file__)),
    "rm": (lambda fs, root, _: fs.rm(f"{root}/notes.txt"), lambda run, _: run.delete_artifact("notes.txt")),
}
WRITE = {"pipe", "open to write", "put_file", "rm"}


def _write(fs: Fs, path: str) -> None:
    with fs.open(path, "wb") as file:
        file.write(b"new")


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_costs_what_it_costs_by_a_run(verb: str, tmp_path: Path) -> None:
    """And one request more at most, of a store that this process has not asked before."""
    by_fs, by_run = VERBS[verb]
    costs = []
    for n, world in enumerate((World(), World()) if verb in WRITE else (WORLD, WORLD)):
        store, asked = world.reader()
        (tmp_path / str(n)).mkdir()
        if n:
            by_run(store.runs.get(world.id), tmp_path / str(n))
        else:
            with filesystem_of(store) as fs:
                by_fs(fs, world.root, tmp_path / str(n))
        costs.append(asked.total)
    assert costs[0] <= costs[1] + (2 if verb == "rm" else 1), "removing looks first whether it is a directory"


WORLD = World()


def _by_handles(run: Run, read: Callable[[Run | RunSnapshot, str], object]) -> None:
    for path in run.manifest:
        run.entry(path)
        read(run, path)


def test_a_data_set_is_counted_in_few_requests(world: World) -> None:
    """Nine files of it are opened and asked for their size again and again; the log and the tree are read once."""
    store, asked = world.reader()
    with filesystem_of(store) as fs:
        dataset = pyarrow.dataset.dataset(f"{world.root}/ds", filesystem=fs)
        assert dataset.count_rows() == PARTS * ROWS
    by_view = asked.requests["list"] + asked.requests["get"]
    assert by_view <= 12, "the descriptor, and the run's log"
    assert asked.requests["list"] == 1
    assert asked.total <= by_view + 4 * PARTS
    with filesystem_of(store) as fs:
        asked.clear()
        assert dataset.to_table()["a"].to_numpy().sum() == sum(range(PARTS * ROWS))
    assert asked.requests["list"] == 0
