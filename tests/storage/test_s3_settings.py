"""S3 is reached as AWS users expect, and asked for exactly what was set."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.http import ETAG, Answer, Recorder, error, recorder
from tests.support.servers import Server

from holdall.errors import AccessDeniedError, BucketNotFoundError, StorageError, UnsafeBucketError
from holdall.storage.bucket import ObjectInfo
from holdall.storage.s3 import LANES, Page, S3Bucket
from holdall.storage.schemes import bucket_at

EMPTY_LIST = b"<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>"
KEYS = {"key": "AKID", "secret": "SECRET"}


@pytest.fixture(autouse=True, params=LANES)
def lane(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every test here holds for each lane, as the one that is taken when none is named."""
    monkeypatch.setattr("holdall.storage.s3.DEFAULT_LANE", request.param)
    return str(request.param)


@pytest.fixture
def server() -> Iterator[Recorder]:
    with recorder() as found:
        found.reply = lambda asked: Answer(body=EMPTY_LIST) if "list-type" in asked.path else Answer(headers=ETAG)
        yield found


def every_verb(bucket: S3Bucket) -> None:
    bucket.put("k", b"v")
    bucket.get("k")
    list(bucket.list())
    bucket.delete("k")


@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3"])
def test_the_endpoint_comes_from_the_environment(name: str, server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both names that AWS's tools know."""
    monkeypatch.setenv(name, server.url)
    S3Bucket("s3://bucket/p").put("k", b"v")
    assert server.asked[0].path == "/bucket/p/k"


def test_a_profile_sets_endpoint_keys_and_region(
    server: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By option and by AWS_PROFILE, from the file that AWS_CONFIG_FILE names."""
    lines = ["[profile lab]", f"endpoint_url = {server.url}", "aws_access_key_id = LABKEY"]
    lines += ["aws_secret_access_key = LABSECRET", "aws_session_token = LABTOKEN", "region = eu-north-7"]
    (tmp_path / "config").write_text("\n".join(lines))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    S3Bucket("s3://bucket", {"profile": "lab"}).put("k", b"v")
    monkeypatch.setenv("AWS_PROFILE", "lab")
    S3Bucket("s3://bucket").put("k", b"v")
    assert len(server.asked) == 2
    for asked in server.asked:
        assert "Credential=LABKEY/" in asked.headers["authorization"]
        assert "/eu-north-7/s3/" in asked.headers["authorization"]
        assert asked.headers["x-amz-security-token"] == "LABTOKEN"


def test_options_win_over_the_environment(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the names of s3fs, session token and region included."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    options = {**KEYS, "token": "TOKEN", "endpoint_url": server.url, "client_kwargs": {"region_name": "mars-1"}}
    S3Bucket("s3://bucket", options).put("k", b"v")
    headers = server.asked[0].headers
    assert "Credential=AKID/" in headers["authorization"]
    assert "/mars-1/s3/" in headers["authorization"]
    assert headers["x-amz-security-token"] == "TOKEN"


def test_a_public_bucket_is_read_without_signing(server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anonymous means that no credentials are looked for, and none are sent."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    bucket = S3Bucket("s3://bucket", {"anon": True, "endpoint_url": server.url})
    every_verb(bucket)
    assert len(server.asked) == 4
    assert all("authorization" not in asked.headers for asked in server.asked)


@pytest.mark.parametrize("given", ["option", "environment"])
def test_buckets_stand_in_the_path_on_a_custom_endpoint(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server called by a host name has no host name for each of its buckets."""
    with recorder("localhost") as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        S3Bucket("s3://bucket", {"endpoint_url": server.url} if given == "option" else {}).put("k", b"v")
        assert server.asked[0].path == "/bucket/k"
        assert server.asked[0].headers["host"].startswith("localhost:")


def test_every_verb_is_one_request(server: Recorder) -> None:
    """No HEAD before a GET, no look before a PUT; and each says what it wants."""
    bucket = S3Bucket("s3://bucket/p", {"endpoint_url": server.url})
    bucket.put("k", b"value")
    bucket.get("k")
    list(bucket.list("a/", limit=3))
    bucket.delete("k")
    assert server.methods == ["PUT", "GET", "GET", "DELETE"]
    put, _, listing, _ = server.asked
    assert put.headers["if-none-match"] == "*"
    assert put.body == b"value"
    assert "content-encoding" not in put.headers
    assert "max-keys=3" in listing.path
    assert "prefix=p%2Fa%2F" in listing.path


def test_a_range_is_one_request_with_its_header(server: Recorder) -> None:
    """`[start, stop)` is bytes=start-(stop-1); a suffix is bytes=-n."""
    part = {**ETAG, "Content-Range": "bytes 2-4/10"}
    server.replies(Answer(206, b"abc", part), Answer(206, b"xyz", {**ETAG, "Content-Range": "bytes 7-9/10"}))
    bucket = S3Bucket("s3://bucket", {"endpoint_url": server.url})
    assert bucket.get_range("k", 2, 5) == b"abc"
    assert bucket.get_range("k", -3) == b"xyz"
    assert [asked.headers["range"] for asked in server.asked] == ["bytes=2-4", "bytes=-3"]


def test_requester_pays_is_said_where_it_counts(server: Recorder) -> None:
    """On reading, writing, listing and deleting."""
    every_verb(S3Bucket("s3://bucket", {"endpoint_url": server.url, "requester_pays": True}))
    assert [asked.headers.get("x-amz-request-payer") for asked in server.asked] == ["requester"] * 4


def test_encryption_and_acl_go_with_puts_alone(server: Recorder) -> None:
    """Many buckets deny a PUT without them, and a GET with them."""
    more = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "KEYARN", "ACL": "bucket-owner-full-control"}
    every_verb(S3Bucket("s3://bucket", {"endpoint_url": server.url, "s3_additional_kwargs": more}))
    put, *others = server.asked
    assert put.headers["x-amz-server-side-encryption"] == "aws:kms"
    assert put.headers["x-amz-server-side-encryption-aws-kms-key-id"] == "KEYARN"
    assert put.headers["x-amz-acl"] == "bucket-owner-full-control"
    assert len(others) == 3
    for asked in others:
        assert not any("encryption" in name or "acl" in name for name in asked.headers)


def test_a_customers_key_goes_with_reads_as_well(server: Recorder) -> None:
    """SSE-C objects cannot be read without it."""
    more = {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": "k" * 32}
    every_verb(S3Bucket("s3://bucket", {"endpoint_url": server.url, "s3_additional_kwargs": more}))
    name = "x-amz-server-side-encryption-customer-algorithm"
    assert [asked.headers.get(name) for asked in server.asked] == ["AES256", "AES256", None, None]


def checksums(asked_headers: dict[str, str]) -> set[str]:
    return {name for name in asked_headers if "checksum" in name or name == "x-amz-trailer"}


def test_no_checksum_trailers_off_aws(server: Recorder) -> None:
    """Many servers answer 400 to them, or store them as content."""
    bucket = S3Bucket("s3://bucket", {"endpoint_url": server.url})
    bucket.put("k", b"v")
    bucket.get("k")
    assert [checksums(asked.headers) for asked in server.asked] == [set(), set()]


@pytest.mark.parametrize("given", ["config", "environment"])
def test_checksums_that_were_asked_for_are_sent(given: str, server: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the user set wins, wherever it was set."""
    options: dict[str, object] = {"endpoint_url": server.url}
    if given == "config":
        options["config_kwargs"] = {"request_checksum_calculation": "when_supported"}
    else:
        monkeypatch.setenv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_supported")
    S3Bucket("s3://bucket", options).put("k", b"v")
    assert checksums(server.asked[0].headers)


def test_aws_itself_gets_its_defaults() -> None:
    """Nothing is sent: only the client is looked at."""
    bucket = S3Bucket("s3://bucket", {**KEYS, "client_kwargs": {"region_name": "eu-central-1"}})
    client = bucket.client.botocore_client()
    assert client.meta.endpoint_url == "https://s3.eu-central-1.amazonaws.com"
    assert client.meta.config.request_checksum_calculation == "when_supported"
    assert client.meta.config.max_pool_connections == 64
    assert client.meta.config.retries["total_max_attempts"] == 1


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, "ExpiredToken"),
        (403, "ExpiredToken"),
        (400, "InvalidToken"),
        (403, "InvalidAccessKeyId"),
        (403, "SignatureDoesNotMatch"),
        (403, "AccessDenied"),
        (401, "Unauthorized"),
        (404, "ExpiredToken"),
    ],
)
def test_refused_credentials_never_read_as_not_found(server: Recorder, status: int, code: str) -> None:
    """For every verb it is AccessDeniedError, with what the server said."""
    server.replies(error(status, code, "go away"))
    bucket = S3Bucket("s3://bucket", {"endpoint_url": server.url})
    for verb in (
        lambda: bucket.get("k"),
        lambda: bucket.get_range("k", -5),
        lambda: bucket.put("k", b""),
        lambda: bucket.delete("k"),
        lambda: list(bucket.list()),
    ):
        with pytest.raises(AccessDeniedError, match=rf"HTTP {status} {code}: go away \(request id R1\)") as caught:
            verb()
        assert caught.value.__cause__ is not None
    assert len(server.asked) == (7 if code == "AccessDenied" else 5)  # a listing after each reading: is it missing?


def test_missing_credentials_and_profiles_are_access_denied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is asked; the error says what is missing."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    with pytest.raises(AccessDeniedError, match="credentials"):
        S3Bucket("s3://bucket", {"endpoint_url": "http://127.0.0.1:1"}).get("k")
    with pytest.raises(AccessDeniedError, match="nobody"):
        S3Bucket("s3://bucket", {"profile": "nobody"}).get("k")


def test_a_missing_bucket_is_not_a_missing_object(moto: Server) -> None:
    """Whatever the verb."""
    bucket = bucket_at("s3://no-such-bucket-here", moto.options)
    for verb in (lambda: bucket.get("k"), lambda: bucket.put("k", b""), lambda: list(bucket.list())):
        with pytest.raises(BucketNotFoundError, match="NoSuchBucket"):
            verb()


@pytest.mark.parametrize(("status", "code"), [(301, "PermanentRedirect"), (400, "AuthorizationHeaderMalformed")])
def test_another_region_is_named(server: Recorder, status: int, code: str) -> None:
    """Not followed to nowhere, and not retried."""
    server.replies(error(status, code, "the region is wrong"))
    with pytest.raises(StorageError, match="region") as caught:
        S3Bucket("s3://bucket", {"endpoint_url": server.url}).get("k")
    assert type(caught.value) is StorageError
    assert len(server.asked) == 1


def test_a_server_without_conditions_is_unsafe(server: Recorder) -> None:
    """OVH says 501 to If-None-Match."""
    server.replies(error(501, "NotImplemented", "A header you provided implies functionality"))
    with pytest.raises(UnsafeBucketError, match="only if it is absent"):
        S3Bucket("s3://bucket", {"endpoint_url": server.url}).put("k", b"")


def test_a_directory_bucket_is_listed_in_order_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    """It lists in none, and takes only prefixes that end with a slash."""
    asked: list[str] = []

    def page(self: S3Bucket, prefix: str, count: int, token: str | None) -> Page:
        asked.append(prefix)
        found = ["a/2", "a/1"] if token is None else ["a/10", "b"]
        return [ObjectInfo(key, 1) for key in found], "more" if token is None else None

    monkeypatch.setattr(S3Bucket, "page", page)
    bucket = S3Bucket("s3://fast--use1-az4--x-s3/p")
    assert [info.key for info in bucket.list("a/1")] == ["a/1", "a/10"]
    assert [info.key for info in bucket.list(limit=3)] == ["a/1", "a/10", "a/2"]
    assert set(asked) == {"p/a/", "p/"}
