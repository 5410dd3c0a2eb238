"""A run's paths, as a search tree whose nodes are blobs.

A commit's delta, a run's whole state and the listing of a listing are the same
nodes, so there is one parser. Rows ascend with `/` below every other byte:
what a directory holds follows it, in one stretch. SPEC.md, "Trees".
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Final

from holdall.errors import FormatError, InvalidPathError, UnsupportedFeatureError
from holdall.format.layout import PackName
from holdall.format.paths import check_link, check_path, sort_key
from holdall.format.reference import (
    CHUNK,
    LOCATION,
    MAX_NODE,
    NODE,
    RECIPE,
    REFERENCE,
    BlobLocation,
    InEntry,
    Ref,
    check_end,
    check_lengths,
    encode_locations,
    parse_locations,
)

MAGIC: Final = b"HFT1"
NODE_SIZE: Final = 64 << 10  # what writers keep to
MAX_LEVEL: Final = 7
_HEADER: Final = struct.Struct("<4sBBBBII")
_FILE: Final = struct.Struct("<Q32sB")
_EMPTY, _WHOLE, _RECIPE = 0, 1, 2


class Kind(IntEnum):
    """The type of what is at a path."""

    FILE = 0
    LINK = 1
    DIRECTORY = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """What a run holds at one path: a row of a leaf.

    Attributes:
        path: Names joined by `/`.
        kind: File, link or directory.
        size: Bytes of a file.
        sha256: The file's digest, 32 bytes; empty unless it is a file.
        executable: Whether a file may be run.
        content: The file's one blob, or its recipe; None when there are no bytes.
        whole: Whether `content` is the file itself rather than its recipe.
        target: Where a link leads.
    """

    path: str
    kind: Kind = Kind.FILE
    size: int = 0
    sha256: bytes = b""
    executable: bool = False
    content: Ref | None = None
    whole: bool = True
    target: str = ""

    def at(self, content: Ref, *, whole: bool) -> Entry:
        """Return the same entry with a reference to its content. (`dataclasses.replace` takes ten times as long.)"""
        return Entry(self.path, self.kind, self.size, self.sha256, self.executable, content, whole, self.target)

    def same_as(self, other: Entry) -> bool:
        """Return whether both are the same, wherever their bytes are stored."""
        return self._identity == other._identity

    @property
    def _identity(self) -> tuple[object, ...]:
        return self.path, self.kind, self.size, self.sha256, self.executable, self.target

    def __str__(self) -> str:
        """Return what is here, as an ArtifactExistsError says it."""
        if self.kind is Kind.FILE:
            return f"sha256:{self.sha256.hex()}" + (" (executable)" if self.executable else "")
        return f"link to {self.target}" if self.kind is Kind.LINK else "directory"


@dataclass(frozen=True, slots=True)
class Child:
    """A row of a node above the leaves: the child's first path, and the reference to it."""

    path: str
    ref: Ref


