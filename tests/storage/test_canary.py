"""A bucket that stops keeping its promise under an open writer stops that writer."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from urllib.request import Request, urlopen

import pytest
from botocore.session import Session
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from tests.storage.test_wrappers import Clock
from werkzeug.serving import make_server

from holdall.demo.server import Serialised
from holdall.errors import ObjectExistsError, UnsafeBucketError
from holdall.storage.canary import TRUSTED_PUTS, TRUSTED_SECONDS, ConditionMonitor, set_canary
from holdall.storage.s3 import LANES
from holdall.storage.schemes import bucket_at
from holdall.store import Store


class Changing:
    """moto behind a switch: once it is `unsafe`, PUTs lose their condition. Bodies and versions are moto's own."""

    def __init__(self) -> None:
        self.unsafe = False
        self.puts: list[str] = []
        self.url, self.bucket = "", f"b-{uuid.uuid4().hex}"  # moto keeps buckets as long as the process
        self._inner = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "PUT":
            self.puts.append(environ["PATH_INFO"])
        if self.unsafe:
            environ.pop("HTTP_IF_NONE_MATCH", None)
        answer: Iterable[bytes] = self._inner(environ, start)
        return answer

    def keep_versions(self, status: str = "Enabled") -> None:
        """As its owner does while others write."""
        keys = {"aws_access_key_id": "k", "aws_secret_access_key": "s", "region_name": "us-east-1"}
        client = Session().create_client("s3", endpoint_url=self.url, **keys)
        client.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": status})


@pytest.fixture
def server() -> Iterator[Changing]:
    app = Changing()
    served = make_server("127.0.0.1", 0, Serialised(app, None), threaded=True, request_handler=MotoRequestHandler)
    served.daemon_threads = True  # type: ignore[attr-defined]
    threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    app.url = f"http://127.0.0.1:{served.server_port}"
    urlopen(Request(f"{app.url}/{app.bucket}", method="PUT"), timeout=10).close()
    yield app
    served.shutdown()
    served.server_close()


def opened(server: Changing, lane: str) -> Store:
    return Store.open(f"s3://{server.bucket}/p", {"endpoint_url": server.url, "key": "k", "secret": "s", "lane": lane})


@pytest.mark.parametrize("lane", LANES)
def test_versioning_that_makes_a_server_overwrite_stops_the_writer(server: Changing, lane: str) -> None:
    """The commit that meets it is not acknowledged, and no request follows."""
    run = opened(server, lane).runs.start()
    run.log_bytes(b"1", "before")
    server.keep_versions()
    server.unsafe = True
    with pytest.raises(UnsafeBucketError, match="since versioning was switched on the server ignores") as caught:
        run.log_bytes(b"2", "after")
    assert "Ceph" in caught.value.hint
    count = len(server.puts)
    for _ in range(3):
        with pytest.raises(UnsafeBucketError):
            run.log_bytes(b"3", "later")
    assert len(server.puts) == count


@pytest.mark.parametrize("lane", LANES)
def test_two_writers_lose_no_acknowledged_commit_to_it(server: Changing, lane: str) -> None:
    """Both stop; all that either was told is committed is there."""
    first = opened(server, lane).runs.start()
    store = opened(server, lane)
    runs, told = [first, store.runs.get(first.id)], []
    for n in range(40):
        if n == 10:
            server.keep_versions()
            server.unsafe = True
        try:
            runs[n % 2].log_bytes(b"%d" % n, f"f{n}")
            told.append(f"f{n}")
        except UnsafeBucketError:
            continue
    assert told == [f"f{n}" for n in range(10)]
    assert set(told) == set(dict(opened(server, lane).runs.get(first.id).manifest))


@pytest.mark.parametrize("lane", LANES)
def test_a_good_server_with_versions_is_asked_once(server: Changing, lane: str) -> None:
    """AWS, MinIO and LocalStack name a version in each answer: one more PUT, when the first is seen."""
    server.keep_versions()
    run = opened(server, lane).runs.start()
    before = sum("canary" in key for key in server.puts)
    for n in range(5):
        run.log_bytes(b"x", f"f{n}")
    assert sum("canary" in key for key in server.puts) == before <= 3


@pytest.mark.parametrize("lane", LANES)
def test_a_long_session_asks_now_and_then(server: Changing, lane: str) -> None:
    """A server that begins to overwrite without a sign is found out after some hundred PUTs at most."""
    bucket = bucket_at(f"s3://{server.bucket}", {"endpoint_url": server.url, "key": "k", "secret": "s", "lane": lane})
    bucket.put("canary", b"sings")
    set_canary(bucket, "canary", b"sings")
    server.unsafe = True
    with pytest.raises(UnsafeBucketError):  # which of them is what this is about
        for n in range(TRUSTED_PUTS + 1):
            bucket.put(f"k{n}", b"")
    assert len(server.puts) == 2 + TRUSTED_PUTS + 2


def test_trust_lasts_for_some_minutes_and_a_refusal_renews_it() -> None:
    """412 is the proof itself: then no request is made for it."""
    clock, asked = Clock(), []

    def create(key: str, data: object) -> str:
        asked.append(key)
        if key in ("canary", "there"):
            raise ObjectExistsError("url", key)
        return ""

    def undo(key: str, version: str) -> None:
        raise AssertionError(key)

    monitor = ConditionMonitor("url", clock)
    monitor.set_canary("canary", b"")
    clock.now = TRUSTED_SECONDS - 1
    monitor.put(create, undo, "a", b"")
    with pytest.raises(ObjectExistsError):
        monitor.put(create, undo, "there", b"")
    clock.now = 2 * TRUSTED_SECONDS - 2
    monitor.put(create, undo, "b", b"")
    assert asked == ["a", "there", "b"]
    clock.now = 2 * TRUSTED_SECONDS
    monitor.put(create, undo, "c", b"")
    assert asked == ["a", "there", "b", "c", "canary"]
