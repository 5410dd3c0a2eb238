"""The command line tells what takes the space, and what deleting would free."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import pytest
from tests.support.shell import Shell

from holdall.store import Store


class Lab(Shell):
    """A store with two experiments: of `a`, two runs that share a file with one of `b`."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.store = Store.open(str(folder / "store"))
        same = random.Random(0).randbytes(200_000)
        self.one, self.two, self.other = (
            self._log(experiment, same, random.Random(seed).randbytes(100_000))
            for experiment, seed in (("a", 1), ("a", 2), ("b", 3))
        )

    def _log(self, experiment: str, *files: bytes) -> str:
        run = self.store.runs.start(experiment=experiment)
        for number, data in enumerate(files):
            run.log_bytes(data, f"{number}.bin")
        run.finish()
        return run.id

    @property
    def bytes(self) -> int:
        """The size of all files of the store."""
        return sum(path.stat().st_size for path in (self.folder / "store").rglob("*") if path.is_file())


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_du_and_stats_add_up_to_the_files_of_the_store(lab: Lab) -> None:
    """To the byte, for programs; people read the same by what it is for."""
    (lab.folder / "store/foreign.txt").write_text("not ours")
    held, stats = lab.json("store", "du")["held"], lab.json("store", "stats")
    total = held.pop("total")
    besides = sum(held.pop(name) for name in ("folded", "again", "objects"))
    assert total == sum(held.values()) == lab.bytes == stats["object_bytes"]
    assert besides
    assert held["foreign"] == stats["foreign_bytes"] == 8
    kinds = [stats[f"{kind}_bytes"] for kind in ("pack", "log", "hint", "other", "foreign")]
    assert sum(kinds) == total
    told = lab("store", "du")
    assert "  content of runs, in packs\n" in told
    assert "  8 B    foreign: not holdall's\n" in told
    assert "quarantine" not in told
    assert "foreign  8 B\n" in lab("store", "stats")


def test_equal_ones_stand_by_name(tmp_path: Path) -> None:
    """Experiments and runs of one size come in the order of their names, whatever their ids are."""
    lab = Shell(tmp_path)
    store = Store.open(str(tmp_path / "store"))
    names = ["c", "a", "b"]
    for experiment in names:
        for name in names:
            with store.runs.start(experiment=f"of {experiment}", name=f"run {name}") as run:
                run.log_bytes(b"the same", "same.txt")
    told = [line.split()[-2:] for line in lab("store", "du").split("\n\n")[0].splitlines()[1:-1]]
    assert told == [row for e in sorted(names) for row in (["of", e], *(["run", n] for n in sorted(names)))]


def test_du_of_some_experiments_and_runs(lab: Lab) -> None:
    """Only the lines that were asked for; what they share is counted against the whole store."""
    every = lab.json("store", "du")
    some = lab.json("store", "du", "-e", "a")
    assert some["runs"] == [run for run in every["runs"] if run["run_id"] in (lab.one, lab.two)]
    assert [one["name"] for one in some["experiments"]] == ["a"]
    (run,) = lab.json("store", "du", "--run", lab.other)["runs"]
    assert run in every["runs"]
    assert 200_000 < run["shared"] < 202_000
    assert lab("store", "du", "-e", "a", "-s").count("\n") == 2
    assert "whole bucket" not in lab("store", "du", "-e", "a")
    assert "no experiment" in lab("store", "du", "-e", "c", code=1)


def test_what_deleting_would_free(lab: Lab) -> None:
    """A run frees what is its own, an experiment what its runs share among them too; nothing is deleted."""
    alone = lab.json("store", "du", "--run", lab.two, "--if-deleted")
    assert alone["run_ids"] == [lab.two]
    assert 100_000 < alone["packs"] < 105_000
    assert {one["run_id"] for one in alone["sharing"]} == {lab.one, lab.other}
    told = lab("store", "du", "-e", "a", "-e", "b", "--if-deleted")
    assert "would come back, a week after 3 runs were deleted" in told
    assert "shares" not in told
    before = lab.bytes
    assert "shares   " in lab("store", "du", "--run", lab.other, "--if-deleted")
    assert lab.bytes == before
    assert "--run and --experiment choose them" in lab("store", "du", "--if-deleted", code=2)


def test_deleted_runs_are_told_apart(lab: Lab) -> None:
    """What only they need is said to come back; `stats` counts them."""
    lab.store.runs.get(lab.two).delete()
    assert "3, 1 of them deleted" in lab("store", "stats")
    assert lab.json("store", "du")["held"]["deleted"] > 100_000
    assert "only deleted runs need it: comes back" in lab("store", "du")


def test_packs_that_are_partly_dead_are_emptied_and_collected(lab: Lab) -> None:
    """A dry run says what it would take; then it is done, and nothing more is to be done."""
    data = random.Random(9).randbytes(3_000_000)  # of these a hint leads to the shared part
    first, second = lab._log("c", data), lab._log("c", data[:2_100_000])
    shutil.rmtree(lab.folder / "store/runs" / first)
    told = lab("gc", "--compact", "5", "--delay", "0", "--dry-run")
    assert "dead in 1 pack that 1 run needs in part\n" in told
    assert "compaction  would copy" in told
    before = lab.bytes
    done = lab.json("gc", "--compact", "5", "--delay", "0")
    assert 2_000_000 < done["compaction"]["copied"] < 2_100_000
    assert lab.bytes < before - 800_000
    assert "compaction  none" in lab("gc", "--compact", "5", "--delay", "0")
    assert lab.store.runs.get(second).read("0.bin") == data[:2_100_000]
    assert lab("store", "check").splitlines()[-1] == "intact"
