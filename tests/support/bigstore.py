"""Stores that hold much, made cheaply, and what logging to them costs.

A store of a million chunks is 64 GB. What a writer meets of it are keys, hints
and footers, so those are real: packs end in valid footers that list as many
chunks as a pack of usual ones does, and each has the hints that its writer
would have made. Only the chunks are short, a byte each, and of random ids: the
packs are valid to the last digest of a body, but no chunk hashes to its id.
"""

from __future__ import annotations

import io
import random
import tracemalloc
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import BinaryIO

from holdall.chunks.hints import PER_PACK, smallest_ids
from holdall.chunks.pool import Pool
from holdall.chunks.verification import PackVerifier
from holdall.format.codec import UNCOMPRESSED
from holdall.format.layout import PackName, hint_key
from holdall.format.pack import PackBuilder
from holdall.format.records import Descriptor, encode_hint
from holdall.format.reference import CHUNK
from holdall.runs.run import Run
from holdall.storage.bucket import Bucket
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import Store
from holdall.trees.location import Location

CHUNKS_OF_A_PACK = 512  # of 64 KiB, in 32 MiB
PACKS_OF_A_SESSION = 32


def fill(bucket: Bucket, *, chunks: int, seed: int = 0) -> None:
    """Put packs of so many random chunks, and their hints, into a bucket.

    Cost: 4 us for each chunk; a PUT for each 512 of them, and four for hints.
    """
    source = random.Random(seed)
    for number in range(-(-chunks // CHUNKS_OF_A_PACK)):
        if number % PACKS_OF_A_SESSION == 0:
            session = source.randbytes(16)
        name = PackName(session, number % PACKS_OF_A_SESSION)
        ids = [source.randbytes(32) for _ in range(min(CHUNKS_OF_A_PACK, chunks - number * CHUNKS_OF_A_PACK))]
        put_pack(bucket, name, ids)


def put_pack(bucket: Bucket, name: PackName, ids: list[bytes], *, length: int = 1) -> None:
    """A pack of chunks of so many bytes each, with the hints of a pack of chunks of 64 KiB."""
    builder = PackBuilder()
    for chunk in ids:
        builder.add(chunk, CHUNK, UNCOMPRESSED, b"?" * length, length)
    bucket.put(name.key, bytes(builder.finish()))
    for chunk in smallest_ids(ids, -(-len(ids) * (32 << 20) // CHUNKS_OF_A_PACK))[:PER_PACK]:
        bucket.put(hint_key(chunk), encode_hint(chunk, name))


def add_runs(store: Store, *, runs: int) -> None:
    """Runs that were logged by others, each with a small file."""
    for n in range(runs):
        run = store.runs.start()
        run.log_text(str(n), "note.txt")
        run.finish()


@dataclass(frozen=True, slots=True)
class Cost:
    """What some work asked of a bucket.

    Attributes:
        requests: By verb and first part of the key, such as `("put", "packs/")`.
        bytes: What came and went.
        memory: Bytes that Python had allocated at most beyond those at the start; 0 if they were not counted.
    """

    requests: Counter[tuple[str, str]]
    bytes: int = 0
    memory: int = 0

    @classmethod
    def of(cls, asked: Iterable[tuple[str, str]]) -> Cost:
        """Of some verbs with keys."""
        return cls(Counter((verb, first_part(key)) for verb, key in asked))


def first_part(key: str) -> str:
    """What kind of object it is, such as `packs/`."""
    return key.split("/")[0] + "/"


def cost_of_logging(
    bucket: Bucket, data: bytes | BinaryIO, *, seed: int = 0, descriptor: Descriptor | None = None, memory: bool = False
) -> tuple[Run, Cost]:
    """Log some bytes as one file of a new run, as a process does that has just opened the store.

    Args:
        bucket: Of a store, or of none yet; what is asked of it after the store was opened is counted.
        data: The file, or a stream of it.
        seed: Another one for each time, as it gives the session its name.
        descriptor: Makes a store first, with these sizes of chunks and packs.
        memory: Whether to count the memory of Python's objects, which takes its time.
    """
    requests: Counter[tuple[str, str]] = Counter()
    sizes: list[int] = []

    def count(request: Request) -> None:
        requests[request.verb, first_part(request.key)] += 1
        sizes.append(request.bytes)

    location = Location(
        TraceBucket(bucket, count),
        Pool(workers=4),
        lambda: 1_700_000_000_000,
        random.Random(seed).randbytes,
        lambda _: None,
        "holdall test",
        trusted=True,
    )
    location.verifier = PackVerifier(location.bucket, location.pool, location.damage, draw=lambda _: 0)
    if descriptor:
        location.create(descriptor)
    location.ready_to_write()
    requests.clear()
    sizes.clear()
    if memory:
        tracemalloc.start()
    run = Store(location).runs.start()
    run.log_stream(io.BytesIO(data) if isinstance(data, bytes) else data, "model.bin")
    run.finish()
    peak = tracemalloc.get_traced_memory()[1] if memory else 0
    if memory:
        tracemalloc.stop()
    return run, Cost(requests, sum(sizes), peak)
