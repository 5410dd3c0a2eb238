"""A copy of a run is the same run in another store; copying again sends what is new, and overwrites nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.copied import intact, known, noise, opened, pair
from tests.support.faulty import FaultyBucket
from tests.support.logs import entries_of, ops_of, packs_in
from tests.support.stores import tiny_store

from holdall.errors import InvalidArgumentError, RunNotFoundError, StoreNotFoundError
from holdall.format.document import encode_document
from holdall.format.entry import encode_entry, parse_entry
from holdall.format.layout import experiment_id, experiment_log, log_key
from holdall.format.pack import parse_pack
from holdall.format.reference import CHUNK
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


def small(run: Run) -> None:
    run.log_bytes(b"hello", "small.txt")


def large(run: Run) -> None:
    run.log_bytes(noise(70_000), "big.bin")
    run.log_bytes(noise(3_000, 1), "one_chunk.bin")


def many(run: Run) -> None:
    run.log_params({f"p{n}": n for n in range(50)})
    for step in range(200):
        run.log_metric("loss", 1 / (step + 1), step=step)
        run.log_metric("again", float(step % 3))
    run.log_metric("odd", float("nan"))
    run.log_metric("loss", 5.0, step=7)
    run.set_tag("note", "x" * 100)


def nothing(run: Run) -> None:
    """Log nothing."""


def everything(run: Run) -> None:
    for part in (small, large, many):
        part(run)


@pytest.mark.parametrize("fill", [nothing, small, large, many, everything])
@pytest.mark.parametrize("status", ["FINISHED", "FAILED", "RUNNING"])
def test_a_copy_says_and_holds_what_its_source_does(fill: Callable[[Run], None], status: str) -> None:
    """Parameters, tags, every measurement, times, status and files are the same, and the copy's store is intact."""
    stores = pair()
    run = stores.source.runs.start(experiment="vision", name="one", tags={"team": "a"})
    fill(run)
    run.flush()
    if status != "RUNNING":
        run.finish(status)
    assert stores.outcomes() == ["new"]
    assert known(stores.copy.runs.get(run.id)) == known(stores.source.runs.get(run.id))
    assert stores.copy.experiments.named("vision")
    assert intact(stores.copy)


def test_links_directories_and_modes_are_copied(tmp_path: Path) -> None:
    """What is not only bytes comes along."""
    stores = pair()
    (tmp_path / "bin").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "bin/tool").write_text("#!/bin/sh")
    (tmp_path / "bin/tool").chmod(0o755)
    (tmp_path / "link").symlink_to("bin/tool")
    with stores.source.runs.start() as run:
        run.log_artifacts(tmp_path)
    stores.run()
    assert known(stores.copy.runs.get(run.id)) == known(stores.source.runs.get(run.id))
    kinds = {entry.path: entry.kind.name for entry in stores.copy.runs.get(run.id).entries()}
    assert kinds == {"bin/tool": "FILE", "empty": "DIRECTORY", "link": "LINK"}


def test_a_small_run_takes_two_requests_that_write() -> None:
    """A run without packs is two log entries in its copy, and none of its blobs is in a pack."""
    stores = pair()
    with stores.source.runs.start() as run:
        small(run)
        many(run)
    stores.run()
    entries = entries_of(stores.there, run.id)
    assert len(entries) == 2
    assert packs_in(stores.there) == []
    assert [op["op"] for op in entries[1].ops][-2:] == ["tag", "close"]


def test_chunks_keep_their_ids_and_their_encoded_bytes() -> None:
    """No chunk is cut or compressed again: what the copy's packs hold of a file is what the source's hold."""
    stores = pair()
    with stores.source.runs.start() as run:
        run.log_bytes(b"abc" * 20_000 + noise(50_000), "mixed.bin")
    stores.run()
    assert len(stored(stores.here)) > 20
    assert stored(stores.there) == stored(stores.here)


