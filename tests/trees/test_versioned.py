"""Versioned runs: what replaces what, what is kept of it, and that others never change."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from tests.support.faulty import Crash, Fault, FaultyBucket
from tests.support.logs import entries_of, ops_of, packs_in
from tests.support.stores import tiny_store

from holdall.errors import (
    ArtifactExistsError,
    ArtifactNotFoundError,
    HoldallError,
    InvalidArgumentError,
    InvalidPathError,
    PathConflictError,
    RunNotVersionedError,
)
from holdall.format.layout import run_log
from holdall.runs import writing
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.trees import replacing, session
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.references import references
from holdall.trees.view import View

BIG = 70_000  # bytes that go into a pack


def noise(seed: object, size: int = BIG) -> bytes:
    """Bytes that share nothing with others."""
    return random.Random(repr(seed)).randbytes(size)


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


@pytest.fixture
def run(bucket: MemoryBucket) -> Run:
    """A versioned run."""
    return tiny_store(bucket).runs.start(paths="versioned")


def afresh(bucket: MemoryBucket, run: Run) -> Run:
    """The run as another process sees it."""
    return tiny_store(bucket, create=False, seed=9).runs.get(run.id)


def texts(run: Run, path: str) -> list[str]:
    """What a path holds and held, the newest first."""
    return [run.load_text(path, version=found.version) for found in run.versions(path)]


def intact(bucket: MemoryBucket) -> bool:
    """Whether check finds nothing wrong."""
    found = tiny_store(bucket, create=False, seed=9).maintenance.check()
    assert found.problems == []
    return found.intact


def test_a_path_is_replaced_and_what_it_held_can_be_read(bucket: MemoryBucket, run: Run) -> None:
    """The newest content is the path's, and each earlier one has its number, size and digest."""
    for epoch in range(3):
        run.log_text(f"epoch {epoch}", "last.txt", on_conflict="replace")
    for each in (run, afresh(bucket, run)):
        assert each.load_text("last.txt") == "epoch 2"
        assert texts(each, "last.txt") == ["epoch 2", "epoch 1", "epoch 0"]
        now, *before = each.versions("last.txt")
        assert (now.current, now.until, now.sha256) == (True, None, each.entry("last.txt").sha256.hex())
        assert [found.version for found in before] == [3, 2]
        assert all(found.until for found in before)
    assert intact(bucket)


def test_the_default_is_that_nothing_changes(run: Run) -> None:
    """Also in a versioned run: other content is an error, unless `replace` is said."""
    run.log_text("first", "a.txt")
    with pytest.raises(ArtifactExistsError):
        run.log_text("second", "a.txt")
    assert texts(run, "a.txt") == ["first"]


def test_a_run_that_is_not_versioned_takes_no_replacement(bucket: MemoryBucket) -> None:
    """Replacing, deleting and trimming are refused with how to start one, whatever is there; it loses nothing."""
    run = tiny_store(bucket).runs.start()
    run.log_text("first", "a.txt")
    for change in (
        lambda: run.log_text("second", "a.txt", on_conflict="replace"),
        lambda: run.log_text("new", "b.txt", on_conflict="replace"),
        lambda: run.delete_artifact("a.txt"),
        lambda: run.trim(keep_last=1),
    ):
        with pytest.raises(RunNotVersionedError, match="is not versioned") as caught:
            change()
        assert "paths='versioned'" in caught.value.hint
    assert (list(run.manifest), texts(run, "a.txt")) == (["a.txt"], ["first"])


@pytest.mark.parametrize("size", [10, BIG])
def test_the_same_content_again_is_no_version(bucket: MemoryBucket, run: Run, size: int) -> None:
    """A file that is as it was is left out of the commit, and no entry is written for it alone."""
    run.log_bytes(noise(1, size), "last.bin", on_conflict="replace")
    count = len(entries_of(bucket, run.id))
    run.log_bytes(noise(1, size), "last.bin", on_conflict="replace")
    assert len(entries_of(bucket, run.id)) == count
    assert len(run.versions("last.bin")) == 1


