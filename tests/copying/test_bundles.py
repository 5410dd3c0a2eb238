"""A store travels in one file: what is copied out of it is what was copied into it, and later ones bring more."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.copied import intact, known, noise, opened, pair
from tests.support.faulty import Crash
from tests.support.shell import Shell
from tests.support.stores import tiny_store

from holdall.copying.bundles import write_bundle
from holdall.copying.copy import Manner, Wanted
from holdall.engines.mapping import Engine
from holdall.errors import DestinationError, InvalidArgumentError, StorageError, StoreNotFoundError
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


def test_a_bundle_opens_as_a_store_and_is_copied_on(tmp_path: Path) -> None:
    """Runs, models and aliases go into a file and out of it; the file itself can be searched, read and checked."""
    stores, made = pair(), tmp_path / "all.zip"
    with stores.source.runs.start(experiment="a") as run:
        run.log_bytes(noise(90_000), "model/weights.bin")
        run.log_metric("loss", 0.5)
    stores.source.registry.register(f"runs:/{run.id}/model", "fraud")
    stores.source.registry.set_alias("fraud", "champion", 1)
    report = stores.source.maintenance.copy_to(str(made))
    assert (report.complete, report.destination) == (True, str(made))
    bundle = Store.open(str(made))
    assert known(bundle.runs.get(run.id)) == known(stores.source.runs.get(run.id))
    assert [found.info.run_id for found in bundle.runs.search("metrics.loss < 1")] == [run.id]
    assert bundle.artifacts.read("models:/fraud@champion/weights.bin") == noise(90_000)
    assert intact(bundle)
    with pytest.raises(StorageError, match="only read") as refused:
        bundle.runs.start()
    assert "bundle read" in refused.value.hint
    assert bundle.maintenance.copy_to(stores.copy).complete
    assert known(stores.copy.runs.get(run.id)) == known(stores.source.runs.get(run.id))
    assert stores.copy.registry.get_version_by_alias("fraud", "champion").run_id == run.id
    assert intact(stores.copy)


def test_a_bundle_of_a_part_of_an_encrypted_store_is_asked_for_in_so_many_words(tmp_path: Path) -> None:
    """What is said instead can be done: a bundle of all of it, which stays encrypted; no file is left."""
    store = tiny_store(MemoryBucket(), sealed=True)
    with store.runs.start() as run:
        run.log_bytes(b"private", "a.txt")
    with pytest.raises(InvalidArgumentError, match="make one of all that it holds, which stays encrypted"):
        store.maintenance.copy_to(str(tmp_path / "part.zip"), runs=[run.id])
    assert list(tmp_path.iterdir()) == []
    assert store.maintenance.copy_to(str(tmp_path / "all.zip")).complete
    assert store.maintenance.copy_to(str(tmp_path / "part.zip"), runs=[run.id], decrypt=True).complete
    part = Store.open(str(tmp_path / "part.zip"))  # in which ids of runs are others
    assert [part.runs.get(found.info.run_id).read("a.txt") for found in part.runs.search()] == [b"private"]


def test_a_later_bundle_brings_up_to_date_what_an_earlier_one_made(tmp_path: Path) -> None:
    """Bundles are copies of one source, so they follow one another, and a direct copy goes on from them."""
    stores = pair()
    run = stores.source.runs.start()
    for n in range(3):
        run.log_bytes(noise(70_000, n), f"{n}.bin")
        run.log_metric("loss", float(n), step=n)
        run.flush()
        stores.source.maintenance.copy_to(str(tmp_path / f"{n}.zip"))
    outcomes = []
    for n in (0, 2, 1):
        report = Store.open(str(tmp_path / f"{n}.zip")).maintenance.copy_to(stores.copy)
        outcomes += [copied.outcome for copied in report.runs]
    assert outcomes == ["new", "more", "same"]
    assert known(stores.copy.runs.get(run.id)) == known(stores.source.runs.get(run.id))
    assert stores.outcomes() == ["same"]
    run.log_metric("loss", 9.0, step=9)
    run.finish()
    assert stores.outcomes() == ["more"]
    assert known(stores.copy.runs.get(run.id)) == known(stores.source.runs.get(run.id))


def test_a_bundle_that_fails_is_not_there(tmp_path: Path) -> None:
    """Killed or refused on the way, no file of the name is left, nor one beside it; what is there is not replaced."""
    stores, made = pair(), tmp_path / "all.zip"
    with stores.source.runs.start() as run:
        run.log_bytes(noise(90_000), "a.bin")

    def die(_: int, __: str, verb: str, ___: str) -> None:
        if verb == "get_range":
            raise Crash

    stores.here.on = die
    with pytest.raises(Crash):
        stores.source.maintenance.copy_to(str(made))
    stores.here.on = None
    assert list(tmp_path.iterdir()) == []
    assert stores.source.maintenance.copy_to(str(made), dry_run=True).complete
    assert list(tmp_path.iterdir()) == []
    made.write_bytes(b"mine")
    with pytest.raises(DestinationError, match="there already"):
        stores.source.maintenance.copy_to(str(made))
    here = opened(stores.here)._location
    with pytest.raises(InvalidArgumentError, match="in one process"):
        write_bundle(here, tmp_path / "b.zip", Wanted(), Manner(), Engine(1))


def test_what_is_no_bundle_is_no_store(tmp_path: Path) -> None:
    """A missing file is a store that is not there."""
    with pytest.raises(StoreNotFoundError):
        Store.open(str(tmp_path / "missing.zip")).maintenance.copy_to("memory://elsewhere")


def test_the_command_line_copies_and_bundles(tmp_path: Path) -> None:
    """`store copy` and `store bundle` say what they did, by exit code too; `-` writes to the standard output."""
    shell = Shell(tmp_path)
    with Store.open(str(tmp_path / "store")).runs.start(experiment="a", name="one") as run:
        run.log_bytes(noise(90_000), "model/weights.bin")
        run.log_metric("loss", 0.5)
    said = shell("store", "copy", "store", "copy", "--dry-run")
    assert f"new       run {run.id}  1 file" in said
    assert "would be sent" in said
    assert not (tmp_path / "copy").exists()
    assert "1 run (1 new)" in shell("store", "copy", "store", "copy", "--run", run.id[:12])
    assert shell("store", "copy", "store", "copy").startswith("1 run (1 same), 0 B sent")
    assert '"complete": true' in shell("store", "copy", "store", "copy", "--json", "-e", "a")
    assert "1 new" in shell("store", "bundle", "write", "store", "a.zip")
    assert "1 same" in shell("store", "bundle", "read", "a.zip", "copy")
    assert run.id in shell("--store", "a.zip", "run", "list")
    with Store.open(str(tmp_path / "copy")).runs.resume(run.id) as mine:
        mine.log_metric("mine", 1.0)
    with Store.open(str(tmp_path / "store")).runs.resume(run.id) as more:
        more.log_metric("loss", 0.25)
    assert "conflict  run" in shell("store", "copy", "store", "copy", code=1)
    shell("store", "bundle", "write", "store", "a.tar", code=2)


def test_a_model_that_cannot_be_copied_is_told_without_a_count(tmp_path: Path) -> None:
    """A model that was promoted by version is not copied as a whole, too; nothing of it was counted."""
    shell = Shell(tmp_path)
    (tmp_path / "data.txt").write_bytes(b"data")
    id = shell.log("data.txt")
    Store.open(str(shell.folder / "store")).registry.register(f"runs:/{id}/data.txt", "fraud")
    store, prod = str(shell.folder / "store"), str(shell.folder / "prod")
    shell("store", "copy", store, prod, "--model", "fraud/1")
    told = shell("store", "copy", store, prod, "--model", "fraud", code=1)
    assert "conflict  model fraud: another model is called 'fraud' in the destination" in told
