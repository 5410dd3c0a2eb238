"""A session that another closed, a run that was purged, a generation or pack that is gone. The tests play collector."""

from __future__ import annotations

import pytest
from tests.support.collected import BIG, OTHER, World
from tests.support.faulty import Fault
from tests.support.logs import entries_of, ops_of
from tests.support.stores import tiny_store

from holdall.errors import AccessDeniedError, RunDeletedError, RunNotFoundError
from holdall.format.layout import GARBAGE, PACKS, PackName, log_key, parse_key, run_log
from holdall.format.records import parse_hint
from holdall.trees.session import Draft, Session
from holdall.trees.source import bytes_item
from holdall.trees.transaction import Transaction


@pytest.fixture
def world() -> World:
    return World()


# --- W6: closed by another


def test_who_finds_its_session_closed_opens_another_and_begins_again(world: World) -> None:
    """After a close by another, and whatever was collected then, a commit of what was staged before refers to nothing
    that is gone: it opens a session, looks at the garbage, and only then commits."""
    transaction = world.transaction()
    transaction.stage([bytes_item("second.bin", BIG), bytes_item("a.bin", OTHER)])
    transaction._chunks.flush()
    own = [pack for pack in world.packs() if pack not in world.old]
    closed = world.close_sessions()
    gone = [*world.old, *own[::2]]
    world.declare("condemn", gone)
    world.sweep(gone)
    world.declare("done", gone)
    world.seen.requests.clear()
    assert transaction.publish().committed
    assert world.run.read("second.bin") == BIG
    assert world.run.read("a.bin") == OTHER
    entries = entries_of(world.bucket, world.run.id)
    (opened, committed) = [entry.n for entry in entries[-2:]]
    assert entries[opened].ops[0]["session"] not in closed
    assert transaction._session.id.hex() == entries[opened].ops[0]["session"]
    log = run_log(world.run.id)
    (look,) = world.requests("list", GARBAGE)
    assert world.requests("put", log_key(log, opened))[-1] < look < min(world.requests("get_range", PACKS))
    assert look < min(world.requests("put", PACKS)) < world.requests("put", log_key(log, committed))[-1]
    new = [pack.session.hex() for pack in world.packs() if pack not in (*world.old, *own)]
    assert set(new) == {entries[opened].ops[0]["session"]}


def test_what_is_still_there_after_a_close_is_not_uploaded_again(world: World) -> None:
    """The footers of what was uploaded before are read again, and a blob of each is tried, as of any other's packs."""
    transaction = world.transaction()
    transaction.stage([bytes_item("a.bin", OTHER)])
    transaction._chunks.flush()
    own = [pack for pack in world.packs() if pack not in world.old]
    world.close_sessions()
    world.seen.requests.clear()
    transaction.publish()
    assert world.run.read("a.bin") == OTHER
    read = [key for verb, key in world.seen.requests if verb == "get_range"]
    assert all(read.count(pack.key) >= 2 for pack in own)
    assert len(world.packs()) - len(world.old) - len(own) <= 1


def test_threads_whose_session_was_closed_begin_again_together(world: World) -> None:
    """One thread opens the new session; what the other had staged counts as another's all the same."""
    mine = world.transaction()
    mine.stage([bytes_item("small", b"meets the close")])
    other = Transaction(mine._session)
    other.stage([bytes_item("second.bin", BIG)])
    world.close_sessions()
    world.declare("condemn", world.old)
    world.sweep(world.old)
    world.declare("done", world.old)
    mine.publish()
    other.publish()
    assert world.run.read("second.bin") == BIG
    assert len(ops_of(entries_of(world.bucket, world.run.id), "open")) == 3


