"""A store in a folder that several processes share, which notes what each of them asks, and where workers can fail."""

from __future__ import annotations

import itertools
import os
import random
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from tests.support.stores import tiny_location

from holdall.errors import AccessDeniedError
from holdall.storage.bucket import Bytes, ObjectInfo
from holdall.storage.local import LocalBucket
from holdall.store import Store
from holdall.trees.location import Sharing
from holdall.trees.shared_files import FileRange, LocalFile
from holdall.workers.crew import crew_of

T = TypeVar("T")
SHARED_FROM = Sharing(60_000, 16_384)  # bytes: from here on, and of a part


@dataclass(frozen=True, slots=True)
class Doom:
    """What becomes of a worker at its n-th request of a kind: it dies, is refused, starves, or waits for a file."""

    verb: str
    prefix: str
    act: Literal["die", "refuse", "starve", "wait"]
    at: int = 1
    until: str = ""


@dataclass(slots=True)
class NotedFolder:
    """Objects in a folder; every request is a line of `notes`: process, verb, key. Picklable."""

    inner: LocalBucket
    notes: Path
    doom: Doom | None = None
    owner: int = field(default_factory=os.getpid)
    met: int = 0

    @property
    def url(self) -> str:
        return self.inner.url

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        return self._ask("get", key, lambda: self.inner.get(key, limit=limit))

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        return self._ask("get_range", key, lambda: self.inner.get_range(key, start, stop))

    def put(self, key: str, data: Bytes) -> None:
        self._ask("put", key, lambda: self.inner.put(key, data))

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        return self._ask("list", prefix, lambda: self.inner.list(prefix, limit=limit))

    def delete(self, key: str) -> None:
        self._ask("delete", key, lambda: self.inner.delete(key))

    def delete_many(self, keys: Sequence[str]) -> None:
        self._ask("delete_many", keys[0], lambda: self.inner.delete_many(keys))

    def requests(self) -> Sequence[tuple[int, str, str]]:
        """All requests so far: process, verb, key."""
        lines = self.notes.read_text().splitlines() if self.notes.exists() else []
        return [(int(pid), verb, key) for pid, verb, key in (line.split(" ", 2) for line in lines)]

    def _ask(self, verb: str, key: str, asked: Callable[[], T]) -> T:
        if (
            self.doom
            and os.getpid() != self.owner
            and (verb, True) == (self.doom.verb, key.startswith(self.doom.prefix))
        ):
            self._meet(self.doom, key)
        with self.notes.open("a") as notes:
            notes.write(f"{os.getpid()} {verb} {key}\n")
        return asked()

    def _meet(self, doom: Doom, key: str) -> None:
        self.met += 1
        if self.met != doom.at:
            return
        if doom.act == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if doom.act == "refuse":
            raise AccessDeniedError(self.url, key, "refused, on purpose")
        if doom.act == "starve":
            raise MemoryError
        while not Path(doom.until).exists():
            time.sleep(0.01)


class ChangedBehind(LocalFile):
    """A file of two parts, of which the first one's reader meets other bytes behind it, at times as they were."""

    __slots__ = ()

    def open_part(self, begin: int, end: int, start: int, stop: int) -> FileRange:
        return _FirstMeetsOther(self, begin, end, start, stop)


class _FirstMeetsOther(FileRange):
    def readinto(self, buffer: memoryview, /) -> int:
        at, border = self._at, self._planned.size // 2
        if self._start == 0 and at < border:
            return super().readinto(buffer[: border - at])
        before = self._digest.copy() if self._start == 0 else None
        count = super().readinto(buffer)
        if before is not None:
            buffer[:count] = bytes(byte ^ 1 for byte in buffer[:count])
            if self._stop > at:
                before.update(buffer[: min(count, self._stop - at)])
            self._digest = before
        return count


def shared_store(
    folder: Path, workers: int = 3, *, doom: Doom | None = None, seed: int = 0
) -> tuple[Store, NotedFolder]:
    """A store of tiny chunks in a folder, where logging some ten KB is shared among workers; and its bucket."""
    bucket = NotedFolder(LocalBucket(folder / "store"), folder / "notes", doom)
    location = tiny_location(bucket, seed=seed, create=not (folder / "store").exists())
    location.crew, location.sharing = crew_of(workers, 1 << 30), SHARED_FROM
    return Store(location), bucket


def noise(size: int, seed: int) -> bytes:
    """Bytes that nothing compresses."""
    return random.Random(seed).randbytes(size)


_numbers = itertools.count()


def folder_of(where: Path, files: dict[str, bytes]) -> Path:
    """A new folder with these files."""
    made = where / f"files{next(_numbers)}"
    for name, data in files.items():
        path = made / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return made
