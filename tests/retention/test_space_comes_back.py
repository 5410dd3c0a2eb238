"""What was deleted gives its bytes back, and nothing else loses any."""

from __future__ import annotations

import random

from tests.support.clocked import DAY, ClockedBucket
from tests.support.stores import tiny_location, tiny_store

from holdall.store import Store


def noise(seed: int, size: int = 100_000) -> bytes:
    return random.Random(seed).randbytes(size)


def kinds(bucket: ClockedBucket) -> dict[str, int]:
    """How many objects there are below each folder."""
    found: dict[str, int] = {}
    for key in bucket.objects:
        found[key.partition("/")[0]] = found.get(key.partition("/")[0], 0) + 1
    return found


def collect(bucket: ClockedBucket, seed: int) -> None:
    Store(tiny_location(bucket, seed=seed, create=False)).maintenance.gc()


def test_the_store_of_a_deleted_experiment_shrinks_to_its_stubs() -> None:
    """Packs, hints and entries go; an entry of each run, the experiment and what the collection did are left."""
    bucket = ClockedBucket()
    store = tiny_store(bucket)
    id = store.experiments.create("e")
    for n in range(3):
        with store.runs.start(experiment="e") as run:
            run.log_bytes(noise(n), "model.bin")
    store.experiments.delete(id)
    bucket.now += 6 * DAY
    collect(bucket, 90)
    assert kinds(bucket)["packs"] > 10
    bucket.now += DAY
    collect(bucket, 91)
    assert kinds(bucket) == {"canary": 1, "holdall.json": 1, "experiments": 2, "gc": 3, "runs": 3}
    assert tiny_store(bucket, seed=92, create=False).experiments.get(id).name == "e"


def test_of_a_series_of_checkpoints_the_last_stay_and_their_parent() -> None:
    """Fifty child runs that share a backbone, of which a policy keeps three: all else of the bucket is theirs."""
    bucket = ClockedBucket()
    store = tiny_store(bucket)
    store.experiments.set_retention(store.experiments.create("e"), last=3)
    training = store.runs.start(experiment="e", name="training")
    children = []
    for epoch in range(50):
        with store.runs.start(experiment="e", parent=training.id) as child:
            child.log_bytes(noise(1), "backbone.bin")
            child.log_bytes(noise(100 + epoch, 70_000), "head.bin")
        children.append(child)
        bucket.now += DAY // 24
    training.finish()
    before = sum(map(len, bucket.objects.values()))
    bucket.now += 8 * DAY
    collect(bucket, 93)
    bucket.now += 7 * DAY
    collect(bucket, 94)
    left = tiny_store(bucket, seed=95, create=False)
    assert {found.info.run_id for found in left.runs.search(stage=None)} == {
        training.id,
        *(child.id for child in children[-3:]),
    }
    assert left.runs.get(children[-1].id).read("backbone.bin") == noise(1)
    assert left.maintenance.check().problems == []
    needed = 100_000 + 3 * 70_000
    packs = sum(len(data) for key, data in bucket.objects.items() if key.startswith("packs/"))
    assert needed < packs < 1.1 * needed, "footers and nodes of tiny packs are a twentieth"
    assert packs < before / 8
