"""A store in memory that verbs use, and nothing of it afterwards."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

import holdall
from holdall.store import Store
from holdall.surfaces.fluent import active


@pytest.fixture
def here() -> Iterator[Store]:
    """The store that `holdall.start_run` starts runs in."""
    yield holdall.set_store(f"memory://{uuid.uuid4()}")
    while holdall.active_run():
        holdall.end_run()
    active._state.__init__()  # type: ignore[misc]
