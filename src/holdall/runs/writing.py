"""One run, written to: artifacts, parameters, measurements and tags, and its end.

It is a handle that any process may hold: it survives pickling and fork,
and writing through it in another process opens a session of that process.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ParamSpec

from holdall.chunks.pool import LogFuture, SerialExecutor
from holdall.errors import RunEndedError, RunNotFoundError, UnsupportedFileError
from holdall.format.document import Json
from holdall.format.layout import run_log
from holdall.format.state import State
from holdall.format.tree import Entry
from holdall.runs.arguments import named_values
from holdall.runs.metrics import metric_ops, param_op, status_op, tag_op
from holdall.runs.reading import RunReader, join_path
from holdall.runs.record import RunRecord, run_record
from holdall.runs.times import ENDED, time_tag
from holdall.trees.location import Location
from holdall.trees.native import named
from holdall.trees.session import Draft, Session
from holdall.trees.source import Item, bytes_item, local_items
from holdall.trees.transaction import ExtraOps, Published, Transaction
from holdall.trees.view import View

P = ParamSpec("P")
_log = logging.getLogger("holdall")


class _Hold:
    """What one process has of a run: its session and its lane. Not a forked child's: it gets its own."""

    def __init__(self) -> None:
        self.opening = threading.Lock()
        self.companions: list[Callable[[], object]] = []  # stop what runs beside the run
        self.session: Session | None = None
        self.lane: SerialExecutor | None = None


