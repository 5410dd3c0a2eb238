"""Within moto's `mock_aws`, holdall needs no server: users' own tests are written so."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from tests.conformance.bucket import BucketSuite
from tests.support.depth import DEEP

import holdall
from holdall.errors import StorageError
from holdall.storage import s3
from holdall.storage.s3_boto import BotoClient
from holdall.storage.schemes import bucket_at
from holdall.surfaces.fluent import active


@pytest.fixture
def mocked(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """An empty bucket, as a user makes one."""
    monkeypatch.setattr(active._state, "store", None)
    with mock_aws():
        boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="models")
        yield "s3://models"


def test_a_file_is_logged_and_read_back(mocked: str, tmp_path: Path) -> None:
    """Through two handles, by the pool's threads too."""
    content = bytes(range(256)) * 20_000
    (tmp_path / "weights.bin").write_bytes(content)
    holdall.set_store(f"{mocked}/store")
    with holdall.start_run() as run:
        holdall.log_artifact(str(tmp_path / "weights.bin"))
        holdall.log_metric("loss", 0.5)
    other = holdall.open(f"{mocked}/store")
    with other.runs.get(run.info.run_id).open("weights.bin") as file:
        assert file.read() == content
    with ThreadPoolExecutor(1) as pool:
        record = pool.submit(lambda: holdall.open(f"{mocked}/store").runs.get(run.info.run_id).record).result()
    assert record.data.metrics == {"loss": 0.5}
    listed = boto3.client("s3").list_objects_v2(Bucket="models", Prefix="store/")
    assert {"store/holdall.json", "store/canary"} <= {item["Key"] for item in listed["Contents"]}


def test_a_mock_is_asked_in_turn(mocked: str) -> None:
    """It looks whether an object is there and creates it then, and no second thread is between the two."""
    bucket = s3.S3Bucket(mocked)
    bucket.put("first", b"")
    together, meeting = [], threading.Barrier(2)

    def meet(**_: object) -> None:
        try:
            together.append(meeting.wait(0.2))
        except threading.BrokenBarrierError:
            meeting.reset()

    assert isinstance(bucket.client, BotoClient)
    bucket.client.botocore_client().meta.events.register("before-send", meet)  # where and as moto does
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(bucket.get, ["first", "first"]))
    assert together == []


def test_a_mock_that_fails_ends_its_turn(mocked: str) -> None:
    """The attempt after it, and another thread's, wait for nobody."""
    bucket = s3.S3Bucket(mocked, {"config_kwargs": {"retries": {"total_max_attempts": 3}}})
    bucket.put("k", b"v")
    failures = [EndpointConnectionError(endpoint_url="http://nowhere")]

    def fail(**_: object) -> None:
        if failures:
            raise failures.pop()

    assert isinstance(bucket.client, BotoClient)
    bucket.client.botocore_client().meta.events.register_first("before-send", fail)
    with ThreadPoolExecutor(2) as pool:
        assert [answer.result(60) for answer in [pool.submit(bucket.get, "k") for _ in range(2)]] == [b"v", b"v"]


def test_the_other_lane_says_that_it_cannot_be_mocked(mocked: str) -> None:
    """Chosen by name, it is not replaced behind one's back; nor does it ask AWS."""
    bucket = bucket_at(mocked, {"lane": "s3fs"})
    with pytest.raises(StorageError, match="lane='boto3'"):
        bucket.put("k", b"")


def test_only_the_demo_knows_a_mock() -> None:
    """And of moto only its public server: a mock is told by what it does, which botocore's events show."""
    root = Path(s3.__file__).parents[1]
    knows = {path for path in root.rglob("*.py") if re.search(r"\bmoto\b", path.read_text())}
    imports = {path.name: set(re.findall(r"(?:from|import) (moto[\w.]*)", path.read_text())) for path in knows}
    assert {name: found for name, found in imports.items() if found} == {"server.py": {"moto.server"}}


@pytest.mark.every(2)
class TestMockAws(BucketSuite):
    """The laws of a bucket, without any server."""

    backend = "mock_aws"
    shared = False

    @pytest.fixture
    def fresh_bucket_url(self, mocked: str) -> str:
        return f"{mocked}/some/prefix"

    @pytest.mark.skipif(not DEEP, reason="moto lists as many behind its server")
    def test_a_listing_of_1100_objects_is_complete(self, url_of_many: str) -> None:
        super().test_a_listing_of_1100_objects_is_complete(url_of_many)

    @pytest.mark.parametrize("method", ["fork"])  # what is spawned is not mocked
    def test_a_used_handle_works_in_a_child_process(self, bucket: s3.S3Bucket, method: str) -> None:  # type: ignore[override]
        super().test_a_used_handle_works_in_a_child_process(bucket, method)
