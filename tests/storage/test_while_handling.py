"""A request that is sent while its caller handles an error is judged by its own answer alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from tests.support.http import ETAG, Answer, Asked, Recorder, error, recorder

from holdall.errors import ObjectExistsError, ObjectNotFoundError, TransientStorageError
from holdall.storage.bucket import Bucket
from holdall.storage.causes import causes
from holdall.storage.remote import RemoteBucket
from holdall.storage.s3 import LANES, S3Bucket

LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
VERBS: dict[str, Callable[[Bucket], object]] = {
    "get": lambda bucket: bucket.get("k"),
    "get_range": lambda bucket: bucket.get_range("k", 2, 7),
    "suffix": lambda bucket: bucket.get_range("k", -5),
    "put": lambda bucket: bucket.put("k", b"v"),
    "list": lambda bucket: list(bucket.list()),
    "delete": lambda bucket: bucket.delete("k"),
}


class Answered(Exception):
    """An answer, as botocore and gcsfs carry it."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        meta = {"HTTPStatusCode": status, "HTTPHeaders": {}}
        self.response, self.status = {"Error": {"Code": code}, "ResponseMetadata": meta}, status


class NoCredentialsError(Exception):
    """As botocore has it."""


HANDLED: list[Exception] = [
    FileExistsError("k"),
    FileNotFoundError("k"),
    PermissionError("k"),
    ConnectionError("lost"),
    TimeoutError(),
    NoCredentialsError(),
    Answered(404, "NoSuchKey"),
    Answered(404, "NoSuchBucket"),
    Answered(412, "PreconditionFailed"),
    Answered(403, "AccessDenied"),
    Answered(416, "InvalidRange"),
    Answered(501, "NotImplemented"),
    Answered(301, "PermanentRedirect"),
]


def inside(handled: Exception, ask: Callable[[], object]) -> object:
    """Ask while an error, the cause of another, is being handled."""
    try:
        try:
            raise handled
        except Exception as cause:
            raise KeyError("of the caller") from cause
    except KeyError:
        return ask()


@pytest.fixture(scope="module", params=LANES)
def nobody(request: pytest.FixtureRequest) -> S3Bucket:
    """A bucket whose server is not there; its client is opened once."""
    return S3Bucket(
        "s3://bucket", {"endpoint_url": "http://127.0.0.1:1", "key": "k", "secret": "s", "lane": request.param}
    )


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("handled", HANDLED, ids=repr)
@pytest.mark.every(2)
def test_an_older_error_is_no_answer_of_a_server_that_is_not_there(
    nobody: S3Bucket, verb: str, handled: Exception
) -> None:
    """Whatever the caller was busy with, nobody answered this."""
    with pytest.raises(TransientStorageError):
        inside(handled, lambda: VERBS[verb](nobody))


@pytest.fixture(scope="module", params=LANES)
def running(request: pytest.FixtureRequest) -> Iterator[tuple[Recorder, S3Bucket]]:
    with recorder() as found:
        options = {"endpoint_url": found.url, "key": "k", "secret": "s", "lane": request.param}
        yield found, S3Bucket("s3://bucket", options)


def well(asked: Asked) -> Answer:
    """What a server that holds one object of ten bytes says."""
    if "list-type" in asked.path:
        return Answer(body=LIST)
    span = asked.headers.get("range")
    if asked.method != "GET" or span is None:
        return Answer(body=b"" if asked.method != "GET" else b"0123456789", headers=ETAG)
    first, last = (5, 9) if span == "bytes=-5" else (2, 6)
    return Answer(206, b"0123456789"[first : last + 1], {**ETAG, "Content-Range": f"bytes {first}-{last}/10"})


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("handled", HANDLED, ids=repr)
@pytest.mark.every(2)
def test_a_servers_answer_is_its_own(running: tuple[Recorder, S3Bucket], verb: str, handled: Exception) -> None:
    """What went well went well; what is busy, lost or cut is tried again, whatever is being handled."""
    server, bucket = running
    server.reply = well
    inside(handled, lambda: VERBS[verb](bucket))
    for answer in (error(503, "SlowDown"), Answer(200, b"<html>no S3</html>"), Answer(then="silence")):
        server.reply = lambda _, answer=answer: answer  # type: ignore[misc]
        if verb == "delete" and answer.body.startswith(b"<html>"):
            continue  # nothing in its answer tells who gave it
        with pytest.raises(TransientStorageError):
            inside(handled, lambda: VERBS[verb](bucket))


@pytest.mark.parametrize("code", ["NoSuchKey", "PreconditionFailed"])
def test_a_real_answer_that_is_handled_is_not_the_next_ones(running: tuple[Recorder, S3Bucket], code: str) -> None:
    """The error of one request, as the bucket raised it, and another request while it is handled."""
    server, bucket = running
    server.replies(error(404 if code == "NoSuchKey" else 412, code), Answer(then="silence"))
    kind = ObjectNotFoundError if code == "NoSuchKey" else ObjectExistsError
    with pytest.raises(TransientStorageError):
        try:
            VERBS["get" if kind is ObjectNotFoundError else "put"](bucket)
        except kind:
            bucket.delete("k")


class Gone:
    """A filesystem of fsspec whose server is not there."""

    def __getattr__(self, name: str) -> Any:
        def lost(*_: object, **__: object) -> None:
            raise ConnectionError(name)

        return (lambda: None) if name == "invalidate_cache" else lost


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("handled", HANDLED, ids=repr)
def test_other_backends_keep_them_apart_too(monkeypatch: pytest.MonkeyPatch, verb: str, handled: Exception) -> None:
    """As gs:// and az:// are reached."""
    monkeypatch.setattr(RemoteBucket, "_open", lambda self: Gone())
    bucket = RemoteBucket("gs://b")
    with pytest.raises(TransientStorageError):
        inside(handled, lambda: VERBS[verb](bucket))


def test_causes_end_at_what_was_being_handled() -> None:
    """Each once, the error itself first, also where it is being handled itself."""
    first, second = ValueError(1), ValueError(2)
    with suppress(ValueError):
        try:
            raise first
        except ValueError:
            raise second  # noqa: B904  # its context is what this is about
    assert list(causes(second, None)) == [second, first]
    assert list(causes(second, first)) == [second]
    assert list(causes(first, first)) == [first]
    assert list(causes(second, second)) == [second]
