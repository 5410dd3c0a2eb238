"""A store is copied while four write to it, in real folders: each copy is intact, and the next takes what is new."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.copied import Pair, known, noise, opened, pair
from tests.support.logs import packs_in
from tests.support.stores import tiny_location

from holdall.format.layout import RUNS, PackName, generation_key, parse_key
from holdall.format.records import encode_generation
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.journal import Journal
from holdall.trees.log import next_entry
from holdall.trees.view import View

WRITERS, RUNS_EACH = 4, 4
BASE = noise(150_000)


def write(url: str, writer: int, began: threading.Barrier) -> None:
    """Log runs that share most of their content, go on with them, and register versions."""
    store = Store.open(url)
    began.wait()
    for n in range(RUNS_EACH):
        with store.runs.start(experiment=f"of {writer}") as run:
            run.log_bytes(BASE + noise(30_000, 100 * writer + n), "model/weights.bin")
            for step in range(3):
                run.log_metric("loss", 1 / (step + 1), step=step)
                run.log_bytes(noise(2_000, step), f"model/{step}.txt")
        store.registry.register(f"runs:/{run.id}/model", f"model {writer % 2}")
        store.registry.set_alias(f"model {writer % 2}", "newest", 1)


def pack_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "packs").rglob("*") if path.is_file())


@pytest.mark.long
def test_a_store_is_copied_while_four_write_to_it(tmp_path: Path) -> None:
    """Copies made meanwhile are intact and hold what they hold whole; at last all is there, and nothing goes twice."""
    live, copy = tmp_path / "live", tmp_path / "copy"
    Store.open(str(live)).maintenance.create()
    began = threading.Barrier(WRITERS + 1)
    with ThreadPoolExecutor(WRITERS) as threads:
        writers = [threads.submit(write, str(live), writer, began) for writer in range(WRITERS)]
        began.wait()
        rounds = 0
        while rounds < 2 or not all(writer.done() for writer in writers):
            report = Store.open(str(live)).maintenance.copy_to(str(copy))
            assert report.complete, report
            assert Store.open(str(copy)).maintenance.check().problems == []
            rounds += 1
        for writer in writers:
            writer.result()
    source, target = Store.open(str(live)), Store.open(str(copy))
    source.maintenance.copy_to(str(copy))
    ids = source.maintenance.run_ids()
    assert len(ids) == WRITERS * RUNS_EACH
    assert all(known(target.runs.get(id)) == known(source.runs.get(id)) for id in ids)
    assert len(target.registry.search_versions()) == len(ids)
    assert target.maintenance.check().problems == []
    sent = pack_bytes(copy)
    again = Store.open(str(live)).maintenance.copy_to(str(copy))
    assert {run.outcome for run in again.runs} == {"same"}
    assert pack_bytes(copy) == sent
    with source.runs.start(experiment="of 0") as run:
        run.log_bytes(BASE + noise(80_000, 7), "model/weights.bin")
    Store.open(str(live)).maintenance.copy_to(str(copy))
    assert pack_bytes(copy) - sent < 80_000 + 2 * 65_536  # what is new, and the chunk that it begins in


def on_pack(stores: Pair, act: Callable[[], None], *, after: int) -> None:
    """Act once, when the copy has put so many packs."""
    put: list[str] = []

    def look(_: int, moment: str, verb: str, key: str) -> None:
        if (moment, verb) == ("after", "put") and key.startswith("packs/"):
            put.append(key)
            if len(put) == after:
                act()

    stores.there.on = look


def test_a_collector_of_the_destination_that_condemns_what_was_sent_is_obeyed() -> None:
    """A fence that a copy meets makes it send again what is condemned, from the source: nothing refers to it (W4)."""
    stores = pair()
    with stores.source.runs.start() as run:
        run.log_bytes(noise(90_000), "a.bin")
    objects = stores.there.inner
    assert isinstance(objects, MemoryBucket)
    condemned: list[PackName] = []

    def condemn() -> None:
        location = tiny_location(objects, seed=88, create=False)
        names = [parse_key(key) for key in packs_in(objects)]
        condemned.extend(key.pack for key in names if key and key.pack)
        objects.put(generation_key(0, "condemn"), encode_generation(0, "condemn", sorted(condemned)))
        journal = Journal(objects, location.pool, RUNS + run.id)
        from holdall.trees.blobs import RunBlobReader

        view = View.load(RunBlobReader(objects, location.pool, journal))
        assert view
        journal.create(next_entry(location, journal.log, view, [{"op": "fence", "generation": 0}]))

    on_pack(stores, condemn, after=4)
    assert stores.outcomes() == ["new"]
    assert condemned
    for pack in condemned:
        objects.delete(pack.key)
    assert known(stores.copy.runs.get(run.id)) == known(stores.source.runs.get(run.id))


def test_a_run_that_moves_at_the_source_meanwhile_is_looked_at_again() -> None:
    """If a pack of the source is gone when it is asked for, as the run was purged, the run is skipped."""
    stores = pair()
    with stores.source.runs.start() as run:
        run.log_bytes(noise(90_000), "a.bin")
    objects = stores.here.inner
    assert isinstance(objects, MemoryBucket)
    gone: list[str] = []

    def purge(_: int, moment: str, verb: str, key: str) -> None:
        if (moment, verb) == ("before", "get_range") and key.startswith("packs/") and not gone:
            gone.append(key)
            opened(objects).runs.get(run.id).delete()
            for pack in packs_in(objects):
                objects.delete(pack)

    stores.here.on = purge
    (copied,) = stores.run().runs
    assert (copied.outcome, gone != []) == ("skipped", True)
    assert stores.copy.maintenance.check().problems == []


def test_the_second_of_two_runs_that_share_is_not_sent_beside_the_first() -> None:
    """Runs that are copied side by side by several workers send what they share once."""
    stores = pair()
    for n in range(4):
        with stores.source.runs.start() as run:
            run.log_bytes(noise(100_000), f"{n}.bin")
    stores.source.maintenance.copy_to(stores.copy, workers=4)
    assert stores.sent() < 130_000
