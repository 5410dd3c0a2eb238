"""Between stores of different keys content is named and sealed anew, and experiments are found by their names."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from tests.support.depth import thinned
from tests.support.stores import Serial, tiny_store

from holdall.copying.report import CopyReport
from holdall.errors import InvalidArgumentError
from holdall.format.layout import experiment_id
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store, Unlock

BIG = random.Random(1).randbytes(70_000)
WAYS = {"plain to encrypted": (False, True), "encrypted to plain": (True, False), "encrypted to other": (True, True)}


class Pair:
    """A store with runs of all sorts, and an empty one of other keys."""

    def __init__(self, way: str) -> None:
        sealed, there = WAYS[way]
        self.bucket, self.other = MemoryBucket(), MemoryBucket()
        self.here = tiny_store(self.bucket, seed=1, pool=Serial(), sealed=sealed)
        self.inner, self.there = there, tiny_store(self.other, seed=2, pool=Serial(), sealed=there)
        first = self.here.runs.start(experiment="vision", name="first")
        first.log_bytes(BIG, "big.bin")
        first.log_bytes(b"small", "dir/small.txt")
        first.log_param("lr", 0.1)
        first.log_metric("loss", 0.5, step=1)
        first.finish()
        changing = self.here.runs.start(experiment="vision", name="changing", paths="versioned")
        for n in range(3):
            changing.log_bytes(random.Random(n).randbytes(70_000), "last.bin", on_conflict="replace", keep_last=2)
        changing.log_bytes(BIG + b"more", "shared.bin")
        changing.set_tag("mlflow.parentRunId", first.id)
        changing.finish()
        other = self.here.runs.start(experiment="speech", name="other")
        other.log_bytes(BIG, "again.bin")
        other.finish()
        self.runs = {"first": first, "changing": changing, "other": other}
        self.here.registry.register(f"runs:/{first.id}/dir", "fraud")
        self.here.registry.set_alias("fraud", "champion", 1)

    def copy(self, **how: object) -> CopyReport:
        """One copy of all."""
        return self.here.maintenance.copy_to(self.there, **{"decrypt": not self.inner} | how)  # type: ignore[arg-type]

    def copied(self, name: str) -> Run:
        """A run as the destination has it."""
        found = [run for run in self.there.runs.search() if run.info.run_name == name]
        assert len(found) == 1
        return self.there.runs.get(found[0].info.run_id)


@pytest.fixture(params=thinned([*WAYS], 3))
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(request.param)


def test_everything_reads_back_under_other_names(pair: Pair) -> None:
    """Files, parameters, measurements, earlier versions; experiments by their names; nothing is wrong there."""
    assert pair.copy().complete
    assert {one.name for one in pair.there.experiments.search()} == {"vision", "speech"}
    for name, run in pair.runs.items():
        copied = pair.copied(name)
        assert copied.manifest == run.manifest
        assert (copied.data.params, copied.data.metrics) == (run.data.params, run.data.metrics)
        assert copied.id[8:] == run.id[8:]
        assert copied.id[:8] != run.id[:8]
        for path in run.manifest:
            assert copied.read(path) == run.read(path)
    assert pair.copied("changing").data.tags["mlflow.parentRunId"] == pair.copied("first").id
    for quick in (True, False):
        assert pair.there.maintenance.check(quick=quick).problems == []


def test_a_second_copy_sends_nothing(pair: Pair) -> None:
    """The marks are understood: all is the same, and nothing is written."""
    pair.copy()
    before = dict(pair.other.objects)
    again = pair.copy()
    assert {run.outcome for run in again.runs} == {model.outcome for model in again.models} == {"same"}
    assert {key for key in pair.other.objects if key not in before} == set()


def test_what_is_new_is_sent_and_what_is_there_is_not(pair: Pair) -> None:
    """Content that the destination has under its own names is found; a run that went on goes on there."""
    pair.copy()
    run = pair.here.runs.start(experiment="vision", name="more")
    run.log_bytes(BIG, "big again.bin")
    run.finish()
    pair.runs["other"] = pair.here.runs.get(pair.runs["other"].id)
    pair.runs["other"].log_bytes(b"later", "later.txt")
    found = {one.run_id: one for one in pair.copy().runs}
    assert found[run.id].new_bytes < 7_000
    assert found[pair.runs["other"].id].outcome == "more"
    assert pair.copied("more").read("big again.bin") == BIG
    assert pair.copied("other").read("later.txt") == b"later"
    assert pair.there.maintenance.check().problems == []


def test_models_keep_their_versions_and_name_the_copied_run(pair: Pair) -> None:
    """Under the same name, which another key makes another log of; promoting finds the same version."""
    pair.copy()
    version = pair.there.registry.version_at("models:/fraud@champion")
    assert version.run_id == pair.copied("first").id
    found = pair.here.maintenance.copy_to(pair.there, models=["fraud@champion"], decrypt=True)
    assert [(one.outcome, one.version) for one in found.models] == [("same", 1)]


def test_a_name_tells_the_experiment_of_a_plain_store_alone() -> None:
    """The id in an encrypted store is no digest of the name that anybody can compute."""
    pair = Pair("plain to encrypted")
    pair.copy()
    assert not any(experiment_id("vision")[:8] in key for key in pair.other.objects)


def test_what_is_encrypted_is_not_written_in_the_open_unasked(tmp_path: Path) -> None:
    """Not into a store that is there, nor one that would be made, nor parts into a bundle; and nothing is sent."""
    pair = Pair("encrypted to plain")
    before = dict(pair.other.objects)
    for where in (pair.there, "memory://copied-in-the-open", str(tmp_path / "bundle.zip")):
        for dry_run in (True, False):
            with pytest.raises(InvalidArgumentError, match="encrypted"):
                pair.here.maintenance.copy_to(where, dry_run=dry_run, experiments=["vision"])
    assert pair.other.objects == before
    assert not list(tmp_path.iterdir())


def test_a_plain_bundle_of_an_encrypted_store_is_asked_for(tmp_path: Path) -> None:
    """Then it opens without any key."""
    pair = Pair("encrypted to plain")
    pair.here.maintenance.copy_to(str(tmp_path / "bundle.zip"), decrypt=True)
    store = Store.open(str(tmp_path / "bundle.zip"))
    assert {run.info.run_name for run in store.runs.search()} == {"first", "changing", "other"}


def test_back_again_it_comes_from_there(pair: Pair) -> None:
    """A copy of a copy into the first store finds the runs that it was made of."""
    pair.copy()
    back = pair.there.maintenance.copy_to(pair.here, decrypt=True)
    assert {run.outcome for run in back.runs} == {"same"}


@pytest.mark.every(3)
def test_a_destination_by_address_takes_the_keys_that_are_given(tmp_path: Path) -> None:
    """Those of the source's where none are said: a passphrase may be of both."""
    pair = Pair("plain to encrypted")
    address = str(tmp_path / "store")
    Store.open(address, unlock=Unlock(passphrase="long enough")).maintenance.create(encrypt=True)
    found = pair.here.maintenance.copy_to(address, options={"unlock": Unlock(passphrase="long enough")})
    assert found.complete
