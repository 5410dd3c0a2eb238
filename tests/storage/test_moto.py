"""Moto keeps the laws of a bucket, over HTTP, through s3fs."""

from __future__ import annotations

import pytest
from tests.conformance.bucket import BucketSuite
from tests.support.servers import Server


class TestMoto(BucketSuite):
    """S3, as Moto speaks it."""

    backend = "moto"

    @pytest.fixture
    def fresh_bucket_url(self, moto: Server) -> str:
        self.options = moto.options
        return f"{moto.new_bucket()}/some/prefix"
