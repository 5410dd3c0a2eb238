"""Local files that are not what their stat says, and stores that lie among them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.stores import entropy, tiny_store

import holdall
from holdall.errors import SourceChangedError, UnsupportedFileError
from holdall.format.tree import Kind
from holdall.runs.run import Run
from holdall.storage.local import LocalBucket
from holdall.storage.memory import MemoryBucket
from holdall.trees import source
from holdall.trees.source import Unchanging, local_items


@pytest.fixture
def run() -> Run:
    return tiny_store(MemoryBucket()).runs.start()


PROC = [Path(name) for name in ("/proc/version", "/proc/filesystems", "/proc/self/environ", "/sys/kernel/mm/ksm/run")]


@pytest.mark.parametrize("place", [place for place in PROC if place.exists()], ids=str)
def test_a_file_of_proc_is_read_to_its_end(run: Run, place: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It says that it has no bytes, or a page, and holds others: logged as it reads, with a warning."""
    run.log_artifact(place)
    assert run.read(place.name) == place.read_bytes()
    assert run.entry(place.name).size == len(place.read_bytes())
    assert f"{place} says that it has" in caplog.text


@pytest.fixture
def says(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, int]]:
    """What `stat` says of size and blocks of every file, where it is set."""
    told: dict[str, int] = {}
    honest = os.fstat

    class Said:
        def __init__(self, status: os.stat_result) -> None:
            self._status = status

        def __getattr__(self, name: str) -> object:
            return told[name] if name in told else getattr(self._status, name)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fstat", lambda descriptor: Said(honest(descriptor)))
        yield told


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_536, 65_537, 300_000])
@pytest.mark.parametrize(
    "told", [{"st_size": 0}, {"st_size": 4096, "st_blocks": 0}, {"st_size": 1 << 40, "st_blocks": 0}]
)
def test_a_size_that_lies_does_not_matter(
    run: Run, tmp_path: Path, says: dict[str, int], size: int, told: dict[str, int]
) -> None:
    """Alone and among others, more than fits into an entry too: what is read is what is logged."""
    data = entropy(1)(size)
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "c"):
        (tmp_path / "in" / name).write_bytes(data)
    items = [source.Item(i.path, Kind.FILE, i.open, 0, local=i.local) for i in local_items(tmp_path / "in", "")]
    says.update(told)
    run._log_items(items[:1])
    run._log_items(items)
    says.clear()
    assert [run.read(name) for name in ("a", "b", "c")] == [data] * 3


def test_a_file_on_a_disk_that_has_another_size_has_changed(tmp_path: Path, says: dict[str, int]) -> None:
    """Its blocks are counted: there its size does not lie."""
    (tmp_path / "file").write_bytes(b"x" * 5000)
    says.update(st_size=4000, st_blocks=16)
    with pytest.raises(SourceChangedError), Unchanging(tmp_path / "file") as stream:
        while stream.readinto(memoryview(bytearray(1000))):
            pass


def test_a_store_in_a_folder_is_left_out_and_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The one that is logged to, and another; in one warning. A `holdall.json` that is none is a file like others."""
    work = tmp_path / "work"
    (work / "deep").mkdir(parents=True)
    for place in ("store", "deep/other"):
        tiny_store(LocalBucket(work / place))
    (work / "holdall.json").write_text("{}")
    (work / "script.py").write_text("print()")
    run = tiny_store(LocalBucket(work / "store"), create=False, seed=1).runs.start()
    run.log_artifacts(work)
    run.log_artifact(work, "under")
    names = {"holdall.json", "script.py"}
    assert run.manifest.keys() == names | {f"under/work/{name}" for name in names}
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 2
    assert warnings[0].endswith(f"{work / 'deep/other'}, {work / 'store'}")


def test_a_store_itself_is_not_logged(run: Run, tmp_path: Path) -> None:
    """Who names it is told what to do instead."""
    tiny_store(LocalBucket(tmp_path / "store"))
    for verb in (run.log_artifact, run.log_artifacts):
        with pytest.raises(UnsupportedFileError, match="it is a holdall store"):
            verb(tmp_path / "store")
    assert not run.manifest


def test_the_working_folder_is_logged_without_the_default_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """`log_artifacts(".")` in a script's folder, as one does."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOLDALL_STORE", raising=False)
    holdall.set_store(None)  # type: ignore[arg-type]  # forgets it
    Path("train.py").write_text("print()")
    with holdall.start_run() as run:
        holdall.log_artifacts(".")
        holdall.log_artifact(".")
    names = [found.path for found in holdall.artifacts.list_artifacts(f"runs:/{run.info.run_id}")]
    assert names.count("train.py") == 1
    assert not any("store" in name for name in names)
    assert caplog.text.count("not logged, since a store is not an artifact") == 2


def test_a_folder_may_be_as_deep_as_a_path_is_long(run: Run, tmp_path: Path) -> None:
    """However deep the caller's own stack already is."""
    path = "/".join("d" * 500)
    tiny_store(MemoryBucket()).runs.start().log_bytes(b"x", path)
    (tmp_path / path).parent.mkdir(parents=True)
    (tmp_path / path).write_bytes(b"x")

    def deep(left: int) -> None:
        if left:
            deep(left - 1)
        else:
            run.log_artifacts(tmp_path)

    deep(600)
    assert list(run.manifest) == [path]
