"""An S3 server for the questions that need one: LocalStack, as `localstack/run.sh` starts it.

Both sides speak to the same one. What a round wrote is removed after it, so
that the last round meets the same server as the first.
"""

from __future__ import annotations

import os
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.servers import start_localstack, stop

from benchmarks.rounds import Options

KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}


@dataclass(frozen=True, slots=True)
class Server:
    """A server that answers. Attributes: url, its endpoint."""

    url: str

    @property
    def env(self) -> dict[str, str]:
        """What every client finds it by."""
        nowhere = {"AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull}
        return {**KEYS, **nowhere, "AWS_ENDPOINT_URL": self.url, "MLFLOW_S3_ENDPOINT_URL": self.url}

    @contextmanager
    def bucket(self) -> Iterator[str]:
        """The name of a bucket that is new, and gone afterwards."""
        name = f"bench-{uuid.uuid4().hex[:12]}"
        self.client().create_bucket(Bucket=name)
        try:
            yield name
        finally:
            for key, _ in self.listed(name):
                self.client().delete_object(Bucket=name, Key=key)
            self.client().delete_bucket(Bucket=name)

    def listed(self, bucket: str, prefix: str = "") -> list[tuple[str, int]]:
        """The keys and sizes of what a bucket holds."""
        pages = self.client().get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        return [(entry["Key"], entry["Size"]) for page in pages for entry in page.get("Contents", ())]

    def client(self) -> Any:
        """A client of boto3."""
        import boto3

        key, secret, region = KEYS.values()
        return boto3.client(
            "s3", endpoint_url=self.url, aws_access_key_id=key, aws_secret_access_key=secret, region_name=region
        )


@contextmanager
def s3_server(options: Options) -> Iterator[Server]:
    """The server that was named, or else a LocalStack of our own."""
    if options.endpoint:
        yield Server(options.endpoint)
        return
    options.scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.scratch, prefix="localstack-", ignore_cleanup_errors=True) as folder:
        with _temporary_files_in(folder):
            server, pid = start_localstack(Path(folder))
        try:
            yield Server(server.url)
        finally:
            stop(pid)


@contextmanager
def _temporary_files_in(folder: str) -> Iterator[None]:
    """LocalStack keeps its objects where temporary files go: on the disk that is measured, not on another."""
    before = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = folder
    try:
        yield
    finally:
        os.environ.pop("TMPDIR") if before is None else os.environ.update(TMPDIR=before)
