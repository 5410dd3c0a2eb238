"""What tests of progress need: an observer that writes down, a slow bucket, a terminal that can be read.

As a script it makes slow transfers whose progress goes to its standard error:

    python -m tests.support.watched MODE WHAT

Each but the quick one takes two seconds and more; the store has half of the bytes.
"""

from __future__ import annotations

import fcntl
import logging
import multiprocessing
import os
import pty
import random
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType

from tests.support.servers import ROOT
from tests.support.stores import tiny_location

from holdall.chunks.observer import Transfer, Verb
from holdall.chunks.pool import Pool
from holdall.format.layout import PACKS
from holdall.progress import observer_for
from holdall.storage.bucket import Bytes
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

KNOWN, FRESH = random.Random(1).randbytes(200_000), random.Random(2).randbytes(200_000)
PAUSE = 0.08  # seconds for each pack, two at a time


@dataclass
class Told:
    """A transfer as an observer was told of it."""

    verb: Verb
    total: int | None
    done: int = 0
    saved: int = 0
    calls: int = 0
    ended: list[type[BaseException] | None] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, done: int, saved: int = 0, /) -> None:
        with self.lock:
            self.done, self.saved, self.calls = self.done + done, self.saved + saved, self.calls + 1

    def __enter__(self) -> Transfer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.ended.append(kind)


class Recorder:
    """An observer that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[Told] = []

    def begin(self, verb: Verb, total: int | None, /) -> Transfer:
        self.told.append(Told(verb, total))
        return self.told[-1]


class SlowBucket(MemoryBucket):
    """A bucket that takes a while for each pack, or has had enough after some."""

    pause = 0.0
    left = 1_000_000

    def put(self, key: str, data: Bytes) -> None:
        self._wait(key)
        super().put(key, data)

    def get_range(self, key: str, start: int, stop: int | None = None) -> bytes:
        self._wait(key)
        return super().get_range(key, start, stop)

    def _wait(self, key: str) -> None:
        if key.startswith(PACKS):
            time.sleep(self.pause)
            self.left -= 1
            if self.left < 0:
                raise OSError("the line is dead")


class Screen:
    """What stands on a terminal, for the few movements that bars make."""

    def __init__(self) -> None:
        self.lines, self.row, self.column = [""], 0, 0
        self.seen: set[str] = set()  # every line that ever stood there, as it was when the cursor left it

    def write(self, text: str) -> None:
        for part in text.replace("\x1b[A", "\v"):
            if part in "\r\n\v":
                self.seen.add(self.lines[self.row].rstrip())
            if part == "\r":
                self.column = 0
            elif part in "\n\v":
                self.row += 1 if part == "\n" else -1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            else:
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + part + line[self.column + 1 :]
                self.column += 1


def on_a_terminal(python: list[str], *words: str) -> tuple[int, Screen]:
    """Run this script on a pseudo-terminal of 100 columns: its exit code, and what was seen."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    command = [*python, "-m", "tests.support.watched", *words]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=_env(), cwd=ROOT)
    os.close(theirs)
    output = b""
    try:
        while more := os.read(ours, 65536):
            output += more
    except OSError:  # the other end is closed
        pass
    os.close(ours)
    screen = Screen()
    screen.write(output.decode())
    return process.wait(60), screen


def in_a_pipe(python: list[str], *words: str) -> subprocess.CompletedProcess[str]:
    """Run this script with pipes."""
    command = [*python, "-m", "tests.support.watched", *words]
    return subprocess.run(command, capture_output=True, text=True, env=_env(), timeout=120, cwd=ROOT)


def _env() -> dict[str, str]:
    path = os.pathsep.join(filter(None, [str(ROOT), str(ROOT / "src"), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONIOENCODING": "utf-8", "TERM": "xterm"}


def main(mode: str, what: str) -> None:
    if what == "logging":
        logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    bucket = SlowBucket()
    location = tiny_location(bucket, pool=Pool(workers=2))
    first = Store(location).runs.start()
    first.log_bytes(KNOWN + FRESH if what == "fetch" else KNOWN, "known.bin")
    location.observer = observer_for(mode, sys.stderr)
    bucket.pause, bucket.left = 0.0 if what == "quick" else PAUSE, 35 if what == "failing" else 1_000_000
    if what == "fetch":
        first.download(None, tempfile.mkdtemp())
    elif what == "two":
        other = threading.Thread(target=Store(location).runs.start().log_bytes, args=(FRESH[::-1], "other.bin"))
        other.start()
        Store(location).runs.start().log_bytes(KNOWN + FRESH, "some.bin")
        other.join()
    else:
        with suppress(OSError):
            Store(location).runs.start().log_bytes(KNOWN + FRESH, "some.bin")
    bucket.left = 1_000_000
    assert ("tqdm" in sys.modules) == (mode in ("auto", "bar") and what != "quick" and sys.stderr.isatty())
    assert multiprocessing.get_start_method(allow_none=True) is None, "that is for the user to choose"


if __name__ == "__main__":
    main(*sys.argv[1:])
