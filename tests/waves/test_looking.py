"""How many requests what looks at many runs waits for, one after the other, and how many it makes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from click.testing import CliRunner
from tests.support.runlogs import put_runs
from tests.support.waves import LatentBucket, counted, in_flight

from holdall.chunks.pool import Pool
from holdall.format.layout import experiment_id
from holdall.store import Store
from holdall.surfaces.cli.run import run
from holdall.trees.location import Location

DEFAULT = experiment_id("Default")
Look = Callable[[Store], object]


def store_at(bucket: LatentBucket, cache: Path | None = None) -> Store:
    """A store as a process opens it that has done nothing yet."""
    inside = bucket if cache else bucket.inner
    return Store(Location(inside, Pool(), lambda: 0, os.urandom, lambda _: None, "holdall test", cache=cache))


def search(store: Store) -> object:
    return store.runs.search()


def search_files(store: Store) -> object:
    return store.runs.search("artifacts.path LIKE 'none%'")


def stats(store: Store) -> object:
    return store.maintenance.stats()


def du(store: Store) -> object:
    return store.maintenance.du()


def check(store: Store) -> object:
    return store.maintenance.check(quick=True)


def run_list(store: Store) -> object:
    """As `holdall run list -e Default` does."""
    found = CliRunner().invoke(run, ["list", "-e", "Default"], obj=lambda *_: store)
    assert found.exit_code == 0, found.output
    return found


class Row(NamedTuple):
    """A verb, the runs it looks at, and what it costs. `again`: whether it is counted the second time."""

    look: Look
    kind: str
    runs: int
    entries: int
    waves: int
    requests: int
    again: bool = False


ROWS = [
    Row(search, "finished", 100, 3, 6, 104),  # of 48 runs and more, a catalog is asked for
    Row(search, "finished", 100, 3, 1, 2, again=True),
    Row(search, "touched", 100, 4, 9, 204),
    Row(search, "live", 24, 9, 8, 219),
    Row(search, "live", 24, 9, 1, 2, again=True),
    Row(search_files, "finished", 100, 3, 20, 306),
    Row(run_list, "finished", 100, 3, 3, 4, again=True),
    Row(stats, "finished", 100, 3, 6, 103),
    Row(stats, "touched", 100, 4, 9, 203),
    Row(stats, "live", 24, 9, 9, 219),
    Row(du, "finished", 100, 3, 6, 103),
    Row(du, "live", 24, 9, 9, 219),
    Row(check, "finished", 100, 3, 16, 308),
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.look.__name__} {row.kind}{' again' * row.again}")
@pytest.mark.every(3)
def test_looking_at_many_runs_waits_for_so_many_requests(row: Row, tmp_path: Path) -> None:
    """Entries of many runs are under way at once, however many each one needs."""
    bucket = LatentBucket()
    store_at(bucket).runs.start().finish()
    put_runs(bucket.inner, row.runs, row.kind, row.entries)
    if row.again:
        row.look(store_at(bucket, tmp_path))
    cost = counted(bucket, lambda: row.look(store_at(bucket, tmp_path)))
    assert (cost.waves, len(cost.requests)) == (row.waves, row.requests), str(cost)
    assert in_flight(cost.requests) <= 32
