"""LocalStack keeps the laws of a bucket, over HTTP, through s3fs."""

from __future__ import annotations

import pytest
from tests.conformance.bucket import BucketSuite
from tests.support.servers import Server


class TestLocalStack(BucketSuite):
    """S3, as LocalStack speaks it."""

    backend = "localstack"

    @pytest.fixture
    def fresh_bucket_url(self, localstack: Server) -> str:
        self.options = localstack.options
        return f"{localstack.new_bucket()}/some/prefix"
