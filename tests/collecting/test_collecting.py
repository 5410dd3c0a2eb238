"""A collection deletes what nothing refers to, and nothing else, whatever others do meanwhile."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from tests.support.faulty import Crash, Fault, FaultyBucket
from tests.support.garbage import DAY, HOUR, GarbageWorld
from tests.support.logs import entries_of, ops_of
from tests.support.stores import Serial, tiny_location

from holdall.chunks.pool import Pool
from holdall.collecting.at_once import collect_packs
from holdall.collecting.collector import Collector, Policy
from holdall.engines.threads import ThreadEngine
from holdall.errors import LiveContentError, StorageError, UnknownAgeError
from holdall.format.layout import GARBAGE, HINTS, PackName, generation_key, log_key, parse_key, run_log
from holdall.format.records import encode_generation, parse_generation
from holdall.runs.run import Run
from holdall.storage.bucket import ObjectInfo
from holdall.store import Store


@pytest.fixture
def world() -> GarbageWorld:
    return GarbageWorld()


def verdict_of(world: GarbageWorld, generation: int = 0) -> frozenset[PackName]:
    return parse_generation(world.inner.get(generation_key(generation, "verdict")), generation, "verdict")


def words(world: GarbageWorld) -> list[tuple[int, str]]:
    keys = [parse_key(info.key) for info in world.inner.list(GARBAGE)]
    return sorted((key.number, key.kind) for key in keys if key)


def test_what_only_purged_runs_had_is_deleted(world: GarbageWorld) -> None:
    """And what they shared with others stays; what is said was freed is what the bucket lost."""
    before = world.packs()
    size = sum(info.size for info in world.inner.list("packs/"))
    found = world.collect()
    assert found.freed.packs == len(before) - len(world.packs()) > 0
    assert found.freed.bytes == size - sum(info.size for info in world.inner.list("packs/"))
    assert words(world) == [(0, "condemn"), (0, "done"), (0, "verdict")]
    world.check()


def test_a_second_collection_finds_nothing(world: GarbageWorld) -> None:
    """And writes nothing below `gc/`."""
    world.collect()
    found = world.collect(seed=8)
    assert (found.garbage.packs, found.freed.packs, found.generations) == (0, 0, [])
    assert words(world) == [(0, "condemn"), (0, "done"), (0, "verdict")]


def test_a_deleted_run_keeps_everything_until_it_is_purged(world: GarbageWorld) -> None:
    """Deleting a run only hides it."""
    world.kept[0].delete()
    world.collect()
    world.kept[0].restore()
    world.check()


def test_a_young_pack_is_left_alone(world: GarbageWorld) -> None:
    """It is likely to be of an upload under way; a day later it goes."""
    run = world.log("young")
    world.purge(run)
    found = world.collect()
    assert found.young.packs > 0
    world.clock.now += 25 * HOUR
    assert world.collect(seed=8).freed.packs == found.young.packs
    world.check()


def test_a_pack_of_an_open_session_is_left_alone(world: GarbageWorld) -> None:
    """However old: a writer that is stopped for a day must not have to begin again."""
    run = world.log("open", finish=False)
    other = world.log("other", content="uncommitted")
    packs = world.packs()
    entries = entries_of(world.inner, run.id)
    session = bytes.fromhex(ops_of(entries, "open")[0]["session"])
    left_over = next(pack for pack in packs if pack.session != session)
    own = PackName(session, 999)
    world.inner.put(own.key, world.inner.get(left_over.key))
    world.clock.now += 2 * DAY
    found = world.collect()
    assert found.unfinished.packs == 1
    assert own in world.packs()
    assert other.id not in found.closed


def test_what_an_open_session_has_replaced_is_garbage(world: GarbageWorld) -> None:
    """A job that runs for a week and rewrites its checkpoint gives the space of the older ones back meanwhile."""
    run = world.store.runs.start(name="week", paths="versioned")
    for step in range(4):
        run.log_bytes(random.Random(step).randbytes(70_000), "last.pt", on_conflict="replace", keep_last=1)
    before = len(world.packs())
    world.clock.now += 2 * DAY
    found = world.collect()
    assert (found.freed.packs >= 3, found.unfinished.packs) == (True, 0)
    assert len(world.packs()) == before - found.freed.packs
    run.log_bytes(random.Random(9).randbytes(70_000), "last.pt", on_conflict="replace", keep_last=1)
    assert run.open("last.pt").read() == random.Random(9).randbytes(70_000)
    run.finish()
    world.check()


def test_what_is_logged_while_it_is_condemned_is_stored_anew(world: GarbageWorld) -> None:
    """The same content as in a condemned pack: the writer keeps away from it, and its copy stays."""
    session: list[object] = []

    def begin(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb) == ("after", "put") and key.endswith("/condemn"):
            run = world.log("again", content="purged 0")
            world.kept.append(run)
            session.append(run)

    world.seen.on = begin
    found = world.collect()
    assert session
    assert found.freed.packs > 0
    world.check()


def test_what_was_shared_before_the_fence_is_spared(world: GarbageWorld) -> None:
    """A writer that had looked before the generation began commits: its packs are not in the verdict."""
    store = Store(tiny_location(world.inner, seed=5, create=False, pool=Serial()))
    run = store.runs.start(name="late")
    run.log_bytes(random.Random("begin").randbytes(66_000), "begin.bin")  # it has looked at gc/ by now

    def commit(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb) == ("before", "put") and key.endswith("/condemn"):
            world.content[run.id] = random.Random("purged 0").randbytes(66_000)
            run.log_bytes(world.content[run.id], "own.bin")
            world.kept.append(run)

    world.seen.on = commit
    found = world.collect()
    assert found.generations[0].spared > 0
    world.seen.on = None
    run.finish()
    world.check()


def test_an_open_session_is_fenced_before_the_verdict(world: GarbageWorld) -> None:
    """The fence's entry is there when the verdict is created; a log without an open session gets none."""
    run = world.log("open", finish=False)
    found = world.collect()
    assert found.fenced == 1
    assert [op["generation"] for op in ops_of(entries_of(world.inner, run.id), "fence")] == [0]
    asked = [key for verb, key in world.seen.requests if verb == "put"]
    fence = next(i for i, key in enumerate(asked) if key.startswith(run_log(run.id)))
    assert asked.index(generation_key(0, "condemn")) < fence < asked.index(generation_key(0, "verdict"))
    assert not any(ops_of(entries_of(world.inner, kept.id), "fence") for kept in world.kept)
    run.finish()
    world.check()


