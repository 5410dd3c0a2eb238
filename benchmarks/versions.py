"""Kinds of files that come in versions, eight of each: seeded, the same bytes each time.

A kind is a function of a size that yields folders, as name -> bytes: a version of a file is a folder with one.
"""

from __future__ import annotations

import io
import json
import sqlite3
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

import numpy as np

VERSIONS: Final = 8
MIB: Final = 1 << 20
Folder: TypeAlias = dict[str, bytes]
Kind: TypeAlias = Callable[[int], Iterator[Folder]]


def _source(*seed: int) -> Any:
    return np.random.default_rng([2026, *seed])


def _words(source: Any, size: int) -> bytes:
    """Text of a few thousand words: it compresses, and no part of it comes twice."""
    lexicon = np.array([source.bytes(int(source.integers(2, 6))).hex() for _ in range(4096)])
    return " ".join(lexicon[source.integers(0, 4096, size // 8)]).encode()[:size]


def _database(size: int, touched: Callable[[Any, int], Any]) -> Iterator[Folder]:
    """A table of 700-byte rows, of which some are updated from version to version."""
    source, rows = _source(1), size // 800
    base = sqlite3.connect(":memory:")
    base.execute("pragma page_size = 4096")
    base.execute("create table samples (id integer primary key, label integer, features blob)")
    base.executemany("insert into samples values (?, 0, ?)", ((n, source.bytes(700)) for n in range(rows)))
    for version in range(VERSIONS):
        if version:
            change = _source(1, version)
            found = ((version, change.bytes(700), int(row)) for row in touched(change, rows))
            base.executemany("update samples set label = ?, features = ? where id = ?", found)
        base.commit()
        yield {"samples.sqlite": base.serialize()}
    base.close()


def database_thirds(size: int) -> Iterator[Folder]:
    """A SQLite file, a third of whose chunks have a changed row."""

    def touched(source: Any, rows: int) -> Any:
        regions = source.permutation(rows // 80)[: rows // 240]  # of 64 KiB each
        return 80 * regions + source.integers(0, 80, len(regions))

    return _database(size, touched)


def database_rows(size: int) -> Iterator[Folder]:
    """A SQLite file with 40 changed rows anywhere."""
    return _database(size, lambda source, rows: source.integers(0, rows, 40))


def tensors(named: dict[str, Any]) -> bytes:
    """A safetensors file."""
    header, at = {}, 0
    for name, value in named.items():
        kind = {"float32": "F32", "uint16": "BF16"}[str(value.dtype)]
        header[name] = {"dtype": kind, "shape": list(value.shape), "data_offsets": [at, at + value.nbytes]}
        at += value.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(value.tobytes() for value in named.values())


def _weights(source: Any, *shape: int) -> Any:
    return source.standard_normal(shape, dtype=np.float32) * np.float32(0.02)


def _layers(size: int, count: int = 24) -> dict[str, Any]:
    source = _source(2)
    return {f"layers.{n}.weight": _weights(source, size // 4 // count // 256, 256) for n in range(count)}


def checkpoint_rows(size: int) -> Iterator[Folder]:
    """A checkpoint whose embedding has 1 % of its rows changed, a sparse update."""
    source = _source(3)
    table = _weights(source, size // 1024, 256)
    for version in range(VERSIONS):
        if version:
            change = _source(3, version)
            near = change.integers(0, len(table) // 100, 40)[:, None] * 100 + change.integers(0, 100, (40, 4))
            rows = near.ravel()
            table[rows] += _weights(change, len(rows), 256)
        yield {"model.safetensors": tensors({"embedding": table})}


def checkpoint_layers(size: int) -> Iterator[Folder]:
    """A checkpoint of 24 layers of which two, others each time, were trained."""
    layers = _layers(size)
    for version in range(VERSIONS):
        if version:
            change = _source(4, version)
            for n in change.permutation(24)[:2]:
                name = f"layers.{n}.weight"
                layers[name] = layers[name] + _weights(change, *layers[name].shape) * np.float32(0.05)
        yield {"model.safetensors": tensors(layers)}


def adapters(size: int) -> Iterator[Folder]:
    """A model of which 6 % of every layer, the same each time, are trained."""
    layers = _layers(size)
    for version in range(VERSIONS):
        if version:
            change = _source(5, version)
            for value in layers.values():
                value[: int(len(value) * 0.06)] += _weights(change, int(len(value) * 0.06), 256)
        yield {"model.safetensors": tensors(layers)}


def tuned_fp32(size: int) -> Iterator[Folder]:
    """A pretrained model, and what it is tuned to: every number of 4 bytes moves a little."""
    for layers in _tuned(size):
        yield {"model.safetensors": tensors(layers)}


def _tuned(size: int) -> Iterator[dict[str, Any]]:
    layers = _layers(size)
    for version in range(VERSIONS):
        yield layers
        change = _source(6, version)
        layers = {name: value + _weights(change, *value.shape) * np.float32(0.001) for name, value in layers.items()}


def tuned_bf16(size: int) -> Iterator[Folder]:
    """The same in numbers of 2 bytes."""
    for layers in _tuned(2 * size):
        halves = {name: (value.view(np.uint32) >> 16).astype(np.uint16) for name, value in layers.items()}
        yield {"model.safetensors": tensors(halves)}


def vocabulary(size: int) -> Iterator[Folder]:
    """A model whose vocabulary grows by 17 rows, between the layers before and behind."""
    layers, table = _layers(size // 2), _weights(_source(7), size // 2 // 1536, 384)
    for version in range(VERSIONS):
        yield {"model.safetensors": tensors({"embedding": table, **layers})}
        table = np.concatenate([table, _weights(_source(7, version), 17, 384)])


def csv_appended(size: int) -> Iterator[Folder]:
    """A CSV that grows by 2.5 %."""
    source, text = _source(8), b"id,x,y,label\n"
    for version in range(VERSIONS):
        values = source.standard_normal((int(size * (0.025 if version else 1)) // 35, 2))
        start = text.count(b"\n")
        text += b"".join(b"%d,%.9f,%.9f,%d\n" % (start + n, x, y, x > y) for n, (x, y) in enumerate(values))
        yield {"train.csv": text}


def json_lines(size: int) -> Iterator[Folder]:
    """JSON lines with 30 lines inserted anywhere."""
    source = _source(9)

    def line(n: int) -> bytes:
        return json.dumps({"id": n, "text": _pick(words, source)}).encode() + b"\n"

    words = _words(source, MIB)
    lines = [line(n) for n in range(size // 320)]
    for version in range(VERSIONS):
        yield {"corpus.jsonl": b"".join(lines)}
        for place in sorted(source.integers(0, len(lines), 30), reverse=True):
            lines.insert(int(place), line(10**6 * (version + 1) + int(place)))


def _pick(words: bytes, source: Any, most: int = 560) -> str:
    start = int(source.integers(0, len(words) - most))
    return words[start : start + int(source.integers(40, most))].decode()


def log_appended(size: int) -> Iterator[Folder]:
    """Three log files, each of which grows."""
    source, words = _source(10), _words(_source(10, 1), MIB)
    logs = dict.fromkeys(("train.log", "eval.log", "loader.log"), b"")
    for version in range(VERSIONS):
        for name in logs:
            count = int(size // 3 * (0.04 if version else 1)) // 130
            lines = (f"2026-01-{version + 1:02} {n:07} INFO {_pick(words, source, 160)}\n" for n in range(count))
            logs[name] += "".join(lines).encode()
        yield dict(logs)


def _members(size: int, seed: int) -> dict[str, bytes]:
    source = _source(seed)
    return {f"shard/{n:05}.bin": source.bytes(int(source.integers(20_000, 180_000))) for n in range(size // 100_000)}


def _tar(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def tar_changed(size: int) -> Iterator[Folder]:
    """A tar of which a tenth of the members, anywhere, changed, in length too."""
    members = _members(size, 11)
    for version in range(VERSIONS):
        yield {"shard.tar": _tar(members)}
        change = _source(11, version)
        for name in change.permutation(list(members))[: len(members) // 10]:
            members[str(name)] = change.bytes(int(change.integers(20_000, 180_000)))


def tar_reordered(size: int) -> Iterator[Folder]:
    """A tar whose members come in another order each time."""
    members = _members(size, 12)
    for version in range(VERSIONS):
        names = (
            list(members) if not version else [str(name) for name in _source(12, version).permutation(list(members))]
        )
        yield {"shard.tar": _tar({name: members[name] for name in names})}


def npz_changed(size: int) -> Iterator[Folder]:
    """An npz, which is a zip that stores, with a few of its arrays new."""
    source = _source(13)
    arrays = {f"array_{n}": _weights(source, size // 4 // 32) for n in range(32)}
    for version in range(VERSIONS):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            for name, value in arrays.items():
                held = io.BytesIO()
                np.save(held, value)
                archive.writestr(zipfile.ZipInfo(f"{name}.npy"), held.getvalue())
        yield {"arrays.npz": out.getvalue()}
        change = _source(13, version)
        for n in change.permutation(32)[:3]:
            arrays[f"array_{n}"] = _weights(change, size // 4 // 32)


def shifted(size: int) -> Iterator[Folder]:
    """Noise that is shifted by some bytes more each time."""
    source = _source(14)
    data = source.bytes(size)
    for version in range(VERSIONS):
        yield {"noise.bin": data}
        data = source.bytes(3 * version + 1) + data


def parquet(size: int) -> Iterator[Folder]:
    """A parquet file of which two row groups of 24 were computed anew."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = size // 24 // 24
    groups = [_table(_source(15, 0, n), rows) for n in range(24)]
    for version in range(VERSIONS):
        out = pa.BufferOutputStream()
        with pq.ParquetWriter(out, groups[0].schema, compression="snappy") as writer:
            for group in groups:
                writer.write_table(group, row_group_size=rows)
        yield {"features.parquet": out.getvalue().to_pybytes()}
        for n in _source(15, 99, version).permutation(24)[:2]:
            groups[n] = _table(_source(15, version + 1, int(n)), rows)


def _table(source: Any, rows: int) -> Any:
    import pyarrow as pa

    names = [f"x{n}" for n in range(3)]
    return pa.table({"id": source.integers(0, 1 << 40, rows), **{name: source.random(rows) for name in names}})


def images(size: int) -> Iterator[Folder]:
    """A folder of compressed images of which one in ten is another each time, and some are added."""
    source = _source(16)

    def image(some: Any) -> bytes:
        return bytes(some.bytes(int(some.integers(12_000, 140_000))))

    found = {f"train/{n:05}.jpg": image(source) for n in range(size // 76_000)}
    for version in range(VERSIONS):
        yield dict(found)
        change = _source(16, version)
        for name in change.permutation(list(found))[: len(found) // 10]:
            found[str(name)] = image(change)
        found |= {f"train/new-{version}-{n}.jpg": image(change) for n in range(len(found) // 50)}


KINDS: Final[dict[str, tuple[Kind, float]]] = {  # and how many times the usual size each is
    "SQLite, a third of its chunks": (database_thirds, 1),
    "SQLite, scattered rows": (database_rows, 3),
    "checkpoint, some rows": (checkpoint_rows, 2),
    "checkpoint, some layers": (checkpoint_layers, 5),
    "adapters, 6 % of each layer": (adapters, 2),
    "tuned, fp32": (tuned_fp32, 1),
    "tuned, bf16": (tuned_bf16, 1),
    "vocabulary grown": (vocabulary, 2),
    "CSV, appended": (csv_appended, 1),
    "JSON lines, inserted": (json_lines, 2),
    "logs, appended": (log_appended, 1),
    "tar, changed members": (tar_changed, 2),
    "tar, reordered members": (tar_reordered, 1),
    "npz, changed arrays": (npz_changed, 1),
    "noise, shifted": (shifted, 1),
    "parquet, changed row groups": (parquet, 1),
    "images, some changed": (images, 2),
}
