"""What is said of a pack that is damaged: a record that keeps writers from it.

Its key names the pack, so a listing of `gc/` tells writers without a request more;
the document is for people, and for a repair. SPEC.md, "Garbage".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from holdall.errors import FormatError
from holdall.format import digest
from holdall.format.document import count_of, encode_document, parse_document
from holdall.format.layout import PackName

MAX_RECORD: Final = 256 << 10  # bytes of the document
MOST_BLOBS: Final = 1000
MOST_TEXT: Final = 1000  # characters


@dataclass(frozen=True, slots=True)
class DamageRecord:
    """A record that a pack is damaged.

    Attributes:
        pack: The pack's name.
        time: When it was found, in ms since 1970 UTC.
        writer: The program and version that found it.
        detail: What is wrong with it.
        blobs: Ids of those of its blobs that are known to be wrong.
    """

    pack: PackName
    time: int
    writer: str
    detail: str
    blobs: tuple[bytes, ...] = ()


def encode_damage(record: DamageRecord) -> bytes:
    """Return the record's document; texts and lists that would be too long are cut off."""
    return encode_document(
        {
            "pack": str(record.pack),
            "time": record.time,
            "writer": record.writer[:MOST_TEXT],
            "detail": record.detail[:MOST_TEXT],
            "blobs": [digest.show(digest.BLAKE3, blob) for blob in sorted(set(record.blobs))[:MOST_BLOBS]],
        }
    )


def parse_damage(data: bytes, pack: PackName) -> DamageRecord:
    """Return the record of this pack's damage.

    Raises:
        FormatError: No writer says it so. The pack is kept away from all the same: its key says enough.
    """
    what = f"damage of pack {pack}"
    if len(data) > MAX_RECORD:
        raise FormatError(what, f"a record of {len(data)} bytes cannot be")
    body, _ = parse_document(data, what)
    if PackName.parse(body.get("pack"), what) != pack:
        raise FormatError(what, "it names another pack")
    writer, detail = body.get("writer"), body.get("detail")
    if not isinstance(writer, str) or not isinstance(detail, str) or max(len(writer), len(detail)) > MOST_TEXT:
        raise FormatError(what, "it does not say who found what wrong")
    blobs = body.get("blobs")
    if not isinstance(blobs, list) or len(blobs) > MOST_BLOBS:
        raise FormatError(what, "its blobs are no list, or one that is too long")
    found = tuple(digest.parse(digest.BLAKE3, blob, what) for blob in blobs)
    if len(set(found)) != len(found):
        raise FormatError(what, "it lists a blob twice")
    return DamageRecord(pack, count_of(body, "time", what), writer, detail, found)
