"""Clients of S3 are made again and again here; what botocore reads for each is read once."""

from __future__ import annotations

from tests.support.servers import remember_models

remember_models()
