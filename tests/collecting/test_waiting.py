"""What waits and is refused: quarantine, undoing, sessions that nobody continues, locks, versions."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.support.faulty import FaultyBucket
from tests.support.garbage import DAY, HOUR, GarbageWorld
from tests.support.logs import entries_of, ops_of
from tests.support.stores import Serial, tiny_location

from holdall.errors import AccessDeniedError, GarbageNotFoundError, GenerationDecidedError, NotDeletedError
from holdall.format.layout import GARBAGE, PackName, damage_key, generation_key, log_key, parse_key, run_log
from holdall.format.records import parse_generation, quarantine_end
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@pytest.fixture
def world() -> GarbageWorld:
    return GarbageWorld()


def words(world: GarbageWorld, number: int) -> set[str]:
    keys = [parse_key(info.key) for info in world.inner.list(GARBAGE)]
    return {key.kind for key in keys if key and key.number == number and key.kind != "damaged"}


# --- quarantine


def test_what_is_in_quarantine_stays_until_it_is_over(world: GarbageWorld) -> None:
    """Condemned at once, deleted by the first collection after it, whatever that one's own quarantine."""
    packs = world.packs()
    first = world.collect(quarantine=7 * DAY)
    assert first.freed.packs == 0
    assert first.generations[0].waiting
    assert first.generations[0].until == world.clock.now + 7 * DAY
    assert words(world, 0) == {"condemn"}
    world.clock.now += 6 * DAY
    waits = world.collect(seed=8)
    assert (waits.freed.packs, waits.waiting.packs, waits.garbage.packs) == (0, first.garbage.packs, 0)
    assert world.packs() == packs
    world.clock.now += DAY
    last = world.collect(seed=9, quarantine=7 * DAY)
    assert last.freed.packs == first.garbage.packs
    assert words(world, 0) == {"condemn", "verdict", "done"}
    world.check()


def test_the_end_of_a_quarantine_is_the_servers_time_in_the_generation(world: GarbageWorld) -> None:
    """A reader that does not know the field reads the packs all the same."""
    world.collect(quarantine=HOUR)
    data = world.inner.get(generation_key(0, "condemn"))
    assert quarantine_end(data, 0) == world.clock.now + HOUR
    assert parse_generation(data, 0, "condemn")


def test_new_garbage_is_condemned_beside_what_waits(world: GarbageWorld) -> None:
    """Daily collections with a quarantine of a week have seven generations side by side."""
    world.collect(quarantine=7 * DAY)
    run = world.log("another")
    world.purge(run)
    world.clock.now += 2 * DAY
    second = world.collect(seed=8, quarantine=7 * DAY)
    assert [one.number for one in second.generations] == [0, 1]
    assert second.generations[1].condemned.packs > 0
    world.clock.now += 5 * DAY
    third = world.collect(seed=9)
    assert [(one.number, one.done) for one in third.generations] == [(0, True), (1, False)]
    world.clock.now += 2 * DAY
    assert world.collect(seed=10).generations[0].done
    world.check()


def test_who_uses_it_again_during_the_quarantine_saves_it(world: GarbageWorld) -> None:
    """A run that was logged with the same content stores it anew: its packs are others, and both are right."""
    world.collect(quarantine=7 * DAY)
    world.kept.append(world.log("again", content="purged 0"))
    world.clock.now += 8 * DAY
    assert world.collect(seed=8).freed.packs > 0
    world.check()


# --- undoing


def test_an_undone_generation_deletes_nothing(world: GarbageWorld) -> None:
    """Its packs may be condemned again by a later one."""
    packs = world.packs()
    found = world.collect(quarantine=7 * DAY)
    assert world.store.maintenance.undo_gc(0) == found.garbage.packs
    assert words(world, 0) == {"condemn", "verdict", "done"}
    world.clock.now += 8 * DAY
    again = world.collect(seed=8, quarantine=7 * DAY)
    assert world.packs() == packs
    assert [one.number for one in again.generations] == [1]
    world.store.maintenance.undo_gc(0)  # twice is no matter


