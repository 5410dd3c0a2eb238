"""A store with a run that holds two models, and what else these tests share."""

from __future__ import annotations

import pytest
from tests.support.stores import tiny_store

from holdall.runs.run import Run
from holdall.storage.memory import MemoryBucket
from holdall.store import Store


@pytest.fixture
def store() -> Store:
    """A new store in memory."""
    return tiny_store(MemoryBucket())


@pytest.fixture
def run(store: Store) -> Run:
    """A run that has ended, which holds `model`, `other`, and the same files as `model` under `again`."""
    return run_with_models(store)


def run_with_models(store: Store) -> Run:
    run = store.runs.start(tags={"mlflow.user": "ada"})
    for folder, weights in (("model", b"weights"), ("other", b"other weights"), ("again", b"weights")):
        run.log_bytes(b"flavors: {}\n", f"{folder}/MLmodel")
        run.log_bytes(weights, f"{folder}/data/weights.bin")
    run.finish()
    return run
