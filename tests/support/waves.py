"""How many round trips a verb waits for, one after the other, counted without a clock.

    slow = LatentBucket()                    over a MemoryBucket of its own, or a given one
    ...                                      whatever a verb does with it
    waves(slow.requests)                     how long its longest chain of requests is
    in_flight(slow.requests)                 how many were under way at once

A request ends when nothing else can begin before it does: each one waits at the door until every other thread of
this process sleeps, and then all that wait go on together. That is one wave, and one tick of the time that is
written down, so a busy machine changes no number. Whether a thread sleeps is what Linux says of it, while none of
them was put to sleep: one that is only short of a processor, or of the interpreter's lock, does not.

    waves       1         2         3
    list gc/    |---------|
    get hints   |---------|
    put a pack            |---------|
    put entry 1                     |---------|

Work in other processes is not seen. All such buckets share one time, so that two stores can be looked at together.
"""

from __future__ import annotations

import os
import resource
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from holdall.storage.bucket import Bytes, ObjectInfo
from holdall.storage.memory import MemoryBucket

T = TypeVar("T")
PAGE: Final = 1000  # keys of a listing that come in one request
_LOOK: Final = 0.001  # seconds between two looks at the threads
_QUIET: Final = 0.05  # seconds without a new request, where the threads cannot be looked at
_TASKS: Final = Path("/proc/self/task")


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `start` and `end` count waves, of all that this process has seen; `end` is where it was answered."""

    verb: str
    key: str
    start: int
    end: int


def waves(requests: Iterable[Request]) -> int:
    """Return the length of the longest chain of requests of which each began after the one before it had ended."""
    count, free = 0, -1
    for one in sorted(requests, key=lambda request: request.end):
        if one.start >= free:
            count, free = count + 1, one.end
    return count


def in_flight(requests: Iterable[Request]) -> int:
    """Return how many requests were under way at once, at the most."""
    return max(Counter(tick for one in requests for tick in range(one.start, one.end)).values(), default=0)


def told(requests: Sequence[Request]) -> str:
    """Return one line for each wave, for people: what was asked in it, with ids cut short."""
    begun = sorted({one.start for one in requests})
    return "\n".join(
        f"{n}. " + ", ".join(f"{one.verb} {_short(one.key)}" for one in requests if one.start == tick)
        for n, tick in enumerate(begun, 1)
    )


def _short(key: str) -> str:
    return "/".join(part if len(part) < 12 else f"{part[:4]}..{part[-2:]}" for part in key.split("/"))


class _Time:
    """Counts waves, and ends one when every thread waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._now = self._waiting = self._came = 0

    def wait_for_answer(self) -> tuple[int, int]:
        """Return when the wave ends that this request is in: in which it began and was answered."""
        with self._changed:
            start = self._now
            self._waiting, self._came = self._waiting + 1, self._came + 1
            if self._waiting == 1:
                threading.Thread(target=self._end_wave, daemon=True).start()
            self._changed.wait_for(lambda: self._now > start)
            return start, start + 1

    def _end_wave(self) -> None:
        while not _all_asleep(lambda: self._came):
            pass
        with self._changed:
            self._now, self._waiting = self._now + 1, 0
            self._changed.notify_all()


_time = _Time()


def _all_asleep(came: Callable[[], int]) -> bool:
    """Return whether no thread but this one can go on by itself."""
    if not _TASKS.exists():
        before = came()
        time.sleep(_QUIET)
        return came() == before
    before = _put_to_sleep()
    time.sleep(_LOOK)
    return _put_to_sleep() == before and _none_awake() and _put_to_sleep() == before


def _put_to_sleep() -> int:
    """Return how often other threads of this process were put to sleep so far, those included that have ended."""
    all_of_us, this = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_THREAD))
    return all_of_us.ru_nvcsw + all_of_us.ru_nivcsw - this.ru_nvcsw - this.ru_nivcsw


def _none_awake() -> bool:
    """Return whether Linux says of each other thread that it sleeps; of hundreds the newest are asked first."""
    mine = threading.get_native_id()
    tasks = sorted(map(int, os.listdir(_TASKS)), reverse=True)
    return all(task == mine or _sleeps(task) for task in tasks)


def _sleeps(task: int) -> bool:
    """Return whether a thread is asleep; one that has ended meanwhile was not."""
    try:
        stat = os.open(f"{_TASKS}/{task}/stat", os.O_RDONLY)
    except (FileNotFoundError, ProcessLookupError):
        return False
    try:
        return os.read(stat, 1024).rpartition(b")")[2].split()[0] == b"S"
    except ProcessLookupError:
        return False
    finally:
        os.close(stat)


class LatentBucket:
    """A bucket in memory, each of whose requests takes one wave. Not picklable on purpose.

    Attributes:
        inner: The bucket behind it.
        requests: All requests so far, in the order of their answers.
    """

    def __init__(self, inner: MemoryBucket | None = None) -> None:
        self.inner = inner or MemoryBucket()
        self.requests: list[Request] = []

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
        found = self._ask("list", prefix, lambda: list(self.inner.list(prefix, limit=limit)))
        for n, info in enumerate(found):
            if n and n % PAGE == 0:
                self._ask("list", prefix, lambda: None)
            yield info

    def delete(self, key: str) -> None:
        self._ask("delete", key, lambda: self.inner.delete(key))

    def delete_many(self, keys: Sequence[str]) -> None:
        for n in range(0, len(keys), PAGE):
            self._ask("delete_many", keys[n], lambda n=n: self.inner.delete_many(keys[n : n + PAGE]))  # type: ignore[misc]

    def _ask(self, verb: str, key: str, ask: Callable[[], T]) -> T:
        start, end = _time.wait_for_answer()
        self.requests.append(Request(verb, key, start, end))
        return ask()


@dataclass(frozen=True, slots=True)
class Counted:
    """What a verb cost. Attributes: requests, all of them; waves, the longest chain of them."""

    requests: tuple[Request, ...]

    @property
    def waves(self) -> int:
        return waves(self.requests)

    def __str__(self) -> str:
        return f"{self.waves} waves, {len(self.requests)} requests:\n{told(self.requests)}"


def counted(bucket: LatentBucket, work: Callable[[], object]) -> Counted:
    """Return what this work asked of a bucket."""
    before = len(bucket.requests)
    work()
    return Counted(tuple(bucket.requests[before:]))