def stored(bucket: FaultyBucket) -> dict[bytes, tuple[int, bytes]]:
    """The chunks in all packs of a bucket, by id: how and as what each is stored."""
    found = {}
    for key in packs_in(bucket):
        data = bucket.get(key)
        for row in parse_pack(data, key).rows:
            if row.kind == CHUNK:
                found[row.id] = row.codec, data[row.offset : row.offset + row.stored]
    return found


def test_copying_again_sends_nothing() -> None:
    """A second copy of a store that has not changed writes nothing, and asks for two objects of each run."""
    stores = pair()
    for n in range(3):
        with stores.source.runs.start() as run:
            run.log_bytes(noise(70_000, n), "a.bin")
    assert stores.outcomes() == ["new"] * 3
    stores.there.requests.clear()
    stores.here.requests.clear()
    assert stores.outcomes() == ["same"] * 3
    assert stores.there.count("put") == 0
    assert stores.there.count(key="runs/") == 2 * 3
    assert stores.here.count(key="runs/") == 1


def test_copying_again_sends_only_what_is_new() -> None:
    """Of a run that shares nine tenths with what is there, a tenth is sent; of a run that has not changed, nothing."""
    stores = pair()
    base = noise(100_000)
    with stores.source.runs.start() as run:
        run.log_bytes(base, "base.bin")
    stores.run()
    before = stores.sent()
    with stores.source.runs.start() as run:
        run.log_bytes(base[:60_000] + noise(10_000, 5) + base[60_000:], "more.bin")
    report = stores.run()
    assert sorted(copied.outcome for copied in report.runs) == ["new", "same"]
    assert stores.sent() - before < 30_000
    assert sum(copied.new_bytes for copied in report.runs) < 20_000
    assert intact(stores.copy)


def test_a_live_run_is_copied_and_later_brought_up_to_date() -> None:
    """Each copy takes what came since the last: files, measurements, tags set and removed, and at last its end."""
    stores = pair()
    store = stores.source
    run = store.runs.start()
    for step in range(4):
        run.log_bytes(noise(9_000, step), f"{step}.bin")
        run.log_metric("loss", float(step), step=step)
        run.set_tag("step", str(step))
        run.set_tag("gone", None if step % 2 else "there")
        run.flush()
        assert stores.outcomes() == ["new" if not step else "more"]
        assert known(stores.copy.runs.get(run.id)) == known(stores.source.runs.get(run.id))
    run.finish()
    assert stores.outcomes() == ["more"]
    assert known(stores.copy.runs.get(run.id)) == known(stores.source.runs.get(run.id))
    assert intact(stores.copy)
    points = [point for op in ops_of(entries_of(stores.there, run.id), "metric") for point in op["points"]]
    assert len(points) == 4


def test_a_plan_writes_nothing_and_says_what_would_be_done() -> None:
    """With dry_run the destination is not touched, nor made; the plan names runs, files and bytes."""
    stores = pair()
    with stores.source.runs.start() as run:
        large(run)
    report = stores.run(dry_run=True)
    assert [(copied.outcome, copied.files, copied.bytes) for copied in report.runs] == [("new", 2, 73_000)]
    assert [key for key in stores.there.inner.list()] == []  # noqa: C416  # what is there, as it is
    stores.run()
    assert stores.outcomes(dry_run=True) == ["same"]


def test_chosen_runs_and_experiments_alone_are_copied() -> None:
    """What is not asked for stays at home."""
    stores = pair()
    ids = {}
    for experiment in ("a", "b"):
        for n in range(2):
            with stores.source.runs.start(experiment=experiment) as run:
                small(run)
            ids[experiment, n] = run.id
    assert [copied.run_id for copied in stores.run(runs=[ids["a", 0]]).runs] == [ids["a", 0]]
    assert {copied.run_id for copied in stores.run(experiments=["b"]).runs} == {ids["b", 0], ids["b", 1]}
    assert len(stores.copy.maintenance.run_ids()) == 3
    with pytest.raises(RunNotFoundError):
        stores.run(runs=["0" * 32])


