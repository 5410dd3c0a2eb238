"""A folder keeps the laws of a bucket, and some of its own."""

from __future__ import annotations

import ctypes
import errno
import os
import pickle
import platform
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.conformance.bucket import BucketSuite

from holdall.errors import (
    AccessDeniedError,
    ObjectExistsError,
    StorageError,
    StorageFullError,
    TransientStorageError,
    UnsafeBucketError,
)
from holdall.storage import local, renaming
from holdall.storage.local import LocalBucket


class TestLocal(BucketSuite):
    """Files."""

    backend = "local"

    @pytest.fixture
    def fresh_bucket_url(self, tmp_path: Path) -> str:
        return str(tmp_path / "new" / "bucket")


@pytest.mark.parametrize("key", ["", "/a", "a/", "a//b", "..", "a/../b", "./a", "a/.", ".tmp/x", "a\0b"])
def test_a_key_that_leaves_the_folder_is_refused(tmp_path: Path, key: str) -> None:
    """No key names anything outside of the root, the root itself, or what is not yet an object."""
    bucket = LocalBucket(tmp_path)
    with pytest.raises(ValueError, match="not a key"):
        bucket.get(key)
    with pytest.raises(ValueError, match="not a key"):
        bucket.put(key, b"")
    with pytest.raises(ValueError, match="not a key"):
        bucket.delete(key)


def test_empty_folders_and_links_are_no_objects(tmp_path: Path) -> None:
    """Only regular files count; what others left in the folder does not disturb."""
    bucket = LocalBucket(tmp_path)
    bucket.put("a/k", b"")
    (tmp_path / "empty" / "deep").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "a" / "k")
    (tmp_path / os.fsdecode(b"\xff")).write_bytes(b"")
    assert [info.key for info in bucket.list()] == ["a/k"]


def test_nothing_is_listed_before_it_is_whole(tmp_path: Path) -> None:
    """Temporary files are invisible, and none stays behind."""
    bucket = LocalBucket(tmp_path)
    bucket.put("k", b"v")
    with pytest.raises(ObjectExistsError):
        bucket.put("k", b"w")
    assert list((tmp_path / ".tmp").iterdir()) == []
    (tmp_path / ".tmp" / "0").write_bytes(b"half")
    assert [info.key for info in bucket.list()] == ["k"]