class RunWriter(RunReader):
    """A run of a store, to be written to as well.

    Attributes:
        id: 32 hex digits.
    """

    def __init__(self, location: Location, id: str) -> None:
        super().__init__(location, id)
        self._holds: dict[int, _Hold] = {}  # by process id

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} in {self._location.bucket.url}>"

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self._location, "id": self.id}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["location"], state["id"])  # type: ignore[misc]  # a handle is its two facts

    def log_artifact(self, local_path: str | os.PathLike[str], artifact_path: str | None = None) -> Entry | None:
        """Log a file, or a folder under its own name. One commit: all or nothing.

        Args:
            local_path: What to log.
            artifact_path: The directory of the run to put it in; the root when None.

        Returns:
            For a file, what now stands at its path, with its digest; for a folder, None.

        Raises:
            ArtifactExistsError: The run holds other content at the path.
            PathConflictError: A file stands where a directory is needed, or the reverse.
            SourceError: The file cannot be read, or changed meanwhile.
            StorageError: The bucket does not answer. What was uploaded is reused next time.

        Cost: one PUT for files of 64 KiB together; else about one PUT per 32 MiB and a few more.
        """
        items = self._items_of(local_path, artifact_path)
        published = self._log_items(items)
        return published.entries[0] if len(published.entries) == 1 and not Path(local_path).is_dir() else None

    @staticmethod
    def _items_of(local_path: str | os.PathLike[str], artifact_path: str | None = None) -> list[Item]:
        """Return the items that `log_artifact` would log, which are not read yet. Cost: no request.

        Raises:
            InvalidPathError: No run may hold such a path.
            SourceError: It is not there, or something in it cannot be kept.
        """
        local = _one_path(local_path, "call log_artifact for each file, or log_artifacts for their folder")
        name = local.name if local.name not in ("", "..") else local.resolve().name
        return local_items(local, join_path(artifact_path, named(name)))

    def log_artifacts(self, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> Sequence[Entry]:
        """Log what a folder holds. One commit: all or nothing.

        Args:
            local_dir: The folder.
            artifact_path: The directory of the run to put its content in; the root when None.

        Returns:
            What now stands at each path, with its digest.

        Raises and cost: as `log_artifact`.
        """
        folder = _one_path(local_dir, "call log_artifact for each file")
        if folder.exists() and not folder.is_dir():
            raise UnsupportedFileError(str(folder), "it is not a folder; log one file with log_artifact")
        return self._log_items(local_items(folder, join_path(artifact_path, ""))).entries

    def log_bytes(self, data: bytes, artifact_file: str) -> Entry:
        """Log bytes as a file of the run. Raises and cost: as `log_artifact`."""
        return self._log_items([bytes_item(artifact_file, data)]).entries[0]

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters: each a name and `str(value)`, kept for good.

        Raises:
            ParamExistsError: The run has one of them with another value.
            InvalidNameError: A name or value that cannot be kept.

        Cost: none now; they ride on the next entry, as measurements do.
        """
        self._buffer_ops([param_op(key, value) for key, value in named_values("parameters", params).items()])

    def log_metrics(self, metrics: Mapping[str, Any], *, step: int | None = None, timestamp: int | None = None) -> None:
        """Log measurements that were taken together.

        Args:
            metrics: Name -> number; NaN and the infinities are kept as they are.
            step: Where in the training; 0 when None.
            timestamp: Milliseconds since 1970 UTC; now when None.

        Raises:
            InvalidNameError: A name, number, step or time that cannot be kept; then none is logged.

        Cost: none now; they ride on the next entry, which is written by the
        first call after five seconds, the thousandth measurement, an artifact or
        the end. A process that is killed outright loses what was logged since
        its last entry; `flush` writes one.
        """
        time = self._location.clock() if timestamp is None else timestamp
        self._buffer_ops(metric_ops(metrics, step, time))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags, each to `str(value)`; None removes one. Cost: none now, as for parameters."""
        self._buffer_ops(_tag_ops(tags))

    def log_batch(
        self,
        metrics: Sequence[tuple[str, Any, Any, Any]] = (),
        params: Sequence[tuple[str, Any]] = (),
        tags: Sequence[tuple[str, Any]] = (),
    ) -> None:
        """Log measurements, each a key, a number, a step and a time, parameters and tags: all of them or none.

        Raises: as `log_metrics` and `log_params`. Cost: one PUT.
        """
        now = self._location.clock()
        ops = [param_op(key, value) for key, value in params]
        ops += [tag_op(key, value) for key, value in tags]
        for key, value, step, time in metrics:
            ops += metric_ops({key: value}, step, now if time is None else time)
        self._buffer_ops(ops)
        self.flush()

    def flush(self) -> None:
        """Write the parameters, measurements and tags that wait for an entry. Cost: one PUT, if any do."""
        if self._is_open and (session := self._hold.session):
            with suppress(RunEndedError):  # then its last entry took them along
                session.flush()

    def _log_items(
        self, items: Sequence[Item], *, extra_ops: ExtraOps | None = None, inline_last: bool = False
    ) -> Published:
        """Log several items as one commit. Args: as `Transaction`."""
        transaction = Transaction(self._writing(), extra_ops, inline_last=inline_last)
        transaction.stage(items)
        return transaction.publish()

    def finish(self, status: str = "FINISHED", *, end_time: int | None = None) -> None:
        """End the run. Its last entry carries all there is to know, so that it is read in two requests.

        Args:
            status: `FINISHED`, `FAILED` or `KILLED`.
            end_time: Milliseconds since 1970 UTC, where the run ended at another time; now when None.

        Raises:
            InvalidNameError: It is no status, or no time; the run goes on.
            Exception: What failed in the background; the run is then FAILED.
        """
        status_op(status)  # before anything is waited for
        ended: dict[str, Any] = {} if end_time is None else time_tag(ENDED, "end_time", end_time)
        self._stop_companions()
        error = self._drain()
        outcome = "FAILED" if error and status == "FINISHED" else status
        session = self._writing()
        if not ended and ENDED in session.view.state.tags:
            ended = {ENDED: None}  # of an earlier end
        session.close([status_op(outcome), *_tag_ops(ended)], final=True)
        if error:
            raise error

    def _before_end(self, stop: Callable[[], object]) -> None:
        """Call this when the process is about to end the run. A failure of it is logged, and hinders nothing."""
        self._hold.companions.append(stop)

    def _stop_companions(self) -> None:
        """Stop what runs beside the run in this process."""
        while self._hold.companions:
            try:
                self._hold.companions.pop()()
            except Exception as error:  # the run ends whatever becomes of what runs beside it
                _log.warning("something that ran beside run %s did not stop: %s", self.id, error)

    def later(self, work: Callable[P, object], /, *args: P.args, **kwargs: P.kwargs) -> LogFuture:
        """Call a function in the background: in order, and at the latest when the run is finished.

        Returns:
            Its outcome to be. A failure that nobody asked for is raised by `finish`.
        """
        hold = self._hold
        with hold.opening:
            lane = hold.lane = hold.lane or SerialExecutor()
        return lane.submit(work, *args, **kwargs)

    def delete(self, tags: Mapping[str, Any] | None = None) -> None:
        """Mark the run as deleted, and tag it; `restore` takes it back. What it holds stays until it is purged."""
        self._writing().close([*_tag_ops(tags or {}), {"op": "tombstone"}])

    def restore(self, tags: Mapping[str, Any] | None = None) -> None:
        """Undo the run's deletion, and set tags."""
        session = Session.resume(self._location, run_log(self.id), deleted=True)
        if session is None:
            raise RunNotFoundError(self.id, self._location.bucket.url)
        session.close([{"op": "restore"}, *_tag_ops(tags or {})])

    def _reopen(self, tags: Mapping[str, Any]) -> None:
        """Resume the run: its status is RUNNING again, and it has these tags, for every reader and at once.

        Raises:
            RunNotFoundError: There is none with this id.
            RunDeletedError: It was deleted.

        Cost: one PUT, and reading the end of the log where this process does not write to it yet.
        """
        ops, hold = [status_op("RUNNING"), *_tag_ops(tags)], self._hold
        with hold.opening:
            if hold.session is None or hold.session.closed:
                hold.session = Session.resume(self._location, run_log(self.id), ops)
            else:
                hold.session.append(lambda: Draft(ops))
            if hold.session is None:
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

    # --- inside ---

    def _buffer_ops(self, ops: Sequence[Json]) -> None:
        """Buffer small operations for the next entry, of a new session if this one was closed a moment ago."""
        try:
            self._writing().buffer_ops(*ops)
        except RunEndedError:
            self._writing().buffer_ops(*ops)

    @property
    def _is_open(self) -> bool:
        """Return whether this process is writing to the run."""
        session = self._hold.session
        return session is not None and not session.closed

    @property
    def _hold(self) -> _Hold:
        """Return what this process has of the run; all threads of a new child get the same."""
        return self._holds.setdefault(os.getpid(), _Hold())

    def _take(self, session: Session) -> None:
        """Write through a session that this process has opened."""
        self._hold.session = session

    def _view(self) -> View:
        """Return the run as it is now, with what this process has logged."""
        self.flush()
        return super()._view()

    def _writing(self) -> Session:
        """Return this process's open session in the run's log."""
        hold = self._hold
        with hold.opening:
            if hold.session is None or hold.session.closed:
                hold.session = Session.resume(self._location, run_log(self.id))
            if hold.session is None:
                raise RunNotFoundError(self.id, self._location.bucket.url)
            return hold.session


def _tag_ops(tags: Mapping[str, Any]) -> list[Json]:
    return [tag_op(key, value) for key, value in named_values("tags", tags).items()]


def _one_path(given: str | os.PathLike[str], remedy: str) -> Path:
    """Return a path; or raise a TypeError that says what to do with what was given instead."""
    if not isinstance(given, str | os.PathLike):
        raise TypeError(f"one path is needed, not {type(given).__name__}: {remedy}")
    return Path(given)
