"""Copies that no pack's footer tells of heal old runs too: in log entries, and files put together otherwise."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path

import pytest
from tests.support.logs import entries_of
from tests.support.stores import entropy, tiny_location
from tests.trees.test_damage import DATA, World

from holdall.format.layout import RUNS, PackName, log_key, run_log
from holdall.format.reference import InEntry
from holdall.format.tree import Entry
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import Store
from holdall.trees.blobs import RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.view import View

BIG, CUT, SMALL = entropy(31)(90_000), entropy(32)(20_000), b"small enough for a log entry"
FILES = {"big.bin": BIG, "cut.bin": CUT, "small.txt": SMALL}


class Old:
    """A run that holds FILES in packs, and the nodes of its last state in others, so that the former can be lost."""

    def __init__(self, folder: Path) -> None:
        self.world, self.folder = World(), folder
        for name, data in FILES.items():
            (folder / name).write_bytes(data)
        self.id = self.log_folder(33)

    def log_folder(self, seed: int) -> str:
        """Log FILES with one that is new, so in packs, and another after them: the run's last state lists them anew."""
        (self.folder / "more.bin").write_bytes(entropy(seed)(10_000))
        run = self.world.store().runs.start()
        run.log_artifacts(self.folder)
        run.log_bytes(entropy(-seed)(70_000), "another.bin")
        run.finish()
        return run.id

    def held(self, path: str, run_id: str = "") -> Entry:
        """What a run says of a path."""
        location = self.world.location()
        journal = Journal(location.bucket, location.pool, run_log(run_id or self.id))
        view = View.load(RunBlobReader(location.bucket, location.pool, journal))
        assert view
        return view.paths.find([path])[path]

    def lose(self, path: str, how: str, run_id: str = "") -> None:
        """Lose the one blob of a file, or its recipe: that alone, or all of its pack."""
        ref = self.held(path, run_id).content
        assert ref
        assert isinstance(ref.location, PackName)
        objects, key = self.world.bucket.objects, ref.location.key
        if how == "flip":
            self.world.flip(key, ref.offset + ref.stored // 2)
            self.world.store().maintenance.check(record=True)
        elif how == "cut":
            objects[key] = objects[key][: ref.offset + ref.stored // 2]
            self.world.store().maintenance.check(record=True)
        else:
            del objects[key]

    def log(self, name: str, data: bytes) -> str:
        """Log a file alone in a new run."""
        run = self.world.store().runs.start()
        run.log_bytes(data, name) if len(data) < 50_000 else run.log_stream(io.BytesIO(data), name)
        run.finish()
        return run.id

    def repair(self, run_id: str = "") -> bool:
        """Repair a run; whether FILES are whole in it now, also for who reads it without the packs that are lost."""
        run_id = run_id or self.id
        planned = self.world.store().maintenance.repair([run_id], dry_run=True)
        before = self.world.store().runs.get(run_id).manifest
        found = self.world.store().maintenance.repair([run_id])
        assert found == planned
        if FILES.keys() & {file.path for plan in found for file in plan.files if file.lost}:
            return False
        for name in self.world.recorded:
            self.world.bucket.objects.pop(PackName.parse(name, "pack").key, None)
        assert {path: self.world.read(run_id, path) for path in FILES} == FILES
        assert self.world.store().runs.get(run_id).manifest == before
        return True


@pytest.fixture
def old(tmp_path: Path) -> Old:
    return Old(tmp_path)


HOW = pytest.mark.parametrize("how", ["flip", "cut", "gone"])


def log_all(old: Old) -> None:
    for file in sorted(old.folder.iterdir()):
        old.log(file.name, file.read_bytes())


@HOW
@pytest.mark.parametrize("path", list(FILES))
@pytest.mark.every(3)
def test_what_was_logged_again_alone_is_whole_again(old: Old, path: str, how: str) -> None:
    """Small files and recipes then lie in log entries, and a file that was cut is one blob, or has another recipe."""
    old.lose(path, how)
    assert not old.repair()
    log_all(old)
    assert old.repair()


@HOW
def test_what_was_logged_again_together_is_whole_again(old: Old, how: str) -> None:
    """The same folder again, with its first recipe lost."""
    old.lose("big.bin", how)
    run = old.world.store().runs.start()
    run.log_artifacts(old.folder)
    run.finish()
    assert old.repair()


@HOW
def test_what_was_one_blob_is_whole_where_it_was_cut(old: Old, how: str) -> None:
    """Small files that moved from the log into a pack are whole blobs there; logged with a large one they are cut."""
    data = [entropy(40 + n)(60_000) for n in range(3)]
    run = old.world.store().runs.start()
    for n, content in enumerate(data):
        run.log_bytes(content, f"{n}.bin")
    run.finish()
    assert old.held("1.bin", run.id).whole
    (old.folder / "again.bin").write_bytes(data[1])
    again = old.world.store().runs.start()
    again.log_artifacts(old.folder)
    assert not old.held("again.bin", again.id).whole
    old.lose("1.bin", how, run.id)
    if how != "gone":  # the pack's other files are whole in it
        assert [plan.whole for plan in old.world.store().maintenance.repair([run.id])] == [True]
    else:
        (plan,) = old.world.store().maintenance.repair([run.id])
        assert "1.bin" not in [file.path for file in plan.files if file.lost]
    assert old.world.read(run.id, "1.bin") == data[1]


@HOW
def test_of_several_twins_one_that_is_whole_is_taken(old: Old, how: str) -> None:
    """A twin whose own recipe was lost since is passed over, and healed by the third."""
    old.lose("big.bin", how)
    second = old.log_folder(34)
    old.lose("big.bin", how, second)
    assert not old.repair()
    log_all(old)
    assert old.repair()
    assert old.repair(second)


def test_a_damaged_entry_is_passed_over(old: Old) -> None:
    """Of two log entries that carry a small file the one that is whole gives it."""
    old.lose("small.txt", "gone")
    runs = [old.log("small.txt", SMALL), old.log("small.txt", SMALL)]
    for id in runs[:1]:
        place = old.held("small.txt", id)
        assert place.content
        assert isinstance(place.content.location, InEntry)
        old.world.flip(log_key(run_log(id), place.content.location.n or 0), 100)
    assert "small.txt" not in lost(old)


def lost(old: Old) -> list[str]:
    """The paths of the old run that stay lost."""
    return [file.path for plan in old.world.store().maintenance.repair([old.id]) for file in plan.files if file.lost]


def test_other_bytes_are_no_twin(old: Old) -> None:
    """A file of the same size under the same path is another file, and a purged or missing one heals nothing."""
    old.lose("cut.bin", "gone")
    old.log("cut.bin", entropy(77)(len(CUT)))
    assert "cut.bin" in lost(old)


def test_the_logs_are_walked_once_and_only_at_last(old: Old) -> None:
    """However many blobs are nowhere, each entry of the other runs is read a bounded number of times; else never."""
    others = [old.log(f"{n}.txt", b"%d" % n) for n in range(5)]

    def asked(run_ids: list[str]) -> int:
        seen: Counter[str] = Counter()

        def count(request: Request) -> None:
            seen[request.key] += request.verb == "get"

        store = Store(tiny_location(TraceBucket(old.world.bucket, count), seed=99, create=False))
        store.maintenance.repair(run_ids, dry_run=True)
        return max(seen[key] for key in old.world.bucket.objects if key.startswith(tuple(RUNS + id for id in others)))

    assert asked([old.id]) == 0
    old.lose("big.bin", "gone")
    assert len(lost(old)) > 1
    assert 1 <= asked([old.id]) <= 3


@HOW
def test_a_run_whose_listing_is_lost_is_told_what_can_be_done(old: Old, how: str) -> None:
    """Its paths stand nowhere else: the object put back brings them, and nothing is written to it meanwhile."""
    run = old.world.first
    state = entries_of(old.world.bucket, run.id)[-1].state
    assert state
    root = PackName.parse(state["tree"]["pack"], "tree").key
    whole = old.world.bucket.objects[root]
    old.world.bucket.objects[root] = whole[:100]
    if how == "flip":
        old.world.bucket.objects[root] = whole
        old.world.flip(root, state["tree"]["offset"] + 20)
    elif how == "gone":
        del old.world.bucket.objects[root]
    before = len(entries_of(old.world.bucket, run.id))
    (plan,) = old.world.store().maintenance.repair([run.id])
    assert "put back from a copy" in plan.lost
    assert len(entries_of(old.world.bucket, run.id)) == before
    old.world.bucket.objects[root] = whole
    assert old.world.read(run.id) == DATA
