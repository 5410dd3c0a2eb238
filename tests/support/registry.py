"""A registry of OCI images on this machine: enough of the protocol for a client to pull and to push."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

_PLACE = re.compile(r"/v2/(?P<name>.+)/(?P<what>manifests|blobs)/(?P<which>[^/]+)")


class Registry:
    """Blobs by digest, and manifests by tag and by digest."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, bytes] = {}
        self.address = ""

    def load(self, layout: Path) -> None:
        """Take what an image layout has, as `skopeo copy` would bring it."""
        for file in (layout / "blobs/sha256").iterdir():
            self.blobs[f"sha256:{file.name}"] = file.read_bytes()
        for one in json.loads((layout / "index.json").read_text())["manifests"]:
            data = self.blobs[one["digest"]]
            self.manifests[one["digest"]] = self.manifests[one["annotations"]["org.opencontainers.image.ref.name"]] = (
                data
            )


@contextmanager
def serving() -> Iterator[Registry]:
    """Serve a registry, and give it."""
    registry = Registry()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:
            pass

        def answer(self, status: int, data: bytes = b"", **headers: str) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(data)

        def do_GET(self) -> None:  # http.server's names
            found = _PLACE.fullmatch(urlsplit(self.path).path)
            if found is None:
                self.answer(200 if self.path == "/v2/" else 404)
                return
            kept = registry.manifests if found["what"] == "manifests" else registry.blobs
            data = kept.get(found["which"])
            if data is None:
                self.answer(404)
                return
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            kind = json.loads(data)["mediaType"] if found["what"] == "manifests" else "application/octet-stream"
            self.answer(200, data, Docker_Content_Digest=digest, Content_Type=kind)

        do_HEAD = do_GET  # noqa: N815

        def do_POST(self) -> None:
            self.body()
            self.answer(202, Location=f"http://{registry.address}{urlsplit(self.path).path}upload")

        def do_PUT(self) -> None:
            data, found = self.body(), _PLACE.fullmatch(urlsplit(self.path).path)
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            if found and found["what"] == "manifests":
                registry.manifests[found["which"]] = registry.manifests[digest] = data
            else:
                assert parse_qs(urlsplit(self.path).query)["digest"] == [digest]
                registry.blobs[digest] = data
            self.answer(201, Docker_Content_Digest=digest, Location=self.path)

        def body(self) -> bytes:
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    registry.address = f"127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield registry
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
