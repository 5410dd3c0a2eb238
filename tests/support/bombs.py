"""Small requests that stand for much: how much memory each takes, measured in a process of its own."""

from __future__ import annotations

import io
import json
import os
import resource
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from tests.support.depth import thinned
from tests.support.scored import write_model

from holdall.store import Store
from holdall.surfaces.serving.scoring import score

JSON, CSV, PARQUET = "application/json", "text/csv", "application/vnd.apache.parquet"


def said(**document: Any) -> bytes:
    return json.dumps(document).encode()


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    held = io.BytesIO()
    pq.write_table(pa.table(columns), held, **options)
    return held.getvalue()


def lying(file: bytes, said: int, instead: int = 1) -> bytes:
    """A file whose footer says another number wherever it said this one; its pages say what they said."""
    start = len(file) - 8 - int.from_bytes(file[-8:-4], "little")
    true, false = varint(2 * said), varint(2 * instead)
    padded = bytes([*(b | 0x80 for b in false), *[0x80] * (len(true) - len(false))])
    assert true in file[start:]
    return file[:start] + file[start:].replace(true, padded[:-1] + bytes([padded[-1] & 0x7F]))


def varint(number: int) -> bytes:
    """A number as Thrift's compact protocol has it."""
    found = b""
    while number > 0x7F:
        found, number = found + bytes([number & 0x7F | 0x80]), number >> 7
    return found + bytes([number])


def shrunk(columns: dict[str, Any], **options: Any) -> bytes:
    """A file whose footer says that its pages have one byte, and one value."""
    file = parquet(columns, **options)
    column = pq.ParquetFile(io.BytesIO(file)).metadata.row_group(0).column(0)
    return lying(lying(file, column.total_uncompressed_size), column.num_values)


def keys(count: int) -> list[str]:
    return [f"k{n}" for n in range(count)]


def _lists(count: int) -> Any:
    return pa.ListArray.from_arrays(pa.array([0, count], pa.int32()), pa.array(["x" * 100_000] * count))


BOMBS: dict[str, tuple[str, Callable[[], bytes]]] = {
    "empty lists": (JSON, lambda: b'{"inputs": [' + b"[]," * 2_400_000 + b"[]]}"),
    "empty objects": (JSON, lambda: b'{"instances": [' + b"{}," * 2_000_000 + b"{}]}"),
    "nested lists": (JSON, lambda: b'{"inputs": [' + b"[[[[[[]]]]]]," * 600_000 + b"[]]}"),
    "one strange character": (JSON, lambda: json.dumps({"inputs": ["\U0001f600" + "x" * 60_000_000]}).encode()),
    "digits": (JSON, lambda: b'{"inputs": [' + b"0," * 10_000_000 + b"0]}"),
    "records without a key in common": (JSON, lambda: said(dataframe_records=[{k: 1} for k in keys(20_000)])),
    "instances without a key in common": (JSON, lambda: said(inputs=[{k: 1} for k in keys(20_000)])),
    "ragged rows": (JSON, lambda: said(dataframe_split={"data": [[1] * 50_000] + [[1]] * 50_000})),
    "an index and columns": (
        JSON,
        lambda: said(dataframe_split={"columns": keys(50_000), "index": [0] * 50_000, "data": None}),
    ),
    "columns of objects": (JSON, lambda: said(dataframe_split={"data": {k: {k: 1} for k in keys(20_000)}})),
    "a value for each row": (JSON, lambda: said(inputs={"a": [1] * 50_000} | dict.fromkeys(keys(50_000), 1))),
    "a long text among short ones": (JSON, lambda: said(inputs=["x" * 1_000_000] + ["y"] * 100_000)),
    "the same in a column": (JSON, lambda: said(inputs={"s": ["x" * 1_000_000] + ["y"] * 100_000})),
    "the same in instances": (JSON, lambda: said(instances=[{"q": "x" * 1_000_000}] + [{"q": "y"}] * 100_000)),
    "a wide header": (CSV, lambda: ",".join(keys(50_000)).encode() + b"\n1" * 100_000),
    "a wide header behind blanks": (CSV, lambda: b" \n\n" + ",".join(keys(50_000)).encode() + b"\n1" * 100_000),
    "a wide header with a newline": (CSV, lambda: b'"a\nb",' + ",".join(keys(50_000)).encode() + b"\n1" * 100_000),
    "a wide first row": (CSV, lambda: b"a,b\n" + b"1," * 50_000 + b"\n1,2" * 100_000),
    "commas": (CSV, lambda: b"a,b\n" + b",\n" * 20_000_000),
    "repeated numbers": (PARQUET, lambda: parquet({"a": np.zeros(1 << 27, "int8")})),
    "repeated texts": (PARQUET, lambda: parquet({"s": pa.array(["x" * 100_000]).take(pa.array([0] * 3_000))})),
    "texts by their beginning": (
        PARQUET,
        lambda: parquet(
            {"s": ["x" * 100_000] * 3_000}, use_dictionary=False, column_encoding={"s": "DELTA_BYTE_ARRAY"}
        ),
    ),
    "texts in a list": (PARQUET, lambda: parquet({"s": _lists(3_000)})),
    "zeros, compressed": (
        PARQUET,
        lambda: parquet({"s": ["\0" * (1 << 28)]}, use_dictionary=False, compression="zstd", write_statistics=False),
    ),
    "zeros, and a footer that denies them": (
        PARQUET,
        lambda: shrunk({"s": ["\0" * (1 << 28)] * 2}, use_dictionary=False, compression="zstd", write_statistics=False),
    ),
    "a list, and a footer that denies it": (
        PARQUET,
        lambda: shrunk({"s": pa.ListArray.from_arrays(pa.array([0, 1 << 26], pa.int32()), np.zeros(1 << 26, "int8"))}),
    ),
    "fixed lengths": (
        PARQUET,
        lambda: parquet({"s": pa.array([b"x" * 100_000] * 3_000, pa.binary(100_000))}, compression="zstd"),
    ),
}