def test_what_a_dead_writer_left_is_swept_after_a_day(tmp_path: Path) -> None:
    """A new handle removes old temporary files, and leaves those that may be in use."""
    folder = tmp_path / ".tmp"
    folder.mkdir()
    (folder / "old").write_bytes(b"")
    (folder / "young").write_bytes(b"")
    os.utime(folder / "old", (1e9, 1e9))
    LocalBucket(tmp_path).put("k", b"")
    assert [path.name for path in folder.iterdir()] == ["young"]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (errno.ENOSPC, StorageFullError),
        (errno.EDQUOT, StorageFullError),
        (errno.EACCES, AccessDeniedError),
        (errno.EROFS, AccessDeniedError),
        (errno.EIO, StorageError),
    ],
)
def test_a_full_or_forbidden_disk_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[StorageError]
) -> None:
    """The error names the cause, and no half file is left."""

    def fail(_: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", fail)
    bucket = LocalBucket(tmp_path)
    with pytest.raises(StorageError) as caught:
        bucket.put("k", b"v")
    assert type(caught.value) is kind
    assert os.strerror(code) in str(caught.value)
    assert isinstance(caught.value.__cause__, OSError)
    assert list(bucket.list()) == []
    assert list((tmp_path / ".tmp").iterdir()) == []


@pytest.mark.parametrize("failing", ["a/b", "a", "."])
def test_a_folder_that_could_not_be_made_durable_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """A folder whose fsync failed once is not taken for durable at the next put, nor one below it."""
    asked: list[Path] = []
    broken = {tmp_path / failing}

    def fsync(folder: Path) -> None:
        asked.append(folder)
        if folder in broken:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(local, "_fsync_folder", fsync)
    bucket = LocalBucket(tmp_path)
    with pytest.raises(StorageError):
        bucket.put("a/b/k", b"v")
    broken.clear()
    asked.clear()
    bucket.put("a/b/l", b"v")
    assert asked[:3] == [tmp_path / "a/b", tmp_path / "a", tmp_path]
    asked.clear()
    bucket.put("a/b/m", b"v")
    assert asked == [tmp_path / "a/b"]


def refused(code: int) -> Callable[..., None]:
    """What a call does that a file system does not know."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    return fail


class TestWithoutLinks(BucketSuite):
    """A file system that has no hard links keeps the same laws by renaming."""

    backend = "local"

    @pytest.fixture
    def fresh_bucket_url(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
        monkeypatch.setattr(os, "link", refused(errno.EPERM))
        return str(tmp_path / "new" / "bucket")


NO_LINKS = [errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK, errno.EINVAL]


@pytest.mark.parametrize("code", NO_LINKS)
def test_a_file_system_without_links_is_written_to_by_renaming(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    """Nothing is replaced, nothing temporary stays, and links are not tried again."""
    tries: list[int] = []

    def failing(*_: object) -> None:
        tries.append(1)
        refused(code)()

    monkeypatch.setattr(os, "link", failing)
    bucket = LocalBucket(tmp_path)
    bucket.put("a/k", b"v")
    with pytest.raises(ObjectExistsError):
        bucket.put("a/k", b"w")
    with pytest.raises(StorageError, match="a folder of other objects"):
        bucket.put("a", b"w")
    assert bucket.get("a/k") == b"v"
    assert list((tmp_path / ".tmp").iterdir()) == []
    assert len(tries) == 1


@pytest.mark.parametrize("code", [*NO_LINKS, errno.EXDEV])
def test_a_file_system_with_neither_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Exclusive creation is not imitated where it does not exist; the error says what lacks and what to do."""
    monkeypatch.setattr(os, "link", refused(errno.EPERM))
    monkeypatch.setattr(local, "rename_if_free", refused(code))
    with pytest.raises(UnsafeBucketError, match="neither hard links nor a rename") as caught:
        LocalBucket(tmp_path).put("k", b"v")
    assert "another file system" in caught.value.hint
    assert list(LocalBucket(tmp_path).list()) == []
    assert list((tmp_path / ".tmp").iterdir()) == []


def test_a_disk_that_is_full_is_not_taken_for_one_without_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what says that there are none is answered by renaming."""
    monkeypatch.setattr(os, "link", refused(errno.ENOSPC))
    with pytest.raises(StorageFullError):
        LocalBucket(tmp_path).put("k", b"v")
    assert list(LocalBucket(tmp_path).list()) == []


RACER = """
import errno, os, sys
from holdall.errors import ObjectExistsError
from holdall.storage.local import LocalBucket

def fail(*_):
    raise OSError(errno.EPERM, "no links")

if sys.argv[2] == "without":
    os.link = fail
bucket, won = LocalBucket(sys.argv[1]), []
sys.stdin.readline()
for n in range(200):
    try:
        bucket.put(f"k/{n}", f"{sys.argv[3]} {n}".encode() * 500)
        won.append(n)
    except ObjectExistsError:
        pass
print(*won)
"""


def test_of_processes_that_create_one_key_exactly_one_wins(tmp_path: Path) -> None:
    """By renaming, by linking, and one by this and another by that."""
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACER, str(tmp_path), how, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, how in enumerate(["without", "without", "with", "without"])
    ]
    for racer in racers:
        assert racer.stdin
        racer.stdin.write("go\n")
        racer.stdin.flush()
    won = [[int(n) for n in racer.communicate(timeout=100)[0].split()] for racer in racers]
    assert sorted(n for some in won for n in some) == list(range(200))
    bucket = LocalBucket(tmp_path)
    for number, some in enumerate(won):
        assert all(bucket.get(f"k/{n}") == f"{number} {n}".encode() * 500 for n in some)


def test_of_threads_that_create_one_key_exactly_one_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same within one process, by renaming."""
    monkeypatch.setattr(os, "link", refused(errno.EMLINK))
    bucket = LocalBucket(tmp_path)

    def create(task: int) -> int | None:
        try:
            bucket.put(f"k/{task % 50}", str(task).encode())
            return task
        except ObjectExistsError:
            return None

    with ThreadPoolExecutor(8) as threads:
        won = [task for task in threads.map(create, range(400)) if task is not None]
    assert sorted(task % 50 for task in won) == list(range(50))
    assert all(bucket.get(f"k/{task % 50}") == str(task).encode() for task in won)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the number of a system call of Linux")
def test_a_c_library_that_does_not_name_the_call_is_gone_around(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the number of the system call; and where that is not known, the answer is that it cannot be done."""

    class Nameless:
        def __init__(self) -> None:
            self.syscall = ctypes.CDLL(None, use_errno=True).syscall

    monkeypatch.setattr(renaming, "_call", renaming._call.__wrapped__)
    library = Nameless()
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: library)
    for name in ("a", "b"):
        (tmp_path / name).write_text(name)
    with pytest.raises(FileExistsError):
        renaming.rename_if_free(tmp_path / "a", tmp_path / "b")
    renaming.rename_if_free(tmp_path / "a", tmp_path / "c")
    assert (tmp_path / "c").read_text() == "a"
    monkeypatch.setattr(platform, "machine", lambda: "vax")
    with pytest.raises(OSError, match="not implemented"):
        renaming.rename_if_free(tmp_path / "c", tmp_path / "d")


def test_a_folder_in_the_place_of_an_object_is_not_an_object(tmp_path: Path) -> None:
    """`a` is not taken for existing because `a/b` does."""
    bucket = LocalBucket(tmp_path)
    bucket.put("a/b", b"")
    with pytest.raises(StorageError, match="folder"):
        bucket.put("a", b"")
    with pytest.raises(StorageError):
        bucket.put("a/b/c", b"")


def test_a_relative_root_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A handle is not moved by a change of the working directory."""
    monkeypatch.chdir(tmp_path)
    bucket = LocalBucket("here")
    monkeypatch.chdir("/")
    bucket.put("k", b"v")
    assert (tmp_path / "here" / "k").read_bytes() == b"v"
    assert pickle.loads(pickle.dumps(bucket)).get("k") == b"v"


def test_a_folder_that_cannot_be_made_is_not_waited_for() -> None:
    """Where no folder can ever be, the error comes at once and is not one that may pass."""
    with pytest.raises(StorageError) as caught:
        LocalBucket("/proc/there/is/no/such/folder").put("k", b"v")
    assert not isinstance(caught.value, TransientStorageError)
