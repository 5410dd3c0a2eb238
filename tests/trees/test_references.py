"""What a run refers to: all that reading it needs, and nothing that only its past needed."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.support.faulty import Fault, FaultyBucket
from tests.support.logs import entries_of, packs_in
from tests.support.stores import tiny_location, tiny_store

from holdall.errors import IncompleteError, IntegrityError
from holdall.format.layout import PackName, log_key, parse_key, run_log
from holdall.format.reference import InEntry, Ref
from holdall.runs.environment import capture
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.references import fetch_roots, packs_needed, references
from holdall.trees.view import View

BIG = random.Random(1).randbytes(70_000)


def view_of(store: Store, run: Run) -> View:
    location = store._location
    journal = Journal(location.bucket, location.pool, run_log(run.id))
    view = View.load(RunBlobReader(location.bucket, location.pool, journal))
    assert view is not None
    return view


def packs_of(refs: list[Ref]) -> set[PackName]:
    return {ref.location for ref in refs if isinstance(ref.location, PackName)}


def all_packs(bucket: Bucket) -> set[PackName]:
    return {key.pack for name in packs_in(bucket) if (key := parse_key(name)) and key.pack}


def many_files(store: Store, count: int = 40) -> Run:
    run = store.runs.start()
    source = random.Random(2)
    for i in range(count):
        run.log_bytes(source.randbytes(3000), f"files/{i:03}.bin")
    run.log_bytes(BIG, "big.bin")
    return run


def test_a_run_whose_other_packs_are_gone_is_read_whole(tmp_path: Path) -> None:
    """Take away every pack that is not named: all files, parameters and the environment are still there."""
    bucket = MemoryBucket()
    location = tiny_location(bucket)
    location.environment = partial(capture, argv=["train.py"], cwd=tmp_path)
    store = Store(location)
    run = many_files(store)
    other = store.runs.start()
    other.log_bytes(random.Random(3).randbytes(70_000), "other.bin")
    other.finish()
    run.finish()
    needed = packs_of(list(references(view_of(store, run))))
    assert needed < all_packs(bucket), "the other run's packs must not be named"
    for pack in all_packs(bucket) - needed:
        bucket.delete(pack.key)
    read = tiny_store(bucket, create=False).runs.get(run.id)
    assert read.read("big.bin") == BIG
    assert len(list(read.entries("files"))) == 40
    assert read.environment


def test_each_pack_that_is_named_is_needed() -> None:
    """Take away any one of them: something of the run cannot be read."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    run = many_files(store, 4)
    run.finish()
    for pack in packs_of(list(references(view_of(store, run)))):
        left = MemoryBucket(objects={key: data for key, data in bucket.objects.items() if key != pack.key})
        reader = tiny_store(left, create=False).runs.get(run.id)
        with pytest.raises(IntegrityError):
            for entry in reader.entries():
                reader.read(entry.path)


def test_the_packs_alone_are_those_of_the_references() -> None:
    """The quick way to the packs, which reads no recipe's chunks, names the same ones."""
    store = tiny_store(MemoryBucket())
    view = view_of(store, many_files(store))
    assert set(packs_needed(view)) == packs_of(list(references(view)))


def test_what_an_entry_carries_is_named_as_well() -> None:
    """Blobs inline in the log are references like any others."""
    store = tiny_store(MemoryBucket())
    run = store.runs.start()
    run.log_bytes(b"small", "small.txt")
    run.flush()
    refs = list(references(view_of(store, run)))
    assert refs
    assert all(isinstance(ref.location, InEntry) for ref in refs)


def test_what_only_entries_before_the_checkpoint_named_is_left_out() -> None:
    """The nodes of a commit's own tree are superseded by the tree of the checkpoint behind it."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    run = many_files(store)
    before = {(ref.id, ref.location) for ref in references(view_of(store, run))}
    run.finish()
    after = {(ref.id, ref.location) for ref in references(view_of(store, run))}
    assert before - after, "the tree of each single commit is needed no more"


def test_a_deleted_run_refers_to_what_it_did_and_a_purged_one_to_nothing() -> None:
    """A deleted run can be restored; of a purged one nothing is read again."""
    store = tiny_store(MemoryBucket())
    run = many_files(store, 2)
    run.finish()
    before = list(references(view_of(store, run)))
    run.delete()
    view = view_of(store, run)
    assert list(references(view)) == before
    view.state.purged = True
    assert not list(references(view))
    assert not list(packs_needed(view))


def test_an_entry_that_cannot_be_read_is_an_error() -> None:
    """What it committed is not known, so that nobody may delete by this."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    run = many_files(store, 3)
    key = log_key(run_log(run.id), 2)
    bucket.objects[key] = bucket.objects[key][:-70]
    with pytest.raises(IncompleteError):
        list(references(view_of(store, run)))


def test_a_checkpoint_that_cannot_be_read_is_an_error() -> None:
    """Its paths are known by the entries before it; where it moved their content is not."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    run = many_files(store, 2)
    run.log_params({f"p{i}": "x" * 400 for i in range(200)})  # more facts than an entry carries
    run.flush()
    run.finish()
    checkpoint = entries_of(bucket, run.id)[-1].state
    assert checkpoint
    assert checkpoint["facts"]
    assert checkpoint["facts"]["id"] in {f"blake3:{ref.id.hex()}" for ref in references(view_of(store, run))}
    key = next(key for key in packs_in(bucket) if checkpoint["facts"]["pack"] in key)
    at = checkpoint["facts"]["offset"]
    bucket.objects[key] = bucket.objects[key][:at] + b"\0" * 16 + bucket.objects[key][at + 16 :]
    with pytest.raises(IncompleteError):
        list(references(view_of(store, run)))


def test_a_recipe_that_is_gone_is_an_error() -> None:
    """The chunks that it names are not known."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    run = many_files(store, 2)
    run.finish()
    view = view_of(store, run)
    recipe = view.paths.find(["big.bin"])["big.bin"].content
    assert recipe
    assert isinstance(recipe.location, PackName)
    bucket.delete(recipe.location.key)
    with pytest.raises(IntegrityError):
        list(references(view_of(store, run)))


def test_roots_of_many_runs_come_side_by_side() -> None:
    """Twenty runs' trees take one round of requests, and following each of them then none for its root."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    runs = []
    for i in range(20):
        run = store.runs.start()
        run.log_bytes(random.Random(i).randbytes(9000), "a.bin")
        run.finish()
        runs.append(run)
    seen = FaultyBucket(bucket)
    reading = tiny_store(seen, create=False)
    views = [view_of(reading, run) for run in runs]
    fetch_roots(views, views[0].paths.blobs.packs)
    asked = seen.count("get_range")
    for view in views:
        assert all(tree.nodes() for tree in view.paths.trees)
    assert seen.count("get_range") == asked


def test_a_root_that_cannot_be_fetched_early_is_told_of_when_its_run_is_followed() -> None:
    """One damaged run must not hide the others."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    run = many_files(store, 2)
    run.finish()
    view = view_of(store, run)
    seen = FaultyBucket(bucket)
    seen.plan(Fault("get_range", "corrupt", times=None))
    reading = tiny_store(seen, create=False)
    fetch_roots([view], view_of(reading, run).paths.blobs.packs)
    assert replace(view.state).files == 3
