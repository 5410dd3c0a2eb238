"""The files that an MLflow has by now, read back and compared by SHA-256."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from holdall.format.tree import Entry

_DEEPEST = 100  # directories in one another: a listing that goes on for ever is none


class TargetFiles:
    """Files at one place of an MLflow.

    Args:
        repository: What MLflow reads and writes them with.
        within: What of an entry's path is not said there, such as `model/`.
    """

    def __init__(self, repository: Any, within: str = "") -> None:
        self._repository, self._within = repository, within

    def other(self, entries: Sequence[Entry]) -> list[tuple[Entry, str]]:
        """Return the entries whose bytes MLflow has not, each with what it has instead. Cost: as downloading them."""
        try:
            sizes = dict(self._sizes())
        except Exception as error:  # each kind of repository has its own
            return [(entry, f"MLflow's files cannot be listed: {error}") for entry in entries]
        found = ((entry, self._why(entry, sizes)) for entry in entries)
        return [(entry, why) for entry, why in found if why]

    # --- inside ---

    def _why(self, entry: Entry, sizes: dict[str, int | None]) -> str:
        path = entry.path.removeprefix(self._within)
        if path not in sizes:
            return "MLflow does not have it"
        if sizes[path] not in (None, entry.size):
            return f"MLflow says that it has {sizes[path]} bytes, not {entry.size}"
        try:
            digest = self._sha256(path)
        except Exception as error:
            return f"it cannot be read back: {error}"
        return "" if digest == entry.sha256 else f"MLflow has {digest.hex()}, and it is {entry.sha256.hex()}"

    def _sha256(self, path: str) -> bytes:
        with tempfile.TemporaryDirectory(prefix="holdall-") as folder:
            place = Path(folder, "file")
            self._repository._download_file(path, str(place))
            with place.open("rb") as file:
                return hashlib.file_digest(file, "sha256").digest()

    def _sizes(self, path: str | None = None, depth: int = 0) -> Iterator[tuple[str, int | None]]:
        for found in self._repository.list_artifacts(path):
            if not found.is_dir:
                yield found.path, None if found.file_size is None else int(found.file_size)
            elif depth < _DEEPEST and found.path != path:
                yield from self._sizes(found.path, depth + 1)
