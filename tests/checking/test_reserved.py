"""Keys that are reserved for a later version are told, and left alone by all that deletes or writes."""

from __future__ import annotations

from tests.support.stores import tiny_store

from holdall.storage.memory import MemoryBucket

CATALOG = [f"catalog/{'ab' * 8}/log/{'f' * 16}", f"catalog/{'ab' * 8}/tail/{'0' * 16}-{'ab' * 16}-{'f' * 16}"]


def test_a_later_versions_catalog_is_told_and_kept() -> None:
    """Check names it as reserved, a collection deletes nothing of it, and searching does not look at it."""
    bucket = MemoryBucket()
    store = tiny_store(bucket)
    run = store.runs.start()
    run.log_bytes(b"x" * 100_000, "large.bin")
    run.finish()
    for key in [*CATALOG, "catalog/other"]:
        bucket.put(key, b"of a later version")
    found = store.maintenance.check()
    assert (found.reserved, found.foreign, found.intact) == (CATALOG, ["catalog/other"], True)
    store.maintenance.gc(delay=0)
    assert [record.info.run_id for record in store.runs.search()] == [run.id]
    assert [key for key in bucket.objects if key.startswith("catalog/")] == [*CATALOG, "catalog/other"]
