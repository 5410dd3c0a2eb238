"""Experiments with keys of their own: what is theirs opens by these alone, and nothing else does."""

from __future__ import annotations

import random

import pytest
from tests.support.sealed import sealed_location, sealed_store
from tests.support.stores import tiny_store

from holdall.errors import (
    ExperimentExistsError,
    HoldallError,
    InvalidArgumentError,
    InvalidNameError,
    KeyUnavailableError,
)
from holdall.format.layout import own_keys_key, own_mark_key, parse_key
from holdall.format.names import PLAIN_NAMES
from holdall.format.sealed_entry import open_entry
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import TraceBucket
from holdall.storage.wrappers.trace import Request
from holdall.store import Run, Store

CONTENT = random.Random(5).randbytes(40_000)


def logged(store: Store, experiment: str, content: bytes = CONTENT) -> Run:
    """A finished run with a large and a small file, a parameter, a metric and a tag."""
    run = store.runs.start(experiment=experiment, tags={"ward": "seven"})
    run.log_bytes(content, "scan.bin")
    run.log_bytes(b"small and compressible " * 9, "notes/one.txt")
    run.log_param("dose", "3 mg")
    run.log_metric("pulse", 61.0)
    run.finish()
    return run


def sealed_by(bucket: MemoryBucket, store: Store, run: Run) -> set[str]:
    """The names of the keys that open the entries of a run's log."""
    ring = store.experiments._location.ring()
    assert ring is not None
    found = set()
    for key, data in bucket.objects.items():
        parsed = parse_key(key)
        if parsed and parsed.log == f"runs/{run.id}":
            found |= {keys.name for keys in ring.known if _opens(data, key, keys)}
    return found


def _opens(data: bytes, key: str, keys: object) -> bool:
    try:
        open_entry(data, key, [keys])  # type: ignore[list-item]
    except HoldallError:
        return False
    return True


def test_own_runs_are_sealed_by_own_keys_and_others_by_the_stores() -> None:
    """Every entry of a run opens by the keys of its experiment's domain and by no other."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    own, usual = logged(store, "patients"), logged(store, "weather")
    assert sealed_by(bucket, store, own) == {f"{id} 0"}
    assert sealed_by(bucket, store, usual) == {"0"}


def test_who_opened_the_store_before_reads_and_writes_by_own_keys() -> None:
    """A process that knows the store from before the experiment seals its runs by own keys, and reads them."""
    bucket = MemoryBucket()
    store, early = sealed_store(bucket), sealed_store(bucket, seed=1, create=False)
    logged(early, "weather")
    id = store.experiments.create("patients", encryption="own")
    first = logged(store, "patients")
    reader = sealed_store(bucket, seed=2, create=False)
    assert reader.runs.get(first.id).read("scan.bin") == CONTENT
    later = logged(early, "patients")
    assert sealed_by(bucket, store, later) == {f"{id} 0"}
    assert [run.data.params["dose"] for run in reader.runs.search(experiments=[id])] == ["3 mg", "3 mg"]


def test_a_run_that_is_resumed_by_its_id_is_sealed_by_own_keys() -> None:
    """Who resumes a run by its id alone writes by the keys of its experiment."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    run = logged(store, "patients")
    other = sealed_store(bucket, seed=3, create=False)
    resumed = other.runs.resume(run.id)
    resumed.log_bytes(CONTENT[::-1], "more.bin")
    resumed.finish()
    assert sealed_by(bucket, store, run) == {f"{id} 0"}


def test_content_is_stored_once_within_a_domain_and_once_in_each() -> None:
    """The same file in two runs of one experiment is stored once; in another domain once more."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    store.experiments.create("patients", encryption="own")

    def packed() -> int:
        return sum(len(data) for key, data in bucket.objects.items() if key.startswith("packs/"))

    large = random.Random(6).randbytes(300_000)
    logged(store, "patients", large)
    once = packed()
    logged(store, "patients", large)
    again = packed()
    logged(store, "weather", large)
    assert once >= len(large)
    assert again - once < 4_000
    assert packed() - again >= len(large)


def test_a_usual_experiment_costs_no_request_more() -> None:
    """A run of an experiment without own keys asks an encrypted store for as much as before: one listing of it."""
    bucket = MemoryBucket()
    sealed_store(bucket).experiments.create("weather")
    requests: list[Request] = []
    trace = TraceBucket(bucket, requests.append)
    run = sealed_store(trace, seed=4, create=False).runs.start(experiment="weather")
    run.finish()
    asked = [request for request in requests if "experiments/" in request.key]
    assert [(request.verb, request.key[:12]) for request in asked] == [("list", "experiments/")]


def test_a_writer_that_sees_the_mark_without_the_log_seals_by_own_keys() -> None:
    """Between the mark and the log of an experiment that is being made, nobody seals its runs by the store's keys."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    store.experiments._give_keys("patients")
    run = logged(sealed_store(bucket, seed=6, create=False), "patients")
    assert sealed_by(bucket, store, run) == set()
    assert store.runs.get(run.id).read("scan.bin") == CONTENT
    assert sealed_by(bucket, store, run) == {f"{store.experiments.id_of('patients')} 0"}


