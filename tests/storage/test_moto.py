"""Moto keeps the laws of a bucket, over HTTP, through both lanes."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.conformance.bucket import BucketSuite, filled
from tests.support.servers import ROOT, Server

from holdall.demo.server import moto_server
from holdall.errors import ObjectNotFoundError
from holdall.storage.s3 import LANES
from holdall.storage.schemes import bucket_at


class TestMoto(BucketSuite):
    """S3, as Moto speaks it."""

    backend = "moto"
    lane = "boto3"

    @pytest.fixture
    def fresh_bucket_url(self, moto: Server) -> str:
        self.options = {**moto.options, "lane": self.lane}
        return f"{moto.new_bucket()}/some/prefix"

    @pytest.fixture
    def url_of_many(self, moto: Server) -> str:
        self.options = {**moto.options, "lane": self.lane}
        return filled(moto)


@pytest.mark.every(2)
class TestMotoThroughS3fs(TestMoto):
    """The other lane."""

    backend = "moto-s3fs"
    lane = "s3fs"


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


@pytest.mark.parametrize("lane", LANES)
def test_leaving_is_silent_also_from_a_fork(moto: Server, lane: str) -> None:
    """A process that used S3 ends without a word, and so does its child that did."""
    code = f"""
import os, sys
from holdall.errors import ObjectNotFoundError
from holdall.storage.s3 import LANES
from holdall.storage.schemes import bucket_at
bucket = bucket_at({moto.new_bucket()!r}, {{**{moto.options!r}, "lane": {lane!r}}})
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


def test_half_an_object_is_never_kept(moto: Server) -> None:
    """A client that dies in the middle of a PUT leaves nothing, as with any S3."""
    bucket = moto.new_bucket()
    host, _, port = moto.url.removeprefix("http://").partition(":")
    name = bucket.removeprefix("s3://")
    with socket.create_connection((host, int(port)), timeout=10) as client:
        head = f"PUT /{name}/half HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000\r\nContent-Type: x/y\r\n\r\n"
        client.sendall(head.encode() + bytes(50_000))
        client.shutdown(socket.SHUT_WR)
        assert b"400" in client.recv(100)
    with pytest.raises(ObjectNotFoundError):
        bucket_at(bucket, moto.options).get("half")
