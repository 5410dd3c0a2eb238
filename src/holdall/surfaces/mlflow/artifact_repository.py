"""MLflow's artifact repository over a store.

`artifact_location="holdall+s3://bucket/prefix/..."`, and `mlflow server --artifacts-destination` of the same: all that
MLflow does with artifacts ends in the verbs below. Where each root of MLflow's is kept says `roots.py`.

Logging the same path again replaces what it holds, as in MLflow's own stores, unless `HOLDALL_MLFLOW_STRICT=1`. Errors
are MLflow's, with ours as their cause; MLflow swallows some, and says that nothing is there: so all others are logged
as warnings, too.
"""

from __future__ import annotations

import asyncio
import logging
import os
import posixpath
import shutil
import tempfile
from collections.abc import AsyncIterable, Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import BinaryIO, cast

from mlflow.entities import FileInfo
from mlflow.store.artifact.artifact_repo import ArtifactRepository, StreamUploadMixin
from mlflow.tracing.utils.artifact_utils import TRACE_DATA_FILE_NAME
from mlflow.utils.file_utils import create_tmp_dir

from holdall.errors import (
    AccessDeniedError,
    ArtifactNotFoundError,
    HoldallError,
    InvalidPathError,
    NotFoundError,
    RunNotFoundError,
)
from holdall.settings import read_settings
from holdall.store import OnConflict, Run
from holdall.surfaces.mlflow import streams
from holdall.surfaces.mlflow.errors import as_mlflow, refused, told, translated
from holdall.surfaces.mlflow.finding import find_store, look_anew, parse_address
from holdall.surfaces.mlflow.roots import names_of, root_of
from holdall.surfaces.mlflow.runs_of_roots import RootRun

_log = logging.getLogger("holdall")


