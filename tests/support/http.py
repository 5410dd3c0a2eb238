"""A small HTTP server that answers as a test says, and remembers what it was asked."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, BinaryIO, cast

ETAG = {"ETag": '"0"'}


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer.

    Attributes:
        status, body, headers: As sent; Content-Length is the body's unless among the headers.
        then: "close" ends the connection afterwards, "reset" resets it,
            "silence" sends nothing at all and resets, "stall" sends the headers and waits.
    """

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    then: str = ""


def error(status: int, code: str, message: str = "on purpose", **headers: str) -> Answer:
    """An answer as S3 words its errors."""
    body = (
        f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message><RequestId>R1</RequestId></Error>"
    )
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, body.encode(), {"Content-Type": "application/xml", "x-amz-request-id": "R1", **named})


class Recorder:
    """Answers by a function of the request, by default that all is well; `take` is how it reads a body."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.reply: Callable[[Asked], Answer] = lambda _: Answer(headers=ETAG)
        self.take: Callable[[BinaryIO, int], bytes] = lambda stream, size: stream.read(size)
        self.released = threading.Event()
        self.url = ""

    def replies(self, *answers: Answer) -> None:
        """Give these one after the other, and the last one from then on."""
        rest = list(answers)
        self.reply = lambda _: rest.pop(0) if len(rest) > 1 else rest[0]

    @property
    def methods(self) -> list[str]:
        """The methods of all requests so far."""
        return [asked.method for asked in self.asked]


@contextmanager
def recorder(host: str = "127.0.0.1", *, tls: ssl.SSLContext | None = None) -> Iterator[Recorder]:
    """Serve until the block ends; over https where there is a context."""
    record = Recorder()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            body = _body(self, record)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, self.path, headers, body)
            record.asked.append(asked)
            self.give(record.reply(asked))

        def give(self, answer: Answer) -> None:
            if answer.then == "silence":
                self.reset()
                return
            self.send_response_only(answer.status)
            for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)
            self.wfile.flush()
            if answer.then == "stall":
                record.released.wait(30)
            if answer.then == "reset":
                self.reset()
            self.close_connection = self.close_connection or bool(answer.then)

        def reset(self) -> None:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True

        do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = answer  # noqa: N815

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer((host, 0), Handler)
    server.daemon_threads = True
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    record.url = f"{'https' if tls else 'http'}://{host}:{server.server_port}"
    try:
        yield record
    finally:
        record.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def _body(handler: BaseHTTPRequestHandler, record: Recorder) -> bytes:
    if handler.headers.get("Transfer-Encoding") != "chunked":
        return record.take(cast("BinaryIO", handler.rfile), int(handler.headers.get("Content-Length") or 0))
    parts = []
    while size := int(handler.rfile.readline(), 16):
        parts.append(handler.rfile.read(size))
        handler.rfile.readline()
    handler.rfile.readline()
    return b"".join(parts)
