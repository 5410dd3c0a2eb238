"""Who has no key of an encrypted store collects it, deletes nothing that anybody needs, and believes no forger."""

from __future__ import annotations

import json
import random
from collections.abc import Callable

import pytest
from tests.support.depth import thinned
from tests.support.faulty import FaultyBucket
from tests.support.garbage import DAY
from tests.support.keyless import BIG, KINDS, KeylessWorld
from tests.support.stores import Serial, tiny_location

from holdall.chunks.reader import ChunkReader
from holdall.errors import FormatError, KeyUnavailableError, LiveContentError, WrongKeyError
from holdall.format.digest import blob_id
from holdall.format.document import encode_document, parse_document
from holdall.format.entry import LogEntry, encode_entry
from holdall.format.layout import HINTS, generation_key, log_key, parse_key, run_log
from holdall.format.records import encode_generation
from holdall.format.reference import NODE, RECIPE
from holdall.keys.unlock import Unlock
from holdall.maintenance.garbage import UNSEEN
from holdall.runs.run import Run
from holdall.store import Store
from holdall.trees.public_journal import PublicJournal


def newest(world: KeylessWorld, run: Run) -> LogEntry:
    """The newest entry of a run, as anybody sees it."""
    head = PublicJournal(world.inner, Serial(), run_log(run.id)).head()
    assert head
    return head


def forge(world: KeylessWorld, run: Run, **public: object) -> str:
    """Append what looks like a sealed entry to whoever has no key, as anybody can who may create objects."""
    head = newest(world, run)
    body = {"log": head.log, "n": head.n + 1, "prev": head.sha256, "time": 0, "writer": head.writer, "ops": []}
    body |= {"state_at": head.state_at, "sha256": "5" * 64, "sealed": "0"} | public
    data = encode_document(body) + random.Random(1).randbytes(100)
    key = log_key(head.log, head.n + 1)
    world.inner.put(key, data + blob_id(data))
    return key


def put_plain(world: KeylessWorld, run: Run, *ops: dict[str, object]) -> str:
    """Append a plain entry, as anybody can."""
    head = newest(world, run)
    entry = LogEntry(head.log, head.n + 1, "7" * 32, head.sha256, 0, "holdall 9.9", head.state_at, ops)
    key = log_key(head.log, head.n + 1)
    world.inner.put(key, encode_entry(entry))
    return key


def condemn(world: KeylessWorld, *words: str) -> None:
    """Write generation 0, which condemns every pack there is."""
    for word in words:
        world.inner.put(generation_key(0, word), encode_generation(0, word, sorted(world.packs())))


# --- what is seen ---


@pytest.mark.parametrize("kind", thinned(KINDS, 3))
def test_without_a_key_no_less_is_seen_than_with_one(kind: str) -> None:
    """Whatever a run has been through: all that it needs, and just the sessions that are open."""
    world = KeylessWorld(kind)
    with_key, without = (world.looks(keyless=keyless) for keyless in (False, True))
    assert with_key.keys() == without.keys()
    for log, look in without.items():
        assert (look.problem, with_key[log].problem) == ("", "")
        assert look.packs >= with_key[log].packs
        assert (look.n, look.sessions, look.purged) == (with_key[log].n, with_key[log].sessions, with_key[log].purged)
    if kind not in ("inline", "folded", "purged"):
        assert any(look.packs for look in with_key.values())


@pytest.mark.parametrize("kind", thinned(KINDS, 3))
def test_what_is_kept_reads_back_after_a_collection_without_a_key(kind: str) -> None:
    """And after one by somebody with the key behind it, and one by nobody with a key behind that."""
    world = KeylessWorld("plain", kind) if kind != "plain" else KeylessWorld("plain")
    for seed, keyless in ((7, True), (8, False), (9, True)):
        assert world.collect(keyless=keyless, seed=seed).complete
        world.check()


def test_what_nobody_refers_to_goes_with_its_hints() -> None:
    """The content of purged runs, and what a writer left that died: what somebody with the key says the same of."""
    world = KeylessWorld("plain", "purged", "killed")
    world.clock.now += 8 * DAY
    before, hints = len(world.packs()), len(list(world.inner.list(HINTS)))
    found = world.collect(keyless=True)
    assert found.freed.packs == before - len(world.packs()) >= 12
    assert found.hints >= hints - len(list(world.inner.list(HINTS))) > 0
    assert list(found.closed) == [world.runs["killed"].id]
    assert world.collect(keyless=False, seed=8).freed.packs == 0
    world.check()


