"""How many workers a store has, from a variable of the environment or an argument to where they are claimed."""

from __future__ import annotations

import pickle

import pytest

from holdall.settings import read_settings
from holdall.store import Store
from holdall.workers import cores
from holdall.workers.cores import EACH
from holdall.workers.crew import crew_of


def test_the_variable_reaches_the_store() -> None:
    """With the memory, which bounds this process's transfers too; two stores share a crew."""
    settings = read_settings({"HOLDALL_WORKERS": " 3 ", "HOLDALL_MEMORY": "256M"})
    stores = [settings.open_store(f"memory://{name}") for name in "ab"]
    assert stores[0]._location.crew is stores[1]._location.crew is crew_of(3, 256 << 20)
    assert (stores[0]._location.crew.count, stores[0]._location.pool.memory) == (3, 256 << 20)
    assert stores[0]._location.crew.share == 64 << 20


def test_unasked_it_is_by_the_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """And memory by the workers; an argument comes first, and a store that travels keeps both."""
    monkeypatch.setattr(cores, "usable_cores", lambda: 16)
    monkeypatch.setattr("holdall.store.opened.memory_limit", lambda: None)
    assert read_settings({}).open_store("memory://c")._location.crew is crew_of(16, 17 * EACH)
    location = Store.open("memory://c", workers=0)._location
    assert (location.crew, location.pool.memory) == (crew_of(0, 256 << 20), 256 << 20)
    assert pickle.loads(pickle.dumps(location.crew)) is location.crew


@pytest.mark.parametrize("given", ["many", "-1", "1.5", "0x10", "12345", "\u0663", "1 2"])
def test_what_is_no_number_is_refused(given: str) -> None:
    """By an error that names the variable and shows a value that can be."""
    with pytest.raises(ValueError, match=r"HOLDALL_WORKERS=.* is not a whole number such as 8, or 0"):
        read_settings({"HOLDALL_WORKERS": given})


@pytest.mark.parametrize("given", ["", " "])
def test_an_empty_variable_is_none(given: str) -> None:
    """As a shell sets one that is to say nothing."""
    assert read_settings({"HOLDALL_WORKERS": given, "HOLDALL_MEMORY": given}).workers is None


def test_memory_bounds_this_process_and_its_workers_together() -> None:
    """While some are claimed, their shares are taken from what this process may hold; then they are back."""
    location = Store.open("memory://d", workers=2, memory=3 * EACH)._location
    with location.workers(1) as (worker,):
        assert worker.memory == EACH
        assert not location.pool.reserve(2 * EACH + 1)
        assert location.pool.reserve(2 * EACH)
        location.pool.release(2 * EACH)
    assert location.pool.reserve(3 * EACH)
    with location.workers(2) as workers:  # nothing waits, where much is held already
        assert len(workers) == 2
    location.crew.close()
