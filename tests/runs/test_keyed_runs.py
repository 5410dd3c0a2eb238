"""A run that a key names, and what is at an address."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.faulty import FaultyBucket

from holdall.chunks.pool import Pool
from holdall.errors import (
    ArtifactNotFoundError,
    ExperimentDeletedError,
    InvalidNameError,
    InvalidURIError,
    RunDeletedError,
    StoreNotFoundError,
)
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@pytest.fixture
def bucket() -> FaultyBucket:
    """A bucket in memory that counts requests."""
    return FaultyBucket(MemoryBucket())


def _process(bucket: FaultyBucket) -> Store:
    return Store._over(bucket, Pool())


def test_many_who_ask_for_a_key_at_once_get_one_run(bucket: FaultyBucket) -> None:
    """Of eight processes one begins it, and what all log is in it."""
    _process(bucket).runs.start(experiment="vision").finish()

    def log(number: int) -> str:
        run = _process(bucket).runs.ensure("nightly", experiment="vision")
        run.log_text(str(number), f"{number}.txt")
        run.finish()
        return run.id

    with ThreadPoolExecutor(8) as threads:
        ids = set(threads.map(log, range(8)))
    (id,) = ids
    reader = _process(bucket)
    assert id == reader.runs.id_of("nightly", "vision")
    assert sorted(reader.runs.get(id).manifest) == [f"{number}.txt" for number in range(8)]


def test_a_run_that_is_there_stays_as_it_is(bucket: FaultyBucket) -> None:
    """Its name, its end and its tags are those that it has, whatever is asked for."""
    _process(bucket).runs.ensure("nightly", name="first", tags={"team": "a"}).finish()
    again = _process(bucket).runs.ensure("nightly", name="second", tags={"team": "b"}, paths="versioned")
    assert (again.info.run_name, again.info.status, again.data.tags["team"]) == ("first", "FINISHED", "a")
    assert not again.state.versioned


def test_a_run_that_is_known_costs_no_request(bucket: FaultyBucket) -> None:
    """One listing tells whether it is there; a process asks once."""
    _process(bucket).runs.ensure("nightly").finish()
    store = _process(bucket)
    store.runs.start().finish()  # by which the store and the experiment are known
    before = bucket.count()
    store.runs.ensure("nightly")
    assert bucket.count() - before == 1
    store.runs.ensure("nightly")
    assert bucket.count() - before == 1


def test_keys_and_experiments_keep_runs_apart(bucket: FaultyBucket) -> None:
    """Equal keys of two experiments, and two keys of one, name different runs, each in its experiment."""
    store = _process(bucket)
    runs = [store.runs.ensure(key, experiment=name) for key in ("a", "b", "ä") for name in ("vision", "text")]
    assert len({run.id for run in runs}) == 6
    assert all(run.info.experiment_id.startswith(run.id[:8]) for run in runs)


@pytest.mark.parametrize("key", ["", None, 7])
def test_what_is_no_key_is_refused(bucket: FaultyBucket, key: object) -> None:
    """Before anything is asked of the bucket."""
    with pytest.raises(InvalidNameError, match="key of a run"):
        _process(bucket).runs.ensure(key)  # type: ignore[arg-type]
    assert not bucket.count()


def test_deleted_things_are_not_begun_again(bucket: FaultyBucket) -> None:
    """A deleted run is there, and says so when it is written to; a deleted experiment takes no run."""
    store = _process(bucket)
    store.runs.ensure("nightly", experiment="vision").delete()
    with pytest.raises(RunDeletedError):
        _process(bucket).runs.ensure("nightly", experiment="vision").log_text("all is well", "report.txt")
    store.experiments.delete(store.experiments.id_of("vision"))
    with pytest.raises(ExperimentDeletedError):
        _process(bucket).runs.ensure("another", experiment="vision")


def test_an_address_tells_what_is_there(bucket: FaultyBucket) -> None:
    """A file, an empty directory, one that is implied by a file, the root; nothing is an error."""
    with _process(bucket).runs.start() as run:
        run.log_text("all is well", "plots/report.txt")
    artifacts, uri = _process(bucket).artifacts, f"runs:/{run.id}"
    found = artifacts.info(f"{uri}/plots/report.txt")
    assert (found.run_id, found.path, found.kind, found.size) == (run.id, "plots/report.txt", "file", 11)
    assert found.sha256 == run.manifest["plots/report.txt"]
    assert [artifacts.info(at).kind for at in (f"{uri}/plots", uri)] == ["directory"] * 2
    assert artifacts.resolve(f"{uri}/plots/report.txt") == (run.id, "plots/report.txt")
    for nothing in ("plot", "plots/report.txt/more", "other"):
        with pytest.raises(ArtifactNotFoundError):
            artifacts.info(f"{uri}/{nothing}")
    with pytest.raises(InvalidURIError):
        artifacts.resolve("report.txt")


def test_a_store_has_an_id_of_its_own(bucket: FaultyBucket) -> None:
    """By any handle the same, of another store another; where there is no store there is none."""
    with pytest.raises(StoreNotFoundError):
        _process(bucket).id  # noqa: B018
    _process(bucket).runs.start().finish()
    other = FaultyBucket(MemoryBucket())
    _process(other).runs.start().finish()
    assert _process(bucket).id == _process(bucket).id != _process(other).id