HONEST: dict[str, tuple[str, Callable[[], bytes]]] = {
    "rows": (JSON, lambda: said(inputs=np.random.default_rng(0).random((1000, 1500)).tolist())),
    "a table": (JSON, lambda: said(dataframe_split={"columns": keys(50), "data": [[0.5] * 50] * 20_000})),
    "records": (JSON, lambda: said(dataframe_records=[dict.fromkeys(keys(10), 0.123456)] * 60_000)),
    "columns": (JSON, lambda: said(inputs={key: [0.123456] * 50_000 for key in keys(20)})),
    "long texts": (JSON, lambda: said(dataframe_records=[{"a": 1.0, "s": f"{n}" * 10_000} for n in range(1000)])),
    "csv": (CSV, lambda: b"a,b,c,d\n" + b"0.123456,1.234567,2.345678,x\n" * 300_000),
    "wide csv": (CSV, lambda: ",".join(keys(10_000)).encode() + b"\n" + (b"0.12," * 9_999 + b"1\n") * 50),
    "parquet": (PARQUET, lambda: parquet({key: np.random.default_rng(0).random(200_000) for key in keys(20)})),
    "texts of parquet": (PARQUET, lambda: parquet({"s": [f"text {n % 1000}" * 4 for n in range(1_000_000)]})),
    "delta": (
        PARQUET,
        lambda: parquet(
            {"s": [f"text {n}" * 4 for n in range(60_000)]},
            use_dictionary=False,
            column_encoding={"s": "DELTA_BYTE_ARRAY"},
        ),
    ),
}


def made(make: Callable[[], bytes]) -> bytes:
    """A request, made in another process, for to make it takes memory too."""
    reading, writing = os.pipe()
    if not os.fork():
        os.close(reading)
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(make())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        body = pipe.read()
    os.wait()
    return body


def measure(requests: dict[str, tuple[str, Callable[[], bytes]]]) -> None:
    """Print for each request the status it gets, and by how many bytes the process has grown at its most."""
    with tempfile.TemporaryDirectory() as folder:
        model = Store.open(folder).models.load_pyfunc(write_model(Path(folder) / "m", "text"))
        score(model, b"a\n1\n", CSV)
        score(model, parquet({"a": [1.0]}), PARQUET)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        told = {}
        for name, (media, make) in thinned(list(requests.items()), 3):
            status = score(model, made(make), media, 256 << 20).status
            told[name] = status, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) << 10
    print(json.dumps(told))


if __name__ == "__main__":
    measure(BOMBS if sys.argv[1] == "bombs" else HONEST)
