"""What is logged comes back exactly; what cannot, is refused by name."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from tests.support.stores import entropy, tiny_store

from holdall.errors import (
    ArtifactExistsError,
    ArtifactNotFoundError,
    IntegrityError,
    InvalidPathError,
    PathConflictError,
    SourceChangedError,
    SourceUnreadableError,
    UnsupportedFileError,
)
from holdall.format.pack import parse_pack
from holdall.format.reference import CHUNK
from holdall.format.tree import Entry, Kind
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.trees.checkout import checkout
from holdall.trees.source import Unchanging, bytes_item, local_items
from holdall.trees.transaction import Transaction


@pytest.fixture
def run() -> Run:
    """A run of a store with small chunks."""
    return tiny_store(MemoryBucket()).runs.start()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one of everything that can be kept."""
    folder = tmp_path / "folder"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "deep/er/large.bin").write_bytes(entropy(1)(150_000))
    (folder / "deep/small.txt").write_text("small")
    (folder / "empty").mkdir()
    (folder / "nothing.txt").touch()
    (folder / "odd \n name\t*.é").write_text("odd")
    (folder / "script.sh").write_text("#!/bin/sh\n")
    (folder / "script.sh").chmod(0o755)
    (folder / "deep/link").symlink_to("../nothing.txt")
    return folder


def snapshot(folder: Path) -> dict[str, object]:
    """What a folder holds: bytes and executable bit, link target, or emptiness."""
    found: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        elif path.is_dir():
            found[name] = "directory"
        else:
            found[name] = (path.read_bytes(), bool(path.stat().st_mode & stat.S_IXUSR))
    return found


def test_a_folder_comes_back_as_it_was(run: Run, folder: Path, tmp_path: Path) -> None:
    """Contents, executable bits, links and empty folders survive; below a directory of the run and at its root."""
    run.log_artifacts(folder)
    run.log_artifact(folder, "again")
    run.download(None, tmp_path / "all")
    assert snapshot(tmp_path / "all/again/folder") == snapshot(folder)
    run.download("again/folder", tmp_path / "part")
    assert snapshot(tmp_path / "part/again/folder") == snapshot(folder)


def test_the_same_content_again_writes_nothing(run: Run, folder: Path) -> None:
    """Logging a folder a second time at the same place makes no entry and no object."""
    bucket = run._location.bucket
    run.log_artifacts(folder)
    before = dict(bucket.objects)  # type: ignore[attr-defined]
    run.log_artifacts(folder)
    assert bucket.objects == before  # type: ignore[attr-defined]


def test_other_content_at_a_path_is_refused_and_names_both(run: Run) -> None:
    """What a run holds never changes: the error names the stored and the offered SHA-256."""
    first = run.log_bytes(b"first", "a.txt")
    with pytest.raises(ArtifactExistsError) as caught:
        run.log_bytes(b"second", "a.txt")
    assert caught.value.stored == f"sha256:{first.sha256.hex()}"
    assert caught.value.offered.startswith("sha256:16367aacb67a4a017c8da8ab95682ccb")
    assert run.read("a.txt") == b"first"


def test_a_path_that_became_executable_is_other_content(run: Run, tmp_path: Path) -> None:
    """The executable bit is part of what a path holds."""
    tool = tmp_path / "tool"
    tool.write_text("#!/bin/sh\n")
    run.log_artifact(tool)
    tool.chmod(0o755)
    with pytest.raises(ArtifactExistsError, match="executable"):
        run.log_artifact(tool)


@pytest.mark.parametrize(("there", "offered"), [("a", "a/b"), ("a/b", "a"), ("a/b/c", "a"), ("a", "a/b/c")])
def test_a_path_is_not_a_file_and_a_directory(run: Run, there: str, offered: str) -> None:
    """A file where a directory stands, and the reverse, is an error that names what stands in the way."""
    run.log_bytes(b"x", there)
    with pytest.raises(PathConflictError) as caught:
        run.log_bytes(b"y", offered)
    assert caught.value.standing == there
    assert run.manifest.keys() == {there}


def test_a_refused_folder_leaves_nothing(run: Run, folder: Path) -> None:
    """One conflicting path among many keeps all of them out."""
    run.log_bytes(b"other", "deep/small.txt")
    with pytest.raises(ArtifactExistsError):
        run.log_artifacts(folder)
    assert run.manifest.keys() == {"deep/small.txt"}


