"""Whatever a server answers, or does not: the right error, and attempts that are ours alone."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator

import pytest
from tests.support.http import ETAG, Answer, Asked, Recorder, error, recorder

from holdall.errors import (
    ObjectExistsError,
    ObjectNotFoundError,
    ObjectTooShortError,
    StorageError,
    StorageFullError,
    TransientStorageError,
)
from holdall.storage.s3 import LANES, S3Bucket
from holdall.storage.wrappers import RetryBucket

FAST = {"connect_timeout": 0.5, "read_timeout": 0.5}
GOOD = Answer(headers=ETAG)


@pytest.fixture(scope="module", params=LANES)
def lane(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def running(lane: str) -> Iterator[tuple[Recorder, S3Bucket]]:
    """One server and one client for all: to open a client costs more than most of these tests."""
    with recorder() as found:
        options = {"endpoint_url": found.url, "lane": lane}
        yield found, S3Bucket("s3://bucket", options)


@pytest.fixture
def server(running: tuple[Recorder, S3Bucket]) -> Iterator[Recorder]:
    found = running[0]
    found.asked.clear()
    found.released.clear()
    yield found
    found.released.set()


@pytest.fixture
def bucket(running: tuple[Recorder, S3Bucket]) -> S3Bucket:
    return running[1]


def retrying(bucket: S3Bucket, slept: list[float]) -> RetryBucket:
    return RetryBucket(bucket, sleep=slept.append, random=lambda: 0.0)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (409, "ConditionalRequestConflict"),
        (409, "OperationAborted"),
        (409, "ConcurrentModification"),
        (429, "TooManyRequests"),
        (500, "InternalError"),
        (502, "BadGateway"),
        (503, "SlowDown"),
        (503, "ServiceUnavailable"),
        (504, "GatewayTimeout"),
        (400, "RequestTimeout"),
        (408, "RequestTimeout"),
    ],
)
@pytest.mark.parametrize("verb", ["get", "put", "list", "delete"])
def test_what_may_pass_is_transient_and_sent_once(
    bucket: S3Bucket, server: Recorder, status: int, code: str, verb: str
) -> None:
    """One request, one attempt: no SDK retries behind our back."""
    server.replies(error(status, code))
    with pytest.raises(TransientStorageError, match=f"HTTP {status} {code}"):
        ask(bucket, verb)
    assert len(server.asked) == 1


def ask(bucket: S3Bucket, verb: str) -> None:
    verbs: dict[str, Callable[[], object]] = {
        "get": lambda: bucket.get("k"),
        "put": lambda: bucket.put("k", b"v"),
        "list": lambda: list(bucket.list()),
        "delete": lambda: bucket.delete("k"),
    }
    verbs[verb]()


def test_a_burst_of_503_is_waited_out_as_asked(bucket: S3Bucket, server: Recorder) -> None:
    """Retry-After in seconds, or as a date, which counts from the server's own clock."""
    busy = error(503, "SlowDown", Retry_After="2")
    date = "Wed, 21 Oct 2015 07:28:{} GMT"
    dated = error(503, "SlowDown", Retry_After=date.format("30"), date=date.format("25"))
    server.replies(busy, dated, error(503, "SlowDown"), GOOD)
    slept: list[float] = []
    retrying(bucket, slept).put("k", b"v")
    assert slept == [2.0, 5.0, 0.0]
    assert server.methods == ["PUT"] * 4


def test_a_put_that_landed_without_an_answer_is_resent_once_and_meets_itself(
    bucket: S3Bucket, server: Recorder
) -> None:
    """Two requests in all, with the same bytes; then the object is found to exist."""
    bucket.put("warm", b"")  # so that the next one goes over a connection that is open already
    server.asked.clear()
    server.replies(Answer(then="silence"), error(412, "PreconditionFailed"))
    with pytest.raises(ObjectExistsError):
        retrying(bucket, []).put("k", b"mine")
    assert [asked.body for asked in server.asked] == [b"mine", b"mine"]


@pytest.mark.parametrize("then", ["silence", "close"])
def test_a_connection_that_ends_is_one_attempt(bucket: S3Bucket, server: Recorder, then: str) -> None:
    """Reset without an answer, or cut in the middle of a body; also on a connection used before."""
    server.reply = lambda asked: GOOD
    bucket.put("warm", b"")
    server.asked.clear()
    server.replies(Answer(200, b"half", {**ETAG, "Content-Length": "8"}, then=then))
    with pytest.raises(TransientStorageError):
        bucket.get("k")
    assert len(server.asked) == 1


