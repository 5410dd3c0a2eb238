"""What nobody can make a server do: hold much memory, wait for ever, or see two requests where there is one."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow
import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.asgi import ask
from tests.support.bombs import CSV, JSON, PARQUET, parquet
from tests.support.scored import write_model

from holdall.errors import OversizedPayloadError, PayloadError
from holdall.store import Store
from holdall.surfaces.serving.app import make_app
from holdall.surfaces.serving.bound import Bound
from holdall.surfaces.serving.connection import bounded
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


def test_a_small_request_cannot_take_much_memory() -> None:
    """It is refused by what it would become, long before the memory is taken."""
    told = measured("bombs")
    assert {name: status for name, (status, _) in told.items() if status != 413} == {}
    assert max(grown for _, grown in told.values()) < MUCH


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
    """Every codec, version of pages and encoding, gaps, lists and structs."""
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


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 255), st.binary(max_size=6))
def test_broken_pages_are_refused_in_words(at: int, byte: int, more: bytes) -> None:
    """Whatever stands before the footer is a payload's error."""
    body = bytearray(parquet({"a": ["x", "yy"] * 20, "b": [[1], []] * 20}, compression="none"))
    at %= len(body) - 8 - int.from_bytes(body[-8:-4], "little") - len(more)
    body[at : at + 1 + len(more)] = bytes([byte]) + more
    with contextlib.suppress(PayloadError, OversizedPayloadError):
        Bound(1 << 30).parquet(bytes(body))


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


# --- connections ---


@contextmanager
def served(model: Any, **limits: Any) -> Iterator[tuple[Any, int]]:
    """A real server of one process, and its port."""
    asked = Limits(**{"head_timeout": 0.5} | limits)
    app = make_app(model, IDENTITY, asked, Metrics(IDENTITY))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        http = bounded(asked.head_timeout, asked.max_connections)
        server = uvicorn.Server(uvicorn.Config(app, http=http, ws="none", log_config=None, lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield server, listening.getsockname()[1]
        finally:
            server.force_exit = server.should_exit = True
            thread.join()


def talk(port: int, *pieces: bytes, pause: float = 0) -> bytes:
    """What a server says to these bytes before it ends the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as talking:
        said = b""
        try:
            for piece in pieces:
                talking.sendall(piece)
                time.sleep(pause)
            while piece := talking.recv(1 << 16):
                said += piece
        except (BrokenPipeError, ConnectionResetError):
            talking.settimeout(0.1)
        return said


GET = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("pieces", "statuses"),
    [
        ((), [b"408"]),
        ((b"GET /ping HT",), [b"408"]),
        ((b"GET /ping HTTP/1.1\r\nX: ", *[b"x"] * 20), [b"408"]),
        ((GET + b"GET /pi", *[b"n"] * 20), [b"200", b"408"]),
        ((b"\r\n", *[b"\r\n"] * 20), [b"408"]),
    ],
)
def test_a_head_must_come_in_time(model: Any, pieces: tuple[bytes, ...], statuses: list[bytes]) -> None:
    """The first and every later one, however slowly its bytes drip."""
    with served(model) as (server, port):
        said = talk(port, *pieces, pause=0.1)
        assert [line.split()[1] for line in said.split(b"\r\n") if line.startswith(b"HTTP/1.1")] in (statuses, [])
        assert gone(server)


def gone(server: Any) -> bool:
    """Whether a server soon has no connection any more."""
    for _ in range(1000):
        if not server.server_state.connections:
            return True
        time.sleep(0.01)
    return False


def statuses(said: bytes) -> list[bytes]:
    return [
        line.split(b" ")[1] for line in said.replace(b"HTTP/1.1 ", b"\nHTTP/1.1 ").split(b"\n") if line[:5] == b"HTTP/"
    ]


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 13\r\n\r\n",
        b"transfer-encoding: Chunked\r\ncontent-length: 0\r\n\r\n",
    ],
)
@pytest.mark.parametrize(
    "start", [POST, b"GET /ping HTTP/1.1\r\nHost: x\r\n", b"POST /nowhere HTTP/1.1\r\nHost: x\r\n"]
)
def test_two_lengths_are_refused(model: Any, start: bytes, head: bytes) -> None:
    """Nothing that follows on this connection is taken for a request: a proxy may have seen its end elsewhere."""
    with served(model) as (_, port):
        assert statuses(talk(port, start + head + b"0\r\n\r\n" + GET)) == [b"400"]


@pytest.mark.parametrize(
    "head", [b"Content-Length: 13\r\nContent-Length: 14\r\n\r\n", b"Transfer-Encoding: gzip\r\n\r\n", b"A" * 100_000]
)
def test_a_head_that_is_none_is_refused(model: Any, head: bytes) -> None:
    """Several lengths, an unknown encoding, more than 64 kB."""
    with served(model) as (server, port):
        assert statuses(talk(port, POST + head)) in ([b"400"], [b"501"], [])
        assert gone(server)


@pytest.mark.parametrize("start", [POST, b"GET /ping HTTP/1.1\r\n Host: x\r\n", b"GET /ping HTTP/1.1\r\nHost: x\r\n"])
def test_a_body_without_end_ends(model: Any, start: bytes) -> None:
    """Chunks that go on for ever after the answer, or before it, do not hold a connection."""
    with served(model, max_bytes=10_000) as (server, port), socket.create_connection(("127.0.0.1", port)) as talking:
        talking.sendall(start + b"Transfer-Encoding: chunked\r\n\r\n")
        with pytest.raises(OSError):  # noqa: PT011  # a broken pipe, or a reset
            while True:
                talking.sendall(b"400\r\n" + bytes(0x400) + b"\r\n")
                time.sleep(0.01)
        assert gone(server)


def test_requests_that_come_at_once_are_answered_in_turn(model: Any) -> None:
    """Pipelining."""
    ask = POST + b'Content-Length: 13\r\n\r\n{"inputs": 1}'
    with served(model) as (_, port):
        assert statuses(talk(port, GET + ask + GET + ask)) in ([b"200"] * 4, [*[b"200"] * 4, b"408"])


def test_connections_are_counted(model: Any) -> None:
    """One too many is told so at once; when another is gone, there is room again."""
    with served(model, max_connections=3, head_timeout=30) as (server, port):
        held = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
        while len(server.server_state.connections) < 3:
            time.sleep(0.01)
        assert statuses(talk(port)) == [b"503"]
        held.pop().close()
        while len(server.server_state.connections) > 2:
            time.sleep(0.01)
        assert statuses(talk(port, GET.replace(b"Host", b"Connection: close\r\nHost"))) == [b"200"]
        for each in held:
            each.close()


def test_an_answer_that_nobody_takes_is_given_up(tmp_path: Path) -> None:
    """Its connection ends when the client has taken nothing for so long."""
    made = write_model(tmp_path / "m", "long bytes")
    model = Store.open(str(tmp_path / "store")).models.load_pyfunc(made)
    model.predict = lambda *_: ["x" * 50_000_000]
    with served(model) as (server, port), socket.create_connection(("127.0.0.1", port)) as talking:
        talking.sendall(POST + b'Content-Length: 13\r\n\r\n{"inputs": 1}')
        while not server.server_state.connections:
            time.sleep(0.01)
        assert gone(server)