# --- what is not copied


def test_a_run_that_no_copy_made_is_left_as_it_is() -> None:
    """A run of the same id in the destination that was not copied is a conflict; the others are copied."""
    stores = pair()
    with stores.source.runs.start() as run:
        small(run)
    with stores.source.runs.start() as other:
        small(other)
    objects = stores.there.inner
    assert isinstance(objects, MemoryBucket)
    tiny_store(objects, seed=77)
    for key in [info.key for info in stores.here.list(f"runs/{run.id}/")]:
        objects.put(key, stores.here.get(key))
    before = dict(objects.objects)
    report = stores.run()
    assert {copied.run_id: copied.outcome for copied in report.runs} == {run.id: "conflict", other.id: "new"}
    assert not report.complete
    assert before.items() <= objects.objects.items()
    assert all(run.id not in key for key in objects.objects.keys() - before.keys())


def change_tag(run: Run) -> None:
    run.set_tag("mine", "1")
    run.flush()


def add_file(run: Run) -> None:
    run.log_bytes(b"mine", "mine.txt")


def measure(run: Run) -> None:
    run.log_metric("mine", 1.0)
    run.flush()


@pytest.mark.parametrize("change", [change_tag, add_file, measure])
def test_a_copy_that_others_wrote_to_is_not_written_to_again(change: Callable[[Run], None]) -> None:
    """If only the copy went on it is left alone; if both did, that is a conflict that says so."""
    stores = pair()
    run = stores.source.runs.start()
    small(run)
    stores.run()
    change(stores.copy.runs.resume(run.id))
    assert stores.outcomes() == ["same"]
    run.log_bytes(b"more", "more.txt")
    before = known(stores.copy.runs.get(run.id))
    (copied,) = stores.run().runs
    assert copied.outcome == "conflict"
    assert "both have gone on" in copied.detail
    assert known(stores.copy.runs.get(run.id)) == before


def test_a_copy_of_another_stores_run_is_a_conflict() -> None:
    """Two stores that hold a run of one id, each its own, cannot both be the source of one copy."""
    stores, other = pair(), MemoryBucket("other")
    with stores.source.runs.start() as run:
        small(run)
    stores.run()
    tiny_store(other, seed=55)
    for key in [info.key for info in stores.here.list("runs/")] + [info.key for info in stores.here.list("experim")]:
        other.put(key, stores.here.get(key))
    (copied,) = opened(other).maintenance.copy_to(stores.copy).runs
    assert copied.outcome == "conflict"
    assert "another store" in copied.detail


def outcomes(source: Store, copy: Store) -> list[str]:
    return [copied.outcome for copied in source.maintenance.copy_to(copy).runs]


def test_a_copy_can_be_copied_on_and_comes_home_as_the_same() -> None:
    """From a copy of a copy the first is brought up to date; back at its source it is what is there already."""
    stores, third = pair(), MemoryBucket("third")
    run = stores.source.runs.start()
    large(run)
    stores.run()
    assert outcomes(stores.copy, opened(third)) == ["new"]
    run.log_metric("loss", 0.5)
    run.finish()
    stores.run()
    assert outcomes(stores.copy, opened(third)) == ["more"]
    assert known(opened(third).runs.get(run.id)) == known(stores.source.runs.get(run.id))
    assert outcomes(stores.source, opened(third)) == ["same"]
    assert outcomes(stores.copy, stores.source) == ["same"]


