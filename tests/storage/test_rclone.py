"""`rclone serve s3` takes If-None-Match and ignores it: it must be refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.servers import rclone_server

from holdall.errors import UnsafeBucketError
from holdall.storage.bucket import Bucket
from holdall.storage.probe import check_canary, probe, refuse_unsafe
from holdall.storage.s3 import S3Bucket
from holdall.storage.wrappers import RetryBucket

TOKEN = "fedcba9876543210" * 2


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    folder: Path = tmp_path_factory.mktemp("rclone")
    with rclone_server(folder) as server:
        (folder / "data" / "b").mkdir()
        # What this server breaks, it breaks for good: no need to insist.
        yield RetryBucket(S3Bucket("s3://b/prefix", server.options), deadline=3.0)


def test_the_probe_refuses_it_by_name(bucket: Bucket) -> None:
    """The first promise that breaks is exclusive creation; the report says what that means."""
    report = probe(bucket, token=TOKEN)
    assert "create again" in [found.name for found in report.broken]
    assert any("race" in found.name for found in report.broken)
    with pytest.raises(UnsafeBucketError, match="two writers would silently overwrite each other"):
        refuse_unsafe(report)


def test_the_canary_refuses_it(bucket: Bucket) -> None:
    """Both creations of the same object succeed, which no store survives."""
    with pytest.raises(UnsafeBucketError, match="ignores If-None-Match"):
        check_canary(bucket, "canary", b"sings")
