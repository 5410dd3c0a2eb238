"""The rules that let a collector delete while others write. SPEC.md, "Garbage"; the tests play the collector."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pytest
from tests.support.faulty import FaultyBucket
from tests.support.logs import entries_of, ops_of, packs_in
from tests.support.stores import Serial, tiny_location, tiny_store

from holdall.chunks.pool import Pool
from holdall.errors import FencedOffError
from holdall.format.entry import LogEntry
from holdall.format.layout import GARBAGE, PACKS, PackName, generation_key, log_key, parse_key, run_log
from holdall.format.records import encode_generation
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.trees.journal import Journal
from holdall.trees.session import Session
from holdall.trees.source import bytes_item
from holdall.trees.transaction import Transaction

BIG = random.Random(1).randbytes(70_000)
OTHER = random.Random(2).randbytes(70_000)


class World:
    """A store whose first run holds BIG and has ended, and a second run that is open."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        first = tiny_store(self.bucket)
        run = first.runs.start()
        run.log_bytes(BIG, "first.bin")
        run.finish()
        self.old = self.packs()
        self.seen = FaultyBucket(self.bucket)
        self.location = tiny_location(self.seen, seed=1, create=False, pool=Serial())
        self.store = Store(self.location)
        self.run: Run = self.store.runs.start()

    def packs(self) -> list[PackName]:
        return [key.pack for name in packs_in(self.bucket) if (key := parse_key(name)) and key.pack]

    def declare(self, word: str, packs: Sequence[PackName], generation: int = 0) -> None:
        """As the collector: `condemn`, or `done`."""
        self.bucket.put(generation_key(generation, word), encode_generation(generation, word, packs))

    def fence(self, generation: int = 0) -> None:
        """As the collector: a fence in the open run's log."""
        last = entries_of(self.bucket, self.run.id)[-1]
        op = {"op": "fence", "generation": generation}
        entry = LogEntry(last.log, last.n + 1, "f" * 32, last.sha256, 0, "collector", last.state_at, (op,))
        assert Journal(self.bucket, Pool(workers=1), last.log).create(entry).write_id == entry.write_id

    def sweep(self, packs: Sequence[PackName]) -> None:
        """As the collector: delete."""
        for pack in packs:
            self.bucket.delete(pack.key)

    def transaction(self) -> Transaction:
        """A commit in the making, whose session the test holds."""
        session = Session.resume(self.location, run_log(self.run.id))
        assert session is not None
        self.seen.requests.clear()
        return Transaction(session)

    def commits(self) -> int:
        return len(ops_of(entries_of(self.bucket, self.run.id), "commit"))

    def requests(self, verb: str, prefix: str) -> list[int]:
        """Which requests were of this kind."""
        return [n for n, (asked, key) in enumerate(self.seen.requests) if asked == verb and key.startswith(prefix)]


@pytest.fixture
def world() -> World:
    return World()


# --- W1, W2: the order


def test_open_precedes_garbage_precedes_packs_precedes_the_commit(world: World) -> None:
    """A session opens, looks at the garbage once, creates packs, and commits when all were acknowledged."""
    world.run.log_bytes(OTHER, "a.bin")
    log = log_key(run_log(world.run.id), 0)
    (opened, commit) = world.requests("put", log[:-4])
    (looked,) = world.requests("list", GARBAGE)
    packs = world.requests("put", PACKS)
    assert opened < looked < min(packs)
    assert max(packs) < commit
    assert len(packs) > 5
    hints = world.requests("get", "hints/")
    assert looked < min(hints)


def test_what_a_state_moves_into_a_pack_obeys_the_same_order(world: World) -> None:
    """Also the pack of a state, which many small files end up in, comes after a look at the garbage."""
    for n in range(70):
        world.run.log_bytes(random.Random(n).randbytes(3000), f"{n}.bin")
    packs = world.requests("put", PACKS)
    (looked,) = world.requests("list", GARBAGE)
    assert looked < min(packs)


# --- W3: what is condemned is not referred to


def test_a_condemned_pack_is_not_referred_to(world: World) -> None:
    """In an incomplete generation stands what a writer must not reuse, though hints lead to it."""
    world.declare("condemn", world.old)
    world.run.log_bytes(BIG, "second.bin")
    world.sweep(world.old)
    assert world.run.read("second.bin") == BIG


def test_a_pack_beside_a_condemned_one_is_reused(world: World) -> None:
    """Only what is condemned is stored again."""
    world.declare("condemn", world.old[:1])
    before = sum(map(len, world.bucket.objects.values()))
    world.run.log_bytes(BIG, "second.bin")
    assert sum(map(len, world.bucket.objects.values())) - before < 30_000
    world.sweep(world.old[:1])
    assert world.run.read("second.bin") == BIG