def test_what_deletes_already_cannot_be_undone(world: GarbageWorld) -> None:
    """It is said, and what it does goes on."""
    world.collect()
    with pytest.raises(GenerationDecidedError):
        world.store.maintenance.undo_gc(0)
    with pytest.raises(GarbageNotFoundError):
        world.store.maintenance.undo_gc(5)


# --- sessions that nobody continues


def killed(world: GarbageWorld, writer: str) -> Run:
    """A run whose writer died with a pack that it had not committed."""
    location = tiny_location(world.inner, seed=31, create=False, pool=Serial())
    location.writer = writer
    run = Store(location).runs.start(name="killed")
    run.log_bytes(b"x" * 70_000, "x.bin")
    session = ops_of(entries_of(world.inner, run.id), "open")[0]["session"]
    world.inner.put(PackName(bytes.fromhex(session), 99).key, world.inner.get(min(world.packs()).key))
    return run


def test_a_session_without_an_entry_for_seven_days_is_closed(world: GarbageWorld) -> None:
    """Then what it left is garbage; fences of collections in between do not count as its entries."""
    run = killed(world, "holdall 0.2.0")
    for _ in range(3):
        world.clock.now += 2 * DAY
        found = world.collect(seed=world.clock.now % 1000)
        assert (found.closed, found.unfinished.packs) == ({}, 1)
        world.purge(world.log(f"more {world.clock.now}"))
    assert ops_of(entries_of(world.inner, run.id), "fence")
    world.clock.now += DAY
    found = world.collect(seed=5)
    assert set(found.closed) == {run.id}
    assert (found.unfinished.packs, found.freed.packs > 0) == (0, True)
    assert ops_of(entries_of(world.inner, run.id), "close")
    assert run.id not in world.collect(seed=6).closed
    world.check()


@pytest.mark.parametrize("writer", ["holdall 0.1.9", "another 3.0", "holdall test", "holdall 0"])
def test_a_session_of_a_writer_that_would_go_on_unfenced_is_not_closed(world: GarbageWorld, writer: str) -> None:
    """It gets fences for ever: it may wake up, and knows no other sign."""
    run = killed(world, writer)
    world.clock.now += 30 * DAY
    found = world.collect()
    assert not found.closed
    assert found.unfinished.packs == 1
    assert ops_of(entries_of(world.inner, run.id), "fence")


def test_a_session_that_was_closed_goes_on_in_another(world: GarbageWorld) -> None:
    """Its writer slept for a week, and logs as if nothing had been."""
    location = tiny_location(world.inner, seed=31, create=False, pool=Serial())
    location.writer = "holdall 0.2.0"
    run = Store(location).runs.start(name="asleep")
    run.log_bytes(b"first", "first.bin")
    run.flush()
    world.clock.now += 8 * DAY
    assert run.id in world.collect().closed
    run.log_bytes(b"y" * 70_000, "y.bin")
    run.finish()
    assert run.read("y.bin") == b"y" * 70_000
    assert len(ops_of(entries_of(world.inner, run.id), "open")) == 2
    world.check()


# --- what the bucket does not do


class Locked(MemoryBucket):
    """Refuses to delete a pack."""

    def __init__(self, world: GarbageWorld, key: str) -> None:
        super().__init__(objects=world.inner.objects, clock=world.clock)
        self.modified, self.key = world.inner.modified, key

    def delete(self, key: str) -> None:
        if key == self.key:
            raise AccessDeniedError(self.url, key, "the object is locked until 2031")
        super().delete(key)


