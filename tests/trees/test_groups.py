"""The ranks of one job log a shard each: one entry commits them all, or none."""

from __future__ import annotations

import itertools
import json
import random
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.support.depth import DEEP, thinned
from tests.support.faulty import FaultyBucket
from tests.support.garbage import DAY, HOUR, GarbageWorld
from tests.support.logs import entries_of, ops_of
from tests.support.stores import Serial, tiny_store
from tests.trees.test_crash import Doom, dying

from holdall.errors import (
    ArtifactExistsError,
    GroupConflictError,
    GroupIncompleteError,
    GroupSupersededError,
    InvalidArgumentError,
    PathConflictError,
    RegisteredPathError,
    UnsupportedFeatureError,
)
from holdall.format import entry, ops
from holdall.runs.groups import MOST_RANKS, GroupPart
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.memory import MemoryBucket
from holdall.trees import session

SHARDS = [random.Random(rank).randbytes(300) for rank in range(4)]
BIG = random.Random(9).randbytes(66_000)  # more than an entry carries


def made() -> MemoryBucket:
    """A bucket with an empty store."""
    bucket = MemoryBucket()
    tiny_store(bucket)
    return bucket


class Job:
    """A run, and ranks that are processes of their own.

    Attributes:
        bucket: What holds the store.
        run: The run, as the process that started it has it.
    """

    def __init__(self, *, versioned: bool = False, bucket: MemoryBucket | None = None) -> None:
        """A job; in a given bucket, as beside a collector, its shards are large."""
        self.bucket, self.shards = bucket or MemoryBucket(), [shard + BIG if bucket else shard for shard in SHARDS]
        store = tiny_store(self.bucket, pool=Serial(), create=bucket is None, seed=50)
        self.run = store.runs.start(paths="versioned" if versioned else None)
        self._seeds = itertools.count(100)

    def process(self, bucket: Bucket | None = None) -> Run:
        """The run, as a process of its own has it."""
        store = tiny_store(bucket or self.bucket, seed=next(self._seeds), create=False, pool=Serial())
        return store.runs.get(self.run.id)

    def part(self, rank: int, of: int = 3, **more: object) -> GroupPart:
        """A rank's part, with nothing in it."""
        return self.process().group(**{"step": 1, "rank": rank, "world_size": of} | more)  # type: ignore[arg-type]

    def leave(self, rank: int, of: int = 3, data: bytes | None = None, **more: object) -> GroupPart:
        """A rank that logs its shard, and a small file."""
        with self.part(rank, of, **more) as part:
            part.log_bytes(self.shards[rank] if data is None else data, f"1/{rank}.bin")
            part.log_text(f"rank {rank}", f"1/{rank}.txt")
        return part

    def held(self) -> dict[str, bytes]:
        """What a reader sees."""
        run = self.process()
        return {path: run.read(path) for path in run.manifest}

    def whole(self, of: int) -> dict[str, bytes]:
        """What so many ranks log."""
        shards = {f"1/{rank}.bin": self.shards[rank] for rank in range(of)}
        return shards | {f"1/{rank}.txt": f"rank {rank}".encode() for rank in range(of)}

    def sound(self) -> bool:
        """Whether nothing is wrong in the store."""
        return tiny_store(self.bucket, seed=1, create=False, pool=Serial()).maintenance.check().problems == []

    @property
    def commits(self) -> int:
        """How many entries commit something."""
        return sum(bool(ops_of([entry], "commit")) for entry in entries_of(self.bucket, self.run.id))


@pytest.mark.parametrize("order", thinned(list(itertools.permutations(range(3))), 2))
def test_nothing_is_seen_before_the_last_and_all_after(order: tuple[int, ...]) -> None:
    """Whoever comes last writes the one entry that commits, and a reader sees none or all."""
    job = Job()
    for rank in order:
        assert job.held() == {}
        part = job.leave(rank)
        assert part.committed == (rank == order[-1])
    assert job.held() == job.whole(3)
    assert job.commits == 1
    assert job.sound()


def test_one_rank_alone_commits_at_once() -> None:
    """A group of one is a commit."""
    job = Job()
    assert job.leave(0, of=1).committed
    assert job.held() == job.whole(1)
    assert not ops_of(entries_of(job.bucket, job.run.id), "part")


