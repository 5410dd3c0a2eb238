"""A store that is checked in shards: the same findings, whatever it is cut into and whoever does it."""

from __future__ import annotations

import io
import os
import signal
import tracemalloc
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from tests.support.bigstore import put_pack
from tests.support.depth import DEEP
from tests.support.logs import packs_in
from tests.support.stores import TINY, entropy, tiny_location

from holdall.checking.check import ONE_SHARD, check
from holdall.checking.check_packs import PackShard, check_packs
from holdall.checking.findings import Findings
from holdall.engines.mapping import Engine
from holdall.engines.opening import open_engine
from holdall.errors import InvalidArgumentError
from holdall.format.layout import PackName
from holdall.storage.bucket import Bucket
from holdall.storage.local import LocalBucket
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import Request, TraceBucket
from holdall.store import Store
from holdall.trees.location import Location

SHARED = entropy(71)(30_000)
ORPHAN = PackName(b"o" * 16, 0)
LIBRARIES = {"ray": "ray", "dask": "distributed"}


def fill(location: Location) -> None:
    """Runs of two experiments that share content, a registered model, an orphan."""
    store = Store(location)
    for experiment in ("vision", "speech"):
        for n in range(3):
            run = store.runs.start(experiment=experiment)
            run.log_stream(io.BytesIO(SHARED + entropy(80 + n)(9_000)), "weights.bin")
            run.log_text(f"{n}", "notes.txt")
            run.finish()
    store.registry.register(f"runs:/{run.id}/notes.txt", "notes")
    put_pack(location.bucket, ORPHAN, [entropy(90)(32)])


@pytest.fixture(scope="module")
def objects() -> dict[str, bytes]:
    bucket = MemoryBucket()
    fill(tiny_location(bucket))
    return bucket.objects


def located(bucket: Bucket, seed: int = 3) -> Location:
    return tiny_location(bucket, seed=seed, create=False)


def in_shards(bucket: Bucket, engine: Engine | None = None, *, quick: bool = False) -> Findings:
    """Findings of a check in as many shards as there can be."""
    return check(located(bucket), quick=quick, engine=engine, one_shard=0, runs=1)


