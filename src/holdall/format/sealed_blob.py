"""Which part of a sealed blob a collector may read without a key: where other blobs are, and nothing else.

    recipe   public: where its chunks are               secret: the file's size and SHA-256
    node     public: where contents and children are    secret: paths, types, sizes, SHA-256s, targets
    other    public: nothing                            secret: all of it

Both parts together have as many bytes as the plain blob, which `join_parts` puts together again exactly: so all that
parses recipes and nodes knows nothing of this, and ids are those of the plain blobs. SPEC.md, "Encryption".
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, TypeAlias

from holdall.errors import FormatError
from holdall.format.chunk_table import EXTENT, ROW, ChunkTable
from holdall.format.digest import Bytes
from holdall.format.layout import PackName
from holdall.format.reference import (
    CHUNK,
    LOCATION,
    NODE,
    RECIPE,
    REFERENCE,
    BlobLocation,
    Ref,
    check_end,
    check_lengths,
    parse_locations,
)

_RECIPE: Final = struct.Struct("<4s4s40sIII")  # magic, algorithms, size and SHA-256, counts
_OPEN_RECIPE: Final = struct.Struct("<4s4sIII")
_NODE: Final = struct.Struct("<4s4sII")  # magic, level and algorithms, counts of locations and rows
_FILE: Final = struct.Struct("<Q32sB")
_LENGTH: Final = struct.Struct("<H")
_IDENTITY: Final = 40  # bytes of a file's size and SHA-256
_SPLIT: Final = {RECIPE: b"HFRS", NODE: b"HFTS"}
_FILE_ROW, _LINK_ROW = 0, 1
_FileEnd: TypeAlias = Callable[[Bytes, int], tuple[int, bool]]  # of what a row says of a file
_OF_CONTENT: Final = {1: CHUNK, 2: RECIPE}


class PublicRef(NamedTuple):
    """A reference in the public part of a blob: the kind of blob that it leads to, and where that is."""

    kind: int
    ref: Ref


def is_split(kind: int) -> bool:
    """Return whether blobs of a kind have a public part."""
    return kind in _SPLIT


def split_parts(kind: int, data: bytes) -> tuple[bytes, bytes]:
    """Return the public and the secret part of a plain recipe or node, as a writer of this version makes it."""
    if kind == RECIPE:
        _, algorithms, identity, *counts = _RECIPE.unpack_from(data)
        return _OPEN_RECIPE.pack(b"HFRS", algorithms, *counts) + data[_RECIPE.size :], identity
    _, head, locations, rows = _NODE.unpack_from(data)
    at = _NODE.size + LOCATION.size * locations
    public, secret = [_NODE.pack(b"HFTS", head, locations, rows), data[_NODE.size : at]], []
    for _ in range(rows):
        begin, (at, refers) = at, _row_end(data, at, _plain_file_end, leaf=not head[0])
        if not refers:
            secret.append(data[begin:at])
            continue
        cut = at - (0 if head[0] else 1)  # of a leaf's row also what kind of content it has
        secret.append(data[begin:cut])
        public.append(data[cut : at + REFERENCE.size])
        at += REFERENCE.size
    return b"".join(public), b"".join(secret)


def _row_end(data: Bytes, at: int, file_end: _FileEnd, *, leaf: bool) -> tuple[int, bool]:
    """Return where a row, or the secret part of one, ends but for its reference, and whether that follows."""
    at += 2 + _LENGTH.unpack_from(data, at)[0]
    if not leaf:
        return at, True
    kind, at = data[at], at + 2
    if kind == _LINK_ROW:
        return at + 2 + _LENGTH.unpack_from(data, at)[0], False
    if kind != _FILE_ROW:
        return at, False
    return file_end(data, at)


def _plain_file_end(data: Bytes, at: int) -> tuple[int, bool]:
    """Return where what a row says of a file ends, and whether the file has bytes."""
    return at + _FILE.size, _FILE.unpack_from(data, at)[2] != 0


def _secret_file_end(data: Bytes, at: int) -> tuple[int, bool]:
    """Return the same of its secret part, in which a file without bytes keeps what kind of content it has."""
    size = int.from_bytes(data[at : at + 8], "little")
    return at + _IDENTITY + (not size), size != 0


def join_parts(kind: int, public: bytes, secret: bytes) -> bytes:
    """Return the plain blob of these parts. Raises: FormatError, if they are none of a blob of this kind."""
    try:
        return _joined_recipe(public, secret) if kind == RECIPE else _joined_node(public, secret)
    except (struct.error, IndexError) as error:
        raise FormatError("blob", f"its two parts do not belong together: {error}") from error


def _joined_recipe(public: bytes, secret: bytes) -> bytes:
    magic, algorithms, *counts = _OPEN_RECIPE.unpack_from(public)
    if magic != b"HFRS" or len(secret) != _IDENTITY:
        raise FormatError("recipe", "it does not begin like a sealed one")
    return _RECIPE.pack(b"HFR1", algorithms, secret, *counts) + public[_OPEN_RECIPE.size :]


def _joined_node(public: bytes, secret: bytes) -> bytes:
    magic, head, locations, rows = _NODE.unpack_from(public)
    if magic != b"HFTS":
        raise FormatError("tree node", "it does not begin like a sealed one")
    taken, at, leaf = _NODE.size + LOCATION.size * locations, 0, not head[0]
    width = REFERENCE.size + leaf
    parts = [_NODE.pack(b"HFT1", head, locations, rows), public[_NODE.size : taken]]
    for _ in range(rows):
        begin, (at, refers) = at, _row_end(secret, at, _secret_file_end, leaf=leaf)
        parts.append(secret[begin:at])
        if refers:
            parts.append(public[taken : taken + width])
            taken += width
    if at != len(secret) or taken != len(public):
        raise FormatError("tree node", "its two parts do not belong together")
    return b"".join(parts)


def public_refs(kind: int, public: bytes) -> Iterator[PublicRef]:
    """Yield the references that the public part of a recipe or node has. Raises: FormatError, if it is none."""
    try:
        yield from _refs_of_recipe(public) if kind == RECIPE else _refs_of_node(public)
    except (struct.error, IndexError, KeyError) as error:
        raise FormatError("blob", f"its public part is none: {error}") from error


def _refs_of_recipe(public: bytes) -> Iterator[PublicRef]:
    magic, _, locations, extents, chunks = _OPEN_RECIPE.unpack_from(public)
    extents_at = _OPEN_RECIPE.size + LOCATION.size * locations
    chunks_at = extents_at + EXTENT.size * extents
    if magic != b"HFRS" or len(public) != chunks_at + ROW.size * chunks:
        raise FormatError("recipe", "the tables of its public part do not fill it")
    packs = [name for name in _locations(public[_OPEN_RECIPE.size : extents_at]) if isinstance(name, PackName)]
    view = memoryview(public)
    for ref in ChunkTable(packs, view[extents_at:chunks_at], view[chunks_at:]):
        yield PublicRef(CHUNK, ref)


def _refs_of_node(public: bytes) -> Iterator[PublicRef]:
    magic, head, count, _ = _NODE.unpack_from(public)
    if magic != b"HFTS":
        raise FormatError("tree node", "it does not begin like a sealed one")
    leaf, at = not head[0], _NODE.size + LOCATION.size * count
    locations = _locations(public[_NODE.size : at])
    while at < len(public):
        kind = _OF_CONTENT[public[at]] if leaf else NODE
        at += leaf
        blob, location, offset, stored, raw, codec = REFERENCE.unpack_from(public, at)
        check_lengths(stored, raw, "tree node", kind)
        if isinstance(locations[location], PackName):
            check_end(offset + stored, "tree node")
        yield PublicRef(kind, Ref(blob, locations[location], offset, stored, raw, codec))
        at += REFERENCE.size


def _locations(table: bytes) -> list[BlobLocation]:
    return parse_locations(table, "blob")