def test_two_that_come_last_at_once_commit_once() -> None:
    """Both find one part missing; the log puts one before the other, and the second one's entry commits."""
    job = Job()
    job.leave(0)
    second = job.part(1)
    second.log_bytes(SHARDS[1], "1/1.bin")
    second.log_text("rank 1", "1/1.txt")
    job.leave(2)  # after the second has read the log
    second.leave()
    assert second.committed
    assert job.held() == job.whole(3)
    assert job.commits == 1


def test_a_part_is_one_put_where_it_is_small() -> None:
    """Reading the log's end, and one entry for each rank, the last too."""
    job = Job()
    for rank in range(3):
        faulty = FaultyBucket(job.bucket)
        part = job.process(faulty).group(step=1, rank=rank, world_size=3)
        part.log_text("small", f"{rank}.txt")
        before = len(faulty.requests)
        part.leave()
        assert [verb for verb, _ in faulty.requests[before:]] == ["put"]
        assert [verb for verb, key in faulty.requests[:before] if key.startswith("runs/")] == [
            "list",
            *["get"] * (rank + 1),
        ]
    assert len(job.held()) == 3


def test_a_rank_without_files_counts() -> None:
    """An empty part is a part."""
    job = Job()
    with job.part(0, of=2):
        pass
    job.leave(1, of=2)
    assert set(job.held()) == {"1/1.bin", "1/1.txt"}
    assert job.sound()


def test_a_block_that_fails_leaves_nothing() -> None:
    """What was staged is of no group."""
    job = Job()
    with suppress(ZeroDivisionError), job.part(0, of=1) as part:
        part.log_text("x", "x.txt")
        raise ZeroDivisionError
    assert job.held() == {}
    assert not job.part(0, of=1).committed


# --- who comes twice


@pytest.mark.parametrize("last", [False, True], ids=["kept", "committed"])
def test_a_rank_that_comes_twice_with_the_same_changes_nothing(last: bool) -> None:
    """As a process does that is begun again; also by the same handle."""
    job = Job()
    for rank in range(3 if last else 2):
        job.leave(rank)
    known = len(ops_of(entries_of(job.bucket, job.run.id), "part")), job.commits
    again = job.leave(1)
    again.leave()
    assert again.committed == last
    assert (len(ops_of(entries_of(job.bucket, job.run.id), "part")), job.commits) == known
    job.leave(2)
    assert job.held() == job.whole(3)


def more(part: GroupPart) -> None:
    part.log_bytes(SHARDS[1], "1/1.bin")
    part.log_text("rank 1", "1/1.txt")
    part.log_text("", "1/1.more")


OTHER: dict[str, Callable[[GroupPart], None]] = {
    "other content": lambda part: part.log_bytes(b"other", "1/1.bin"),
    "less": lambda part: part.log_bytes(SHARDS[1], "1/1.bin"),
    "more": more,
}


@pytest.mark.parametrize("what", OTHER)
@pytest.mark.parametrize("versioned", [False, True])
@pytest.mark.parametrize("last", [False, True], ids=["kept", "committed"])
def test_a_rank_that_comes_twice_with_something_else_is_refused(last: bool, versioned: bool, what: str) -> None:
    """What it left stays; the error says what it had."""
    job = Job(versioned=versioned)
    for rank in range(3 if last else 2):
        job.leave(rank)
    with pytest.raises((GroupConflictError, ArtifactExistsError), match="1/1"), job.part(1) as part:
        OTHER[what](part)
    job.leave(2)
    assert job.held() == job.whole(3)


# --- paths of two ranks


def test_a_path_that_two_ranks_have_is_committed_once_if_it_is_the_same() -> None:
    """The later one leaves it out, and comes again with it all the same."""
    job = Job()
    for rank in (0, 1, 0, 1):
        with job.part(rank, of=2) as part:
            part.log_bytes(SHARDS[3], "both.bin")
            part.log_text(str(rank), f"{rank}.txt")
    assert set(job.held()) == {"both.bin", "0.txt", "1.txt"}
    assert job.process().state.files == 3
    assert job.sound()


