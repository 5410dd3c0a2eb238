"""The lane to S3 through boto3's own client, in the caller's thread.

That client is botocore's; boto3 is a face before it, which would add nothing
here but one more version to agree with the one that s3fs pins. It blocks, so
the package's pool moves bytes with as many threads as it has, where one event
loop moves what one core can.

    PUT   the caller's memory goes to the socket as it is, in pieces. botocore
          is given a file over it, because it takes no memoryview; its HTTP
          library would read a file in copies of 16 KiB, so the file is taken
          out again on the last step. A mock, which answers before that step,
          reads the file and has a copy of its own; mocks look whether an
          object is there and create it then, so they are asked in turn.
    GET   one buffer of exactly the length that was announced and accepted. A large
          one is mapped and filled piece by piece: what a thread's allocator kept
          of it would be kept for each thread.

A connection that is silent for `read_timeout` is given up, and a piece that
cannot be sent within `connect_timeout`; one that trickles is not.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import Any

from holdall.errors import MissingBackendError
from holdall.storage.bucket import Bytes
from holdall.storage.pages import LARGE, map_pages
from holdall.storage.s3_client import (
    BY_PARTS,
    METHODS,
    Answer,
    BodyLength,
    S3Client,
    add_content_md5,
    disable_expect_continue,
    disable_region_redirects,
    is_aws,
    parameters,
    session_vars,
    set_checksums,
    unset_checksums,
)
from holdall.storage.s3_listing import read_listings_quickly
from holdall.storage.s3_times import read_times_quickly
from holdall.workers.per_process import PerProcess

# A socket's timeout is for all that it is told to send at once: 13 KB/s is the slowest.
PIECE = 128 * 1024
_METHODS = {**METHODS, **BY_PARTS}
_turns: PerProcess[threading.Lock] = PerProcess()  # as a fork may copy a lock that is held
_held = threading.local()


class BotoClient(S3Client):
    """Requests in the caller's thread, over one pool of connections per process."""

    name = "boto3"

    def call(self, operation: str, arguments: Mapping[str, Any]) -> Answer:
        """Send a request whose answer is small; a `Body` is not copied."""
        answer: Answer = self._send(operation, arguments)
        return answer

    def get_object(self, arguments: Mapping[str, Any], body_length: BodyLength) -> tuple[Answer, Bytes]:
        """Send GetObject, and read its body into one buffer."""
        answer = self._send("GetObject", arguments)
        with closing(answer["Body"]) as body:
            size = body_length(answer)
            found: Bytes = body.read(size) if size < LARGE else _read_mapped(body, size)
            body.read()  # nothing is left, and only then botocore compares checksums
        return answer, found

    def botocore_client(self) -> Any:
        """Return this process's botocore client."""
        return self._client_of_this_process()

    def _send(self, operation: str, arguments: Mapping[str, Any]) -> Any:
        client = self._client_of_this_process()
        given = {**self._common_arguments(), **arguments}
        if "Body" in given:
            given["Body"] = Payload(given["Body"])
        known = parameters(client, operation)
        try:
            return getattr(client, _METHODS[operation])(**{name: given[name] for name in given if name in known})
        finally:
            _end_turn()

    def _common_arguments(self) -> dict[str, Any]:
        payer = {"RequestPayer": "requester"} if self.options.get("requester_pays") else {}
        return {**(self.options.get("s3_additional_kwargs") or {}), **payer}

    def _open(self) -> Any:
        try:
            from botocore.session import Session
        except ImportError as error:
            raise MissingBackendError(self.url, "", "s3:// needs a package: pip install botocore") from error
        session = Session(profile=self.options.get("profile"), session_vars=session_vars())
        read_times_quickly(session)
        names = unset_checksums(session)
        set_checksums(session, names, "when_required")
        client = self._create_client(session)
        if is_aws(client):
            set_checksums(session, names, "when_supported")
            client = self._create_client(session)
        else:
            disable_region_redirects(client)
            add_content_md5(client)
        self._check_conditions(client)
        disable_expect_continue(client)
        read_listings_quickly(client)
        client.meta.events.register_first("before-send.s3", _begin_turn)
        client.meta.events.register_last(
            "before-send", _end_turn
        )  # where mocks are: asked after all of `before-send.s3`
        client._endpoint.http_session = _Pieces(client._endpoint.http_session)
        return client

    def _create_client(self, session: Any) -> Any:
        from botocore import UNSIGNED
        from botocore.config import Config

        given = self.options
        keys = {
            "aws_access_key_id": given.get("key") or given.get("username"),
            "aws_secret_access_key": given.get("secret") or given.get("password"),
            "aws_session_token": given.get("token"),
            "endpoint_url": given.get("endpoint_url"),
            "use_ssl": given.get("use_ssl", True),
        }
        more = {**keys, **(given.get("client_kwargs") or {})}
        config = self._config()
        if given.get("anon"):
            config["signature_version"] = UNSIGNED
            more = {name: value for name, value in more.items() if not name.startswith("aws_")}
        return session.create_client("s3", config=Config(**config), **more)


