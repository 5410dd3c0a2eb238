"""`store check` names what is wrong with a store, all of it, and past whatever it finds."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.support.faulty import FaultyBucket
from tests.support.stores import tiny_location, tiny_store

from holdall.format.chunking import Chunker
from holdall.format.document import encode_document
from holdall.format.layout import log_key, parse_key, run_log
from holdall.format.records import Descriptor
from holdall.storage.memory import MemoryBucket
from holdall.store import Store

Break = Callable[[MemoryBucket, "World"], None]


class World:
    """A store with a run, a registered model, and what breaking it needs to know."""

    def __init__(self) -> None:
        self.bucket = MemoryBucket()
        self.store = tiny_store(self.bucket)
        self.run = self.store.runs.start(experiment="e")
        for n in range(3):
            self.run.log_bytes(random.Random(n).randbytes(70_000), f"m/{n}.bin")
        self.run.finish()
        self.version = self.store.registry.register(f"runs:/{self.run.id}/m", "fraud")
        self.log = run_log(self.run.id)

    def keys(self, prefix: str) -> list[str]:
        return [key for key in self.bucket.objects if key.startswith(prefix)]

    def entries(self, log: str) -> list[int]:
        keys = (parse_key(key) for key in self.keys(f"{log}/log/"))
        return sorted(key.number for key in keys if key)

    def rewrite(self, log: str, n: int, change: Callable[[dict[str, Any]], object]) -> None:
        """Change an entry, and sign it and all after it anew: only its meaning is wrong."""
        prev = None
        for at in self.entries(log):
            key = log_key(log, at)
            body = json.loads(self.bucket.objects[key].split(b"\n")[0])
            body["prev"] = body["prev"] if at < n or prev is None else prev
            if at == n:
                change(body)
            self.bucket.objects[key] = encode_document(body)
            prev = json.loads(self.bucket.objects[key].split(b"\n")[1])["sha256"]

    def append(self, log: str, *ops: dict[str, Any]) -> None:
        """Add an entry to a log, as any program could."""
        last = self.entries(log)[-1]
        first, second = self.bucket.objects[log_key(log, last)].split(b"\n")[:2]
        body = json.loads(first)
        body |= {"n": last + 1, "prev": json.loads(second)["sha256"], "ops": list(ops), "write_id": "0" * 32}
        body.pop("state", None)
        body.pop("blobs", None)
        self.bucket.objects[log_key(log, last + 1)] = encode_document(body)

    def drop(self, prefix: str) -> None:
        for key in self.keys(prefix):
            del self.bucket.objects[key]


def models_log(world: World) -> str:
    return world.keys("models/")[0].partition("/log/")[0]


@pytest.fixture
def world() -> World:
    return World()


def test_a_whole_store_is_intact(world: World) -> None:
    """What follows is what was broken, and nothing else."""
    assert Store(world.store._location).maintenance.check().problems == []


def state_at_one(w: World) -> None:
    w.append(w.log, {"op": "tag", "key": "a", "value": "b"})
    w.rewrite(w.log, w.entries(w.log)[-1], lambda body: body.update(state_at=1))


def restored_after_its_purge(w: World) -> None:
    w.append(w.log, {"op": "purge"})
    w.append(w.log, {"op": "restore"})


BROKEN: dict[str, tuple[Callable[[World], object], str]] = {
    "state_at": (state_at_one, "its state_at is 1"),
    "no experiment": (lambda w: w.drop("experiments/"), "a run is of this experiment"),
    "no model": (lambda w: w.drop("models/"), "it holds the name 'fraud'"),
    "no model, pinned": (lambda w: w.drop("models/"), "a run is pinned for a version of it"),
    "no name": (lambda w: w.drop("names/"), "is called 'fraud'"),
    "no run": (lambda w: w.drop("runs/"), "whose log is missing"),
    "no pin": (lambda w: w.append(w.log, {"op": "unpin", "pin": next(iter(w.run.state.pins))}), "is not pinned for it"),
    "purged": (lambda w: w.append(w.log, {"op": "purge"}), "which was purged"),
    "after a purge": (restored_after_its_purge,
        "it comes after the run was purged"),
    "claim in a run": (lambda w: w.append(w.log, {"op": "claim", "id": "x", "at": 0}), "claim does not belong"),
    "commit in an experiment": (lambda w: w.append(w.keys("experiments/")[0].partition("/log/")[0], {"op": "fence",
        "generation": 1}), "fence does not belong"),
    "param in a model": (lambda w: w.append(models_log(w), {"op": "param", "key": "a", "value": "b"}),
        "param does not belong"),
    "tag of a name": (lambda w: w.append("names/fraud", {"op": "tag", "key": "a", "value": "b"}),
        "tag does not belong"),
    "a gap": (lambda w: w.bucket.objects.pop(log_key(w.log, 1)), "entry 1 is missing"),
    "a number of its own": (lambda w: w.bucket.objects.update({log_key(w.log, 2**40): b""}),
        "and all to 1099511627775"),
    "an experiment of another name": (lambda w: w.rewrite(w.keys("experiments/")[0].partition("/log/")[0], 0,
        lambda body: body["ops"][0].update(name="other")), "does not begin with the name of this experiment"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_broken_is_named(case: str, world: World) -> None:
    """Each rule over several objects, broken in a store that is whole otherwise."""
    wrong, said = BROKEN[case]
    wrong(world)
    found = tiny_store(world.bucket, create=False).maintenance.check()
    assert not found.intact
    assert any(said in problem.detail for problem in found.problems), found.problems


def test_a_check_goes_on_behind_what_it_finds(world: World) -> None:
    """Of three commits two are bad: both are named, and the third is counted."""
    for path in ("m/0.bin", "m/2.bin"):
        content = world.run.entry(path).content
        assert content
        key = content.location.key  # type: ignore[union-attr]
        world.bucket.objects.pop(key, None)
    found = tiny_store(world.bucket, create=False).maintenance.check()
    assert len({problem.where for problem in found.problems if "missing" in problem.detail}) == 2
    damaged = World()
    for n in (1, 3):
        key = log_key(damaged.log, n)
        damaged.bucket.objects[key] = damaged.bucket.objects[key].replace(b"0", b"1", 1)
    problems = tiny_store(damaged.bucket, create=False).maintenance.check().problems
    assert sum("not the digest of its first" in problem.detail for problem in problems) == 2


def test_files_and_bytes_are_those_of_files(tmp_path: Path) -> None:
    """Links and empty folders are held too, and counted by no commit as files."""
    (tmp_path / "data/empty").mkdir(parents=True)
    (tmp_path / "data/a").write_bytes(b"12")
    (tmp_path / "data/b").write_bytes(b"345")
    (tmp_path / "data/link").symlink_to("a")
    store = tiny_store(MemoryBucket())
    with store.runs.start() as run:
        run.log_artifacts(tmp_path / "data")
    found = store.maintenance.check()
    assert (found.problems, found.files, found.bytes) == ([], 2, 5)


def test_a_check_gets_each_entry_of_a_log_once(world: World) -> None:
    """Also the newest, which is read first to know from which entry on readers need what is there."""
    bucket = FaultyBucket(world.bucket)
    assert Store(tiny_location(bucket, create=False)).maintenance.check(quick=True).intact
    gets = Counter(key for verb, key in bucket.requests if verb == "get" and "/log/" in key)
    assert gets.keys() == {key for key in world.bucket.objects if "/log/" in key}
    assert set(gets.values()) == {1}


def test_a_file_of_large_chunks_is_checked_a_few_at_a_time() -> None:
    """A chunk may be 16 MiB, and compress to nothing: a check holds some of them, not 256."""
    bucket = MemoryBucket()
    template = Descriptor("0" * 32, 0, Chunker(1 << 20, 1 << 22, 1 << 23), 512 << 20)
    tiny_location(bucket, create=False).create(template)
    store = tiny_store(bucket, create=False)
    run = store.runs.start()
    run.log_bytes(b"".join(bytes([n]) * (8 << 20) for n in range(24)), "large")
    run.finish()
    del run
    tracemalloc.start()
    try:
        assert store.maintenance.check().intact
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 120 << 20
