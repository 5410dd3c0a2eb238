"""Large objects past the page cache: the same bytes, whatever the file system, the memory and the length."""

from __future__ import annotations

import errno
import mmap
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.stores import entropy

from holdall.storage.direct import LARGE, write_durably

SIZES = (0, 1, 4096, LARGE - 1, LARGE, LARGE + 1, 9 * LARGE, 9 * LARGE + 4095)
NOISE = entropy(1)(10 * LARGE)


def aligned(size: int) -> memoryview:
    """Memory that begins on a page, as packs are built in."""
    view = memoryview(mmap.mmap(-1, size + 4096))[:size]
    view[:] = NOISE[:size]
    return view


def written(path: Path, data: bytes | memoryview) -> bytes:
    """What a new file holds afterwards."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
    try:
        write_durably(descriptor, data)
    finally:
        os.close(descriptor)
    return path.read_bytes()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("memory", [aligned, lambda size: memoryview(NOISE)[1 : 1 + size], lambda size: NOISE[:size]])
def test_every_byte_arrives(tmp_path: Path, size: int, memory: Callable[[int], memoryview]) -> None:
    """From memory on a page, one byte beside it, and of Python's own."""
    data = memory(size)
    assert written(tmp_path / "file", data) == bytes(data)


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="this system has no tmpfs at /dev/shm")
def test_a_file_system_without_it_is_written_as_usual() -> None:
    """tmpfs, where older kernels refuse O_DIRECT."""
    path = Path("/dev/shm") / f"holdall-{os.getpid()}"
    try:
        assert written(path, aligned(3 * LARGE + 5)) == NOISE[: 3 * LARGE + 5]
    finally:
        path.unlink()


def test_whole_pages_go_past_the_cache_and_the_rest_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While whole pages are written the file is open for direct writing, and never else."""
    import fcntl

    flag, seen, real = getattr(os, "O_DIRECT", 0), [], os.write

    def watched(descriptor: int, data: memoryview) -> int:
        seen.append((len(data), bool(fcntl.fcntl(descriptor, fcntl.F_GETFL) & flag)))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", watched)
    assert written(tmp_path / "file", aligned(2 * LARGE + 7)) == NOISE[: 2 * LARGE + 7]
    if not flag:
        assert seen == [(2 * LARGE + 7, False)]
    elif seen[0][1]:  # this disk allows it
        assert seen == [(2 * LARGE, True), (7, False)]


@pytest.mark.parametrize(("number", "fatal"), [(errno.EINVAL, False), (errno.ENOSPC, True), (errno.EIO, True)])
def test_only_a_refusal_is_answered_with_the_usual_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, fatal: bool
) -> None:
    """A disk that is full, or broken, is not tried again; one that takes no direct write in the middle is."""
    calls, real = [], os.write

    def failing(descriptor: int, data: memoryview) -> int:
        calls.append(len(data))
        if len(calls) == 2:
            raise OSError(number, os.strerror(number))
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", failing)
    if fatal:
        with pytest.raises(OSError, match=os.strerror(number)):
            written(tmp_path / "file", aligned(9 * LARGE))
    else:
        assert written(tmp_path / "file", aligned(9 * LARGE)) == NOISE[: 9 * LARGE]
