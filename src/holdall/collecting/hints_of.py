"""The hints that lead to a pack: what must go before it, or with what it holds."""

from __future__ import annotations

from functools import partial

from holdall.chunks.hints import smallest_ids
from holdall.chunks.reader import ChunkReader
from holdall.errors import DamageError, StorageError, TransientStorageError
from holdall.format.document import MAX_DOCUMENT
from holdall.format.layout import PackName, hint_key
from holdall.format.records import parse_hint
from holdall.format.reference import CHUNK
from holdall.trees.location import Location


def hints_of(location: Location, pack: PackName) -> list[str]:
    """Return the keys of the hints that lead to a pack, of those that its writer made by its smallest chunk ids.

    Where a hint leads is sealed in an encrypted store. Who has no key takes it to lead to this pack, as it mostly does:
    one that stayed would never be made anew, while one too few costs a writer that it sends a pack of chunks again.

    Cost: one or two requests for its footer, and one for each hint.
    """
    try:
        footer = ChunkReader(location.bucket, location.pool).footer(pack)
        payload = sum(row.stored for row in footer.rows)
        chunks = [row.id for row in footer.rows if row.kind == CHUNK]
        leads = partial(_is_there if location.keyless else _leads_to, location, pack=pack)
        return [hint_key(chunk) for chunk in smallest_ids(chunks, payload) if leads(chunk)]
    except TransientStorageError:
        raise
    except (DamageError, StorageError):  # a hint that stays leads to nothing, and the next writer passes it over
        return []


def _is_there(location: Location, chunk: bytes, *, pack: PackName) -> bool:  # noqa: ARG001  # as `_leads_to` has it
    key = hint_key(chunk)
    return any(info.key == key for info in location.bucket.list(key, limit=1))


def _leads_to(location: Location, chunk: bytes, *, pack: PackName) -> bool:
    try:
        return parse_hint(location.bucket.get(hint_key(chunk), limit=MAX_DOCUMENT), chunk) == pack
    except TransientStorageError:
        raise
    except (DamageError, StorageError):
        return False
