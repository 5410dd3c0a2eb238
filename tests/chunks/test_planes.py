"""Numbers on their way through the writer: whatever stands before them, they take the same room."""

from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest

from holdall.chunks.chunk_index import ChunkIndex
from holdall.chunks.pack_names import PackNames
from holdall.chunks.pool import Pool
from holdall.chunks.reader import ChunkReader
from holdall.chunks.writer import ChunkWriter
from holdall.format.chunking import Chunker
from holdall.format.codec import SPLIT
from holdall.storage.memory import MemoryBucket

POOL = Pool(workers=4)
WEIGHTS = np.random.default_rng(11).standard_normal(1 << 20, dtype=np.float32)


def ratio(data: bytes) -> float:
    """Bytes stored for each byte written; what is read back is what was written."""
    bucket = MemoryBucket()
    writer = ChunkWriter(bucket, POOL, ChunkIndex(bucket, POOL), PackNames(b"s" * 16), Chunker(), 32 << 20)
    written = writer.write(io.BytesIO(data))
    writer.flush()
    refs = [slot.ref for slot in written.chunks]
    assert b"".join(ChunkReader(bucket, POOL).read(refs)) == data
    assert sum(ref.codec == SPLIT for ref in refs) > 0.9 * len(refs)
    return writer.stats.stored / len(data)


def safetensors(before: int, *tensors: tuple[str, bytes]) -> bytes:
    """A safetensors file whose header has so many spaces at its end."""
    header, at = {}, 0
    for number, (dtype, data) in enumerate(tensors):
        shape = [len(data) // int(dtype[-2:]) * 8]
        header[f"t{number}"] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode() + b" " * before
    return struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors)


@pytest.mark.parametrize("named", [True, False], ids=["safetensors", "no format"])
def test_a_tensor_takes_the_same_room_at_every_offset(named: bool) -> None:
    """At 0 to 7 bytes from where it began, the ratio is the same within a thousandth, and that of planes."""
    data = WEIGHTS.tobytes()
    files = [safetensors(shift, ("F32", data)) if named else b"\1" * shift + data for shift in range(8)]
    ratios = [ratio(file) for file in files]
    assert max(ratios) - min(ratios) < 0.001
    assert max(ratios) < 0.85


def test_tensors_of_several_types_each_have_their_own_planes() -> None:
    """Neighbours of 2, 4 and 8 bytes take together what they take apart."""
    half = (WEIGHTS.view(np.uint32) >> 16).astype(np.uint16).tobytes()
    double = WEIGHTS[: 1 << 19].astype(np.float64).tobytes()
    parts = [("BF16", half), ("F64", double), ("F32", WEIGHTS.tobytes())]
    alone = sum(ratio(safetensors(0, part)) * len(part[1]) for part in parts)
    together = safetensors(3, *parts)
    assert ratio(together) * len(together) < 1.02 * alone
