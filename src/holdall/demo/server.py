"""An S3 server for trying things out, in one process and in memory.

moto speaks enough of S3, but looks for an object and then writes it: under
contention some rounds had two winners. Behind one lock its `If-None-Match`
is atomic, so what is tried here is what AWS promises. Requests wait for each
other; their bodies are read, and their answers sent, outside of the lock. Of
moto only its documented server is used, which listens behind this one.

    with moto_server() as server:                 in this process
        bucket_at("s3://b", {"endpoint_url": server.url, ...})

    python -m holdall.demo.server --port 0 --log FILE     prints its URL, then serves
    python -m holdall.demo.server --until-eof             the same, until its standard input ends

The log has one line of JSON per request: method, path, query, status, bytes
in, bytes out. It needs `pip install 'holdall[demo]'`.
"""

from __future__ import annotations

import argparse
import io
import json
import logging
import math
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TextIO
from urllib.request import Request, urlopen

_CUT_OFF = b"<Error><Code>IncompleteBody</Code><Message>fewer bytes came than were announced</Message></Error>"
_OF_THE_CONNECTION = {"connection", "date", "server", "transfer-encoding"}
Start = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class MotoServer:
    """A server that runs. Attributes: url, log (the file of its access log, or None)."""

    url: str
    log: Path | None = None

    def create_bucket(self, name: str) -> str:
        """Create a bucket and return its address. Cost: one request."""
        request = Request(f"{self.url}/{name}", method="PUT")
        with urlopen(request, timeout=30):
            return f"s3://{name}"


class Serialised:
    """A WSGI application whose requests run one after the other, and are written down."""

    def __init__(self, inner: Callable[..., Iterable[bytes]], log: TextIO | None) -> None:
        self._inner, self._log = inner, log
        self._lock, self._log_lock = threading.Lock(), threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answer one request."""
        body = _read(environ)
        if not environ.get("wsgi.input_terminated") and len(body) < _announced(environ):
            # Its client was cut off. moto would keep the half that came, which no S3 does.
            start_response("400 Bad Request", [("Content-Type", "application/xml"), ("Connection", "close")])
            self._write(environ, "400 Bad Request", len(body), len(_CUT_OFF))
            return [_CUT_OFF]
        environ.update({"wsgi.input": io.BytesIO(body), "CONTENT_LENGTH": str(len(body))})
        environ.pop("HTTP_TRANSFER_ENCODING", None)
        kept: list[Any] = []
        with self._lock:
            parts = self._inner(environ, lambda *answer: kept.append(answer))
            try:
                found = b"".join(parts)
            finally:
                getattr(parts, "close", lambda: None)()
        start_response(*kept[-1])
        self._write(environ, kept[-1][0], len(body), len(found))
        return [found]

    def _write(self, environ: dict[str, Any], status: str, got: int, sent: int) -> None:
        if self._log is None:
            return
        line = {
            "method": environ["REQUEST_METHOD"],
            "path": environ["PATH_INFO"],
            "query": environ.get("QUERY_STRING", ""),
            "status": int(status.split()[0]),
            "bytes_in": got,
            "bytes_out": sent,
        }
        with self._log_lock:
            self._log.write(json.dumps(line) + "\n")
            self._log.flush()


def _announced(environ: dict[str, Any]) -> float:
    """Return the length that the head says; where it was cut off itself, before it could, nothing is enough."""
    missing = environ["REQUEST_METHOD"] == "PUT" and not environ.get("CONTENT_LENGTH")
    return math.inf if missing else int(environ.get("CONTENT_LENGTH") or 0)


def _read(environ: dict[str, Any]) -> bytes:
    stream = environ["wsgi.input"]
    if environ.get("wsgi.input_terminated"):  # sent in chunks, without a length
        return bytes(stream.read())
    return bytes(stream.read(int(environ.get("CONTENT_LENGTH") or 0)))


@contextmanager
def moto_server(log: str | Path | None = None, *, port: int = 0) -> Iterator[MotoServer]:
    """Serve from a thread of this process until the block ends.

    Args:
        log: A file to which the access log is appended.
        port: Where to listen on 127.0.0.1; 0 for any that is free.
    """
    from moto.server import ThreadedMotoServer

    path = None if log is None else Path(log)
    file = None if path is None else path.open("a", encoding="utf-8")
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    if (inner_log := logging.getLogger("werkzeug")).level == logging.NOTSET:
        inner_log.setLevel(logging.ERROR)  # or it would print each request
    moto.start()
    server = _make(port, file, moto.get_host_and_port())
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="moto")
    thread.start()
    try:
        yield MotoServer(f"http://127.0.0.1:{server.server_port}", path)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        moto.stop()
        if file is not None:
            file.close()


def _make(port: int, log: TextIO | None, inner: tuple[str, int]) -> Any:
    from werkzeug.serving import WSGIRequestHandler, make_server

    class Handler(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"  # keep connections
        disable_nagle_algorithm = True  # or every answer waits 40 ms for an acknowledgement

        def log(self, type: str, message: str, *args: Any) -> None:
            """Nothing on the terminal; `Serialised` keeps the log."""

    application = Serialised(partial(_forward, inner), log)
    server: Any = make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler)
    server.daemon_threads = True
    return server


def _forward(inner: tuple[str, int], environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
    """Answer as the server at another address does, whatever it is."""
    headers = {name[5:].replace("_", "-").title(): value for name, value in environ.items() if name.startswith("HTTP_")}
    headers |= {"Content-Type": environ.get("CONTENT_TYPE", ""), "Content-Length": environ["CONTENT_LENGTH"]}
    with closing(HTTPConnection(*inner, timeout=60)) as connection:
        connection.request(environ["REQUEST_METHOD"], environ["REQUEST_URI"], environ["wsgi.input"].read(), headers)
        answer = connection.getresponse()
        body = answer.read()
    kept = [(name, value) for name, value in answer.getheaders() if name.lower() not in _OF_THE_CONNECTION]
    start_response(f"{answer.status} {answer.reason}", kept)
    return [body]


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m holdall.demo.server", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", default=None)
    parser.add_argument("--until-eof", action="store_true", help="serve until standard input ends")
    asked = parser.parse_args()
    with moto_server(asked.log, port=asked.port) as server:
        print(server.url, flush=True)
        sys.stdin.read() if asked.until_eof else threading.Event().wait()


if __name__ == "__main__":
    main()
