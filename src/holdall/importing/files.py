"""The files of a source: listed beforehand, and brought with their digests compared."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from holdall.errors import ConflictError, InvalidPathError, SourceError
from holdall.format.tree import Entry
from holdall.importing.found import Folder, FoundFile, FoundRun
from holdall.moving import Problem
from holdall.trees.source import Item, local_items, unreadable
from holdall.trees.transaction import Published

_MOST_BYTES, _MOST_FILES = 1 << 30, 2_000  # that one commit brings, and a temporary folder holds
_BLOCK: Final = 1 << 20


@dataclass(slots=True)
class Listing:
    """What files a run and its models have at the source.

    Attributes:
        files: The run's.
        models: Those of each of its models, by the source's id.
        problems: What could not be listed.
    """

    files: Sequence[FoundFile] = ()
    models: dict[str, Sequence[FoundFile]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def _all(self) -> Iterator[FoundFile]:
        yield from self.files
        for some in self.models.values():
            yield from some

    @property
    def count(self) -> int:
        """Return how many files there are."""
        return sum(1 for _ in self._all)

    @property
    def bytes(self) -> int:
        """Return how many bytes they have, as far as is known."""
        return sum(file.size or 0 for file in self._all)

    @property
    def state(self) -> Any:
        """Return what differs where a file came, went, has another size, or was written again."""
        models = {id: list(map(_state, some)) for id, some in sorted(self.models.items())}
        return [list(map(_state, self.files)), models]


def listed(run: FoundRun) -> Listing:
    """Return what files a run and its models have."""
    found = Listing()
    found.files = _listed(run.folder, run, "", found.problems)
    for model in run.models:
        found.models[model.source_id] = _listed(model.folder, run, model.name, found.problems)
    return found


def _listed(folder: Folder | None, run: FoundRun, path: str, problems: list[Problem]) -> Sequence[FoundFile]:
    try:
        return folder.files() if folder else ()
    except (SourceError, OSError) as error:
        problems.append(Problem("model" if path else "file", run.source_id, path, f"it cannot be listed: {error}"))
        return ()


class FileBringer:
    """Logs files of a folder of the source, each compared with it.

    Attributes:
        problems: What could not be brought.
        stored_bytes: What was sent, as encoded.
        changed: Whether anything was committed.
    """

    def __init__(self, source_id: str, log: Callable[[Sequence[Item]], Published], there: Mapping[str, Entry]) -> None:
        self._source_id, self._log, self._there = source_id, log, there
        self.problems: list[Problem] = []
        self.stored_bytes, self.changed = 0, False

    def bring(self, folder: Folder, files: Sequence[FoundFile], prefix: str = "") -> None:
        """Log the files that the run lacks below a prefix; what is there with these bytes is left alone."""
        for batch in _batches(files):
            with self.fetched(folder, batch, prefix) as (items, sums):
                fresh = [item for item in items if not self._has(item.path, sums[item.path])]
                if fresh:
                    self._commit(fresh, sums)

    @contextmanager
    def fetched(
        self, folder: Folder, files: Sequence[FoundFile], prefix: str = ""
    ) -> Iterator[tuple[list[Item], dict[str, bytes]]]:
        """Give files as items, and the SHA-256 of each at its source by its path here."""
        items, sums = [], {}
        with tempfile.TemporaryDirectory(prefix="holdall-") as into:
            for file in files:
                path = f"{prefix}/{file.path}" if prefix else file.path
                try:
                    place = folder.fetch(file, Path(into))
                    item, digest = _item(place, path), _sha256(place)
                except (SourceError, InvalidPathError) as error:
                    self.problem(file.path, str(error))
                    continue
                if file.size is not None and item.size != file.size:
                    self.problem(file.path, f"it has {item.size} bytes, and the source says {file.size}")
                    continue
                if file.sha256 is not None and digest.hex() != file.sha256:
                    self.problem(file.path, f"it is {digest.hex()}, and the source's books say {file.sha256}")
                    continue
                items.append(item)
                sums[path] = digest
            yield items, sums

    def compare(self, entries: Sequence[Entry], sums: Mapping[str, bytes]) -> None:
        """Tell which entries have another digest than their source."""
        for entry in entries:
            if entry.path in sums and entry.sha256 != sums[entry.path]:
                self.problem(entry.path, f"it is {entry.sha256.hex()} here, and {sums[entry.path].hex()} at the source")

    def problem(self, path: str, why: str) -> None:
        """Note a file that could not be brought."""
        self.problems.append(Problem("file", self._source_id, path, why))

    def count(self, published: Published) -> None:
        """Take into account what a commit did."""
        self.stored_bytes += published.stored_bytes
        self.changed = self.changed or published.committed

    def _has(self, path: str, digest: bytes) -> bool:
        entry = self._there.get(path)
        return entry is not None and entry.sha256 == digest

    def _commit(self, items: Sequence[Item], sums: Mapping[str, bytes]) -> None:
        try:
            published = self._log(items)
        except (ConflictError, SourceError) as error:
            if len(items) == 1:
                self.problem(items[0].path, str(error))
            for item in items if len(items) > 1 else ():
                self._commit([item], sums)
            return
        self.count(published)
        self.compare(published.entries, sums)


def _state(file: FoundFile) -> tuple[Any, ...]:
    return file.path, file.size, file.changed


def _item(place: Path, path: str) -> Item:
    """Return a local file as an item. Raises: SourceError, InvalidPathError."""
    items = local_items(place, path)
    if len(items) != 1:
        raise InvalidPathError(path, "it is a folder, and the source calls it a file")
    return items[0]


def _sha256(place: Path) -> bytes:
    """Return the digest of a local file, read apart from what is logged. Raises: SourceUnreadableError."""
    try:
        with place.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise unreadable(place, error) from error


def _batches(files: Sequence[FoundFile]) -> Iterator[list[FoundFile]]:
    """Yield files, so many together as a temporary folder should hold at once."""
    batch: list[FoundFile] = []
    size = 0
    for file in files:
        if batch and (size + (file.size or 0) > _MOST_BYTES or len(batch) == _MOST_FILES):
            yield batch
            batch, size = [], 0
        batch.append(file)
        size += file.size or 0
    if batch:
        yield batch
