"""A bucket with an Object Lock: what is deleted there is hidden, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import holdall
from holdall.access import lock
from holdall.demo.server import MotoServer, moto_server
from holdall.errors import StorageError
from holdall.storage.s3 import S3Bucket

KEYS: dict[str, Any] = {"key": "test", "secret": "test"}


@pytest.fixture(scope="module")
def locked() -> Iterator[tuple[MotoServer, Any]]:
    """A server with a bucket whose objects are locked for a day, and a client there."""
    import botocore.session

    with moto_server() as server:
        credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
        session = botocore.session.get_session()
        s3: Any = session.create_client("s3", "us-east-1", endpoint_url=server.url, **credentials)
        s3.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
        s3.put_object_lock_configuration(Bucket="locked", ObjectLockConfiguration=lock(1))
        yield server, s3


def test_a_locked_bucket_wants_checksums_and_the_error_says_how(locked: tuple[MotoServer, Any]) -> None:
    """AWS gets them anyway; of other servers the hint names the option."""
    options = {"endpoint_url": locked[0].url, **KEYS}
    with pytest.raises(StorageError) as caught:
        S3Bucket("s3://locked/a", options).put("k", b"")
    assert "ChecksumAlgorithm" in caught.value.hint
    S3Bucket("s3://locked/a", {**options, "s3_additional_kwargs": {"ChecksumAlgorithm": "SHA256"}}).put("k", b"")


def test_what_is_collected_is_hidden_and_comes_back(locked: tuple[MotoServer, Any]) -> None:
    """A purge and its collection succeed; no byte is gone before the lock ends; deleting markers undoes it."""
    server, s3 = locked
    url, more = "s3://locked/b", {"s3_additional_kwargs": {"ChecksumAlgorithm": "SHA256"}}
    store = holdall.open(url, endpoint_url=server.url, **KEYS, **more)
    with store.runs.start() as run:
        run.log_bytes(bytes(range(256)) * 1000, "model.bin")
    before = {found["Key"] for found in s3.list_objects_v2(Bucket="locked", Prefix="b/")["Contents"]}
    run.delete()
    store.maintenance.purge(run.id)
    versions = s3.list_object_versions(Bucket="locked", Prefix="b/")
    assert before <= {found["Key"] for found in versions["Versions"]}
    hidden = [found for found in versions["DeleteMarkers"] if found["Key"] in before]
    assert any("/packs/" in found["Key"] for found in hidden)
    (gone,) = [found for found in versions["Versions"] if "/packs/" in found["Key"]]
    with pytest.raises(s3.exceptions.ClientError, match="AccessDenied"):
        s3.delete_object(Bucket="locked", Key=gone["Key"], VersionId=gone["VersionId"])
    for marker in hidden:
        s3.delete_object(Bucket="locked", Key=marker["Key"], VersionId=marker["VersionId"])
    assert before <= {found["Key"] for found in s3.list_objects_v2(Bucket="locked", Prefix="b/")["Contents"]}