def test_what_an_older_entry_refers_to_stays() -> None:
    """That somebody replaced it could be made up: it goes when somebody with the key collects."""
    world = KeylessWorld("versioned")
    before = len(world.packs())
    assert world.collect(keyless=True).freed.packs == 0
    assert world.collect(keyless=False, seed=8).freed.packs > 0
    assert len(world.packs()) < before
    assert world.collect(keyless=True, seed=9).freed.packs == 0
    world.check()


def test_the_verb_says_what_it_could_not_see() -> None:
    """Who gives no key is not refused; who gives a wrong one is, and so is who asks for what needs one."""
    world = KeylessWorld("plain", "purged")
    store = Store(tiny_location(world.inner, seed=3, create=False, pool=Serial(), sealed=False))
    for dry_run in (True, False):
        found = store.maintenance.gc(dry_run=dry_run, delay=0)
        assert (found.unseen, found.garbage.packs > 0, found.cataloged) == (UNSEEN, True, None)
    world.check()
    assert Store(world.store._location).maintenance.gc(dry_run=True, delay=0).unseen == ""
    location = tiny_location(world.inner, seed=3, create=False, pool=Serial(), sealed=False)
    location.unlock = Unlock(passphrase="wrong")
    with pytest.raises(WrongKeyError):
        Store(location).maintenance.gc()
    with pytest.raises(Exception, match="is encrypted"):
        store.maintenance.gc(experiments=["0" * 16])


def test_what_else_needs_no_key_works_without_one() -> None:
    """Counting objects, and taking back what waits; what lists runs says that it needs a key, and how to give it."""
    world = KeylessWorld("plain", "purged")
    store = Store(tiny_location(world.inner, seed=3, create=False, pool=Serial(), sealed=False))
    with_key, without = Store(world.store._location).maintenance.stats(), store.maintenance.stats()
    assert (with_key.packs, with_key.object_bytes, with_key.unseen) == (without.packs, without.object_bytes, "")
    assert "no key was given" in without.unseen
    assert store.maintenance.gc(delay=0, quarantine="7d").generations[0].waiting
    assert store.maintenance.undo_gc(0) > 0
    for verb in (store.maintenance.du, store.runs.search, store.maintenance.repair, store.maintenance.compact):
        with pytest.raises(KeyUnavailableError) as told:
            verb()
        assert "HOLDALL_PASSPHRASE" in (told.value.hint or "")


def test_it_writes_nothing_but_plain_fences_and_generations() -> None:
    """Requests: a GET for each entry, and of each node and recipe one; only fences and `gc/` are written."""
    world = KeylessWorld("plain", "purged", "open")
    seen = FaultyBucket(world.inner)
    world.collect(keyless=True, bucket=seen)
    puts = [parse_key(key) for verb, key in seen.requests if verb == "put"]
    assert sorted(key.kind for key in puts if key) == ["canary", "condemn", "done", "log", "probe", "verdict"]
    read = [key for verb, key in seen.requests if verb == "get" and "/log/" in key]
    assert len(set(read)) <= len(read) <= len(set(read)) + 8  # of the log that is fenced, once more


# --- beside writers with the key ---


def test_a_writer_with_the_key_honours_a_plain_fence() -> None:
    """It had looked before the generation began, and keeps away from what that condemns."""
    world = KeylessWorld("purged", "open")
    run, data = world.runs["open"], random.Random(f"{world.runs['purged'].id} purged.bin").randbytes(BIG)
    seen = FaultyBucket(world.inner)

    def write(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb, key) == ("before", "put", generation_key(0, "verdict")):
            run.log_bytes(data, "again.bin")

    seen.on = write
    found = world.collect(keyless=True, bucket=seen)
    assert (found.fenced, found.generations[0].spared, found.freed.packs > 0) == (1, 0, True)
    world.content[run.id, "again.bin"] = data
    run.finish()
    world.check()


def test_what_was_shared_before_the_fence_is_spared() -> None:
    """The second mark finds it, whoever wrote it."""
    world = KeylessWorld("purged", "open")
    run, data = world.runs["open"], random.Random(f"{world.runs['purged'].id} purged.bin").randbytes(BIG)
    seen = FaultyBucket(world.inner)

    def write(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb, key) == ("before", "put", generation_key(0, "condemn")):
            run.log_bytes(data, "again.bin")

    seen.on = write
    assert world.collect(keyless=True, bucket=seen).generations[0].spared > 0
    world.content[run.id, "again.bin"] = data
    run.finish()
    world.check()