def test_deleted_and_purged_runs_are_not_copied() -> None:
    """A run that is deleted at the source is left out; one that was copied before stays, unless that is asked for."""
    stores = pair()
    with stores.source.runs.start() as run:
        small(run)
    stores.run()
    with stores.source.runs.start() as early:
        small(early)
    for id in (run.id, early.id):
        stores.source.runs.get(id).delete()
    report = stores.run()
    assert [copied.outcome for copied in report.runs] == ["skipped", "skipped"]
    assert report.complete
    told = {copied.run_id: copied.detail for copied in report.runs}
    assert told == {run.id: "it was deleted since it was copied; its copy stays", early.id: "it was deleted"}
    assert stores.copy.runs.get(run.id).info.lifecycle_stage == "active"
    assert sorted(stores.outcomes(deletions=True)) == ["deleted", "skipped"]
    assert stores.copy.runs.get(run.id).info.lifecycle_stage == "deleted"
    stores.source.runs.get(run.id).restore()
    assert "restored" in stores.outcomes(dry_run=True)
    stores.run()
    assert stores.copy.runs.get(run.id).info.lifecycle_stage == "active"
    assert known(stores.copy.runs.get(run.id)) == known(stores.source.runs.get(run.id))


def test_a_run_that_was_purged_leaves_its_copy_until_that_is_asked_for() -> None:
    """A purge at the source is told; with `deletions` the copy is deleted, not purged: it can be restored there."""
    stores = pair()
    with stores.source.runs.start() as run:
        large(run)
    stores.run()
    stores.source.maintenance.purge(run.id)
    (copied,) = stores.run().runs
    assert (copied.outcome, copied.detail) == ("skipped", "it was purged since it was copied; its copy stays")
    assert stores.outcomes(deletions=True) == ["deleted"]
    mine = stores.copy.runs.get(run.id)
    assert mine.info.lifecycle_stage == "deleted"
    mine.restore()
    assert mine.read("big.bin") == noise(70_000)
    assert stores.outcomes() == ["conflict"]


def test_a_copy_that_was_deleted_stays_deleted() -> None:
    """What somebody deleted in the destination does not come back by copying."""
    stores = pair()
    run = stores.source.runs.start()
    small(run)
    stores.run()
    stores.copy.runs.get(run.id).delete()
    run.log_bytes(b"more", "more.txt")
    (copied,) = stores.run().runs
    assert (copied.outcome, copied.detail) == ("skipped", "it was deleted in the destination")
    assert stores.copy.runs.get(run.id).info.lifecycle_stage == "deleted"


@pytest.mark.parametrize("wrong", ["torn", "another's name"])
def test_an_experiment_that_cannot_be_believed_keeps_its_own_runs_from_being_copied(wrong: str) -> None:
    """Its runs are named, nothing of it comes to be in the destination, and the runs of others are copied."""
    stores = pair()
    whole, broken = (stores.source.runs.start(experiment=name) for name in ("whole", "broken"))
    for run in (whole, broken):
        run.log_bytes(b"hello", "small.txt")
        run.finish()
    log, bucket = experiment_log(experiment_id("broken")), stores.here.inner
    data = bucket.get(log_key(log, 0))
    first = parse_entry(data, log, 0)
    lie = encode_entry(replace(first, ops=({"op": "create", "name": "whole"},)))
    bucket.delete(log_key(log, 0))
    bucket.put(log_key(log, 0), data[:20] if wrong == "torn" else lie)
    report = stores.run()
    assert {copied.run_id: copied.outcome for copied in report.runs} == {broken.id: "conflict", whole.id: "new"}
    assert [found.name for found in stores.copy.experiments.search()] == ["whole"]
    assert intact(stores.copy)


def test_a_damaged_run_is_named_and_the_others_are_copied() -> None:
    """A run whose pack is damaged at the source is not copied in part; exit code and report say so."""
    stores = pair()
    with stores.source.runs.start() as broken:
        large(broken)
    objects = stores.here.inner
    assert isinstance(objects, MemoryBucket)
    pack = packs_in(objects)[0]
    objects.objects[pack] = (
        bytes([*objects.objects[pack][:100], 255 ^ objects.objects[pack][100]]) + (objects.objects[pack][101:])
    )
    with stores.source.runs.start() as whole:
        small(whole)
    report = stores.run()
    assert {copied.run_id: copied.outcome for copied in report.runs} == {broken.id: "damaged", whole.id: "new"}
    assert not report.complete
    assert stores.copy.runs.get(broken.id).manifest == {}


