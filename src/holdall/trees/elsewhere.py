"""Content elsewhere, for a store's runs: looked at when it is referenced, read and held against that later.

The reader says what may be asked (`storage.elsewhere.consent`); a pointer says
what was there (`format.pointers`). Nothing is written elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import quote

from holdall.chunks.pool import gather
from holdall.errors import (
    InvalidPathError,
    ObjectNotFoundError,
    ReferenceChangedError,
    UnsupportedFileError,
)
from holdall.format.digest import Bytes, file_hash
from holdall.format.paths import check_path
from holdall.format.pointers import Pinned, Pointer
from holdall.storage.elsewhere.consent import Consent, split_uri
from holdall.storage.elsewhere.opening import open_elsewhere
from holdall.storage.elsewhere.seen import Elsewhere, Seen, check_same
from holdall.trees.location import Location

PART: Final = 8 << 20  # bytes that are asked for at once
_MOST: Final = 64  # places that are kept open
_places: dict[tuple[str, str], Elsewhere] = {}  # by root and options: a client takes a while to make


class PinnedObject:
    """One object elsewhere, to be read as it was when it was referenced; safe between threads.

    Args:
        location: Of the store, whose reader says what may be asked.
        pointer: What says where it is.
        pinned: What it was.
        artifact: The path that stands for it, for errors.
        named: Whether its user named the address: then it may be asked.

    Raises:
        ReferenceRefusedError: The reader allows no references to lead there.
    """

    def __init__(
        self, location: Location, pointer: Pointer, pinned: Pinned, artifact: str, *, named: bool = False
    ) -> None:
        self.uri, self.pinned, self.artifact = object_uri(pointer.uri, pinned.path), pinned, artifact
        self._place, key = _place(location, self.uri, named=named)
        self._seen = Seen(key, pinned.size, pinned.etag, pinned.version, pinned.modified)

    def read(self, start: int, stop: int) -> Bytes:
        """Return some bytes of it. Raises: ReferenceChangedError, if it is another now; StorageError."""
        try:
            return self._place.read(self._seen, start, stop)
        except ReferenceChangedError as error:
            raise ReferenceChangedError(error.where, error.detail, self.artifact) from error

    def check(self) -> None:
        """Raise ReferenceChangedError if it is another now, or gone. Cost: one request, whatever its size."""
        try:
            if self._seen.version:
                self._place.read(self._seen, 0, min(1, self._seen.size))
            else:
                check_same(self._place.url, self._seen, self._place.stat(self._seen.key))
        except ObjectNotFoundError as error:
            raise ReferenceChangedError(self.uri, "it is gone", self.artifact) from error
        except ReferenceChangedError as error:
            raise ReferenceChangedError(error.where, error.detail, self.artifact) from error

    def sha256(self) -> bytes:
        """Return the SHA-256 of its bytes. Cost: reading them once."""
        hasher = file_hash()
        for start, stop in parts(self.pinned.size):
            hasher.update(self.read(start, stop))
        return hasher.digest()


def look_elsewhere(location: Location, uri: str, *, digest: bool) -> Pointer:
    """Return a pointer to an object, or to all objects of a folder, as they are now.

    A folder's address ends with a slash; without one, an object of the name comes first.

    Raises:
        InvalidURIError: It is no address that content can be referenced by.
        ObjectNotFoundError: There is no such object, and nothing below.
        UnsupportedFileError: A key below is none that a run can have as a path.

    Cost: one request for an object; for a folder a listing, with pages of a thousand. With `digest` all is read once.
    """
    root, key = split_uri(uri)
    place, _ = _place(location, uri, named=True)
    if key and not uri.endswith("/"):
        try:
            pointer = Pointer(uri, (_pinned("", place.stat(key)),))
            return _hashed(location, pointer) if digest else pointer
        except ObjectNotFoundError:
            if root.startswith("http"):
                raise
    folder = uri.rstrip("/") + "/"
    key = f"{key.rstrip('/')}/" if key.rstrip("/") else ""
    found = [_pinned(below, seen) for below, seen in _below(place, key)]
    if not found:
        raise ObjectNotFoundError(root, key or uri, "there is no such object, and nothing below it")
    pointer = Pointer(folder, tuple(sorted(found, key=lambda each: each.path.encode())))
    return _hashed(location, pointer) if digest else pointer


def object_uri(base: str, path: str) -> str:
    """Return the address of an object of a pointer."""
    return base + (quote(path, safe="/~:@!$&()*+,;=") if base.startswith(("file:", "http")) else path)


def parts(size: int) -> Iterator[tuple[int, int]]:
    """Yield the ranges in which so many bytes are asked for: one at least, so that nothing is held against it too."""
    for start in range(0, max(size, 1), PART):
        yield start, min(start + PART, size)


def _below(place: Elsewhere, prefix: str) -> Iterator[tuple[str, Seen]]:
    """Yield what lies below a prefix, each with its path; objects that stand for folders are left out."""
    for seen in place.list(prefix):
        below = seen.key[len(prefix) :]
        if (not below or below.endswith("/")) and not seen.size:
            continue
        try:
            yield check_path(below), seen
        except InvalidPathError as error:
            raise UnsupportedFileError(f"{place.url}/{seen.key}", f"no run can have it at a path: {error}") from error


def _pinned(path: str, seen: Seen) -> Pinned:
    return Pinned(path, seen.size, seen.etag, seen.version, seen.modified)


def _hashed(location: Location, pointer: Pointer) -> Pointer:
    """Return the pointer with the SHA-256 of each object, some read side by side."""

    def hashed(pinned: Pinned) -> Pinned:
        there = PinnedObject(location, pointer, pinned, pointer.uri, named=True)
        return replace(pinned, sha256=there.sha256())

    pool = location.pool
    sent = (pool.submit_with_budget(min(each.size, PART), partial(hashed, each)) for each in pointer.objects)
    return Pointer(pointer.uri, tuple(gather(sent)))


def _place(location: Location, uri: str, *, named: bool) -> tuple[Elsewhere, str]:
    """Return the place of an address and its key there; if no user named it, only where the reader allows that."""
    consent = location.references or Consent.of(None)
    options = consent.options_to_log(uri) if named else consent.options_for(uri)
    root, key = split_uri(uri)
    if root.startswith("file:"):
        return open_elsewhere(root, options, lambda real: named or consent.options_for(real)), key
    opened = root, repr(sorted(options.items()))
    if opened not in _places:
        if len(_places) >= _MOST:
            _places.clear()
        _places[opened] = open_elsewhere(root, options, lambda _: None)
    return _places[opened], key
