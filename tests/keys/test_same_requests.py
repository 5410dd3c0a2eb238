"""An encrypted store costs the requests of a plain one, verb by verb, and a few of `keys/` where it is opened."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.golden.builder import lines, noise
from tests.golden.sealed_stores import IDENTITY
from tests.support.stores import Serial, tiny_location

from holdall.chunks.pool import Pool
from holdall.format.layout import parse_key
from holdall.keys.unlock import Unlock
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers.trace import Request, TraceBucket
from holdall.store import Store

LARGE = lines("large", 66_000)  # which one pack holds, encrypted or not


class Traced:
    """A store whose requests are counted, by verb and by the kind of object; each act is another process's."""

    def __init__(self, *, sealed: bool) -> None:
        self.sealed, self.objects = sealed, MemoryBucket()
        tiny_location(self.objects, sealed=sealed)
        self.asked: Counter[tuple[str, str]] = Counter()
        self.seed = 1

    def opened(self) -> Store:
        """The store, as one that has just come sees it."""
        self.seed += 1
        bucket = TraceBucket(self.objects, self._count)
        return Store(tiny_location(bucket, seed=self.seed, create=False, pool=Serial(), sealed=self.sealed))

    def _count(self, request: Request) -> None:
        found = parse_key(request.key)
        self.asked[request.verb, found.kind if found else request.key.split("/")[0]] += 1


def _log(store: Store) -> None:
    run = store.runs.start()
    run.log_params({"rate": "0.1"})
    run.log_bytes(LARGE, "large.txt")
    run.log_bytes(b"small", "small.txt")
    run.log_metric("loss", 0.5)
    run.finish()


def _versioned(store: Store) -> None:
    run = store.runs.start(paths="versioned")
    for n in range(3):
        run.log_bytes(b"%d" % n, "last.bin", on_conflict="replace")
    run.finish()


def _read(store: Store) -> None:
    for run_id in store.maintenance.run_ids():
        run = store.runs.get(run_id)
        assert all(run.read(path) for path in run.manifest)


def _register(store: Store) -> None:
    store.registry.register(f"runs:/{next(iter(store.maintenance.run_ids()))}/small.txt", "model")
    store.registry.set_alias("model", "champion", 1)


ACTS: dict[str, Callable[[Store], object]] = {
    "log": _log,
    "log the same again": _log,
    "log versions": _versioned,
    "read": _read,
    "search": lambda store: list(store.runs.search("params.rate = '0.1'")),
    "register": _register,
    "check": lambda store: store.maintenance.check(),
    "measure": lambda store: store.maintenance.du(),
    "collect": lambda store: store.maintenance.gc(delay=0),
}


@pytest.fixture(scope="module")
def counted() -> dict[str, list[Counter[tuple[str, str]]]]:
    """The requests of each act, of a plain store and of an encrypted one."""
    found: dict[str, list[Counter[tuple[str, str]]]] = {act: [] for act in ACTS}
    for sealed in (False, True):
        traced = Traced(sealed=sealed)
        for name, act in ACTS.items():
            traced.asked.clear()
            act(traced.opened())
            found[name].append(Counter(traced.asked))
    return found


@pytest.mark.parametrize("act", ACTS)
def test_an_encrypted_store_costs_the_same_requests(
    act: str,
    counted: dict[str, list[Counter[tuple[str, str]]]],
    record_property: Callable[[str, object], None],
) -> None:
    """But for opening it: two listings of its keys, and the slot that opens it."""
    plain, sealed = counted[act]
    opening = Counter({one: count for one, count in sealed.items() if one[1] in ("keys", "slot")})
    catalogs = Counter(
        {one: count for one, count in plain.items() if one[1] == "catalog"}
    )  # which only plain ones have
    assert sealed - opening - catalogs == plain - catalogs
    assert opening.total() <= (6 if act == "check" else 3)  # that looks at all slots itself
    record_property("counted", f"{act}: {plain.total()} requests, and {opening.total()} to open it encrypted")


def test_the_same_is_stored_once(tmp_path: Path) -> None:
    """Logged twice, by two processes, under two names: no byte of it is in a second pack."""
    bucket, unlock = MemoryBucket(), Unlock(identities=(IDENTITY,))
    (tmp_path / "large").write_bytes(noise("large", 2_000_000))
    Store._over(bucket, Pool(), unlock=unlock).maintenance.create(encrypt=True)
    packs = []
    for path in ("one", "another/name"):
        run = Store._over(bucket, Pool(), unlock=unlock).runs.start()
        run.log_artifact(tmp_path / "large", path)
        run.finish()
        packs.append({key: len(data) for key, data in bucket.objects.items() if key.startswith("packs/")})
    assert packs[0] == packs[1]
    assert 2_000_000 < sum(packs[0].values()) < 2_010_000