def test_keys_that_are_lost_are_named() -> None:
    """Without the object of its keys nobody writes to an experiment, and the error says what is missing."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    bucket.delete(own_keys_key(id))
    assert [problem.where for problem in store.maintenance.check().problems] == [own_keys_key(id)]
    with pytest.raises(KeyUnavailableError, match="keys/experiments/"):
        sealed_store(bucket, seed=7, create=False).runs.start(experiment="patients")


@pytest.mark.parametrize("encryption", ["none", "store", "", 1])
def test_other_encryptions_are_refused(encryption: object) -> None:
    """What is neither "own" nor None is refused before anything is made."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    with pytest.raises(InvalidArgumentError, match="own"):
        store.experiments.create("patients", encryption=encryption)  # type: ignore[arg-type]
    assert not [key for key in bucket.objects if "experiments/" in key]


def test_own_keys_need_an_encrypted_store() -> None:
    """A store that is not encrypted refuses own keys, and makes nothing."""
    bucket = MemoryBucket()
    with pytest.raises(InvalidArgumentError, match="encrypted store"):
        tiny_store(bucket).experiments.create("patients", encryption="own")
    assert not [key for key in bucket.objects if "experiments/" in key]


def test_an_experiment_that_is_there_gets_no_keys() -> None:
    """An experiment that has runs sealed by the store's keys is given none of its own."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("weather")
    with pytest.raises(ExperimentExistsError):
        store.experiments.create("weather", encryption="own")
    assert own_keys_key(id) not in bucket.objects
    assert own_mark_key(id) not in bucket.objects


def test_every_bit_of_wrapped_keys_counts() -> None:
    """Whatever bit of the object of an experiment's keys is flipped, its runs are not read, and an error says so."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    run = logged(store, "patients", b"x")
    ring = store.experiments._location.ring()
    assert ring is not None
    key, n = own_keys_key(id), 0
    whole = bucket.objects[key]
    for at in range(0, len(whole) * 8, 7):
        flipped = bytearray(whole)
        flipped[at // 8] ^= 1 << at % 8
        bucket.objects[key] = bytes(flipped)
        try:
            found = ring.own.find(id)
        except HoldallError:
            n += 1
            continue
        assert not found[id].domains
        n += 1
    assert n > 300
    bucket.objects[key] = whole
    assert sealed_store(bucket, seed=8, create=False).runs.get(run.id).read("scan.bin") == b"x"


def test_keys_of_one_experiment_are_not_anothers() -> None:
    """The object of one experiment's keys, put in the place of another's, is refused."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    first, second = (store.experiments.create(name, encryption="own") for name in ("patients", "staff"))
    bucket.objects[own_keys_key(first)] = bucket.objects[own_keys_key(second)]
    with pytest.raises(HoldallError, match="another experiment"):
        sealed_location(bucket, seed=9, create=False).require_keys(first)


def test_requests_of_reading_own_runs_do_not_grow_with_runs() -> None:
    """Who reads ten runs of an experiment looks for its keys once."""
    bucket = MemoryBucket()
    store = sealed_store(bucket)
    id = store.experiments.create("patients", encryption="own")
    for _ in range(3):
        logged(store, "patients", b"x")
    requests: list[Request] = []
    trace = TraceBucket(bucket, requests.append)
    assert len(sealed_store(trace, seed=10, create=False).runs.search(experiments=[id])) == 3
    assert len([request for request in requests if "keys/experiments/" in request.key]) <= 4


def test_ids_that_begin_alike_are_refused() -> None:
    """Where runs of two experiments would begin alike, neither is made that has, or meets, keys of its own."""

    class Alike:
        """Names of which all have the same first digits."""

        def experiment_id(self, name: str) -> str:
            return "00000000" + name.encode().hex()[:8].ljust(8, "0")

        def __getattr__(self, name: str) -> object:
            return getattr(PLAIN_NAMES, name)

    bucket = MemoryBucket()
    store = sealed_store(bucket)
    ring = store.experiments._location.ring()
    assert ring is not None
    ring.names = Alike()  # type: ignore[assignment]
    store.experiments.create("aa")
    with pytest.raises(InvalidNameError, match="begin as another's"):
        store.experiments.create("bb", encryption="own")
    other = sealed_store(MemoryBucket(), seed=11)
    ring = other.experiments._location.ring()
    assert ring is not None
    ring.names = Alike()  # type: ignore[assignment]
    other.experiments.create("aa", encryption="own")
    with pytest.raises(InvalidNameError, match="own keys"):
        other.experiments.ensure("bb")
