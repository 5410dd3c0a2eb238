"""Frames: what goes in comes out, and nothing else is believed."""

from __future__ import annotations

import os
import pickle
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.support.killing import fork

from holdall.workers.frames import MAX_FRAME, BrokenFrameError, FrameWriter, read_frame


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """A pipe's two ends; both are closed afterwards, if they are open then."""
    there, here = os.pipe()
    yield there, here
    for end in (there, here):
        with suppress(OSError):
            os.close(end)


def test_values_travel(pipe: tuple[int, int]) -> None:
    """Also one that is larger than a pipe, beside one from another thread; then comes the end."""
    there, here = pipe
    values = [None, b"x" * 3_000_000, {"a": [1]}, "\udcff"]
    writer = FrameWriter(here)
    threads = [threading.Thread(target=writer.send, args=(value,)) for value in values]
    for thread in threads:
        thread.start()
    found = [pickle.loads(read_frame(there) or b"") for _ in values]
    for thread in threads:
        thread.join()
    assert sorted(map(repr, found)) == sorted(map(repr, values))
    os.close(writer.close())
    assert read_frame(there) is None


@pytest.mark.parametrize(
    "written",
    [b"1", b"1234567", b"\xff" * 8, (MAX_FRAME + 1).to_bytes(8, "little"), (4).to_bytes(8, "little") + b"abc"],
)
def test_what_is_no_frame_is_refused(pipe: tuple[int, int], written: bytes) -> None:
    """An end within a frame, and a length beyond the bound, for which nothing is allocated."""
    there, here = pipe
    os.write(here, written)
    os.close(here)
    with pytest.raises(BrokenFrameError):
        read_frame(there)


@pytest.mark.parametrize("handler", [signal.SIG_DFL, signal.SIG_IGN])
def test_nobody_who_reads_is_an_error_and_no_end(handler: signal.Handlers) -> None:
    """Also in a program that SIGPIPE ends; elsewhere it still does."""

    def work() -> None:
        signal.signal(signal.SIGPIPE, handler)
        there, here = os.pipe()
        os.close(there)
        with pytest.raises(BrokenPipeError):
            FrameWriter(here).send(1)
        assert signal.SIGPIPE not in signal.pthread_sigmask(signal.SIG_BLOCK, set())
        os._exit(7)

    assert os.waitstatus_to_exitcode(os.waitpid(fork(work), 0)[1]) == 7


def test_a_closed_writer_writes_nowhere(pipe: tuple[int, int]) -> None:
    """Its descriptor may be another file's by then."""
    writer = FrameWriter(pipe[1])
    assert writer.close() == pipe[1]
    assert (writer.close(), writer.closed) == (-1, True)
    with pytest.raises(BrokenPipeError):
        writer.send(1)