@pytest.mark.parametrize(
    "path", ["../a", "/a", "a//b", "a/./b", "", ".", "a\\b", "a\0b", "x" * 1025, "a/../b", "\ud800"]
)
def test_bad_paths_are_refused_on_the_way_in(run: Run, path: str) -> None:
    """Absolute paths, `..`, backslashes, NULs and whatever is not UTF-8 cannot be logged to."""
    with pytest.raises(InvalidPathError) as caught:
        run.log_bytes(b"x", path)
    assert caught.value.path == path
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("path", ["../out", "/out", "a\\b"])
def test_bad_paths_are_refused_on_the_way_out(run: Run, path: str, tmp_path: Path) -> None:
    """A tree that some other program wrote cannot make checkout leave its folder."""
    with pytest.raises(InvalidPathError):
        checkout(run._view().paths.blobs, [Entry(path, Kind.DIRECTORY)], tmp_path / "in")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../outside", "deep/../../x"])
def test_links_that_leave_the_folder_are_refused(run: Run, folder: Path, target: str) -> None:
    """A link is kept only if it is relative and stays inside what is logged."""
    (folder / "bad").symlink_to(target)
    with pytest.raises(UnsupportedFileError, match="bad"):
        run.log_artifacts(folder)
    assert run.manifest == {}


def test_a_link_that_is_named_is_followed(run: Run, tmp_path: Path) -> None:
    """Logging a link itself means the file that it leads to, as `latest.pt` does."""
    (tmp_path / "step-9.pt").write_bytes(b"weights")
    (tmp_path / "latest.pt").symlink_to("step-9.pt")
    run.log_artifact(tmp_path / "latest.pt")
    assert run.read("latest.pt") == b"weights"


@pytest.mark.parametrize("kind", ["pipe", "socket"])
def test_what_has_no_content_is_refused(run: Run, folder: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pipes and sockets are errors that name them, and never hang."""
    place = folder / "special"
    if kind == "pipe":
        os.mkfifo(place)
    else:
        monkeypatch.chdir(folder)  # a socket's whole path may be 107 bytes long
        with socket.socket(socket.AF_UNIX) as made:
            made.bind("special")
    with pytest.raises(UnsupportedFileError, match=kind):
        run.log_artifacts(folder)


def test_a_name_that_is_not_utf8_is_refused(run: Run, folder: Path) -> None:
    """A file whose name cannot be written down exactly is an error that names it."""
    (folder / os.fsdecode(b"bad-\xff")).touch()
    with pytest.raises(UnsupportedFileError, match="UTF-8"):
        run.log_artifacts(folder)


def test_a_missing_file_is_named_with_its_reason(run: Run, tmp_path: Path) -> None:
    """The error says which file, why, and chains the operating system's own."""
    with pytest.raises(SourceUnreadableError, match=r"nowhere.txt: cannot be read: No such file") as caught:
        run.log_artifact(tmp_path / "nowhere.txt")
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    """Growing, shrinking and rewriting between open and close are all noticed."""
    for change in (lambda f: f.write_bytes(b"longer than before"), lambda f: f.write_bytes(b""), Path.touch):
        place = tmp_path / "busy"
        place.write_bytes(b"as it was")
        os.utime(place, ns=(0, 0))
        with pytest.raises(SourceChangedError), Unchanging(place) as stream:
            while stream.readinto(memoryview(bytearray(100))):
                pass
            change(place)


def test_items_are_listed_in_order(folder: Path) -> None:
    """The same folder gives the same list, whatever order the disk keeps."""
    assert [item.path for item in local_items(folder, "")] == [
        "deep/er/large.bin",
        "deep/link",
        "deep/small.txt",
        "empty",
        "nothing.txt",
        "odd \n name\t*.é",
        "script.sh",
    ]


def test_a_download_has_no_half_files(run: Run, tmp_path: Path) -> None:
    """When content is damaged, what stood at the path stays, and no partial file is left."""
    run.log_bytes(entropy(3)(100_000), "data.bin")
    bucket = run._location.bucket
    (tmp_path / "data.bin").write_bytes(b"old")
    for key in [key for key in bucket.objects if key.startswith("packs/")]:  # type: ignore[attr-defined]
        data = bytearray(bucket.objects[key])  # type: ignore[attr-defined]
        data[20] ^= 1
        bucket.objects[key] = bytes(data)  # type: ignore[attr-defined]
    with pytest.raises(IntegrityError, match=r"data\.bin"):
        run.download(None, tmp_path)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"data.bin": b"old"}