def test_what_a_draft_takes_in_counts_for_its_entry(world: World) -> None:
    """Who meets the close, or the deletion of the run, while it makes an entry does not write it behind them."""
    session = world.transaction()._session
    world.close_sessions()

    def build() -> Draft:
        session.follow()
        return Draft([{"op": "tag", "key": "k", "value": "v"}])

    session.append(build)
    opened, tagged = entries_of(world.bucket, world.run.id)[-2:]
    assert (opened.ops[0]["op"], tagged.ops[0]["op"]) == ("open", "tag")
    world.append({"op": "tombstone"})
    with pytest.raises(RunDeletedError):
        session.append(build)


def test_a_session_that_another_closed_ends_quietly(world: World) -> None:
    """Where nothing is left to write, a close by another is as good as one's own."""
    world.close_sessions()
    session = world.run._writing()
    session.refuse_registered([])
    session._follow()
    before = len(entries_of(world.bucket, world.run.id))
    session.close()
    assert len(entries_of(world.bucket, world.run.id)) == before


def test_a_run_ends_though_another_closed_its_session(world: World) -> None:
    """The entry that ends a run may carry a checkpoint in a pack: it is written by a session that is open."""
    world.run.log_bytes(BIG, "second.bin")
    world.run.log_metric("loss", 1)
    world.close_sessions()
    world.run.finish()
    entries = entries_of(world.bucket, world.run.id)
    opened, closed = ({op["session"] for op in ops_of(entries, word)} for word in ("open", "close"))
    assert opened == closed
    assert world.store.runs.get(world.run.id).data.metrics == {"loss": 1.0}
    assert world.run.read("second.bin") == BIG


# --- W7: a fence whose generation is gone


def test_a_fence_whose_generation_is_gone_makes_every_footer_be_read_again(world: World) -> None:
    """Nobody knows what it condemned, so no footer counts and the garbage is looked at anew."""
    transaction = world.transaction()
    transaction.stage([bytes_item("second.bin", BIG), bytes_item("a.bin", OTHER)])
    transaction._chunks.flush()
    own = [pack for pack in world.packs() if pack not in world.old]
    gone = [*world.old[::2], *own[::2]]
    world.sweep(gone)
    world.fence(7)
    world.declare("condemn", own, 8)
    transaction.publish()
    world.sweep(own)
    assert len(world.requests("list", GARBAGE)) == 2
    assert world.run.read("second.bin") == BIG
    assert world.run.read("a.bin") == OTHER


def test_a_thousand_fences_at_once_take_one_look(world: World) -> None:
    """Whether their generations were ever there or not: nothing that was read counts, and no two requests for each."""
    transaction = world.transaction()
    transaction.stage([bytes_item("second.bin", BIG), bytes_item("a.bin", OTHER)])
    transaction._chunks.flush()
    own = [pack for pack in world.packs() if pack not in world.old]
    gone, going = [*world.old[::2], *own[::2]], own[1::4]
    world.declare("condemn", gone, 7)
    world.sweep(gone)
    world.declare("done", gone, 7)
    world.declare("condemn", going, 8)
    world.append(*({"op": "fence", "generation": generation} for generation in range(1000)))
    transaction.publish()
    world.sweep(going)
    assert len(world.requests("list", GARBAGE)) == 2
    assert len(world.requests("get", GARBAGE)) == 1
    assert world.run.read("second.bin") == BIG
    assert world.run.read("a.bin") == OTHER


# --- behind a purge nothing is written


def test_nothing_is_written_behind_a_purge(world: World) -> None:
    """Neither a commit, nor a close, nor what restores or deletes: each says so, but for the close, which is quiet."""
    small = world.transaction()
    small.stage([bytes_item("small", b"small")])
    world.append({"op": "tombstone"})
    world.append({"op": "purge"})
    last = len(entries_of(world.bucket, world.run.id))
    with pytest.raises(RunDeletedError):
        small.publish()
    small._session.close()
    with pytest.raises(RunNotFoundError):
        world.run.restore()
    with pytest.raises((RunNotFoundError, RunDeletedError)):
        world.run.delete()
    assert len(entries_of(world.bucket, world.run.id)) == last


