"""A refusal says what helps against it, and a misspelt wish for encryption is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.support.http import ETAG, Answer, error, recorder

from holdall.errors import AccessDeniedError, StorageError
from holdall.storage.local import LocalBucket
from holdall.storage.s3 import LANES, S3Bucket

HINTS = {
    "ExpiredToken": "have expired",
    "InvalidAccessKeyId": "does not know the access key",
    "InvalidObjectState": "archived",
    "KMS.DisabledException": "KMS key",
    "RequestTimeTooSkewed": "clock",
    "SignatureDoesNotMatch": "secret key",
    "PermanentRedirect": "AWS_REGION",
    "AccessDenied": "policy",
}


@pytest.mark.parametrize("lane", LANES)
def test_each_refusal_has_its_own_hint(lane: str) -> None:
    """By its code, or what it says of encryption."""
    with recorder() as server:
        bucket = S3Bucket("s3://b", {"endpoint_url": server.url, "key": "k", "secret": "s", "lane": lane})
        for code, hint in HINTS.items():
            server.replies(error(403, code))
            with pytest.raises(StorageError) as caught:
                bucket.get("k")
            assert hint in caught.value.hint, code
        server.replies(error(400, "InvalidRequest", "stored using a form of Server Side Encryption"))
        with pytest.raises(StorageError) as caught:
            bucket.get("k")
        assert "SSECustomerKey" in caught.value.hint


@pytest.mark.parametrize("lane", LANES)
def test_a_misspelt_parameter_is_refused_before_anything_is_sent(lane: str) -> None:
    """It was dropped in silence, and with it the encryption."""
    with recorder() as server:
        server.replies(Answer(headers=ETAG))
        options = {"endpoint_url": server.url, "key": "k", "secret": "s", "lane": lane}
        wrong = {"ServerSideEncrytion": "AES256"}
        with pytest.raises(StorageError, match="did you mean 'ServerSideEncryption'"):
            S3Bucket("s3://b", {**options, "s3_additional_kwargs": wrong}).put("k", b"")
        assert server.asked == []
        right = {"ServerSideEncryption": "AES256", "SSECustomerAlgorithm": "AES256"}
        S3Bucket("s3://b", {**options, "s3_additional_kwargs": right}).put("k", b"")
        assert server.asked[0].headers["x-amz-server-side-encryption"] == "AES256"


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize(
    "name",
    [
        *("ContentLength", "ContentMD5", "ChecksumCRC32", "ChecksumSHA256", "WriteOffsetBytes", "IfMatchSize"),
        *("IfMatchLastModifiedTime", "ResponseContentEncoding", "ContentEncoding", "IfNoneMatch"),
    ],
)
def test_what_is_of_one_object_is_no_wish_for_all(lane: str, name: str) -> None:
    """A digest or a condition that cannot hold of the next request is refused when the store is opened."""
    with pytest.raises(ValueError, match=name):
        S3Bucket("s3://b", {"s3_additional_kwargs": {name: "1"}, "lane": lane})
    S3Bucket("s3://b", {"s3_additional_kwargs": {"ChecksumAlgorithm": "SHA256"}, "lane": lane})


@pytest.mark.skipif(os.getuid() == 0, reason="nothing is refused to root")
def test_a_folder_that_is_read_only_speaks_of_the_folder(tmp_path: Path) -> None:
    """Not of AWS."""
    tmp_path.chmod(0o500)
    with pytest.raises(AccessDeniedError) as caught:
        LocalBucket(tmp_path / "b").put("k", b"")
    assert "owner and mode" in caught.value.hint
