"""What a run refers to elsewhere, and what it reads of other runs: said by name, or noted by who reads for it."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from holdall.display import Facts, Shown
from holdall.errors import ArtifactExistsError, ArtifactNotFoundError, HoldallError, InvalidPathError, RunEndedError
from holdall.format.digest import SHA256, show
from holdall.format.document import Json
from holdall.format.paths import POINTER, REFERS, check_path
from holdall.format.tree import Entry
from holdall.runs.lifecycle import tag_ops
from holdall.runs.metrics import tag_op
from holdall.runs.promise import Located
from holdall.runs.reading import join_path
from holdall.runs.reads import ReadArtifact, ReadLog, content_digest
from holdall.runs.snapshot import RunSnapshot
from holdall.runs.versions import OnConflict
from holdall.runs.writing import RunWriter
from holdall.trees.addresses import run_uri
from holdall.trees.artifact_reader import ArtifactReader
from holdall.trees.location import Location
from holdall.trees.source import bytes_item
from holdall.trees.view import View

if TYPE_CHECKING:
    from holdall.runs.elsewhere import Reference

_log = logging.getLogger("holdall")
_DIGEST: Final = len("sha256:") + 64


@dataclass(frozen=True, slots=True, repr=False)
class UsedArtifact(Shown):
    """A file or directory of a run, as `use_artifact` found it: what it is, and how to read it.

    Attributes:
        run_id: The run that holds it.
        path: Where in that run; "" for its root.
        digest: `sha256:` of the file, or of the manifest of the directory.
        is_dir: Whether it is a directory.
        size: Bytes of its files together.
    """

    run_id: str
    path: str
    digest: str
    is_dir: bool
    size: int
    _reader: RunSnapshot

    def _shown(self) -> Facts:
        return {"uri": self.uri, "digest": self.digest, "size": self.size}

    @property
    def uri(self) -> str:
        """Return its address, `runs:/<run id>/<path>`."""
        return run_uri(self.run_id, self.path)

    def entries(self) -> Iterator[Entry]:
        """Yield every file, link and empty directory at or below it, as `Run.entries`."""
        return self._reader.entries(self.path or None)

    def open(self, path: str = "") -> ArtifactReader:
        """Open it, or a file below it, for reading: seekable, in binary. Raises: as `Run.open`."""
        return self._reader.open(join_path(self.path, path))

    def read(self, path: str = "") -> bytes:
        """Read all bytes of it, or of a file below it, verified. Raises: as `Run.read`."""
        return self._reader.read(join_path(self.path, path))

    def download(self, destination: str | os.PathLike[str]) -> Path:
        """Write it into a local folder, and return where it now is. Raises: as `Run.download`."""
        return self._reader.download(self.path or None, destination)


class RunUser(RunWriter):
    """A run of a store that says what it reads, and what it refers to.

    Attributes:
        id: 32 hex digits.
    """

    def __init__(self, location: Location, id: str) -> None:
        super().__init__(location, id)
        self._read_logs: dict[int, ReadLog] = {}  # by process id

    def use_artifact(self, uri: str) -> UsedArtifact:
        """Say that this run reads an artifact, and return what reads it.

        Args:
            uri: `runs:/<run_id>/<path>`, or of a model `models:/<name>/<version>`, `models:/<name>@<alias>` and others.

        Returns:
            Its digest and size, with `open`, `read` and `download`.

        Raises:
            ArtifactNotFoundError: There is nothing at this address.
            InvalidURIError: It is none.

        Cost: reading the other run's end, and its tree as far as the path goes. That it was read rides on the next
            entry, as parameters do.

        Example:
            >>> training = store.runs.start()
            >>> training.use_artifact(f"runs:/{run.id}/report.txt").read()
            b'all is well\\n'
        """
        assert self._location.locate, "a store says what its addresses mean"
        used = used_artifact(self._location, self._location.locate(uri))
        said = None if uri.rstrip("/") == used.uri else uri
        if used.run_id != self.id:
            read = ReadArtifact(used.run_id, used.path, used.digest, uri=said, time=self._location.clock())
            if ops := tag_ops(self._read_log.add(read, whole=True)):
                self._buffer_ops(ops)
        return used

    def log_reference(
        self,
        uri: str,
        path: str | None = None,
        *,
        digest: bool = False,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
    ) -> Reference:
        """Log where content is, and what it was, in place of a copy: of an object, or of all below a prefix.

        It is pinned by its version, where the bucket keeps versions, else by its ETag; always by its size. Who reads it
        gets what was there when it was logged, or an error.

        Args:
            uri: `s3://bucket/key`, `gs://`, `az://`, `file:///path` or `https://`; a folder's ends with a slash.
            path: Where it stands in the run; its own name when None.
            digest: Whether to read it once for its SHA-256, by which all that is fetched is verified then.
            on_conflict, keep_last: As for `log_artifact`.

        Returns:
            Where it stands, how many objects and how many bytes they have.

        Raises:
            ObjectNotFoundError: There is no such object, and nothing below it.
            InvalidURIError: It is no address that content can be referenced by.
            UnsupportedFileError: A key below it can be no path of a run.
            ArtifactExistsError: The run holds something at the path.

        Cost: one request elsewhere, for a folder one for each thousand objects; then as `log_artifact` of a file with
            some 150 bytes for each object.

        Example:
            >>> elsewhere = holdall.open("memory://facts").maintenance.create()
            >>> run.log_reference("memory://facts/holdall.json", "data/facts.json").path
            'data/facts.json'
            >>> run.load_text("data/facts.json")[:12]
            '{"format":1,'
        """
        from holdall.format.pointers import encode_pointer  # few runs refer to anything
        from holdall.runs.elsewhere import Found
        from holdall.trees.elsewhere import look_elsewhere

        at = check_path(path if path is not None else _name(uri))
        pointer = look_elsewhere(self._location, uri, digest=digest)
        item = bytes_item(at + POINTER, encode_pointer(pointer))

        def also(view: View) -> list[Json]:
            if view.paths.find([at]) or view.paths.below([at]):
                raise ArtifactExistsError(self.id, at, "content of the run", pointer.uri)
            return [] if REFERS in view.state.tags else [tag_op(REFERS, "true")]

        entry = self._log_items([item], extra_ops=also, on_conflict=on_conflict, keep_last=keep_last).entries[0]
        return Found(at, pointer, entry).reference

    def _note_read(self, run_id: str, path: str, digest: str | None = None, store: str | None = None) -> None:
        """Note that this run, which this process writes to, read something; for those who read for it.

        Many files of a directory become one edge; what was noted is not noted again. Never raises: reading goes on
        whatever becomes of what is said of it.

        Args:
            run_id: The run that was read.
            path: The file or directory in it; "" for its root.
            digest: `sha256:` of the file, or of the manifest of the directory as `digest_below` makes it.
            store: The id of the store that the other run is in; None, or this run's, for the same.

        Cost: none now, as for parameters.
        """
        session = self._hold.session
        if session is None or session.closed:
            return
        try:
            store = None if store == self._location.descriptor.store else store
            if store is None and run_id == self.id:
                return
            known = digest if digest and len(digest) == _DIGEST else None
            read = ReadArtifact(run_id, path, known, store, time=self._location.clock())
            if ops := tag_ops(self._read_log.add(read)):
                session.buffer_ops(*ops)
        except RunEndedError:
            return  # by another thread, a moment ago
        except (HoldallError, OSError) as error:
            _log.warning("run %s could not note that it read %s: %s", self.id, run_uri(run_id, path), error)

    @property
    def _read_log(self) -> ReadLog:
        """Return what this process noted; a forked child goes on from what the log says."""
        pid = os.getpid()
        if pid not in self._read_logs:
            self._read_logs.setdefault(pid, ReadLog(self._seen.data.tags))
        return self._read_logs[pid]


def used_artifact(location: Location, found: Located) -> UsedArtifact:
    """Return what is at a place of a run.

    Raises:
        RunNotFoundError: There is no such run.
        ArtifactNotFoundError: It holds nothing there.

    Cost: as `use_artifact`.
    """
    reader = RunSnapshot._taken(location, found.run_id, found.promise, found.view)
    entries = list(reader.entries(found.path or None))
    if not entries and found.path:
        return _used_elsewhere(reader, found)
    digest, is_dir = content_digest(entries, found.path)
    size = sum(entry.size for entry in entries)
    return UsedArtifact(found.run_id, found.path, digest, is_dir, size, reader)


def _used_elsewhere(reader: RunSnapshot, found: Located) -> UsedArtifact:
    """Return what is elsewhere at a place of a run: by its SHA-256 where that is known, else by what pins it.

    Raises:
        ArtifactNotFoundError: Nothing is.
    """
    references = reader._references()
    pointer, entries = references.at(found.path), references.entries(found.path)
    if pointer is None or not entries:
        raise ArtifactNotFoundError(found.run_id, found.path)
    known = all(entry.sha256 for entry in entries)
    digest, is_dir = content_digest(entries, found.path)
    size = sum(entry.size for entry in entries)
    return UsedArtifact(
        found.run_id, found.path, digest if known else show(SHA256, pointer.entry.sha256), is_dir, size, reader
    )


def _name(uri: str) -> str:
    name = uri.rstrip("/").rpartition("/")[2]
    if not name:
        raise InvalidPathError(uri, "it has no name of its own: say at which path it is to stand")
    return name