class HoldallArtifactRepository(ArtifactRepository, StreamUploadMixin):
    """What MLflow keeps at and below one address, in the store that the address is in. Safe between threads."""

    def __init__(self, artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> None:
        super().__init__(artifact_uri, tracking_uri, registry_uri)
        with translated():
            self._address = parse_address(artifact_uri)
        self._strict = read_settings().mlflow_strict

    # --- writing ---

    def log_artifact(self, local_file: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Log a file, or a folder under its own name, into a directory. Links are followed."""
        local = os.fspath(local_file)

        def log(run: Run, path: str, rule: OnConflict) -> None:
            run.log_artifact(local, path or None, on_conflict=rule, links="follow")

        self._write(log, artifact_path)

    def log_artifacts(self, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Log what a folder holds into a directory: all of it, by one commit, or nothing. Links are followed."""
        local = os.fspath(local_dir)

        def log(run: Run, path: str, rule: OnConflict) -> None:
            run.log_artifacts(local, path or None, on_conflict=rule, links="follow")

        self._write(log, artifact_path)

    def log_artifact_from_stream(
        self, stream: BinaryIO, artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Log what a stream gives, as it arrives; no file is made of it."""
        data, whole = streams.begin(stream)
        if whole:
            return self._log_bytes(data, artifact_file_name, artifact_path)
        return self._log_stream(streams.Rejoined(data, stream), artifact_file_name, artifact_path)

    async def log_artifact_from_async_stream(
        self, chunks: AsyncIterable[bytes], artifact_file_name: str, artifact_path: str | None = None
    ) -> None:
        """Log what an asynchronous stream gives, as it arrives, in a thread. If it fails, nothing is logged."""
        pieces = aiter(chunks)
        data, whole = await streams.first_of(pieces)
        if whole:
            await asyncio.to_thread(self._log_bytes, data, artifact_file_name, artifact_path)
            return
        into = streams.Received()
        log = asyncio.to_thread(self._log_stream, into, artifact_file_name, artifact_path)
        await streams.receive(data, pieces, into, asyncio.ensure_future(log))

    def upload_trace_data(self, trace_data: str) -> None:
        """Log a trace's data."""
        self._log_bytes(trace_data.encode(), TRACE_DATA_FILE_NAME, None)

    def upload_archived_trace_data_bytes(self, data: bytes) -> None:
        """Log the data of a trace that is archived."""
        from mlflow.tracing.otel.otel_archival import TRACE_ARCHIVAL_FILENAME

        self._log_bytes(data, TRACE_ARCHIVAL_FILENAME, None)

    def delete_artifacts(self, artifact_path: str | None = None) -> None:
        """Delete a file, a directory, or without a path all that was logged to this root: for good.

        The space is free after the next `holdall gc`. What is not there is deleted already, and no error.
        """
        with self._answering():
            _refuse_dot(artifact_path)
            root, path = self._root(artifact_path)
            if path:
                root.remove(path)
            elif root.has_owner:
                root.discard()
            else:
                raise InvalidPathError(self.artifact_uri, "all artifacts of a store are never deleted at once")

    # --- reading ---

    def list_artifacts(self, path: str | None = None) -> list[FileInfo]:
        """Return what is directly in a directory, sorted; nothing for a file, or where nothing is."""
        with self._answering():
            root, inside = self._root(path)
            at = "/".join(names_of(path))
            with suppress(NotFoundError):
                return [FileInfo(posixpath.join(at, name), is_dir, size) for name, is_dir, size in root.list(inside)]
        return []

    def download_artifacts(self, artifact_path: str | None, dst_path: str | None = None) -> str:
        """Fetch a file or a directory into a local folder, verified, and return where it is."""
        destination = _folder(dst_path)
        with self._answering(artifact_path):
            _refuse_dot(artifact_path)
            at = "/".join(names_of(artifact_path))
            root, path = self._root(artifact_path)
            with suppress(NotFoundError) if not at else nullcontext():
                root.read(lambda run: _fetch(run, path, Path(destination), at))
        return os.path.join(destination, *at.split("/")) if at else destination  # noqa: PTH118  # MLflow wants text

    def _is_directory(self, artifact_path: str | None) -> bool:
        with self._answering():
            root, path = self._root(artifact_path)
            with suppress(NotFoundError):
                return root.is_directory(path)
        return False

    def _download_file(self, remote_file_path: str, local_path: str | os.PathLike[str]) -> None:
        with self._answering(remote_file_path):
            root, path = self._root(str(remote_file_path))
            if not path:
                raise ArtifactNotFoundError(self.artifact_uri, str(remote_file_path))
            root.read(lambda run: _fetch_file(run, path, Path(local_path)))

    # --- inside ---

    def _root(self, artifact_path: str | None) -> tuple[RootRun, str]:
        """Return the run that a path of this repository is in, and its path there."""
        store, names = find_store(self._address)
        root, path = root_of((*names, *names_of(artifact_path)))
        return RootRun(store, root, strict=self._strict), path

    def _write(
        self,
        log: Callable[[Run, str, OnConflict], object],
        artifact_path: str | None,
        *,
        once: streams.Once | None = None,
    ) -> None:
        with self._answering(artifact_path, invalid="Invalid artifact path"):
            _refuse_dot(artifact_path)
            root, path = self._root(artifact_path)
            root.write(lambda run, rule: log(run, path, rule), once=once)

    def _log_bytes(self, data: bytes, name: str, artifact_path: str | None) -> None:
        def log(run: Run, path: str, rule: OnConflict) -> None:
            run.log_bytes(data, path, on_conflict=rule)

        self._write(log, _file_path(name, artifact_path))

    def _log_stream(self, stream: streams.Once, name: str, artifact_path: str | None) -> None:
        def log(run: Run, path: str, rule: OnConflict) -> None:
            run.log_stream(cast("BinaryIO", stream), path, on_conflict=rule)  # it only reads

        self._write(log, _file_path(name, artifact_path), once=stream)

    @contextmanager
    def _answering(self, path: object = None, *, invalid: str = "Invalid path") -> Iterator[None]:
        """Raise our errors as MLflow's, with the words that it looks for in some; and log those that it may swallow."""
        try:
            yield
        except (RunNotFoundError, ArtifactNotFoundError) as error:
            raise refused(f"No such artifact: {path!r}: {error}", "RESOURCE_DOES_NOT_EXIST") from error
        except InvalidPathError as error:
            raise refused(f"{invalid}: {told(error)}") from error
        except HoldallError as error:
            if isinstance(error, AccessDeniedError):
                look_anew(self._address)
            _log.warning("%s", told(error))
            raise as_mlflow(error) from error


def _refuse_dot(path: str | None) -> None:
    """Refuse `.`, by which a request to a server would mean all that there is."""
    if path is not None and str(path) == ".":
        raise InvalidPathError(".", "the folder itself is named by no path")


def _file_path(name: str, directory: str | None) -> str:
    """Return the path of a file that a stream is logged as. MLflow ignores directories in its name."""
    return posixpath.join(directory or "", posixpath.basename(name))


def _folder(dst_path: str | None) -> str:
    """Return the folder to fetch into: the one that is named, which must be there, or a new one."""
    if not dst_path:
        return str(create_tmp_dir())
    folder = Path(dst_path).absolute()
    if not folder.exists():
        text = f"The destination path for downloaded artifacts does not exist! Destination path: {folder}"
        raise refused(text, "RESOURCE_DOES_NOT_EXIST")
    if not folder.is_dir():
        raise refused(f"The destination path for downloaded artifacts must be a directory! Destination path: {folder}")
    return str(folder)


def _fetch(run: Run, path: str, folder: Path, at: str) -> None:
    """Fetch a path of a run to a place in a folder."""
    if not path or at == path or at.endswith(f"/{path}"):  # where the run's own path puts it
        run.download(path or None, folder / at[: len(at) - len(path)])
        return
    with tempfile.TemporaryDirectory(dir=folder, prefix=".holdall-") as between:
        _move(run.download(path or None, between), folder / at)


def _fetch_file(run: Run, path: str, local: Path) -> None:
    with tempfile.TemporaryDirectory(dir=local.parent, prefix=".holdall-") as between:
        found = run.download(path, between)
        if found.is_dir():
            raise ArtifactNotFoundError(run.id, path)
        found.replace(local)


def _move(source: Path, target: Path) -> None:
    """Move what was fetched to where it belongs, into folders that are there already."""
    if not source.is_dir() or source.is_symlink():
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        return
    target.mkdir(parents=True, exist_ok=True)
    for child in list(source.iterdir()):
        _move(child, target / child.name)
    shutil.rmtree(source, ignore_errors=True)
