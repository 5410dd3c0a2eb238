"""A command that says many things of a run looks at its log once."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.runs.test_collected_meanwhile import FILES, TEXT, World
from tests.support.stores import tiny_store

from holdall.errors import RunNotFoundError
from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.storage.wrappers import RequestCounter, TraceBucket


def test_all_that_a_handle_says_is_of_one_look() -> None:
    """Record, state, files and environment cost one listing and one entry; what comes later another handle sees."""
    bucket, asked = MemoryBucket(), RequestCounter()
    run = tiny_store(bucket).runs.start()
    run.log_text("all is well", "a.txt")
    store = tiny_store(TraceBucket(bucket, asked), create=False)
    handle = store.runs.get(run.id)._at_one_look()
    assert (handle.info.status, handle.state.files, list(handle.manifest)) == ("RUNNING", 1, ["a.txt"])
    assert handle.read("a.txt") == b"all is well"
    assert asked.requests == {"get": 3, "list": 1}  # the descriptor, and both entries
    run.log_text("later", "b.txt")
    assert list(handle.manifest) == ["a.txt"]
    assert list(store.runs.get(run.id).manifest) == ["a.txt", "b.txt"]


def test_a_handle_that_looks_once_travels_as_any() -> None:
    """Its promise goes along, and the handle that it was made from looks as before."""
    run = tiny_store(MemoryBucket()).runs.start()
    handle = run._at_one_look()
    assert (handle.id, handle._promise, run._glance) == (run.id, run._promise, None)
    handle.record  # noqa: B018
    assert run._glance is None


@pytest.fixture
def world() -> World:
    return World()


@pytest.mark.parametrize("say", [lambda run: run.manifest_text, lambda run: run.read("text.txt")])
def test_a_pack_that_is_gone_makes_it_look_again(world: World, say: Callable[[Run], object]) -> None:
    """Where content has moved since its look, the handle reads what is there now, and goes on from that."""
    handle = world.run._at_one_look()
    assert handle.state.files == 1 + len(FILES)
    world.move()
    assert say(handle) == say(world.writer.runs.get(world.run_id))
    assert handle.load_text("text.txt") == TEXT


def test_a_run_that_was_purged_is_not_there(world: World) -> None:
    """Nor is it for a handle that has seen it."""
    handle = world.run._at_one_look()
    assert handle.state.files
    world.purge()
    with pytest.raises(RunNotFoundError):
        handle.read("text.txt")