def test_what_is_removed_is_gone_and_its_versions_are_not(bucket: MemoryBucket, run: Run) -> None:
    """A directory goes with all below it; each file of it is an earlier version, and may come again."""
    for name in ("d/a", "d/b/c", "e"):
        run.log_text(name, name)
    run.delete_artifact("d")
    assert list(afresh(bucket, run).manifest) == ["e"]
    assert texts(run, "d/b/c") == ["d/b/c"]
    with pytest.raises(ArtifactNotFoundError):
        run.read("d/a")
    with pytest.raises(ArtifactNotFoundError):
        run.delete_artifact("d")
    run.log_text("again", "d/a")
    run.finish()
    assert texts(afresh(bucket, run), "d/a") == ["again", "d/a"]
    assert intact(bucket)


def test_a_file_takes_a_directorys_place_only_after_it_was_removed(bucket: MemoryBucket, run: Run) -> None:
    """And a directory a file's; `replace` alone replaces files."""
    run.log_text("x", "d/x")
    run.log_text("f", "f")
    for path in ("d", "f/y"):
        with pytest.raises(PathConflictError):
            run.log_text("in the way", path, on_conflict="replace")
    run.delete_artifact("d")
    run.delete_artifact("f")
    run.log_text("a file now", "d")
    run.log_text("a directory now", "f/y")
    assert list(run.manifest) == ["d", "f/y"]
    assert (texts(run, "d/x"), texts(run, "f")) == (["x"], ["f"])
    run.finish()
    assert list(afresh(bucket, run).manifest) == ["d", "f/y"]
    assert intact(bucket)


@pytest.mark.parametrize("finished", [False, True])
def test_only_some_versions_are_kept_where_that_is_asked_for(bucket: MemoryBucket, run: Run, finished: bool) -> None:
    """`keep_last` counts what the path holds now; other paths keep theirs."""
    for epoch in range(7):
        run.log_text(f"{epoch}", "last.txt", on_conflict="replace", keep_last=3)
        run.log_text(f"{epoch}", "all.txt", on_conflict="replace")
    if finished:
        run.finish()
    again = afresh(bucket, run)
    assert (texts(again, "last.txt"), len(again.versions("all.txt"))) == (["6", "5", "4"], 7)
    with pytest.raises(ArtifactNotFoundError):
        again.read("last.txt", version=2)
    assert intact(bucket)


def test_versions_are_trimmed_later(bucket: MemoryBucket, run: Run) -> None:
    """Below a path or everywhere; a removed path's own count, too; nothing is written where there is nothing to do."""
    for epoch in range(5):
        for path in ("a/last.txt", "b/last.txt", "gone.txt"):
            run.log_text(f"{epoch}", path, on_conflict="replace")
    run.delete_artifact("gone.txt")
    run.trim("a", keep_last=2)
    assert [len(run.versions(path)) for path in ("a/last.txt", "b/last.txt", "gone.txt")] == [2, 5, 5]
    run.trim(keep_last=2)
    count = len(entries_of(bucket, run.id))
    run.trim(keep_last=2)
    assert len(entries_of(bucket, run.id)) == count
    assert [texts(run, path) for path in ("b/last.txt", "gone.txt")] == [["4", "3"], ["4", "3"]]
    assert intact(bucket)


def test_nothing_is_kept_of_what_was_taken_out(bucket: MemoryBucket, run: Run) -> None:
    """`keep_last=0` ends its last version, too; what a path holds now stays."""
    for epoch in range(3):
        for path in ("step/last.txt", "here.txt"):
            run.log_text(f"{epoch}", path, on_conflict="replace")
    run.delete_artifact("step")
    run.trim("step", keep_last=0)
    with pytest.raises(ArtifactNotFoundError):
        run.versions("step/last.txt")
    run.trim(keep_last=0)
    assert (list(run.manifest), texts(run, "here.txt")) == (["here.txt"], ["2"])
    assert intact(bucket)