def test_a_412_says_that_the_object_exists(bucket: S3Bucket, server: Recorder) -> None:
    """With or without the Condition that only AWS adds."""
    server.replies(error(412, "PreconditionFailed"))
    with pytest.raises(ObjectExistsError, match="HTTP 412"):
        bucket.put("k", b"")
    server.replies(Answer(412, b"no XML at all", {}))
    with pytest.raises(ObjectExistsError):
        bucket.put("k", b"")


@pytest.mark.parametrize(
    "answer",
    [
        Answer(206, b"abc", {**ETAG, "Content-Range": "bytes 2-4/100"}),
        Answer(206, b"abcdefgh", {**ETAG, "Content-Range": "bytes 2-9/100"}),
        Answer(206, b"abcde", {**ETAG, "Content-Range": "bytes 7-11/100"}),
        Answer(206, b"abcde", ETAG),
        Answer(200, b"0123456789" * 10, ETAG),
        Answer(200, b"abcde", ETAG),
        Answer(206, b"abcde", {"Content-Range": "bytes 2-6/100"}),
    ],
    ids=["short", "long", "elsewhere", "nowhere", "200, whole", "200, right length", "no ETag"],
)
def test_a_wrong_answer_to_a_range_is_not_passed_on(bucket: S3Bucket, server: Recorder, answer: Answer) -> None:
    """Length, place and status must all be right."""
    server.replies(answer)
    with pytest.raises(TransientStorageError):
        bucket.get_range("k", 2, 7)
    assert len(server.asked) == 1


def test_an_object_that_ends_too_early_is_not_retried(bucket: S3Bucket, server: Recorder) -> None:
    """The server says itself how long it is: another attempt would not change that."""
    server.replies(Answer(206, b"abc", {**ETAG, "Content-Range": "bytes 2-4/5"}))
    with pytest.raises(StorageError, match="ends at byte 5, before 7") as caught:
        bucket.get_range("k", 2, 7)
    assert not isinstance(caught.value, TransientStorageError)


@pytest.mark.parametrize(
    "answer",
    [
        Answer(206, b"abc", {**ETAG, "Content-Range": "bytes 90-92/100"}),
        Answer(206, b"abc", {**ETAG, "Content-Range": "bytes 97-99/100"}),
        Answer(200, b"0123456789", ETAG),
        Answer(200, b"abc", {**ETAG, "Content-Range": "bytes 0-2/100"}),
    ],
    ids=["elsewhere", "short", "whole", "200"],
)
def test_a_wrong_answer_to_a_suffix_is_not_passed_on(bucket: S3Bucket, server: Recorder, answer: Answer) -> None:
    """A suffix is the end of the object, as long as asked unless that is all."""
    server.replies(answer)
    with pytest.raises(TransientStorageError):
        bucket.get_range("k", -5)


def test_a_416_to_a_range_says_that_the_object_is_too_short(bucket: S3Bucket, server: Recorder) -> None:
    """It ends before the range begins; another attempt would not change that."""
    server.replies(error(416, "InvalidRange"))
    with pytest.raises(ObjectTooShortError, match="ends before byte 7: HTTP 416"):
        bucket.get_range("k", 2, 7)
    assert len(server.asked) == 1


def test_a_416_to_a_suffix_is_believed_only_of_nothing(bucket: S3Bucket, server: Recorder) -> None:
    """Some servers send it for a suffix longer than the object."""
    refused = error(416, "InvalidRange")
    server.replies(refused, GOOD)
    assert bucket.get_range("k", -5) == b""
    server.replies(refused, Answer(200, b"abc", ETAG))
    assert bucket.get_range("k", -5) == b"abc"
    server.replies(refused, Answer(200, b"abcdefgh", ETAG))
    with pytest.raises(StorageError, match="416"):
        bucket.get_range("k", -5)


HTML = b"<html><head><title>Sign in</title></head><body>to the network</body></html>"


@pytest.mark.parametrize("verb", ["get", "put", "list", "delete"])
def test_a_page_for_people_is_not_an_answer(bucket: S3Bucket, server: Recorder, verb: str) -> None:
    """A proxy's 200 with HTML: neither content, nor success, nor an empty listing."""
    server.replies(Answer(200, HTML, {"Content-Type": "text/html"}))
    with pytest.raises(TransientStorageError):
        ask(bucket, verb)


@pytest.mark.parametrize(("status", "kind"), [(503, TransientStorageError), (404, StorageError)])
def test_an_error_page_for_people_is_judged_by_its_status(
    bucket: S3Bucket, server: Recorder, status: int, kind: type[StorageError]
) -> None:
    """A 404 that does not say NoSuchKey is not proof that an object is missing."""
    server.replies(Answer(status, HTML, {"Content-Type": "text/html"}))
    with pytest.raises(kind) as caught:
        bucket.get("k")
    assert type(caught.value) is kind


