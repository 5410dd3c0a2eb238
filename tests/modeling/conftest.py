"""A store and a run of it, for models to be logged into."""

from __future__ import annotations

import pytest
from tests.support.stores import tiny_store

from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@pytest.fixture
def store() -> Store:
    """A new store in memory, with small chunks."""
    return tiny_store(MemoryBucket())


@pytest.fixture
def run(store: Store) -> Run:
    """A run that goes on."""
    return store.runs.start()
