"""boto3 alone, moving the same bytes: what the machine, the client and the server allow.

A file goes up as objects of 32 MiB and comes down by ranges of 16 MiB, eight at
once. Nothing is hashed, cut or checked.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measured import Clock, Taken, measure
from benchmarks.server import Server

PIECE, RANGE, AT_ONCE = 32 << 20, 16 << 20, 8


@dataclass
class Boto3:
    """A bucket of pieces. Attributes: bucket, its name; scratch, where downloads go."""

    bucket: str
    scratch: Path
    server: Server

    def log(self, path: Path) -> Taken:
        """Puts of the file's pieces."""
        return measure(f"{__name__}:log", env=self.server.env, bucket=self.bucket, path=str(path))

    def fetch(self, path: Path) -> Taken:
        """Gets of the pieces' ranges."""
        into = str(self.scratch / path.name)
        return measure(f"{__name__}:fetch", env=self.server.env, bucket=self.bucket, path=str(path), into=into)


def log(clock: Clock, *, bucket: str, path: str) -> None:
    """All pieces, eight at once."""
    client, size = _client(), Path(path).stat().st_size
    source = os.open(path, os.O_RDONLY)

    def put(at: int) -> None:
        client.put_object(Bucket=bucket, Key=f"{at:012}", Body=os.pread(source, PIECE, at))

    client.put_object(Bucket=bucket, Key="warm", Body=b"warm")
    with clock, ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(put, range(0, size, PIECE)))
    os.close(source)


def fetch(clock: Clock, *, bucket: str, path: str, into: str) -> None:
    """All ranges, eight at once."""
    client, size = _client(), Path(path).stat().st_size
    target = os.open(into, os.O_WRONLY | os.O_CREAT)

    def get(at: int) -> None:
        first, last = at % PIECE, min(at + RANGE, size) - 1 - at + at % PIECE
        got = client.get_object(Bucket=bucket, Key=f"{at - first:012}", Range=f"bytes={first}-{last}")
        os.pwrite(target, got["Body"].read(), at)

    client.get_object(Bucket=bucket, Key="warm")
    with clock, ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(get, range(0, size, RANGE)))
    os.close(target)
    clock.compare(Path(path), Path(into))


def _client() -> Any:
    import boto3
    from botocore.config import Config

    plain = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    return boto3.client("s3", config=Config(max_pool_connections=64, **plain))
