"""What nobody can make a server do: hold much memory."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pyarrow
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.asgi import ask
from tests.support.bombs import CSV, JSON, PARQUET, parquet
from tests.support.depth import examples
from tests.support.scored import write_model

from holdall.errors import OversizedPayloadError, PayloadError
from holdall.store import Store
from holdall.surfaces.serving.answers import predictions_json
from holdall.surfaces.serving.app import make_app
from holdall.surfaces.serving.bound import Bound
from holdall.surfaces.serving.metrics import Metrics
from holdall.surfaces.serving.scoring import score
from holdall.surfaces.serving.service import Identity, Limits

IDENTITY = Identity("m", "m", "sha256:0")
HEADERS = {"Content-Type": JSON}
MUCH = 256 << 20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("model")
    return Store.open(str(folder / "store")).models.load_pyfunc(write_model(folder / "m", "text"))


# --- memory ---


def measured(which: str) -> dict[str, tuple[int, int]]:
    """The status that each request gets from a server of 256 MiB a request, and the process's growth until then."""
    command = [sys.executable, "-m", "tests.support.bombs", which]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=os.environ | {"HOLDALL_TRUST": "any"}
    )
    told: dict[str, tuple[int, int]] = json.loads(done.stdout)
    return told


@pytest.mark.long
def test_a_small_request_cannot_take_much_memory() -> None:
    """It is refused by what it would become, long before the memory is taken."""
    told = measured("bombs")
    assert {name: status for name, (status, _) in told.items() if status != 413} == {}
    assert max(grown for _, grown in told.values()) < MUCH


@pytest.mark.long
def test_an_honest_request_is_read_within_its_bound() -> None:
    """The estimates are from above, and not by so much that usual requests would be refused."""
    told = measured("honest")
    assert {name: status for name, (status, _) in told.items() if status != 200} == {}
    assert max(grown for _, grown in told.values()) < 2 * MUCH


@pytest.mark.parametrize(
    ("media", "body"),
    [
        (CSV, b",".join([b"a"] * 50_000) + b"\n" + b",".join([b"1"] * 50_000)),
        (CSV, b",".join([b"a.%d" % n for n in range(1000)] + [b"a"] * 1000) + b"\n"),
        (CSV, b"\xef\xbb\xbf \n" + b",".join([b'"a"'] * 50_000) + b"\n1"),
        (JSON, json.dumps({"dataframe_split": {"columns": ["a"] * 50_000, "data": [[1] * 50_000]}}).encode()),
    ],
)
def test_columns_of_one_name_are_refused_in_one_look(model: Any, media: str, body: bytes) -> None:
    """pandas takes a minute for 50,000 of them, and holds a thread for that."""
    answer = score(model, body, media)
    assert answer.status == 400
    assert "columns are only" in answer.body


@pytest.mark.parametrize("body", [b"a,a\n1,2\n", b"a,b\n" + b"0," * 500 + b"0\n", b",,\n1,2,3\n"])
def test_a_few_equal_names_stay_what_they_were(model: Any, body: bytes) -> None:
    """pandas tells them apart by itself; a row's values are no names."""
    assert score(model, body, CSV).status == 200


def test_extension_types_are_not_made(model: Any) -> None:
    """They are refused by their name in the schema, before anything looks it up."""
    made = pyarrow.ExtensionArray.from_storage(pyarrow.uuid(), pyarrow.array([bytes(16)], pyarrow.binary(16)))
    answer = score(model, parquet({"a": made}), PARQUET)
    assert answer.status == 400
    assert "extension types" in answer.body


@pytest.mark.parametrize("encoding", ["DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"])
def test_a_page_that_counts_its_values_twice_counts_them_alike(encoding: str) -> None:
    """pyarrow reserves memory for what the values say that they are: 2 GiB by 200 bytes."""
    options: Any = {"compression": "none", "use_dictionary": False, "column_encoding": {"a": encoding}}
    body = parquet({"a": ["x" * 9] * 1000}, **options)
    Bound(1 << 30).parquet(body)
    counted = b"\x80\x01\x04" + bytes([0xE8, 0x07])  # blocks of 128 in four parts, 1000 in all
    assert counted in body
    for n in range(body.count(counted)):
        before, after = counted.join(body.split(counted)[: n + 1]), counted.join(body.split(counted)[n + 1 :])
        with pytest.raises(PayloadError, match="says that it has 16383"):
            Bound(1 << 30).parquet(before + b"\x80\x01\x04\xff\x7f" + after)


@pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("encoding", [None, "DELTA_LENGTH_BYTE_ARRAY", "DELTA_BYTE_ARRAY"])
@pytest.mark.parametrize("page", [100, 1 << 20])
def test_what_writers_write_is_taken(codec: str, version: str, encoding: str | None, page: int) -> None:
    """Every codec, version of pages and encoding, gaps, lists and structs; and only within the bound."""
    chosen = {"column_encoding": dict.fromkeys(["s", "l.list.element"], encoding)} if encoding else {}
    columns = {"s": ["x", None, ""] * 900, "l": [["a", None], None, []] * 900, "t": [{"a": 1, "b": [1.0]}] * 2700}
    body = parquet(
        {name: pyarrow.array(values) for name, values in columns.items()},
        compression=codec,
        data_page_version=version,
        data_page_size=page,
        row_group_size=1000,
        write_page_checksum=page == 100,
        use_dictionary=encoding is None,
        **chosen,
    )
    Bound(1 << 30).parquet(body)
    with pytest.raises(OversizedPayloadError):
        Bound(1000).parquet(body)


