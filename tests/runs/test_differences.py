"""Two listings are compared by digest, and by chunk where those differ."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from tests.support.stores import entropy, tiny_store

from holdall.errors import ArtifactNotFoundError, RunNotFoundError
from holdall.runs.differences import Change, diff
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Store

LARGE = entropy(1)(200_000)


@pytest.fixture
def store() -> Store:
    """A store with small chunks."""
    return tiny_store(MemoryBucket())


@pytest.fixture
def runs(store: Store) -> tuple[Run, Run]:
    """Two runs of it."""
    return store.runs.start(), store.runs.start()


def test_paths_are_sorted_into_four(runs: tuple[Run, Run]) -> None:
    """What is only in b was added, what is only in a was removed; the rest changed or is the same."""
    a, b = runs
    for run, paths in ((a, {"gone": b"1", "deep/changed": b"2", "deep/same": b"3"}), (b, {"deep/changed": b"22"})):
        for path, data in paths.items():
            run.log_bytes(data, path)
    b.log_bytes(b"3", "deep/same")
    b.log_bytes(b"4444", "deep/new")
    found = diff(a, None, b, "")
    assert [(info.path, info.file_size) for info in found.added] == [("deep/new", 4)]
    assert [(info.path, info.file_size) for info in found.removed] == [("gone", 1)]
    assert [(info.path, info.file_size) for info in found.same] == [("deep/same", 1)]
    assert found.changed == (Change("deep/changed", 1, 2, 0),)
    assert found
    assert not diff(a, "deep", a, "deep")


def test_directories_of_one_run_can_be_compared(runs: tuple[Run, Run]) -> None:
    """Paths are counted from the directories that were named, wherever these are."""
    run, _ = runs
    run.log_bytes(b"1", "epoch-1/model.bin")
    run.log_bytes(b"2", "late/epoch-2/model.bin")
    run.log_bytes(b"", "late/epoch-20/model.bin")
    found = diff(run, "epoch-1", run, "late/epoch-2")
    assert found.changed == (Change("model.bin", 1, 1, 0),)
    assert found.added == found.removed == found.same == ()


def test_two_files_are_one_pair(runs: tuple[Run, Run]) -> None:
    """Files are compared with one another whatever they are called; a file and a directory have nothing in common."""
    run, _ = runs
    run.log_bytes(b"1", "a.txt")
    run.log_bytes(b"22", "deep/b.txt")
    assert diff(run, "a.txt", run, "deep/b.txt").changed == (Change("", 1, 2, 0),)
    found = diff(run, "a.txt", run, "deep")
    assert [info.path for info in found.added + found.removed] == ["b.txt", ""]


def test_shared_bytes_are_those_of_common_chunks(runs: tuple[Run, Run]) -> None:
    """A byte in the middle costs a few chunks: all the others are in both, wherever they are stored."""
    a, b = runs
    a.log_bytes(LARGE, "model.bin")
    b.log_bytes(LARGE[:100_000] + b"!" + LARGE[100_000:], "model.bin")
    (change,) = diff(a, None, b, None).changed
    assert (change.size_a, change.size_b) == (200_000, 200_001)
    assert 190_000 < change.shared_bytes < 200_000
    (back,) = diff(b, None, a, None).changed
    assert back.shared_bytes == change.shared_bytes


def test_shared_bytes_need_no_common_store(runs: tuple[Run, Run]) -> None:
    """Chunks are named by their content, so two stores that cut alike compare as one does."""
    other = tiny_store(MemoryBucket(), seed=9).runs.start()
    runs[0].log_bytes(LARGE, "model.bin")
    other.log_bytes(LARGE + b"more", "model.bin")
    (change,) = diff(runs[0], None, other, None).changed
    assert 190_000 < change.shared_bytes <= 200_000


def test_a_chunk_counts_as_often_as_both_have_it(runs: tuple[Run, Run]) -> None:
    """A file of one repeated chunk shares no more with a longer one than it has."""
    a, b = runs
    a.log_bytes(bytes(4096 * 20), "zeros")
    b.log_bytes(bytes(4096 * 30), "zeros")
    assert diff(a, None, b, None).changed == (Change("zeros", 4096 * 20, 4096 * 30, 4096 * 20),)


def test_a_file_that_became_executable_changed(runs: tuple[Run, Run], tmp_path: Path) -> None:
    """What only its mode tells apart shares all of its bytes."""
    a, b = runs
    script = tmp_path / "run.sh"
    script.write_bytes(b"#!/bin/sh")
    a.log_artifact(script)
    script.chmod(0o755)
    b.log_artifact(script)
    assert diff(a, None, b, None).changed == (Change("run.sh", 9, 9, 9),)


def test_links_and_directories_are_compared_too(runs: tuple[Run, Run], tmp_path: Path) -> None:
    """A link that leads elsewhere changed; an empty directory that is new was added."""
    for run, target in zip(runs, ("one", "two"), strict=True):
        folder = tmp_path / target
        folder.mkdir()
        (folder / "latest").symlink_to(target)
        run.log_artifacts(folder)
    (tmp_path / "more" / "empty").mkdir(parents=True)
    runs[1].log_artifacts(tmp_path / "more")
    found = diff(runs[0], None, runs[1], None)
    assert found.changed == (Change("latest", 0, 0, 0),)
    assert [(info.path, info.is_dir, info.file_size) for info in found.added] == [("empty", True, None)]
    assert found.text("latest").splitlines()[3:] == [
        "-one",
        "\\ No newline at end of file",
        "+two",
        "\\ No newline at end of file",
    ]


def test_comparing_reads_no_content() -> None:
    """Only listings and recipes are fetched, however large the files are."""
    counter = RequestCounter()
    runs = tiny_store(TraceBucket(MemoryBucket(), counter)).runs
    a, b = runs.start(), runs.start()
    a.log_bytes(LARGE, "model.bin")
    b.log_bytes(LARGE + b"!", "model.bin")
    before = counter.total
    diff(a, None, b, None)
    assert counter.total - before <= 10


def test_what_is_not_there_is_named(store: Store, runs: tuple[Run, Run]) -> None:
    """A path or run that does not exist is an error, not an empty side; a run without files is one."""
    a, b = runs
    a.log_bytes(b"1", "x")
    with pytest.raises(ArtifactNotFoundError, match="absent"):
        diff(a, "x", b, "absent")
    with pytest.raises(RunNotFoundError):
        diff(a, None, store.runs.get(a.id[:-2] + "00"), None)
    with pytest.raises(ArtifactNotFoundError, match="'deep/absent'"):
        diff(a, None, b, "").text("deep/absent")
    assert [info.path for info in diff(b, None, a, None).added] == ["x"]


# --- for people ---


def test_a_difference_is_printed_line_by_line(runs: tuple[Run, Run]) -> None:
    """One line for each path that differs, with sizes in binary units, and the sums at the end."""
    a, b = runs
    a.log_bytes(b"", "gone\n.txt")
    a.log_bytes(LARGE, "model.bin")
    b.log_bytes(LARGE + b"!", "model.bin")
    b.log_bytes(bytes(1500), "new.txt")
    assert str(diff(a, None, b, None)).splitlines() == [
        f"--- runs:/{a.id}/",
        f"+++ runs:/{b.id}/",
        "- 'gone\\n.txt'  0 B",
        "+ new.txt  1.5 KiB",
        "~ model.bin  195.3 KiB -> 195.3 KiB, 99% shared",
        "1 added, 1 removed, 1 changed, 0 the same",
    ]


def test_text_differs_by_line(runs: tuple[Run, Run]) -> None:
    """Lines are shown as `diff -u` shows them, with the addresses of both files."""
    a, b = runs
    a.log_bytes(b"eins\nzwei\ndrei\n", "deep/notes.txt")
    b.log_bytes("eins\nzwo \u2028 ☃\ndrei".encode(), "deep/notes.txt")
    found = diff(a, "deep", b, "deep").text("notes.txt")
    assert found.split("\n") == [
        f"--- runs:/{a.id}/deep/notes.txt",
        f"+++ runs:/{b.id}/deep/notes.txt",
        "@@ -1,3 +1,3 @@",
        " eins",
        "-zwei",
        "-drei",
        "+zwo \u2028 ☃",
        "+drei",
        "\\ No newline at end of file",
        "",
    ]
    assert diff(a, None, a, None).text("deep/notes.txt") == ""


def test_a_side_that_lacks_the_file_is_empty(runs: tuple[Run, Run]) -> None:
    """All lines of a file that was added are new; two files need no path."""
    a, b = runs
    b.log_bytes(b"1\n2\n", "new.txt")
    assert diff(a, None, b, None).text("new.txt").splitlines()[2:] == ["@@ -0,0 +1,2 @@", "+1", "+2"]
    b.log_bytes(b"1\n", "old.txt")
    assert diff(b, "old.txt", b, "new.txt").text().splitlines()[-1] == "+2"


def test_binary_and_large_files_are_only_named(runs: tuple[Run, Run]) -> None:
    """Bytes that are no text, and files over the limit, are said to differ, not shown."""
    a, b = runs
    for path, before, after in (("nul", b"a\0", b"b\0"), ("latin", b"\xe9", b"\xe8"), ("long", b"x\n", b"y" * 2000)):
        a.log_bytes(before, path)
        b.log_bytes(after, path)
    found = diff(a, None, b, None)
    assert found.text("nul") == f"binary files runs:/{a.id}/nul and runs:/{b.id}/nul differ\n"
    assert found.text("latin").startswith("binary files")
    assert found.text("long", most=1999).endswith("have 2 B and 2.0 KiB, which is too much to compare by line\n")
    assert "+yyy" in found.text("long", most=2000)


def test_a_difference_can_be_sent(tmp_path: Path) -> None:
    """It is a value: it survives pickling, and still finds its texts."""
    store = Store.open(str(tmp_path / "store"))
    a, b = store.runs.start(), store.runs.start()
    a.log_bytes(b"1\n", "x")
    b.log_bytes(b"2\n", "x")
    found = diff(a, None, b, None)
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert again.text("x") == found.text("x")
