"""What files held when they were last read, so that one that is unchanged need not be read again.

    (store, absolute path, stamp) -> SHA-256 and, once logged, its chunks with their places

It is off by default: `stamps.py` says when a stamp is believed, and what can be
wrong then. Here is only the memory: a `LocalCache`, which may be deleted at any
time. Its 64 MiB are the chunks of about 100 GB. A file with more chunks than
fit into half of that is not remembered.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from holdall.errors import FormatError
from holdall.format.layout import PackName
from holdall.format.recipe import Recipe, encode_recipe, parse_recipe
from holdall.trees.local_cache import MOST, LocalCache
from holdall.trees.stamps import Stamp, settled_stamp, stamp_of


@dataclass(frozen=True, slots=True)
class Remembered:
    """A file's bytes.

    Attributes:
        sha256: Their digest.
        recipe: Their chunks, all in packs; None if the file was only hashed.
        home: The pack that holds the recipe, if one does.
    """

    sha256: bytes
    recipe: Recipe | None = None
    home: PackName | None = None


class StatCache:
    """A memory of files, on the local disk. Safe between threads and processes, picklable.

    Args:
        folder: Where it is kept.
        now: The time in ns since 1970 UTC.
        most: Bytes that it may take there.
        patience: Seconds to wait for another process: not long, since the file can be read instead.
    """

    def __init__(
        self, folder: Path, *, now: Callable[[], int] = time.time_ns, most: int = MOST, patience: float = 1.0
    ) -> None:
        self._now = now
        without = "files are read again, without the stat cache"
        # By version, so that a later one need not understand it.
        self._cache = LocalCache(folder, "files-2", without, most=most, patience=patience)

    @property
    def file(self) -> Path:
        """Return where it is kept."""
        return self._cache.file

    def settled(self, place: Path) -> Stamp | None:
        """Return the stamp of a file that is about to be read, if it may be remembered. Cost: an fdatasync."""
        return settled_stamp(place, now=self._now())

    def find(self, store: str, places: Iterable[Path]) -> dict[Path, tuple[Stamp, Remembered]]:
        """Return those of these files that are as they were when a log into this store read them.

        Only files that the caller may read. Cost: a `stat` and an `access` each; none is opened.
        """
        stamps = {place: stamp for place in places if (stamp := stamp_of(place)) and _readable(place)}
        names = {place: _name(place) for place in stamps}
        bodies = self._cache.get(store, {names[place]: stamp.encode() for place, stamp in stamps.items()})
        found = ((place, stamp, _parse(bodies.get(names[place]))) for place, stamp in stamps.items())
        return {place: (stamp, known) for place, stamp, known in found if known}

    def keep(self, store: str, files: Iterable[tuple[Path, Stamp, Remembered]]) -> None:
        """Remember these, and forget the oldest where there is no room."""
        self._cache.put(store, ((_name(place), stamp.encode(), _encode(known)) for place, stamp, known in files))


def _encode(known: Remembered) -> bytes:
    """Return the digest, the pack's name with its length before it, and the recipe."""
    home = str(known.home or "").encode()
    return known.sha256 + bytes([len(home)]) + home + (encode_recipe(known.recipe) if known.recipe else b"")


def _parse(body: bytes | None) -> Remembered | None:
    if not body:
        return None
    end = 33 + body[32]
    home, recipe = body[33:end].decode(), body[end:]
    try:
        chunks = parse_recipe(recipe) if recipe else None
        return Remembered(body[:32], chunks, PackName.parse(home, "stat cache") if home else None)
    except FormatError:  # of another version
        return None


def _name(place: Path) -> bytes:
    return os.fsencode(place.absolute())


def _readable(place: Path) -> bool:
    return os.access(place, os.R_OK, effective_ids=os.access in os.supports_effective_ids)
