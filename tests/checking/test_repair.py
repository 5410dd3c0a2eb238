"""Old runs are healed with whole copies: an entry of the same paths and new places, by a writer like any other."""

from __future__ import annotations

import random

import pytest
from tests.support.logs import entries_of, ops_of, packs_in
from tests.support.stores import entropy, tiny_store
from tests.trees.test_damage import DATA, World, log

from holdall.errors import RunNotFoundError
from holdall.format.layout import PackName, log_key, run_log
from holdall.format.pack import parse_pack
from holdall.format.reference import NODE, RECIPE
from holdall.store import Store
from holdall.trees.session import Draft

OTHER = entropy(21)(90_000)


@pytest.fixture
def world() -> World:
    return World()


def damage(world: World, *, record: bool = True) -> None:
    """Flip a bit in every third pack that holds chunks."""
    for pack in range(0, len(world.packs), 3):
        world.flip_chunk(0, pack=pack)
    if record:
        world.store().maintenance.check(record=True)


def paths_of(store: Store, run_id: str) -> dict[str, str]:
    return store.runs.get(run_id).manifest


def test_an_old_run_is_whole_again_once_its_content_was_logged_again(world: World) -> None:
    """The flow of the guide: damage, record, log again, repair; the old run reads, and its manifest is the same."""
    before = paths_of(world.store(), world.first.id)
    damage(world)
    log(world.store())
    (plan,) = world.store().maintenance.repair()
    assert (plan.run_id, plan.whole, [file.path for file in plan.files]) == (world.first.id, True, ["weights.bin"])
    assert world.read(world.first.id) == DATA
    assert paths_of(world.store(), world.first.id) == before
    assert world.store().maintenance.repair() == []
    assert world.store().maintenance.check().intact


def test_a_dry_run_writes_nothing_and_says_the_same(world: World) -> None:
    """What a plan promises is what performing it does."""
    damage(world)
    log(world.store())
    before = dict(world.bucket.objects)
    planned = world.store().maintenance.repair(dry_run=True)
    assert world.bucket.objects == before
    assert world.store().maintenance.repair() == planned


def test_what_is_lost_is_named_and_stays_as_it_was(world: World) -> None:
    """A file that is whole nowhere is not healed, its run's other files are; once it is logged again, it is."""
    run = world.store().runs.resume(world.first.id)
    run.log_bytes(OTHER, "other.bin")
    run.finish()
    world.packs = packs_in(world.bucket)
    damage(world)
    log(world.store(), OTHER)
    (plan,) = world.store().maintenance.repair()
    assert {file.path: bool(file.lost) for file in plan.files} == {"weights.bin": True, "other.bin": False}
    assert not plan.whole
    assert world.read(world.first.id, "other.bin") == OTHER
    assert set(paths_of(world.store(), world.first.id)) == {"weights.bin", "other.bin"}
    log(world.store())
    assert [plan.whole for plan in world.store().maintenance.repair()] == [True]
    assert world.read(world.first.id) == DATA


def test_what_is_whole_in_the_damaged_pack_alone_is_copied(world: World) -> None:
    """A pack whose footer is damaged, but none of its blobs, gives all of them to new packs."""
    key = world.packs[0]
    world.flip(key, -60)
    world.store().maintenance.check(record=True)
    assert world.recorded
    (plan,) = world.store().maintenance.repair()
    assert plan.whole
    del world.bucket.objects[key]
    assert world.read(world.first.id) == DATA


def test_a_missing_pack_is_healed_too(world: World) -> None:
    """Whoever logs the content again heals a run whose packs are gone, with no record at all."""
    gone = world.packs[0]
    del world.bucket.objects[gone]
    log(world.store())
    assert [plan.whole for plan in world.store().maintenance.repair([world.first.id])] == [True]
    assert world.read(world.first.id) == DATA
    assert world.store().maintenance.check().intact


