"""What fsspec asks of every file system: its own suites, in a run of versioned paths."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fsspec.tests.abstract import (
    AbstractCopyTests,
    AbstractFixtures,
    AbstractGetTests,
    AbstractOpenTests,
    AbstractPipeTests,
    AbstractPutTests,
)
from tests.support.depth import DEEP
from tests.support.filesystems import filesystem_of
from tests.support.stores import Serial, tiny_store

from holdall.storage.memory import MemoryBucket
from holdall.store import Store
from holdall.surfaces.filesystem import HoldallFileSystem


class InAVersionedRun(AbstractFixtures):  # type: ignore[misc]  # fsspec has no types
    """Files of a run may be replaced and removed there; a directory is what files are in, so none is empty."""

    @pytest.fixture
    def store(self) -> Store:
        return tiny_store(MemoryBucket(), pool=Serial())

    @pytest.fixture
    def fs(self, store: Store) -> Iterator[HoldallFileSystem]:
        with filesystem_of(store) as fs:
            yield fs

    @pytest.fixture
    def fs_path(self, store: Store) -> str:
        return f"runs/{store.runs.start(paths='versioned').id}"

    @pytest.fixture
    def supports_empty_directories(self) -> bool:
        return False


class TestGet(InAVersionedRun, AbstractGetTests):  # type: ignore[misc]
    """Files and folders to local disk."""

    if not DEEP:
        test_get_glob_edge_cases = None  # fsspec's own patterns, 32 of them


class TestOpen(InAVersionedRun, AbstractOpenTests):  # type: ignore[misc]
    """Files opened to be written, once and again."""


class TestPipe(InAVersionedRun, AbstractPipeTests):  # type: ignore[misc]
    """Bytes as files."""


if DEEP:  # they take five seconds each, and write file by file what the others write

    class TestPut(InAVersionedRun, AbstractPutTests):  # type: ignore[misc]
        """Files and folders from local disk."""

    class TestCopy(InAVersionedRun, AbstractCopyTests):  # type: ignore[misc]
        """Files and folders within the store."""