def test_a_writer_begins_anew_whose_session_was_closed_without_a_key() -> None:
    """Seven days without an entry: the close is a plain entry, and the writer takes it for what it is (W6)."""
    world = KeylessWorld("open")
    world.clock.now += 8 * DAY
    assert list(world.collect(keyless=True).closed) == [world.runs["open"].id]
    world._log(world.runs["open"], "later.bin")
    world.runs["open"].finish()
    world.check()


# --- generations of others ---


@pytest.mark.parametrize("keyless", [True, False])
def test_either_finishes_what_the_other_condemned(keyless: bool) -> None:
    """Killed before the verdict: what runs refer to is spared, and the rest goes."""
    world = KeylessWorld("plain", "versioned", "purged")
    condemn(world, "condemn")
    found = world.collect(keyless=keyless)
    assert (found.generations[0].done, found.generations[0].spared > 0, found.freed.packs > 0) == (True, True, True)
    world.check()


def test_a_verdict_that_names_what_may_be_needed_is_left_to_who_has_the_key() -> None:
    """It may be somebody's with the key, or a forger's: the packs stay, and the generation open."""
    world = KeylessWorld("versioned")
    needed = next(iter(world.looks(keyless=False).values())).packs
    old = sorted(world.packs() - needed)
    for word in ("condemn", "verdict"):
        world.inner.put(generation_key(0, word), encode_generation(0, word, old))
    found = world.collect(keyless=True)
    assert set(found.refused) == {pack.key for pack in old}
    assert not found.generations[0].done
    assert "who has the key can tell" in found.refused[old[0].key]
    found = world.collect(keyless=False, seed=8)
    assert (found.generations[0].done, found.freed.packs) == (True, len(old))
    world.check()


# --- forgers ---

FORGED: dict[str, Callable[[int], dict[str, object]]] = {
    "a checkpoint that names nothing": lambda n: {
        "state_at": n, "state": {"tree": None, "versions": None, "environment": None, "facts": None, "sessions": [],
        "fences": [], "experiment": "", "deleted": False, "purged": False},
    },
    "a purge": lambda n: {"ops": [{"op": "purge"}]},
    "the end of its groups": lambda n: {"ops": [{"op": "unpart", "group": "0" * 64}]},
    "a tombstone": lambda n: {"ops": [{"op": "tombstone"}]},
}  # fmt: skip


@pytest.mark.parametrize("what", FORGED)
@pytest.mark.parametrize("kind", thinned(["plain", "versioned", "parts", "moved"], 2))
def test_a_forged_entry_makes_nobody_delete(kind: str, what: str) -> None:
    """Who may create objects can append anything; what the others refer to stays, and the key holder sees damage."""
    world = KeylessWorld(kind, "purged")
    packs = world.looks(keyless=False)[run_log(world.runs[kind].id)].packs
    garbage = len(world.packs() - world.looks(keyless=True)[run_log(world.runs[kind].id)].packs)
    key = forge(world, world.runs[kind], **FORGED[what](newest(world, world.runs[kind]).n + 1))
    looks = world.looks(keyless=True)
    assert looks[run_log(world.runs[kind].id)].packs >= packs
    found = world.collect(keyless=True)
    assert found.freed.packs == garbage
    assert packs <= world.packs()
    with pytest.raises(LiveContentError):
        world.collect(keyless=False, seed=8)
    world.inner.delete(key)
    world.check()


def test_a_forged_checkpoint_and_a_forged_verdict_delete_nothing() -> None:
    """Both together name packs that live as garbage: they stay."""
    world = KeylessWorld("plain")
    before = world.packs()
    head = newest(world, world.runs["plain"])
    key = forge(world, world.runs["plain"], **FORGED["a checkpoint that names nothing"](head.n + 1))
    condemn(world, "condemn", "verdict")
    found = world.collect(keyless=True)
    assert (set(found.refused), world.packs()) == ({pack.key for pack in before}, before)
    world.inner.delete(key)
    world.check()


def test_a_forged_close_does_not_hide_a_writer() -> None:
    """Behind it a writer with the key goes on as behind damage: its sessions are fenced all the same."""
    world = KeylessWorld("open")
    run = world.runs["open"]
    (session,) = world.looks(keyless=True)[run_log(run.id)].sessions
    forge(world, run, ops=[{"op": "close", "session": session}])
    head = newest(world, run)
    forge(world, run, prev="0" * 64, n=head.n + 1)
    assert world.looks(keyless=True)[run_log(run.id)].sessions == (session,)