def test_no_checkpoint_is_written_behind_a_purge(world: World) -> None:
    """Who moves the content of a deleted run, to mend it or to empty its packs, is overtaken, too."""
    world.append({"op": "tombstone"})
    session = Session.resume(world.location, run_log(world.run.id), deleted=True)
    assert session is not None
    world.append({"op": "purge"})
    assert session.append(lambda: Draft([]), closing=True) is None
    session.close()
    assert entries_of(world.bucket, world.run.id)[-1].ops == ({"op": "purge"},)


def test_a_restore_that_a_purge_overtakes_says_so(world: World) -> None:
    """A purge between the look at the log and the entry that restores: the run is gone, nothing follows."""
    world.run.delete()

    def overtake(_: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb) == ("before", "put") and key.startswith(run_log(world.run.id)):
            world.seen.on = None
            world.append({"op": "purge"})

    world.seen.on = overtake
    with pytest.raises(RunNotFoundError):
        world.run.restore()
    assert entries_of(world.bucket, world.run.id)[-1].ops == ({"op": "purge"},)


# --- verdict


def test_a_verdict_changes_nothing_for_a_writer(world: World) -> None:
    """A verdict is the collectors' affair: until `done`, what was condemned is not referred to, spared or not."""
    world.declare("condemn", world.old)
    world.declare("verdict", [])
    world.run.log_bytes(BIG, "second.bin")
    world.sweep(world.old)
    assert world.run.read("second.bin") == BIG


def test_a_condemn_that_is_gone_meanwhile_counts_as_done(world: World) -> None:
    """The listing showed it and the GET does not find it: that generation is over, and no writer fails."""
    world.declare("condemn", world.old)

    def vanish(_: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb) == ("before", "get") and key.startswith(GARBAGE):
            world.bucket.delete(key)

    world.seen.on = vanish
    world.run.log_bytes(BIG, "second.bin")
    assert world.run.read("second.bin") == BIG


# --- hints to what was collected


def hints_of(world: World) -> dict[str, PackName]:
    """The hints of the bucket, each with the pack that it leads to."""
    keys = [key for name in world.bucket.objects if (key := parse_key(name)) and key.kind == "hint"]
    return {key.chunk: parse_hint(world.bucket.objects[f"hints/{key.chunk}"], bytes.fromhex(key.chunk)) for key in keys}


def test_a_hint_to_a_pack_that_is_gone_is_replaced(world: World) -> None:
    """Who stores its chunk again deletes it and puts a new one, so that the next writer finds the new copy at once."""
    world.sweep(world.old)
    assert set(hints_of(world).values()) <= set(world.old)
    world.run.log_bytes(BIG, "second.bin")
    first = world.packs()
    assert set(hints_of(world).values()) <= set(first)
    third = world.store.runs.start()
    third.log_bytes(BIG, "third.bin")
    assert (world.packs(), third.read("third.bin")) == (first, BIG)


def test_a_hint_that_another_has_replaced_is_not_deleted(world: World) -> None:
    """Two writers find the same hint useless: the second leaves what the first has put."""
    world.sweep(world.old)
    transaction = world.transaction()
    transaction.stage([bytes_item("second.bin", BIG)])
    other = tiny_store(world.bucket, seed=2, create=False).runs.start()
    other.log_bytes(BIG, "other.bin")
    theirs = hints_of(world)
    transaction.publish()
    assert {chunk: pack for chunk, pack in hints_of(world).items() if chunk in theirs} == theirs


def test_a_writer_that_must_not_delete_leaves_the_hint(world: World) -> None:
    """A hint is advice: where it cannot be deleted the commit goes on."""
    world.sweep(world.old)
    world.seen.plan(Fault("delete", "fail", times=None, error=lambda url, key: AccessDeniedError(url, key, "no")))
    world.run.log_bytes(BIG, "second.bin")
    assert world.seen.count("delete") > 0
    assert world.run.read("second.bin") == BIG
