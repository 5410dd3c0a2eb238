"""LocalStack keeps the laws of a bucket, over HTTP, through both lanes."""

from __future__ import annotations

import pytest
from tests.conformance.bucket import BucketSuite, filled
from tests.support.servers import Server


class TestLocalStack(BucketSuite):
    """S3, as LocalStack speaks it."""

    backend = "localstack"
    lane = "boto3"

    @pytest.fixture
    def fresh_bucket_url(self, localstack: Server) -> str:
        self.options = {**localstack.options, "lane": self.lane}
        return f"{localstack.new_bucket()}/some/prefix"

    @pytest.fixture
    def url_of_many(self, localstack: Server) -> str:
        self.options = {**localstack.options, "lane": self.lane}
        return filled(localstack)


@pytest.mark.every(2)
class TestLocalStackThroughS3fs(TestLocalStack):
    """The other lane."""

    backend = "localstack-s3fs"
    lane = "s3fs"
