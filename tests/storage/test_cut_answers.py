"""An answer that ends too early is no answer."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from tests.storage.test_while_handling import VERBS
from tests.support.http import ETAG, Answer, error, recorder

from holdall.errors import StorageError, TransientStorageError
from holdall.storage.s3 import LANES, S3Bucket

GOOD = b'HTTP/1.1 200 OK\r\nETag: "0"\r\nContent-Length: 12345\r\nContent-Type: x/y\r\n\r\nabcde'
MISSING = error(404, "NoSuchKey").body
HEAD = b"HTTP/1.1 %s\r\nContent-Type: application/xml\r\n%s\r\n%s"
CUT = {
    **{f"200 after {at} bytes": GOOD[:at] for at in (1, 10, 20, 32, 45, 60, len(GOOD) - 3)},
    **{
        f"404 after {at} bytes of its body": HEAD
        % (b"404 Not Found", b"Content-Length: %d\r\n" % len(MISSING), MISSING[:at])
        for at in (0, 10, 40, len(MISSING) - 3)
    },
    "404 in a chunk": HEAD % (b"404 Not Found", b"Transfer-Encoding: chunked\r\n", b"ff\r\n" + MISSING[:30]),
    "404 without a length": HEAD % (b"404 Not Found", b"Connection: close\r\n", MISSING[:30]),
    "400 without a length": HEAD % (b"400 Bad Request", b"Connection: close\r\n", MISSING[:30]),
    "404 without a body": b"HTTP/1.1 404 Not Found\r\nServer: so",
    "no HTTP": b"\x00\x01\r\n\r\n",
}


class Raw:
    """A server that sends some bytes to whoever asks, and hangs up."""

    def __init__(self) -> None:
        self.raw = b""
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(50)
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                with client, suppress(OSError):
                    asked = b""
                    while b"\r\n\r\n" not in asked and (more := client.recv(65536)):
                        asked += more
                    client.sendall(self.raw)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass


@pytest.fixture(scope="module", params=LANES)
def cut(request: pytest.FixtureRequest) -> Iterator[tuple[Raw, S3Bucket]]:
    server = Raw()
    url = f"http://127.0.0.1:{server.socket.getsockname()[1]}"
    yield server, S3Bucket("s3://bucket", {"endpoint_url": url, "key": "k", "secret": "s", "lane": request.param})
    server.socket.close()


@pytest.mark.parametrize("verb", [verb for verb in VERBS if verb not in ("put", "delete")])
@pytest.mark.parametrize("case", CUT)
def test_a_cut_answer_is_asked_for_again(cut: tuple[Raw, S3Bucket], case: str, verb: str) -> None:
    """Wherever it is cut, and whatever it would have said."""
    server, bucket = cut
    server.raw = CUT[case]
    with pytest.raises(TransientStorageError):
        VERBS[verb](bucket)


@pytest.mark.parametrize("verb", ["put", "delete"])
@pytest.mark.parametrize("case", [case for case in CUT if not case.startswith("200")])
def test_a_cut_refusal_is_asked_for_again(cut: tuple[Raw, S3Bucket], case: str, verb: str) -> None:
    """Of what has no content a status of 200 is all there is to know; a refusal has more to say."""
    server, bucket = cut
    server.raw = CUT[case]
    with pytest.raises(TransientStorageError):
        VERBS[verb](bucket)


@pytest.mark.parametrize("lane", LANES)
def test_a_put_waits_for_nobody_to_say_continue(lane: str) -> None:
    """No `Expect`: a server that ignores it costs many seconds for each object."""
    with recorder() as server:
        server.replies(Answer(headers=ETAG))
        options: dict[str, object] = {"endpoint_url": server.url, "key": "k", "secret": "s", "lane": lane}
        for size in (0, 1, 3 << 20):
            S3Bucket("s3://bucket", options).put("k", bytes(size))
        assert [asked.headers.get("expect") for asked in server.asked] == [None] * 3


@pytest.mark.parametrize("lane", LANES)
def test_a_page_for_people_is_not_cut(lane: str) -> None:
    """It is a wrong address, for good."""
    with recorder() as server:
        server.replies(Answer(404, b"<html>nothing here</html>", {"Content-Type": "text/html"}))
        bucket = S3Bucket("s3://bucket", {"endpoint_url": server.url, "key": "k", "secret": "s", "lane": lane})
        with pytest.raises(StorageError) as caught:
            bucket.get("k")
        assert type(caught.value) is StorageError
