"""Second names for the files of a checkpoint, which keep them while their owner rewrites and deletes the first.

A hard link in a hidden folder beside them costs no byte and no time: deleting the first name, or putting another
file in its place, changes nothing of it. Where the file system has no hard links, the files are copied. What is
rewritten *in place*, byte by byte, is noticed by its size and time: an error, not a checkpoint with other content.

    checkpoints/checkpoint-500/model.safetensors
    checkpoints/.holdall-upload-HOST-PID-TOKEN/7/checkpoint-500/model.safetensors

The folder of a process that was killed is removed by the next one that saves there.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import tempfile
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final

import holdall

_PREFIX: Final = ".holdall-upload-"
_token = secrets.token_hex(4)
_numbers = count()
_swept: set[Path] = set()


class Staged:
    """The second names of a checkpoint. Attributes: local (the file or folder that has them)."""

    def __init__(self, folder: Path, local: Path) -> None:
        self._folder, self.local = folder, local
        self._stamps = _stamps(local)

    def check(self) -> None:
        """Raise a SourceChangedError where a file was rewritten in place since."""
        for file, stamp in _stamps(self.local).items():
            if self._stamps.get(file) != stamp:
                raise holdall.SourceChangedError(str(file), "it was rewritten in place before it was uploaded")

    def drop(self) -> None:
        """Give the second names up."""
        shutil.rmtree(self._folder, ignore_errors=True)
        with suppress(OSError):  # another checkpoint is staged there
            self._folder.parent.rmdir()


def stage(local: Path, name: str) -> Staged:
    """Give a file, or all files of a folder, second names.

    Args:
        local: The file or folder, or a link to one.
        name: What the file or folder is called then.

    Raises:
        OSError: It is gone, or the disk is full.
    """
    folder = _folder_beside(local.absolute())
    try:
        kept = folder / name
        if local.is_dir():
            shutil.copytree(local.resolve(), kept, symlinks=True, copy_function=_link_or_copy)
        else:
            _link_or_copy(str(local.resolve()), str(kept))  # of a link, what it leads to
        return Staged(folder, kept)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def _folder_beside(local: Path) -> Path:
    """Return a new hidden folder on the file system of a file; a temporary one where none may be made beside it."""
    _sweep(local.parent)
    name = f"{_PREFIX}{socket.gethostname()}-{os.getpid()}-{_token}"
    try:
        folder = local.parent / name / str(next(_numbers))
        folder.mkdir(parents=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix=_PREFIX))
    return folder


def _sweep(parent: Path) -> None:
    """Remove what processes of this machine that are gone have left in a folder, once."""
    if parent in _swept:
        return
    _swept.add(parent)
    for found in parent.glob(f"{_PREFIX}{socket.gethostname()}-*-*"):
        pid, token = found.name.rsplit("-", 2)[1:]
        if token != _token and pid.isdecimal() and not (int(pid) != os.getpid() and _is_alive(int(pid))):
            shutil.rmtree(found, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # it is another user's
    return True


def _stamps(local: Path) -> dict[Path, tuple[int, int]]:
    """Return size and time of the content of each file; not of its names, which may be given up."""
    files = (
        [local] if local.is_file() else [path for path in local.rglob("*") if path.is_file() and not path.is_symlink()]
    )
    return {path: (found.st_size, found.st_mtime_ns) for path in files if (found := path.stat())}
