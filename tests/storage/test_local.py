"""A folder keeps the laws of a bucket, and some of its own."""

from __future__ import annotations

import errno
import os
import pickle
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
from holdall.storage import local
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


@pytest.mark.parametrize("code", [errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV])
def test_a_file_system_without_links_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Exclusive creation is not imitated where it does not exist."""

    def fail(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "link", fail)
    with pytest.raises(UnsafeBucketError, match="hard links"):
        LocalBucket(tmp_path).put("k", b"v")
    assert list(LocalBucket(tmp_path).list()) == []


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
