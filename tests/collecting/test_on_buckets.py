"""A collection on real buckets: a folder, an S3 server, one that keeps versions, one that locks objects."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.support.servers import Server

from holdall.retention.performing import append_purge
from holdall.store import Store


def filled(store: Store) -> str:
    """A store with a run that stays and one that is purged, whose packs nothing needs; return the second's id."""
    for name in ("kept", "gone"):
        run = store.runs.start(name=name)
        run.log_bytes(random.Random(name).randbytes(300_000), "a.bin")
        run.finish()
    run.delete()
    return run.id


def purge(store: Store, id: str) -> None:
    """Give a run up, without collecting what it had."""
    assert append_purge(store._location, id, lambda _: True)


def opened(server: Server, url: str) -> Store:
    return Store.open(f"{url}/at", server.options)


def test_a_folder_gives_its_space_back(tmp_path: Path) -> None:
    """The bytes that are said to be freed are those that the disk lost."""
    store = Store.open(str(tmp_path / "store"))
    purge(store, filled(store))
    before = sum(path.stat().st_size for path in (tmp_path / "store" / "packs").rglob("*") if path.is_file())
    found = store.maintenance.gc(delay=0)
    after = sum(path.stat().st_size for path in (tmp_path / "store" / "packs").rglob("*") if path.is_file())
    assert found.freed.bytes == before - after > 300_000
    assert store.maintenance.check().intact


def test_an_s3_server_is_asked_for_all_at_once(moto: Server) -> None:
    """Packs are deleted by one request, and a young one is told by the server's clock."""
    store = opened(moto, moto.new_bucket())
    purge(store, filled(store))
    young = store.maintenance.gc()
    assert young.young.packs > 0
    assert young.freed.packs == 0
    at = len(moto.requests())
    found = store.maintenance.gc(delay=0)
    asked = [line for line in moto.requests()[at:] if "delete" in str(line["path"]).partition("?")[2]]
    assert found.freed.packs == young.young.packs
    assert len(asked) <= 2, "the hints' and the packs'"
    assert not found.versioned
    assert store.maintenance.check().intact


def client_of(server: Server) -> Any:
    from botocore.session import Session

    keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}
    return Session().create_client("s3", endpoint_url=server.url, **keys)


def test_a_bucket_that_keeps_versions_is_told_of(moto: Server) -> None:
    """The packs are gone for the store, and still there for the bucket's lifecycle."""
    url = moto.new_bucket()
    name = url.removeprefix("s3://")
    client_of(moto).put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    store = opened(moto, url)
    purge(store, filled(store))
    found = store.maintenance.gc(delay=0)
    assert found.freed.packs > 0
    assert found.versioned
    kept = client_of(moto).list_object_versions(Bucket=name, Prefix="at/packs/")
    assert len(kept["DeleteMarkers"]) == found.freed.packs
    assert store.maintenance.check().intact


def test_a_lock_on_versions_is_no_refusal(moto: Server) -> None:
    """Locked versions stay below a marker: for the store they are gone, and it is said that they take space."""
    client, name = client_of(moto), f"locked-{random.randbytes(8).hex()}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    store = opened(moto, f"s3://{name}")
    purge(store, filled(store))
    until = datetime.now(UTC) + timedelta(days=1)
    for key in [one["Key"] for one in client.list_objects_v2(Bucket=name, Prefix="at/packs/")["Contents"]]:
        client.put_object_retention(Bucket=name, Key=key, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until})
    found = store.maintenance.gc(delay=0)
    assert found.complete
    assert found.versioned
    assert store.maintenance.check().intact


@pytest.mark.parametrize("delay", ["0", "24h", "7 d", 0, 90])
def test_times_are_said_as_people_say_them(delay: str | int, tmp_path: Path) -> None:
    """A number and a unit, or seconds."""
    store = Store.open(str(tmp_path / "store"))
    store.maintenance.create()
    assert store.maintenance.gc(dry_run=True, delay=delay).runs == 0
