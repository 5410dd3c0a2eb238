"""A store as a file system of fsspec: what is there, content, errors, how long a look counts, what is written."""

from __future__ import annotations

import io
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import fsspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.filesystems import filesystem_of
from tests.support.stores import Serial, entropy, first_slot, tiny_store

import holdall
from holdall.errors import FileSystemError, HoldallError, IntegrityError, NoSuchFileError, WrongKeyError
from holdall.format.sealing import AES
from holdall.storage.credentials import handed_over
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket
from holdall.store import Run, Store
from holdall.surfaces.filesystem import HoldallFileSystem, views
from holdall.surfaces.filesystem.addresses import Place, parse_place

FILES = {
    "data/part-0.bin": entropy(1)(3000),
    "data/part-1.bin": entropy(2)(20),
    "data/deep/er/x.txt": b"deep",
    "notes.txt": b"all is well\n",
    "100%25 of [it] or so.txt": b"hostile",
}


class World:
    """A store with a run of files, links and an empty directory, and a model of it; and what is asked of its bucket."""

    def __init__(self) -> None:
        self.asked = RequestCounter()
        self.bucket = MemoryBucket()
        self.store: Store = tiny_store(TraceBucket(self.bucket, self.asked), pool=Serial())
        self.run = self.store.runs.start()
        for path, data in FILES.items():
            self.run.log_bytes(data, path)
        self.store.registry.register(f"runs:/{self.run.id}/data", "fraud")
        self.store.registry.set_alias("fraud", "champion", 1)
        self.root = f"runs/{self.run.id}"

    def with_links(self, folder: Path) -> None:
        (folder / "links").mkdir()
        (folder / "links" / "empty").mkdir()
        (folder / "links" / "real.txt").write_bytes(b"real")
        for name, target in (("to.txt", "real.txt"), ("into", "empty"), ("nowhere", "gone")):
            (folder / "links" / name).symlink_to(target)
        self.run.log_artifacts(folder / "links", "links")


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def fs(world: World) -> Iterator[HoldallFileSystem]:
    with filesystem_of(world.store) as fs:
        yield fs


# --- addresses --------------------------------------------------------------------

RUN = "0" * 32
PLACES = {
    "": Place(listing=""),
    "runs": Place(listing="runs"),
    "models": Place(listing="models"),
    "models/fraud": Place(listing="models/fraud"),
    f"runs/{RUN}": Place(f"runs/{RUN}"),
    f"runs/{RUN}/a/b": Place(f"runs/{RUN}", "a/b"),
    "models/fraud@champion/a/b": Place("models/fraud@champion", "a/b"),
    "models/fraud/3/a": Place("models/fraud/3", "a"),
    "models/fraud/latest": Place("models/fraud/latest"),
    "models/fraud/Staging/a": Place("models/fraud/Staging", "a"),
    "models/a@b/3/x": Place("models/a@b/3", "x"),
    f"models/m-{RUN}-1/MLmodel": Place(f"models/m-{RUN}-1", "MLmodel"),
    "models/fraud/readme.md": Place(),
    "elsewhere": Place(),
    "runsandmore/x": Place(),
}


@pytest.mark.parametrize("path", PLACES)
def test_a_path_names_a_run_a_model_or_nothing(path: str) -> None:
    """By its beginning; what follows is of the run, taken as it is."""
    assert parse_place(path) == PLACES[path]


@given(st.text())
def test_any_text_is_some_place(path: str) -> None:
    """Nothing breaks it, and a root is a beginning of what was given."""
    place = parse_place(path)
    assert path.startswith(place.root)
    assert place.path == path[len(place.root) + 1 :] or not place.root


# --- what is there ----------------------------------------------------------------


