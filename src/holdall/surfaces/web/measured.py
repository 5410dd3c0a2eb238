"""What takes long to measure: measured once at a time, behind the page that asked, and kept with its time.

Whoever asks again while it goes on waits for the same answer, so that no number of pages makes the bucket be read
more than once at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from holdall.errors import HoldallError

PATIENCE: Final = 1.5  # seconds that a page waits for an answer before it says that it is not there yet
AGAIN: Final = 5.0  # seconds after which it may be measured anew


@dataclass(frozen=True, slots=True)
class Measured:
    """An answer.

    Attributes:
        value: What was measured; None if that failed, or goes on.
        said: What went wrong.
        at: When it began, in ms since 1970 UTC by this machine's clock.
        took: How many seconds it took; until now, while it goes on.
        going: Whether it goes on.
    """

    value: Any
    said: str
    at: int
    took: float
    going: bool


@dataclass(slots=True)
class _Job:
    at: int
    began: float
    ended: float | None = None
    value: Any = None
    said: str = ""
    done: threading.Event = field(default_factory=threading.Event)

    def told(self) -> Measured:
        going = self.ended is None
        until = time.monotonic() if self.ended is None else self.ended
        return Measured(self.value, self.said, self.at, until - self.began, going)


@dataclass(slots=True)
class Measurements:
    """The newest answer of each kind. Threads may share it."""

    _jobs: dict[str, _Job] = field(default_factory=dict)
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def known(self, name: str) -> Measured | None:
        """Return the newest answer, or that it goes on; None if nobody asked yet."""
        job = self._jobs.get(name)
        return job.told() if job else None

    def ask(self, name: str, measure: Callable[[], Any], *, patience: float = PATIENCE) -> Measured:
        """Have it measured, unless that goes on or was done just now; wait a moment for the answer."""
        with self._turn:
            job = self._jobs.get(name)
            if job is None or (job.ended is not None and time.monotonic() - job.ended > AGAIN):
                job = self._jobs[name] = _Job(time.time_ns() // 1_000_000, time.monotonic())
                threading.Thread(target=_do, args=(job, measure), name=f"holdall-{name}", daemon=True).start()
        job.done.wait(patience)
        return job.told()


def _do(job: _Job, measure: Callable[[], Any]) -> None:
    try:
        job.value = measure()
    except HoldallError as error:
        job.said = str(error)
    except Exception as error:  # or whoever waits would wait for ever
        job.said = f"This is a fault of holdall: {type(error).__name__}: {error}"
    finally:
        job.ended = time.monotonic()
        job.done.set()
