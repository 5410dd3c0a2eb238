"""Processes that die by SIGKILL at a request: forked from this one, so that a hundred of them take a second or two."""

from __future__ import annotations

import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from holdall.storage.bucket import Bucket


class Requests:
    """The requests of a process; request `at`, from 1 and in the order of all threads and buckets, is its last."""

    def __init__(self, at: int = 0, moment: str = "never") -> None:
        self.at, self.moment, self.count = at, moment, 0
        self._lock = threading.Lock()

    def ask(self, asked: Callable[..., object], *arguments: object, **options: object) -> object:
        """Send one, whatever it is and however it is answered; a listing is one request, whole."""
        with self._lock:
            self.count += 1
            number = self.count
        self._pass(number, "before")
        try:
            found = asked(*arguments, **options)
            return iter(list(found)) if isinstance(found, Iterator) else found
        finally:
            self._pass(number, "after")

    def _pass(self, number: int, moment: str) -> None:
        if (number, moment) == (self.at, self.moment):
            os.kill(os.getpid(), signal.SIGKILL)


class CountedBucket:
    """A bucket whose requests are counted among those of its process: each of its methods is one."""

    def __init__(self, inner: Bucket, requests: Requests) -> None:
        self.inner, self._requests = inner, requests

    def __getattr__(self, verb: str) -> Any:
        asked = getattr(self.inner, verb)
        return partial(self._requests.ask, asked) if callable(asked) else asked  # such as `url`


def fork(work: Callable[[], object]) -> int:
    """Do something in a child, and return its id; the child ends with 1 where that fails."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


def dies(work: Callable[[], object]) -> bool:
    """Whether a child that does this is killed; False if it comes to its end, and an error there is one here."""
    _, status = os.waitpid(fork(work), 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), f"the child failed with {code}: see its traceback"
    return code != 0


class Notes:
    """What a child was told before it died: lines in a file, which the parent reads."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def add(self, *words: str) -> None:
        """Write a line; the kernel keeps it, whatever becomes of the process."""
        file = os.open(self._file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, ("\t".join(words) + "\n").encode())
        os.close(file)

    def read(self) -> list[list[str]]:
        """All lines."""
        return [line.split("\t") for line in self._file.read_text().splitlines()] if self._file.exists() else []
