"""Writing a run's files back to a local folder.

Every byte is verified before a file gets its name: content goes into
`<name>.<random>.partial`, the whole file's SHA-256 is checked, and only then is
it renamed. What stands there before is replaced in one step, never half; a
folder never gives way to a file, nor a file to a folder: that is a
`DestinationError`, as is all that the local disk refuses.
"""

from __future__ import annotations

import errno
import os
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

from holdfast.chunks.observer import SILENT, Observer, Transfer, begin_transfer
from holdfast.errors import DestinationError, IntegrityError, InvalidPathError
from holdfast.format import digest
from holdfast.format.layout import PackName
from holdfast.format.paths import check_link, check_path
from holdfast.format.recipe import Recipe, parse_recipe
from holdfast.format.tree import Entry, Kind
from holdfast.trees.tree import Blobs

_BLOCK = 1 << 20


def checkout(blobs: Blobs, entries: Sequence[Entry], destination: Path, *, observer: Observer = SILENT) -> None:
    """Write entries of a run into a folder, each at its path.

    Args:
        blobs: Where their content is.
        entries: What to write.
        destination: A folder; made if it is not there.
        observer: Is told how far it is.

    Raises:
        IntegrityError: Content is not what was written. The file is not there, or as it was before.
        InvalidPathError: A path or link would leave the destination, or two paths are one on this disk.
        DestinationError: The disk is full, a folder is not writable, or a file and a folder want one place.

    Cost: one request for what lies together in a pack, of 16 MiB at most.
    """
    for entry in entries:
        _check(entry)
    _make_folder(destination)
    _refuse_collisions([entry.path for entry in entries], destination)
    target = {entry.path: destination / entry.path for entry in entries}
    for place in sorted({place.parent for place in target.values()}):
        _make_folder(place)
    for entry in entries:
        if entry.kind is Kind.DIRECTORY:
            _make_folder(target[entry.path])
        elif entry.kind is Kind.LINK:
            _link(target[entry.path], entry.target)
    files = [entry for entry in entries if entry.kind is Kind.FILE]
    with begin_transfer(observer, "fetch", sum(entry.size for entry in files)) as transfer:
        _small(blobs, [entry for entry in files if entry.whole], target, transfer)
        for entry, recipe in zip(large := [e for e in files if not e.whole], recipes(blobs, large), strict=True):
            _large(blobs, entry, recipe, target[entry.path], transfer)


def recipes(blobs: Blobs, entries: Sequence[Entry]) -> list[Recipe]:
    """The recipes of files that are cut, read together."""
    found = []
    for entry, data in zip(entries, blobs.read([entry.content for entry in entries if entry.content]), strict=True):
        recipe = parse_recipe(data)
        if (recipe.size, recipe.sha256) != (entry.size, entry.sha256):
            raise IntegrityError(f"recipe {digest.blob_id(data).hex()}", "it is another file's", entry.path)
        found.append(recipe)
    return found


def _small(blobs: Blobs, entries: Sequence[Entry], target: dict[str, Path], transfer: Transfer) -> None:
    """Files that are one blob, or empty: those that lie together come together."""
    packed = []
    for entry in entries:
        write = partial(_write_whole, entry, target[entry.path])
        if entry.content is None:
            write(b"")
        elif isinstance(entry.content.place, PackName):
            packed.append((entry.content, write))
    whose = {entry.content: entry.path for entry in entries if entry.content}
    blobs.packs.deliver(packed, path=whose, transfer=transfer)
    inline = [entry for entry in entries if entry.content and not isinstance(entry.content.place, PackName)]
    for entry, data in zip(inline, blobs.read([entry.content for entry in inline if entry.content]), strict=True):
        _write_whole(entry, target[entry.path], data)
        transfer.add(len(data))


def _write_whole(entry: Entry, target: Path, data: bytes) -> None:
    if digest.sha256(data) != entry.sha256:
        raise IntegrityError(str(target), "its content has another SHA-256 than was logged", entry.path)
    with _partial(target, entry) as file:
        file.write(0, data)


