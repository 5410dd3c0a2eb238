"""Where a blob is, how long, and what it must hash to.

Every arrow in a store is one of these: an entry's tree, a tree's child, a
file's recipe, a recipe's chunk. Because each names the digest of what it
points to, following them from a log entry proves each byte. SPEC.md, "References".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

from holdall.errors import FormatError
from holdall.format import digest
from holdall.format.chunking import MAX_CHUNK
from holdall.format.codec import SLACK, UNCOMPRESSED, encode
from holdall.format.layout import PackName

LOCATION: Final = struct.Struct("<16sQ")
REFERENCE: Final = struct.Struct("<32sIIIIB")
CHUNK, RECIPE, NODE, JSON_BLOB = 0, 1, 2, 3
MAX_NODE: Final = 1 << 20
MAX_RECIPE: Final = 256 << 20
MAX_JSON_BLOB: Final = 8 << 20
_MOST: Final = {CHUNK: MAX_CHUNK, RECIPE: MAX_RECIPE, NODE: MAX_NODE, JSON_BLOB: MAX_JSON_BLOB}
_EASY: Final = 1 << 20  # bytes of a recipe or facts, which are parsed, that may come of however little
_MOST_PACK: Final = 1 << 30
MAX_RATIO: Final = 16  # of larger ones
_HERE: Final = 2**64 - 1


@dataclass(frozen=True, slots=True)
class InEntry:
    """A location in a run's log: the inline blobs of entry `n`; None: of the entry that holds the reference."""

    n: int | None


BlobLocation: TypeAlias = PackName | InEntry


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to a blob.

    Attributes:
        id: BLAKE3-256 of the decoded bytes.
        location: The pack or the log entry that holds it.
        offset: Byte offset in the pack, or index among the entry's blobs.
        stored, raw: Encoded and decoded length in bytes.
        codec: How it is encoded.
    """

    id: bytes
    location: BlobLocation
    offset: int
    stored: int
    raw: int
    codec: int

    def __hash__(self) -> int:
        return hash((self.id, self.offset))  # enough to tell them apart, and reading a large file asks for thousands

    def carried_by(self, n: int) -> Ref:
        """Return the same reference; a location in the entry that holds it is made one in entry n."""
        return replace(self, location=InEntry(n)) if self.location == InEntry(None) else self

    def to_json(self) -> dict[str, Any]:
        """Return it as documents have it."""
        body: dict[str, Any] = {
            "id": digest.show(digest.BLAKE3, self.id),
            "codec": self.codec,
            "raw": self.raw,
            "stored": self.stored,
        }
        if isinstance(self.location, PackName):
            return body | {"pack": str(self.location), "offset": self.offset}
        return body | ({} if self.location.n is None else {"entry": self.location.n}) | {"blob": self.offset}


def check_lengths(stored: int, raw: int, what: str, kind: int) -> None:
    """Raise a FormatError for lengths that no blob of a kind has, before anything is allocated for them."""
    possible = 0 < raw <= _MOST.get(kind, 0) and 0 < stored <= raw + SLACK
    if not possible or (kind in (RECIPE, JSON_BLOB) and too_dense(stored, raw)):
        raise FormatError(what, f"a blob of kind {kind}, {raw} bytes stored in {stored}, cannot be")


def check_end(end: int, what: str) -> None:
    """Raise a FormatError for a range that ends beyond the largest pack."""
    if end > _MOST_PACK:
        raise FormatError(what, f"no pack has a byte {end}")


def too_dense(stored: int, raw: int) -> bool:
    """Return whether so few stored bytes decode to more than may be parsed: each of those takes many of memory."""
    return raw > max(_EASY, MAX_RATIO * stored)


def encode_as(kind: int, data: bytes) -> tuple[int, bytes]:
    """Return codec and stored bytes of a blob that is parsed, such as a node: compressed where that is allowed."""
    codec, stored = encode(data)
    return (
        (UNCOMPRESSED, data) if kind in (RECIPE, JSON_BLOB) and too_dense(len(stored), len(data)) else (codec, stored)
    )


def ref_from_json(body: object, what: str, kind: int = JSON_BLOB) -> Ref:
    """Return the reference to a blob of some kind that a document holds. Raises: FormatError, about `what`."""
    if not isinstance(body, dict):
        raise FormatError(what, "a reference is not an object")
    numbers = [body.get(name, -1) for name in ("codec", "raw", "stored")]
    location: BlobLocation
    if "pack" in body:
        location = PackName.parse(body["pack"], what)
        numbers.append(body.get("offset", -1))
    else:
        location = InEntry(body.get("entry"))
        numbers += [body.get("blob", -1), body.get("entry", 0)]
    bounds = (2**8, 2**53, 2**53, 2**32, 2**53)  # as in a table, where a reference may have to be written
    if any(type(n) is not int or not 0 <= n < most for n, most in zip(numbers, bounds, strict=False)):
        raise FormatError(what, "a reference lacks a number, or has one that is none")
    check_lengths(numbers[2], numbers[1], what, kind)
    if isinstance(location, PackName):
        check_end(numbers[3] + numbers[2], what)
    blob = digest.parse(digest.BLAKE3, body.get("id"), what)
    return Ref(blob, location, numbers[3], numbers[2], numbers[1], numbers[0])


def encode_locations(locations: Iterable[BlobLocation]) -> bytes:
    """Return a table of locations."""
    return b"".join(
        LOCATION.pack(location.session, location.number)
        if isinstance(location, PackName)
        else LOCATION.pack(bytes(16), _HERE if location.n is None else location.n)
        for location in locations
    )


def parse_locations(table: bytes, what: str) -> list[BlobLocation]:
    """Return the locations of a table whose length is a multiple of 24."""
    locations: list[BlobLocation] = []
    for session, number in LOCATION.iter_unpack(table):
        if not any(session):
            locations.append(InEntry(None if number == _HERE else number))
        elif number < 2**32:
            locations.append(PackName(session, number))
        else:
            raise FormatError(what, f"pack number {number} is too large")
    if len(set(locations)) != len(locations):
        raise FormatError(what, "it lists a location twice")
    return locations
