"""A run as it was at one moment, to be read by many who ask much.

A handle looks at the run's log anew for each verb. Who opens many files, or one
file many times, pays for that each time, and may see the run grow meanwhile. A
snapshot looks once:

    its log             read when it is taken, and never again
    nodes of its tree   read when they are needed, the last few hundred of them kept
    content             read when it is asked for, and not kept

A collector may delete a pack that only earlier entries of the log refer to (see
`rereading`). Where a snapshot needs such a pack it looks once more and shows the
run as it is then; what a file that is open holds never changes by that. So no
bytes are ever wrong, but a path that was logged since may be seen then, and in a
versioned run what replaced another.

Threads may share one, and it travels to other processes, which read the same
entries of the log.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Self

from holdall.display import Facts, Shown
from holdall.errors import ArtifactNotFoundError, InvalidArgumentError, RunNotFoundError
from holdall.format.layout import run_log
from holdall.format.paths import check_path
from holdall.format.tree import Entry, Kind
from holdall.runs.loading import RunLoader
from holdall.runs.promise import Promise
from holdall.runs.record import ArtifactInfo
from holdall.runs.rereading import read_again, watch
from holdall.runs.selections import follow_links
from holdall.runs.signer import RunVerifier
from holdall.trees.blobs import LEAD, RunBlobReader
from holdall.trees.journal import Journal
from holdall.trees.location import Location
from holdall.trees.view import View

if TYPE_CHECKING:
    from holdall.runs.levels import Level
    from holdall.runs.search import RunSummary


class RunSnapshot(RunLoader, RunVerifier, Shown):
    """A run as it was when `run.snapshot()` was called, to be read: it has all verbs that read, and none that writes.

    Attributes:
        id: 32 hex digits.
    """

    _seen: View | None = None
    _pinned: int | None = None  # the newest entry that counts, where it comes from another process

    @classmethod
    def _taken(cls, location: Location, id: str, promise: Promise | None = None, view: View | None = None) -> Self:
        """Return a snapshot of a run as it is now, or as of a view. Raises, cost: as `Run.snapshot`."""
        found = cls(location, id)
        found._promise = promise
        found._seen = found._held(watch(view)) if view else found._load()
        return found

    def snapshot(self) -> Self:
        """Return this snapshot.

        Example:
            >>> before = run.snapshot()
            >>> before.snapshot() is before
            True
        """
        return self

    @property
    def summary(self) -> RunSummary:
        """Return the run as a search's index has it. Cost: none.

        Example:
            >>> run.snapshot().summary.points["loss"]
            [1, 1767225601000, 2]
        """
        from holdall.runs.summarising import summarise  # few programs look around

        return summarise(self.id, self._view().state)

    def stat(self, path: str) -> ArtifactInfo:
        """Return what is at a path: a file with its size and digest, a directory, or a link that leads to no file.

        A link that leads to a file is that file, with `target` to tell it from one.

        Raises:
            ArtifactNotFoundError: There is nothing.

        Cost: the nodes of the tree on the way there, where they were not read yet.

        Example:
            >>> now = run.snapshot()
            >>> now.stat("report.txt").size, now.stat("model").kind
            (12, 'directory')
        """
        return self._reading(lambda view: self._stat(view, path)) if path else ArtifactInfo(self.id, "", "directory")

    def walk(self, path: str | None = None) -> Iterator[ArtifactInfo]:
        """Yield what is at and below a path, as `stat` tells it, in the tree's order; directories only if empty.

        Raises:
            IncompleteError: At the end: there may be more, in what cannot be read.

        Cost: the nodes of the tree there, where they were not read yet.

        Example:
            >>> [(found.path, found.size) for found in run.snapshot().walk()]
            [('model/weights.bin', 8), ('report.txt', 12)]
        """
        for entry in self.entries(path):
            yield self.stat(entry.path) if entry.kind is Kind.LINK else self._told(entry)

    def level(self, path: str = "", *, after: str = "", limit: int = 1_000) -> Level:
        """Return a part of what is directly in a directory, with how much is below each directory in it.

        Args:
            path: The directory; "" for the run's root.
            after: Where to go on: what `after` of the part before says; "" for the first.
            limit: How many rows at most.

        Raises:
            ArtifactNotFoundError: There is no such directory.
            InvalidArgumentError: `limit` is no count from 1 on.
            IncompleteError: What is there cannot be read.

        Cost: the nodes of the tree there, where they were not read yet; entries of at most 50,000 are added up.

        Example:
            >>> [(row.path, row.files, row.size) for row in run.snapshot().level().rows]
            [('model', 1, 8), ('report.txt', 1, 12)]
        """
        from holdall.runs.levels import level_of  # few programs look around

        if type(limit) is not int or limit < 1:
            raise InvalidArgumentError(f"limit is an integer from 1 on, not {limit!r}")
        found = level_of(path, self.entries(path or None), after=after, limit=limit)
        if path and not found.rows and not after:
            raise ArtifactNotFoundError(self.id, path)
        return found

    def _told(self, entry: Entry) -> ArtifactInfo:
        if entry.kind is Kind.DIRECTORY:
            return ArtifactInfo(self.id, entry.path, "directory")
        return ArtifactInfo(self.id, entry.path, "file", entry.size, entry.sha256.hex())

    def _stat(self, view: View, path: str) -> ArtifactInfo:
        found = view.paths.find([check_path(path)]).get(path)
        if found is None and not view.paths.below([path]):
            raise ArtifactNotFoundError(self.id, path)
        if found is None or found.kind is Kind.DIRECTORY:
            return ArtifactInfo(self.id, path, "directory")
        target = found.target if found.kind is Kind.LINK else None
        file = found if target is None else follow_links(view, path)
        if file is None or file.kind is not Kind.FILE:
            return ArtifactInfo(self.id, path, "link", target=target)
        return ArtifactInfo(self.id, path, "file", file.size, file.sha256.hex(), target)

    def __getstate__(self) -> dict[str, Any]:
        view = self._view()
        return {"location": self._location, "id": self.id, "promise": self._promise, "pinned": view.next - 1}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["location"], state["id"])  # type: ignore[misc]  # what it saw is read again when needed
        self._promise, self._pinned = state["promise"], state["pinned"]

    # --- inside ---

    def _shown(self) -> Facts:
        known = self.record._shown() if self._seen else {"run_id": self.id}
        return {**known, "store": self._location.bucket.url}

    def _view(self, *, content: bool = False) -> View:
        view = self._seen or self._load()
        view.paths.blobs.lead = LEAD if content else 0
        return view

    def _load(self) -> View:
        """Return the run as it was; or as it is now, where something that it needs is gone."""
        first = self._pinned if self._seen is None else None
        view = self._held(super()._load() if first is None else self._as_of(first))
        self._seen = view
        return view

    def _as_of(self, n: int) -> View:
        location = self._location
        journal = Journal(location.bucket, location.pool, run_log(self.id))
        blobs = RunBlobReader(location.bucket, location.pool, journal, location.damage)
        view = View.as_of(location.beside_descriptor(lambda: n), blobs)
        if view is None or view.state.purged:
            location.refuse_shredded(self.id)
            raise RunNotFoundError(self.id, location.bucket.url, view is not None)
        return watch(view)

    def _held(self, view: View) -> View:
        """Return a view that keeps the promise by which the run was found."""
        if (promise := self._promise) is None:
            return view

        def held(view: View) -> View:
            promise.hold(self.id, view)
            return view

        return read_again(view, super()._load, held)
