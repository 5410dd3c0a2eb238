"""A new root key: who opens the store by it, what each root opens, and what is left where it is interrupted."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from tests.support.faulty import DyingBucket
from tests.support.sealed import sealed_location, sealed_store

from holdall.collecting.compaction import Compactor
from holdall.errors import HoldallError, KeyUnavailableError, WrongKeyError
from holdall.format.layout import parse_key, root_key
from holdall.format.pack import parse_footer
from holdall.keys.identities import public_key, public_text
from holdall.keys.making import Maker, NewSlot
from holdall.keys.unlock import Unlock
from holdall.storage.memory import MemoryBucket
from holdall.store import Run, Store
from holdall.trees.location import Location

CONTENT = random.Random(7).randbytes(60_000)
IDENTITY = bytes(range(32))


def logged(store: Store, experiment: str = "weather") -> Run:
    """A finished run with a file and a parameter."""
    run = store.runs.start(experiment=experiment)
    run.log_bytes(CONTENT, "scan.bin")
    run.log_param("dose", "3 mg")
    run.finish()
    return run


def opened(bucket: MemoryBucket, unlock: Unlock) -> Store:
    """The store as who has only this opens it."""
    location = sealed_location(bucket, seed=20, create=False)
    return Store(Location(bucket, location.pool, location.clock, location.entropy, location.sleep, "t", unlock=unlock))


def is_read(store: Store, run: Run) -> bool:
    return store.runs.get(run.id).read("scan.bin") == CONTENT and bool(store.runs.get(run.id).data.params)


def test_what_was_written_before_and_after_is_read() -> None:
    """Runs of before and after a new root are read by who opens the store anew, and by who rekeyed it."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    store.experiments.create("patients", encryption="own")
    before = [logged(store), logged(store, "patients")]
    told = store.maintenance.keys.rekey()
    assert (told.epoch, len(told.kept), told.dropped, told.done) == (1, 1, (), True)
    after = [logged(store), logged(store, "patients")]
    for reader in (store, sealed_store(bucket, seed=1, create=False)):
        assert all(is_read(reader, run) for run in before + after)
        assert len(reader.runs.search()) == 4
    assert not store.maintenance.check().problems
    assert root_key(1) in bucket.objects


def test_an_older_root_opens_nothing_that_is_written_after() -> None:
    """Neither of the store nor of an experiment with keys of its own, whose key the older root unwraps."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    store.experiments.create("patients", encryption="own")
    old = store.experiments._location.ring()
    assert old is not None
    before = set(bucket.objects)
    store.maintenance.keys.rekey()
    for run in (logged(store), logged(store, "patients")):
        for key in [key for key in bucket.objects if key not in before and key.startswith(f"runs/{run.id}")]:
            with pytest.raises(HoldallError):
                old.opened(key, lambda known, key=key: _entry(bucket, key, known))  # type: ignore[misc]


def _entry(bucket: MemoryBucket, key: str, known: object) -> bytes:
    from holdall.format.sealed_entry import open_entry

    return open_entry(bucket.objects[key], key, known)  # type: ignore[arg-type]


def test_public_keys_stay_and_passphrases_of_others_go() -> None:
    """A slot of a public key is made anew by itself; that of a passphrase that nobody gave is named and dropped."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    keys = store.maintenance.keys
    keys.add(recipient=public_text(public_key(IDENTITY)), label="ci")
    location, ring = store.experiments._location, store.experiments._location.ring()
    assert ring is not None
    maker = Maker(bucket, ring.own.store, location.entropy, location.clock)
    other = maker.add(NewSlot("somebody else's", label="anna", scrypt=(1, 1, 1)), ring.own.roots[0])
    run = logged(store)
    plan = keys.rekey(dry_run=True)
    assert [slot.label for slot in plan.dropped] == ["anna"]
    assert not plan.done
    told = keys.rekey()
    assert [slot.label for slot in told.kept] == ["", "ci"]
    assert [slot.number for slot in told.dropped] == [other.number]
    file = Unlock(identities=(_text(IDENTITY),))
    assert is_read(opened(bucket, file), run)
    with pytest.raises(WrongKeyError):
        is_read(opened(bucket, Unlock(passphrase="somebody else's")), run)
    live = [slot for slot in keys.list() if not slot.revoked]
    assert [(slot.label, slot.epoch, slot.current) for slot in live] == [("", 1, True), ("ci", 1, True)]


