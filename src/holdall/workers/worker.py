"""A worker process as its parent sees it: calls go in, futures come back.

A thread reads what the worker sends, since it may send word at any time; it
also sees the end of the pipe, which is how a worker's death is noticed: then
every call that is out fails, and the thread waits for the process so that no
zombie stays.
"""

from __future__ import annotations

import atexit
import logging
import os
import pickle
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from itertools import count
from typing import Any, Final, TypeVar

from holdall.errors import WorkerDiedError
from holdall.workers import failures, starting, surroundings
from holdall.workers.frames import BrokenFrameError, FrameWriter, read_frame
from holdall.workers.messages import Begin, Call, Cancel, End, Hello, Logged, Raised, Returned, Told

T = TypeVar("T")
_ENDING: Final = 5.0  # seconds that a process may take to end once its pipe has
_LEAVING: Final = 1.0  # and that this process waits for them at its own end
_alive: set[Worker] = set()  # workers of this process


def _forget_in_child() -> None:
    """Close the pipes in a forked child: a worker must see its parent's end, and the child gets workers of its own."""
    while _alive:
        _alive.pop().forget()


os.register_at_fork(after_in_child=_forget_in_child)


@atexit.register
def _dismiss_all() -> None:
    """Let all workers of this process end, and wait a moment for that."""
    leaving, until = list(_alive), time.monotonic() + _LEAVING
    for worker in leaving:
        worker.dismiss()
    for worker in leaving:
        worker.join(max(0.0, until - time.monotonic()))


class _Out:
    """A call that has no answer yet."""

    def __init__(self, notify: Callable[[Any], object] | None) -> None:
        self.future: Future[Any] = Future()
        self.future.set_running_or_notify_cancel()  # it is done soon, and cannot be taken back
        self.notify = notify


