"""A deterministic scheduler: each request of each actor to a bucket waits for its turn.

An actor is a thread that talks to the bucket. Only one runs at a time, from one request to the next, so what happens
depends on the order of turns alone. An actor may be killed at any request. Who is no actor is served at once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

from tests.support.faulty import Crash

from holdall.errors import TransientStorageError
from holdall.storage.bucket import Bytes, ObjectInfo
from holdall.storage.memory import MemoryBucket

T = TypeVar("T")
_PATIENCE: Final = 120.0  # seconds, for what never takes one


class Request(NamedTuple):
    """What an actor asks for. Attributes: verb, key (or prefix), data (of a put)."""

    verb: str
    key: str
    data: bytes = b""


class Schedule:
    """Actors, and whose turn it is."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._pending: dict[str, Request] = {}
        self._turn = ""
        self._killed: set[str] = set()
        self._threads: dict[str, threading.Thread] = {}
        self.failures: dict[str, BaseException] = {}
        self.unanswered: set[str] = set()  # actors whose next GET below gc/ fails

    def add(self, name: str, program: Callable[[], object]) -> None:
        """Begin an actor, as far as its first request."""

        def run() -> None:
            try:
                program()
            except Crash:
                pass
            except BaseException as error:
                self.failures[name] = error
            with self._changed:
                del self._threads[name]
                self._turn = ""
                self._changed.notify_all()

        self._threads[name] = threading.Thread(target=run, name=name, daemon=True)
        with self._changed:
            self._turn = name
            self._threads[name].start()
            self._wait()

    @property
    def names(self) -> list[str]:
        """The actors that have not ended."""
        return sorted(self._threads)

    def pending(self, name: str) -> Request | None:
        """What an actor waits to ask for; None if it has ended."""
        return self._pending.get(name)

    def step(self, name: str) -> Request | None:
        """Let an actor's request happen, and the actor go on to its next. Returns the request; None if it has ended."""
        with self._changed:
            request = self._pending.pop(name, None)
            if request is not None:
                self._turn = name
                self._changed.notify_all()
                self._wait()
            return request

    def kill(self, name: str) -> None:
        """End an actor at the request that it waits for, which does not happen."""
        self._killed.add(name)
        self.step(name)

    def asked(self, request: Request) -> None:
        """Wait until it is this thread's turn, if it is an actor."""
        name = threading.current_thread().name
        with self._changed:
            if name not in self._threads:
                return
            self._pending[name], self._turn = request, ""
            self._changed.notify_all()
            while self._turn != name:
                self._changed.wait()
        if name in self._killed:
            raise Crash
        if name in self.unanswered and request.verb == "get" and request.key.startswith("gc/"):
            self.unanswered.discard(name)
            raise TransientStorageError("memory://schedule", request.key, "a fault, on purpose")

    def _wait(self) -> None:
        if not self._changed.wait_for(lambda: not self._turn, _PATIENCE):
            raise AssertionError(f"{self._turn} waits for something that is no request")


class TurnLock:
    """A reentrant lock for actors: who waits for it looks again at each of its turns. It is held across requests."""

    def __init__(self, schedule: Schedule) -> None:
        self._schedule, self._owner, self._depth = schedule, "", 0

    def __enter__(self) -> TurnLock:
        me = threading.current_thread().name
        while self._owner not in ("", me):
            self._schedule.asked(Request("lock", self._owner))
        self._owner, self._depth = me, self._depth + 1
        return self

    def __exit__(self, *_: object) -> None:
        self._depth -= 1
        if not self._depth:
            self._owner = ""


class ScheduledBucket:
    """A memory bucket whose every request waits for its turn."""

    def __init__(self, inner: MemoryBucket, schedule: Schedule) -> None:
        self.inner, self._schedule = inner, schedule

    @property
    def url(self) -> str:
        return self.inner.url

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        self._schedule.asked(Request("get", key))
        return self.inner.get(key, limit=limit)

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        self._schedule.asked(Request("get_range", key))
        return self.inner.get_range(key, start, stop)

    def put(self, key: str, data: Bytes) -> None:
        self._schedule.asked(Request("put", key, bytes(data)))
        self.inner.put(key, data)

    def delete(self, key: str) -> None:
        self._schedule.asked(Request("delete", key))
        self.inner.delete(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        for key in keys:
            self.delete(key)

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        self._schedule.asked(Request("list", prefix))
        return iter([*self.inner.list(prefix, limit=limit)])
