"""What can this bucket do?

A server that ignores `If-None-Match` answers 200 to everyone who creates the
same object: sixteen of sixteen racers "won" against one that people use. No
error ever shows; two runs' logs just become one. So what a store depends on
is tried before anything is trusted to it, and tried again, cheaply, with one
object (the canary) whenever a store is opened for writing.

The probe writes only below `probe/<token>/` and removes what it made, also
when it fails. It asks, and judges nothing: `refuse_unsafe` does.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from holdall.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    StorageError,
    UnsafeBucketError,
)
from holdall.storage.bucket import Bucket
from holdall.storage.canary import OVERWRITTEN

_TOKEN = re.compile(r"[0-9a-f]{32}")


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
        brief: Whether the first promise that writers need and that is broken ends it.

    Raises:
        ValueError: The token is not 32 hex digits.
        AccessDeniedError: Not even one object may be created here.
        StorageError: Not even one object could be created here.

    Cost: about 40 + 2 * rounds * (racers + 4) requests.
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
        self.findings: list[Finding] = []

    def run(self) -> Report:
        content = bytes(range(256)) * 4
        try:
            self._put("first", content)
            self.findings.append(Finding("create", True, "an object was created"))
            self._try("create again", lambda: self._refuses("first", content))
            self._try("create again, empty", self._refuses_empty)
            self._try("race", lambda: self._race("race", 64))
            self._try("race, empty", lambda: self._race("void", 0))
            # An object of its own: what follows says nothing about who overwrote the first.
            self._try("read after write", lambda: self._reads("second", content))
            self._try("range", lambda: self._ranges(content))
            self._try("suffix", lambda: self._suffixes(content))
            self._try("list after write", self._lists)
            self._try("list order and limit", self._order)
            self._try("missing object", self._missing)
            self._try("delete", self._delete, needed=False)
        finally:
            self._clean()
        return Report(self.bucket.url, tuple(self.findings))

    def _try(self, name: str, ask: Callable[[], tuple[bool, str]], *, needed: bool = True) -> None:
        if self.brief and Report("", tuple(self.findings)).broken:
            return
        try:
            ok, detail = ask()
        except UnsafeBucketError as error:
            ok, detail = False, error.reason
        except StorageError as error:
            ok, detail = False, f"{type(error).__name__}: {error}"
        self.findings.append(Finding(name, ok, detail, needed))

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
        winners: list[int] = []
        odd: list[StorageError] = []
        start = threading.Barrier(self.racers)

        def run(n: int) -> None:
            start.wait(60)
            try:
                self._put(name, _racer(n, size))
                winners.append(n)
            except ObjectExistsError:
                return
            except StorageError as error:
                odd.append(error)

        threads = [threading.Thread(target=run, args=(n,), daemon=True) for n in range(self.racers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return winners, (odd[0] if odd else None)

    def _reads(self, name: str, content: bytes) -> tuple[bool, str]:
        self._put(name, content)
        ok = self.bucket.get(self.prefix + name) == content
        return ok, "what was written is read" if ok else "other bytes came back than were written"

    def _ranges(self, content: bytes) -> tuple[bool, str]:
        for start, stop in ((0, 1), (100, 300), (1023, 1024)):
            if self.bucket.get_range(self.prefix + "second", start, stop) != content[start:stop]:
                return False, f"asked for the bytes {start} to {stop}, got others"
        return True, "ranges have the right bytes and length"

    def _suffixes(self, content: bytes) -> tuple[bool, str]:
        for length in (1, 100, 5000):
            if self.bucket.get_range(self.prefix + "second", -length) != content[-length:]:
                return False, f"asked for the last {length} bytes, got others"
        return True, "suffixes have the right bytes and length"

    def _lists(self) -> tuple[bool, str]:
        self._put("list", b"x")
        keys = {info.key for info in self.bucket.list(self.prefix)}
        ok = {self.prefix + "list", self.prefix + "first"} <= keys
        return ok, "a new object is listed at once" if ok else "a new object is not listed at once"

    def _order(self) -> tuple[bool, str]:
        names = ["b", "a", "c", "a-b", "a0"]
        for name in names:
            self._put(f"order-{name}", name.encode())
        wanted = [f"{self.prefix}order-{name}" for name in sorted(names)]
        if [info.key for info in self.bucket.list(self.prefix + "order-")] != wanted:
            return False, "keys do not come in ascending order"
        if [info.key for info in self.bucket.list(self.prefix + "order-", limit=2)] != wanted[:2]:
            return False, "a limit of 2 does not give the first two keys"
        return True, "ascending, and a limit gives the first"

    def _missing(self) -> tuple[bool, str]:
        try:
            self.bucket.get(self.prefix + "missing")
        except ObjectNotFoundError:
            return True, "it is told apart from a failure"
        return False, "something came back for an object that does not exist"

    def _delete(self) -> tuple[bool, str]:
        self.bucket.delete(self.prefix + "list")
        self.bucket.delete(self.prefix + "list")
        try:
            self.bucket.get(self.prefix + "list")
        except ObjectNotFoundError:
            return True, "an object was removed, and removing it again is no error"
        return False, "an object is still there after it was deleted"

    def _clean(self) -> None:
        for name in sorted(self.made):
            with suppress(StorageError):
                self.bucket.delete(self.prefix + name)


def _racer(n: int, size: int) -> bytes:
    return bytes([n % 256]) * size