@pytest.mark.parametrize("size", [70_000, 900])
def test_damage_names_the_artifact_however_it_is_read(run: Run, tmp_path: Path, size: int) -> None:
    """Reading, seeking and fetching tell which file the damaged bytes belong to."""
    run._log_items([bytes_item("other.bin", entropy(8)(66_000)), bytes_item("deep/data.bin", entropy(9)(size))])
    bucket = run._location.bucket
    for key, whole in bucket.objects.items():  # type: ignore[attr-defined]
        if key.startswith("packs/"):
            chunks = [row for row in parse_pack(whole, key).rows if row.kind == CHUNK]
            zeros = sum(row.stored for row in chunks)
            bucket.objects[key] = whole[:8] + bytes(zeros) + whole[8 + zeros :]  # type: ignore[attr-defined]
    for verb in (partial(run.read, "deep/data.bin"), partial(run.download, "deep", tmp_path)):
        with pytest.raises(IntegrityError) as caught:
            verb()
        assert caught.value.path == "deep/data.bin"


def test_what_is_not_there_is_not_found(run: Run, tmp_path: Path) -> None:
    """Reading or fetching an absent path says which path of which run."""
    run.log_bytes(b"x", "a/b")
    for verb in (
        lambda: run.read("a/c"),
        lambda: run.read("a"),
        lambda: run.download("c", tmp_path),
        lambda: run.entry("a"),
    ):
        with pytest.raises(ArtifactNotFoundError, match=run.id):
            verb()


def test_random_access_reads_what_is_asked_and_little_more(run: Run) -> None:
    """Seeking and reading gives the file's bytes, and fetches a part of it only."""
    data = entropy(4)(500_000)
    run.log_bytes(data, "big.bin")
    count = RequestCounter()
    run._location.bucket = TraceBucket(run._location.bucket, count)
    with run.open("big.bin") as file:
        assert file.seek(-100, os.SEEK_END) == len(data) - 100
        assert file.read() == data[-100:]
        assert file.seek(200_000) == 200_000
        assert file.read(5000) == data[200_000:205_000]
    assert count.bytes["get_range"] < 150_000
    with run.open("big.bin") as file:
        assert file.read() == data
    with run.open("big.bin") as file:
        assert b"".join(iter(lambda: file.read(7777), b"")) == data


@pytest.mark.parametrize(
    ("include", "exclude", "expected"),
    [
        ("*.txt", None, {"a.txt", "deep/b.txt", "deep/er/c.txt"}),
        (["deep/*"], "*/er/*", {"deep/b.txt", "deep/d.bin"}),
        (None, ["*.txt"], {"deep/d.bin"}),
        ("deep/er/c.txt", None, {"deep/er/c.txt"}),
    ],
)
def test_globs_choose_what_is_fetched(
    run: Run, tmp_path: Path, include: str | list[str] | None, exclude: str | list[str] | None, expected: set[str]
) -> None:
    """Patterns fit whole paths, or names alone where they hold no slash; what is left out is not there."""
    for path in ("a.txt", "deep/b.txt", "deep/er/c.txt", "deep/d.bin"):
        run.log_bytes(b"x", path)
    run.download(None, tmp_path, include=include, exclude=exclude)
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()} == expected


def test_what_was_staged_before_a_failure_is_published_under_its_own_digest(tmp_path: Path) -> None:
    """Where a file of several cannot be read, those before it keep size and SHA-256, should they be published."""
    good, data = tmp_path / "good.bin", bytes(range(256)) * 2_000
    good.write_bytes(data)
    run = tiny_store(MemoryBucket()).runs.start()
    transaction = Transaction(run._writing())
    items = [*local_items(good, "good.bin"), *local_items(good, "gone.bin")]
    gone = replace(items[1], open=lambda: Unchanging(tmp_path / "gone"), size=len(data))
    with pytest.raises(SourceUnreadableError):
        transaction.stage([items[0], gone])
    transaction.publish()
    assert run.read("good.bin") == data


def test_a_file_whose_chunks_are_not_all_there_is_not_committed(tmp_path: Path) -> None:
    """Whatever lost one on the way, the entry would promise what nobody can read."""
    file = tmp_path / "file.bin"
    file.write_bytes(entropy(1)(200_000))
    run = tiny_store(MemoryBucket()).runs.start()
    transaction = Transaction(run._writing())
    transaction.stage(local_items(file, "file.bin"))
    written = transaction._staged["file.bin"].written
    assert written is not None
    transaction._chunks.resolve_pending()
    written.chunks.pop()
    with pytest.raises(IntegrityError, match="its chunks are not all of it"):
        transaction.publish()
    assert not list(run.manifest)
