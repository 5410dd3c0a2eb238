"""Large work that workers share on S3: the whole way there and back, with credentials that stand in no environment."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.support.folders import SHARED_FROM, folder_of, noise
from tests.support.servers import Server
from tests.support.stores import TINY

from holdall.chunks.pack_names import BLOCK
from holdall.format.layout import PACKS, parse_key
from holdall.store import Store

FILES = {"large.bin": noise(150_000, 1), "zeros.bin": bytes(70_000) + noise(30_000, 3), "small": b"small", "empty": b""}


@pytest.fixture(autouse=True)
def nothing_in_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No credentials but those that are passed."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))


def opened(moto: Server, url: str, lane: str) -> Store:
    """A store with three workers, to which nothing is too small."""
    store = Store.open(url, moto.options, workers=3, memory=1 << 30, s3_lane=lane)
    store._location.sharing = SHARED_FROM
    return store


@pytest.mark.parametrize("lane", ["boto3", "s3fs"])
def test_workers_write_and_read_with_the_credentials_that_were_passed(moto: Server, tmp_path: Path, lane: str) -> None:
    """What they store on a server is whole, comes back byte for byte, and is found when it is logged again."""
    url, source = f"{moto.new_bucket()}/store", folder_of(tmp_path, FILES)
    store = opened(moto, url, lane)
    store._location.create(TINY, rounds=1)
    for _ in range(2):
        with store.runs.start() as run:
            run.log_artifacts(source)
    run.download(None, tmp_path / "out")
    assert {path: (tmp_path / "out" / path).read_bytes() for path in FILES} == FILES
    assert store.maintenance.check().problems == []
    packs = [key.pack for info in store._location.bucket.list(PACKS) if (key := parse_key(info.key)) and key.pack]
    sessions = Counter(pack.session for pack in packs)
    assert any(pack.number >= BLOCK for pack in packs), "workers stored them"
    assert len(packs) < 1.25 * max(sessions.values()), "again little is new: where zeros run over a part"