CLASHES = {
    "content": ("a", b"0", "a", b"1"),
    "below": ("a", b"0", "a/b", b"1"),
    "above": ("a/b", b"0", "a", b"1"),
}


@pytest.mark.parametrize("clash", CLASHES)
@pytest.mark.parametrize("of", [2, 3])
def test_paths_of_two_ranks_that_clash_are_refused_with_both_named(clash: str, of: int) -> None:
    """At the second that comes, last or not: what the first has stays, and nothing is committed."""
    job = Job()
    first, data, second, other = CLASHES[clash]
    with job.part(0, of) as part:
        part.log_bytes(data, first)
    with pytest.raises(GroupConflictError, match=r"rank 1 .*rank 0 "), job.part(1, of) as part:
        part.log_bytes(other, second)
    assert job.held() == {}
    assert job.commits == 0


# --- the run goes on meanwhile


def test_what_the_run_got_meanwhile_stands_in_the_way() -> None:
    """The last rank is told, and nothing of the group is committed."""
    job = Job()
    job.leave(0, of=2)
    job.process().log_text("other", "1/0.txt")
    with pytest.raises(ArtifactExistsError, match="1/0"):
        job.leave(1, of=2)
    assert set(job.held()) == {"1/0.txt"}
    assert job.commits == 1


def test_the_same_that_the_run_got_meanwhile_does_not() -> None:
    """Twice the same is no damage."""
    job = Job()
    job.leave(0, of=2)
    job.process().log_text("rank 0", "1/0.txt")
    job.leave(1, of=2)
    assert job.held() == job.whole(2)
    job.run.finish()
    assert job.held() == job.whole(2)
    assert job.sound()


def test_a_file_that_the_run_got_meanwhile_where_a_part_needs_a_folder() -> None:
    """As for any commit."""
    job = Job()
    job.leave(0, of=2)
    job.process().log_text("other", "1")
    with pytest.raises(PathConflictError):
        job.leave(1, of=2)


def test_a_pin_that_came_meanwhile_keeps_what_is_registered() -> None:
    """A part is refused like any commit below a registered path."""
    job = Job()
    job.process().log_text("weights", "1/model.bin")
    job.leave(0, of=2)
    tiny_store(job.bucket, seed=7, create=False).registry.register(f"runs:/{job.run.id}/1", "fraud")
    with pytest.raises(RegisteredPathError):
        job.leave(1, of=2)


def test_parts_last_over_checkpoints_and_the_end_of_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry with a checkpoint repeats them, so whoever begins to read there meets them."""
    monkeypatch.setattr(session, "STATE_EVERY", 12)
    job = Job()
    job.leave(0)
    for n in range(12 + 2):
        job.run.log_text(str(n), f"more/{n}.txt")
    job.leave(1)
    job.run.finish()
    states = [entry for entry in entries_of(job.bucket, job.run.id) if entry.state]
    assert [len(ops_of([entry], "part")) for entry in states] == [1, 2]
    assert all(op["since"] < states[0].n for op in ops_of(states[:1], "part"))
    job.leave(2)
    assert {path for path in job.held() if not path.startswith("more/")} == set(job.whole(3))
    assert job.sound()


def test_more_parts_than_an_entry_can_repeat_cost_a_checkpoint_and_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Thousands of ranks that died at several steps: the run goes on and ends without one, and has one later."""
    monkeypatch.setattr(entry, "MAX_ENTRY", 4_000)
    monkeypatch.setattr(session, "STATE_EVERY", many := 16)
    job = Job()
    for step in range(many):
        with job.run.group(step=step, rank=0, world_size=2) as part:
            part.log_text("x", f"{step}/0.txt")
    job.run.log_text("all is well", "more.txt")
    job.run.finish()
    assert job.process().state.status == "FINISHED"
    assert [found for found in entries_of(job.bucket, job.run.id) if found.state] == []
    monkeypatch.undo()
    job.process().finish()
    assert [found.n for found in entries_of(job.bucket, job.run.id) if found.state] == [many + 3]
    assert job.sound()