def _large(blobs: Blobs, entry: Entry, recipe: Recipe, target: Path, transfer: Transfer) -> None:
    with _partial(target, entry) as file:
        at, wanted = 0, []
        for ref in recipe.chunks:
            wanted.append((ref, partial(file.write, at)))
            at += ref.raw
        blobs.packs.deliver(wanted, path=entry.path, transfer=transfer)
        if file.sha256() != entry.sha256:
            raise IntegrityError(str(target), "its content has another SHA-256 than was logged", entry.path)


class _NewFile:
    """A file that threads write at once, each where its bytes belong.

    Once it is closed, its descriptor's number may be another file's: whoever
    comes late, such as a request that outlived the failure of its neighbour,
    is refused here rather than let loose on that one.
    """

    def __init__(self, path: Path, mode: int, target: Path) -> None:
        self._target, self._lock = target, threading.Lock()
        with _refusals_named(target):
            self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def write(self, at: int, data: bytes) -> None:
        """Put bytes at an offset. Raises: ValueError if it is closed."""
        view = memoryview(data)
        with self._lock, _refusals_named(self._target):
            while view:
                count = os.pwrite(self._open, view, at)
                view, at = view[count:], at + count

    def sha256(self) -> bytes:
        """Of all that it holds, read back."""
        hasher, at = digest.file_hash(), 0
        with self._lock, _refusals_named(self._target):
            while data := os.pread(self._open, _BLOCK, at):
                hasher.update(data)
                at += len(data)
        return hasher.digest()

    def close(self) -> None:
        """Give the descriptor back. A second time does nothing."""
        with self._lock, _refusals_named(self._target):
            descriptor, self._descriptor = self._descriptor, None
            if descriptor is not None:
                os.close(descriptor)

    @property
    def _open(self) -> int:
        if self._descriptor is None:
            raise ValueError(f"write to closed file {self._target}")
        return self._descriptor


@contextmanager
def _partial(target: Path, entry: Entry) -> Iterator[_NewFile]:
    """A new file beside the target, renamed to it if all goes well, removed if not."""
    with _replacing(target) as name:
        file = _NewFile(name, 0o777 if entry.executable else 0o666, target)
        try:
            yield file
        finally:
            file.close()


def _link(place: Path, target: str) -> None:
    with _replacing(place) as name, _refusals_named(place):
        name.symlink_to(target)


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """A free name beside the target; what got it takes the target's place if all goes well, and goes if not."""
    name = target.with_name(f"{target.name[:200]}.{os.urandom(4).hex()}.partial")
    try:
        yield name
        with _refusals_named(target):
            name.replace(target)
    except BaseException:
        with suppress(OSError):
            name.unlink()
        raise


def _make_folder(place: Path) -> None:
    with _refusals_named(place):
        place.mkdir(parents=True, exist_ok=True)


@contextmanager
def _refusals_named(path: Path) -> Iterator[None]:
    """What the local disk refuses at a path becomes a `DestinationError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTDIR):
            standing = next((above for above in (path, *path.parents) if os.path.lexists(above)), path)
            raise DestinationError(str(standing), "a folder must be here, and what stands here is none") from error
        if error.errno == errno.EISDIR:
            raise DestinationError(str(path), "a file must be here, and a folder stands here") from error
        raise DestinationError(str(path), error.strerror or str(error)) from error


def _check(entry: Entry) -> None:
    """Neither an entry nor what it links to may leave the destination."""
    check_path(entry.path)
    if entry.kind is Kind.LINK:
        check_link(entry.path, entry.target)


def _refuse_collisions(names: Sequence[str], destination: Path) -> None:
    """Two paths that differ in case only are one file on some disks: refuse before anything is written."""
    folded: dict[str, str] = {}
    for name in names:
        other = folded.setdefault(name.casefold(), name)
        if other != name and _folds_case(destination):
            raise InvalidPathError(name, f"on this disk it is the same as {other!r}")


def _folds_case(folder: Path) -> bool:
    with _refusals_named(folder), tempfile.NamedTemporaryFile(dir=folder, prefix="holdfast-Case-") as file:
        return Path(file.name.replace("holdfast-Case-", "holdfast-cASE-")).exists()
