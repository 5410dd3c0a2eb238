"""A bucket that fails when told to.

    faulty = FaultyBucket(MemoryBucket())
    faulty.plan(Fault("put", key="log/", act="lose", at=2))

The second put below log/ lands, and its answer is lost. Each request meets the
first fault that fits it. `on` is told of every request, before and after it,
with its number: raise `Crash` there to die at request k.

    fail      an error, and nothing happened
    lose      it happened, and then an error
    late      a put that is kept back: an error now, delivered by `deliver()`
    short     a read without its last byte
    corrupt   a read with one bit flipped
    stale     a listing without the newest objects
    half      a bulk deletion that ends in the middle: the first half is gone, and then an error
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from holdall.errors import ObjectExistsError, StorageError, TransientStorageError
from holdall.storage.bucket import Bucket, Bytes, ObjectInfo
from holdall.storage.memory import MemoryBucket

VERBS = ("get", "get_range", "put", "list", "delete", "delete_many")


class Crash(BaseException):
    """The process dies here: nothing may catch it."""


@dataclass
class Fault:
    """What goes wrong, and when.

    Attributes:
        verb: One of the six; "" for any.
        act: See this module's table.
        key: Only keys (or prefixes of listings) that start with this.
        at: Which of the requests that fit, from 1; None for all from the first.
        times: How many from there on; None for all.
        error: What is raised; a `TransientStorageError` when None.
        newest: For "stale": how many of the newest objects are not listed.
    """

    verb: str
    act: str
    key: str = ""
    at: int | None = None
    times: int | None = 1
    error: Callable[[str, str], StorageError] | None = None
    newest: int = 1
    met: int = field(default=0, init=False)

    def fits(self, verb: str, key: str) -> bool:
        """Whether this request is one of those that fail; counts it."""
        if self.verb not in ("", verb) or not key.startswith(self.key):
            return False
        self.met += 1
        first = self.at or 1
        return self.met >= first and (self.times is None or self.met < first + self.times)

    def raised(self, url: str, key: str) -> StorageError:
        """The error to raise."""
        return (self.error or _lost)(url, key)


def _lost(url: str, key: str) -> StorageError:
    return TransientStorageError(url, key, "a fault, on purpose")


class FaultyBucket:
    """Any bucket, with planned faults. Safe between threads; not picklable on purpose.

    Attributes:
        inner: The bucket behind it.
        requests: (verb, key) of every request so far.
        on: Called with (number from 1, "before" or "after", verb, key).
    """

    def __init__(self, inner: Bucket, *, on: Callable[[int, str, str, str], None] | None = None) -> None:
        self.inner, self.on = inner, on
        self.requests: list[tuple[str, str]] = []
        self._faults: list[Fault] = []
        self._born: list[str] = []
        self._late: list[tuple[str, bytes]] = []
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return self.inner.url

    def plan(self, *faults: Fault) -> None:
        """Add faults to those that are planned."""
        with self._lock:
            self._faults += faults

    def clear(self) -> None:
        """Plan no faults any more."""
        with self._lock:
            self._faults.clear()

    def deliver(self) -> list[str]:
        """Send the puts that were kept back; the keys of those that were refused."""
        late, self._late = self._late, []
        refused = []
        for key, data in late:
            try:
                self.inner.put(key, data)
            except ObjectExistsError:
                refused.append(key)
        return refused

    def count(self, verb: str = "", key: str = "") -> int:
        """How many requests there were, of a verb and below a key."""
        return sum(verb in ("", v) and k.startswith(key) for v, k in self.requests)

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        return bytes(self._ask("get", key, lambda: self.inner.get(key, limit=limit)))

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        return self._ask("get_range", key, lambda: self.inner.get_range(key, start, stop))

    def put(self, key: str, data: Bytes) -> None:
        def create() -> bytes:
            self.inner.put(key, data)
            self._born.append(key)
            return b""

        self._ask("put", key, create, data)

    def delete(self, key: str) -> None:
        def remove() -> bytes:
            self.inner.delete(key)
            return b""

        self._ask("delete", key, remove)

    def delete_many(self, keys: Sequence[str]) -> None:
        """One request, of which the key is the first that is to go."""
        if not keys:
            return
        number, fault = self._begin("delete_many", keys[0])
        act = fault.act if fault is not None else ""
        self.inner.delete_many(keys[: {"fail": 0, "half": len(keys) // 2}.get(act, len(keys))])
        if act != "fail":
            self._tell(number, "after", "delete_many", keys[0])
        if fault is not None and act in ("fail", "half", "lose"):
            raise fault.raised(self.url, keys[0])

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        number, fault = self._begin("list", prefix)
        if fault is not None and fault.act == "fail":
            raise fault.raised(self.url, prefix)
        stale = fault is not None and fault.act == "stale"
        hidden = set(self._born[-fault.newest :]) if fault is not None and stale else set()
        left = limit
        for info in self.inner.list(prefix, limit=None if hidden else limit):
            if info.key in hidden:
                continue
            if left is not None and left <= 0:
                return
            yield info
            if fault is not None and fault.act == "lose":  # in the middle: after the first key
                raise fault.raised(self.url, prefix)
            left = None if left is None else left - 1
        self._tell(number, "after", "list", prefix)

    def _begin(self, verb: str, key: str) -> tuple[int, Fault | None]:
        with self._lock:
            self.requests.append((verb, key))
            number = len(self.requests)
            fitting = [fault for fault in self._faults if fault.fits(verb, key)]
        self._tell(number, "before", verb, key)
        return number, (fitting[0] if fitting else None)

    def _tell(self, number: int, phase: str, verb: str, key: str) -> None:
        if self.on is not None:
            self.on(number, phase, verb, key)

    def _ask(self, verb: str, key: str, ask: Callable[[], Bytes], data: Bytes = b"") -> Bytes:
        number, fault = self._begin(verb, key)
        act = fault.act if fault is not None else ""
        if fault is not None and act in ("fail", "late"):
            if act == "late":
                self._late.append((key, bytes(data)))
            raise fault.raised(self.url, key)
        found = ask()
        self._tell(number, "after", verb, key)
        if fault is not None and act == "lose":
            raise fault.raised(self.url, key)
        if act == "short":
            return found[:-1]
        if act == "corrupt" and found:
            spoiled = bytearray(found)
            spoiled[len(found) // 2] ^= 1
            return bytes(spoiled)
        return found


class DyingBucket(MemoryBucket):
    """A bucket whose process is interrupted before a write or deletion, once it did so many. Attributes: left."""

    left = 10**9

    def put(self, key: str, data: Bytes) -> None:
        """Create an object, if there is time."""
        self._count()
        super().put(key, data)

    def delete(self, key: str) -> None:
        """Delete an object, if there is time."""
        self._count()
        super().delete(key)

    def _count(self) -> None:
        if self.left <= 0:
            raise KeyboardInterrupt
        self.left -= 1
