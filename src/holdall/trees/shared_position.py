"""Where threads that share a file read on.

A file has one position, which each read moves on, whichever thread reads: a
file may be handed from thread to thread. But there are libraries (DuckDB) whose
threads share a file and call seek, then read, with nothing to keep others from
doing so in between. So the first read after a seek begins where the same thread
has sought:

    thread A   seek 100              read 10: from 100
    thread B            seek 200              read 10: from 200     read 10: from 210

until another thread reads on from there, to whom the file was handed over then:

    thread A   seek 100                       read 10: from 110
    thread B            read 10: from 100

Only a rule: nothing is read, and nothing locked here.
"""

from __future__ import annotations


class SharedPosition:
    """The position of a file that threads share; each method is told by a number which of them asks."""

    def __init__(self) -> None:
        self._at = 0
        self._last = -1  # who moved it last
        self._sought: dict[int, int] = {}  # by thread, where it has sought and not read yet

    def take(self, thread: int) -> int:
        """Return where a thread reads on, which it is about to do."""
        at = self._sought.pop(thread, None)
        if at is None:
            self._sought.pop(self._last, None)
            at = self._at
        self.move(thread, at)
        return at

    def move(self, thread: int, to: int) -> None:
        """Have a thread's read end at a place."""
        self._at, self._last = to, thread

    def seek(self, thread: int, to: int, *, to_read: bool = True) -> None:
        """Move to a place, where the thread is going to read, unless it only asks where the end is."""
        self.move(thread, to)
        if to_read:
            self._sought[thread] = to
        else:
            self._sought.pop(thread, None)
