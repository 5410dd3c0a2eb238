"""What no connection of a server can do: wait for ever, or make it see two requests where there is one."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from tests.support.scored import write_model

from holdall.servers.connection import bounded
from holdall.store import Store
from holdall.surfaces.serving.app import make_app
from holdall.surfaces.serving.metrics import Metrics
from holdall.surfaces.serving.service import Identity, Limits

IDENTITY = Identity("m", "m", "sha256:0")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("model")
    return Store.open(str(folder / "store")).models.load_pyfunc(write_model(folder / "m", "text"))


@contextmanager
def served(model: Any, **limits: Any) -> Iterator[tuple[Any, int]]:
    """A real server of one process, and its port."""
    asked = Limits(**{"head_timeout": 300} | limits)
    app = make_app(model, IDENTITY, asked, Metrics(IDENTITY))
    with socket.socket() as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 17)  # or the kernel alone takes megabytes
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


def talk(port: int, *pieces: bytes, pause: float = 0, answers: int = 0) -> bytes:
    """What a server says to these bytes before it ends the connection, or to the last answer's end, which ends it."""
    with socket.create_connection(("127.0.0.1", port), timeout=200) as talking:
        said = bytearray()
        try:
            for piece in pieces:
                talking.sendall(piece)
                time.sleep(pause)
            while piece := talking.recv(1 << 16):
                said += piece
                if 0 < answers <= len(statuses(bytes(said))):
                    talking.shutdown(socket.SHUT_WR)
        except OSError:  # it was ended at the other end: by a reset, or before this one could be
            pass
        return bytes(said)


GET = b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST /invocations HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    ("pieces", "expected"),
    [
        ((), [b"408"]),
        ((b"GET /ping HT",), [b"408"]),
        ((b"GET /ping HTTP/1.1\r\nX: ", *[b"x"] * 20), [b"408"]),
        ((GET + b"GET /pi", *[b"n"] * 20), [b"200", b"408"]),
        ((b"\r\n", *[b"\r\n"] * 20), [b"408"]),
    ],
)
def test_a_head_must_come_in_time(model: Any, pieces: tuple[bytes, ...], expected: list[bytes]) -> None:
    """The first and every later one, however slowly its bytes drip."""
    with served(model, head_timeout=0.5) as (server, port):
        said = talk(port, *pieces, pause=0.1)
        assert statuses(said) in (expected, expected[-1:], [])  # of a slow machine even the first one may come late
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
    with (
        served(model, head_timeout=0.2, max_bytes=10_000) as (server, port),
        socket.create_connection(("127.0.0.1", port)) as talking,
    ):
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
        assert statuses(talk(port, GET + ask + GET + ask, answers=4)) == [b"200"] * 4


def test_connections_are_counted(model: Any) -> None:
    """One too many is told so at once; when another is gone, there is room again."""
    with served(model, max_connections=3) as (server, port):
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
    model.predict = lambda *_: ["x" * 50_000_000]  # type: ignore[method-assign]
    with served(model, head_timeout=0.5) as (server, port), socket.create_connection(("127.0.0.1", port)) as talking:
        talking.sendall(POST + b'Content-Length: 13\r\n\r\n{"inputs": 1}')
        while not server.server_state.connections:
            time.sleep(0.01)
        assert gone(server)


def long_answering(folder: Path) -> Any:
    made = write_model(folder / "m", "long bytes")
    model = Store.open(str(folder / "store")).models.load_pyfunc(made)
    model.predict = lambda *_: ["x" * 50_000_000]  # type: ignore[method-assign]
    return model


