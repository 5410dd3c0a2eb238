"""Copies of local files and folders, made without following a link.

What stands beside a model was named by its user, and what is exported came out
of a store: a link in either must not bring what lies elsewhere along. So a copy
is read as a commit reads it (a link that stays inside is a link, one that leads
out is refused by name) and written as a fetch writes it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from holdall.format.tree import Kind
from holdall.trees.destination import Destination, Place
from holdall.trees.partial_file import replacing, written
from holdall.trees.source import Item, local_items

_BLOCK = 1 << 20


def copy_local(source: Path, target: Path, *, without: Callable[[str], bool] | None = None) -> None:
    """Copy a file or folder, without what Python compiled. A source that is itself a link is what it leads to.

    Args:
        source: The file or folder.
        target: What it becomes.
        without: Which paths of a folder stay behind.

    Raises:
        SourceUnreadableError: It cannot be read.
        UnsupportedFileError: It holds a link that leads out of it, or something that is no file.
        DestinationError: The target cannot be written, or would be written below a link.
    """
    if not source.is_dir():
        with Destination(target.parent) as below:
            _write(local_items(source, target.name)[0], below)
        return
    with Destination(target) as below:
        for item in items_of(source):
            if without and without(item.path):
                continue
            if item.kind is Kind.DIRECTORY:
                below.make_folder(item.path)
                continue
            if folder := item.path.rpartition("/")[0]:
                below.make_folder(folder)
            _write(item, below)


def items_of(folder: Path) -> Iterator[Item]:
    """Yield what a folder holds, in order, without what Python compiled. Raises: as `copy_local`."""
    return (item for item in local_items(folder, "") if not _compiled(item.path))


def _compiled(path: str) -> bool:
    return path.endswith(".pyc") or "__pycache__" in path.split("/")


def _write(item: Item, below: Destination) -> None:
    place = Place(below, item.path)
    if item.kind is Kind.LINK:
        with replacing(place) as (name, folder):
            os.symlink(item.target, name, dir_fd=folder)
        return
    with item.open() as content, written(place, executable=item.executable) as file:
        buffer = memoryview(bytearray(_BLOCK))
        while count := content.readinto(buffer):
            file.write(buffer[:count])