def test_a_listing_says_what_is_there(fs: HoldallFileSystem, world: World, tmp_path: Path) -> None:
    """Files with size and digest, directories by what is in them, empty ones, links as what they lead to."""
    world.with_links(tmp_path)
    found = {info["name"].removeprefix(f"{world.root}/"): info for info in fs.find(world.root, detail=True).values()}
    assert {path: info["size"] for path, info in found.items() if not path.startswith("links")} == {
        path: len(data) for path, data in FILES.items()
    }
    assert {path: info["type"] for path, info in found.items() if path.startswith("links")} == {
        "links/into": "link",
        "links/nowhere": "link",
        "links/real.txt": "file",
        "links/to.txt": "file",
    }
    assert found["links/to.txt"]["destination"] == "real.txt"
    assert [each.rpartition("/")[2] for each in fs.ls(world.root, detail=False)] == [
        "100%25 of [it] or so.txt",
        "data",
        "links",
        "notes.txt",
    ]
    assert fs.isdir(f"{world.root}/links/empty")
    assert fs.ls(f"{world.root}/links/empty") == []
    assert fs.cat(f"{world.root}/links/to.txt") == b"real"
    info = fs.info(f"{world.root}/notes.txt")
    assert (info["sha256"], info["size"], info["type"]) == (fs.ukey(info["name"]), 12, "file")
    assert fs.checksum(info["name"]) == world.run.entry("notes.txt").sha256.hex()
    created = fs.created(info["name"])
    assert created
    assert created.timestamp() * 1000 == world.run.info.start_time


def test_above_runs_and_models_one_can_look_around(fs: HoldallFileSystem, world: World) -> None:
    """From the top: runs by id, models by name, their versions, and what they hold."""
    assert fs.ls("holdall://", detail=False) == ["models", "runs"]
    assert fs.ls("runs", detail=False) == [world.root]
    assert fs.ls("models", detail=False) == ["models/fraud"]
    assert fs.ls("models/fraud", detail=False) == ["models/fraud/1"]
    assert fs.isdir("models/fraud")
    assert not fs.exists("models/credit")
    for root in ("models/fraud@champion", "models/fraud/1", "models/fraud/latest"):
        assert fs.find(root) == [f"{root}/{path}" for path in ("deep/er/x.txt", "part-0.bin", "part-1.bin")]
        assert fs.cat(f"{root}/part-1.bin") == FILES["data/part-1.bin"]
    assert fs.glob("runs/*/data/*.bin") == [f"{world.root}/data/part-{n}.bin" for n in (0, 1)]


def test_an_address_may_have_three_slashes(fs: HoldallFileSystem, world: World) -> None:
    """Some tools (Kedro) take what follows two for a host, and lose it."""
    assert fs.cat(f"holdall:///{world.root}/notes.txt") == fs.cat(f"/{world.root}/notes.txt/") == FILES["notes.txt"]


def test_walking_and_globbing_see_the_same(fs: HoldallFileSystem, world: World) -> None:
    """walk, find, glob and du agree, however the path is given."""
    top = f"holdall://{world.root}/"
    walked = [f"{folder}/{name}" for folder, _, names in fs.walk(top) for name in names]
    assert sorted(walked) == fs.find(world.root) == [p for p in fs.glob(f"{world.root}/**") if fs.isfile(p)]
    assert fs.du(top) == sum(map(len, FILES.values()))
    assert fs.find(top, maxdepth=1, withdirs=True) == [
        world.root,
        *(f"{world.root}/{name}" for name in ("100%25 of [it] or so.txt", "data", "notes.txt")),
    ]
    assert fs.find(f"{world.root}/notes.txt") == [f"{world.root}/notes.txt"]
    assert fs.find(f"{world.root}/missing") == []


# --- content ----------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES)
def test_content_is_what_was_logged(fs: HoldallFileSystem, world: World, path: str) -> None:
    """Whole, by slices as of bytes, opened, and by an address of any length."""
    name, data = f"{world.root}/{path}", FILES[path]
    assert fs.cat_file(name) == data
    for start, end in ((0, 5), (3, None), (None, -2), (-4, None), (5, 2), (-100_000, 100_000)):
        assert fs.cat_file(name, start, end) == data[start:end]
    with fs.open(name) as file:
        assert (file.size, file.path, file.full_name, file.mode) == (len(data), name, f"holdall://{name}", "rb")
        assert (file.read(4), file.tell(), file.read()) == (data[:4], min(4, len(data)), data[4:])