@dataclass(frozen=True, slots=True)
class Node:
    """One node: entries at level 0, children above."""

    level: int
    rows: tuple[Entry, ...] | tuple[Child, ...]

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Return the rows of a leaf."""
        return tuple(row for row in self.rows if isinstance(row, Entry))

    @property
    def children(self) -> tuple[Child, ...]:
        """Return the rows of a node above the leaves."""
        return tuple(row for row in self.rows if isinstance(row, Child))


def encode_node(level: int, rows: Iterable[Entry | Child]) -> bytes:
    """Return the bytes of a node. The rows must ascend."""
    locations: dict[BlobLocation, int] = {}
    parts = [_encode_row(row, locations) for row in rows]
    header = _HEADER.pack(MAGIC, level, 1, 1, 0, len(locations), len(parts))
    return b"".join([header, encode_locations(locations), *parts])


def split_rows(rows: Sequence[Entry | Child], size: int) -> list[list[Entry | Child]]:
    """Return the rows in groups, in order, whose nodes have at most `size` bytes each.

    A row takes at most 1 KiB of path, 1 KiB of target and 100 bytes, and 24 for
    its location, so a stretch holds at least one however small the size.
    """
    stretches: list[list[Entry | Child]] = []
    room = 0
    for row in rows:
        cost = _row_length(row) + LOCATION.size
        if not stretches or cost > room:
            stretches.append([])
            room = size - _HEADER.size
        stretches[-1].append(row)
        room -= cost
    return stretches


def parse_node(data: bytes, carrier: int | None) -> Node:
    """Return the node in these bytes.

    Args:
        data: The decoded blob.
        carrier: The log entry that carries it inline; None when it is in a pack.

    Raises:
        FormatError: It is no node, or breaks a rule of SPEC.md, "Trees".
        UnsupportedFeatureError: It is one of a later version.
    """
    if data[:4] == b"HFTS":
        raise UnsupportedFeatureError("tree node", "sealed nodes")
    if not _HEADER.size <= len(data) <= MAX_NODE or data[:4] != MAGIC:
        raise FormatError("tree node", "it does not begin like one")
    _, level, file_algorithm, blob_algorithm, zero, n_locations, n_rows = _HEADER.unpack_from(data)
    if (file_algorithm, blob_algorithm) != (1, 1):
        raise UnsupportedFeatureError("tree node", f"hash algorithms {file_algorithm} and {blob_algorithm}")
    begin = _HEADER.size + LOCATION.size * n_locations
    if zero or level > MAX_LEVEL or not n_rows or begin > len(data):
        raise FormatError("tree node", "its header is wrong")
    locations = [_absolute(location, carrier) for location in parse_locations(data[_HEADER.size : begin], "tree node")]
    if len(set(locations)) != len(locations):
        raise FormatError("tree node", "it lists the entry that carries it twice")
    try:
        rows, end = _parse_rows(data, begin, n_rows, level, locations)
    except (struct.error, IndexError, UnicodeDecodeError, InvalidPathError) as error:
        raise FormatError("tree node", f"a row of it is wrong: {error}") from error
    keys = [sort_key(row.path) for row in rows]
    if end != len(data) or any(a >= b for a, b in pairwise(keys)):
        raise FormatError("tree node", "its rows do not ascend or do not fill it")
    for above, below in pairwise(rows):
        if isinstance(above, Entry) and above.kind is not Kind.DIRECTORY and below.path.startswith(above.path + "/"):
            raise FormatError("tree node", f"{above.path!r} is no directory, and {below.path!r} lies in it")
    return Node(level, tuple(rows))  # type: ignore[arg-type]  # one level, one kind of row


def check_child(node: Node, level: int | None, first: str | None, fence: str | None) -> None:
    """Check a node against the row that referred to it, so that no walk meets a path twice or goes on for ever.

    Args:
        node: What was there.
        level: The level that it must have; None for a root, which may have any.
        first: The path that it must begin with; None for a root.
        fence: The path that all of its own must come before; None where nothing follows.

    Raises:
        FormatError: It is another node than the row says.
    """
    if level is not None and node.level != level:
        raise FormatError("tree node", f"it is of level {node.level}, below one of level {level + 1}")
    if first is not None and node.rows[0].path != first:
        raise FormatError("tree node", "it does not begin where the node above it says")
    if fence is not None and sort_key(node.rows[-1].path) >= sort_key(fence):
        raise FormatError("tree node", "it reaches beyond the first path of the next node")


def _absolute(location: BlobLocation, carrier: int | None) -> BlobLocation:
    if isinstance(location, PackName) or (location.n is not None and (carrier is None or location.n <= carrier)):
        return location
    if location.n is not None:
        raise FormatError("tree node", f"it is in entry {carrier} and refers to entry {location.n}")
    if carrier is None:
        raise FormatError("tree node", "it refers to the entry that carries it, and is in a pack")
    return InEntry(carrier)


def _encode_row(row: Entry | Child, locations: dict[BlobLocation, int]) -> bytes:
    path = row.path.encode()
    head = struct.pack(f"<H{len(path)}s", len(path), path)
    if isinstance(row, Child):
        return head + _encode_ref(row.ref, locations)
    head += bytes([row.kind, row.executable])
    if row.kind is Kind.LINK:
        target = row.target.encode()
        return head + struct.pack(f"<H{len(target)}s", len(target), target)
    if row.kind is Kind.DIRECTORY:
        return head
    if row.content is None:
        return head + _FILE.pack(row.size, row.sha256, _EMPTY)
    how = _WHOLE if row.whole else _RECIPE
    return head + _FILE.pack(row.size, row.sha256, how) + _encode_ref(row.content, locations)


def _row_length(row: Entry | Child) -> int:
    """Return the length of an encoded row without encoding it, which would double the cost."""
    length = 2 + len(row.path.encode())
    if isinstance(row, Child):
        return length + REFERENCE.size
    if row.kind is Kind.LINK:
        return length + 4 + len(row.target.encode())
    if row.kind is Kind.DIRECTORY:
        return length + 2
    return length + 2 + _FILE.size + (0 if row.content is None else REFERENCE.size)


def _encode_ref(ref: Ref, locations: dict[BlobLocation, int]) -> bytes:
    location = locations.setdefault(ref.location, len(locations))
    return REFERENCE.pack(ref.id, location, ref.offset, ref.stored, ref.raw, ref.codec)


def _parse_rows(
    data: bytes, at: int, count: int, level: int, locations: Sequence[BlobLocation]
) -> tuple[list[Entry | Child], int]:
    rows: list[Entry | Child] = []
    for _ in range(count):
        path, at = _parse_text(data, at)
        check_path(path)
        if level:
            ref, at = _parse_ref(data, at, locations, NODE)
            rows.append(Child(path, ref))
        else:
            entry, at = _parse_entry(data, at, path, locations)
            rows.append(entry)
    return rows, at


def _parse_entry(data: bytes, at: int, path: str, locations: Sequence[BlobLocation]) -> tuple[Entry, int]:
    kind, flags = data[at], data[at + 1]
    at += 2
    if kind > Kind.DIRECTORY or flags > (kind == Kind.FILE):
        raise FormatError("tree node", f"{path!r} is of kind {kind} with flags {flags}")
    if kind == Kind.LINK:
        target, at = _parse_text(data, at)
        return Entry(path, Kind.LINK, target=check_link(path, target)), at
    if kind == Kind.DIRECTORY:
        return Entry(path, Kind.DIRECTORY), at
    size, sha256, how = _FILE.unpack_from(data, at)
    at += _FILE.size
    if how > _RECIPE or (how == _EMPTY) != (size == 0):
        raise FormatError("tree node", f"{path!r} has {size} bytes and content {how}")
    if how == _EMPTY:
        return Entry(path, Kind.FILE, 0, sha256, bool(flags)), at
    ref, at = _parse_ref(data, at, locations, CHUNK if how == _WHOLE else RECIPE)
    if how == _WHOLE and ref.raw != size:
        raise FormatError("tree node", f"{path!r} has {size} bytes and a blob of {ref.raw}")
    return Entry(path, Kind.FILE, size, sha256, bool(flags), ref, how == _WHOLE), at


def _parse_ref(data: bytes, at: int, locations: Sequence[BlobLocation], kind: int) -> tuple[Ref, int]:
    blob, location, offset, stored, raw, codec = REFERENCE.unpack_from(data, at)
    check_lengths(stored, raw, "tree node", kind)
    if isinstance(locations[location], PackName):
        check_end(offset + stored, "tree node")
    return Ref(blob, locations[location], offset, stored, raw, codec), at + REFERENCE.size


def _parse_text(data: bytes, at: int) -> tuple[str, int]:
    (length,) = struct.unpack_from("<H", data, at)
    text = data[at + 2 : at + 2 + length]
    if len(text) != length:
        raise FormatError("tree node", "a row of it is cut off")
    return text.decode(), at + 2 + length
