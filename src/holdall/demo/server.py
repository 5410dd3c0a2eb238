"""An S3 server for trying things out, in one process and in memory.

moto speaks enough of S3, but looks for an object and then writes it: under
contention some rounds had two winners. Behind one lock its `If-None-Match`
is atomic, so what is tried here is what AWS promises. Requests wait for each
other; their bodies are read, and their answers sent, outside of the lock.

    with moto_server() as server:                 in this process
        bucket_at("s3://b", {"endpoint_url": server.url, ...})

    python -m holdall.demo.server --port 0 --log FILE     prints its URL, then serves

The log has one line of JSON per request: method, path, query, status, bytes
in, bytes out. It needs `pip install 'holdall[demo]'`.
"""

from __future__ import annotations

import argparse
import io
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO
from urllib.request import Request, urlopen

_CUT_OFF = b"<Error><Code>IncompleteBody</Code><Message>fewer bytes came than were announced</Message></Error>"
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
        if not environ.get("wsgi.input_terminated") and len(body) < int(environ.get("CONTENT_LENGTH") or 0):
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
    path = None if log is None else Path(log)
    file = None if path is None else path.open("a", encoding="utf-8")
    server = _make(port, file)
    thread = threading.Thread(target=server.serve_forever, daemon=True, name="moto")
    thread.start()
    try:
        yield MotoServer(f"http://127.0.0.1:{server.server_port}", path)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
        if file is not None:
            file.close()


def _make(port: int, log: TextIO | None) -> Any:
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import make_server

    class Handler(MotoRequestHandler):
        protocol_version = "HTTP/1.1"  # keep connections
        disable_nagle_algorithm = True  # or every answer waits 40 ms for an acknowledgement

        def log(self, type: str, message: str, *args: Any) -> None:
            """Nothing on the terminal; `Serialised` keeps the log."""

    application = Serialised(DomainDispatcherApplication(create_backend_app), log)
    server: Any = make_server("127.0.0.1", port, application, threaded=True, request_handler=Handler)
    server.daemon_threads = True
    return server


def main() -> None:
    """Serve until interrupted."""
    parser = argparse.ArgumentParser(prog="python -m holdall.demo.server", description=__doc__.split("\n")[0])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--log", default=None)
    asked = parser.parse_args()
    with moto_server(asked.log, port=asked.port) as server:
        print(server.url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    main()
