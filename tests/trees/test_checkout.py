"""Folders that do not take what is fetched: each is named, and nothing half is left."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.support.stores import TINY, entropy, tiny_store

from holdall.errors import DestinationError
from holdall.format.digest import sha256
from holdall.format.tree import Entry, Kind
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.trees.destination import Destination, Place
from holdall.trees.partial_file import PartialFile


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """A run that holds a small file, a large one, a link and an empty directory."""
    folder = tmp_path / "logged"
    (folder / "d/empty").mkdir(parents=True)
    (folder / "d/small").write_bytes(b"small")
    (folder / "d/large").write_bytes(entropy(1)(150_000))
    (folder / "d/lnk").symlink_to("small")
    (folder / "lnk2").symlink_to("d/lnk")
    run = tiny_store(MemoryBucket()).runs.start()
    run.log_artifacts(folder)
    return run


def write(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")


def fill(path: Path) -> None:
    write(path / "inside")


@pytest.mark.parametrize(
    ("standing", "make", "reason"),
    [
        ("", write, "a folder must be here"),
        ("d", write, "a folder must be here"),
        ("d/empty", write, "a folder must be here"),
        ("d/small", fill, "a file must be here"),
        ("d/large", fill, "a file must be here"),
        ("d/lnk", fill, "a file must be here"),
    ],
)
def test_what_stands_in_the_way_is_named(
    run: Run, tmp_path: Path, standing: str, make: Callable[[Path], None], reason: str
) -> None:
    """A file where a folder must be, and the reverse: neither gives way, and nothing half is left."""
    make(tmp_path / "to" / standing)
    with pytest.raises(DestinationError, match=reason) as caught:
        run.download(None, tmp_path / "to")
    assert caught.value.path == str(tmp_path / "to" / standing)
    assert caught.value.hint
    assert isinstance(caught.value.__cause__, OSError)
    assert list(tmp_path.rglob("*.partial")) == []


def test_a_folder_below_a_file_names_the_file(run: Run, tmp_path: Path) -> None:
    """What must be mended is what stands there, not what was to be made below it."""
    write(tmp_path / "file")
    with pytest.raises(DestinationError) as caught:
        run.download(None, tmp_path / "file/deep/to")
    assert caught.value.path == str(tmp_path / "file")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT])
@pytest.mark.parametrize("path", ["d/small", "d/large"])
def test_a_full_disk_is_named(
    run: Run, tmp_path: Path, path: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No space, no quota, too large for the file system: the old file stays as it was."""

    def full(*args: object) -> int:
        raise OSError(number, os.strerror(number))

    write(tmp_path / "to" / path)
    monkeypatch.setattr(os, "pwrite", full)
    monkeypatch.setattr(os, "pwritev", full)
    with pytest.raises(DestinationError, match=os.strerror(number)) as caught:
        run.download(path, tmp_path / "to")
    assert caught.value.path == str(tmp_path / "to" / path)
    assert (tmp_path / "to" / path).read_text() == "mine"
    assert list(tmp_path.rglob("*.partial")) == []


@pytest.mark.parametrize("path", ["d/small", "d/large", "d/lnk", "d/empty"])
def test_a_folder_that_cannot_be_written_to_is_named(
    run: Run, tmp_path: Path, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what would be there; here the system refuses all that is new, since to root it would refuse nothing."""
    (tmp_path / "to/d").mkdir(parents=True)

    def refuse(verb: Callable[..., object], *args: object, **kwargs: object) -> object:
        if "dir_fd" in kwargs and args[0] != "d":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return verb(*args, **kwargs)

    for name in ("open", "symlink", "mkdir"):
        monkeypatch.setattr(os, name, partial(refuse, getattr(os, name)))
    with pytest.raises(DestinationError, match="Permission denied") as caught:
        run.download(path, tmp_path / "to")
    assert caught.value.path == str(tmp_path / "to" / path)


@pytest.mark.parametrize("path", ["d/lnk", "lnk2"])
def test_a_link_asked_for_by_its_path_comes_as_its_file(run: Run, tmp_path: Path, path: str) -> None:
    """What is returned can be opened; its target need not be there."""
    there = run.download(path, tmp_path / "to")
    assert there == tmp_path / "to" / path
    assert not there.is_symlink()
    assert there.read_bytes() == b"small"
    assert [found.name for found in (tmp_path / "to").rglob("*") if not found.is_dir()] == [there.name]


def test_a_link_within_what_is_asked_for_stays_a_link(run: Run, tmp_path: Path) -> None:
    """A directory comes as it was logged."""
    assert (run.download("d", tmp_path / "to") / "lnk").readlink() == Path("small")


def arriving(target: Path, content: bytes) -> PartialFile:
    """A file that is to hold this."""
    below = Destination(target.parent)
    return PartialFile(Entry("file", Kind.FILE, len(content), sha256(content)), Place(below, target.name))


def test_who_writes_late_writes_nowhere(tmp_path: Path) -> None:
    """A descriptor's number is used again; a thread that outlived its file must not write into the next one."""
    file = arriving(tmp_path / "file", b"in time")
    file.write(0, b"in time")
    with (tmp_path / "other").open("w+b") as other:
        other.write(b"untouched")
        other.flush()
        with pytest.raises(ValueError, match="closed"):
            file.write(0, b"too late")
    file.discard()
    assert (tmp_path / "other").read_bytes() == b"untouched"
    assert (tmp_path / "file").read_bytes() == b"in time"


def test_one_chunk_that_follows_itself_thousands_of_times(run: Run, tmp_path: Path) -> None:
    """As in a file of zeros: more parts than a system writes in one call."""
    size = 3000 * TINY.chunker.max
    run.log_bytes(bytes(size), "zeros")
    run.download("zeros", tmp_path / "to")
    assert (tmp_path / "to/zeros").read_bytes() == bytes(size)
