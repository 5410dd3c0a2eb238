"""A store as a file system of fsspec: the verbs that read content."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from fsspec import AbstractFileSystem
from fsspec.callbacks import DEFAULT_CALLBACK
from fsspec.utils import isfilelike

from holdall.settings import read_settings
from holdall.store import ArtifactInfo, RunSnapshot, active_run, side_by_side
from holdall.surfaces.filesystem.addresses import parse_place
from holdall.surfaces.filesystem.browsing import BrowsableFileSystem, created_of
from holdall.surfaces.filesystem.files import RunFile
from holdall.surfaces.filesystem.listing import described
from holdall.surfaces.filesystem.transfers import Pairs, Plan, fetch
from holdall.surfaces.filesystem.translating import as_os_errors, is_directory


class ReadableFileSystem(BrowsableFileSystem):
    """The files of a store's runs and models, to be read. Args: as of `HoldallFileSystem`."""

    def cat_file(self, path: str, start: int | None = None, end: int | None = None, **_: Any) -> bytes:
        """Return a file's bytes, verified, or those from `start` to `end`, as a slice has them.

        Raises:
            FileNotFoundError: There is nothing.
            IsADirectoryError: It is a directory.
            IntegrityError: Content is not what was written.

        Cost: as `Run.read` and `Run.read_ranges`, without looking at the log.
        """
        with self._opened(path) as file:
            if start is None and end is None:
                return file.read()
            first, last, _step = slice(start, end).indices(file.size)
            return file.read_ranges([(first, max(first, last))])[0]

    def cat_ranges(
        self,
        paths: list[str],
        starts: Any,
        ends: Any,
        max_gap: int | None = None,
        on_error: str = "return",
        **_: Any,
    ) -> list[Any]:
        """Return ranges of files, in their order; those of one file are planned together, and files side by side.

        Args:
            paths: The file of each range.
            starts, ends: As for `cat_file`; one for all, or one for each.
            max_gap: Unused: what is near is fetched together in any case.
            on_error: "return" an error where a range would be, or "raise" it.
        """
        if not isinstance(paths, list):
            raise TypeError(f"paths is a list, not {type(paths).__name__}")
        wanted = list(zip(paths, _each(starts, len(paths)), _each(ends, len(paths)), strict=True))
        found: list[Any] = [None] * len(wanted)
        files: dict[str, list[int]] = {}
        for n, path in enumerate(paths):
            files.setdefault(path, []).append(n)

        def read(path: str) -> None:
            try:
                with self._opened(path) as file:
                    ranges = [slice(*wanted[n][1:]).indices(file.size)[:2] for n in files[path]]
                    parts: Sequence[Any] = file.read_ranges([(first, max(first, last)) for first, last in ranges])
            except Exception as error:
                if on_error != "return":
                    raise
                parts = [error] * len(files[path])
            for n, part in zip(files[path], parts, strict=True):
                found[n] = part

        side_by_side(read, files)
        return found

    def cat(self, path: Any, recursive: bool = False, on_error: str = "raise", **kwargs: Any) -> Any:
        """Return a file's bytes, or those of several by path, which are read side by side. Args: as fsspec's `cat`."""
        paths = self.expand_path(path, recursive=recursive)
        if len(paths) == 1 and not isinstance(path, list) and paths[0] == self._strip_protocol(path):
            return self.cat_file(paths[0], **kwargs)

        def read(name: str) -> Any:
            try:
                return self.cat_file(name, **kwargs)
            except Exception as error:
                if on_error == "raise":
                    raise
                return error

        files = [name for name in paths if not (recursive and self.isdir(name))]
        found = dict(zip(files, side_by_side(read, files), strict=True))
        return {name: data for name, data in found.items() if on_error == "return" or not isinstance(data, Exception)}

    def get(
        self,
        rpath: Any,
        lpath: Any,
        recursive: bool = False,
        callback: Any = DEFAULT_CALLBACK,
        maxdepth: int | None = None,
        **kwargs: Any,
    ) -> None:
        """Write files and directories to local disk: all of one run in one stream of requests, verified.

        Args: as of fsspec's `get`. Raises: as `cat_file`; no file has wrong bytes, and all others are there.
        """
        plan = Plan(self)
        AbstractFileSystem.get(plan, rpath, lpath, recursive, callback, maxdepth, **kwargs)
        self._fetch(plan.pairs)

    def get_file(
        self, rpath: str, lpath: Any = None, callback: Any = DEFAULT_CALLBACK, outfile: Any = None, **kwargs: Any
    ) -> None:
        """Write a file to local disk, verified; of a directory, make it. Raises: as `get`."""
        if outfile is not None or isfilelike(lpath):
            super().get_file(rpath, lpath, callback, outfile, **kwargs)
            return
        size = self.info(rpath)["size"]
        callback.set_size(size)
        self._fetch([(rpath, os.fspath(lpath))])
        callback.relative_update(size)

    def _fetch(self, pairs: Pairs) -> None:
        """Write files and directories to local paths, root by root."""
        roots: dict[str, tuple[RunSnapshot, Pairs]] = {}
        for rpath, lpath in pairs:
            path = self._strip_protocol(rpath)
            place = parse_place(path)
            with as_os_errors(path):
                if place.listing is not None or self.isdir(path):
                    os.makedirs(lpath, exist_ok=True)  # noqa: PTH103  # a text, as fsspec gives it
                    continue
                seen, found = self._stat(path, place)
                if found.kind == "file":
                    self._note_read(found)
                roots.setdefault(place.root, (seen.run, []))[1].append((seen.inside(place.path), lpath))
        for root, (run, wanted) in roots.items():
            with as_os_errors(root):
                fetch(run, wanted)

    def _opened(self, path: str) -> RunFile:
        """Open a file, and note that the active run reads it. Raises: as `cat_file`."""
        path = self._strip_protocol(path)
        place = parse_place(path)
        with as_os_errors(path):
            if place.listing is not None:
                raise is_directory(path)
            seen, found = self._stat(path, place)
            if found.kind == "directory":
                raise is_directory(path)
            file = seen.run.open(seen.inside(place.path))
        self._note_read(found)
        return RunFile(file, self, path, described(path, found, created_of(seen)))

    def _note_read(self, found: ArtifactInfo) -> None:
        """Have the active run, if there is one, note that it reads a file. Cost: none."""
        run = active_run()
        if run is not None and read_settings().lineage:
            run._note_read(found.run_id, found.path, f"sha256:{found.sha256}", self._views.store.id)


def _each(given: Any, count: int) -> list[Any]:
    """Return one value for each of so many. Raises: ValueError: There are others."""
    found = given if isinstance(given, list) else [given] * count
    if len(found) != count:
        raise ValueError(f"{len(found)} bounds for {count} paths")
    return found
