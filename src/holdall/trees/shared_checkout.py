"""Whether a checkout is shared among worker processes, and which of its files are.

Those that are cut into chunks, where they are some hundred megabytes together.
Files that are one blob stay in this process: they cost a creation and a name
each, and little else.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from holdall.chunks.observer import Transfer
from holdall.chunks.shared_reading import SharedReader
from holdall.errors import DestinationError
from holdall.format.recipe import Recipe
from holdall.format.reference import Ref
from holdall.format.tree import Entry
from holdall.storage.travelling import pack_bucket
from holdall.trees.location import Location
from holdall.trees.partial_file import PartialFile

_log: Final = logging.getLogger("holdall")
_TOO_MANY: Final = (errno.EMFILE, errno.ENFILE)
_FEWEST: Final = 2  # workers: one alone is no quicker than this process


@contextmanager
def helpers(
    location: Location | None, files: Sequence[Entry], transfer: Transfer, limit: int
) -> Iterator[SharedReader | None]:
    """Return a context with workers for these files; None where the work stays in this process.

    Args:
        location: The store's; None: nothing is shared.
        files: Those that are cut into chunks.
        transfer: Is told of progress.
        limit: Bytes of one request at most.

    Cost: 0.1 to 0.2 seconds where workers are started.
    """
    bucket = pack_bucket(location.bucket) if location and _is_worth(location, files) else None
    if location is None or bucket is None:
        yield None
        return
    most = min(location.crew.count, max(_FEWEST, _size(files) // location.sharing.part))
    with location.workers(most) as workers:
        few = len(workers) < _FEWEST
        yield None if few else SharedReader(workers, bucket, limit, transfer, location.damage)


def deliver_shared(reader: SharedReader, recipes: Sequence[Recipe], files: Sequence[PartialFile]) -> bool:
    """Have workers write files, and return when each has its name; False if workers cannot open them.

    Raises: as `SharedReader.deliver`.
    """
    try:
        taken = reader.deliver(files, _places(recipes))
    except DestinationError as error:
        if not isinstance(error.__cause__, OSError) or error.__cause__.errno not in _TOO_MANY:
            raise
        taken = False  # they are all open at once; one process opens them one after the other
    if not taken:
        _log.info("workers cannot open the files that this process writes, so it fetches alone")
    return taken


def _places(recipes: Sequence[Recipe]) -> Iterator[tuple[Ref, tuple[int, int]]]:
    for number, recipe in enumerate(recipes):
        at = 0
        for ref in recipe.chunks:
            yield ref, (number, at)
            at += ref.raw


def _is_worth(location: Location, files: Sequence[Entry]) -> bool:
    return bool(files) and location.crew.count >= _FEWEST and _size(files) >= location.sharing.least


def _size(files: Sequence[Entry]) -> int:
    return sum(entry.size for entry in files)
