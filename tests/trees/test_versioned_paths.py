"""The paths of a versioned run against a dictionary, and what is certain of them where something cannot be read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.depth import examples
from tests.support.garbage import DAY, GarbageWorld
from tests.support.logs import entries_of, packs_in
from tests.support.stores import tiny_store
from tests.trees.test_versioned import BIG, noise, texts

from holdall.errors import DamageError, FormatError, IncompleteError, RegisteredPathError
from holdall.format.changes import parse_version_path, remove_op, trim_op, version_path
from holdall.format.digest import sha256
from holdall.format.document import Json
from holdall.format.entry import InlineBlob
from holdall.format.layout import log_key, run_log
from holdall.format.reference import CHUNK, NODE
from holdall.format.sealing import PLAIN
from holdall.format.tree import Entry, Kind
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.trees import snapshot, tree_builder
from holdall.trees.session import Draft
from holdall.trees.snapshot import InlineBlobs
from holdall.trees.view import View

NAMES = st.sampled_from(["a", "b", "d/a", "d/b", "d/e/a", "e"])
TOPS = st.sampled_from(["a", "d", "d/e", "d/a", "e", "never"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("log"), NAMES, st.integers(0, 3)),
        st.tuples(st.just("remove"), TOPS, st.just(0)),
        st.tuples(st.just("trim"), TOPS | st.just(""), st.integers(1, 3)),
        st.tuples(st.just("state"), st.just(""), st.just(0)),
    ),
    max_size=14,
)


class Model:
    """What a versioned run holds and keeps, as the law says, in two dictionaries."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.earlier: dict[tuple[str, int], bytes] = {}

    def log(self, path: str, data: bytes, n: int) -> None:
        if path in self.held and self.held[path] != data:
            self.earlier[path, n] = self.held[path]
        self.held[path] = data

    def remove(self, top: str, n: int) -> None:
        for path in [path for path in self.held if path == top or path.startswith(f"{top}/")]:
            self.earlier[path, n] = self.held.pop(path)

    def trim(self, top: str, before: int) -> None:
        inside = [(p, n) for p, n in self.earlier if not top or p == top or p.startswith(f"{top}/")]
        self.earlier = {at: data for at, data in self.earlier.items() if at not in inside or at[1] >= before}


def seen(run: Run) -> tuple[dict[str, bytes], dict[tuple[str, int], bytes]]:
    """What the program says that a run holds and keeps."""
    held = {path: run.read(path) for path in run.manifest}
    paths = ["a", "b", "d", "d/a", "d/b", "d/e", "d/e/a", "e"]
    earlier: dict[tuple[str, int], bytes] = {}
    for path in paths:
        try:
            found = run.versions(path)
        except LookupError:
            continue
        earlier |= {
            (path, one.version): run.read(path, version=one.version) for one in found if one.version is not None
        }
    return held, earlier


def reopened(bucket: MemoryBucket, run: Run) -> Run:
    return tiny_store(bucket, create=False, seed=9).runs.get(run.id)


@settings(max_examples=examples(40), deadline=None)
@given(STEPS)
def test_paths_and_versions_are_a_dictionarys(steps: list[tuple[str, str, int]]) -> None:
    """Whatever is logged, removed, trimmed, and folded into states in between, from wherever a reader begins."""
    bucket, model = MemoryBucket(), Model()
    run = tiny_store(bucket).runs.start(paths="versioned")
    for act, path, number in steps:
        n, data = run._writing().view.next, noise((path, number), 40)
        if act == "log":
            run.log_bytes(data, path, on_conflict="replace")
            model.log(path, data, n)
        elif act == "remove":
            run._writing().append(lambda path=path: Draft([remove_op([path])]))  # type: ignore[misc]
            model.remove(path, n)
        elif act == "trim":
            run._writing().append(lambda path=path, b=n - number: Draft([trim_op(path, max(b, 0))]))  # type: ignore[misc]
            model.trim(path, max(n - number, 0))
        else:
            run.finish()
            run = tiny_store(bucket, create=False, seed=len(entries_of(bucket, run.id))).runs.resume(run.id)
    run.flush()
    assert seen(reopened(bucket, run)) == (model.held, model.earlier)
    run.finish()
    assert seen(reopened(bucket, run)) == (model.held, model.earlier)
    assert tiny_store(bucket, create=False, seed=9).maintenance.check().problems == []


