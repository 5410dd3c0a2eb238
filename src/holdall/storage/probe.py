"""What can this bucket do?

A server that ignores `If-None-Match` answers 200 to everyone who creates the
same object: sixteen of sixteen racers "won" against one that people use. No
error ever shows; two runs' logs just become one. So what a store depends on
is tried before anything is trusted to it, and tried again, cheaply, with one
object (the canary) whenever a store is opened for writing.

The probe writes only below `probe/<token>/` and removes what it made, also
when it fails. It asks, and judges nothing: `refuse_unsafe` does. After the
first object all that can be is asked side by side, so that a new store waits
for seven round trips and not for forty. The races come after it is known that
one writer cannot overwrite: a server that lets it is refused without them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, TypeAlias, TypeVar

from holdall.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    StorageError,
    UnsafeBucketError,
)
from holdall.storage.bucket import Bucket
from holdall.storage.canary import OVERWRITTEN

S = TypeVar("S")
T = TypeVar("T")
Check: TypeAlias = Callable[[], tuple[bool, str]]  # tries a promise: whether it was kept, and what happened

_TOKEN = re.compile(r"[0-9a-f]{32}")
_OTHERS: Final = 32  # threads at the most for all but races: 10 checks, and what some of them do side by side


@dataclass(frozen=True, slots=True)
class Finding:
    """One promise, tried.

    Attributes:
        name: Which promise, in a few words.
        ok: Whether it was kept.
        detail: What happened, for people.
        needed: Whether a store must not be written without it.
    """

    name: str
    ok: bool
    detail: str
    needed: bool = True


@dataclass(frozen=True, slots=True)
class Report:
    """What a probe found. Attributes: url, findings."""

    url: str
    findings: tuple[Finding, ...]

    @property
    def safe_for_writing(self) -> bool:
        """Return whether every promise that writers need was kept."""
        return not self.broken

    @property
    def broken(self) -> tuple[Finding, ...]:
        """Return the needed promises that were not kept."""
        return tuple(found for found in self.findings if found.needed and not found.ok)

    def lines(self) -> list[str]:
        """Return one line for each finding, and a verdict."""
        width = max((len(found.name) for found in self.findings), default=0)
        marks = {True: "ok  ", False: "FAIL"}
        body = [f"{marks[found.ok]}  {found.name:{width}}  {found.detail}".rstrip() for found in self.findings]
        verdict = "safe for writing" if self.safe_for_writing else "NOT safe for writing"
        return [*body, f"{self.url}: {verdict}"]


def probe(bucket: Bucket, *, token: str, rounds: int = 3, racers: int = 8, brief: bool = False) -> Report:
    """Try everything that a store needs of a bucket.

    Args:
        bucket: Where; wrapped in a retry or not.
        token: 32 hex digits that nobody used before, from a source of randomness.
        rounds: How often to race, for an object with content and for an empty one.
        racers: How many threads create the same object at once.
        brief: Whether findings end with the first promise that writers need and that is broken.

    Raises:
        ValueError: The token is not 32 hex digits.
        AccessDeniedError: Not even one object may be created here.
        StorageError: Not even one object could be created here.

    Cost: about 40 + 2 * rounds * (racers + 2) requests, of which six follow one another, and two for each round more.
    """
    if not _TOKEN.fullmatch(token):
        raise ValueError("a probe's token is 32 hex digits")
    return _Probe(bucket, f"probe/{token}/", rounds, racers, brief).run()


def refuse_unsafe(report: Report) -> None:
    """Raise for a bucket that broke a promise which writers need.

    Raises:
        UnsafeBucketError: Says which promise broke first.
    """
    if report.broken:
        found = report.broken[0]
        raise UnsafeBucketError(report.url, "", f"{found.name}: {found.detail}")


def check_canary(bucket: Bucket, key: str, body: bytes) -> None:
    """Create again what must exist already; a server that allows it ignores conditions.

    Raises:
        UnsafeBucketError: The server overwrote the canary.

    Cost: one request; two where the canary had been missing and is restored.
    """
    for _ in range(2):
        try:
            bucket.put(key, body)
        except ObjectExistsError:
            return
    raise UnsafeBucketError(bucket.url, key, OVERWRITTEN)


class _Probe:
    def __init__(self, bucket: Bucket, prefix: str, rounds: int, racers: int, brief: bool) -> None:
        self.bucket, self.prefix, self.rounds, self.racers, self.brief = bucket, prefix, rounds, racers, brief
        self.made: set[str] = set()
        self.content = bytes(range(256)) * 4
        # Room for all at once: some of them wait for others.
        self.threads = ThreadPoolExecutor(_OTHERS + 2 * (racers + 1), "holdall-probe")

    def run(self) -> Report:
        with self.threads:
            try:
                self._put("first", self.content)
                found = [Finding("create", True, "an object was created"), *self._findings()]
            finally:
                self._clean()
        return Report(self.bucket.url, tuple(self._up_to_broken(found) if self.brief else found))

    def _findings(self) -> list[Finding]:
        """Try all promises side by side, but for races, which are not run where it is clear that all would win."""
        # An object of its own: what is read from it says nothing about who overwrote the first.
        second = self.threads.submit(self._put, "second", self.content)
        again = self._try("create again", lambda: self._refuses("first", self.content))
        tried = [
            again,
            self._try("create again, empty", self._refuses_empty),
            self._try("race", lambda: self._race("race", 64), after=again),
            self._try("race, empty", lambda: self._race("void", 0), after=again),
            self._try("read after write", lambda: self._reads(second)),
            self._try("range", lambda: self._ranges(second)),
            self._try("suffix", lambda: self._suffixes(second)),
            self._try("list after write", self._lists),
            self._try("list order and limit", self._order),
            self._try("missing object", self._missing),
            self._try("delete", self._delete, needed=False),
        ]
        return [found for future in tried if (found := future.result())]

    @staticmethod
    def _up_to_broken(findings: Iterable[Finding]) -> Iterator[Finding]:
        for found in findings:
            yield found
            if found.needed and not found.ok:
                break

    def _try(
        self, name: str, ask: Check, *, needed: bool = True, after: Future[Finding | None] | None = None
    ) -> Future[Finding | None]:
        """Begin to try a promise; None comes of it where the one that it comes after is broken, and that is enough."""

        def find() -> Finding | None:
            before = after.result() if after else None
            return None if self.brief and before and not before.ok else _finding(name, ask, needed=needed)

        return self.threads.submit(find)

    def _together(self, task: Callable[[T], S], items: Iterable[T]) -> list[S]:
        """Do something for all items, side by side; return the results in order, or raise the first error."""
        return list(self.threads.map(task, items))

    def _put(self, name: str, data: bytes) -> None:
        self.made.add(name)
        self.bucket.put(self.prefix + name, data)

    def _refuses(self, name: str, content: bytes) -> tuple[bool, str]:
        try:
            self._put(name, b"another")
        except ObjectExistsError:
            if self.bucket.get(self.prefix + name) == content:
                return True, "a second create is refused and changes nothing"
            return False, "a second create was refused, and yet replaced the content"
        return False, OVERWRITTEN

    def _refuses_empty(self) -> tuple[bool, str]:
        self._put("empty", b"")
        return self._refuses("empty", b"")

    def _race(self, name: str, size: int) -> tuple[bool, str]:
        for n in range(self.rounds):
            winners, odd = self._one_race(f"{name}-{n}", size)
            if odd is not None:
                return False, f"a racer got {type(odd).__name__}: {odd}"
            if len(winners) != 1:
                many = f"{len(winners)} of {self.racers} racers were told that they created the object"
                return False, f"{many}: {OVERWRITTEN}" if winners else many
            held = self.bucket.get(f"{self.prefix}{name}-{n}")
            if held != _racer(winners[0], size):
                return False, "the object does not hold the winner's bytes"
        return True, f"{self.rounds} x {self.racers} racers, one winner each"

    def _one_race(self, name: str, size: int) -> tuple[list[int], StorageError | None]:
        start = threading.Barrier(self.racers)

        def run(n: int) -> tuple[int | None, StorageError | None]:
            start.wait(60)
            try:
                self._put(name, _racer(n, size))
            except ObjectExistsError:
                return None, None
            except StorageError as error:
                return None, error
            return n, None

        try:
            ended = self._together(run, range(self.racers))
        except BaseException:
            start.abort()  # where a limit refuses a thread, those that wait for it would wait on
            raise
        winners = [winner for winner, _ in ended if winner is not None]
        return winners, next((odd for _, odd in ended if odd), None)

    def _reads(self, second: Future[None]) -> tuple[bool, str]:
        second.result()
        ok = self.bucket.get(self.prefix + "second") == self.content
        return ok, "what was written is read" if ok else "other bytes came back than were written"

    def _ranges(self, second: Future[None]) -> tuple[bool, str]:
        second.result()
        asked = ((0, 1), (100, 300), (1023, 1024))
        found = self._together(lambda span: self.bucket.get_range(self.prefix + "second", *span), asked)
        for (start, stop), data in zip(asked, found, strict=True):
            if data != self.content[start:stop]:
                return False, f"asked for the bytes {start} to {stop}, got others"
        return True, "ranges have the right bytes and length"

    def _suffixes(self, second: Future[None]) -> tuple[bool, str]:
        second.result()
        asked = (1, 100, 5000)
        found = self._together(lambda length: self.bucket.get_range(self.prefix + "second", -length), asked)
        for length, data in zip(asked, found, strict=True):
            if data != self.content[-length:]:
                return False, f"asked for the last {length} bytes, got others"
        return True, "suffixes have the right bytes and length"

    def _lists(self) -> tuple[bool, str]:
        self._put("list", b"x")
        keys = {info.key for info in self.bucket.list(self.prefix)}
        ok = {self.prefix + "list", self.prefix + "first"} <= keys
        return ok, "a new object is listed at once" if ok else "a new object is not listed at once"

    def _order(self) -> tuple[bool, str]:
        names = ["b", "a", "c", "a-b", "a0"]
        self._together(lambda name: self._put(f"order-{name}", name.encode()), names)
        wanted = [f"{self.prefix}order-{name}" for name in sorted(names)]
        every, some = self._together(self._listed, (None, 2))
        if every != wanted:
            return False, "keys do not come in ascending order"
        if some != wanted[:2]:
            return False, "a limit of 2 does not give the first two keys"
        return True, "ascending, and a limit gives the first"

    def _listed(self, limit: int | None) -> list[str]:
        return [info.key for info in self.bucket.list(self.prefix + "order-", limit=limit)]

    def _missing(self) -> tuple[bool, str]:
        try:
            self.bucket.get(self.prefix + "missing")
        except ObjectNotFoundError:
            return True, "it is told apart from a failure"
        return False, "something came back for an object that does not exist"

    def _delete(self) -> tuple[bool, str]:
        self._put("gone", b"x")
        self.bucket.delete(self.prefix + "gone")
        self.bucket.delete(self.prefix + "gone")
        try:
            self.bucket.get(self.prefix + "gone")
        except ObjectNotFoundError:
            self.made.discard("gone")
            return True, "an object was removed, and removing it again is no error"
        return False, "an object is still there after it was deleted"

    def _clean(self) -> None:
        self._together(self._remove, sorted(self.made))

    def _remove(self, name: str) -> None:
        with suppress(StorageError):
            self.bucket.delete(self.prefix + name)


def _finding(name: str, ask: Check, *, needed: bool) -> Finding:
    try:
        ok, detail = ask()
    except UnsafeBucketError as error:
        ok, detail = False, error.reason
    except StorageError as error:
        ok, detail = False, f"{type(error).__name__}: {error}"
    return Finding(name, ok, detail, needed)


def _racer(n: int, size: int) -> bytes:
    return bytes([n % 256]) * size