def test_a_session_that_opened_after_the_first_mark_is_fenced(world: GarbageWorld) -> None:
    """It looked at `gc/` before the generation began, and commits after the second mark: the fence is all it has."""
    store = Store(tiny_location(world.inner, seed=5, create=False, pool=Serial()))
    data = random.Random("purged 0").randbytes(66_000)
    runs: list[Run] = []

    def write(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb, key) == ("before", "list", "packs/") and not runs:
            runs.append(store.runs.start(name="between"))
            runs[0].log_bytes(random.Random("begin").randbytes(66_000), "begin.bin")
        if (phase, verb, key) == ("before", "put", generation_key(0, "verdict")):
            runs[0].log_bytes(data, "own.bin")

    world.seen.on = write
    found = world.collect()
    assert (found.fenced, found.generations[0].spared) == (1, 0)
    world.seen.on = None
    runs[0].finish()
    assert runs[0].read("own.bin") == data
    world.check()


def test_an_incomplete_generation_is_finished_first(world: GarbageWorld) -> None:
    """Whoever condemned it: what is referred to is spared, the rest goes, and then it is done."""
    world.inner.put(generation_key(0, "condemn"), encode_generation(0, "condemn", sorted(world.packs())))
    found = world.collect()
    assert found.generations[0].done
    assert found.generations[0].spared > 0
    assert found.freed.packs > 0
    world.check()


def test_a_verdict_that_is_there_holds(world: GarbageWorld) -> None:
    """Two collectors of a generation must delete the same: an empty one undoes it."""
    packs = sorted(world.packs())
    world.inner.put(generation_key(0, "condemn"), encode_generation(0, "condemn", packs))
    world.inner.put(generation_key(0, "verdict"), encode_generation(0, "verdict", []))
    found = world.collect(delay=1000 * DAY)
    assert found.freed.packs == 0
    assert found.generations[0].done
    assert world.packs() == set(packs)


def test_who_loses_the_race_for_a_generation_finishes_the_others(world: GarbageWorld) -> None:
    """Its packs were not watched when the runs were first read: all of them are read again."""
    live = sorted(world.packs())

    def rival(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb, key) == ("before", "put", generation_key(0, "condemn")):
            world.inner.put(key, encode_generation(0, "condemn", live))

    world.seen.on = rival
    found = world.collect()
    assert found.generations[0].spared > 0
    world.check()


def test_more_than_a_generation_may_have_go_one_after_another(world: GarbageWorld) -> None:
    """Three packs at a time, until none is left."""
    found = world.collect(most=3)
    assert len(found.generations) > 1
    assert all(one.done and one.condemned.packs <= 3 for one in found.generations)
    assert world.collect(seed=8).garbage.packs == 0
    world.check()