def test_more_versions_are_trimmed_than_one_entry_has_room_for(
    bucket: MemoryBucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest goes into entries behind it; with the commit, and later."""
    monkeypatch.setattr(replacing, "MOST_TRIMS", 3)
    monkeypatch.setattr(writing, "MOST_TRIMS", 3)
    run = tiny_store(bucket).runs.start(paths="versioned")
    for epoch in range(3):
        for n in range(8):
            (tmp_path / f"{n}.txt").write_text(f"{epoch} {n}")
        run.log_artifacts(tmp_path, on_conflict="replace", keep_last=2)
    trims = [len(ops_of([entry], "trim")) for entry in entries_of(bucket, run.id)]
    assert [count for count in trims if count] == [3, 3, 2]
    assert [len(run.versions(f"{n}.txt")) for n in range(8)] == [2] * 8
    run.trim(keep_last=1)
    assert [len(run.versions(f"{n}.txt")) for n in range(8)] == [1] * 8
    assert intact(bucket)


@pytest.mark.parametrize(
    ("on_conflict", "keep_last"), [("overwrite", None), ("error", 3), ("replace", 0), ("replace", True)]
)
def test_what_does_not_go_together_is_refused(run: Run, on_conflict: str, keep_last: int | None) -> None:
    """Before anything is read or written."""
    with pytest.raises(InvalidArgumentError):
        run.log_text("x", "a", on_conflict=on_conflict, keep_last=keep_last)  # type: ignore[arg-type]  # on purpose
    with pytest.raises(InvalidArgumentError):
        run.trim(keep_last=-1)


def test_a_path_has_room_for_the_number_of_its_version(run: Run) -> None:
    """1,007 bytes are the most, and such a path is replaced and folded like any."""
    longest = "/".join(["é" * 100] * 5)[:504] + "x"
    longest += "y" * (1007 - len(longest.encode()))
    for epoch in range(2):
        run.log_text(f"{epoch}", longest, on_conflict="replace")
    with pytest.raises(InvalidPathError, match="more than 1007"):
        run.log_text("x", longest + "z")
    run.finish()
    assert len(run.versions(longest)) == 2


def test_one_small_file_is_one_request() -> None:
    """Replacing it, keeping some, deleting it: one PUT each, and nothing else; as in a run that never changes."""
    faulty = FaultyBucket(MemoryBucket())
    store = tiny_store(faulty)
    for begun, more in ((store.runs.start(), {}), (store.runs.start(paths="versioned"), {"on_conflict": "replace"})):
        for epoch in range(3):
            faulty.requests.clear()
            begun.log_text(f"{epoch}", "last.txt" if more else f"{epoch}.txt", **more)  # type: ignore[arg-type]
            assert [verb for verb, _ in faulty.requests] == ["put"]
    faulty.requests.clear()
    begun.log_text("4", "last.txt", on_conflict="replace", keep_last=2)
    begun.delete_artifact("last.txt")
    assert [verb for verb, _ in faulty.requests] == ["put", "put"]


@pytest.mark.parametrize("entries", [0, 70])
def test_a_state_leaves_out_what_was_given_up_since_the_one_before(
    bucket: MemoryBucket, run: Run, entries: int
) -> None:
    """Removed paths and trimmed versions that the state before knew; whether it ends the run, or is one on the way."""
    for path in ("a", "b", "d/x", "d/y"):
        for epoch in range(3):
            run.log_text(f"{path} {epoch}", path, on_conflict="replace")
    run.finish()
    again = tiny_store(bucket, create=False, seed=7).runs.resume(run.id)
    again.delete_artifact("d")
    again.log_text("a 3", "a", on_conflict="replace", keep_last=2)
    again.trim("d/x", keep_last=1)
    for n in range(entries):
        again.log_text(f"{n}", "n", on_conflict="replace", keep_last=1)
    if not entries:
        again.finish()
    seen = afresh(bucket, run)
    assert list(seen.manifest) == ["a", "b", *(["n"] if entries else [])]
    assert texts(seen, "a") == ["a 3", "a 2"]
    assert texts(seen, "b") == ["b 2", "b 1", "b 0"]
    assert (texts(seen, "d/x"), texts(seen, "d/y")) == (["d/x 2"], ["d/y 2", "d/y 1", "d/y 0"])
    assert intact(bucket)


# --- races, lost answers, crashes ---


def test_of_two_who_replace_a_path_at_once_both_are_versions(bucket: MemoryBucket, run: Run) -> None:
    """The later entry is what the path holds, the earlier one its newest earlier version."""
    run.log_text("first", "last.txt")
    rival = tiny_store(bucket, create=False, seed=5).runs.get(run.id)
    rival.log_text("elsewhere", "other.txt")  # its session is open, and knows the run as it is now
    run.log_text("mine", "last.txt", on_conflict="replace")
    rival.log_text("the rival's", "last.txt", on_conflict="replace", keep_last=2)
    assert texts(afresh(bucket, run), "last.txt") == ["the rival's", "mine"]
    assert intact(bucket)


def test_a_rival_that_removes_what_is_logged_again_loses_nothing(bucket: MemoryBucket, run: Run) -> None:
    """Who logs what is there already, and meets a removal and a trim, commits bytes that he read himself."""
    data = noise("shared")
    run.log_bytes(data, "last.bin")
    rival = tiny_store(bucket, create=False, seed=5).runs.get(run.id)
    rival.log_text("elsewhere", "other.txt")
    run.delete_artifact("last.bin")
    run.trim(keep_last=1)
    run.log_text("x", "last.txt")
    rival.log_bytes(data, "last.bin")
    assert afresh(bucket, run).read("last.bin") == data
    assert intact(bucket)


@pytest.mark.parametrize("act", ["lose", "late", "fail"])
def test_an_answer_that_is_lost_makes_no_second_version(act: str) -> None:
    """Tried again, by the bucket's own retry or by the caller, a replacement is one version."""
    bucket = MemoryBucket()
    faulty = FaultyBucket(bucket)
    run = tiny_store(faulty).runs.start(paths="versioned")
    run.log_text("first", "last.txt")
    faulty.plan(Fault("put", key=f"{run_log(run.id)}/", act=act))
    for _ in range(2):
        with suppress(HoldallError):
            run.log_text("second", "last.txt", on_conflict="replace")
    faulty.deliver()
    assert texts(afresh(bucket, run), "last.txt") == ["second", "first"]
    assert intact(bucket)


def steps(run: Run) -> Iterator[dict[str, list[bytes]]]:
    """What a training does, one entry a step; yields what each path holds and held, as far as it is kept."""
    big = [noise(n) for n in range(3)]
    run.log_bytes(big[0], "last.bin")
    yield {"last.bin": [big[0]]}
    run.log_bytes(big[1], "last.bin", on_conflict="replace", keep_last=2)
    yield {"last.bin": [big[1], big[0]]}
    run.log_bytes(big[2], "last.bin", on_conflict="replace", keep_last=2)
    yield {"last.bin": [big[2], big[1]]}
    run.delete_artifact("last.bin")
    yield {"last.bin": [big[2], big[1]]}
    run.trim(keep_last=1)
    yield {"last.bin": [big[2]]}
    run.finish()
    yield {"last.bin": [big[2]]}


def test_killed_at_any_request_the_run_is_as_before_or_after(bucket: MemoryBucket) -> None:
    """No replacement, removal or trim is seen in part, check finds nothing wrong, and the run goes on."""
    k = 0
    while True:
        k += 1
        bucket, counted = MemoryBucket(), 0

        def on(number: int, when: str, verb: str, key: str) -> None:
            if verb == "put" and when == "before" and key.startswith(("runs/", "packs/")):
                nonlocal counted
                counted += 1
                if counted == k:  # noqa: B023  # it is called in this turn
                    raise Crash

        store = tiny_store(FaultyBucket(bucket, on=on))
        before: dict[str, list[bytes]] = {}
        try:
            run = store.runs.start(paths="versioned")
            for now in steps(run):
                before = now
            break
        except Crash:
            session._open_sessions.clear()  # a process that dies closes nothing
        again = tiny_store(bucket, create=False, seed=k)
        for id in again.maintenance.run_ids():
            seen = again.runs.get(id)
            found = [seen.read("last.bin", version=one.version) for one in seen.versions("last.bin")] if before else []
            assert found == before.get("last.bin", [])
            seen.log_text("on it goes", "last.txt", on_conflict="replace")
            assert seen.load_text("last.txt") == "on it goes"
        assert intact(bucket)
    assert k > 8


# --- space ---


def needed(bucket: MemoryBucket, run: Run) -> set[str]:
    """The packs that a collector would have to keep."""
    location = tiny_store(bucket, create=False, seed=9)._location
    view = View.load(
        RunBlobReader(location.bucket, location.pool, Journal(location.bucket, location.pool, run_log(run.id)))
    )
    assert view
    return {getattr(ref.location, "key", "") for ref in references(view)} - {""}


def packed(bucket: MemoryBucket) -> int:
    """The bytes of all packs."""
    return sum(len(bucket.objects[key]) for key in packs_in(bucket))


@pytest.mark.parametrize("finished", [False, True])
def test_what_was_trimmed_is_referred_to_no_more(bucket: MemoryBucket, run: Run, finished: bool) -> None:
    """Of fifty checkpoints three are needed, at once: the other packs may go, and the three are read without them."""
    for epoch in range(50):
        run.log_bytes(noise(epoch, 66_000), "last.bin", on_conflict="replace", keep_last=3)
    if finished:
        run.finish()
    live = needed(bucket, run)
    for key in packs_in(bucket):
        if key not in live:
            bucket.delete(key)
    alone = MemoryBucket()
    three = tiny_store(alone).runs.start()
    for epoch in (47, 48, 49):
        three.log_bytes(noise(epoch, 66_000), f"{epoch}.bin")
    assert packed(bucket) <= 1.05 * packed(alone)
    again = afresh(bucket, run)
    found = [again.read("last.bin", version=one.version) for one in again.versions("last.bin")]
    assert found == [noise(epoch, 66_000) for epoch in (49, 48, 47)]
    assert tiny_store(bucket, create=False, seed=9).maintenance.check().intact  # hints to what is gone harm nobody


def test_the_listing_of_many_versions_is_referred_to(bucket: MemoryBucket, run: Run, tmp_path: Path) -> None:
    """Too large for an entry, it lies in packs, which are needed."""
    for epoch in range(3):
        for n in range(400):
            (tmp_path / noise(n, 80).hex()).write_text(f"{epoch}")
        run.log_artifacts(tmp_path, on_conflict="replace")
    run.finish()
    live = needed(bucket, run)
    for key in packs_in(bucket):
        if key not in live:
            bucket.delete(key)
    again = afresh(bucket, run)
    assert texts(again, noise(7, 80).hex()) == ["2", "1", "0"]
    assert tiny_store(bucket, create=False, seed=9).maintenance.check().intact


@pytest.mark.parametrize("keep_last", [1, 2])
def test_who_reads_a_file_while_it_is_replaced_reads_it_or_is_told(
    bucket: MemoryBucket, run: Run, keep_last: int
) -> None:
    """Kept as an earlier version it is read to its end; given up and collected, it is not there any more."""
    run.log_bytes(noise("first"), "last.bin")
    with afresh(bucket, run).open("last.bin") as file:
        head = file.read(10)
        run.log_bytes(noise("second"), "last.bin", on_conflict="replace", keep_last=keep_last)
        live = needed(bucket, run)
        for key in packs_in(bucket):
            if key not in live:
                bucket.delete(key)
        if keep_last == 2:
            assert head + file.read() == noise("first")
        else:
            with pytest.raises(ArtifactNotFoundError):
                file.read()
