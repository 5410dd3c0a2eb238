"""Writing a run's files back to a local folder.

Every byte is verified before a file gets its name: content goes into
`<name>.<random>.partial`, the whole file's SHA-256 is checked, and only then is
it renamed. What stands there before is replaced in one step, never half.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from holdfast.chunks.observer import SILENT, Observer, Transfer, begin_transfer
from holdfast.errors import IntegrityError, InvalidPathError
from holdfast.format import digest
from holdfast.format.layout import PackName
from holdfast.format.paths import check_link, check_path
from holdfast.format.recipe import Recipe, parse_recipe
from holdfast.format.tree import Entry, Kind
from holdfast.trees.tree import Blobs

_BLOCK = 1 << 20


def checkout(
    blobs: Blobs, entries: Sequence[Entry], below: str, destination: Path, *, observer: Observer = SILENT
) -> None:
    """Write entries of a run into a folder.

    Args:
        blobs: Where their content is.
        entries: What to write.
        below: The directory of the run that becomes `destination`; "" for the root.
        destination: A folder; made if it is not there.
        observer: Is told how far it is.

    Raises:
        IntegrityError: Content is not what was written. The file is not there, or as it was before.
        InvalidPathError: A path or link would leave the destination, or two paths are one on this disk.

    Cost: one request for what lies together in a pack, of 16 MiB at most.
    """
    names = {entry.path: _relative(entry, below) for entry in entries}
    destination.mkdir(parents=True, exist_ok=True)
    _refuse_collisions(list(names.values()), destination)
    target = {path: destination / name for path, name in names.items()}
    for place in sorted({place.parent for place in target.values()}):
        place.mkdir(parents=True, exist_ok=True)
    for entry in entries:
        if entry.kind is Kind.DIRECTORY:
            target[entry.path].mkdir(exist_ok=True)
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
        _pwrite(file, 0, data)


def _large(blobs: Blobs, entry: Entry, recipe: Recipe, target: Path, transfer: Transfer) -> None:
    with _partial(target, entry) as file:
        at, wanted = 0, []
        for ref in recipe.chunks:
            wanted.append((ref, partial(_pwrite, file, at)))
            at += ref.raw
        blobs.packs.deliver(wanted, path=entry.path, transfer=transfer)
        if _sha256_of(file) != entry.sha256:
            raise IntegrityError(str(target), "its content has another SHA-256 than was logged", entry.path)


@contextmanager
def _partial(target: Path, entry: Entry) -> Iterator[int]:
    """A new file beside the target, renamed to it if all goes well, removed if not."""
    name = target.with_name(f"{target.name[:200]}.{os.urandom(4).hex()}.partial")
    file = os.open(name, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o777 if entry.executable else 0o666)
    try:
        try:
            yield file
        finally:
            os.close(file)
        name.replace(target)
    except BaseException:
        name.unlink(missing_ok=True)
        raise


def _pwrite(file: int, at: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(file, view, at)
        view, at = view[count:], at + count


def _sha256_of(file: int) -> bytes:
    hasher, at = digest.file_hash(), 0
    while data := os.pread(file, _BLOCK, at):
        hasher.update(data)
        at += len(data)
    return hasher.digest()


def _relative(entry: Entry, below: str) -> str:
    """The path of an entry in the destination, where neither it nor its target may leave it."""
    name = check_path(entry.path).removeprefix(f"{below}/" if below else "")
    if entry.kind is Kind.LINK:
        check_link(name, entry.target)
    return name


def _link(place: Path, target: str) -> None:
    name = place.with_name(f"{place.name[:200]}.{os.urandom(4).hex()}.partial")
    name.symlink_to(target)
    name.replace(place)


def _refuse_collisions(names: Sequence[str], destination: Path) -> None:
    """Two paths that differ in case only are one file on some disks: refuse before anything is written."""
    folded: dict[str, str] = {}
    for name in names:
        other = folded.setdefault(name.casefold(), name)
        if other != name and _folds_case(destination):
            raise InvalidPathError(name, f"on this disk it is the same as {other!r}")


def _folds_case(folder: Path) -> bool:
    with tempfile.NamedTemporaryFile(dir=folder, prefix="holdfast-Case-") as file:
        return Path(file.name.replace("holdfast-Case-", "holdfast-cASE-")).exists()