def test_what_a_finished_generation_spared_is_reused(world: World) -> None:
    """After `done`, what still exists is as good as any other pack, and hints to what is gone do no harm."""
    world.declare("condemn", world.old)
    world.declare("done", world.old[:2])
    world.sweep(world.old[:2])
    world.run.log_bytes(BIG, "second.bin")
    assert world.run.read("second.bin") == BIG
    new = [pack for pack in world.packs() if pack not in world.old]
    assert 0 < len(new) < len(world.old)


# --- W4: a fence on the way


@pytest.mark.parametrize("word", ["condemn", "done"])
def test_a_fence_before_the_commit_makes_it_copy(world: World, word: str) -> None:
    """What was staged upon packs that are condemned meanwhile is copied out of them while they are there."""
    transaction = world.transaction()
    transaction.stage([bytes_item("second.bin", BIG), bytes_item("third.bin", BIG[:3000])])
    assert world.packs() == world.old
    world.declare("condemn", world.old)
    if word == "done":
        world.declare("done", world.old)
    world.fence()
    assert transaction.publish().committed
    assert len(world.requests("get", GARBAGE)) <= 2
    world.sweep(world.old)
    assert world.run.read("second.bin") == BIG
    assert world.run.read("third.bin") == BIG[:3000]


def test_a_fence_spares_what_done_spared(world: World) -> None:
    """`done` comes before `condemn`: a pack that was condemned and not deleted needs no copy."""
    transaction = world.transaction()
    transaction.stage([bytes_item("second.bin", BIG)])
    world.declare("condemn", world.old)
    world.declare("done", [])
    world.fence()
    transaction.publish()
    assert set(world.packs()) - set(world.old) <= {world.packs()[-1]}
    assert world.run.read("second.bin") == BIG


def test_a_fence_against_ones_own_packs_makes_it_copy(world: World) -> None:
    """A writer that paused for so long that its own packs were condemned copies those too."""
    transaction = world.transaction()
    transaction.stage([bytes_item("a.bin", OTHER)])
    transaction._chunks.flush()  # what is still on its way could not be condemned
    own = [pack for pack in world.packs() if pack not in world.old]
    assert len(own) > 5
    world.declare("condemn", own)
    world.fence()
    transaction.publish()
    world.sweep(own)
    assert world.run.read("a.bin") == OTHER


def test_content_that_is_gone_fails_the_commit_by_name(world: World) -> None:
    """A fence whose packs are gone: the error names the file and the pack, nothing is committed, again it succeeds."""
    transaction = world.transaction()
    transaction.stage([bytes_item("fresh.bin", OTHER), bytes_item("second.bin", BIG)])
    gone = world.old[3]
    world.declare("condemn", world.old)
    world.fence()
    world.sweep([gone])
    with pytest.raises(FencedOffError) as caught:
        transaction.publish()
    assert (caught.value.path, caught.value.pack) == ("second.bin", str(gone))
    assert world.commits() == 0
    world.sweep(world.old)
    again = Transaction(transaction._session)
    again.stage([bytes_item("fresh.bin", OTHER), bytes_item("second.bin", BIG)])
    again.publish()
    assert world.run.read("second.bin") == BIG
    assert world.run.read("fresh.bin") == OTHER


def test_two_fences_are_both_obeyed(world: World) -> None:
    """A commit that meets one fence after the other copies what either condemns."""
    transaction = world.transaction()
    transaction.stage([bytes_item("second.bin", BIG)])
    half = len(world.old) // 2
    world.declare("condemn", world.old[:half], 0)
    world.fence(0)
    world.declare("condemn", world.old[half:], 1)
    world.fence(1)
    transaction.publish()
    world.sweep(world.old)
    assert world.run.read("second.bin") == BIG


def test_the_next_commit_remembers_a_fence(world: World) -> None:
    """What a fence condemned is not referred to by later commits of the session either."""
    session = world.transaction()._session
    for n, content in enumerate((OTHER, BIG)):
        transaction = Transaction(session)
        transaction.stage([bytes_item(f"{n}.bin", content)])
        transaction.publish()
        if n == 0:
            world.declare("condemn", world.old)
            world.fence()
            small = Transaction(session)
            small.stage([bytes_item("small", b"meets the fence")])
            small.publish()
    world.sweep(world.old)
    assert world.run.read("1.bin") == BIG


# --- commits that refer to no pack


def test_an_inline_commit_needs_no_look_at_the_garbage(world: World) -> None:
    """Small files travel in the entry: no listing, and a fence on the way costs nothing but the next number."""
    transaction = world.transaction()
    transaction.stage([bytes_item("small.txt", b"small")])
    world.declare("condemn", world.old)
    world.fence()
    transaction.publish()
    assert world.requests("list", GARBAGE) == world.requests("get", GARBAGE) == []
    assert world.run.read("small.txt") == b"small"
    assert world.commits() == 1