@given(st.integers(0, 2**53 - 1), st.text(min_size=1, max_size=20).filter(lambda text: "/" not in text))
def test_the_path_of_a_version_tells_both(until: int, path: str) -> None:
    """And nothing else is one."""
    assert parse_version_path(version_path(until, path), "it") == (until, path)
    for wrong in (path, f"{until:x}/{path}" if until < 16**15 else "x", version_path(until, path).replace("/", "_")):
        with pytest.raises(FormatError, match="not where an earlier version can be"):
            parse_version_path(wrong.upper() + "x" if wrong == path else wrong, "it")


def test_what_one_entry_gives_and_takes_is_no_version(bucket: MemoryBucket) -> None:
    """Only what a path held before the entry is; also where it is given back in the same entry."""
    run = versioned(bucket)
    run.log_text("first", "a")
    commit(run, {"a": b"between"}, remove_op(["a"]))
    assert ("a" in run.manifest, texts(run, "a")) == (False, ["first"])
    run.log_text("second", "a")
    held = run.entry("a")
    append(run, [remove_op(["a"]), *_commits(run, [held])])
    assert texts(run, "a") == ["second", "second", "first"]
    run.finish()
    assert texts(reopened(bucket, run), "a") == ["second", "second", "first"]
    assert checked(bucket) == []


def test_a_trim_ends_what_is_there_when_it_is_applied(bucket: MemoryBucket) -> None:
    """Not what the same entry, or a later one, displaces behind it, however large its number is."""
    run = versioned(bucket)
    for text in ("first", "second"):
        run.log_text(text, "a", on_conflict="replace")
    commit(run, {"a": b"third"}, before=[trim_op("", 1_000)])
    run.log_text("fourth", "a", on_conflict="replace")
    assert texts(run, "a") == ["fourth", "third", "second"]
    run.finish()
    assert texts(reopened(bucket, run), "a") == ["fourth", "third", "second"]
    assert checked(bucket) == []


# --- what is registered stays ---


def test_what_is_registered_is_neither_replaced_nor_removed(bucket: MemoryBucket) -> None:
    """At, below, and for a removal above the path of a version; everything else changes as ever."""
    store = tiny_store(bucket)
    run = store.runs.start(paths="versioned")
    run.log_text("weights", "deep/model/weights")
    run.log_text("beside", "deep/beside")
    version = store.registry.register(f"runs:/{run.id}/deep/model", "fraud")
    rival = tiny_store(bucket, create=False, seed=5).runs.resume(run.id)
    for writer in (run, rival):
        for path in ("deep/model/weights", "deep/model/new"):
            with pytest.raises(RegisteredPathError):
                writer.log_text("other", path, on_conflict="replace")
        for path in ("deep/model/weights", "deep/model", "deep"):
            with pytest.raises(RegisteredPathError):
                writer.delete_artifact(path)
    run.log_text("weights", "deep/model/weights", on_conflict="replace")  # the same again
    run.log_text("changed", "deep/beside", on_conflict="replace")
    run.delete_artifact("deep/beside")
    run.trim(keep_last=1)
    assert store.artifacts.read(f"models:/fraud/{version.version}/weights") == b"weights"
    run.finish()
    assert checked(bucket) == []


def test_a_pin_that_comes_first_refuses_a_replacement_that_was_staged(bucket: MemoryBucket) -> None:
    """Who registers and who replaces meet in the log: of the two, one is first, and the other sees it."""
    store = tiny_store(bucket)
    run = store.runs.start(paths="versioned")
    run.log_text("weights", "m/weights")
    rival = tiny_store(bucket, create=False, seed=5).runs.resume(run.id)
    rival.log_text("x", "elsewhere")
    store.registry.register(f"runs:/{run.id}/m", "fraud")
    with pytest.raises(RegisteredPathError):
        rival.log_text("other", "m/weights", on_conflict="replace")
    assert run.load_text("m/weights") == "weights"