@pytest.mark.parametrize("kind", [NODE, RECIPE])
def test_what_is_nowhere_whole_is_named(world: World, kind: int) -> None:
    """A damaged listing or recipe of which there is no other copy: the run or the file is named, nothing is changed."""
    for key in world.packs:
        for row in parse_pack(world.bucket.objects[key], key).rows:
            if row.kind == kind:
                world.flip(key, row.offset + row.stored // 2)
    world.store().maintenance.check(record=True)
    before = len(entries_of(world.bucket, world.first.id))
    (plan,) = world.store().maintenance.repair()
    assert not plan.whole
    assert plan.lost or plan.files[0].lost
    assert len(entries_of(world.bucket, world.first.id)) == before or plan.listing


def test_a_run_that_goes_on_is_repaired_under_its_writer(world: World) -> None:
    """Its writer takes the new state in as any rival's entry, and what it commits later is there as well."""
    store = world.store()
    run = store.runs.start()
    run.log_bytes(OTHER, "other.bin")
    own = [key for key in packs_in(world.bucket) if key not in world.packs]
    for key in own:
        world.flip(key)
    world.store().maintenance.check(record=True)
    log(world.store(), OTHER)
    plans = world.store().maintenance.repair([run.id])
    run.log_text("later", "later.txt")
    run.finish()
    if all(plan.whole for plan in plans):
        assert world.read(run.id, "other.bin") == OTHER
    assert world.read(run.id, "later.txt") == b"later"


def test_a_deleted_run_is_healed_and_stays_deleted(world: World) -> None:
    """It can be restored, so it is to be whole."""
    world.store().runs.get(world.first.id).delete()
    damage(world)
    log(world.store())
    assert [plan.whole for plan in world.store().maintenance.repair()] == [True]
    assert world.store().runs.get(world.first.id).state.deleted
    assert world.read(world.first.id) == DATA


def test_the_entry_says_the_same_and_opens_and_closes_a_session(world: World) -> None:
    """Three entries: open without a state, the state, close. Status, counts, tags and parameters are as they were."""
    before = world.store().runs.get(world.first.id).state
    damage(world)
    log(world.store())
    count = len(entries_of(world.bucket, world.first.id))
    world.store().maintenance.repair()
    opened, moved, closed = entries_of(world.bucket, world.first.id)[count:]
    assert [entry.state is not None for entry in (opened, moved, closed)] == [False, True, False]
    assert [op["op"] for entry in (opened, moved, closed) for op in entry.ops] == ["open", "close"]
    after = world.store().runs.get(world.first.id).state
    for name in ("status", "files", "bytes", "started", "ended", "params", "tags", "sessions", "inline"):
        assert getattr(after, name) == getattr(before, name), name


def test_nothing_refers_to_the_damaged_pack_after_it(world: World) -> None:
    """After the repair the damaged packs may be deleted: what is left reads."""
    damage(world)
    log(world.store())
    world.store().maintenance.repair()
    for name in world.recorded:
        del world.bucket.objects[PackName.parse(name, "pack").key]
    assert world.read(world.first.id) == DATA
    found = world.store().maintenance.check()
    assert found.intact, found.problems


def test_facts_of_a_state_that_lie_in_a_damaged_pack_are_told_by_the_log() -> None:
    """A state's parameters that went to a pack are in the entries too."""
    world = World()
    run = world.store().runs.start()
    run.log_params({f"p{n}": "v" * 500 for n in range(150)})
    run.log_bytes(OTHER, "other.bin")
    run.finish()
    (last,) = [entry for entry in entries_of(world.bucket, run.id) if entry.state]
    assert last.state
    pack = PackName.parse(last.state["facts"]["pack"], "facts")
    del world.bucket.objects[pack.key]
    log(world.store(), OTHER)
    assert [plan.whole for plan in world.store().maintenance.repair([run.id])] == [True]
    assert len(world.store().runs.get(run.id).record.data.params) == 150
    assert world.store().maintenance.check().intact
    assert world.read(run.id, "other.bin") == OTHER


def test_a_healthy_store_is_left_alone(world: World) -> None:
    """Where nothing is damaged nothing is planned, and no footer is read."""
    before = dict(world.bucket.objects)
    assert world.store().maintenance.repair() == []
    assert world.bucket.objects == before


@pytest.mark.parametrize("id", ["0" * 32, "nonsense", "../x"])
def test_a_run_that_is_not_there_is_named(world: World, id: str) -> None:
    """Nobody is told that all is well of a run that there is not."""
    with pytest.raises(RunNotFoundError):
        world.store().maintenance.repair([id])


def test_the_64th_entry_that_opens_a_session_carries_no_state() -> None:
    """W1: what opens refers to no pack, so a state that is due waits for the next entry."""
    world = World()
    run = tiny_store(world.bucket, seed=5, create=False).runs.start()
    for n in range(64 - 2):
        run.log_text(str(n), f"{n}.txt")
    run._writing().close()
    assert entries_of(world.bucket, run.id)[-1].n == 63
    again = tiny_store(world.bucket, seed=6, create=False).runs.get(run.id)
    again.log_bytes(random.Random(6).randbytes(100_000), "on.bin")
    opened = next(entry for entry in entries_of(world.bucket, run.id)[64:] if ops_of([entry], "open"))
    assert opened.state is None
    assert log_key(run_log(run.id), opened.n + 1) in world.bucket.objects
    assert any(entry.state for entry in entries_of(world.bucket, run.id)[opened.n + 1 :])


def test_a_purged_run_needs_nothing(world: World) -> None:
    """Whatever it held is given up: no plan names it, and nothing is written behind its purge."""
    world.store().runs.resume(world.first.id)._writing().append(lambda: Draft([{"op": "purge"}]))
    damage(world)
    before = dict(world.bucket.objects)
    assert world.store().maintenance.repair([world.first.id]) == []
    assert world.bucket.objects == before


def test_a_run_whose_log_cannot_be_read_is_lost(world: World) -> None:
    """A plan says why, and nothing is written to it."""
    first, *_ = sorted(key for key in world.bucket.objects if key.startswith(run_log(world.first.id)))
    world.bucket.objects[first] = b"{"
    before = dict(world.bucket.objects)
    (plan,) = world.store().maintenance.repair([world.first.id])
    assert (plan.whole, plan.healable) == (False, False)
    assert plan.lost
    assert world.bucket.objects == before


def test_nothing_is_written_behind_a_purge(world: World) -> None:
    """Restoring, resuming, logging: each says that the run is gone, and the log stays what it was."""
    run = world.store().runs.resume(world.first.id)
    run._writing().append(lambda: Draft([{"op": "purge"}]))
    before = dict(world.bucket.objects)
    for verb in (
        lambda: world.store().runs.get(run.id).restore(),
        lambda: world.store().runs.resume(run.id),
        lambda: world.store().runs.get(run.id).log_text("a", "a.txt"),
    ):
        with pytest.raises(RunNotFoundError):
            verb()
    run._writing().close()
    assert world.bucket.objects == before