@pytest.mark.parametrize("status", [302, 403, 407])
@pytest.mark.parametrize("verb", ["get", "put", "list", "delete"])
def test_a_page_for_people_sends_nobody_to_the_credentials(
    bucket: S3Bucket, server: Recorder, verb: str, status: int
) -> None:
    """A proxy refused, not the bucket: the advice is about the way there, and nothing is sent twice."""
    server.replies(Answer(status, HTML, {"Content-Type": "text/html", "Location": "http://127.0.0.1:1/login"}))
    with pytest.raises(StorageError, match="a page for people") as caught:
        ask(bucket, verb)
    assert "login page" in str(caught.value.hint)
    assert len(server.asked) == 1


def test_only_no_such_key_is_not_found(bucket: S3Bucket, server: Recorder) -> None:
    """The code decides."""
    server.replies(error(404, "NoSuchKey"))
    with pytest.raises(ObjectNotFoundError):
        bucket.get("k")
    bucket.delete("k")


@pytest.mark.parametrize(
    ("status", "code"), [(507, "XMinioStorageFull"), (403, "QuotaExceeded"), (507, "InsufficientStorage")]
)
def test_a_full_bucket_says_so(bucket: S3Bucket, server: Recorder, status: int, code: str) -> None:
    """It is neither denied nor transient."""
    server.replies(error(status, code))
    with pytest.raises(StorageFullError, match=code):
        bucket.put("k", b"")


@pytest.mark.parametrize("where", ["before the headers", "in the body"])
def test_a_server_that_stalls_is_given_up(server: Recorder, lane: str, where: str) -> None:
    """After the read timeout, as one attempt."""
    bucket = S3Bucket("s3://bucket", {"endpoint_url": server.url, "config_kwargs": FAST, "lane": lane})
    stalled = Answer(200, b"ab", {**ETAG, "Content-Length": "10"}, then="stall")

    def wait(asked: Asked) -> Answer:
        server.released.wait(100)
        return GOOD

    if where == "in the body":
        server.replies(stalled)
    else:
        server.reply = wait
    with pytest.raises(TransientStorageError, match=r"(?i)timeout"):
        bucket.get("k")
    assert len(server.asked) == 1


@pytest.mark.parametrize("lane", LANES)
def test_nobody_there_is_transient(lane: str) -> None:
    """A refused connection may be a restart."""
    options = {"endpoint_url": "http://127.0.0.1:1", "config_kwargs": FAST, "lane": lane}
    with pytest.raises(TransientStorageError, match=r"127\.0\.0\.1:1"):
        S3Bucket("s3://bucket", options).get("k")


def test_a_content_encoding_is_not_undone(bucket: S3Bucket, server: Recorder) -> None:
    """Bytes come back as stored, whatever label a server or a proxy put on them."""
    packed = gzip.compress(b"plain")
    server.replies(Answer(200, packed, {**ETAG, "Content-Encoding": "gzip"}))
    assert bucket.get("k") == packed


def test_a_listing_whose_page_is_lost_asks_for_that_page_again(bucket: S3Bucket, server: Recorder) -> None:
    """Three pages, one of them twice: nothing from the start."""
    item = "<Contents><Key>{}</Key><Size>1</Size></Contents>"
    more = "<IsTruncated>true</IsTruncated><NextContinuationToken>{}</NextContinuationToken>"
    page = "<ListBucketResult>{}{}</ListBucketResult>"
    first = Answer(body=page.format(more.format("t1"), item.format("a")).encode())
    second = Answer(body=page.format(more.format("t2"), item.format("b")).encode())
    last = Answer(body=page.format("<IsTruncated>false</IsTruncated>", item.format("c")).encode())
    server.replies(first, error(503, "SlowDown"), second, Answer(200, HTML), last)
    assert [info.key for info in retrying(bucket, []).list()] == ["a", "b", "c"]
    asked = [asked.path.partition("continuation-token=")[2][:2] for asked in server.asked]
    assert asked == ["", "t1", "t1", "t2", "t2"]


def test_an_error_keeps_its_cause_and_survives_pickling(bucket: S3Bucket, server: Recorder) -> None:
    """The facts are its arguments."""
    import pickle

    server.replies(error(503, "SlowDown", Retry_After="7"))
    with pytest.raises(TransientStorageError) as caught:
        bucket.get("k")
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (copy.url, copy.key, copy.retry_after) == ("s3://bucket", "k", 7.0)
    assert caught.value.__cause__ is not None
