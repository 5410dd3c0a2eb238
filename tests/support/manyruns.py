"""A store of very many runs and packs, as a collector meets it, made without logging anything.

Runs' logs, trees and recipes are real; of the packs only those that hold these,
and those that nobody needs, have a footer. No chunk is there.
"""

from __future__ import annotations

import random
from dataclasses import replace

from tests.support.bigstore import put_pack

from holdall.format.codec import UNCOMPRESSED
from holdall.format.digest import blob_id
from holdall.format.entry import LogEntry, encode_entry, parse_entry
from holdall.format.layout import PackName, experiment_id, log_key, run_id, run_log
from holdall.format.pack import PackBuilder
from holdall.format.recipe import Recipe, encode_recipe
from holdall.format.reference import NODE, RECIPE, Ref
from holdall.format.state import State
from holdall.format.tree import Entry, Kind
from holdall.storage.bucket import Bucket
from holdall.trees import tree_builder

EXPERIMENT = experiment_id("Default")


def add_many(bucket: Bucket, *, runs: int, live: int, dead: int, seed: int = 0) -> None:
    """Add ended runs that refer to so many packs altogether, and packs that no run refers to.

    Args:
        bucket: Of a store.
        runs: Ended runs, with three log entries and one large file each.
        live: Packs that they refer to, besides one of each run's own, which holds its tree and its recipe.
        dead: Packs that nothing refers to.
        seed: Of all names.
    """
    source = random.Random(seed)
    shares = [source.randbytes(16) for _ in range(runs)]
    for n, session in enumerate(shares):
        packs = [PackName(session, 1 + i) for i in range(live // runs + (n < live % runs))]
        for pack in packs:
            bucket.put(pack.key, b"?")
        _add_run(bucket, source, session, packs)
    for n in range(dead):
        session = source.randbytes(16) if n % 32 == 0 else session
        put_pack(bucket, PackName(session, 1000 + n % 32), [source.randbytes(32), source.randbytes(32)])


def _add_run(bucket: Bucket, source: random.Random, session: bytes, packs: list[PackName]) -> None:
    builder, at = PackBuilder(), 8
    own = PackName(session, 0)

    def place(data: bytes, kind: int = NODE) -> Ref:
        nonlocal at
        ref = Ref(blob_id(data), own, at, len(data), len(data), UNCOMPRESSED)
        builder.add(ref.id, kind, UNCOMPRESSED, data, len(data))
        at += len(data)
        return ref

    chunks = tuple(Ref(source.randbytes(32), pack, 8, 1, 65536, 1) for pack in packs or [own])
    sha256 = source.randbytes(32)
    size = sum(chunk.raw for chunk in chunks)
    recipe = place(encode_recipe(Recipe(size, sha256, chunks)), RECIPE)
    entry = Entry("model.bin", Kind.FILE, size, sha256, content=recipe, whole=False)
    root = tree_builder.build([entry], place)
    bucket.put(own.key, bytes(builder.finish()))
    _put_log(bucket, run_id(EXPERIMENT, source.randbytes(12)), session.hex(), root, size)


def _put_log(bucket: Bucket, id: str, session: str, root: Ref, size: int) -> None:
    log = run_log(id)
    create = {"op": "create", "experiment": EXPERIMENT}
    commit = {"op": "commit", "tree": root.to_json(), "files": 1, "bytes": size, "new_bytes": 0, "stored_bytes": 0}
    ended = [{"op": "status", "status": "FINISHED"}, {"op": "close", "session": session}]
    entry = LogEntry(log, 0, "0" * 32, None, 0, "test", None, (create, {"op": "open", "session": session}))
    entries = [entry := _put(bucket, entry)]
    entries.append(entry := _put(bucket, replace(entry, n=1, prev=entry.sha256, ops=(commit,))))
    state = State()
    for one in entries:
        state.apply(one)
    state.tree, state.deltas = root, []
    last = replace(entry, n=2, prev=entry.sha256, ops=tuple(ended), state_at=2, state=state.to_json())
    _put(bucket, last)


def _put(bucket: Bucket, entry: LogEntry) -> LogEntry:
    data = encode_entry(entry)
    bucket.put(log_key(entry.log, entry.n), data)
    return parse_entry(data, entry.log, entry.n)
