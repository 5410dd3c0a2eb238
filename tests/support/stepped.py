"""Work that goes on one request at a time, as its tester says: in a thread that waits before each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

from tests.support.faulty import Crash, FaultyBucket

from holdall.engines.mapping import Engine
from holdall.storage.bucket import Bucket

S = TypeVar("S")
T = TypeVar("T")


class AtOnce(Engine):
    """An engine that does each shard at once, in the caller's thread."""

    name, distant = "at once", False

    def __init__(self) -> None:
        super().__init__(1)

    def _submit(self, function: Callable[[S], T], shard: S) -> T:
        return function(shard)

    def _result(self, handle: T) -> T:
        return handle

    def _drop(self, handle: object) -> None:
        pass


class Stepped:
    """Work over a bucket, which stops before each request until `step` lets it go on.

    Attributes:
        done: Whether it came to its end, or was killed.
        error: What it failed with.
        next: The request that it is about to send, a verb and a key.
    """

    def __init__(self, bucket: Bucket, work: Callable[[Bucket], object]) -> None:
        self.done = self._dead = False
        self.error: BaseException | None = None
        self.next = ("", "")
        self._go, self._waits = threading.Semaphore(0), threading.Semaphore(0)
        seen = FaultyBucket(bucket, on=self._pause)
        self._thread = threading.Thread(target=self._run, args=[work, seen], daemon=True)
        self._thread.start()
        self._waits.acquire()

    def _run(self, work: Callable[[Bucket], object], bucket: Bucket) -> None:
        try:
            work(bucket)
        except Crash:
            pass
        except BaseException as error:
            self.error = error
        finally:
            self.done = True
            self._waits.release()

    def _pause(self, number: int, moment: str, verb: str, key: str) -> None:
        if moment == "before":
            if not self._dead:
                self.next = (verb, key)
                self._waits.release()
                self._go.acquire()
            if self._dead:
                raise Crash

    def step(self, requests: int = 1) -> None:
        """Let it send so many requests, or as many as are left."""
        for _ in range(requests):
            if self.done:
                break
            self._go.release()
            self._waits.acquire()
        if self.error:
            raise self.error

    def until(self, reached: Callable[[str, str], bool]) -> None:
        """Let it come to a request of which this is true, or to its end."""
        while not self.done and not reached(*self.next):
            self.step()
        self.step(0)

    def finish(self) -> None:
        """Let it come to its end."""
        self.until(lambda verb, key: False)

    def kill(self) -> None:
        """Let it die before its next request."""
        if not self.done:
            self._dead = True
            self._go.release()
            self._thread.join(30)
