"""What travels between a process and its workers: pickled values, each behind its length.

Only a process and the children that it started itself hold the ends of these
pipes, so unpickling trusts nobody new. A length beyond the bound is refused
before anything is allocated: something else has written into the pipe.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from typing import Any, Final

MAX_FRAME: Final = 64 << 20  # bytes: a file of 64 GiB has references of 43 MB, and content does not travel
_LENGTH: Final = 8
_PIECE: Final = 1 << 20  # a pipe gives no more than this at once


class BrokenFrameError(Exception):
    """The pipe holds what no sender of frames writes, or ends within a frame."""


class FrameWriter:
    """The end of a pipe that frames are written to. Safe between threads."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lock = threading.Lock()

    def send(self, value: Any) -> None:
        """Send a value. Raises: ValueError if it is too large, OSError if nobody reads, or what pickling raises."""
        self.send_pickled(pickle.dumps(value, protocol=5))

    def send_pickled(self, payload: bytes) -> None:
        """Send what was pickled before. Raises: ValueError if it is too large, OSError if nobody reads."""
        if len(payload) > MAX_FRAME:
            raise ValueError(f"{len(payload)} bytes are to travel to or from a worker, and {MAX_FRAME} may")
        with self._lock:
            if self._descriptor < 0:
                raise BrokenPipeError("the pipe was closed here")
            write_all(self._descriptor, len(payload).to_bytes(_LENGTH, "little") + payload)

    @property
    def closed(self) -> bool:
        """Return whether the descriptor was given up."""
        return self._descriptor < 0

    def abandon(self) -> int:
        """Do as `close`, without waiting for a thread that is writing: in a forked child there is none."""
        given_up, self._descriptor = self._descriptor, -1
        self._lock = threading.Lock()
        return given_up

    def close(self) -> int:
        """Give the descriptor up, and return it for closing; -1 if it was given up before."""
        with self._lock:
            return self.abandon()


def read_frame(descriptor: int) -> bytes | None:
    """Return the next frame, still pickled, or None at the end. Raises: BrokenFrameError."""
    head = _read_exactly(descriptor, _LENGTH, may_end=True)
    if head is None:
        return None
    size = int.from_bytes(head, "little")
    if size > MAX_FRAME:
        raise BrokenFrameError(f"a frame of {size} bytes")
    return _read_exactly(descriptor, size)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of this to a pipe. Raises: OSError, also in a program that lets SIGPIPE end it, as some tools do."""
    left, before = memoryview(data), signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGPIPE})
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except BrokenPipeError:
        if signal.SIGPIPE in signal.sigpending():
            signal.sigwait({signal.SIGPIPE})  # else it would come with the old mask
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _read_exactly(descriptor: int, size: int, *, may_end: bool = False) -> bytes | None:
    found = bytearray()
    while len(found) < size:
        piece = os.read(descriptor, min(size - len(found), _PIECE))
        if not piece:
            if may_end and not found:
                return None
            raise BrokenFrameError(f"the end after {len(found)} of {size} bytes")
        found += piece
    return bytes(found)
