"""The reference keeps the laws that it is the reference of."""

from __future__ import annotations

import uuid

import pytest
from tests.conformance.bucket import BucketSuite


class TestMemory(BucketSuite):
    """A dict."""

    backend = "memory"
    shared = False

    @pytest.fixture
    def fresh_bucket_url(self) -> str:
        return f"memory://{uuid.uuid4().hex}"