def _text(identity: bytes) -> str:
    from holdall.keys.bech32 import encode

    return encode("age-secret-key-", identity).upper()


def test_who_opened_the_store_before_goes_on_by_the_older_root() -> None:
    """A writer of before writes what everybody reads, and says so where it meets what the new root sealed."""
    bucket = MemoryBucket()
    store, early = sealed_store(bucket), sealed_store(bucket, seed=2, create=False)
    logged(early)
    store.maintenance.keys.rekey()
    newer = logged(store)
    written = logged(early)
    assert is_read(sealed_store(bucket, seed=3, create=False), written)
    with pytest.raises(KeyUnavailableError, match="open it anew"):
        is_read(early, newer)


def test_rekeyed_again_and_again_the_newest_opens_all() -> None:
    """Three times rekeyed, each epoch's runs are read."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    runs = []
    for epoch in range(1, 4):
        runs.append(logged(store))
        assert store.maintenance.keys.rekey().epoch == epoch
    reader = sealed_store(bucket, seed=4, create=False)
    assert all(is_read(reader, run) for run in runs)


def test_a_new_passphrase_takes_the_place_of_none() -> None:
    """Where an identity opened the store, a passphrase that is given with it opens it, too."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    run = logged(store)
    store.maintenance.keys.add(recipient=public_text(public_key(IDENTITY)))
    other = opened(bucket, Unlock(identities=(_text(IDENTITY),)))
    told = other.maintenance.keys.rekey(passphrase="an entirely new one")
    assert [slot.kind for slot in told.dropped] == ["passphrase"]
    assert is_read(opened(bucket, Unlock(passphrase="an entirely new one")), run)
    assert is_read(other, run)


@pytest.mark.parametrize("left", range(8))
def test_interrupted_anywhere_somebody_opens_all_and_it_goes_on(left: int) -> None:
    """Killed after so many writes, the keys of before or those of after open every run; the next call ends it."""

    bucket = DyingBucket()
    store = sealed_store(bucket)
    store.maintenance.keys.add(recipient=public_text(public_key(IDENTITY)), label="ci")
    run = logged(store)
    bucket.left = left
    with suppress(KeyboardInterrupt):
        store.maintenance.keys.rekey()
    bucket.left = 10**9
    again = sealed_store(bucket, seed=5, create=False)
    assert is_read(again, run)
    assert is_read(opened(bucket, Unlock(identities=(_text(IDENTITY),))), run)
    again.maintenance.keys.rekey()
    live = [slot for slot in again.maintenance.keys.list() if not slot.revoked]
    assert [slot.label for slot in live if slot.current] == ["", "ci"]
    assert len(live) == 2