def test_any_number_of_packs_is_collected_at_once(world: GarbageWorld) -> None:
    """By as many generations as it takes; what runs need is spared in each."""
    packs = frozenset(world.packs())
    location = tiny_location(world.inner, seed=4, create=False, pool=Pool(workers=2))
    gone = collect_packs(location, packs, most=5)
    assert gone == packs - world.packs()
    assert gone
    assert len(words(world)) == 3 * -(-len(packs) // 5)
    world.check()


def test_a_run_that_refers_to_a_later_generations_packs_is_seen(world: GarbageWorld) -> None:
    """What a writer shares while the first generation is collected is not condemned by the second.

    It has ended by then: no fence makes the collector look at it again.
    """
    store = Store(tiny_location(world.inner, seed=5, create=False, pool=Serial()))
    run = store.runs.start(name="late")
    run.log_bytes(random.Random("begin").randbytes(66_000), "begin.bin")
    content = {name: random.Random(name).randbytes(66_000) for name in ("purged 0", "purged 1")}
    before = world.packs()
    shared: set[PackName] = set()

    def commit(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb, key) == ("after", "put", generation_key(0, "condemn")):
            for name, data in content.items():
                run.log_bytes(data, f"{name}.bin")
            run.finish()
            shared.update(before - parse_generation(world.inner.get(key), 0, "condemn"))

    world.seen.on = commit
    found = world.collect(most=1)
    assert shared
    assert len(found.generations) >= 1
    world.seen.on = None
    for name, data in content.items():
        assert run.read(f"{name}.bin") == data
    world.check()


def test_hints_of_deleted_packs_go_with_them(world: GarbageWorld) -> None:
    """One that leads elsewhere stays."""
    before = sum(1 for _ in world.inner.list(HINTS))
    found = world.collect()
    after = sum(1 for _ in world.inner.list(HINTS))
    assert found.hints == before - after > 0
    assert after > 0


def test_the_entries_of_a_purged_run_go_but_for_the_purge(world: GarbageWorld) -> None:
    """What they carried inline goes with them."""
    found = world.collect()
    assert found.entries > 0
    for run in world.purged:
        keys = [parse_key(info.key) for info in world.inner.list(f"{run_log(run.id)}/")]
        assert len(keys) == 1
    assert world.collect(seed=8).entries == 0


# --- what stops a collection


def test_a_log_that_cannot_be_read_stops_it(world: GarbageWorld) -> None:
    """And it is said which run that is; nothing is deleted."""
    run = world.kept[0]
    key = log_key(run_log(run.id), len(entries_of(world.inner, run.id)) - 1)
    world.inner.objects[key] = world.inner.objects[key][:-80]
    packs = world.packs()
    with pytest.raises(LiveContentError, match=run.id):
        world.collect()
    assert world.packs() == packs
    assert not words(world)


def test_a_node_that_is_gone_stops_it(world: GarbageWorld) -> None:
    """What it names may be anything."""
    packs = {pack for pack in world.packs() if any(pack == key for key in world.packs())}
    for pack in sorted(packs):
        left = world.inner.objects.pop(pack.key)
        try:
            world.collect(dry_run=True)
        except LiveContentError:
            break
        finally:
            world.inner.objects[pack.key] = left
    else:
        pytest.fail("no pack holds a node")


def test_an_operation_that_it_does_not_know_stops_it(world: GarbageWorld) -> None:
    """Also one that readers may ignore: a later version may refer to something in it."""
    from holdall.trees.session import Draft

    run = world.log("open", finish=False)
    run._writing().append(lambda: Draft([{"op": "x-later"}]))
    with pytest.raises(LiveContentError, match="x-later"):
        world.collect()


def test_a_bucket_without_times_is_not_asked_for_ages(world: GarbageWorld) -> None:
    """With a delay it is an error; without one it is not."""

    class Timeless(FaultyBucket):
        def list(self, prefix: str = "", *, limit: int | None = None):  # type: ignore[no-untyped-def]
            return (ObjectInfo(info.key, info.size) for info in super().list(prefix, limit=limit))

    packs = world.packs()
    with pytest.raises(UnknownAgeError):
        world.collect(bucket=Timeless(world.inner))
    assert world.packs() == packs
    assert world.collect(bucket=Timeless(world.inner), delay=0).freed.packs > 0
    world.check()


def test_a_dry_run_writes_nothing_and_says_what_would_be(world: GarbageWorld) -> None:
    """The same packs and bytes as then are deleted."""
    before = dict(world.inner.objects)
    world.clock.now = world.store._location.clock() + 7 * DAY
    told = world.collect(dry_run=True, delay=0)
    assert world.inner.objects == before
    assert world.seen.count("put") == world.seen.count("delete") == world.seen.count("delete_many") == 0
    done = world.collect(delay=0, seed=8)
    assert (told.garbage.packs, told.garbage.bytes) == (done.freed.packs, done.freed.bytes)


def test_a_dry_run_counts_what_is_to_be_purged_as_garbage(world: GarbageWorld) -> None:
    """As it will be by then: nobody should have to collect twice to know what a collection frees."""
    alone = world.collect(dry_run=True, delay=0)
    doomed = run_log(world.kept[0].id)
    location = tiny_location(world.seen, seed=3, create=False, pool=Serial())
    with ThreadEngine(1) as engine:
        told = Collector(location, engine, Policy(delay=0)).plan([doomed])
    assert told.garbage.packs > alone.garbage.packs
    assert told.runs == alone.runs
    world.purge(world.kept.pop(0))
    assert world.collect(delay=0, seed=8).freed.packs == told.garbage.packs
    world.check()


def test_a_dry_run_says_about_how_many_requests_it_would_take(world: GarbageWorld) -> None:
    """Within a factor of two, with an open session and without."""
    for seed in (11, 12):
        told = world.collect(dry_run=True, delay=0, seed=seed)
        world.seen.requests.clear()
        world.collect(delay=0, seed=seed + 10)
        assert len(world.seen.requests) / 2 <= told.requests <= 2 * len(world.seen.requests)
        world.log("open", finish=False)


# --- whatever happens to it


def kill_at(world: GarbageWorld, number: int, phase: str) -> bool:
    """Collect, and die before or after this request; return whether there are so many."""

    def on(n: int, now: str, verb: str, key: str) -> None:
        if (n, now) == (number, phase):
            raise Crash

    dying = FaultyBucket(world.inner, on=on)
    with suppress(Crash):
        world.collect(bucket=dying)
    return len(dying.requests) >= number


@pytest.mark.parametrize("phase", ["before", "after"])
@pytest.mark.every(2)
def test_killed_at_any_request_the_next_collection_finishes(phase: str) -> None:
    """Nothing that lives is lost, and in the end the same packs are left as without the kill."""
    whole = GarbageWorld(purged=1, kept=1)
    whole.log("open", finish=False)
    whole.collect()
    number = 0
    while True:
        number += 1
        world = GarbageWorld(purged=1, kept=1)
        run = world.log("open", finish=False)
        if not kill_at(world, number, phase):
            break
        world.collect(seed=8)
        assert world.packs() == whole.packs(), f"killed {phase} request {number}"
        run.finish()
        world.check()
    assert number > 30


@pytest.mark.parametrize("act", ["fail", "lose"])
@pytest.mark.parametrize("verb", ["put", "list", "get", "get_range", "delete_many"])
@pytest.mark.every(2)
def test_an_error_at_any_request_loses_nothing(verb: str, act: str) -> None:
    """One that no retry mends: whatever it stops, the next collection goes on."""
    if (verb, act) in {("get", "lose"), ("get_range", "lose")}:
        act = "fail"
    for at in range(1, 60):
        world = GarbageWorld(purged=1, kept=1)
        faulty = FaultyBucket(world.inner)
        fault = Fault(verb, act, at=at)
        faulty.plan(fault)
        with suppress(StorageError, LiveContentError):
            world.collect(bucket=faulty)
        world.collect(seed=8)
        world.check()
        if fault.met < at:
            return
    pytest.fail("it makes more requests than expected")


def test_who_finds_its_generation_done_deletes_nothing_more(world: GarbageWorld) -> None:
    """It slept while another finished: a deletion that comes so late must not be sent at all."""

    def overtake(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb, key) == ("after", "put", generation_key(0, "verdict")):
            world.collect(bucket=FaultyBucket(world.inner), seed=9)

    world.seen.on = overtake
    assert world.collect().generations[0].done
    assert world.seen.count("delete_many", "packs/") == 0
    assert words(world) == [(0, "condemn"), (0, "done"), (0, "verdict")]
    world.check()


def test_two_collectors_side_by_side_delete_the_same(world: GarbageWorld) -> None:
    """A second one that begins at any request of the first."""
    total = 0

    def count(n: int, phase: str, verb: str, key: str) -> None:
        nonlocal total
        total = n

    GarbageWorld().collect(bucket=FaultyBucket(GarbageWorld().inner, on=count))
    for at in range(1, total + 1, 3):
        world = GarbageWorld()

        def begin(n: int, phase: str, verb: str, key: str, at: int = at, world: GarbageWorld = world) -> None:
            if (n, phase) == (at, "before"):
                world.collect(bucket=FaultyBucket(world.inner), seed=9)

        world.collect(bucket=FaultyBucket(world.inner, on=begin))
        world.check()
        assert world.collect(seed=10).garbage.packs == 0
