"""Where some bytes are in a bucket: in any object as it lies there, in any blob of a pack or log entry, decoded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator

from holdall.chunks.delivery import decode_verified
from holdall.format.layout import parse_key
from holdall.format.pack import parse_pack
from holdall.format.reference import InEntry, Ref
from holdall.format.sealing import PLAIN
from holdall.storage.bucket import Bucket


def grep(bucket: Bucket, wanted: bytes) -> list[str]:
    """The places that hold these bytes, by key; inside a blob too, however it is encoded."""
    return sorted({key for key, data in _everything(bucket) if wanted in data})


def _everything(bucket: Bucket) -> Iterator[tuple[str, bytes]]:
    for info in bucket.list():
        data = bucket.get(info.key)
        yield info.key, data
        key = parse_key(info.key)
        if key and key.kind == "pack" and key.pack:
            for row in parse_pack(memoryview(data), info.key).rows:
                stored = data[row.offset : row.offset + row.stored]
                yield info.key, bytes(decode_verified(row.ref(key.pack), stored, PLAIN, info.key))
        elif key and key.kind == "log":
            yield from ((info.key, blob) for blob in _inline(data, info.key))


def _inline(data: bytes, where: str) -> Iterator[bytes]:
    for index, blob in enumerate(json.loads(data.split(b"\n")[0]).get("blobs", [])):
        stored = base64.b64decode(blob["data"])
        id = bytes.fromhex(blob["id"].removeprefix("blake3:"))
        ref = Ref(id, InEntry(0), index, len(stored), blob["raw"], blob["codec"])
        yield bytes(decode_verified(ref, stored, PLAIN, where))
