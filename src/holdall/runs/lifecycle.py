"""The life of a run in this process: started or resumed, written to through a session, ended.

A run is a handle that any process may hold. It survives pickling and fork;
writing through it in another process opens a session of that process's own.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from copy import deepcopy
from types import TracebackType
from typing import Any, ParamSpec, Self

from holdall.chunks.pool import LogFuture, SerialExecutor
from holdall.display import Facts, Shown
from holdall.errors import DamageError, RunEndedError, RunNotFoundError, RunNotVersionedError
from holdall.format.document import Json
from holdall.format.layout import run_log
from holdall.format.state import State
from holdall.runs.arguments import named_values
from holdall.runs.metrics import status_op, tag_op
from holdall.runs.reading import RunReader
from holdall.runs.record import RunInfo, RunRecord, run_record
from holdall.runs.times import ENDED, time_tag
from holdall.trees.location import Location
from holdall.trees.session import Draft, Session
from holdall.trees.view import View

P = ParamSpec("P")
_log = logging.getLogger("holdall")


class _Hold:
    """What one process holds for a run: its session and its background thread. A forked child gets its own."""

    def __init__(self) -> None:
        self.opening = threading.Lock()
        self.companions: list[Callable[[], object]] = []  # stop what runs beside the run
        self.last_words: Callable[[Session], list[Json]] | None = None  # what else the entry says that ends the run
        self.session: Session | None = None
        self.lane: SerialExecutor | None = None


class RunLifecycle(RunReader, Shown):
    """A run of a store, as this process writes to it and ends it.

    A `with` block ends it, if this process writes to it: FINISHED, FAILED by an exception, KILLED by an interrupt.
    """

    _on_exit: Callable[[type[BaseException] | None], None] | None = None  # instead of ending it

    def __init__(self, location: Location, id: str) -> None:
        super().__init__(location, id)
        self._holds: dict[int, _Hold] = {}  # by process id
        self._first: Self | None = None  # the handle that others get, which lives as long as this
        self._pid = os.getpid()  # of the process that made the handle: a copy of it elsewhere ends no run by leaving

    def _shown(self) -> Facts:
        known = self._known
        return {**(known._shown() if known else {"run_id": self.id}), "store": self._location.bucket.url}

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self._location, "id": self.id, "pid": self._pid}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["location"], state["id"])  # type: ignore[misc]  # a handle is its two facts
        self._pid = state["pid"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._pid != os.getpid():  # a forked child that leaves the block ends nothing
            return
        if self._on_exit:
            self._on_exit(kind)
        elif self._is_open or self._hold.lane:  # a run that was only read in the block, or ended in it, stays as it is
            self.finish("FINISHED" if kind is None else "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED")

    @property
    def info(self) -> RunInfo:
        """Return who the run is and how it stands, as far as this process knows; `record` also knows what others did.

        Cost: none where this process writes to the run, or did; else as `record`.
        """
        known = self._known
        return known.info if known else super().info

    @property
    def _known(self) -> RunRecord | None:
        """Return the run as this process knows it, or the one that it was forked from; None if it never wrote to it."""
        sessions = [hold.session for hold in self._holds.values() if hold.session]
        return run_record(self.id, sessions[-1].view.state) if sessions else None

    def flush(self) -> None:
        """Write the buffered parameters, measurements and tags. Cost: one PUT, if any do.

        Example:
            >>> run.log_metrics({"loss": 0.1}, step=2)
            >>> run.flush()
            >>> store.runs.get(run.id).data.metrics
            {'loss': 0.1}
        """
        if self._is_open and (session := self._hold.session):
            with suppress(RunEndedError):  # then its last entry took them along
                session.flush()

    def finish(self, status: str = "FINISHED", *, end_time: int | None = None) -> None:
        """End the run. Its last entry carries all there is to know, so that it is read in two requests.

        Args:
            status: `FINISHED`, `FAILED` or `KILLED`.
            end_time: Milliseconds since 1970 UTC, where the run ended at another time; now when None.

        Raises:
            InvalidNameError: It is no status, or no time; the run goes on.
            SigningKeyError, MissingLibraryError: It could not be signed, as was asked for; it ended all the same.
            Exception: What failed in the background; the run is then FAILED.

        Example:
            >>> run.finish("FAILED")
            >>> run.info.status
            'FAILED'
        """
        status_op(status)  # before anything is waited for
        ended: dict[str, Any] = {} if end_time is None else time_tag(ENDED, "end_time", end_time)
        self._stop_companions()
        error = self._drain()
        outcome = "FAILED" if error and status == "FINISHED" else status
        session = self._writing()
        if not ended and ENDED in session.view.state.tags:
            ended = {ENDED: None}  # of an earlier end
        said, failed, last_words = [status_op(outcome), *tag_ops(ended)], list[Exception](), self._hold.last_words

        def last() -> list[Json]:
            try:
                return [*said, *(last_words(session) if last_words else ())]
            except Exception as failure:  # the run ends all the same
                failed[:] = [failure]
                return said

        session.close(last, final=True)
        if error := error or next(iter(failed), None):
            raise error

    def _before_end(self, stop: Callable[[], object]) -> None:
        """Register a function to be called before this process ends the run. Its failure is logged only."""
        self._hold.companions.append(stop)

    def _stop_companions(self) -> None:
        """Stop what runs beside the run in this process."""
        while self._hold.companions:
            try:
                self._hold.companions.pop()()
            except Exception as error:  # the run ends whatever becomes of what runs beside it
                _log.warning("something that ran beside run %s did not stop: %s", self.id, error)

    def later(self, work: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> LogFuture:
        """Call one of this run's verbs in the background: in order, and at the latest when the run is finished.

        Args:
            work: The verb, such as `run.log_text`.
            args: What it is called with, copied now: what becomes of it afterwards is not logged.
            kwargs: The same by name.

        Returns:
            A future of what the verb returns. A failure that nobody asked for is raised by `finish`.

        Example:
            >>> future = run.later(run.log_text, "done", "late.txt")
            >>> future.result().path
            'late.txt'
        """
        hold = self._hold
        with hold.opening:
            lane = hold.lane = hold.lane or SerialExecutor()
        return lane.submit(work, *map(deepcopy, args), **deepcopy(kwargs))  # type: ignore[arg-type]  # the same types

    def delete(self, tags: Mapping[str, Any] | None = None) -> None:
        """Mark the run as deleted, and tag it; `restore` takes it back for seven days at least.

        Then the next garbage collection purges it, unless a version or a deployment holds it, and frees its space.

        Example:
            >>> run.delete()
            >>> run.info.lifecycle_stage
            'deleted'
        """
        session = self._writing()
        session.close([*tag_ops(tags or {}), {"op": "tombstone"}])
        if session.view.state.purged:  # by another, a moment ago
            raise RunNotFoundError(self.id, self._location.bucket.url)

    def restore(self, tags: Mapping[str, Any] | None = None) -> None:
        """Undo the run's deletion, and set tags.

        Raises:
            RunNotFoundError: There is none with this id, or no longer: it was purged.

        Example:
            >>> run.delete()
            >>> run.restore()
            >>> run.info.lifecycle_stage
            'active'
        """
        session = Session.resume(self._location, run_log(self.id), deleted=True, opened=False)
        if session is None:
            raise RunNotFoundError(self.id, self._location.bucket.url)
        session.close([{"op": "restore"}, *tag_ops(tags or {})])
        if session.view.state.purged:  # by another, a moment ago
            raise RunNotFoundError(self.id, self._location.bucket.url)
        self._take(session)

    def _reopen(self, tags: Mapping[str, Any], *, versioned: bool = False, status: str = "RUNNING") -> None:
        """Resume the run: its status is RUNNING again, and it has these tags, for every reader and at once.

        `status`: another one that is no end.

        Raises:
            RunNotFoundError: There is none with this id.
            RunDeletedError: It was deleted.
            RunNotVersionedError: It must be `versioned`, and is not.

        Cost: one PUT, and reading the end of the log where this process does not write to it yet; once more for
            `versioned`.
        """
        if versioned and not self.state.versioned:
            raise RunNotVersionedError(self.id)
        ops, hold = [status_op(status), *tag_ops(tags)], self._hold
        with hold.opening:
            if hold.session is None or hold.session.closed:
                hold.session = Session.resume(self._location, run_log(self.id), ops, opened=False)
            else:
                hold.session.append(lambda: Draft(ops))
            if hold.session is None:
                self._location.refuse_shredded(self.id)
                raise RunNotFoundError(self.id, self._location.bucket.url)

    def _drain(self) -> BaseException | None:
        """Wait for what is done in the background, and return its first failure, or None."""
        try:
            if lane := self._hold.lane:
                lane.drain()
        except Exception as error:  # whatever went wrong there is the caller's to see
            return error
        return None

    @property
    def _seen(self) -> RunRecord:
        """Return the run as this process knows it. Cost: no request."""
        session = self._hold.session
        return run_record(self.id, session.view.state if session else State())

    @property
    def _readable_environment(self) -> dict[str, Any]:
        """Return the environment as this process knows it where it writes to the run, else as the log says now."""
        session = self._hold.session
        if session is not None and not session.closed:
            with suppress(DamageError), session.lock:
                return self._environment_in(session.view)
        return super()._readable_environment

    # --- inside ---

    @property
    def _is_open(self) -> bool:
        """Return whether this process is writing to the run."""
        session = self._hold.session
        return session is not None and not session.closed

    @property
    def _is_busy(self) -> bool:
        """Return whether this process has something of the run that another handle to it would lack."""
        session, lane = self._hold.session, self._hold.lane
        return bool(session and session.unfinished) or bool(lane and lane.busy)

    @property
    def _hold(self) -> _Hold:
        """Return what this process has of the run; all threads of a new child get the same."""
        return self._holds.setdefault(os.getpid(), _Hold())

    def _take(self, session: Session) -> None:
        """Write through a session that this process has opened."""
        session.keeps = self
        self._hold.session = session

    def _view(self, *, content: bool = False) -> View:
        """Return the run as it is now, with what this process has logged."""
        self.flush()
        return super()._view(content=content)

    def _writing(self) -> Session:
        """Return this process's open session in the run's log."""
        hold = self._hold
        with hold.opening:
            if hold.session is None or hold.session.closed:
                hold.session = Session.resume(self._location, run_log(self.id), opened=False)
            if hold.session is None:
                self._location.refuse_shredded(self.id)
                raise RunNotFoundError(self.id, self._location.bucket.url)
            hold.session.keeps = self
            return hold.session

    def _handle(self) -> Self:
        """Return another handle of this run for this process, which is left by a `with` block of its own."""
        other = type(self)(self._location, self.id)
        other._holds, other._first = self._holds, self
        return other


def tag_ops(tags: Mapping[str, Any]) -> list[Json]:
    """Return the operations that set tags, each to `str(value)`, and remove those whose value is None."""
    return [tag_op(key, value) for key, value in named_values("tags", tags).items()]
