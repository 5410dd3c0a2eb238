"""The rules that let a collector delete while others write. SPEC.md, "Garbage"; the tests play the collector."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pytest
from tests.support.collected import BIG, OTHER, World
from tests.support.faulty import Fault
from tests.support.logs import entries_of

from holdall.errors import FencedOffError, TransientStorageError
from holdall.format.layout import GARBAGE, PACKS, generation_key, log_key, run_log
from holdall.trees.session import STATE_EVERY
from holdall.trees.source import bytes_item, local_items
from holdall.trees.transaction import Transaction


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


def test_content_that_is_gone_is_read_again_from_its_source(world: World) -> None:
    """A fence whose packs are gone already: the files are at hand, so the commit reads them again and succeeds."""
    transaction = world.transaction()
    transaction.stage([bytes_item("second.bin", BIG), bytes_item("third.bin", BIG[:9000]), bytes_item("a.bin", OTHER)])
    world.declare("condemn", world.old)
    world.fence()
    world.sweep(world.old)
    assert transaction.publish().committed
    assert world.run.read("second.bin") == BIG
    assert world.run.read("third.bin") == BIG[:9000]
    assert world.run.read("a.bin") == OTHER


def test_content_that_is_gone_with_its_source_fails_the_commit_by_name(world: World, tmp_path: Path) -> None:
    """The error names the file and the pack, and nothing is committed; logged again, it is uploaded."""
    source = tmp_path / "second.bin"
    source.write_bytes(BIG)
    transaction = world.transaction()
    transaction.stage(local_items(source, "second.bin"))
    source.unlink()
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
    again.stage([bytes_item("second.bin", BIG)])
    again.publish()
    assert world.run.read("second.bin") == BIG


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


# --- W1: the entry that opens


def test_the_entry_that_opens_a_session_carries_no_checkpoint(world: World) -> None:
    """A checkpoint would refer to packs before the session looked at the garbage: it waits for the next entry."""
    for n in range(STATE_EVERY - 1):
        world.run.log_bytes(random.Random(n).randbytes(3000), f"{n}.bin")
    world.run._writing()._tried = STATE_EVERY
    world.run.flush()
    before = len(entries_of(world.bucket, world.run.id))
    session = world.transaction()._session
    opened = entries_of(world.bucket, world.run.id)[before]
    assert opened.ops[0] == {"op": "open", "session": session.id.hex()}
    assert (opened.state, world.requests("put", PACKS)) == (None, [])
    transaction = Transaction(session)
    transaction.stage([bytes_item("small", b"small")])
    transaction.publish()
    assert entries_of(world.bucket, world.run.id)[-1].state is not None
    assert max(world.requests("list", GARBAGE)) < min(world.requests("put", PACKS))


# --- W4: a fence is owed until its generation was read


def test_a_fence_that_could_not_be_read_is_owed_at_the_next_try(world: World) -> None:
    """A failed GET of the generation fails the commit, and the same commit tried again reads it first."""
    transaction = world.transaction()
    transaction.stage([bytes_item("second.bin", BIG)])
    world.declare("condemn", world.old)
    world.fence()
    world.seen.plan(Fault("get", "fail", key=GARBAGE))
    with pytest.raises(TransientStorageError):
        transaction.publish()
    assert world.commits() == 0
    transaction.publish()
    world.sweep(world.old)
    assert world.run.read("second.bin") == BIG


def test_a_fence_that_one_thread_could_not_read_is_owed_by_all(world: World) -> None:
    """Of two commits of a session, one meets the fence and fails to read it; the other reads it before it commits."""
    mine = world.transaction()
    mine.stage([bytes_item("mine.bin", OTHER)])
    other = Transaction(mine._session)
    other.stage([bytes_item("second.bin", BIG)])
    world.declare("condemn", world.old)
    world.fence()
    world.seen.plan(Fault("get", "fail", key=GARBAGE))
    with pytest.raises(TransientStorageError):
        mine.publish()
    other.publish()
    world.sweep(world.old)
    assert world.run.read("second.bin") == BIG


def test_a_fence_during_the_first_look_is_not_dropped(world: World) -> None:
    """A thread meets a fence while another makes the session's first look at the garbage, which has not shown it."""
    transaction = world.transaction()
    session = transaction._session

    def between(_: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb, key) == ("after", "list", GARBAGE):
            world.seen.on = None
            world.declare("condemn", world.old)
            world.fence()
            small = Transaction(session)
            small.stage([bytes_item("small", b"meets the fence")])
            threads = [threading.Thread(target=small.publish)]
            threads[0].start()
            threads[0].join()

    world.seen.on = between
    transaction.stage([bytes_item("second.bin", BIG)])
    transaction.publish()
    world.sweep(world.old)
    assert world.run.read("second.bin") == BIG


def test_a_fence_from_before_the_first_look_costs_no_request(world: World) -> None:
    """The listing that comes after it shows its generation, so that it is read once."""
    transaction = world.transaction()
    world.declare("condemn", world.old)
    world.fence()
    small = Transaction(transaction._session)
    small.stage([bytes_item("small", b"meets the fence")])
    small.publish()
    transaction.stage([bytes_item("second.bin", BIG)])
    transaction.publish()
    assert (len(world.requests("list", GARBAGE)), len(world.requests("get", GARBAGE))) == (1, 1)
    world.sweep(world.old)
    assert world.run.read("second.bin") == BIG


def test_a_fence_that_the_first_look_did_not_show_is_read(world: World) -> None:
    """Where the listing is behind, what the fence speaks of is asked for by its name."""
    transaction = world.transaction()
    world.seen._born.append(generation_key(0, "condemn"))
    world.declare("condemn", world.old)
    world.fence()
    small = Transaction(transaction._session)
    small.stage([bytes_item("small", b"meets the fence")])
    small.publish()
    world.seen._born.append(generation_key(0, "condemn"))
    world.seen.plan(Fault("list", "stale", key=GARBAGE))
    transaction.stage([bytes_item("second.bin", BIG)])
    transaction.publish()
    world.sweep(world.old)
    assert world.run.read("second.bin") == BIG
