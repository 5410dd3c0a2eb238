"""When a file's stat may stand for its bytes: on the real disk, with the real kernel."""

from __future__ import annotations

import mmap
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from holdall.trees.stamps import AGE, FILE_SYSTEMS, Stamp, _file_system, settled_stamp, stamp_of

SHM = Path("/dev/shm")


def later() -> int:
    """A time at which what exists now is old enough."""
    return time.time_ns() + 2 * AGE


def file_system(place: Path) -> bytes | None:
    with place.open("rb") as file:
        return _file_system(file.fileno())


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A file on a disk that notices writes."""
    place = tmp_path / "model.bin"
    place.write_bytes(b"a" * 8192)
    if file_system(place) not in FILE_SYSTEMS:
        pytest.skip(f"{tmp_path} is on {file_system(place)!r}, which is not trusted")
    return place


@contextmanager
def mapped(place: Path) -> Iterator[mmap.mmap]:
    """A file as writable memory, its first page written once."""
    with place.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
        memory[0] = 1
        yield memory


def content_and_stamp(place: Path) -> tuple[bytes, Stamp | None]:
    return place.read_bytes(), stamp_of(place)


# --- what is trusted


def test_a_settled_file_has_the_stamp_that_it_has_without_being_opened(place: Path) -> None:
    """What is compared later is exactly what was seen before the hash."""
    stamp = settled_stamp(place, now=later())
    assert stamp is not None
    assert stamp == stamp_of(place)
    assert (stamp.size, stamp.inode, len(stamp.encode())) == (8192, place.stat().st_ino, 56)


def test_a_young_file_is_not_settled(place: Path) -> None:
    """Two seconds must have gone by since its bytes changed, by whatever clock; the future is no age."""
    changed = place.stat().st_mtime_ns
    assert settled_stamp(place, now=changed + AGE - 1) is None
    assert settled_stamp(place, now=changed - AGE) is None
    assert settled_stamp(place, now=changed + AGE) is not None


def test_a_file_that_looks_old_but_was_just_made_is_not_settled(place: Path) -> None:
    """mtime can be set by anybody, as `cp -p` does: ctime must be old as well."""
    os.utime(place, ns=(0, 0))
    assert settled_stamp(place, now=place.stat().st_ctime_ns + AGE - 1) is None
    assert settled_stamp(place, now=place.stat().st_ctime_ns + AGE) is not None


def test_only_a_file_system_that_is_known_to_notice_is_trusted(place: Path) -> None:
    """A tmpfs, and what the kernel itself makes up, are not."""
    assert settled_stamp(Path("/proc/self/status"), now=later()) is None
    if not SHM.is_mount():
        pytest.skip("no tmpfs here")
    there = SHM / f"holdall-{os.getpid()}"
    try:
        there.write_bytes(b"a")
        assert file_system(there) == b"tmpfs"
        assert settled_stamp(there, now=later()) is None
    finally:
        there.unlink()


def test_only_regular_files_have_stamps(tmp_path: Path) -> None:
    """Folders, pipes and what is not there have none; a link has that of its file."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "file").write_bytes(b"a")
    (tmp_path / "link").symlink_to("file")
    for name in ("", "pipe", "nowhere"):
        assert stamp_of(tmp_path / name) is settled_stamp(tmp_path / name, now=later()) is None
    assert stamp_of(tmp_path / "link") == stamp_of(tmp_path / "file") is not None


# --- what a write through an mmap does


def test_a_second_write_through_an_mmap_is_not_seen_without_fdatasync(place: Path) -> None:
    """The hole, as it is: other bytes, and nothing that `stat` says has changed. This is why there is more to it."""
    with mapped(place) as memory:
        before = content_and_stamp(place)
        time.sleep(0.05)
        memory[0] = 2
        after = content_and_stamp(place)
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_a_write_through_an_mmap_is_seen_after_fdatasync(place: Path) -> None:
    """A settled stamp moves with the next write, also through an mmap that had written before."""
    with mapped(place) as memory:
        stamp = settled_stamp(place, now=later())
        assert stamp is not None
        time.sleep(0.05)
        memory[0] = 2
        assert stamp_of(place) != stamp


def test_on_a_tmpfs_fdatasync_does_not_help() -> None:
    """There a page is never clean: the reason why a tmpfs is not trusted."""
    if not SHM.is_mount():
        pytest.skip("no tmpfs here")
    there = SHM / f"holdall-{os.getpid()}"
    try:
        there.write_bytes(b"a" * 8192)
        with mapped(there) as memory:
            with there.open("rb") as file:
                os.fdatasync(file.fileno())
            before = content_and_stamp(there)
            time.sleep(0.05)
            memory[0] = 2
            after = content_and_stamp(there)
        assert before[0] != after[0]
        assert before[1] == after[1]
    finally:
        there.unlink()