class Worker:
    """A process that does calls, one after the other. Made by `Crew.claim`.

    Attributes:
        pid: Its process id.
        memory: Bytes that its work may hold.
        ready: Done when it can be given work; fails if it never can.
    """

    def __init__(self, on_idle: Callable[[Worker], bool], look: float) -> None:
        self._environment = surroundings.environment()
        started = starting.start()
        self._process, self._answers = started.process, started.answers
        self._calls = FrameWriter(started.calls)
        self.pid: int = started.process.pid
        self.memory = 0
        self.ready: Future[None] = Future()
        self._numbers = count(1)
        self._number = 0
        self._out: dict[int, _Out] = {}
        self._lost: str | None = None
        self._on_idle, self._look = on_idle, look
        self._thread = threading.Thread(target=self._read, name=f"holdall-worker-{self.pid}", daemon=True)
        _alive.add(self)
        try:
            starting.greet(started.calls)
            self._thread.start()
        except BaseException:  # no more threads, say
            self.kill()
            self._end("it could not be listened to")
            raise

    @property
    def lost(self) -> bool:
        """Return whether the process has ended, or is about to."""
        return self._lost is not None or self._calls.closed

    @property
    def busy(self) -> bool:
        """Return whether a call has no answer yet."""
        return bool(self._out)

    def call(
        self, function: Callable[..., T], /, *args: object, notify: Callable[[Any], object] | None = None
    ) -> Future[T]:
        """Call a function there, after all that was called before.

        Args:
            function: Found by its module and name; not one of `__main__`.
            args: Picklable, as what it returns is.
            notify: Is called, in another thread, with each value that the function gives to `process.notify`; if it
                raises, the call fails with that.

        Returns:
            What it returns, later. Its failure is the exception that was raised there, with its causes and attributes;
            WorkerDiedError if the process died.

        Raises:
            ValueError: The arguments are too large to travel.
            Exception: They cannot be pickled.
        """
        pickled = pickle.dumps((function, args), protocol=5)
        out = _Out(notify)
        self._number = number = next(self._numbers)
        self._out[number] = out
        try:
            self._send(Call(number, pickled))
        except BaseException:
            self._out.pop(number, None)
            raise
        if self._lost is not None:  # and nobody may look at this call any more
            self._fail_all()
        return out.future

    def begin(self, memory: int) -> None:
        """Begin a claim, with so many bytes to work with."""
        self.memory = memory
        now = surroundings.environment()
        changed = now if now != self._environment else None
        self._environment = now
        self._send(Begin(memory, surroundings.folder(), surroundings.level(), changed))

    def end(self) -> None:
        """End the claim: what was kept for it is let go."""
        self._send(End())

    def cancel(self) -> None:
        """Give up all calls so far; each ends with a KeyboardInterrupt there, soon."""
        self._send(Cancel(self._number))

    def settle(self, patience: float) -> bool:
        """Wait until all calls have ended, and return whether they have."""
        for out in list(self._out.values()):
            try:
                out.future.exception(patience)
            except TimeoutError:
                return False
        return True

    def dismiss(self) -> None:
        """Let the process end, at once, whatever it does: it sees the end of the pipe."""
        _close(self._calls.close())

    def kill(self) -> None:
        """End the process, also one that does not look."""
        self._process.kill()  # first: a thread that writes to it would keep the pipe from being closed
        self.dismiss()

    def join(self, patience: float) -> None:
        """Wait until the process has ended and every call has failed."""
        if self._thread.is_alive():
            self._thread.join(patience)

    def forget(self) -> None:
        """Leave the process to the one that this one was forked from. Takes no lock: nobody may be left to free it."""
        self._lost = "it belongs to the process that this one was forked from"
        for descriptor in (self._calls.abandon(), self._answers):
            _close(descriptor)
        self._answers = -1
        self._process.returncode = 0  # else it is missed as a child of this process

    # --- the reading thread ---

    def _send(self, message: Any) -> None:
        """Send a message; to a process that has died it is as good as sent, since the reading thread tells of that."""
        with suppress(OSError):
            self._calls.send(message)

    def _read(self) -> None:
        reason = ""
        try:
            while self._waited() and (frame := read_frame(self._answers)) is not None:
                self._take(pickle.loads(frame))
        except Exception as error:  # what it sends cannot be understood
            reason = f"{type(error).__name__}: {error}"
        self._end(reason)

    def _waited(self) -> bool:
        """Wait until something comes; return False if it was idle for so long that it is let go."""
        waiting = select.poll()
        waiting.register(self._answers, select.POLLIN)
        while not waiting.poll(self._look * 1000):
            if self._on_idle(self):
                return False
        return True

    def _take(self, message: Any) -> None:
        match message:
            case Told():
                self._tell(message)
            case Returned():
                if out := self._out.pop(message.number, None):
                    out.future.set_result(message.value)
            case Raised():
                if out := self._out.pop(message.number, None):
                    out.future.set_exception(failures.unpack(message.failure))
            case Logged():
                logging.getLogger(message.logger).log(message.level, "%s", message.text)
            case Hello():
                self._hear(message)

    def _hear(self, hello: Hello) -> None:
        if (hello.python, hello.encoding) != (sys.version, sys.getfilesystemencoding()):
            raise BrokenFrameError(f"{sys.executable} is another Python: {hello.python}, {hello.encoding}")
        self.ready.set_result(None)

    def _tell(self, told: Told) -> None:
        out = self._out.get(told.number)
        if out and out.notify:
            try:
                out.notify(told.value)
            except BaseException as error:
                self._out.pop(told.number, None)
                out.future.set_exception(error)
                self._send(Cancel(told.number))

    def _end(self, reason: str) -> None:
        if reason:
            self.kill()
        self.dismiss()
        answers, self._answers = self._answers, -1
        _close(answers)
        ending = _ending(self._reap())
        self._lost = reason or ending
        _alive.discard(self)
        self._fail_all()

    def _reap(self) -> int | None:
        """Return the exit code; None if somebody else has waited for the process."""
        from subprocess import TimeoutExpired

        try:
            return self._process.wait(_ENDING)
        except TimeoutExpired:
            self._process.kill()
            return self._process.wait()

    def _fail_all(self) -> None:
        reason = self._lost or "it was sent away"
        if not self.ready.done():
            self.ready.set_exception(WorkerDiedError(self.pid, reason))
        while self._out:
            with suppress(KeyError):  # another thread does the same
                self._out.popitem()[1].future.set_exception(WorkerDiedError(self.pid, reason))


def _close(descriptor: int) -> None:
    if descriptor >= 0:
        with suppress(OSError):
            os.close(descriptor)


def _ending(code: int | None) -> str:
    if code is None or code >= 0:
        return f"it ended with exit code {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    return f"{name} ended it" + (", as the system does when memory runs out" if name == "SIGKILL" else "")
