"""boto3's own transfer of files: `upload_file` and `download_file`, with their defaults."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measured import Clock, Taken, measure
from benchmarks.server import Server


@dataclass
class Boto3Transfer:
    """A bucket with files as they are. Attributes: bucket, its name; scratch, where downloads go."""

    bucket: str
    scratch: Path
    server: Server

    def log(self, path: Path) -> Taken:
        """One `upload_file`."""
        return measure(f"{__name__}:log", env=self.server.env, bucket=self.bucket, path=str(path))

    def fetch(self, path: Path) -> Taken:
        """One `download_file`."""
        into = str(self.scratch / path.name)
        return measure(f"{__name__}:fetch", env=self.server.env, bucket=self.bucket, path=str(path), into=into)


def log(clock: Clock, *, bucket: str, path: str) -> None:
    """After one small object, for the connection."""
    client = _client(bucket)
    with clock:
        client.upload_file(path, bucket, "file")


def fetch(clock: Clock, *, bucket: str, path: str, into: str) -> None:
    """The same, back."""
    client = _client(bucket)
    with clock:
        client.download_file(bucket, "file", into)
    clock.compare(Path(path), Path(into))


def _client(bucket: str) -> Any:
    import boto3

    client = boto3.client("s3")
    client.put_object(Bucket=bucket, Key="warm", Body=b"warm")
    return client
