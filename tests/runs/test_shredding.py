"""Shredding: all that an experiment's runs held becomes unreadable at once, and nothing of others'."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from tests.runs.test_own_keys import CONTENT, logged
from tests.support.faulty import DyingBucket
from tests.support.sealed import sealed_store

from holdall.errors import (
    FormatError,
    HoldallError,
    IntegrityError,
    InvalidArgumentError,
    ObjectExistsError,
    ShreddedError,
)
from holdall.format.document import encode_document
from holdall.format.layout import ShareName, own_keys_key, shredded_key
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store


class Shredded:
    """A store with a run of an experiment that was shredded, and one of another; opened anew."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        store = sealed_store(self.bucket)
        self.id = store.experiments.create("patients", encryption="own")
        self.own, self.usual = logged(store, "patients"), logged(store, "weather")
        self.before = dict(self.bucket.objects)
        self.writer = store
        self.told = store.experiments.shred(self.id)
        self.store = sealed_store(self.bucket, seed=1, create=False)


@pytest.fixture
def shredded() -> Shredded:
    """Such a store."""
    return Shredded()


READS: list[Callable[[Store, Run], object]] = [
    lambda store, run: store.runs.get(run.id).data.params,
    lambda store, run: store.runs.get(run.id).read("scan.bin"),
    lambda store, run: store.runs.get(run.id).info,
    lambda store, run: store.runs.resume(run.id),
    lambda store, _: store.runs.start(experiment="patients"),
]


@pytest.mark.parametrize("read", READS)
def test_who_asks_for_a_run_is_told_that_its_keys_were_destroyed(
    shredded: Shredded, read: Callable[[Store, Run], object]
) -> None:
    """Every verb that needs a run of the experiment says what happened to it, and when."""
    with pytest.raises(ShreddedError, match=r"were destroyed on 20.* UTC"):
        read(shredded.store, shredded.own)


def test_others_are_as_they_were(shredded: Shredded) -> None:
    """The runs of other experiments are found, read and written as before."""
    assert [found.info.run_id for found in shredded.store.runs.search()] == [shredded.usual.id]
    assert shredded.store.runs.get(shredded.usual.id).read("scan.bin") == CONTENT
    logged(shredded.store, "weather")


def test_check_finds_no_damage_before_and_after_a_collection(shredded: Shredded) -> None:
    """What nobody can open is no damage; a collection frees it, and nothing else."""
    assert not shredded.store.maintenance.check().problems
    shredded.store.maintenance.gc(delay=0)
    found = shredded.store.maintenance.check()
    assert not found.problems
    assert not found.orphans
    assert not [key for key in shredded.bucket.objects if key.startswith(f"runs/{shredded.own.id}/log/f") and _old(key)]
    assert shredded.store.runs.get(shredded.usual.id).read("scan.bin") == CONTENT


def _old(key: str) -> bool:
    return key.endswith("ffffffffffff")


def test_the_key_is_in_no_object_and_the_mark_stays(shredded: Shredded) -> None:
    """The object of the wrapped key is gone, the mark is there, and what was told says which."""
    assert own_keys_key(shredded.id) not in shredded.bucket.objects
    assert shredded_key(shredded.id) in shredded.bucket.objects
    assert (shredded.told.key, shredded.told.runs, shredded.told.done) == (own_keys_key(shredded.id), 1, True)


def test_an_audit_tells_of_both(shredded: Shredded) -> None:
    """That an experiment got keys, which are gone, its log says; that they were destroyed is told by the mark."""
    told = [record for record in shredded.store.maintenance.audit() if record.log == f"experiments/{shredded.id}"]
    assert any("destroyed the keys" in did for record in told for did in record.did)


def test_no_key_that_is_left_opens_an_entry_of_before(shredded: Shredded) -> None:
    """Put back as they were, the entries open by no key of the store; with the object of the key too, they do."""
    for key, data in shredded.before.items():
        if key.startswith(f"runs/{shredded.own.id}"):
            shredded.bucket.objects[key] = data
    newest = min(key for key in shredded.bucket.objects if key.startswith(f"runs/{shredded.own.id}"))
    del shredded.bucket.objects[newest]  # the purge
    reader = sealed_store(shredded.bucket, seed=2, create=False)
    with pytest.raises(ShreddedError):
        _ = reader.runs.get(shredded.own.id).data.params
    del shredded.bucket.objects[shredded_key(shredded.id)]
    lost = sealed_store(shredded.bucket, seed=3, create=False).runs.get(shredded.own.id)
    assert not lost.data.params
    with pytest.raises(HoldallError):
        lost.read("scan.bin")
    key = min(key for key in shredded.bucket.objects if key.startswith(f"runs/{shredded.own.id}"))
    with pytest.raises(FormatError, match=f"experiment {shredded.id}, whose own"):
        sealed_store(shredded.bucket, seed=3, create=False).runs._location.bucket.get(key)
    shredded.bucket.objects[own_keys_key(shredded.id)] = shredded.before[own_keys_key(shredded.id)]
    found = sealed_store(shredded.bucket, seed=4, create=False).runs.get(shredded.own.id).data.params
    assert found == {"dose": "3 mg"}


