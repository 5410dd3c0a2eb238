"""When a file's stat may stand for its bytes.

A stamp is what `stat` says of a file, and which boot of the machine said it. If
a file has the stamp that it had when it was hashed, it is taken to hold the
same bytes. That is sound only where each later write moves the stamp:

    file system   ext4, xfs and btrfs set mtime and ctime at every `write`, and when a page that is clean
                  is first written through an mmap: `file_update_time` in Linux's ext4_page_mkwrite,
                  xfs_filemap_page_mkwrite (now xfs_write_fault) and btrfs_page_mkwrite. tmpfs has no clean
                  pages: there a second write through an mmap is never seen. What overlays, FUSE, network and
                  other systems do is not known well enough, nor what other kernels than Linux do. None of
                  them is trusted.
    fdatasync     A page that is dirty takes further writes through an mmap without a sign, on ext4 as well.
                  `fdatasync` makes all of a file's pages clean, so after it the next write is seen.
                  tests/trees/test_stamps.py shows both, wherever it runs; so far on ext4 and tmpfs, while xfs
                  and btrfs are trusted for what their sources say.
    two seconds   Times move in ticks of the kernel's clock, some milliseconds long: a write right after a
                  hash could leave them as they are. So what changed less than two seconds ago is not
                  trusted. ctime counts too, since anybody may set mtime.
    boot          A power failure can keep bytes and lose the times that were set along with them, and
                  device numbers are given anew: no stamp outlives its boot.

What remains: a single `write` call that goes on for two seconds or longer sets
the times when it begins; a clock that was set back can show a time twice; and
a program that writes to the block device, or lets hardware write into pages that
it holds pinned (RDMA, O_DIRECT reads into an mmap), leaves no trace at all.
"""

from __future__ import annotations

import os
import re
import stat
import struct
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

AGE: Final = 2_000_000_000  # ns for which neither bytes nor attributes have changed
FILE_SYSTEMS: Final = frozenset({b"ext4", b"xfs", b"btrfs"})
_STAMP: Final = struct.Struct("<QQQqq16s")
_PROC: Final = Path("/proc")


class Stamp(NamedTuple):
    """What is compared of a file. Times in ns since 1970 UTC, `size` in bytes, `boot` 16 random bytes."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int
    boot: bytes

    def encode(self) -> bytes:
        """Encode the stamp, in 56 bytes."""
        return _STAMP.pack(*self)


def stamp_of(place: Path) -> Stamp | None:
    """Return a regular file's stamp as of now, links followed, or None. The file is not opened."""
    try:
        return _stamp(place.stat())
    except OSError:
        return None


def settled_stamp(place: Path, *, now: int) -> Stamp | None:
    """Return the stamp of a file if every later write to the file will change it, else None.

    Args:
        place: The file; links are followed.
        now: The time, not later than this call, in ns since 1970 UTC.

    Cost: an fdatasync, about 3 ms on a disk; what was written to the file shortly
    before is waited for until it is on the disk.
    """
    try:
        if not _settled(place.stat(), now):
            return None
        with place.open("rb", buffering=0) as file:
            if _file_system(file.fileno()) not in FILE_SYSTEMS:
                return None
            os.fdatasync(file.fileno())
            status = os.fstat(file.fileno())
        return _stamp(status) if _settled(status, now) else None
    except OSError:
        return None


def _settled(status: os.stat_result, now: int) -> bool:
    return stat.S_ISREG(status.st_mode) and now - max(status.st_mtime_ns, status.st_ctime_ns) >= AGE


def _stamp(status: os.stat_result) -> Stamp | None:
    boot = _boot()
    if boot is None or not stat.S_ISREG(status.st_mode):
        return None
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns, boot)


@cache
def _boot() -> bytes | None:
    """Return which boot of the machine this is, or None if it does not say so."""
    try:
        return UUID((_PROC / "sys/kernel/random/boot_id").read_text().strip()).bytes
    except (OSError, ValueError):
        return None


def _file_system(descriptor: int) -> bytes | None:
    """Return the type of the file system that an open file is on.

    By the number of its mount: btrfs gives files other device numbers than its mount has.
    """
    mount = re.search(rb"^mnt_id:\s*(\d+)$", (_PROC / f"self/fdinfo/{descriptor}").read_bytes(), re.MULTILINE)
    for line in (_PROC / "self/mountinfo").read_bytes().splitlines():
        words = line.split(b" ")
        if mount and words[0] == mount[1] and b"-" in words:
            return words[words.index(b"-") + 1]
    return None