class Payload:
    """Bytes as the file that botocore wants to see; only reading all of it copies.

    Signing reads it by the megabyte, for which a view does; a mock, which keeps what it reads, reads all.
    """

    def __init__(self, data: Bytes) -> None:
        self._view, self._at = memoryview(data).cast("B"), 0

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[memoryview]:
        yield self._view

    def read(self, size: int | None = -1) -> bytes | memoryview:
        """Behave as a file's method of this name."""
        start = self._at
        if size is None or size < 0:
            self._at = len(self._view)
            return bytes(self._view[start:])
        self._at = min(start + size, len(self._view))
        return self._view[start : self._at]

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Behave as a file's method of this name."""
        self._at = max(0, offset + {os.SEEK_SET: 0, os.SEEK_CUR: self._at, os.SEEK_END: len(self)}[whence])
        return self._at

    def tell(self) -> int:
        """Behave as a file's method of this name."""
        return self._at


class _Pieces:
    """An HTTP session that is given what a file's iterator yields, where it would read in copies.

    That also holds for the wrapper by which botocore adds trailing checksums:
    read 16 KiB at a time, it moves the rest of each megabyte 64 times, which
    costs 2.2 s of CPU per GB; iterated, 0.6 s.
    """

    def __init__(self, session: Any) -> None:
        self._session = session

    def send(self, request: Any) -> Any:
        whole = request.body
        if hasattr(whole, "read"):
            request.body = _pieces(whole)
        try:
            return self._session.send(request)
        finally:
            request.body = whole  # to be rewound, should the request be signed anew and sent again

    def close(self) -> None:
        self._session.close()


def _read_mapped(body: Any, size: int) -> memoryview:
    """Read a body, or as much of it as there is, into memory that the allocator has nothing to do with."""
    view = memoryview(map_pages(size))
    filled = 0
    while filled < size and (piece := body.read(min(PIECE, size - filled))):
        view[filled : filled + len(piece)] = piece
        filled += len(piece)
    return view[:filled].toreadonly()


def _pieces(blocks: Any) -> Iterator[memoryview]:
    for block in blocks:
        view = memoryview(block)
        for start in range(0, len(view), PIECE):
            yield view[start : start + PIECE]


def _begin_turn(**_: object) -> None:
    """Wait until no other thread asks for an answer in the server's place."""
    _end_turn()  # of an attempt before, in which a mock failed
    turn = _turns.get(threading.Lock)
    turn.acquire()
    _held.turn = turn


def _end_turn(**_: object) -> None:
    """Let the next thread ask, if this one's turn has not ended yet."""
    turn, _held.turn = getattr(_held, "turn", None), None
    if turn is not None:
        turn.release()
