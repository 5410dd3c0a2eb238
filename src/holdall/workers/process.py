"""A worker process: does what its parent calls, and ends with it.

It is a fresh interpreter that has imported this module and what the functions
need that it was given. One thread reads the pipe; calls are done one after the
other in the main thread, in which a cancelled one gets a KeyboardInterrupt, so
that it cleans up as it would in a process of its own.

When the pipe ends, its parent is gone or wants it gone, however that came: the
reading thread ends the process at once, in the middle of whatever is done. It
looks now and then for its parent too, since somebody else may hold the pipe's
other end: a child that the parent forked without Python's knowledge.

SIGINT is ignored. A terminal sends it to all processes in the foreground, and
it is the parent that answers: it gives up its calls, which cancels them here.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import select
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, NoReturn

from holdall.workers import failures, surroundings
from holdall.workers.frames import MAX_FRAME, BrokenFrameError, FrameWriter, read_frame
from holdall.workers.messages import Begin, Call, Cancel, End, Hello, Logged, Raised, Returned, Told

_LOOK: Final = 1.0  # seconds between two looks for the parent
_CANCEL: Final = signal.SIGUSR1
_QUIET: Final = ("OMP", "OPENBLAS", "MKL", "BLIS", "NUMEXPR")  # whose threads nobody needs here, once for each core


class _Here:
    """What this process is doing for its parent."""

    def __init__(self, answers: int) -> None:
        self.answers = FrameWriter(answers)
        self.running: int | None = None
        self.cancelled = 0  # all calls up to this one
        self.memory = 0
        self.kept: dict[Any, Any] = {}
        self.cached: dict[Any, Any] = {}
        self.releases: list[Callable[[], object]] = []


_here: _Here | None = None
_elsewhere: dict[Any, Any] = {}


def inside() -> bool:
    """Return whether this process is a worker."""
    return _here is not None


def notify(value: Any) -> None:
    """Send a value to what the parent gave as `notify` of the call that is running. It may come from any thread."""
    here = _of_this_process()
    if (running := here.running) is not None:
        here.answers.send(Told(running, value))


def kept() -> dict[Any, Any]:
    """Return a mapping whose values stay between the calls of one claim."""
    return _of_this_process().kept


def cached() -> dict[Any, Any]:
    """Return a mapping whose values stay for later claims, such as connections, while the environment is the same.

    It may be asked for in any process: code that runs in workers can be tried elsewhere.
    """
    return _here.cached if _here else _elsewhere


def at_release(release: Callable[[], object]) -> None:
    """Call something when the claim ends, whichever way; of several, the last one is called first."""
    _of_this_process().releases.append(release)


def memory() -> int:
    """Return how many bytes the work of this process may hold: its share of what all may."""
    return _of_this_process().memory


def _of_this_process() -> _Here:
    assert _here is not None, "this process is no worker"
    return _here


# --- the main loop ------------------------------------------------------------


def main(calls: int, answers: int) -> NoReturn:
    """Do what comes through one pipe and answer through the other, until the first ends."""
    global _here
    os.set_inheritable(calls, False)
    os.set_inheritable(answers, False)
    here = _here = _Here(answers)
    _take_signals(here)
    _take_streams()
    for library in _QUIET:
        os.putenv(f"{library}_NUM_THREADS", "1")
    log = logging.getLogger("holdall")
    log.addHandler(_Forwarding(here))
    log.propagate = False
    inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(calls, inbox, here), name="holdall-calls", daemon=True).start()
    here.answers.send(Hello(sys.version, sys.getfilesystemencoding()))
    while True:
        with suppress(KeyboardInterrupt):  # of a call that ended as it was cancelled
            _take(inbox.get(), here)


def _take_signals(here: _Here) -> None:
    def cancel(*_: Any) -> None:
        if here.running is not None and here.running <= here.cancelled:
            raise KeyboardInterrupt

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(_CANCEL, cancel)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])  # the thread that started it may have blocked some


def _take_streams() -> None:
    """Keep files from getting the numbers of the standard streams: a library that complains would write into them."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    while nowhere <= 2:
        nowhere = os.dup(nowhere)
    os.close(nowhere)


def _read(calls: int, inbox: queue.SimpleQueue[Any], here: _Here) -> None:
    parent = os.getppid()
    try:
        while _comes(calls, parent) and (frame := read_frame(calls)) is not None:
            message = pickle.loads(frame)
            if isinstance(message, Cancel):
                here.cancelled = message.number
                signal.pthread_kill(threading.main_thread().ident or 0, _CANCEL)
            else:
                inbox.put(message)
    except (OSError, BrokenFrameError):
        pass
    finally:
        os._exit(0)


def _comes(calls: int, parent: int) -> bool:
    """Wait until something comes; return whether the parent is there still."""
    waiting = select.poll()
    waiting.register(calls, select.POLLIN)
    while not waiting.poll(_LOOK * 1000):
        if os.getppid() != parent:
            return False
    return True


def _take(message: Any, here: _Here) -> None:
    match message:
        case Call():
            _answer(message, here)
        case Begin():
            _begin(message, here)
        case End():
            _release(here)


def _begin(message: Begin, here: _Here) -> None:
    here.memory = message.memory
    surroundings.take_level(message.level)
    surroundings.take_folder(message.folder)
    if message.environment is not None:
        surroundings.take_environment(message.environment)
        here.cached = {}


def _answer(call: Call, here: _Here) -> None:
    """Do a call and send what came of it; what cannot be sent is a failure too."""
    try:
        answer = pickle.dumps(Returned(call.number, _do(call, here)), protocol=5)
        if len(answer) > MAX_FRAME:
            raise ValueError(f"a worker returned {len(answer)} bytes, and {MAX_FRAME} may travel")
    except BaseException as error:
        here.running = None
        answer = pickle.dumps(Raised(call.number, failures.pack(error)))
    try:
        here.answers.send_pickled(answer)
    except OSError:  # nobody listens any more
        os._exit(0)


def _do(call: Call, here: _Here) -> Any:
    try:
        here.running = call.number
        if call.number <= here.cancelled:
            raise KeyboardInterrupt
        function, arguments = pickle.loads(call.pickled)
        return function(*arguments)
    finally:
        here.running = None


def _release(here: _Here) -> None:
    releases, here.releases, here.kept = here.releases, [], {}
    for release in reversed(releases):
        try:
            release()
        except Exception:
            logging.getLogger("holdall").warning("a worker could not let go what it held", exc_info=True)


class _Forwarding(logging.Handler):
    """Sends the lines of the log to the parent, whose log they belong in."""

    def __init__(self, here: _Here) -> None:
        super().__init__()
        self._here = here

    def emit(self, record: logging.LogRecord) -> None:
        """Send a line; where the parent is gone, nobody misses it."""
        with suppress(OSError):
            self._here.answers.send(Logged(record.name, record.levelno, self.format(record)))
