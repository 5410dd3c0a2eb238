"""A store as a file system of fsspec: the verbs that write.

Each writes to a run that its path names; nothing is written anywhere else. In a run
of immutable paths a path keeps what it holds; in one of versioned paths, what is
there becomes an earlier version. Whether the run goes on or has ended, it stays so.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.compression import compr
from fsspec.core import get_compression, has_magic

from holdall.errors import FileForbiddenError, FileThereError, RunNotVersionedError
from holdall.store import OnConflict, Run
from holdall.surfaces.filesystem.addresses import Place, parse_place
from holdall.surfaces.filesystem.files import BlockFile, CompressedFile, NewFile
from holdall.surfaces.filesystem.reading import ReadableFileSystem
from holdall.surfaces.filesystem.transfers import Pairs, Plan, send
from holdall.surfaces.filesystem.translating import as_os_errors, is_directory

_SMALL: Final = 1 << 20  # bytes of a file that is held in memory to be logged


class HoldallFileSystem(ReadableFileSystem):
    """The files of a store's runs and models, as a file system of fsspec; files of runs can be written, too.

    `holdall://runs/<run id>/<path>`, `holdall://models/<name>@<alias>/<path>`,
    `holdall://models/<name>/<version>/<path>`.

    Args:
        store: The store's address, as for `holdall.open`; when None, that of the store in use: the one that was set,
            or else the one that `HOLDALL_STORE` names.
        listings_expiry_time: Seconds after which a run or model is looked at anew; None: never, until
            `invalidate_cache` or `refresh=True`.
        options: What the storage library takes, as for `holdall.open`.
    """

    def open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        cache_options: Any = None,
        compression: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """Open a file: "rb" or "r" to read it, "wb", "w", "xb" or "x" to log it when it is closed. As `fsspec.open`."""
        packs = compression is not None and "b" in mode and "r" not in mode
        file = super().open(path, mode, block_size, cache_options, None if packs else compression, **kwargs)
        method = get_compression(path, compression) if packs else None
        return CompressedFile(compr[method](file, mode="w"), file) if method else file

    def _open(
        self,
        path: str,
        mode: str = "rb",
        block_size: int | None = None,
        autocommit: bool = True,
        cache_options: Any = None,
        cache_type: str | None = None,
        **kwargs: Any,
    ) -> io.IOBase:
        """Open a file: "rb" to read it, "wb" to log a file when it is closed, "xb" the same where nothing is yet.

        Raises:
            FileNotFoundError, IsADirectoryError: As `cat_file`.
            FileExistsError: When a written file is closed: the path holds other content, which stays.
            PermissionError: It is not of a run.
        """
        if mode == "rb":
            kept_elsewhere = cache_type == "none" and "size" in kwargs  # so asks `blockcache`
            return BlockFile(self._opened(path)) if kept_elsewhere else self._opened(path)
        if mode not in ("wb", "xb"):
            raise io.UnsupportedOperation(f"files of a store are opened as 'rb', 'wb' or 'xb', not {mode!r}")
        self._writable(path, create=mode == "xb")
        return NewFile(lambda stream, size: self._log(path, stream, size), path, autocommit=autocommit)

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **_: Any) -> None:
        """Log bytes as a file of a run. Raises: as `open`. Cost: as `Run.log_bytes`."""
        path = self._strip_protocol(path)
        self._writable(path, create=mode == "create")
        self._log(path, io.BytesIO(value), len(value))

    def put_file(
        self, lpath: Any, rpath: str, callback: Any = DEFAULT_CALLBACK, mode: str = "overwrite", **_: Any
    ) -> None:
        """Log a local file. Raises: as `open`. Cost: as `Run.log_stream`."""
        local = Path(lpath)
        if local.is_dir():
            return
        rpath = self._strip_protocol(rpath)
        self._writable(rpath, create=mode == "create")
        with local.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            callback.set_size(size)
            self._log(rpath, file, size)
            callback.relative_update(size)

    def put(
        self,
        lpath: Any,
        rpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        mode: str = "overwrite",
        **kwargs: Any,
    ) -> None:
        """Log local files and folders: those of one run as one commit, all or nothing.

        Args: as of fsspec's `put`. Raises: as `open`. Cost: as `Run.log_artifacts`.
        """
        plan = Plan(self)
        AbstractFileSystem.put(plan, lpath, rpath, recursive, callback, maxdepth, **kwargs)
        roots: dict[str, Pairs] = {}
        for local, name in plan.pairs:
            if Path(local).is_file():
                path = self._strip_protocol(name)
                place = self._writable(path, create=mode == "create")[1]
                roots.setdefault(place.root, []).append((local, place.path))
        for root, pairs in roots.items():
            self._send(root, pairs)

    def mkdir(self, path: str, create_parents: bool = True, **_: Any) -> None:
        """Make an empty directory, which this process alone sees: a run holds one once a file is in it. Cost: none."""
        path = self._strip_protocol(path)
        place = parse_place(path)
        if place.run_id is not None and place.path:
            self._views.note_made(path)

    def makedirs(self, path: str, exist_ok: bool = False) -> None:
        """Make an empty directory, as `mkdir`. Raises: FileExistsError: There is something, unless `exist_ok`."""
        if not exist_ok and self.exists(path):
            raise FileThereError(path, f"there is something at {path!r}")
        self.mkdir(path)

    def rmdir(self, path: str) -> None:
        """Take away what `mkdir` made; a directory with files in it stays."""
        self._views.forget_made(self._strip_protocol(path))

    def mv(self, path1: str, path2: str, recursive: bool = False, maxdepth: int | None = None, **kwargs: Any) -> None:
        """Log files of a run of versioned paths at other paths, and remove them. Raises: as `rm`, with nothing done."""
        path = self._strip_protocol(path1)
        place = self._writable(path)[1]
        if not self._seen(path, place).run.info.versioned:
            raise FileForbiddenError(path, str(RunNotVersionedError(place.run_id or "")))
        super().mv(path1, path2, recursive=recursive, maxdepth=maxdepth, **kwargs)

    def cp_file(self, path1: str, path2: str, **_: Any) -> None:
        """Log a file of the store at another path; its content is stored once. Raises: as `open`."""
        if self.isdir(path1):
            return
        path2 = self._strip_protocol(path2)
        self._writable(path2)
        with self._opened(path1) as file:
            self._log(path2, file, file.size)

    def rm_file(self, path: str) -> None:
        """Take a file out of a run of versioned paths. Raises: FileNotFoundError, PermissionError. Cost: one PUT."""
        path = self._strip_protocol(path)
        if self.isdir(path):
            raise is_directory(path)
        self._remove(path)

    _rm = rm_file

    def rm(self, path: Any, recursive: bool = False, maxdepth: int | None = None) -> None:
        """Take files out of runs of versioned paths; a directory, with `recursive`, as one change of its run."""
        names = [path] if isinstance(path, str | os.PathLike) else list(path)
        if maxdepth is not None or any(has_magic(os.fspath(name)) for name in names):
            names, recursive = self.expand_path(path, recursive=recursive, maxdepth=maxdepth)[::-1], False
            names = [name for name in names if not self.isdir(name)]
        for name in names:
            if recursive:
                self._remove_tree(self._strip_protocol(name))
            else:
                self.rm_file(os.fspath(name))

    # --- inside ---

    def _writable(self, path: str, *, create: bool = False) -> tuple[Run, Place]:
        """Return the run that a path is of, and where; `create`: nothing may be there yet."""
        place = parse_place(path)
        if place.listing is not None or (place.root and not place.path):
            raise is_directory(path)
        if place.run_id is None:
            raise FileForbiddenError(path, f"{path!r} is not of a run, and only runs are written to: runs/<id>/<path>")
        if create and self.exists(path):
            raise FileThereError(path, f"there is something at {path!r}")
        with as_os_errors(path):
            return self._views.store.runs.get(place.run_id), place

    @contextmanager
    def _changing(self, path: str) -> Iterator[tuple[Run, str]]:
        """Give the run that is changed at a path, and the path in it; what was seen of it counts no more then."""
        run, place = self._writable(path)
        try:
            with as_os_errors(path):
                yield run, place.path
        finally:
            self._views.forget(place.root)

    def _send(self, root: str, pairs: Pairs) -> None:
        with self._changing(f"{root}/{pairs[0][1]}") as (run, _):
            try:
                send(pairs, lambda folder: run.log_artifacts(folder, on_conflict="replace", links="follow"))
            except RunNotVersionedError:
                send(pairs, lambda folder: run.log_artifacts(folder, links="follow"))

    def _log(self, path: str, stream: BinaryIO, size: int) -> None:
        """Log so many bytes; what is small may travel in the log's entry, as what comes from a stream cannot."""
        data = stream.read() if size <= _SMALL else None
        with self._changing(path) as (run, inside):
            try:
                _log(run, data, stream, inside, "replace")
            except RunNotVersionedError:
                stream.seek(0)
                _log(run, data, stream, inside, "error")

    def _remove_tree(self, path: str) -> None:
        if not self._views.forget_made(path) or self.exists(path):
            self._remove(path)

    def _remove(self, path: str) -> None:
        with self._changing(path) as (run, inside):
            run.delete_artifact(inside)


def _log(run: Run, data: bytes | None, stream: BinaryIO, path: str, on_conflict: OnConflict) -> None:
    if data is None:
        run.log_stream(stream, path, on_conflict=on_conflict)
    else:
        run.log_bytes(data, path, on_conflict=on_conflict)