def test_a_locked_pack_is_named_and_keeps_its_generation_open(world: GarbageWorld) -> None:
    """All others are deleted; once the lock ends, the next collection finishes."""
    doomed = sorted(world.packs())
    world.collect(quarantine=1)
    locked = min(parse_generation(world.inner.get(generation_key(0, "condemn")), 0, "condemn"))
    world.clock.now += HOUR
    found = world.collect(bucket=Locked(world, locked.key), seed=8)
    assert found.refused == {locked.key: "the object is locked until 2031"}
    assert not found.complete
    assert found.freed.packs > 0
    assert words(world, 0) == {"condemn", "verdict"}
    assert locked in world.packs()
    assert world.collect(seed=9).complete
    assert locked not in world.packs()
    assert words(world, 0) == {"condemn", "verdict", "done"}
    assert len(doomed) > len(world.packs())
    world.check()


def test_a_bucket_that_keeps_versions_is_told_of(world: GarbageWorld) -> None:
    """Its lifecycle gives the space back, not the collection."""
    wrapped = FaultyBucket(world.inner)
    assert not world.collect(bucket=wrapped).versioned
    world.purge(world.log("more"))
    world.clock.now += 2 * DAY
    world.inner.keeps_versions = True  # type: ignore[attr-defined]
    assert world.collect(bucket=wrapped, seed=8).versioned


def test_a_record_of_damage_goes_with_its_pack(world: GarbageWorld) -> None:
    """And those of packs that stay do not."""
    condemned = world.collect(quarantine=1)
    assert condemned.garbage.packs
    doomed = min(parse_generation(world.inner.get(generation_key(0, "condemn")), 0, "condemn"))
    stays = min(world.packs() - parse_generation(world.inner.get(generation_key(0, "condemn")), 0, "condemn"))
    for pack in (doomed, stays):
        world.inner.put(damage_key(pack), b"only its key speaks")
    world.clock.now += HOUR
    world.collect(seed=8)
    assert {info.key for info in world.inner.list(f"{GARBAGE}damaged/")} == {damage_key(stays)}


def test_entries_of_purged_runs_that_cannot_be_deleted_are_named(world: GarbageWorld) -> None:
    """As packs are."""

    class NoEntries(MemoryBucket):
        def delete_many(self, keys: Sequence[str]) -> None:
            refused = {key: AccessDeniedError(self.url, key, "locked") for key in keys if key.startswith("runs/")}
            super().delete_many([key for key in keys if key not in refused])
            if refused:
                raise NotDeletedError(self.url, min(refused), "locked", refused)

    bucket = NoEntries(objects=world.inner.objects, clock=world.clock)
    bucket.modified = world.inner.modified
    found = world.collect(bucket=bucket)
    assert found.refused
    assert all(key.startswith("runs/") for key in found.refused)
    assert world.collect(seed=8).complete


def test_a_run_that_is_purged_while_it_is_fenced_stops_nothing(world: GarbageWorld) -> None:
    """Its entries vanish between the listing and the reading of its log: it is looked at anew, and needs no fence."""
    run = world.log("open", finish=False)
    log = run_log(run.id)
    purged: list[str] = []

    def purge(n: int, phase: str, verb: str, key: str) -> None:
        condemned = generation_key(0, "condemn") in world.inner.objects
        if (phase, verb) == ("before", "get") and key.startswith(log) and condemned and not purged:
            purged.append(key)
            world.purge(run)
            keys = sorted(key for key in world.inner.objects if key.startswith(log))
            world.inner.delete_many(keys[1:])

    world.seen.on = purge
    found = world.collect()
    assert purged
    assert found.fenced == 0
    assert found.freed.packs > 0
    world.check()


def test_an_old_entry_that_is_damaged_does_not_stop_a_collection(world: GarbageWorld) -> None:
    """Only a checkpoint and what follows it are needed; the session that it opened is not closed, as nobody knows."""
    run = killed(world, "holdall 0.2.0")
    for n in range(70):
        run.log_metric("loss", n)
        run.flush()
    key = log_key(run_log(run.id), 0)
    assert max(entry.state_at or 0 for entry in entries_of(world.inner, run.id)) > 0
    world.inner.objects[key] = world.inner.objects[key][:-90]
    world.clock.now += 8 * DAY
    found = world.collect()
    assert not found.closed
    assert found.freed.packs > 0
