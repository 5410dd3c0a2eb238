"""The laws of a bucket on whatever S3 server you name; without one, nothing.

    HOLDALL_TEST_S3_ENDPOINT=http://127.0.0.1:7480 HOLDALL_TEST_S3_KEY=test HOLDALL_TEST_S3_SECRET=test \\
        python -m pytest tests/storage/test_any_s3.py

Each test makes a bucket of a new name and leaves it there.
"""

from __future__ import annotations

import os
import uuid

import pytest
from botocore.session import Session
from tests.conformance.bucket import BucketSuite

ENDPOINT = os.environ.get("HOLDALL_TEST_S3_ENDPOINT", "")
KEY, SECRET = (os.environ.get(f"HOLDALL_TEST_S3_{name}", "test") for name in ("KEY", "SECRET"))
pytestmark = pytest.mark.skipif(not ENDPOINT, reason="HOLDALL_TEST_S3_ENDPOINT names no server")


class TestAnyS3(BucketSuite):
    """S3, as that server speaks it."""

    backend = "any-s3"
    lane = "boto3"

    @pytest.fixture
    def fresh_bucket_url(self) -> str:
        keys = {"aws_access_key_id": KEY, "aws_secret_access_key": SECRET, "region_name": "us-east-1"}
        name = f"bucket-{uuid.uuid4().hex}"
        Session().create_client("s3", endpoint_url=ENDPOINT, **keys).create_bucket(Bucket=name)
        self.options = {"endpoint_url": ENDPOINT, "key": KEY, "secret": SECRET, "lane": self.lane}
        return f"s3://{name}/some/prefix"


class TestAnyS3ThroughS3fs(TestAnyS3):
    """The other lane."""

    backend = "any-s3-s3fs"
    lane = "s3fs"
