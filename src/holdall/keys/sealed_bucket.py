"""A bucket of an encrypted store: log entries and hints are sealed on their way in, and opened on their way out.

All above it reads and writes them as in a store that is not encrypted. Blobs are closed before they get into packs, and
opened when they are decoded (`format/sealing.py`): `sealing_of` tells whoever names, packs or decodes one how. The keys
are looked for when the first of all this is asked for, and not before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from holdall.errors import FormatError, HoldallError
from holdall.format.layout import parse_key
from holdall.format.sealed_entry import MAX_SEALED, open_entry, seal_entry
from holdall.format.sealing import NONCE, PLAIN, TAG, Keyring, Sealing
from holdall.keys.ring import Ring
from holdall.storage.bucket import Bucket, Bytes, ObjectInfo
from holdall.storage.credentials import warn_if_keys_are_pickled
from holdall.storage.wrappers import with_shorter_deadline

_SEALED: Final = ("log", "hint")
_MORE: Final = 1024  # bytes that a sealed hint may have beyond a plain one


class SealedBucket:
    """A bucket around a bucket. `ring` finds the keys; None: the store is not encrypted, and all passes as it is.

    `log` is whose domain new blobs are of: an experiment may have keys of its own.
    """

    def __init__(self, inner: Bucket, ring: Callable[[], Ring | None], log: str = "") -> None:
        self.inner, self._ring, self._log = inner, ring, log

    @property
    def url(self) -> str:
        """Return the inner bucket's."""
        return self.inner.url

    def __repr__(self) -> str:
        return f"SealedBucket({self.inner!r})"

    def __reduce__(self) -> tuple[object, ...]:
        """Travel with the keys that were found: another process has no descriptor at hand. Else look for them there."""
        try:
            ring = self._ring()
        except HoldallError:  # as of a store that somebody is still to make
            return SealedBucket, (self.inner, self._ring, self._log)
        if ring is not None:
            warn_if_keys_are_pickled(self.url)
        return _rebuilt, (self.inner, ring, self._log)

    def over(self, inner: Bucket) -> SealedBucket:
        """Return the same around another bucket of the same objects."""
        return SealedBucket(inner, self._ring, self._log)

    def hurried(self, deadline: float, whole: float | None) -> SealedBucket:
        """Return the same with a shorter deadline."""
        return self.over(with_shorter_deadline(self.inner, deadline, whole=whole))

    def writing_to(self, log: str) -> SealedBucket:
        """Return the same for new blobs of a log: they are closed by its experiment's keys, where that has its own."""
        return SealedBucket(self.inner, self._ring, log)

    @property
    def sealing(self) -> Sealing:
        """Return how blobs are named, closed and opened."""
        ring = self._ring()
        return PLAIN if ring is None else ring.sealing(self._log)

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        """Read an object, and open it if it is a log entry or a hint. Raises: FormatError, if no key opens it."""
        sort = _sort(key)
        ring = self._ring() if sort else None
        if ring is None:
            return self.inner.get(key, limit=limit)
        if sort == "log":
            data = self.inner.get(key, limit=MAX_SEALED)
            return ring.opened(key, lambda known: open_entry(data, key, known))
        return _open_hint(self.inner.get(key, limit=None if limit is None else limit + _MORE), key, ring)

    def get_range(self, key: str, start: int, stop: int | None = None) -> Bytes:
        """Read some bytes as they are stored: only packs are read in parts."""
        return self.inner.get_range(key, start, stop)

    def put(self, key: str, data: Bytes) -> None:
        """Create an object; a log entry or hint sealed."""
        sort = _sort(key)
        ring = self._ring() if sort else None
        if ring is not None:
            keyring = ring.sealing(key if sort == "log" else self._log)
            data = (_seal_entry if sort == "log" else _seal_hint)(bytes(data), key, keyring)
        self.inner.put(key, data)

    def list(self, prefix: str = "", *, limit: int | None = None) -> Iterator[ObjectInfo]:
        """List as the inner bucket does; sizes are of the objects as they are stored."""
        return self.inner.list(prefix, limit=limit)

    def delete(self, key: str) -> None:
        """Do as the inner bucket does."""
        self.inner.delete(key)

    def delete_many(self, keys: Sequence[str]) -> None:
        """Do as the inner bucket does."""
        self.inner.delete_many(keys)


def sealing_of(bucket: object) -> Sealing:
    """Return how the blobs of the store in a bucket are named, closed and opened."""
    while bucket is not None and not isinstance(bucket, SealedBucket):
        bucket = getattr(bucket, "inner", None)
    return PLAIN if bucket is None else bucket.sealing


def writing_to(bucket: Bucket, log: str) -> Bucket:
    """Return a bucket as who writes new blobs for a log needs it."""
    return bucket.writing_to(log) if isinstance(bucket, SealedBucket) else bucket


def _sort(key: str) -> str:
    found = parse_key(key)
    return found.kind if found and found.kind in _SEALED else ""


def _seal_entry(data: bytes, key: str, keyring: Keyring) -> bytes:
    return seal_entry(data, key, keyring.own, keyring.entropy)


def _seal_hint(data: bytes, key: str, keyring: Keyring) -> bytes:
    nonce = keyring.entropy(NONCE)
    sealed: bytes = keyring.own.document(key).encrypt(nonce, data, None)
    return nonce + sealed


def _open_hint(data: bytes, key: str, ring: Ring) -> bytes:
    from cryptography.exceptions import InvalidTag

    for keys in ring.known if len(data) > NONCE + TAG else ():
        try:
            found: bytes = keys.document(key).decrypt(data[:NONCE], data[NONCE:], None)
        except InvalidTag:
            continue
        return found
    raise FormatError(key, "no key of the store opens it here")


class _Found:
    """A ring that was found before."""

    def __init__(self, ring: Ring | None) -> None:
        self._ring = ring

    def __call__(self) -> Ring | None:
        return self._ring


def _rebuilt(inner: Bucket, ring: Ring | None, log: str) -> SealedBucket:
    return SealedBucket(inner, _Found(ring), log)
