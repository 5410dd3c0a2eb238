"""`holdall gc` at a shell: what it says of a collection, before and after."""

from __future__ import annotations

import hashlib
import random
import re
import time
from pathlib import Path

import pytest
from tests.support.shell import Shell

from holdall.retention.performing import append_purge, append_tombstone
from holdall.store import Store

KEPT = random.Random("kept").randbytes(200_000)


class Lab(Shell):
    """A store with a run that stays, one that is purged, and one that is open."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store = Store.open(str(folder / "store"))
        self.kept = self._log("kept", KEPT)
        self.gone = self._log("gone", random.Random("gone").randbytes(200_000))
        append_tombstone(self.store._location, self.gone)
        assert append_purge(self.store._location, self.gone, lambda _: True)

    def _log(self, name: str, data: bytes) -> str:
        run = self.store.runs.start(name=name)
        run.log_bytes(data, "a.bin")
        run.finish()
        return run.id

    @property
    def packs(self) -> set[str]:
        return {path.name for path in (self.folder / "store" / "packs").rglob("*-*")}


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_a_dry_run_says_what_would_go_and_writes_nothing(lab: Lab) -> None:
    """Packs, bytes and requests; the same for programs."""
    packs = lab.packs
    told = lab("gc", "--dry-run", "--delay", "0")
    assert re.search(r"garbage     1 pack of \d+\.\d KiB: would be deleted\n", told)
    assert re.search(r"requests    about \d+\n", told)
    assert "freed" not in told
    document = lab.json("gc", "--dry-run", "--delay", "0")
    assert document["garbage"]["packs"] == 1
    assert document["dry_run"] is True
    assert lab.packs == packs
    assert not (lab.folder / "store" / "gc").exists()


def test_a_collection_says_what_it_freed_and_what_is_too_young(lab: Lab) -> None:
    """First nothing, as all is younger than a day; then the pack of the purged run."""
    assert re.search(r"young       1 pack of .*: unreferenced, and younger than the delay\n", lab("gc"))
    told = lab("gc", "--delay", "0")
    assert re.search(r"generation 0 deleted 1 pack of ", told)
    assert told.endswith("KiB\n")
    assert len(lab.packs) == 1
    again = lab("gc", "--delay", "0")
    assert "garbage     none\n" in again
    assert again.endswith("freed 0 packs of 0 B\n")


def test_a_quarantine_waits_and_can_be_undone(lab: Lab) -> None:
    """It says until when, and how to take it back."""
    told = lab("gc", "--delay", "0", "--quarantine", "7d")
    assert re.search(r"generation 0 1 pack of .* wait until .*; holdall gc --undo 0 takes it back\n", told)
    (one,) = lab.json("gc", "--dry-run")["generations"]
    assert abs(one["until"] / 1000 - time.time() - 7 * 86400) < 3600
    assert lab("gc", "--undo", "0") == "1 pack spared\n"
    assert lab.json("gc", "--undo", "0") == {"generation": 0, "spared": 1}
    assert "no garbage generation 7" in lab("gc", "--undo", "7", code=1)
    lab("gc", "--delay", "0")
    assert "cannot be undone" in lab("gc", "--undo", "1", code=1)


def test_a_run_a_pack_and_content_are_explained(lab: Lab) -> None:
    """Who holds it, in words."""
    assert lab("gc", "--explain", lab.kept).startswith(f"{lab.kept}\n  it stays: ")
    (pack,) = [name for name in lab.packs if "one run refers" in lab("gc", "--explain", name)]
    assert f"  run {lab.kept}" in lab("gc", "--explain", pack)
    digest = hashlib.sha256(KEPT).hexdigest()
    assert f"  run {lab.kept}\n    a.bin\n" in lab("gc", "--explain", f"sha256:{digest}")
    assert lab.json("gc", "--explain", f"sha256:{digest}")["holders"][0]["paths"] == ["a.bin"]
    assert "purged" in lab("gc", "--explain", lab.gone)
    lab("gc", "--explain", "nonsense", code=2)


def test_a_wrong_time_or_engine_is_a_wrong_call(lab: Lab) -> None:
    """Nothing is tried."""
    assert "is no time such as" in lab("gc", "--delay", "yesterday", code=2)
    assert "'spark' is not one of 'threads', 'ray', 'dask'" in lab("gc", "--engine", "spark", code=2)
    assert "--workers" in lab("gc", "--workers", "0", code=2)


def test_a_collection_takes_as_many_workers_as_are_asked_for(lab: Lab) -> None:
    """As a check, a repair and a copy do; what is found is the same."""
    assert lab.json("gc", "--dry-run", "--workers", "1")["runs"] == lab.json("gc", "--dry-run")["runs"]


def test_a_damaged_log_stops_it_with_the_runs_name(lab: Lab) -> None:
    """Exit code 1, and nothing is deleted."""
    packs = lab.packs
    newest = min((lab.folder / "store" / "runs" / lab.kept / "log").iterdir())
    newest.chmod(0o600)
    newest.write_bytes(b"?")
    told = lab("gc", "--delay", "0", code=1)
    assert lab.kept in told
    assert "nothing was deleted" in told
    assert lab.packs == packs