def test_ranges_of_many_files_come_in_order(fs: HoldallFileSystem, world: World) -> None:
    """Each file is opened once; an error stands where its range would, or is raised."""
    names = [f"{world.root}/{path}" for path in ("data/part-0.bin", "missing", "notes.txt", "data/part-0.bin")]
    found = fs.cat_ranges(names, [0, 0, -5, 2990], [10, 10, None, None])
    part, notes = FILES["data/part-0.bin"], FILES["notes.txt"]
    assert [found[0], found[2], found[3]] == [part[:10], notes[-5:], part[2990:]]
    assert isinstance(found[1], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat_ranges(names, 0, 10, on_error="raise")
    with pytest.raises(ValueError, match="bounds for 4 paths"):
        fs.cat_ranges(names, [0], [1])


def test_several_files_at_once(fs: HoldallFileSystem, world: World) -> None:
    """A directory, a list, or what a pattern fits; what fails is raised, left out or given."""
    below = {f"{world.root}/{path}": data for path, data in FILES.items() if path.startswith("data/")}
    assert fs.cat(f"{world.root}/data", recursive=True) == below
    names = [*below, f"{world.root}/missing"]
    assert fs.cat(names, on_error="omit") == below
    assert isinstance(fs.cat(names, on_error="return")[names[-1]], FileNotFoundError)
    with pytest.raises(FileNotFoundError):
        fs.cat(names)


def test_a_folder_is_fetched(fs: HoldallFileSystem, world: World, tmp_path: Path) -> None:
    """With all below it, under the name that is given."""
    fs.get(f"{world.root}/data", str(tmp_path / "here"), recursive=True)
    found = {str(path.relative_to(tmp_path / "here")): path.read_bytes() for path in tmp_path.rglob("*.*")}
    assert found == {path.removeprefix("data/"): data for path, data in FILES.items() if path.startswith("data/")}
    fs.get_file(f"{world.root}/notes.txt", str(tmp_path / "notes"))
    assert (tmp_path / "notes").read_bytes() == FILES["notes.txt"]


def test_a_folder_that_is_damaged_in_part_comes_in_part(fs: HoldallFileSystem, world: World, tmp_path: Path) -> None:
    """No file has wrong bytes, all others are there, and nothing else is left beside them."""
    world.run.log_stream(io.BytesIO(entropy(9)(50_000)), "mixed/large")
    for key in [info.key for info in world.bucket.list("packs/")]:
        data = world.bucket.get(key)
        world.bucket.delete(key)
        world.bucket.put(key, data[:100] + bytes(len(data) - 100))
    world.run.log_bytes(b"fine", "mixed/small")
    with pytest.raises(IntegrityError):
        fs.get(f"{world.root}/mixed", str(tmp_path / "here"), recursive=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()} == {"small": b"fine"}


def test_links_come_as_what_they_lead_to(fs: HoldallFileSystem, world: World, tmp_path: Path) -> None:
    """And those that lead to no file as links."""
    world.with_links(tmp_path)
    fs.get(f"{world.root}/links", str(tmp_path / "here"), recursive=True)
    here = tmp_path / "here"
    assert ((here / "to.txt").read_bytes(), (here / "to.txt").is_symlink()) == (b"real", False)
    assert (here / "nowhere").readlink() == Path("gone")
    assert (here / "empty").is_dir()


def test_a_folder_is_put_as_one_commit(fs: HoldallFileSystem, world: World, tmp_path: Path) -> None:
    """With all its files, or none: where one path holds other content, nothing is logged."""
    (tmp_path / "sub").mkdir()
    for name in ("a.txt", "sub/b.txt"):
        (tmp_path / name).write_text(name)
    before = world.run.snapshot()._view().next
    fs.put(str(tmp_path), f"{world.root}/new", recursive=True)
    assert world.run.snapshot()._view().next == before + 1
    folder = (
        f"{world.root}/new/{tmp_path.name}" if fs.isdir(f"{world.root}/new/{tmp_path.name}") else f"{world.root}/new"
    )
    assert fs.cat(folder, recursive=True) == {f"{folder}/a.txt": b"a.txt", f"{folder}/sub/b.txt": b"sub/b.txt"}
    (tmp_path / "notes.txt").write_text("other")
    with pytest.raises(FileExistsError):
        fs.put(
            [str(tmp_path / "sub/b.txt"), str(tmp_path / "notes.txt")], [f"{world.root}/b2", f"{world.root}/notes.txt"]
        )
    assert "b2" not in world.run.manifest


def test_damage_is_no_content(world: World, fs: HoldallFileSystem) -> None:
    """Wrong bytes are an IntegrityError, as everywhere, and no listing hides them."""
    world.run.log_stream(io.BytesIO(entropy(9)(50_000)), "large")
    for key in [info.key for info in world.bucket.list("packs/")]:
        data = world.bucket.get(key)
        world.bucket.delete(key)
        world.bucket.put(key, data[:100] + bytes(len(data) - 100))
    with pytest.raises(IntegrityError):
        fs.cat(f"{world.root}/large")


# --- errors -----------------------------------------------------------------------

WRONG: dict[str, tuple[Callable[[HoldallFileSystem, str], object], type[OSError], str]] = {
    "no such file": (lambda fs, root: fs.open(f"{root}/no"), FileNotFoundError, "holds no artifact at 'no'"),
    "no such run": (lambda fs, _: fs.ls(f"runs/{RUN}"), FileNotFoundError, RUN),
    "no id": (lambda fs, _: fs.info("runs/abc/x"), FileNotFoundError, "abc"),
    "no such model": (lambda fs, _: fs.cat("models/credit/1/x"), FileNotFoundError, "credit"),
    "no such alias": (lambda fs, _: fs.cat("models/fraud@best/x"), FileNotFoundError, "alias 'best'"),
    "no address": (lambda fs, _: fs.open("data/x"), FileNotFoundError, "is no address in a store"),
    "above the run": (lambda fs, root: fs.open(f"{root}/../x"), FileNotFoundError, "empty, '.' or '..'"),
    "twice a slash": (lambda fs, root: fs.open(f"{root}//notes.txt"), FileNotFoundError, "absolute|empty"),
    "percent": (lambda fs, root: fs.open(f"{root}/notes%2Etxt"), FileNotFoundError, "notes%2Etxt"),
    "backslash": (lambda fs, root: fs.open(f"{root}/data\\part-0.bin"), FileNotFoundError, "a backslash"),
    "a directory": (lambda fs, root: fs.open(f"{root}/data"), IsADirectoryError, "is a directory"),
    "the top": (lambda fs, _: fs.open("runs"), IsADirectoryError, "is a directory"),
    "below a file": (lambda fs, root: fs.ls(f"{root}/notes.txt/x"), FileNotFoundError, "notes.txt/x"),
    "other content": (lambda fs, root: fs.pipe(f"{root}/notes.txt", b"!"), FileExistsError, "other content"),
    "there already": (lambda fs, root: fs.pipe(f"{root}/notes.txt", b"!", mode="create"), FileExistsError, "there is"),
    "exclusively": (lambda fs, root: fs.open(f"{root}/notes.txt", "xb"), FileExistsError, "there is something"),
    "file below a file": (lambda fs, root: fs.pipe(f"{root}/notes.txt/x", b"!"), NotADirectoryError, "notes.txt"),
    "a run itself": (lambda fs, root: fs.pipe(root, b"!"), IsADirectoryError, "is a directory"),
    "into a model": (lambda fs, _: fs.pipe("models/fraud/1/x", b"!"), PermissionError, "not of a run"),
    "into no run": (lambda fs, _: fs.pipe(f"runs/{RUN}/x", b"!"), FileNotFoundError, RUN),
    "removing": (lambda fs, root: fs.rm(f"{root}/notes.txt"), PermissionError, "not versioned"),
    "into a version": (lambda fs, root: fs.pipe(f"{root}/data/new", b"!"), PermissionError, "fraud"),
    "outside": (lambda fs, root: fs.pipe(f"{root}/../x", b"!"), FileNotFoundError, "'..'"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_cannot_be_is_an_os_error_that_says_why(case: str, fs: HoldallFileSystem, world: World) -> None:
    """Of the kind that Python has for it, with our text, and ours where one was its cause; it travels, too."""
    do, kind, text = WRONG[case]
    with pytest.raises(kind, match=text) as caught:
        do(fs, world.root)
    error = caught.value
    assert isinstance(error, FileSystemError)
    assert error.__cause__ is None or isinstance(error.__cause__, HoldallError)
    assert error.filename == error.path
    assert str(pickle.loads(pickle.dumps(error))) == str(error)


def test_a_bucket_that_fails_is_not_a_file_that_is_not_there(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    """An outage is no answer to whether something exists."""
    with filesystem_of(world.store) as fs:
        monkeypatch.setattr(world.bucket, "get", _fail)
        for ask in (fs.exists, fs.isfile, fs.isdir):
            with pytest.raises(OSError, match="the line is dead"):
                ask(f"{world.root}/notes.txt")


def _fail(*_: object, **__: object) -> bytes:
    raise OSError("the line is dead")


# --- how long a look counts ---------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(world: World, fs: HoldallFileSystem, monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(fs._views, "_clock", clock)
    return clock


def test_a_run_stays_as_it_was_seen(fs: HoldallFileSystem, world: World, clock: Clock) -> None:
    """Until one says so, writes there, or a minute has passed."""
    before = fs.find(world.root)
    world.run.log_text("later", "later.txt")
    assert fs.find(world.root) == before
    assert len(fs.find(world.root, refresh=True)) == len(before) + 1
    world.run.log_text("later still", "later2.txt")
    fs.invalidate_cache(f"holdall://{world.root}/data")
    assert len(fs.find(world.root)) == len(before) + 2
    world.run.log_text("later still", "later3.txt")
    fs.pipe(f"{world.root}/mine.txt", b"mine")
    assert len(fs.find(world.root)) == len(before) + 4
    world.run.log_text("later still", "later4.txt")
    clock.now += 61
    assert len(fs.find(world.root)) == len(before) + 5


def test_what_is_looked_for_is_looked_for_again(fs: HoldallFileSystem, world: World, clock: Clock) -> None:
    """A file that a running run got since is found, without asking again and again for what is not there."""
    assert not fs.exists(f"{world.root}/later.txt")
    world.run.log_text("later", "later.txt")
    world.asked.clear()
    assert not any(fs.exists(f"{world.root}/later.txt") for _ in range(5))
    assert world.asked.total == 0
    clock.now += 1.5
    assert fs.cat(f"{world.root}/later.txt") == b"later"
    world.run.finish()
    fs.invalidate_cache()
    assert not fs.exists(f"{world.root}/never.txt")
    clock.now += 1.5
    world.asked.clear()
    assert not fs.exists(f"{world.root}/never.txt")
    assert world.asked.total == 0, "a run that has ended gets no files"


def test_an_alias_that_moves_is_followed_when_one_looks_again(fs: HoldallFileSystem, world: World) -> None:
    """Until then all that is read by it is of one version."""
    name = "models/fraud@champion/part-1.bin"
    assert fs.cat(name) == FILES["data/part-1.bin"]
    other = world.store.runs.start()
    other.log_bytes(b"others", "data/part-1.bin")
    world.store.registry.register(f"runs:/{other.id}/data", "fraud")
    world.store.registry.set_alias("fraud", "champion", 2)
    assert fs.cat(name) == FILES["data/part-1.bin"]
    fs.invalidate_cache()
    assert fs.cat(name) == b"others"


def test_what_was_seen_is_bounded(world: World) -> None:
    """Of many runs the sixteen that were looked at last are kept."""
    with filesystem_of(world.store) as fs:
        for _ in range(20):
            fs.ls(f"runs/{world.store.runs.start().id}")
        assert len(fs._views._seen) == views._KEPT == 16


# --- what is written ----------------------------------------------------------------


def test_a_written_file_is_one_commit_when_it_is_closed(fs: HoldallFileSystem, world: World) -> None:
    """Not before; with all that was written, however it was."""
    with fs.open(f"{world.root}/new.bin", "wb") as file:
        file.write(b"one ")
        file.write(memoryview(b"two"))
        file.seek(0)
        file.write(b"ONE")
        assert (file.size, file.tell()) == (7, 3)
        assert "new.bin" not in world.run.manifest
    assert world.run.read("new.bin") == b"ONE two"
    with fs.open(f"{world.root}/new.txt", "w") as text:
        text.write("naïve")
    assert fs.read_text(f"{world.root}/new.txt") == "naïve"
    with pytest.raises(io.UnsupportedOperation):
        fs.open(f"{world.root}/new.txt", "ab")


WAYS: dict[str, Callable[[HoldallFileSystem, str], Any]] = {
    "with": lambda fs, name: fs.open(name, "wb"),
    "text": lambda fs, name: fs.open(name, "w"),
    "fsspec.open": lambda fs, name: fsspec.core.OpenFile(fs, name, "wb"),
    "compressed": lambda fs, name: fs.open(name, "wb", compression="gzip"),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_file_whose_writer_failed_is_not_logged(way: str, fs: HoldallFileSystem, world: World) -> None:
    """Half a file would stay for good."""
    with pytest.raises(RuntimeError, match="half way"), WAYS[way](fs, f"{world.root}/half.bin") as file:
        file.write("half" if way == "text" else b"half")
        raise RuntimeError("half way")
    assert "half.bin" not in world.run.manifest
    try:
        raise KeyError("unrelated")
    except KeyError:
        with WAYS[way](fs, f"{world.root}/whole.bin") as file:
            file.write("whole" if way == "text" else b"whole")
    assert "whole.bin" in world.run.manifest


def test_a_file_that_nobody_closes_is_not_logged(fs: HoldallFileSystem, world: World) -> None:
    """Its end is not known."""
    file = fs.open(f"{world.root}/open.bin", "wb")
    file.write(b"and then")
    del file
    assert "open.bin" not in world.run.manifest


def test_a_transaction_is_logged_at_its_end(fs: HoldallFileSystem, world: World) -> None:
    """And not at all if it fails."""
    with fs.transaction:
        fs.pipe_file(f"{world.root}/at once", b"1")
        with fs.open(f"{world.root}/at the end", "wb") as file:
            file.write(b"2")
        assert "at the end" not in world.run.manifest
    assert world.run.read("at the end") == b"2"
    with pytest.raises(RuntimeError), fs.transaction:
        with fs.open(f"{world.root}/never", "wb") as file:
            file.write(b"3")
        raise RuntimeError
    assert "never" not in world.run.manifest


def test_a_versioned_run_takes_what_replaces(fs: HoldallFileSystem, world: World) -> None:
    """What was there becomes an earlier version; what is removed is not there any more; a copy is stored once."""
    run = world.store.runs.start(paths="versioned")
    name = f"runs/{run.id}/last.bin"
    for data in (b"first", b"second"):
        fs.pipe(name, data)
    assert (fs.cat(name), len(run.versions("last.bin"))) == (b"second", 2)
    fs.cp(name, f"runs/{run.id}/best.bin")
    fs.mv(name, f"runs/{run.id}/kept/last.bin")
    assert [each.partition("/")[2].partition("/")[2] for each in fs.find(f"runs/{run.id}")] == [
        "best.bin",
        "kept/last.bin",
    ]
    fs.rm(f"runs/{run.id}/kept", recursive=True)
    assert fs.find(f"runs/{run.id}") == [f"runs/{run.id}/best.bin"]


def test_a_run_that_has_ended_stays_so(fs: HoldallFileSystem, world: World) -> None:
    """Writing a file goes on with its log, not with the run."""
    world.run.finish()
    fs.pipe(f"{world.root}/report.html", b"<p>")
    assert world.store.runs.get(world.run.id).record.info.status == "FINISHED"


# --- instances, threads, processes ---------------------------------------------------


def test_threads_share_what_was_seen(world: World) -> None:
    """fsspec makes an instance for each; of the bucket only the first asks."""
    with filesystem_of(world.store):
        fs = fsspec.filesystem("holdall")
        assert fs.cat(f"{world.root}/notes.txt") == FILES["notes.txt"]
        world.asked.clear()
        with ThreadPoolExecutor(4) as pool:
            found = pool.map(lambda _: fsspec.filesystem("holdall").cat(f"{world.root}/notes.txt"), range(8))
            assert set(found) == {FILES["notes.txt"]}
        assert world.asked.requests["list"] == 0


def test_another_store_is_another_file_system(world: World) -> None:
    """Who sets a store is not answered by the one before; who names one neither."""
    other = Store.open("memory://another", workers=0)
    with filesystem_of(world.store):
        first = fsspec.filesystem("holdall")
    with filesystem_of(other):
        assert fsspec.filesystem("holdall") != first
        assert fsspec.filesystem("holdall", store="memory://third").fsid == "holdall+memory://third"
        assert not fsspec.filesystem("holdall").exists(world.root)


def test_a_folder_is_the_same_store_wherever_one_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A relative address is taken from where it was given."""
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    fs = fsspec.filesystem("holdall", store="store")
    assert fs is fsspec.filesystem("holdall", store=tmp_path / "store")
    run = fs._views.store.runs.start()
    run.log_text("all is well", "a.txt")
    monkeypatch.chdir(tmp_path / "other")
    assert (
        fs.cat(f"runs/{run.id}/a.txt") == pickle.loads(pickle.dumps(fs)).cat(f"runs/{run.id}/a.txt") == b"all is well"
    )
    assert fsspec.filesystem("holdall", store="store") is not fs


def test_it_travels(tmp_path: Path) -> None:
    """Pickled, it is of the same store, where the settings name another one."""
    store = Store.open(str(tmp_path / "store"), workers=0)
    run = store.runs.start()
    run.log_text("all is well", "a.txt")
    with filesystem_of(store):
        there = pickle.dumps(fsspec.filesystem("holdall"))
    code = "import pickle,sys; print(pickle.load(sys.stdin.buffer).cat(sys.argv[1]).decode())"
    args = [sys.executable, "-c", code, f"holdall://runs/{run.id}/a.txt"]
    done = subprocess.run(args, input=there, capture_output=True, env={**os.environ, "HOLDALL_STORE": "memory://no"})
    assert (done.stdout.decode(), done.stderr.decode()) == ("all is well\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_reads_as_its_parent_did(tmp_path: Path) -> None:
    """A forked child makes a store of its own."""
    fs = HoldallFileSystem(str(tmp_path / "store"), skip_instance_cache=True)
    run = fs._views.store.runs.start()
    run.log_text("all is well", "a.txt")
    assert fs.cat(f"runs/{run.id}/a.txt") == b"all is well"
    child = os.fork()
    if not child:
        os._exit(0 if fs.cat(f"runs/{run.id}/a.txt") == b"all is well" else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_chained_addresses_pass_through(world: World, tmp_path: Path) -> None:
    """A cache before it, a zip file in it."""
    zipped = io.BytesIO()
    import zipfile

    with zipfile.ZipFile(zipped, "w") as archive:
        archive.writestr("inner.txt", "inside")
    with filesystem_of(world.store) as fs:
        fs.pipe(f"{world.root}/some.zip", zipped.getvalue())
        cached = f"simplecache::holdall://{world.root}/notes.txt"
        with fsspec.open(cached, simplecache={"cache_storage": str(tmp_path)}) as file:
            assert file.read() == FILES["notes.txt"]
        with fsspec.open(f"zip://inner.txt::holdall://{world.root}/some.zip") as file:
            assert file.read() == b"inside"


def test_what_the_active_run_reads_is_noted(world: World) -> None:
    """As an edge of lineage, by digest; its own files are none."""
    run: Run = world.store.runs.start()
    run.log_text("mine", "mine.txt")
    with filesystem_of(world.store, run) as fs:
        fs.cat(f"{world.root}/notes.txt")
        fs.cat(f"runs/{run.id}/mine.txt")
        fs.ls(world.root)
        with pytest.raises(NoSuchFileError):
            fs.cat(f"{world.root}/missing")
    run.finish()
    entry = world.run.entry("notes.txt")
    assert [(read.run_id, read.path, read.digest) for read in run.reads] == [
        (world.run.id, "notes.txt", f"sha256:{entry.sha256.hex()}")
    ]


def test_the_store_that_was_set_is_the_one_that_is_read() -> None:
    """`set_store` says it for addresses, too."""
    holdall.set_store("memory://set")
    try:
        with holdall.start_run() as run:
            holdall.log_text("all is well", "a.txt")
        with fsspec.open(f"holdall://runs/{run.info.run_id}/a.txt") as file:
            assert file.read() == b"all is well"
    finally:
        from holdall.surfaces.fluent import active

        active._state.__init__()  # type: ignore[misc]


def test_a_directory_that_was_made_is_there_until_files_are(fs: HoldallFileSystem, world: World) -> None:
    """Tools make a directory, look into it, and write then; another process sees it once it holds a file."""
    run = world.store.runs.start(paths="versioned")
    name = f"runs/{run.id}/out"
    fs.makedirs(f"holdall://{name}/part")
    assert (fs.isdir(name), fs.ls(name), fs.isdir(f"{name}/part"), fs.isdir(f"{name}s")) == (True, [], True, False)
    with pytest.raises(FileExistsError):
        fs.makedirs(name)
    fs.rm(name, recursive=True)
    assert not fs.exists(name)
    fs.mkdir(name)
    fs.pipe(f"{name}/a", b"a")
    fs.rmdir(name)
    assert fs.find(f"runs/{run.id}") == [f"{name}/a"]
    fs.rm(name, recursive=True)
    assert not fs.exists(name)
    fs.mkdir(name)
    fs.rmdir(name)
    assert not fs.exists(name)
    for n in range(2000):
        fs.mkdir(f"{name}/{n}")
    assert len(fs._views._made) == views._MADE


def test_what_cannot_be_removed_is_not_moved(fs: HoldallFileSystem, world: World) -> None:
    """The copy would stay for good in a run of immutable paths; what is missing is none either."""
    with pytest.raises(PermissionError, match="not versioned"):
        fs.mv(f"{world.root}/notes.txt", f"{world.root}/moved.txt")
    fs.invalidate_cache()
    assert not fs.exists(f"{world.root}/moved.txt")


def test_blocks_are_kept_on_disk(world: World, tmp_path: Path) -> None:
    """By `blockcache`: what was read is not asked for again, and other files are read beside it."""
    data = entropy(3)(1_000_003) * 10
    with filesystem_of(world.store) as fs:
        fs.pipe(f"{world.root}/many", data)
        cache = fsspec.filesystem("blockcache", fs=fs, cache_storage=str(tmp_path))
        with cache.open(f"{world.root}/many") as file:
            file.seek(5 << 20)
            assert file.read(10) == data[5 << 20 : (5 << 20) + 10]
            world.asked.clear()
            assert file.read(1000) == data[(5 << 20) + 10 : (5 << 20) + 1010]
            assert world.asked.total == 0
            file.seek(-5, 2)
            assert file.read() == data[-5:]
        assert cache.cat(f"{world.root}/notes.txt") == FILES["notes.txt"]


def test_an_open_file_travels(world: World) -> None:
    """Pickled, it is the same content at the same place; content that was replaced meanwhile is none of it."""
    run = world.store.runs.start(paths="versioned")
    with filesystem_of(world.store) as fs:
        name = f"runs/{run.id}/a"
        fs.pipe(name, b"0123456789")
        file = fs.open(name)
        file.seek(4)
        there = pickle.dumps(file)
        assert pickle.loads(there).read(3) == b"456"
        fs.pipe(name, b"9876543210")
        with pytest.raises(FileNotFoundError, match="was replaced"):
            pickle.loads(there)


# --- an encrypted store ---


def test_a_store_is_opened_by_what_each_was_given() -> None:
    """The keys of one file system open nothing for another of the same address, though their texts are the same."""
    url = f"memory://{os.urandom(8).hex()}"
    right, wrong = (holdall.Unlock(passphrase=words) for words in ("open, sesame", "close, sesame"))
    store = holdall.open(url, unlock=right)
    store._location.create(cipher=AES, slots=partial(first_slot, store._location.bucket))
    run = store.runs.start()
    run.log_bytes(b"very private", "notes.txt")
    run.finish()
    assert HoldallFileSystem(url, unlock=right).cat(f"runs/{run.id}/notes.txt") == b"very private"
    with pytest.raises(PermissionError, match="stays closed") as caught:
        HoldallFileSystem(url, unlock=wrong).cat(f"runs/{run.id}/notes.txt")
    assert isinstance(caught.value.__cause__, WrongKeyError)
    with handed_over():
        again = pickle.loads(pickle.dumps(HoldallFileSystem(url, unlock=right)))
    assert again.cat(f"runs/{run.id}/notes.txt") == b"very private"


def test_what_was_shredded_is_not_there() -> None:
    """Its files are missing ones to whoever works with files; the others are found, and `walk` goes on."""
    store = tiny_store(MemoryBucket(), sealed=True)
    own = store.experiments.create("patients", encryption="own")
    gone, kept = (store.runs.start(experiment=name) for name in ("patients", "other"))
    for run in (gone, kept):
        run.log_bytes(b"x", "a.txt")
        run.finish()
    store.experiments.shred(own)
    with filesystem_of(store) as fs:
        with pytest.raises(FileNotFoundError, match="were destroyed"):
            fs.cat(f"runs/{gone.id}/a.txt")
        assert not fs.exists(f"runs/{gone.id}/a.txt")
        assert [files for _, _, files in fs.walk("runs") if files] == [["a.txt"]]