def test_an_old_reader_refuses_a_run_by_name_while_parts_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """And reads what is in packs again behind the next checkpoint; it collects nothing meanwhile, as it stops there."""
    job = Job(bucket=made())
    job.leave(0, of=2)
    job.run.finish()
    known = {name: fields for name, fields in ops._OPS.items() if name not in ("part", "unpart")}
    with monkeypatch.context() as old:
        old.setattr(ops, "_OPS", known)
        with pytest.raises(UnsupportedFeatureError, match="operation part"):
            job.held()
    job.leave(1, of=2)
    job.process().finish()
    job.process().finish()
    with monkeypatch.context() as old:
        old.setattr(ops, "_OPS", known)
        assert job.held() == job.whole(2)


# --- other tries of the job


@pytest.mark.parametrize("of", [2, 4])
def test_another_world_size_supersedes_and_nothing_is_mixed(of: int) -> None:
    """A job that begins again with fewer or more ranks has none of the parts of before."""
    job = Job()
    job.leave(0, of=3, data=b"old 0")
    job.leave(1, of=3, data=b"old 1")
    for rank in reversed(range(of)):
        assert job.held() == {}
        job.leave(rank, of=of)
    assert job.held() == job.whole(of)


def test_a_greater_attempt_supersedes_and_a_smaller_one_is_told() -> None:
    """A straggler of the job that was given up neither mixes in nor takes over."""
    job = Job()
    job.leave(0, of=2, data=b"old 0")
    old = job.part(1, of=2)
    job.leave(1, of=2, attempt=1)
    with pytest.raises(GroupSupersededError, match="attempt 1"):
        job.leave(1, of=2, data=b"old 1")
    old.log_text("late", "late.txt")
    with pytest.raises(GroupSupersededError):
        old.leave()
    with pytest.raises(GroupSupersededError):
        old.wait(0)
    job.leave(0, of=2, attempt=1)
    assert job.held() == job.whole(2)
    with pytest.raises(GroupSupersededError):
        job.leave(0, of=2)


def test_a_step_that_another_world_size_committed_is_told() -> None:
    """It is there: no part of another cut of it is left beside it."""
    job = Job()
    for rank in range(2):
        job.leave(rank, of=2)
    with pytest.raises(GroupConflictError, match="committed by 2 ranks, not by 3"):
        job.leave(0, of=3)
    assert job.held() == job.whole(2)


def test_an_attempt_more_replaces_what_a_versioned_run_has_committed() -> None:
    """All ranks come anew, and until the last one does readers see what was."""
    job = Job(versioned=True)
    for rank in range(2):
        job.leave(rank, of=2, data=b"old", on_conflict="replace")
    for rank in range(2):
        assert job.held()["1/0.bin"] == b"old"
        job.leave(rank, of=2, on_conflict="replace", attempt=1)
    assert job.held() == job.whole(2)
    assert [found.current for found in job.process().versions("1/1.bin")] == [True, False]
    assert job.sound()


@pytest.mark.parametrize("keep", [None, 1, 2])
def test_steps_replace_one_path_of_each_rank(keep: int | None) -> None:
    """As `last.pt` is rewritten at every step: earlier versions stay as long as is said, whoever commits."""
    job = Job(versioned=True)
    for step in range(4):
        for rank in range(2):
            run = job.process()
            with run.group(step=step, rank=rank, world_size=2, on_conflict="replace", keep_last=keep) as part:
                part.log_text(f"step {step} of {rank}", f"last/{rank}.pt")
    for rank in range(2):
        found = job.process().versions(f"last/{rank}.pt")
        assert len(found) == (keep or 4)
        assert job.process().load_text(f"last/{rank}.pt") == f"step 3 of {rank}"
    assert job.sound()


def test_groups_of_several_steps_and_names_may_be_under_way_at_once() -> None:
    """Each is committed when its own ranks are there."""
    job = Job()
    groups = [{"step": 1, "name": None}, {"step": 2, "name": None}, {"step": 1, "name": "optimizer"}, {"name": "end"}]
    for rank, (n, named) in itertools.product(range(2), enumerate(groups)):
        with job.process().group(rank=rank, world_size=2, **named) as part:  # type: ignore[arg-type]
            part.log_text("x", f"{n}/{rank}.txt")
        assert part.committed == (rank == 1)
    assert len(job.held()) == 8
    assert job.commits == 4


