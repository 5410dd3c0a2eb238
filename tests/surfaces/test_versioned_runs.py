"""Versioned runs by every way in: each verb that logs files replaces, keeps some, and by default does neither."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from tests.support.shell import Shell
from tests.support.stores import tiny_store

import holdall
from holdall.errors import ArtifactExistsError, ArtifactNotFoundError, InvalidArgumentError, RunNotVersionedError
from holdall.storage.memory import MemoryBucket
from holdall.surfaces.fluent import active


@pytest.fixture(autouse=True)
def store() -> Iterator[holdall.Store]:
    """A store in memory, current for one test."""
    active._state.store = tiny_store(MemoryBucket())
    yield active._state.store
    while holdall.active_run():
        holdall.end_run()
    active._state.store = None


def _file(folder: Path, n: int) -> str:
    (folder / "f.txt").write_text(f"{n}")
    return str(folder / "f.txt")


def _folder(folder: Path, n: int) -> str:
    _file(folder, n)
    return str(folder)


def _figure(n: int) -> Figure:
    figure = Figure()
    figure.subplots().plot([n, 1])
    return figure


# name of a verb -> what it is called with for the n-th time, in a folder; all log one file
VERBS: dict[str, Callable[[Path, int], tuple[Any, ...]]] = {
    "log_artifact": lambda folder, n: (_file(folder, n),),
    "log_artifacts": lambda folder, n: (_folder(folder, n),),
    "log_bytes": lambda _, n: (f"{n}".encode(), "f.txt"),
    "log_text": lambda _, n: (f"{n}", "f.txt"),
    "log_dict": lambda _, n: ({"n": n}, "f.json"),
    "log_stream": lambda _, n: (io.BytesIO(f"{n}".encode()), "f.txt"),
    "log_figure": lambda _, n: (_figure(n), "f.svg"),
    "log_image": lambda _, n: (np.full((2, 2), n, dtype="uint8"), "f.png"),
}


def _of_run(run: Any, verb: str) -> Callable[..., Any]:
    found: Callable[..., Any] = getattr(run, verb)
    return found


def _fluent(run: Any, verb: str) -> Callable[..., Any]:
    return lambda *args, **kwargs: getattr(holdall, verb)(*args, run_id=run.id, **kwargs)


def _later(run: Any, verb: str) -> Callable[..., Any]:
    return lambda *args, **kwargs: getattr(holdall, verb)(*args, run_id=run.id, synchronous=False, **kwargs).result()


def _client(run: Any, verb: str) -> Callable[..., Any]:
    client = holdall.Client()
    client.store = active._state.store  # type: ignore[assignment]  # the one in memory
    return lambda *args, **kwargs: getattr(client, verb)(run.id, *args, **kwargs)


WAYS = {"run": _of_run, "fluent": _fluent, "later": _later, "client": _client}
EVERY = [(way, verb) for way in WAYS for verb in VERBS if way == "run" or verb != "log_bytes"]


@pytest.mark.parametrize(("way", "verb"), EVERY)
@pytest.mark.every(2)
def test_every_verb_that_logs_files_replaces_where_that_is_said(
    way: str, verb: str, store: holdall.Store, tmp_path: Path
) -> None:
    """By default other content is refused; replaced, it is an earlier version, and so many stay as are asked for."""
    run, arguments = store.runs.start(paths="versioned"), VERBS[verb]
    log = WAYS[way](run, verb)
    log(*arguments(tmp_path, 0))
    (path,) = run.manifest
    with pytest.raises(ArtifactExistsError):
        log(*arguments(tmp_path, 1))
    for n in (1, 2):
        log(*arguments(tmp_path, n), on_conflict="replace")
    assert len(run.versions(path)) == 3
    log(*arguments(tmp_path, 3), on_conflict="replace", keep_last=2)
    assert [found.current for found in run.versions(path)] == [True, False]
    plain = WAYS[way](store.runs.start(), verb)
    with pytest.raises(RunNotVersionedError):
        plain(*arguments(tmp_path, 4), on_conflict="replace")


def test_a_run_says_that_it_is_versioned(store: holdall.Store) -> None:
    """In what it shows, in records, in searches, before and after it ends; others say nothing."""
    with holdall.start_run(paths="versioned") as run:
        assert run.info.versioned
        assert "versioned=True" in repr(run.info)
    plain = store.runs.start()
    plain.finish()
    found = {one.info.run_id: one.info for one in store.runs.search()}
    assert (found[run.id].versioned, found[plain.id].versioned) == (True, False)
    assert "versioned" not in repr(found[plain.id])
    assert holdall.get_run(run.id).info.versioned


def test_a_run_stays_as_it_was_started(store: holdall.Store) -> None:
    """Resumed, a versioned run is one; another one cannot become one, and stays as it ended."""
    with holdall.start_run(paths="versioned") as run:
        holdall.log_text("first", "a.txt")
    for paths in (None, "versioned"):
        with holdall.start_run(run.id, paths=paths):
            holdall.log_text(f"{paths}", "a.txt", on_conflict="replace")
    plain = store.runs.start()
    plain.finish()
    with pytest.raises(RunNotVersionedError):
        holdall.start_run(plain.id, paths="versioned")
    assert store.runs.get(plain.id).record.info.status == "FINISHED"
    with pytest.raises(InvalidArgumentError, match="'versioned' or 'immutable'"):
        store.runs.start(paths="mutable")  # type: ignore[arg-type]  # on purpose
    assert not store.runs.start(paths="immutable").info.versioned


def test_every_way_to_read_a_file_reads_an_earlier_version(store: holdall.Store, tmp_path: Path) -> None:
    """Whole, in part, decoded, downloaded, by address or from the run; one that is not kept is not found."""
    run = store.runs.start(paths="versioned")
    for n in (1, 2):
        run.log_dict({"n": n}, "deep/f.json", on_conflict="replace")
    version = run.versions("deep/f.json")[1].version
    assert version is not None
    uri, at = f"runs:/{run.id}/deep/f.json", "deep/f.json"
    whole = run.read(at, version=version)
    assert b"1" in whole
    for there in (run, store.artifacts):
        name = at if there is run else uri
        assert there.read(name, version=version) == whole
        assert there.load_dict(name, version=version) == {"n": 1}
        assert there.load_text(name, version=version) == whole.decode()
        assert there.open(name, version=version).read() == whole
        assert there.read_ranges(name, [(0, 4)], version=version) == [whole[:4]]
        assert there.download(name, tmp_path / type(there).__name__, version=version).read_bytes() == whole
        with pytest.raises(ArtifactNotFoundError, match="version 99"):
            there.read(name, version=99)
    assert holdall.artifacts.load_dict(uri, version=version) == {"n": 1}
    assert holdall.artifacts.open_artifact(uri, version=version).read() == whole
    got = Path(holdall.artifacts.download_artifacts(uri, dst_path=tmp_path / "verb", version=version))
    assert (got.read_bytes(), got.name) == (whole, "f.json")


def test_what_looks_at_runs_sees_what_paths_hold_now(store: holdall.Store) -> None:
    """Searches by path and digest, manifests, comparisons and space."""
    run = store.runs.start(paths="versioned")
    for n in (1, 2):
        run.log_text(f"{n}", "f.txt", on_conflict="replace")
    run.log_text("x", "gone.txt")
    run.delete_artifact("gone.txt")
    run.finish()
    assert [found.info.run_id for found in store.runs.search("artifacts.path = 'f.txt'")] == [run.id]
    assert store.runs.search("artifacts.path = 'gone.txt'") == []
    assert list(run.manifest) == ["f.txt"]
    (usage,) = store.maintenance.du().runs
    assert (usage.space.files, usage.space.logical, usage.space.stored > 1) == (1, 1, True)
    other = store.runs.start()
    other.log_text("2", "f.txt")
    assert not run.diff(None, other, None).changed


@pytest.mark.parametrize("version", ["current", "2", 2.0, True])
def test_a_version_is_a_number(store: holdall.Store, version: Any) -> None:
    """None is what the path holds now; anything else is a wrong call, no version that went."""
    run = store.runs.start(paths="versioned")
    run.log_text("1", "f.txt")
    with pytest.raises(InvalidArgumentError, match="or None, not"):
        run.read("f.txt", version=version)


def test_a_shell_does_all_of_it(tmp_path: Path) -> None:
    """Begin, replace, list versions, read one, delete, trim; what does not go together is refused."""
    shell = Shell(tmp_path)
    shell("store", "init")
    (tmp_path / "f.txt").write_text("one")
    run_id = shell.json("artifact", "log", "f.txt", "--versioned")["run_id"]
    (tmp_path / "f.txt").write_text("two")
    assert "never changes" not in shell("artifact", "log", "f.txt", "--run", run_id, code=1)
    shell("artifact", "log", "f.txt", "--run", run_id, "--replace")
    found = shell.json("artifact", "versions", run_id, "f.txt")
    assert [(one["version"] is None, one["size"]) for one in found] == [(True, 3), (False, 3)]
    assert shell.json("artifact", "versions", f"runs:/{run_id}/f.txt") == found
    version = str(found[1]["version"])
    assert shell("artifact", "cat", f"runs:/{run_id}/f.txt", "--version", version) == "one"
    shell("artifact", "get", f"runs:/{run_id}/f.txt", "--version", version, "-d", "got")
    assert (tmp_path / "got/f.txt").read_text() == "one"
    assert "versioned" in shell("run", "show", run_id)
    shell("artifact", "delete", f"runs:/{run_id}/f.txt", "--yes")
    assert shell("artifact", "list", f"runs:/{run_id}") == ""
    shell("artifact", "trim", f"runs:/{run_id}", "--keep-last", "1", "--yes")
    assert len(shell.json("artifact", "versions", run_id, "f.txt")) == 1
    plain = shell.json("artifact", "log", "f.txt")["run_id"]
    assert "--versioned" in shell("artifact", "log", "f.txt", "--run", plain, "--replace", code=2)
    assert "begin one with --versioned" in shell("artifact", "log", "f.txt", "--replace", code=2)
    shell("artifact", "log", "f.txt", "--replace", "--versioned")
    shell("artifact", "log", "f.txt", "--run", run_id, "--versioned", code=2)
    shell("artifact", "log", "f.txt", "--run", run_id, "--keep-last", "2", code=2)
    assert "holds no artifact" in shell("artifact", "delete", f"runs:/{run_id}/f.txt", code=1)
    shell("artifact", "versions", f"runs:/{run_id}", code=2)