def test_an_answer_that_is_taken_by_drops_is_given_up(tmp_path: Path) -> None:
    """It holds its memory, so a client has a pace to keep; one that keeps it gets everything."""
    ask = POST + b"Connection: close\r\n" + b'Content-Length: 13\r\n\r\n{"inputs": 1}'
    with served(long_answering(tmp_path), head_timeout=1.5) as (server, port):
        with socket.socket() as talking:
            talking.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            talking.connect(("127.0.0.1", port))
            talking.sendall(ask)
            taken = 0
            with contextlib.suppress(ConnectionResetError):
                while (got := len(talking.recv(4096))) and taken < 5_000_000:
                    taken += got
                    time.sleep(0.02)
            assert taken < 5_000_000
        assert gone(server)
        assert len(talk(port, ask)) > 50_000_000


def test_another_request_does_not_stop_the_clock_of_an_answer(tmp_path: Path) -> None:
    """Who takes nothing is given up, whatever it asks for meanwhile."""
    ask = POST + b'Content-Length: 13\r\n\r\n{"inputs": 1}'
    with (
        served(long_answering(tmp_path), head_timeout=0.5) as (server, port),
        socket.create_connection(("127.0.0.1", port)) as talking,
    ):
        talking.sendall(ask + ask)
        time.sleep(0.2)
        with contextlib.suppress(OSError):
            talking.sendall(ask + GET)
        assert gone(server)


ANSWERED = b'Content-Length: 13\r\n\r\n{"inputs": 1}'
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
ONE = b'd\r\n{"inputs": 1}\r\n0\r\n'
PING = b"GET /ping HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (PING + b"".join(b"a%d: b\r\n" % n for n in range(100_000)) + b"\r\n", b"400"),
        (POST + CHUNKED + b"d;" + b"x" * 100_000, b"400"),
        (POST + CHUNKED + b'd;a=b\r\n{"inputs": 1}\r\n0\r\n\r\n', b"200"),
        (POST + CHUNKED + ONE + b"X: y\r\nContent-Length: 5\r\n\r\n", b"200"),
        (POST + CHUNKED + ONE + b"X: y\r\n" * 50_000, b"400"),
        (b"GET /ping\r\n\r\n", b"400"),
        (PING + b"A: b\r\n c\r\n\r\n", b"200"),
        (POST + b"Transfer-Encoding: chunked, identity\r\n\r\n" + ONE + b"\r\n", b"400"),
        (POST + b"Transfer-Encoding: chunked\r\n" + CHUNKED + ONE + b"\r\n", b"400"),
        (POST + b"Transfer-Encoding : chunked\r\n" + ANSWERED, b"400"),
        (POST + b"Content-Length: 13\r\n" + ANSWERED, b"200"),
        (POST + b"Content-Length: 13, 14\r\n\r\n", b"400"),
        *((POST + b"Content-Length: %s\r\n\r\n" % bad, b"400") for bad in (b"+13", b"-1", b"0xd", b"1_3", b"\xd9\xa1")),
        *((POST + CHUNKED + bad + b"\r\n", b"400") for bad in (b"+d", b"0xd", b"d ;", b"f" * 21)),
        (POST + CHUNKED + b'd\r\n{"inputs": 1}XX0\r\n\r\n', b"400"),
        (POST + b"Expect: 100-continue\r\n" + ANSWERED, b"100"),
        (b"GET http://evil/ping HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /ping HTTP/1.1\r\n\r\n", b"400"),
        (PING + b"Host: y\r\n\r\n", b"400"),
        (b"GET /%00ping HTTP/1.1\r\nHost: x\r\n\r\n", b"404"),
        (b"GET /ping/ HTTP/1.1\r\nHost: evil\r\n\r\n", b"404"),
        (b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n", b"400"),
        (PING + b"A: \x00\r\n\r\n", b"400"),
        (bytes(range(256)) * 10, b"400"),
    ],
    ids=range(31),
)
def test_whatever_comes_has_one_answer(model: Any, request_: bytes, status: bytes) -> None:
    """It is read as the standard says, or refused; nobody is sent to another host."""
    with served(model) as (server, port):
        said = talk(port, request_, answers=1)
        assert statuses(said)[:1] == [status] or (status == b"400" and not said)
        assert b"evil" not in said
        assert b"Traceback" not in said
        assert gone(server)