# --- waiting


def test_waiting_ends_when_the_last_rank_comes() -> None:
    """Also if that is in the middle of a wait."""
    job = Job()
    first = job.leave(0, of=2)

    def sleep(_: float) -> None:
        job.leave(1, of=2)

    first._location.sleep = sleep
    first.wait()
    assert first.committed


def test_waiting_names_the_ranks_that_are_missing() -> None:
    """When its time is over; who comes later completes the group all the same."""
    job = Job()
    part = job.leave(1, of=4)
    with pytest.raises(GroupIncompleteError, match="missing are the ranks 0, 2, 3") as caught:
        part.wait(3)
    assert caught.value.missing == [0, 2, 3]
    for rank in (0, 2, 3):
        job.leave(rank, of=4)
    part.wait(0)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rank": 2, "world_size": 2},
        {"rank": -1, "world_size": 2},
        {"rank": True, "world_size": 2},
        {"rank": 0, "world_size": 0},
        {"rank": 0, "world_size": MOST_RANKS + 1},
        {"rank": 0, "world_size": 1, "step": -1},
        {"rank": 0, "world_size": 1, "step": None},
        {"rank": 0, "world_size": 1, "name": "x" * 300},
        {"rank": 0, "world_size": 1, "attempt": 0.5},
        {"rank": 0, "world_size": 1, "keep_last": 2},
    ],
)
def test_what_is_no_group_is_refused(wrong: dict[str, object]) -> None:
    """Before anything is read or written."""
    with pytest.raises(InvalidArgumentError):
        Job().run.group(**{"step": 1} | wrong)  # type: ignore[arg-type]


def test_an_entry_has_room_for_as_many_ranks_as_are_taken() -> None:
    """So that no job learns at its last rank, with all uploaded, that it has too many."""
    job = Job(bucket=made())
    job.leave(0)
    (op,) = ops_of(entries_of(job.bucket, job.run.id), "part")
    commit = {key: op[key] for key in ("op", "tree", "files", "bytes", "new_bytes", "stored_bytes")}
    tree = op["tree"] | {"id": f"blake3:{'f' * 64}", "entry": 10**9, "blob": 10**3, "raw": 2**20, "stored": 2**20}
    most = commit | {"op": "commit", "tree": tree, "files": 10**6} | dict.fromkeys(("bytes", "new_bytes"), 10**12)
    assert MOST_RANKS * len(json.dumps(most)) < entry.MAX_ENTRY * 0.9


# --- processes that die


@pytest.mark.parametrize(("victim", "moment"), [(0, "before"), (2, "after")], ids=["first", "last"])
@pytest.mark.every(2)
def test_a_rank_that_dies_at_any_request_leaves_none_or_all(moment: str, victim: int) -> None:
    """Whichever request it dies at: readers see nothing or all, and begun again it completes the group."""
    for at in itertools.count(1) if DEEP else itertools.count(random.randint(1, 7), 7):  # another try, other requests
        job = Job(bucket=made())
        for rank in range(victim):
            job.leave(rank)
        faulty = FaultyBucket(job.bucket, on=Doom(at, moment))
        with dying(), job.process(faulty).group(step=1, rank=victim, world_size=3) as part:
            part.log_bytes(job.shards[victim], f"1/{victim}.bin")
            part.log_text(f"rank {victim}", f"1/{victim}.txt")
        assert job.held() in ({}, job.whole(3))
        assert job.sound(), at
        for rank in range(victim, 3):
            job.leave(rank)
        assert job.held() == job.whole(3)
        assert job.commits == 1
        faulty.on = None
        if len(faulty.requests) < at:
            break
    assert at > 5


# --- garbage


def test_parts_are_live_until_they_are_committed() -> None:
    """A collector that comes between two ranks takes nothing of the first, and what the last commits is whole."""
    world = GarbageWorld(purged=0, kept=1)
    job = Job(bucket=world.inner)
    first = job.leave(0, of=2)
    first._part._session.close()
    world.clock.now += 2 * DAY
    world.collect()
    job.run.finish()
    world.clock.now += 2 * DAY
    found = world.collect(seed=8)
    assert (found.freed.packs, found.abandoned) == (0, {})
    assert job.leave(1, of=2).committed
    world.clock.now += 2 * DAY
    world.collect(seed=9)
    assert job.held() == job.whole(2)
    assert job.sound()


