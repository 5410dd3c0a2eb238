"""Writing a run's files back to a local folder.

Every byte is verified before a file gets its name: each chunk by its hash, the
whole by its SHA-256. All files share one stream of requests, so that many of
them cost no more pauses than one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Final

from holdall.chunks.delivery import Delivery, FileOffset, PathOf, Receiver
from holdall.chunks.observer import SILENT, Observer, Transfer, begin_transfer
from holdall.errors import IncompleteError, IntegrityError
from holdall.format import digest
from holdall.format.layout import PackName
from holdall.format.paths import check_link, check_path
from holdall.format.recipe import Recipe, parse_recipe
from holdall.format.reference import Ref
from holdall.format.tree import Entry, Kind
from holdall.trees.blobs import RunBlobReader
from holdall.trees.collisions import refuse_collisions
from holdall.trees.destination import Destination, Place
from holdall.trees.location import Location
from holdall.trees.native import native
from holdall.trees.partial_file import PartialFile, replacing, write_whole
from holdall.trees.salvage import is_gone
from holdall.trees.shared_checkout import deliver_shared, helpers

_AT_ONCE: Final = 128  # large files whose requests are planned together; about so many are open
_PLANNED: Final = 1 << 16  # chunks whose requests are planned together: those of one very large file are more
_TOGETHER: Final = 4 << 30  # bytes of them; the recipes of so many take 20 MB


def checkout(
    blobs: RunBlobReader,
    entries: Sequence[Entry],
    destination: Path,
    *,
    observer: Observer = SILENT,
    location: Location | None = None,
) -> None:
    """Write entries of a run into a folder, each at its path.

    Args:
        blobs: Where their content is.
        entries: What to write.
        destination: A folder; made if it is not there.
        observer: Is told how far it is.
        location: Whose workers share large files; None: this process does it all.

    Raises:
        IntegrityError: Content is not what was written. The file is not there, or as it was before; all others are
            there. `IncompleteError`, if there are several such files.
        InvalidPathError: A path or link would leave the destination, or two paths are one on this disk.
        DestinationError: The disk is full, a folder is not writable, a file and a folder want one place, or
            there is a link where a folder must be: nothing is written below a link.
        WorkerDiedError: A worker was lost; what is complete is there, and the same call works again.

    Cost: one request for what lies together in a pack, of 16 MiB at most (4 MiB of a local disk).
    """
    for entry in entries:
        _check(entry)
    with Destination(destination) as below:
        refuse_collisions([entry.path for entry in entries], below)
        target = {entry.path: Place(below, entry.path) for entry in entries}
        for folder in sorted({path.rpartition("/")[0] for path in target} - {""}):
            below.make_folder(folder)
        for entry in entries:
            if entry.kind is Kind.DIRECTORY:
                below.make_folder(entry.path)
            elif entry.kind is Kind.LINK:
                _link(target[entry.path], entry.target)
        files = [entry for entry in entries if entry.kind is Kind.FILE]
        with begin_transfer(observer, "fetch", sum(entry.size for entry in files)) as transfer:
            failed = _all_that_can_be(_Job(blobs, target, transfer, location), files)
            if len(failed) == 1:
                raise failed[0]
            if failed:
                cause = next(filter(is_gone, failed), failed[0])  # a look at the log may mend that
                raise IncompleteError(blobs.journal.log, "\n".join(map(str, failed))) from cause


@dataclass(frozen=True, slots=True)
class _Job:
    """What all files of a checkout have in common. Attributes: target (where each path is to be)."""

    blobs: RunBlobReader
    target: Mapping[str, Place]
    transfer: Transfer
    location: Location | None


def _all_that_can_be(job: _Job, files: Sequence[Entry]) -> list[IntegrityError]:
    """Write all files but those that are damaged, and return the errors of these.

    Where one fails, the others are tried in halves: a lost pack costs a few requests for each file in it.
    """
    try:
        _files(job, files)
        return []
    except IntegrityError as error:
        left = [entry for entry in files if not job.target[entry.path].written]
        if len(left) < 2:
            return [error]
    middle = len(left) // 2
    return [error for half in (left[:middle], left[middle:]) for error in _all_that_can_be(job, half)]


def recipes(blobs: RunBlobReader, entries: Sequence[Entry]) -> list[Recipe]:
    """Return the recipes of files that are cut into chunks, read together."""
    found = []
    refs = [entry.content for entry in entries if entry.content]
    for entry, data in zip(entries, blobs.read_recipes(refs, path=_owners(entries)), strict=True):
        recipe = parse_recipe(data)
        if (recipe.size, recipe.sha256) != (entry.size, entry.sha256):
            raise IntegrityError(f"recipe {digest.blob_id(data).hex()}", "it is another file's", entry.path)
        found.append(recipe)
    return found


def _files(job: _Job, files: Sequence[Entry]) -> None:
    """Write all files; those that are cut into chunks are shared among workers, where they are large.

    Only when the others are written: workers have all of the memory that transfers may hold.
    """
    whole, cut = [entry for entry in files if entry.whole], [entry for entry in files if not entry.whole]
    with helpers(job.location, cut, job.transfer, job.blobs.packs.limit) as shared:
        if shared is None:
            _alone(job, whole, cut)
            return
        _alone(job, whole, [])
        for group in _groups(cut):
            begun = [PartialFile(entry, job.target[entry.path]) for entry in group]
            try:
                taken = deliver_shared(shared, recipes(job.blobs, group), begun)
                assert not taken or all(file.closed for file in begun), "workers have told of all that they wrote"
            finally:
                _discard(begun)
            if not taken:
                _alone(job, [], group)


def _alone(job: _Job, whole: Sequence[Entry], cut: Sequence[Entry]) -> None:
    """Write files by this process, cut into chunks or not, in one stream."""
    arriving: list[PartialFile] = []
    try:
        with job.blobs.packs.delivery(job.transfer) as delivery:
            _whole(job.blobs, whole, job.target, delivery, job.transfer)
            for group in _groups(cut):
                begun = [PartialFile(entry, job.target[entry.path]) for entry in group]
                arriving = [file for file in arriving if not file.closed] + begun
                _cut(recipes(job.blobs, group), begun, delivery)
        assert all(file.closed for file in arriving), "a recipe's chunks are all of its file"
    finally:
        _discard(arriving)


def _discard(files: Sequence[PartialFile]) -> None:
    """Remove what is not complete."""
    for file in files:
        file.discard()


def _whole(
    blobs: RunBlobReader, entries: Sequence[Entry], target: Mapping[str, Place], delivery: Delivery, transfer: Transfer
) -> None:
    """Write files that are one blob, or empty: those that are neighbours in a pack are fetched together."""
    packed: list[tuple[Ref, Receiver]] = []
    inline: list[Entry] = []
    for entry in entries:
        if entry.content is None:
            write_whole(entry, target[entry.path], b"")
        elif (data := blobs.at_hand(entry.content)) is not None:
            write_whole(entry, target[entry.path], data)
            transfer.add(len(data))
        elif isinstance(entry.content.location, PackName):
            packed.append((entry.content, partial(write_whole, entry, target[entry.path])))
        else:
            inline.append(entry)
    delivery.add(packed, path=_owners(entries))
    for entry, data in zip(inline, _contents(blobs, inline), strict=True):
        write_whole(entry, target[entry.path], data)
        transfer.add(len(data))


def _contents(blobs: RunBlobReader, entries: Sequence[Entry]) -> list[bytes]:
    return blobs.read([entry.content for entry in entries if entry.content], path=_owners(entries))


def _owners(entries: Sequence[Entry]) -> PathOf:
    return {entry.content: entry.path for entry in entries if entry.content}.get


def _cut(recipes: Sequence[Recipe], files: Sequence[PartialFile], delivery: Delivery) -> None:
    """Begin to fetch files that are cut into chunks."""

    def whose(ref: Ref) -> str | None:
        return next((file.path for recipe, file in zip(recipes, files, strict=True) if ref in recipe.chunks), None)

    placed = chain.from_iterable(_placed(recipe, file) for recipe, file in zip(recipes, files, strict=True))
    while some := list(islice(placed, _PLANNED)):
        delivery.add(some, path=whose)


def _placed(recipe: Recipe, file: PartialFile) -> Iterator[tuple[Ref, Receiver]]:
    at = 0
    for ref in recipe.chunks:
        yield ref, FileOffset(file, at)
        at += ref.raw


def _groups(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    group: list[Entry] = []
    for entry in entries:
        if group and (len(group) == _AT_ONCE or sum(other.size for other in group) + entry.size > _TOGETHER):
            yield group
            group = []
        group.append(entry)
    if group:
        yield group


def _link(place: Place, target: str) -> None:
    with replacing(place) as (name, folder):
        os.symlink(native(target), name, dir_fd=folder)


def _check(entry: Entry) -> None:
    """Refuse an entry that would be, or link to something, outside of the destination."""
    check_path(entry.path)
    if entry.kind is Kind.LINK:
        check_link(entry.path, entry.target)