# --- what no writer of ours makes, and what cannot be read ---


HOSTILE: dict[str, tuple[Callable[[Run], list[Json]], str]] = {
    "a file where a directory is": (lambda run: _commits(run, [Entry("d", Kind.LINK, target="x")]), "in its way"),
    "a file below a file": (lambda run: _commits(run, [Entry("a/b", Kind.LINK, target="x")]), "in its way"),
    "a directory where a file is": (lambda run: _commits(run, [Entry("a", Kind.DIRECTORY)]), "in its way"),
    "a path that is too long": (lambda run: _commits(run, [Entry("é" * 510, Kind.DIRECTORY)]), "too long"),
    "a removal of what is registered": (lambda _: [remove_op(["m/weights"])], "a pin keeps it"),
    "a removal above it": (lambda _: [remove_op(["m"])], "a pin keeps it"),
    "other content of it": (lambda run: _commits(run, [Entry("m/weights", Kind.LINK, target="x")]), "a pin keeps"),
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.every(2)
def test_a_check_names_what_breaks_the_law(name: str, bucket: MemoryBucket) -> None:
    """Each change that no writer of ours would make."""
    store = tiny_store(bucket)
    run = store.runs.start(paths="versioned")
    for path in ("a", "d/x", "m/weights"):
        run.log_text(path, path)
    store.registry.register(f"runs:/{run.id}/m", "fraud")
    make, said = HOSTILE[name]
    append(run, make(run))
    assert [said in problem for problem in checked(bucket)][:1] == [True]


@pytest.mark.parametrize("change", [{"versions": None}, {"versions": ...}, {"tree": None}])
def test_a_check_names_a_checkpoint_of_other_versions(bucket: MemoryBucket, change: Json) -> None:
    """One that lists no version, or no path, where there is one; one that says that the run is of another kind."""
    run = versioned(bucket)
    for text in ("first", "second"):
        run.log_text(text, "a", on_conflict="replace")
    session = run._writing()

    def state(view: View, blobs: list[InlineBlob]) -> Json:
        body = snapshot.build(view, session.writer(), blobs, final=False)
        assert body
        return {name: value for name, value in (body | change).items() if value is not ...}

    session.append(lambda: Draft([], state=state))
    assert checked(bucket)


def test_what_a_lost_entry_may_have_changed_is_not_given_as_certain(bucket: MemoryBucket, tmp_path: Path) -> None:
    """A path that was committed before it is refused; one that was committed behind it is read; a listing says so."""
    run = versioned(bucket)
    run.log_text("before", "a")
    run.log_text("lost", "b")
    run.log_text("behind", "c")
    bucket.delete(log_key(run_log(run.id), 2))
    again = reopened(bucket, run)
    assert again.load_text("c") == "behind"
    with pytest.raises(IncompleteError):
        again.load_text("a")
    found: list[Entry] = []
    with pytest.raises(IncompleteError):
        found.extend(again.entries())
    assert {entry.path for entry in found} == {"a", "c"}
    with pytest.raises(DamageError):
        again.versions("a")
    with pytest.raises(IncompleteError):
        again.download("a", tmp_path)
    assert again.download("c", tmp_path).read_text() == "behind"


def test_a_versioned_run_without_its_first_entry_goes_on_as_one(bucket: MemoryBucket) -> None:
    """What tells that its paths may change is lost: the newest content is its, and nothing may be replaced."""
    run = versioned(bucket)
    for text in ("first", "second"):
        run.log_text(text, "a", on_conflict="replace")
    run.log_text("x", "b")
    run.delete_artifact("b")
    bucket.delete(log_key(run_log(run.id), 0))
    again = reopened(bucket, run)
    assert again.load_text("a") == "second"
    found: list[Entry] = []
    with pytest.raises(IncompleteError):
        found.extend(again.entries())
    assert [entry.path for entry in found] == ["a"]


@pytest.mark.parametrize("finished", [False, True])
def test_earlier_versions_are_healed(bucket: MemoryBucket, finished: bool) -> None:
    """Damaged content of an earlier version is found by check, and healed where it was logged again."""
    run = versioned(bucket)
    old, new = noise("old"), noise("new")
    run.log_bytes(old, "last.bin")
    packs = packs_in(bucket)
    run.log_bytes(new, "last.bin", on_conflict="replace")
    if finished:
        run.finish()
    for key in packs:
        data = bytearray(bucket.objects[key])
        data[100] ^= 1
        bucket.objects[key] = bytes(data)
    other = tiny_store(bucket, create=False, seed=6)
    assert not other.maintenance.check(record=True).intact
    again = other.runs.start()
    again.log_bytes(old, "again.bin")
    again.finish()
    (plan,) = other.maintenance.repair()
    assert [(file.path, file.version, file.lost) for file in plan.files] == [("last.bin", 2, "")]
    seen = reopened(bucket, run)
    assert (seen.read("last.bin"), seen.read("last.bin", version=2)) == (new, old)
    assert other.maintenance.check().intact
    assert other.maintenance.repair() == []


# --- space ---


def test_a_collection_leaves_what_three_checkpoints_need() -> None:
    """Of a series of which three are kept, gc deletes the rest, once the session that wrote it has ended."""
    world = GarbageWorld()
    run = world.store.runs.start(paths="versioned")
    for epoch in range(12):
        run.log_bytes(noise(epoch), "last.bin", on_conflict="replace", keep_last=3)
    before = sum(len(world.inner.objects[pack.key]) for pack in world.packs())
    run.finish()
    world.clock.now += 2 * DAY
    world.collect()
    after = sum(len(world.inner.objects[pack.key]) for pack in world.packs())
    assert before - after > 8 * BIG
    kept = tiny_store(world.inner, create=False, seed=9).runs.get(run.id)
    assert [kept.read("last.bin", version=one.version) for one in kept.versions("last.bin")] == [
        noise(epoch) for epoch in (11, 10, 9)
    ]


# --- inside ---


@pytest.fixture
def bucket() -> MemoryBucket:
    return MemoryBucket()


def versioned(bucket: MemoryBucket) -> Run:
    return tiny_store(bucket).runs.start(paths="versioned")


def append(run: Run, ops: Sequence[Json]) -> None:
    """Append an entry of any operations, whose blobs `_commits` made."""
    blobs = [blob for op in ops for blob in op.pop("blobs", [])]
    run._writing().append(lambda: Draft(list(ops), blobs))


def commit(run: Run, files: dict[str, bytes], *after: Json, before: Sequence[Json] = ()) -> None:
    """Commit files, whatever the run holds, with other operations in the same entry."""
    inline = InlineBlobs([], PLAIN)
    entries = [_file(inline, path, data) for path, data in files.items()]
    ops = _commits(run, entries, inline)
    append(run, [*before, *ops, *after])


def _file(inline: InlineBlobs, path: str, data: bytes) -> Entry:
    return Entry(path, size=len(data), sha256=sha256(data)).at(inline.place(data, CHUNK), whole=True)


def _commits(run: Run, entries: Sequence[Entry], inline: InlineBlobs | None = None) -> list[Json]:
    inline = inline or InlineBlobs([], PLAIN)
    root = tree_builder.build(entries, lambda data: inline.place(data, NODE))
    files = [entry for entry in entries if entry.kind is Kind.FILE]
    counts = {"files": len(files), "bytes": sum(entry.size for entry in files), "new_bytes": 0, "stored_bytes": 0}
    return [{"op": "commit", "tree": root.to_json(), **counts, "blobs": inline.blobs}]


def checked(bucket: MemoryBucket) -> list[str]:
    """What a check says is wrong."""
    return [str(problem) for problem in tiny_store(bucket, create=False, seed=9).maintenance.check().problems]