@settings(max_examples=examples(100), deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.binary(max_size=6))
def test_broken_pages_are_refused_in_words(at: int, byte: int, more: bytes) -> None:
    """Whatever stands before the footer is a payload's error."""
    body = bytearray(parquet({"a": ["x", "yy"] * 20, "b": [[1], []] * 20}, compression="none"))
    at %= len(body) - 8 - int.from_bytes(body[-8:-4], "little") - len(more)
    body[at : at + 1 + len(more)] = bytes([byte]) + more
    try:
        Bound(1 << 30).parquet(bytes(body))
    except (PayloadError, OversizedPayloadError) as error:
        assert str(error)  # noqa: PT017  # most bytes may be others and nothing is wrong


@pytest.mark.parametrize(
    ("name", "body"),
    [("json", b"[" * 100 + b"]" * 100), ("csv", b"a,b\n" + b"1,2\n" * 1000), ("parquet", parquet({"a": [1.0] * 1000}))],
)
def test_the_bound_is_the_servers_own(name: str, body: bytes) -> None:
    """What one server refuses another may take."""
    getattr(Bound(1 << 30), name)(body)
    with pytest.raises(OversizedPayloadError, match="a request has 1000"):
        getattr(Bound(1000), name)(body)


@pytest.mark.parametrize("deep", ['{"inputs":' + "[" * 900 + "]" * 900 + "}", '{"inputs":[' + "1" * 4301 + "]}"])
def test_depth_and_long_numbers_are_refused(model: Any, deep: str) -> None:
    """By an answer, whatever Python and numpy say to them."""
    assert score(model, deep.encode(), JSON).status == 400


def test_all_bodies_together_have_a_bound(model: Any) -> None:
    """Clients that send slowly hold no more than that; what they held is there again when they are gone."""

    async def talk() -> list[int]:
        app = make_app(model, IDENTITY, Limits(max_bytes=50_000, max_memory=100_000), Metrics(IDENTITY))
        gone = asyncio.Event()

        async def slow() -> None:
            received = iter([{"type": "http.request", "body": bytes(40_000), "more_body": True}])

            async def receive() -> dict[str, Any]:
                if (message := next(received, None)) is None:
                    await gone.wait()
                    return {"type": "http.disconnect"}
                return message

            async def send(_: Any) -> None:
                return None

            scope = {"type": "http", "method": "POST", "path": "/invocations", "headers": [], "query_string": b""}
            await app(scope, receive, send)

        held = [asyncio.create_task(slow()) for _ in range(2)]
        await asyncio.sleep(0)
        refused = await ask(app, "POST", "/invocations", b'{"inputs": 1}', HEADERS)
        gone.set()
        await asyncio.gather(*held)
        taken = await ask(app, "POST", "/invocations", b'{"inputs": 1}', HEADERS)
        assert refused.headers["retry-after"] == "1"
        return [refused.status, taken.status]

    assert asyncio.run(talk()) == [503, 200]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "identity, gzip"])
def test_a_compressed_body_is_refused_by_its_name(model: Any, coding: str) -> None:
    """Nothing is unpacked, and it is not called broken JSON."""
    app = make_app(model, IDENTITY, Limits(), Metrics(IDENTITY))
    body = gzip.compress(b'{"inputs": 1}')
    answer = asyncio.run(ask(app, "POST", "/invocations", body, HEADERS | {"Content-Encoding": coding}))
    assert answer.status == 415
    assert b"Content-Encoding" in answer.body


@pytest.mark.parametrize("length", ["9" * 5000, "1" + "0" * 18])
def test_a_length_that_no_body_has_is_refused(model: Any, length: str) -> None:
    """Also where Python would not make a number of it."""
    app = make_app(model, IDENTITY, Limits(), Metrics(IDENTITY))
    assert asyncio.run(ask(app, "POST", "/invocations", b"", HEADERS | {"Content-Length": length})).status == 413


# --- answers ---


@pytest.mark.parametrize(
    "given", [["x" * 100] * 5000, np.zeros((5000, 50)), pd.DataFrame({"s": ["é" * 20] * 5000}), ("x",) * 200_000]
)
def test_an_answer_has_a_bound(model: Any, given: Any) -> None:
    """It is told, and whole or not at all."""
    model.predict, kept = (lambda *_: given), model.predict
    try:
        answer = score(model, b'{"inputs": 1}', JSON, 100_000)
        assert (answer.status, "ANSWER_TOO_LARGE" in answer.body) == (413, True)
        assert score(model, b'{"inputs": 1}', JSON).status == 200
    finally:
        model.predict = kept


@pytest.mark.parametrize("rows", [0, 1, 999, 1000, 1001, 3000])
def test_rows_in_blocks_are_the_same_answer(rows: int) -> None:
    """However many rows there are, and in whatever they stand."""
    frame = pd.DataFrame({"a": np.arange(rows) / 3, "s": ["]["] * rows})
    for rowed in (frame, frame["a"], frame["a"].to_numpy(), frame["s"].tolist(), np.zeros((rows, 2)), np.zeros((0, 2))):
        plain = rowed.to_frame() if isinstance(rowed, pd.Series) else rowed
        plain = plain.to_dict("records") if isinstance(plain, pd.DataFrame) else plain
        plain = plain.tolist() if isinstance(plain, np.ndarray) else plain
        assert predictions_json(rowed) == json.dumps({"predictions": plain})
