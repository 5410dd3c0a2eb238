"""How a file is put together from chunks in packs.

    "HFR1" | algorithms | size | sha-256 of the file | counts
    locations x 24 | extents x 12 | chunks x 41

Chunks that lie back to back in a pack share one extent, so a recipe costs
41 bytes a chunk, 0.06 % of the file. SPEC.md, "Recipes".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from holdall.errors import FormatError, UnsupportedFeatureError
from holdall.format.chunk_table import EXTENT, ROW, ChunkTable
from holdall.format.digest import Bytes
from holdall.format.layout import PackName
from holdall.format.reference import LOCATION, BlobLocation, Ref, encode_locations, parse_locations

MAGIC: Final = b"HFR1"
_HEADER: Final = struct.Struct("<4sBBHQ32sIII")
_RESERVED: Final = {b"HFR2": "recipes of recipes", b"HFRS": "sealed recipes"}


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a file is put together: its length in bytes, its SHA-256 and its chunks in order, all of them in packs."""

    size: int
    sha256: bytes
    chunks: Sequence[Ref]


def encode_recipe(recipe: Recipe) -> bytes:
    """Return the bytes of a recipe; neighbouring chunks share an extent."""
    locations: dict[BlobLocation, int] = {}
    extents: list[list[int]] = []
    end = (-1, -1)
    for ref in recipe.chunks:
        location = locations.setdefault(ref.location, len(locations))
        if (location, ref.offset) == end:
            extents[-1][2] += 1
        else:
            extents.append([location, ref.offset, 1])
        end = (location, ref.offset + ref.stored)
    counts = len(locations), len(extents), len(recipe.chunks)
    parts = [_HEADER.pack(MAGIC, 1, 1, 0, recipe.size, recipe.sha256, *counts), encode_locations(locations)]
    parts += [EXTENT.pack(*extent) for extent in extents]
    parts += [ROW.pack(ref.id, ref.stored, ref.raw, ref.codec) for ref in recipe.chunks]
    return b"".join(parts)


def join_recipes(parts: Sequence[bytes], size: int, sha256: bytes) -> bytes:
    """Return the recipe of a file from those of its parts in order; what they say of their own hash counts for nothing.

    Cost: that of a few tables, however many chunks there are.

    Raises: as `parse_recipe`, of what is read.
    """
    locations: dict[BlobLocation, int] = {}
    extents: list[list[int]] = []
    rows: list[memoryview] = []
    end = (-1, -1)
    for data in parts:
        _, _, extents_at, chunks_at = _parse_header(data)
        named = [locations.setdefault(pack, len(locations)) for pack in _parse_packs(data, extents_at)]
        view = memoryview(data)
        first, *others = ([named[at], offset, n] for at, offset, n in EXTENT.iter_unpack(view[extents_at:chunks_at]))
        if (first[0], first[1]) == end:
            extents[-1][2] += first[2]
        else:
            extents.append(first)
        extents += others
        rows.append(view[chunks_at:])
        last = others[-1] if others else first
        stored = sum(row[1] for row in ROW.iter_unpack(rows[-1][-ROW.size * last[2] :]))
        end = (last[0], last[1] + stored)
    count = sum(map(len, rows)) // ROW.size
    header = _HEADER.pack(MAGIC, 1, 1, 0, size, sha256, len(locations), len(extents), count)
    return b"".join([header, encode_locations(locations), *(EXTENT.pack(*extent) for extent in extents), *rows])


def recipe_length(data: bytes) -> int:
    """Return how many chunks a recipe has. Raises: as `parse_recipe`, of what is read."""
    return (len(data) - _parse_header(data)[3]) // ROW.size


def parse_recipe(data: Bytes) -> Recipe:
    """Return the recipe in these bytes, which it keeps: its chunks are made into references as they are asked for.

    Raises:
        FormatError: It is none, or its sums do not agree.
        UnsupportedFeatureError: It is one of a later version.
    """
    size, sha256, extents_at, chunks_at = _parse_header(data)
    view = memoryview(data)
    chunks = ChunkTable(_parse_packs(data, extents_at), view[extents_at:chunks_at], view[chunks_at:])
    if chunks.size != size:
        raise FormatError("recipe", f"its chunks do not add up to {size} bytes")
    return Recipe(size, sha256, chunks)


def recipe_packs(data: Bytes) -> Sequence[PackName]:
    """Return the packs that a recipe refers to: its table of locations, without a look at its chunks.

    Raises: as `parse_recipe`, of what is read.
    """
    return _parse_packs(data, _parse_header(data)[2])


def _parse_header(data: Bytes) -> tuple[int, bytes, int, int]:
    """Return a recipe's size and SHA-256, and where its extents and its chunks begin."""
    magic = bytes(data[:4])
    if magic in _RESERVED:
        raise UnsupportedFeatureError("recipe", _RESERVED[magic])
    if len(data) < _HEADER.size or magic != MAGIC:
        raise FormatError("recipe", "it does not begin like one")
    _, file_algorithm, blob_algorithm, zero, size, sha256, n_locations, n_extents, n_chunks = _HEADER.unpack_from(data)
    if (file_algorithm, blob_algorithm) != (1, 1):
        raise UnsupportedFeatureError("recipe", f"hash algorithms {file_algorithm} and {blob_algorithm}")
    extents_at = _HEADER.size + LOCATION.size * n_locations
    chunks_at = extents_at + EXTENT.size * n_extents
    if zero or len(data) != chunks_at + ROW.size * n_chunks or not n_chunks:
        raise FormatError("recipe", "its tables do not fill it")
    return size, sha256, extents_at, chunks_at


def _parse_packs(data: Bytes, end: int) -> list[PackName]:
    """Return a recipe's locations, which end at `end`."""
    locations = parse_locations(bytes(data[_HEADER.size : end]), "recipe")
    packs = [location for location in locations if isinstance(location, PackName)]
    if len(packs) != len(locations):
        raise FormatError("recipe", "it refers to a log entry")
    return packs