def test_a_run_of_a_later_version_is_named_and_the_others_are_copied() -> None:
    """An operation that this version does not know keeps its run from being copied, and no other one."""
    stores = pair()
    with stores.source.runs.start() as strange:
        small(strange)
    with stores.source.runs.start() as whole:
        small(whole)
    head = entries_of(stores.here, strange.id)[-1]
    body = {name: getattr(head, name) for name in ("log", "writer", "time", "state_at")} | {"n": head.n + 1}
    body |= {"write_id": "0" * 31 + "1", "prev": head.sha256, "ops": [{"op": "teleport"}]}
    stores.here.inner.put(log_key(head.log, head.n + 1), encode_document(body))
    outcomes = {copied.run_id: (copied.outcome, copied.detail) for copied in stores.run().runs}
    assert outcomes[whole.id][0] == "new"
    assert outcomes[strange.id][0] == "damaged"
    assert "teleport" in outcomes[strange.id][1]


def test_what_is_registered_in_the_destination_stays_as_it_is() -> None:
    """A file that the source has added below a path that the destination has registered is a conflict, by name."""
    stores = pair()
    run = stores.source.runs.start()
    run.log_bytes(b"weights", "model/weights.bin")
    stores.run()
    stores.copy.registry.register(f"runs:/{run.id}/model", "mine")
    run.log_metric("loss", 0.5)
    run.flush()
    assert stores.outcomes() == ["more"]
    run.log_bytes(b"more", "model/more.txt")
    (copied,) = stores.run().runs
    assert copied.outcome == "conflict"
    assert "model/more.txt" in copied.detail
    assert stores.copy.registry.get_version("mine", 1).digest
    assert list(stores.copy.runs.get(run.id).manifest) == ["model/weights.bin"]


def test_a_store_is_not_copied_to_itself_nor_from_nowhere() -> None:
    """The same store by another address is refused; so is a source that is not there."""
    stores = pair()
    with pytest.raises(InvalidArgumentError, match="the same store"):
        stores.source.maintenance.copy_to(opened(stores.here.inner))
    with pytest.raises(StoreNotFoundError):
        opened(MemoryBucket()).maintenance.copy_to(stores.copy)


def test_a_new_store_cuts_as_its_source_does() -> None:
    """The destination is made with the source's chunk sizes, so that what is logged there shares with what was sent."""
    stores = pair()
    data = noise(60_000)
    with stores.source.runs.start() as run:
        run.log_bytes(data, "a.bin")
    stores.run()
    before = stores.sent()
    with stores.copy.runs.start() as other:
        other.log_bytes(data, "b.bin")
    assert stores.sent() - before < 4_000


def test_an_experiment_comes_with_its_tags_but_not_with_its_retention() -> None:
    """Tags come along; how long runs are kept is each store's own business; what the destination says stays."""
    stores = pair()
    id = stores.source.experiments.create("vision", {"team": "a", "holdall.retention": "{}"})
    with stores.source.runs.start(experiment="vision") as run:
        small(run)
    stores.run()
    assert stores.copy.experiments.get(id).tags == {"team": "a"}
    stores.copy.experiments.set_tag(id, "team", "b")
    stores.source.experiments.set_tag(id, "more", "1")
    stores.run()
    assert stores.copy.experiments.get(id).tags == {"team": "b", "more": "1"}
    stores.copy.experiments.delete(id)
    with stores.source.runs.start(experiment="vision") as late:
        small(late)
    outcomes = {copied.run_id: copied.outcome for copied in stores.run().runs}
    assert outcomes[late.id] == "conflict"
