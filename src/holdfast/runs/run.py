"""One run: log artifacts into it, read them back, end it.

A `Run` is a handle that any process may hold: it survives pickling and fork,
and whoever writes through it in another process opens a session of its own.
"""

from __future__ import annotations

import io
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from holdfast.errors import ArtifactNotFoundError, RunNotFoundError
from holdfast.format.layout import run_log
from holdfast.format.manifest import manifest_digest, manifest_text
from holdfast.format.paths import check_path
from holdfast.format.state import State
from holdfast.format.tree import Entry, Kind
from holdfast.runs.metrics import history, metric_op, param_op, tag_op
from holdfast.runs.record import Metric, RunRecord, run_record
from holdfast.trees.checkout import checkout
from holdfast.trees.journal import Journal
from holdfast.trees.location import Location
from holdfast.trees.opened import ArtifactFile
from holdfast.trees.session import Session
from holdfast.trees.source import Item, bytes_item, local_items
from holdfast.trees.transaction import Published, Transaction
from holdfast.trees.tree import Blobs
from holdfast.trees.view import View


class Run:
    """A run of a store. Get one from `store.runs`.

    Attributes:
        id: 32 hex digits.
    """

    def __init__(self, location: Location, id: str) -> None:
        self._location, self.id = location, id
        self._session: Session | None = None
        self._opening = threading.Lock()
        self._pid = os.getpid()

    def __repr__(self) -> str:
        return f"<Run {self.id} in {self._location.bucket.url}>"

    def __getstate__(self) -> dict[str, Any]:
        return {"location": self._location, "id": self.id}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["location"], state["id"])  # type: ignore[misc]  # a handle is its two facts

    # --- writing ---

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
        local = Path(local_path)
        name = local.name if local.name not in ("", "..") else local.resolve().name
        published = self.log_items(local_items(local, _join(artifact_path, name)))
        return published.entries[0] if len(published.entries) == 1 and not local.is_dir() else None

    def log_artifacts(self, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> Sequence[Entry]:
        """Log what a folder holds. One commit: all or nothing.

        Args:
            local_dir: The folder.
            artifact_path: The directory of the run to put its content in; the root when None.

        Returns:
            What now stands at each path, with its digest.

        Raises and cost: as `log_artifact`.
        """
        folder = Path(local_dir)
        if folder.exists() and not folder.is_dir():
            raise NotADirectoryError(f"{folder} is not a folder; log one file with log_artifact")
        return self.log_items(local_items(folder, _join(artifact_path, ""))).entries

    def log_bytes(self, data: bytes, artifact_file: str) -> Entry:
        """Log bytes as a file of the run. Raises and cost: as `log_artifact`."""
        return self.log_items([bytes_item(artifact_file, data)]).entries[0]

    def log_params(self, params: Mapping[str, Any]) -> None:
        """Log parameters: each a name and `str(value)`, kept for good.

        Raises:
            ParamExistsError: The run has one of them with another value.
            InvalidNameError: A name or value that cannot be kept.

        Cost: none now; they ride on the next entry, within about five seconds of logging.
        """
        session = self._writing()
        for op in [param_op(key, value) for key, value in params.items()]:
            session.defer(op)

    def log_metrics(self, metrics: Mapping[str, Any], *, step: int | None = None, timestamp: int | None = None) -> None:
        """Log measurements that were taken together.

        Args:
            metrics: Name -> number; NaN and the infinities are kept as they are.
            step: Where in the training; 0 when None.
            timestamp: Milliseconds since 1970 UTC; now when None.

        Cost: none now; they ride on the next entry. Of a process that is killed
        outright, those of the last five seconds, or the last 999, may be lost.
        """
        time = self._location.clock() if timestamp is None else timestamp
        self._writing().defer(metric_op(metrics, step, time))

    def set_tags(self, tags: Mapping[str, Any]) -> None:
        """Set tags, each to `str(value)`; None removes one. Cost: none now, as for parameters."""
        session = self._writing()
        for op in [tag_op(key, value) for key, value in tags.items()]:
            session.defer(op)

    def flush(self) -> None:
        """Write the parameters, measurements and tags that wait for an entry. Cost: one PUT, if any do."""
        if self._session is not None and self._pid == os.getpid():
            self._session.flush()

    def log_items(self, items: Sequence[Item]) -> Published:
        """Log several items as one commit."""
        transaction = Transaction(self._writing())
        transaction.stage(items)
        return transaction.publish()

    def finish(self, status: str = "FINISHED") -> None:
        """End the run. Its last entry carries all there is to know, so that it is read in two requests.

        Args:
            status: `FINISHED`, `FAILED` or `KILLED`.
        """
        self._writing().close([{"op": "status", "status": status}], final=True)

    def delete(self) -> None:
        """Mark the run as deleted; `restore` takes it back. What it holds stays until it is purged."""
        self._writing().close([{"op": "tombstone"}])

    def restore(self) -> None:
        """Take a deletion back."""
        session = Session.resume(self._location, run_log(self.id), deleted=True)
        if session is None:
            raise RunNotFoundError(self.id, self._location.bucket.url)
        session.close([{"op": "restore"}])

    # --- reading ---

    @property
    def record(self) -> RunRecord:
        """Who the run is, how it stands, its parameters, last measurements and tags."""
        return run_record(self.id, self._view().state)

    def history(self, key: str) -> list[Metric]:
        """Every measurement of a metric, in the order in which they were logged. Cost: a GET per 1,000 or so."""
        view = self._view()
        return history(view.paths.blobs.journal, view, key)

    @property
    def environment(self) -> dict[str, Any]:
        """What ran where: Python, packages, git, command line, hardware; empty where it was not recorded."""
        view = self._view()
        if view.state.environment is None:
            return {}
        found: dict[str, Any] = json.loads(view.paths.blobs.read([view.state.environment])[0])
        return found

    @property
    def state(self) -> State:
        """Status, counts and open sessions, as the log says now."""
        return self._view().state

    @property
    def manifest(self) -> dict[str, str]:
        """The SHA-256 in hex of each file, by path, sorted."""
        files = (entry for entry in self._view().paths.walk() if entry.kind is Kind.FILE)
        return {entry.path: entry.sha256.hex() for entry in sorted(files, key=lambda entry: entry.path.encode())}

    @property
    def manifest_text(self) -> str:
        """The manifest as `sha256sum -c` accepts it."""
        return manifest_text(self._view().paths.walk())

    @property
    def manifest_digest(self) -> str:
        """`sha256:` of the manifest's text: one name for all that the run holds."""
        return manifest_digest(self.manifest_text)

    def entries(self, path: str | None = None) -> Iterator[Entry]:
        """Every file, link and empty directory at or below a path, in the tree's order."""
        return self._view().paths.walk(_join(path, ""))

    def entry(self, path: str) -> Entry:
        """What stands at a path.

        Raises:
            ArtifactNotFoundError: Nothing does.
        """
        found = self._view().paths.find([check_path(path)]).get(path)
        if found is None:
            raise ArtifactNotFoundError(self.id, path)
        return found

    def open(self, path: str) -> io.BufferedReader:
        """A file of the run for reading, seekable, in binary; only what is read is fetched.

        Raises:
            ArtifactNotFoundError: There is no file at this path.
            IntegrityError: While reading: a chunk is not what was written.
        """
        view = self._view()
        return io.BufferedReader(self._opened(view, path))

    def read(self, path: str) -> bytes:
        """All bytes of a file, verified. Raises: as `open`."""
        return self._opened(self._view(), path).readall()

    def download(self, path: str | None, destination: str | os.PathLike[str]) -> Path:
        """Write a file, or all that a directory of the run holds, into a local folder.

        Args:
            path: A path of the run; all of it when None.
            destination: The folder; made if it is not there.

        Returns:
            Where the file or directory now is: `destination/path`.

        Raises:
            ArtifactNotFoundError: The run holds nothing there.
            IntegrityError: Content is not what was written. No file has wrong bytes.
        """
        view, top = self._view(), _join(path, "")
        entries = list(view.paths.walk(top))
        if not entries and top:
            raise ArtifactNotFoundError(self.id, top)
        checkout(view.paths.blobs, entries, "", Path(destination))
        return Path(destination) / top

    # --- inside ---

    def _opened(self, view: View, path: str) -> ArtifactFile:
        entry, seen = view.paths.find([check_path(path)]).get(path), [path]
        while entry and entry.kind is Kind.LINK and len(seen) < 40:
            seen.append(str(PurePosixPath(os.path.normpath(PurePosixPath(seen[-1]).parent / entry.target))))
            entry = view.paths.find([seen[-1]]).get(seen[-1])
        if entry is None or entry.kind is not Kind.FILE:
            raise ArtifactNotFoundError(self.id, path)
        return ArtifactFile(view.paths.blobs, entry)

    def _view(self) -> View:
        """The run as it is now. A process that writes to it knows the log already as far as it wrote."""
        location = self._location
        self.flush()  # what this process logged is seen by it
        location.descriptor  # noqa: B018  # a store that is not there is named as such
        journal = Journal(location.bucket, location.pool, run_log(self.id))
        view = View.load(Blobs(location.bucket, location.pool, journal))
        if view is None or view.state.purged:
            raise RunNotFoundError(self.id, location.bucket.url)
        return view

    def _writing(self) -> Session:
        """This process's open session in the run's log."""
        if self._pid != os.getpid():  # a forked child: its parent's session and locks are not its own
            self._opening, self._session, self._pid = threading.Lock(), None, os.getpid()
        with self._opening:
            if self._session is None or self._session.closed:
                self._session = Session.resume(self._location, run_log(self.id))
            if self._session is None:
                raise RunNotFoundError(self.id, self._location.bucket.url)
            return self._session


def _join(directory: str | None, name: str) -> str:
    """A path of a run from a directory, or none, and a name in it, or none."""
    parts = [part for part in (directory, name) if part]
    return check_path("/".join(parts)) if parts else ""