def test_somebody_elses_epoch_at_the_same_moment_is_told() -> None:
    """Of two who rekey at once one begins the epoch; the other changes nothing and is told."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    run = logged(store)

    class Late(MemoryBucket):
        def put(self, key: str, data: object) -> None:
            if key == root_key(1) and key not in self.objects:
                self.objects[key] = b"somebody else's"
            super().put(key, data)  # type: ignore[arg-type]

    late = Late()
    late.objects = bucket.objects
    slots = [key for key in bucket.objects if key.startswith("keys/slots/")]
    with pytest.raises(HoldallError):
        sealed_store(late, seed=6, create=False).maintenance.keys.rekey()
    assert [key for key in bucket.objects if key.startswith("keys/slots/")] == slots
    del bucket.objects[root_key(1)]
    assert is_read(sealed_store(bucket, seed=7, create=False), run)


LARGE = random.Random(8).randbytes(300_000)


def with_large(store: Store, experiment: str) -> Run:
    """A finished run with a file that lies in packs."""
    run = store.runs.start(experiment=experiment)
    run.log_bytes(LARGE, "large.bin")
    run.log_bytes(LARGE[:100_000], "dir/part.bin")
    run.finish()
    return run


def packs(bucket: MemoryBucket) -> set[str]:
    return {key for key in bucket.objects if key.startswith("packs/")}


def test_what_older_roots_sealed_is_rewritten() -> None:
    """After a rewrite and a collection no pack is left that the older root opens, and all runs are as they were."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    store.experiments.create("patients", encryption="own")
    runs = [with_large(store, name) for name in ("weather", "weather", "patients")]
    older = packs(bucket)
    size = sum(len(bucket.objects[key]) for key in older)
    store.maintenance.keys.rekey()
    keys = sealed_store(bucket, seed=9, create=False).maintenance.keys
    assert (keys.rewrite(dry_run=True).copied, packs(bucket)) == (0, older)
    told = keys.rewrite()
    assert set(told.run_ids) == {run.id for run in runs}
    assert not told.failed
    store.maintenance.gc(delay=0)
    assert not packs(bucket) & older
    assert sum(len(bucket.objects[key]) for key in packs(bucket)) < size * 1.1
    reader = sealed_store(bucket, seed=10, create=False)
    for run in runs:
        assert reader.runs.get(run.id).read("large.bin") == LARGE
        assert reader.runs.get(run.id).read("dir/part.bin") == LARGE[:100_000]
    assert not reader.maintenance.check().problems
    assert not reader.maintenance.keys.rewrite().packs


def test_what_was_rewritten_is_found_when_it_is_logged_again() -> None:
    """Content that was sealed anew is stored once in the new epoch, too."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    with_large(store, "weather")
    store.maintenance.keys.rekey()
    store.maintenance.keys.rewrite()
    before = sum(len(bucket.objects[key]) for key in packs(bucket))
    with_large(sealed_store(bucket, seed=11, create=False), "weather")
    assert sum(len(bucket.objects[key]) for key in packs(bucket)) - before < 6_000


@pytest.mark.parametrize("left", [1, 3, 5, 9])
def test_a_rewrite_that_is_interrupted_goes_on(left: int) -> None:
    """Killed anywhere, all runs are read, and the next rewrite does the rest."""

    class Dying(MemoryBucket):
        left = 10**9

        def put(self, key: str, data: object) -> None:
            if self.left <= 0:
                raise KeyboardInterrupt
            self.left -= 1
            super().put(key, data)  # type: ignore[arg-type]

    bucket = Dying()
    store = sealed_store(bucket)
    runs = [with_large(store, "weather") for _ in range(2)]
    store.maintenance.keys.rekey()
    other = sealed_store(bucket, seed=12, create=False)
    bucket.left = left
    with suppress(KeyboardInterrupt):
        other.maintenance.keys.rewrite()
    bucket.left = 10**9
    again = sealed_store(bucket, seed=13, create=False)
    assert all(again.runs.get(run.id).read("large.bin") == LARGE for run in runs)
    again.maintenance.keys.rewrite()
    assert all(again.runs.get(run.id).read("large.bin") == LARGE for run in runs)
    assert not again.maintenance.check().problems


def test_what_is_moved_is_sealed_by_the_newest_root() -> None:
    """A compaction leaves no pack that is partly an older root's, of which a rewrite would see the other part."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    run, older = with_large(store, "weather"), packs(bucket)
    store.maintenance.keys.rekey()
    location = sealed_location(bucket, seed=12, create=False)
    moving = frozenset(key.pack for each in older if (key := parse_key(each)) and key.pack)
    assert Compactor(location, moving).move([run.id]).copied
    keyring = location.ring().of_store  # type: ignore[union-attr]
    for pack in (key.pack for each in packs(bucket) - older if (key := parse_key(each))):
        assert pack is not None
        data = bucket.objects[pack.key]
        for row in parse_footer(data, "").rows:
            assert keyring.domain_of(row.ref(pack), data[row.offset : row.offset + row.stored]) == "1"
    assert store.runs.get(run.id).read("large.bin") == LARGE