def damaged(objects: dict[str, bytes], key: str, how: str) -> MemoryBucket:
    bucket = MemoryBucket("damaged", dict(objects))
    data = bucket.objects.pop(key)
    if how == "flipped":
        bucket.objects[key] = data[: len(data) // 2] + bytes([data[len(data) // 2] ^ 1]) + data[len(data) // 2 + 1 :]
    elif how == "cut":
        bucket.objects[key] = data[: len(data) // 2]
    elif how == "replaced":
        other = next(each for each in packs_in(MemoryBucket("", objects)) if each != key)
        bucket.objects[key] = objects[other] if key.startswith("packs/") else data
    return bucket


@pytest.mark.parametrize("how", ["flipped", "cut", "deleted", "replaced"])
@pytest.mark.every(2)
def test_the_findings_do_not_depend_on_the_shards(objects: dict[str, bytes], how: str) -> None:
    """Whatever object is damaged, and however: all that is found, counted and touched is the same."""
    keys = sorted(objects)
    for at, key in enumerate(keys):
        if not key.startswith("packs/") and at % 3:
            continue
        bucket, quick = damaged(objects, key, how), bool(at % 2)
        whole = check(located(bucket), quick=quick)
        assert in_shards(bucket, quick=quick) == whole, key
        if how == "replaced" and key.startswith("packs/") and ORPHAN.key != key:
            assert quick or not whole.intact


def test_a_store_of_few_packs_is_one_piece(objects: dict[str, bytes]) -> None:
    """Then each object is asked for once, and each file once more: no footer is fetched, and nothing listed twice."""
    asked: Counter[tuple[str, str]] = Counter()
    bucket = TraceBucket(MemoryBucket("", objects), lambda request: asked.update([(request.verb, request.key)]))
    check(located(bucket), quick=True)
    assert len(packs_in(MemoryBucket("", objects))) < ONE_SHARD
    assert {key for (verb, key), n in asked.items() if verb == "list"} == {"", "runs/"}
    assert max(n for (verb, key), n in asked.items() if key.startswith(("hints/", "names/"))) == 1


def test_what_shards_ask_for_is_counted(objects: dict[str, bytes], request: pytest.FixtureRequest) -> None:
    """A footer more for each pack and shard of runs that refers to it, and for each hint; all else as in one piece."""

    def count(one_shard: int) -> Counter[str]:
        asked: Counter[str] = Counter()

        def note(asking: Request) -> None:
            asked[f"{asking.verb} {asking.key.partition('/')[0]}"] += 1

        check(located(TraceBucket(MemoryBucket("", objects), note)), quick=True, one_shard=one_shard, runs=1)
        return asked

    whole, shards = count(ONE_SHARD), count(0)
    packs, hints = len(packs_in(MemoryBucket("", objects))), sum(key.startswith("hints/") for key in objects)
    runs = 6
    more = {name: n - whole[name] for name, n in shards.items() if n > whole[name]}
    assert more.keys() <= {"get_range packs", "list packs", "list hints", "list runs"}
    assert more["get_range packs"] <= packs * runs + hints
    assert (more["list packs"], more["list hints"]) == (16, 16)
    told = ", ".join(f"{n} {name}" for name, n in sorted(more.items()))
    request.node.user_properties.append(("counted", f"check in shards ({packs} packs, {runs} runs): {told} more"))


def test_a_worker_holds_no_more_of_a_larger_shard(request: pytest.FixtureRequest) -> None:
    """Three times as many packs: the same rows at once, so about the same memory; what is returned is a line a pack."""

    def peak(packs: int) -> int:
        bucket, source = MemoryBucket(), entropy(95)
        tiny_location(bucket)
        for n in range(packs):
            put_pack(bucket, PackName(b"p" * 16, n), [source(32) for _ in range(100)])
        tracemalloc.start()
        try:
            seen = check_packs(located(bucket), True, False, PackShard())
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
            assert len(seen.good) == packs

    small, large = peak(300), peak(900)
    assert large < 1.3 * small
    request.node.user_properties.append(
        ("counted", f"check of packs: {small >> 10} KiB for 300, {large >> 10} for 900")
    )


@pytest.fixture(params=["threads", "ray", "dask"] if DEEP else ["threads", "ray"])
def engine(request: pytest.FixtureRequest) -> str:
    if request.param in LIBRARIES:
        pytest.importorskip(LIBRARIES[request.param], reason=f"pip install 'holdall[{request.param}]'")
    return str(request.param)


class Deadly(LocalBucket):
    """A folder that kills the process that reads some key of it, once; a file tells that it has."""

    def __init__(self, path: Path, key: str) -> None:
        super().__init__(path)
        self._place, self._deadly = path, key

    def __reduce__(self) -> tuple[type[Deadly], tuple[Path, str]]:
        return Deadly, (self._place, self._deadly)

    def get(self, key: str, *, limit: int | None = None) -> bytes:
        if key == self._deadly:
            try:
                (self._place.parent / "killed").touch(exist_ok=False)
            except FileExistsError:
                return super().get(key, limit=limit)
            os.kill(os.getpid(), signal.SIGKILL)
        return super().get(key, limit=limit)


def without_details(found: Findings) -> Findings:
    """The same findings: of a file with two bad packs, either may be met first."""
    return replace(found, problems=[replace(problem, detail="") for problem in found.problems])


@pytest.mark.long
def test_the_findings_do_not_depend_on_the_engine(engine: str, tmp_path: Path) -> None:
    """Threads, Ray, Dask: the same findings on a damaged store, also where a worker is killed in the middle."""
    bucket = LocalBucket(tmp_path / "store")
    location = Store._over(bucket, tiny_location(MemoryBucket()).pool)._location
    location.create(TINY)
    fill(location)
    packs = [key for key in packs_in(bucket) if key != ORPHAN.key]
    place = tmp_path / "store" / packs[0]
    data = place.read_bytes()
    place.chmod(0o644)
    place.write_bytes(data[:40] + bytes([data[40] ^ 1]) + data[41:])
    (tmp_path / "store" / packs[1]).unlink()
    whole = check(location)
    assert not whole.intact
    assert whole.missing
    located = Store._over(Deadly(tmp_path / "store", packs[-1]), location.pool)._location
    if engine == "threads":
        located = location
    with open_engine(engine, workers=2) as opened:
        assert without_details(check(located, engine=opened, one_shard=0, runs=3)) == without_details(whole)
    assert (tmp_path / "killed").exists() == (engine != "threads")


def test_a_store_in_memory_has_no_workers_elsewhere() -> None:
    """Another process would see a copy of it, so that is refused by name."""
    pytest.importorskip("distributed")
    location = tiny_location(MemoryBucket())
    with pytest.raises(InvalidArgumentError, match="in this process alone"):
        Store(location).maintenance.check(engine="dask", workers=1)
