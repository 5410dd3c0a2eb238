"""Folders, fetched and put as a whole.

fsspec works out which files go where, and copies them one by one. Here they are
collected first: what is fetched shares one stream of requests and is verified as a
checkout is, and what is put is one commit, all or nothing.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from holdall.errors import InvalidPathError
from holdall.store import RunSnapshot

Pairs: TypeAlias = list[tuple[str, str]]  # where from, and where to


class Plan:
    """A file system that notes which files would be copied, and copies none. Attributes: pairs."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs
        self.pairs: Pairs = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fs, name)

    def get_file(self, rpath: str, lpath: Any, **_: Any) -> None:
        self.pairs.append((rpath, os.fspath(lpath)))

    def put_file(self, lpath: Any, rpath: str, **_: Any) -> None:
        self.pairs.append((os.fspath(lpath), rpath))


def fetch(run: RunSnapshot, pairs: Sequence[tuple[str, str]]) -> None:
    """Write files of a run to local paths, given as pairs of the path in the run and the local one.

    Raises:
        IntegrityError: Content is not what was written. No file has wrong bytes, and all others are there.
        DestinationError: The folder does not take it.
    """
    entries = [entry for path, _ in pairs for entry in run._select(path).entries]
    for _, local in pairs:
        Path(local).parent.mkdir(parents=True, exist_ok=True)
    with _folder_beside(pairs[0][1]) as folder:
        try:
            run._fetch_selected(entries, folder)
        finally:
            for path, local in pairs:
                if os.path.lexists(folder / path):
                    shutil.move(folder / path, local)


def send(pairs: Sequence[tuple[str, str]], log: Callable[[str], object]) -> None:
    """Have local files logged together, given as pairs of the local path and that in the run.

    Args:
        pairs: The files.
        log: Logs a folder, whose links are to be followed.

    Raises:
        InvalidPathError: No run may hold such a path. Then nothing was logged, and no link made anywhere.
    """
    for _, path in pairs:
        if not {"", ".", ".."}.isdisjoint(path.split("/")):
            raise InvalidPathError(path, "a name in it is empty, '.' or '..'")
    with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
        for local, path in pairs:
            link = Path(folder, path)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(Path(local).absolute())
        log(folder)


@contextmanager
def _folder_beside(local: str) -> Iterator[Path]:
    """Make a folder on the disk of a local path, which goes when the block is left."""
    with tempfile.TemporaryDirectory(prefix=".holdall-", dir=Path(local).parent) as folder:
        yield Path(folder)
