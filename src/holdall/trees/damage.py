"""Recording that a pack is damaged, so that no writer refers to it any more.

An object of its own, created once, below `gc/`, which writers list anyway.
A collector's `condemn` would not do: that is forgotten at its `done`.
"""

from __future__ import annotations

from contextlib import suppress

from holdall.chunks.delivery import decode_verified
from holdall.errors import DamageError, IntegrityError, ObjectExistsError
from holdall.format.damage import DamageRecord, encode_damage
from holdall.format.layout import PackName, damage_key
from holdall.format.pack import MAX_PACK, parse_footer
from holdall.keys.sealed_bucket import sealing_of
from holdall.storage.bucket import Bucket


def record_damage(bucket: Bucket, record: DamageRecord) -> None:
    """Record a pack as damaged, so that writers that begin from now on do not refer to it. It may be recorded already.

    Raises:
        StorageError: The bucket does not take it.

    Cost: one PUT.
    """
    with suppress(ObjectExistsError):
        bucket.put(damage_key(record.pack), encode_damage(record))


def wrong_blobs(bucket: Bucket, pack: PackName) -> list[bytes]:
    """Return the ids of a pack's blobs that are not what its footer says; none if the footer cannot be read.

    Cost: reading the pack.
    """
    try:
        data = memoryview(bucket.get(pack.key, limit=MAX_PACK))
        rows = parse_footer(data, f"pack {pack}").rows
    except DamageError:
        return []
    wrong = []
    for row in rows:
        try:
            decode_verified(
                row.ref(pack), data[row.offset : row.offset + row.stored], sealing_of(bucket), f"pack {pack}"
            )
        except IntegrityError:
            wrong.append(row.id)
    return wrong
