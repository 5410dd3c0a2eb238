"""Who has no key of an encrypted store copies it object by object: the copy is that store, whenever it is opened."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.depth import thinned
from tests.support.faulty import Crash, FaultyBucket
from tests.support.keyless import KeylessWorld
from tests.support.stores import PASSPHRASE, Serial, tiny_location, tiny_store

from holdall.__main__ import program
from holdall.copying.mirroring import UNSEEN, mirror
from holdall.copying.report import CopyReport
from holdall.errors import InvalidArgumentError, KeyUnavailableError, StoreNotFoundError
from holdall.format.layout import parse_key, run_log
from holdall.storage.bucket import Bucket
from holdall.storage.local import LocalBucket
from holdall.storage.memory import MemoryBucket
from holdall.store import Store, Unlock

ALL = ("plain", "inline", "versioned", "parts", "deleted", "purged", "killed")


@pytest.fixture
def world() -> KeylessWorld:
    return KeylessWorld(*ALL)


def copied(world: KeylessWorld, bucket: Bucket, *, deletions: bool = False) -> CopyReport:
    """One copy by somebody without a key."""
    return mirror(world.location(keyless=True), bucket, deletions=deletions)


def opened(bucket: Bucket) -> Store:
    """The copy, as somebody with the key opens it."""
    return Store(tiny_location(bucket, seed=77, create=False, pool=Serial(), sealed=True))


def objects(bucket: MemoryBucket) -> dict[str, bytes]:
    """What a store is made of: all but probes."""
    return {key: data for key, data in bucket.objects.items() if (found := parse_key(key)) and found.kind != "probe"}


def test_the_copy_is_the_store(world: KeylessWorld) -> None:
    """Byte for byte: it opens with the key, and a check finds nothing, with the key or without."""
    bucket = MemoryBucket()
    found = copied(world, bucket)
    assert bucket.objects == objects(world.inner)
    assert (found.complete, found.unseen, found.sent) == (True, UNSEEN, len(bucket.objects))
    assert found.sent_bytes == sum(map(len, bucket.objects.values()))
    assert opened(bucket).maintenance.check().problems == []
    for (run_id, path), data in world.content.items():
        assert opened(bucket).runs.get(run_id).read(path) == data


def test_a_second_copy_sends_nothing_and_a_later_one_what_is_new(world: KeylessWorld) -> None:
    """A listing of each, and nothing is read but what tells which store it is."""
    bucket = MemoryBucket()
    copied(world, bucket)
    seen = FaultyBucket(world.inner)
    again = mirror(world.location(keyless=True, bucket=seen), bucket)
    read = {key for verb, key in seen.requests if verb.startswith("get")}
    assert (again.sent, read) == (0, {"holdall.json", "keys/slots/00000000"})
    run = world.store.runs.start(name="later")
    world._log(run, "later.bin")
    run.finish()
    assert copied(world, bucket).sent > 0
    assert bucket.objects == objects(world.inner)


def test_killed_at_any_request_the_copy_is_a_whole_store_and_the_next_completes_it(world: KeylessWorld) -> None:
    """There is no store, or one that has nothing wrong; never one whose runs lack anything."""
    total = FaultyBucket(MemoryBucket())
    copied(world, total)
    for at in thinned(range(len(total.requests)), 40):
        inner = MemoryBucket()
        bucket = FaultyBucket(inner, on=dying_at(at))
        with suppress(Crash):
            copied(world, bucket)
        with suppress(StoreNotFoundError):
            assert opened(inner).maintenance.check(quick=True).problems == []
        assert copied(world, inner).complete
        assert inner.objects == objects(world.inner)


def dying_at(at: int) -> Callable[[int, str, str, str], None]:
    """What kills the process at a request."""

    def die(n: int, phase: str, verb: str, key: str) -> None:
        if n >= at and phase == "before":
            raise Crash

    return die


def test_what_is_written_meanwhile_leaves_a_whole_copy(world: KeylessWorld) -> None:
    """A run that is logged between the listings: of it there is a beginning, or nothing."""
    bucket, seen = MemoryBucket(), FaultyBucket(world.inner)

    def write(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb, key) == ("before", "list", "experiments/"):
            run = world.store.runs.start(name="meanwhile")
            run.log_bytes(random.Random(1).randbytes(66_000), "meanwhile.bin")

    location = world.location(keyless=True, bucket=seen)
    location.descriptor  # noqa: B018
    seen.on = write
    assert mirror(location, bucket).complete
    assert opened(bucket).maintenance.check().problems == []


@pytest.mark.parametrize("kind", ["log", "pack", "condemn"])
def test_what_is_damaged_is_left_out_and_said(world: KeylessWorld, kind: str) -> None:
    """And of a log what follows it: the copy has no gap."""
    world.collect(keyless=True)
    key = next(key for key in sorted(world.inner.objects, reverse=True) if (k := parse_key(key)) and k.kind == kind)
    data = world.inner.objects[key]
    world.inner.objects[key] = data[:20] + bytes([data[20] ^ 1]) + data[21:]
    bucket = MemoryBucket()
    found = copied(world, bucket)
    assert (found.complete, set(found.problems)) == (False, {key})
    assert key not in bucket.objects


def test_another_store_is_never_mixed_in(world: KeylessWorld) -> None:
    """Nor anything else that is there; nothing is written."""
    other = MemoryBucket()
    tiny_store(other, seed=5, sealed=True)
    slots = MemoryBucket(objects={key: data for key, data in other.objects.items() if key.startswith("keys/")})
    for bucket in (other, slots, MemoryBucket(objects={"notes.txt": b"mine"})):
        before = dict(bucket.objects)
        with pytest.raises(InvalidArgumentError, match="something else"):
            copied(world, bucket)
        assert bucket.objects == before


def test_what_was_deleted_stays_in_the_copy_unless_that_is_said(world: KeylessWorld) -> None:
    """Who can delete at the source must not delete the copy by it; with `deletions` it follows."""
    bucket = MemoryBucket()
    copied(world, bucket)
    gone = world.collect(keyless=False).freed.packs
    assert gone > 0
    copied(world, bucket)
    assert bucket.objects.keys() > objects(world.inner).keys()
    copied(world, bucket, deletions=True)
    assert bucket.objects == objects(world.inner)


@pytest.mark.parametrize("revoked", [True, False])
def test_a_key_slot_goes_from_the_copy_only_if_it_was_revoked(world: KeylessWorld, revoked: bool) -> None:
    """Else who can delete at the source would take the keys of the copy; with its mark, it opens nothing any more."""
    bucket = MemoryBucket()
    slot = next(key for key in world.inner.objects if key.startswith("keys/slots/"))
    copied(world, bucket)
    world.inner.delete(slot)
    if revoked:
        world.inner.put(f"{slot}-revoked", b"{}")
    copied(world, bucket, deletions=True)
    assert (slot in bucket.objects) is not revoked


def test_the_verb_copies_so_where_no_key_is_given(world: KeylessWorld, tmp_path: Path) -> None:
    """By an address, again, and into a bundle; parts are refused, since they cannot be told from others."""
    store = Store(tiny_location(world.inner, seed=3, create=False, pool=Serial(), sealed=False))
    for dry_run, sent in ((True, True), (False, True), (False, False)):
        found = store.maintenance.copy_to(str(tmp_path / "copy"), dry_run=dry_run)
        assert (found.complete, found.unseen, found.sent > 0) == (True, UNSEEN, sent)
    store.maintenance.copy_to(str(tmp_path / "all.zip"))
    for address in ("copy", "all.zip"):
        there = Store.open(str(tmp_path / address), unlock=Unlock(passphrase=PASSPHRASE))
        for (run_id, path), data in world.content.items():
            assert there.runs.get(run_id).read(path) == data
    with pytest.raises(KeyUnavailableError):
        store.maintenance.copy_to(str(tmp_path / "part"), runs=[world.runs["plain"].id])


def test_a_bundle_of_an_encrypted_store_is_encrypted(world: KeylessWorld, tmp_path: Path) -> None:
    """Who has the key says `decrypt` for another; the slots are in it."""
    Store(world.store._location).maintenance.copy_to(str(tmp_path / "all.zip"))
    with pytest.raises(KeyUnavailableError):
        Store.open(str(tmp_path / "all.zip")).runs.get(world.runs["plain"].id).read("own.bin")
    assert run_log(world.runs["plain"].id).encode() in (tmp_path / "all.zip").read_bytes()


def test_the_shell_copies_without_a_key_and_in_the_open_where_that_is_said(
    world: KeylessWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first says what it did not see; with the key, `--decrypt` is asked for, and the copy needs none."""
    monkeypatch.delenv("HOLDALL_PASSPHRASE", raising=False)
    here, plain = str(tmp_path / "here"), str(tmp_path / "plain")
    copied(world, LocalBucket(Path(here)))
    done = CliRunner().invoke(program, ["store", "copy", here, str(tmp_path / "there")])
    assert (done.exit_code, "unseen" in done.output, "objects of" in done.output) == (0, True, True), done.output
    env = {"HOLDALL_PASSPHRASE": PASSPHRASE}
    refused = CliRunner().invoke(program, ["store", "copy", here, plain], env=env)
    assert refused.exit_code != 0
    done = CliRunner().invoke(program, ["store", "copy", here, plain, "--decrypt"], env=env)
    assert done.exit_code == 0, done.output
    assert {run.info.run_name for run in Store.open(plain).runs.search()} >= {"plain", "inline", "versioned"}