def test_a_group_that_nobody_finishes_is_collected() -> None:
    """After seven days its parts are given up, and then its packs are garbage like others; the run stays as it is."""
    world = GarbageWorld(purged=0, kept=1)
    job = Job(bucket=world.inner)
    job.leave(0, of=3)._part._session.close()
    packs = world.packs()
    world.clock.now += 6 * DAY
    job.leave(1, of=3)._part._session.close()
    world.clock.now += 2 * DAY
    assert world.collect().abandoned == {}
    world.clock.now += 6 * DAY
    assert world.collect(seed=8).abandoned == {job.run.id: ("step-1",)}
    found = world.collect(seed=9)
    assert found.freed.packs > 0
    assert world.packs() < packs | {*world.packs()}
    assert job.sound()
    for rank in range(3):  # it may come all the same, from the beginning
        job.leave(rank, of=3)
    assert job.held() == job.whole(3)


def test_what_was_superseded_is_garbage() -> None:
    """Nobody can commit it any more."""
    world = GarbageWorld(purged=0, kept=1)
    job = Job(bucket=world.inner)
    before = world.packs()
    job.leave(0, of=3, data=random.Random(77).randbytes(66_000))._part._session.close()
    old = world.packs() - before
    for rank in range(2):
        job.leave(rank, of=2)._part._session.close()
    world.clock.now += 2 * DAY + HOUR
    world.collect()
    assert not old & world.packs()
    assert job.held() == job.whole(2)


def test_a_fence_between_two_parts_is_heeded() -> None:
    """A rank whose chunks are condemned before it leaves its part copies them, as before any commit."""
    world = GarbageWorld(purged=0, kept=1)
    job = Job(bucket=world.inner)
    slow = job.part(0, of=2)
    slow.log_bytes(job.shards[0], "1/0.bin")
    slow.log_text("rank 0", "1/0.txt")
    world.clock.now += 8 * DAY
    world.collect()
    world.collect(seed=8)
    slow.leave()
    job.leave(1, of=2)
    assert job.held() == job.whole(2)
    assert job.sound()


# --- other stores, and the end of other runs


def test_a_copy_has_what_is_committed_and_no_part() -> None:
    """A copy that was made between two ranks has nothing of them, and one that is made after the last has all."""
    job = Job(bucket=made())
    job.leave(0, of=2)
    place = MemoryBucket()
    source, copy = (
        tiny_store(bucket, seed=seed, create=False, pool=Serial()) for bucket, seed in ((job.bucket, 61), (place, 62))
    )
    source.maintenance.copy_to(copy, workers=1)
    assert copy.runs.get(job.run.id).manifest == {}
    assert not ops_of(entries_of(place, job.run.id), "part")
    job.leave(1, of=2)
    again = tiny_store(job.bucket, seed=63, create=False, pool=Serial())
    again.maintenance.copy_to(tiny_store(place, seed=64, create=False, pool=Serial()), workers=1)
    found = tiny_store(place, seed=65, create=False).runs.get(job.run.id)
    assert {path: found.read(path) for path in found.manifest} == job.whole(2)


def test_a_purge_of_another_run_spares_what_a_part_needs_and_names_it() -> None:
    """A part that shares chunks with a run keeps them, and who purges the run is told where its content is still."""
    job = Job(bucket=made())
    store = tiny_store(job.bucket, seed=66, create=False, pool=Serial())
    doomed = store.runs.start()
    doomed.log_bytes(job.shards[0], "secret.bin")
    doomed.finish()
    job.leave(0, of=2)
    plan = store.maintenance.plan_purge(doomed.id)
    assert [found.uri for found in plan.remaining] == [f"runs:/{job.run.id}/1/0.bin"]
    store.maintenance.purge(doomed.id)
    job.leave(1, of=2)
    assert job.held() == job.whole(2)
