"""SIGKILL before and after every request of every operation: real processes, and what they leave in a folder."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.stateful.operations import CONTENT, OPERATIONS, SMALL_STORE, Operation, World
from tests.support.depth import DEEP
from tests.support.killing import CountedBucket, Notes, Requests, dies
from tests.support.stores import Serial, tiny_location, tiny_store

from holdall.errors import IntegrityError
from holdall.storage.local import LocalBucket
from holdall.trees import session

STEP = 1 if DEEP else 8  # from another request on each time, so that a few runs of the tests die at all of them
HARMLESS = ("probe/",)  # below which a killed process may leave objects that are no store's


def world_at(folder: Path, seed: int, requests: Requests | None = None, *, serial: bool = True) -> World:
    """The store in a folder, and what will be its copy, as another process opens them."""
    (folder / "files").mkdir(exist_ok=True)
    objects, pool = LocalBucket(folder / "store"), Serial() if serial else None
    counting: Any = partial(CountedBucket, requests=requests or Requests())
    store = tiny_store(counting(objects), seed=seed, create=False, pool=pool)
    copy = tiny_store(counting(LocalBucket(folder / "copy")), seed=seed + 100, create=False, pool=pool)
    return World(store, copy, objects, folder / "files", Notes(folder / "notes"))


def prepared(folder: Path, operation: Operation) -> Path:
    """A folder with what is there before the operation."""
    folder.mkdir()
    tiny_location(LocalBucket(folder / "store"), create=False, pool=Serial()).create(SMALL_STORE)
    operation.prepare(world := world_at(folder, 1))
    shutil.rmtree(world.folder)
    session._open_sessions.clear()
    return folder


def act(folder: Path, operation: Operation, at: int, moment: str, *, serial: bool) -> None:
    """What the child does."""
    session._open_sessions.clear()
    requests = Requests(at, moment)
    operation.act(world_at(folder, 2, requests, serial=serial))
    session.close_sessions()
    (folder / "requests").write_text(str(requests.count))


def copied(template: Path, folder: Path) -> Path:
    """What is there before, once more."""
    shutil.copytree(template, folder)
    (folder / "files").mkdir()
    return folder


def asked(template: Path, folder: Path, operation: Operation) -> int:
    """How many requests it takes, if nobody kills it."""
    copied(template, folder)
    assert not dies(lambda: act(folder, operation, 0, "never", serial=True))
    operation.finished(world_at(folder, 5))
    return int((folder / "requests").read_text())


def holds(world: World, *, whole: bool = True) -> None:
    """The store is intact, and all that was acknowledged reads back; what was damaged before may be so still."""
    found = world.store.maintenance.check()
    assert found.intact or not whole, found.problems
    assert [key for key in found.foreign if not key.startswith(HARMLESS)] == []
    for run, path, content in world.notes.read():
        with suppress(*() if whole else (IntegrityError,)):
            assert is_deleted(world, run) or world.store.runs.get(run).read(path) == CONTENT[content]


def is_deleted(world: World, run: str) -> bool:
    """Whether a run was deleted, and not restored."""
    return world.store.runs.get(run).state.deleted


@pytest.mark.parametrize(("moment", "serial"), [("before", True), ("after", False)], ids=["before", "after"])
@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.long
@pytest.mark.every(2)
def test_a_kill_at_any_request_loses_nothing(
    name: str, moment: str, serial: bool, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """Whichever request a process is killed at: the store is intact, what was acknowledged is there, again finishes."""
    operation, template = OPERATIONS[name], prepared(tmp_path / "before", OPERATIONS[name])
    requests = asked(template, tmp_path / "all", operation)
    first = random.randrange(STEP) + 1
    for at in range(first, requests + 1, STEP):
        folder = copied(template, tmp_path / str(at))
        died = dies(partial(act, folder, operation, at, moment, serial=serial))
        assert died or not serial
        holds(world_at(folder, 3), whole=operation.whole)
        operation.act(world_at(folder, 4))
        session.close_sessions()
        operation.finished(world_at(folder, 5))
        session.close_sessions()
        holds(world_at(folder, 6))
        shutil.rmtree(folder)
    record_property("counted", f"SIGKILL {moment} {requests} requests: {name}, each {STEP}., from {first} on")
    assert requests > 5
