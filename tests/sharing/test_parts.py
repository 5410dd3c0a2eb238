"""A share in parts: what is sent, what is held meanwhile, and what a lost answer means."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.http import ETAG, Answer, Asked, error, recorder

from holdall.errors import AccessDeniedError
from holdall.storage import s3_links
from holdall.storage.links import Links, links_of
from holdall.storage.schemes import bucket_at

KEY = "shares/x"
COUNT, PART = 40, 1 << 20
BEGUN = "<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>"
ENDED = '<CompleteMultipartUploadResult><ETag>"0"</ETag></CompleteMultipartUploadResult>'
LISTED = (
    "<ListBucketResult><IsTruncated>false</IsTruncated><Contents><Key>shares/x</Key>"
    "<LastModified>2026-11-28T00:00:00Z</LastModified><Size>{}</Size></Contents></ListBucketResult>"
)
XML = {"Content-Type": "application/xml"}


def step(asked: Asked) -> str:
    """Which request of an upload it is."""
    said = parse_qs(urlsplit(asked.path).query, keep_blank_values=True)
    if asked.method == "PUT":
        return f"part {said['partNumber'][0]}" if "partNumber" in said else "whole"
    if asked.method == "GET":
        return "list"
    return "abort" if asked.method == "DELETE" else "begin" if "uploads" in said else "end"


def uploading(asked: Asked) -> Answer:
    """A server that takes an upload in parts."""
    body = {"begin": BEGUN, "end": ENDED, "list": LISTED.format(COUNT * PART)}.get(step(asked), "")
    return Answer(200, body.encode(), {**ETAG, **XML})


def blocks() -> Iterator[bytes]:
    for number in range(COUNT):
        yield number.to_bytes(1, "big") * PART


def links_at(url: str) -> Links:
    found = links_of(bucket_at("s3://b", {"endpoint_url": url, "key": "k", "secret": "s"}, deadline=2.0))
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(s3_links, "BLOCK", PART)


def test_few_parts_are_held_however_large_the_whole_is() -> None:
    """Of 40 parts that are read while they are sent."""
    with recorder() as record:
        record.reply = uploading
        record.take = lambda stream, size: stream.read(size)[:0]
        links = links_at(record.url)
        links.upload("shares/warm", [bytes(PART)] * 2, 2 * PART)  # which loads what a client needs
        tracemalloc.start()
        try:
            before = tracemalloc.get_traced_memory()[0]
            links.upload(KEY, blocks(), COUNT * PART)
            peak = tracemalloc.get_traced_memory()[1] - before
        finally:
            tracemalloc.stop()
        steps = [step(asked) for asked in record.asked if "shares/x" in asked.path]
    assert (steps[0], steps[-1]) == ("begin", "end")
    assert sorted(steps[1:-1]) == sorted(f"part {number}" for number in range(1, COUNT + 1))
    assert peak < COUNT * PART // 2


def test_the_end_creates_and_replaces_nothing() -> None:
    """By the same condition that every object of a store is created with."""
    with recorder() as record:
        record.reply = uploading
        links_at(record.url).upload(KEY, [bytes(PART)] * 2, 2 * PART)
        [end] = [asked for asked in record.asked if step(asked) == "end"]
    assert end.headers["if-none-match"] == "*"


@pytest.mark.parametrize(("size", "whole"), [(2 * PART, True), (PART, False)])
def test_an_end_whose_answer_was_lost_is_looked_for(size: int, whole: bool) -> None:
    """The upload is not there any more: either it was completed, and the object is whole, or it failed."""
    answers = [error(500, "InternalError"), error(404, "NoSuchUpload")]

    def losing(asked: Asked) -> Answer:
        if step(asked) == "end":
            return answers.pop(0)
        return Answer(200, LISTED.format(size).encode(), {**ETAG, **XML}) if step(asked) == "list" else uploading(asked)

    with recorder() as record:
        record.reply = losing
        if whole:
            links_at(record.url).upload(KEY, [bytes(PART)] * 2, 2 * PART)
        else:
            with pytest.raises(Exception, match="NoSuchUpload"):
                links_at(record.url).upload(KEY, [bytes(PART)] * 2, 2 * PART)
        assert [step(asked) for asked in record.asked][-1] == ("list" if whole else "abort")


def test_who_may_not_create_is_told_who_may() -> None:
    """Also of a part; and what was begun is given up."""
    with recorder() as record:
        record.reply = lambda asked: error(403, "AccessDenied") if "part" in step(asked) else uploading(asked)
        with pytest.raises(AccessDeniedError) as caught:
            links_at(record.url).upload(KEY, [bytes(PART)] * 2, 2 * PART)
        assert step(record.asked[-1]) == "abort"
    assert caught.value.action == "s3:PutObject"
    assert "store policy owner" in caught.value.hint
