"""What strangers write below `gc/` and into logs deletes nothing that a run refers to, and stops nothing for good."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.support.garbage import DAY, GarbageWorld
from tests.support.logs import entries_of
from tests.support.stores import Serial, tiny_location

from holdall.collecting.at_once import collect_packs
from holdall.errors import GarbageStateError
from holdall.format.document import encode_document
from holdall.format.entry import encode_entry
from holdall.format.layout import GARBAGE, RUNS, PackName, generation_key, log_key
from holdall.format.records import encode_generation

LAST = 2**53 - 1  # the last number of a generation: a fence says it as a count


@pytest.fixture
def world() -> GarbageWorld:
    return GarbageWorld()


def declare(world: GarbageWorld, generation: int, word: str, packs: set[PackName]) -> None:
    world.inner.put(generation_key(generation, word), encode_generation(generation, word, sorted(packs)))


def test_a_verdict_on_what_was_not_condemned_deletes_nothing(world: GarbageWorld) -> None:
    """No writer keeps away from such packs, so it is as good as damaged: it is named, and all packs stay."""
    packs = world.packs()
    declare(world, 0, "condemn", set(sorted(packs)[:1]))
    declare(world, 0, "verdict", packs)
    with pytest.raises(GarbageStateError, match=f"{len(packs) - 1} packs that were not condemned"):
        world.collect()
    assert world.packs() == packs
    (problem,) = world.store.maintenance.check().problems
    assert problem.where == generation_key(0, "verdict")
    world.inner.delete(problem.where)  # as the error says
    world.collect(seed=8)
    world.check()


def test_a_verdict_does_not_delete_what_a_run_refers_to(world: GarbageWorld) -> None:
    """Condemned or not: what is found live stays, is told as refused, and the generation is not done."""
    packs = world.packs()
    declare(world, 0, "condemn", packs)
    declare(world, 0, "verdict", packs)
    found = world.collect(seed=8)
    assert found.freed.packs == len(packs) - len(world.packs()) > 0
    assert found.refused.keys() == {pack.key for pack in world.packs()}
    assert not found.generations[0].done
    world.check()


def test_a_stranger_s_verdict_comes_first_in_a_collection_at_once(world: GarbageWorld) -> None:
    """A purge's generation takes no other packs either."""
    packs = world.packs()

    def forge(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb, key) == ("after", "put", generation_key(0, "condemn")):
            declare(world, 0, "verdict", packs)

    world.seen.on = forge
    location = tiny_location(world.seen, seed=9, create=False, pool=Serial())
    with pytest.raises(GarbageStateError, match="were not condemned"):
        collect_packs(location, frozenset(sorted(packs)[:1]))
    assert world.packs() == packs
    world.inner.delete(generation_key(0, "verdict"))
    world.check()


@pytest.mark.parametrize("word", ["verdict", "done"])
def test_the_last_number_is_not_passed(world: GarbageWorld, word: str) -> None:
    """A generation behind it could be said by no fence: none is begun, nothing is written, and writers go on."""
    declare(world, LAST, word, set())
    packs, objects = world.packs(), {info.key for info in world.inner.list(GARBAGE)}
    run = world.log("open", finish=False)
    with pytest.raises(GarbageStateError, match="the last number"):
        world.collect()
    assert {info.key for info in world.inner.list(GARBAGE)} == objects
    assert world.packs() >= packs
    run.log_bytes(b"x" * 70_000, "more.bin")
    run.finish()
    world.check()


@pytest.mark.parametrize("number", [LAST + 1, 2**64 - 1])
def test_a_number_that_is_no_count_names_no_generation(world: GarbageWorld, number: int) -> None:
    """Its key is foreign: it stops neither collectors nor writers."""
    world.inner.put(generation_key(number, "condemn"), b"anything")
    found = world.collect()
    assert (found.freed.packs > 0, [one.number for one in found.generations]) == (True, [0])
    world.log("after")
    store = {info.key for info in world.inner.list(GARBAGE)}
    assert generation_key(number, "condemn") in store


@pytest.mark.parametrize("until", [-1, 0.5, 2**53, "tomorrow", None, [1]])
def test_a_time_that_is_none_stops_the_collection(world: GarbageWorld, until: object) -> None:
    """Nobody knows what it was to say, so nothing is deleted, and the object is named."""
    packs = world.packs()
    body = json.loads(encode_generation(0, "condemn", sorted(packs)).splitlines()[0])
    world.inner.put(generation_key(0, "condemn"), encode_document(body | {"until": until}))
    with pytest.raises(GarbageStateError, match="/condemn"):
        world.collect()
    assert world.packs() == packs


def test_an_idle_log_is_read_by_its_listing(world: GarbageWorld) -> None:
    """An entry that says it is the billionth, with a session that nothing opens, is not believed to have others."""
    run = world.log("idle")
    log, last = f"{RUNS}{run.id}", entries_of(world.inner, run.id)[-1]
    assert last.state
    n, state = 10**9, last.state | {"sessions": ["ab" * 16]}
    for info in [*world.inner.list(log)]:
        world.inner.delete(info.key)
    world.inner.put(log_key(log, n), encode_entry(replace(last, n=n, state_at=n, state=state)))
    world.clock.now += 8 * DAY
    reads: list[str] = []

    def watch(n: int, phase: str, verb: str, key: str) -> None:
        if phase == "before" and verb == "get" and key.startswith(log):
            reads.append(key)
            assert len(reads) < 50, "it asks for entries that are not there"

    world.seen.on = watch
    found = world.collect()
    assert run.id not in found.closed
