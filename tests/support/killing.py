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


class KilledBucket:
    """A folder's objects; request `at`, from 1 and in the order of all threads, is the process's last.

    Whatever it is (each method is one) and however it is answered; a listing is one request, whole.
    """

    def __init__(self, inner: Bucket, at: int, moment: str) -> None:
        self.inner, self.at, self.moment, self.requests = inner, at, moment, 0
        self._lock = threading.Lock()

    def __getattr__(self, verb: str) -> Any:
        asked = getattr(self.inner, verb)
        return asked if isinstance(asked, str) else partial(self._ask, asked)  # such as `url`

    def _ask(self, asked: Callable[..., object], *arguments: object, **options: object) -> object:
        with self._lock:
            self.requests += 1
            number = self.requests
        self._pass(number, "before")
        try:
            found = asked(*arguments, **options)
            return iter(list(found)) if isinstance(found, Iterator) else found
        finally:
            self._pass(number, "after")

    def _pass(self, number: int, moment: str) -> None:
        if (number, moment) == (self.at, self.moment):
            os.kill(os.getpid(), signal.SIGKILL)


def dies(work: Callable[[], object]) -> bool:
    """Whether a child that does this is killed; False if it comes to its end, and an error there is one here."""
    pid = os.fork()
    if pid == 0:
        try:
            work()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    _, status = os.waitpid(pid, 0)
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