def test_what_was_shared_of_it_is_gone() -> None:
    """A copy in clear for who has a link to it, of this experiment alone."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    runs = [logged(store, name).id for name in ("patients", "weather")]
    keys = [ShareName(2**50, f"{number:032x}", run, "x").key for number, run in enumerate(runs)]
    for key in keys:
        bucket.put(key, b"in clear")
    store.experiments.shred(id, dry_run=True)
    assert [info.key for info in bucket.list("shares/")] == keys
    store.experiments.shred(id)
    assert [info.key for info in bucket.list("shares/")] == keys[1:]


def test_a_dry_run_writes_nothing() -> None:
    """Asked what would be destroyed, it counts the runs and leaves every object as it was."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    run = logged(store, "patients")
    before = dict(bucket.objects)
    told = store.experiments.shred(id, dry_run=True)
    assert (told.runs, told.done, told.destroyed, bucket.objects) == (1, False, None, before)
    assert store.runs.get(run.id).data.params == {"dose": "3 mg"}


def test_an_experiment_of_the_stores_keys_is_not_shredded() -> None:
    """Of an experiment without keys of its own nothing is destroyed, and the error says what to do."""
    store = sealed_store(MemoryBucket())
    run = logged(store, "weather")
    with pytest.raises(InvalidArgumentError, match="no keys of its own"):
        store.experiments.shred(store.experiments.id_of("weather"))
    assert store.runs.get(run.id).read("scan.bin") == CONTENT


@pytest.mark.parametrize("excess", [0, 1 << 20])
def test_a_mark_that_nobody_proved_destroys_nothing(excess: int) -> None:
    """Who may create objects, and has no key, cannot make readers or collectors take an experiment for destroyed."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    run = logged(store, "patients")
    whose = json.loads(bucket.objects["holdall.json"].split(b"\n")[0])["store"]
    mark = {"store": whose, "experiment": id, "time": 1, "epoch": 0, "proof": "ab" * 32}
    bucket.objects[shredded_key(id)] = encode_document(mark) + bytes(excess)
    reader = sealed_store(bucket, seed=5, create=False)
    assert reader.runs.get(run.id).read("scan.bin") == CONTENT
    reader.maintenance.gc(delay=0)
    assert reader.runs.get(run.id).read("scan.bin") == CONTENT
    with pytest.raises(IntegrityError, match="nobody with a key"):
        reader.experiments.shred(id)
    assert own_keys_key(id) in bucket.objects


@pytest.mark.parametrize("done", [1, 2, 3])
def test_interrupted_anywhere_it_goes_on(done: int) -> None:
    """Killed after so many writes, it is unreadable or whole, and the next call ends what was begun."""

    bucket = DyingBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    run = logged(store, "patients")
    bucket.left = done - 1
    with pytest.raises(KeyboardInterrupt):
        store.experiments.shred(id)
    bucket.left = 10**9
    again = sealed_store(bucket, seed=6, create=False)
    assert again.experiments.shred(id).done
    with pytest.raises(ShreddedError):
        _ = sealed_store(bucket, seed=7, create=False).runs.get(run.id).data.params
    assert own_keys_key(id) not in bucket.objects
    assert not again.maintenance.check().problems


def test_a_run_that_could_not_be_purged_is_told() -> None:
    """Where somebody writes an entry before each of ours, shredding does not say that all is done."""

    class Crowded(MemoryBucket):
        crowded = False

        def put(self, key: str, data: object) -> None:
            if self.crowded and key.startswith("runs/"):
                raise ObjectExistsError(self.url, key)
            super().put(key, data)  # type: ignore[arg-type]

    bucket = Crowded()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    logged(store, "patients")
    bucket.crowded = True
    with pytest.raises(ObjectExistsError):
        store.experiments.shred(id)
    bucket.crowded = False
    assert store.experiments.shred(id).done


def test_its_name_gives_no_new_keys_silently(shredded: Shredded) -> None:
    """An experiment whose keys were destroyed is told by its name, and gets no new ones."""
    assert shredded.store.experiments.get(shredded.id).name == "patients"
    with pytest.raises(HoldallError):
        shredded.store.experiments.create("patients", encryption="own")
    with pytest.raises(ShreddedError):
        shredded.store.experiments.use("patients")
    assert own_keys_key(shredded.id) not in shredded.bucket.objects