@pytest.mark.parametrize(
    "ops",
    [
        [{"op": "commit", "tree": None, "files": 0, "bytes": 0, "new_bytes": 0, "stored_bytes": 0}],
        [{"op": "purge"}],
        [{"op": "fence", "generation": 0}, {"op": "tombstone", "by": "x", "time": 0}],
    ],
)
def test_a_plain_entry_that_says_more_than_collectors_do_is_damage_to_all(ops: list[dict[str, object]]) -> None:
    """Nobody collects, with a key or without: it is said of which run."""
    world = KeylessWorld("plain", "purged")
    put_plain(world, world.runs["plain"], *ops)
    for keyless in (True, False):
        with pytest.raises(LiveContentError, match="it is not sealed"):
            world.collect(keyless=keyless)


def test_a_forged_fence_costs_a_writer_requests_and_nothing_else() -> None:
    """Its generation has no objects: the writer looks again (W7)."""
    world = KeylessWorld("open")
    run = world.runs["open"]
    put_plain(world, run, {"op": "fence", "generation": 77})
    world._log(run, "later.bin")
    run.finish()
    world.check()


@pytest.mark.parametrize("keyless", [True, False])
def test_a_fence_of_before_its_generation_fences_nobody(keyless: bool) -> None:
    """Forged, and met by the writer while there was nothing to read: the collector appends its own all the same."""
    world = KeylessWorld("purged", "open")
    run, data = world.runs["open"], random.Random(f"{world.runs['purged'].id} purged.bin").randbytes(BIG)
    put_plain(world, run, {"op": "fence", "generation": 0})
    world._log(run, "later.bin")
    seen = FaultyBucket(world.inner)

    def write(n: int, phase: str, verb: str, key: str) -> None:
        if (phase, verb, key) == ("before", "put", generation_key(0, "verdict")):
            run.log_bytes(data, "again.bin")

    seen.on = write
    found = world.collect(keyless=keyless, bucket=seen)
    assert (found.fenced, found.freed.packs > 0) == (1, True)
    world.content[run.id, "again.bin"] = data
    run.finish()
    world.check()


def test_a_forged_close_costs_a_writer_a_session_and_nothing_else() -> None:
    """It begins anew (W6)."""
    world = KeylessWorld("open")
    run = world.runs["open"]
    (session,) = world.looks(keyless=True)[run_log(run.id)].sessions
    put_plain(world, run, {"op": "close", "session": session})
    world._log(run, "later.bin")
    run.finish()
    world.check()


# --- damage ---


@pytest.mark.parametrize("at", [0, 3, 12, 30])
@pytest.mark.parametrize("kind", [RECIPE, NODE])
def test_where_a_public_part_is_damaged_nothing_is_deleted(kind: int, at: int) -> None:
    """Of a recipe or node in a pack: it is said which pack, and all stays (G0)."""
    world = KeylessWorld("plain", "purged")
    reader = ChunkReader(world.inner, Serial())
    live = [pack for look in world.looks(keyless=True).values() for pack in look.packs]
    pack, row = next((pack, row) for pack in live for row in reader.footer(pack).rows if row.kind == kind)
    data = bytearray(world.inner.get(pack.key))
    data[row.offset + at] ^= 1
    world.inner.objects[pack.key] = bytes(data)
    before = world.packs()
    with pytest.raises(LiveContentError, match=str(pack)):
        world.collect(keyless=True)
    assert world.packs() == before


@pytest.mark.parametrize("how", ["flipped", "gone", "cut off", "of another place"])
def test_where_an_entry_is_damaged_nothing_is_deleted(how: str) -> None:
    """Every byte of an entry is under its BLAKE3, which needs no key."""
    world = KeylessWorld("plain", "purged")
    key, other = (log_key(run_log(world.runs["plain"].id), n) for n in (1, 2))
    data = world.inner.objects[key]
    changed = {"flipped": data[:-40] + bytes([data[-40] ^ 1]) + data[-39:], "cut off": data[:-1]}
    changed["of another place"] = world.inner.objects[other]
    del world.inner.objects[key]
    if how != "gone":
        world.inner.objects[key] = changed[how]
    with pytest.raises(LiveContentError, match=world.runs["plain"].id):
        world.collect(keyless=True)


def test_the_public_part_is_under_its_own_digest() -> None:
    """A reader of both lines refuses one that was changed, before it looks at what it says."""
    world = KeylessWorld("plain")
    journal = PublicJournal(world.inner, Serial(), run_log(world.runs["plain"].id))
    key = log_key(journal.log, 1)
    first = world.inner.objects[key].split(b"\n")[0]
    body, _ = parse_document(b"\n".join(world.inner.objects[key].split(b"\n")[:2]) + b"\n", key)
    assert json.loads(first) == body
    world.inner.objects[key] = world.inner.objects[key].replace(b'"n":1', b'"n":2', 1)
    with pytest.raises(FormatError):
        journal.read(1)
