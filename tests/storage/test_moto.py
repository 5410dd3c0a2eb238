"""Moto keeps the laws of a bucket, over HTTP, through s3fs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conformance.bucket import BucketSuite
from tests.support.servers import ROOT, Server

from holdfast.demo.server import moto_server
from holdfast.storage.schemes import bucket_at


class TestMoto(BucketSuite):
    """S3, as Moto speaks it."""

    backend = "moto"

    @pytest.fixture
    def fresh_bucket_url(self, moto: Server) -> str:
        self.options = moto.options
        return f"{moto.new_bucket()}/some/prefix"


def test_the_server_runs_within_a_process_and_writes_down_each_request(tmp_path: Path) -> None:
    """One line of JSON per request, with method, path, query, status and bytes both ways."""
    with moto_server(tmp_path / "log") as server:
        url = server.create_bucket("within")
        bucket = bucket_at(url, {"endpoint_url": server.url, "key": "k", "secret": "s"})
        bucket.put("k", b"12345")
        bucket.get("k")
        list(bucket.list("k", limit=7))
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    told = [(line["method"], line["path"], line["status"], line["bytes_in"]) for line in lines]
    puts = [("PUT", "/within", 200, 0), ("PUT", "/within/k", 200, 5)]
    assert told == [*puts, ("GET", "/within/k", 200, 0), ("GET", "/within", 200, 0)]
    assert lines[2]["bytes_out"] == 5
    assert "max-keys=7" in lines[3]["query"]


def test_leaving_is_silent_also_from_a_fork(moto: Server) -> None:
    """A process that used S3 ends without a word, and so does its child that did."""
    code = f"""
import os, sys
from holdfast.storage.schemes import bucket_at
bucket = bucket_at({moto.new_bucket()!r}, {moto.options!r})
bucket.put("k", b"v")
if os.fork() == 0:
    bucket.get("k")
    sys.exit(0)
assert os.wait()[1] == 0
bucket.get("k")
"""
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
