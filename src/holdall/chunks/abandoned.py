"""What a session that was killed has left: packs whose hints were still to come.

Its process gave numbers from 0 on, and each of its workers those of a block of
its own (`pack_names.py`). Each was killed with some packs on their way, the
last that it has named.
"""

from __future__ import annotations

from typing import Final

from holdall.chunks.pack_names import BLOCK
from holdall.errors import StorageError
from holdall.format.layout import PackName, parse_key
from holdall.storage.bucket import Bucket

PAGE: Final = 1000  # keys: what one request lists
_LAST: Final = 8  # of each process: so many were on their way
_BLOCKS: Final = 64  # that are looked at
_DIGITS: Final = 8, len(f"{BLOCK - 1:x}")  # of a number in a key, and of one in its block


def last_packs(bucket: Bucket, session: bytes) -> list[PackName]:
    """Return the last packs of a session's process and of its workers; none where they cannot be listed.

    Cost: one listing; where it has more than a page of packs, one for each of its workers besides.
    """
    try:
        found = _list(bucket, session, "")
        if len(found) == PAGE:
            blocks = [_list(bucket, session, f"{0:0{_DIGITS[0] - _DIGITS[1]}x}")]
            while blocks[-1] and len(blocks) < _BLOCKS:
                blocks.append(_list(bucket, session, f"{len(blocks):0{_DIGITS[0] - _DIGITS[1]}x}"))
            found = [pack for block in blocks for pack in block]
    except StorageError:
        return []
    last: dict[int, list[PackName]] = {}
    for pack in found:
        last.setdefault(pack.number // BLOCK, []).append(pack)
    return [pack for block in last.values() for pack in block[-_LAST:]]


def _list(bucket: Bucket, session: bytes, block: str) -> list[PackName]:
    """Return the first page of a session's packs whose number begins with these digits."""
    begin = PackName(session, 0).key[: -_DIGITS[0]]
    found = [parse_key(info.key) for info in bucket.list(begin + block, limit=PAGE)]
    return [key.pack for key in found if key and key.pack]
