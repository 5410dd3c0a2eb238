"""The runs behind MLflow's artifact roots: found, begun, written to and ended.

A process keeps the runs open that it wrote to last, so that one file more is one request. A server writes to any number
of them, so the one that was written to longest ago is ended when there are too many; it is gone on with when it is
written to again.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Final, TypeVar

from holdall.errors import ArtifactNotFoundError, HoldallError, RunDeletedError, RunEndedError, RunNotFoundError
from holdall.store import OnConflict, Run, Store, the_end
from holdall.surfaces.mlflow.roots import ROOT_TAG, Root
from holdall.surfaces.mlflow.streams import Once

T = TypeVar("T")
MOST_OPEN: Final = 32  # runs of a process
LEFT: Final = 60.0  # seconds without a file, after which a run is looked at before it is written to
_DISCARDED: Final = "holdall.discarded"


class RootRun:
    """The run of one root, in its newest generation."""

    def __init__(self, store: Store, root: Root, *, strict: bool = False) -> None:
        self._store, self._root, self._strict = store, root, strict

    def read(self, verb: Callable[[Run], T]) -> T:
        """Return what a verb makes of the run. Raises: RunNotFoundError: Nothing was ever logged there, or it is gone.

        Cost: as the verb; a listing and a GET more the first time for each generation before.
        """
        while True:
            generation = self._generation
            try:
                return verb(self._store.runs.get(self._id))
            except RunNotFoundError as error:
                if self._root.native or not error.purged:
                    raise
                self._begin_generation(generation + 1)

    def write(self, verb: Callable[[Run, OnConflict], T], *, once: Once | None = None) -> T:
        """Return what a verb makes of the run, which is begun if there is none.

        Args:
            verb: Is given the run, and what to do where a path holds other content. It is called again where the run
                was purged meanwhile.
            once: What it reads, where that can be read only once.

        Raises: what the verb raises. Cost: as `store.runs.ensure`, and the verb.
        """
        while True:
            generation, run = self._generation, self._ensured()
            try:
                if _open.was_left(run):
                    run.state  # noqa: B018  # another may have purged it, and a collection have freed its log's numbers
                with _open.used(run):
                    found = verb(run, self._rule(run))
            except RunEndedError:  # another thread ended it, as too many were open
                if once and once.begun:
                    raise
            except (RunNotFoundError, RunDeletedError) as error:
                if self._root.native or not self._is_over(run):
                    raise
                self._begin_generation(generation + 1)
                if once and once.begun:
                    error.hint = "it was deleted while a file was sent to it: send the file again"
                    raise
            else:
                _open.keep(run)
                return found

    @property
    def has_owner(self) -> bool:
        """Return whether it is the root of one run, model or trace of MLflow's."""
        return bool(self._root.names)

    def list(self, path: str) -> list[tuple[str, bool, int | None]]:
        """Return the name, whether it is a directory and the size of what is directly in a directory, sorted."""
        found = self.read(lambda run: self._store.artifacts.list(f"runs:/{run.id}/{path}"))
        return [(each.path.rpartition("/")[2], each.is_dir, each.file_size) for each in found]

    def is_directory(self, path: str) -> bool:
        """Return whether a path is a directory. Raises: ArtifactNotFoundError, RunNotFoundError: Nothing is there."""
        return self.read(lambda run: self._store.artifacts.info(f"runs:/{run.id}/{path}")).kind == "directory"

    def remove(self, path: str) -> None:
        """Take a path away for good, and all below it. What is not there is gone already."""
        with suppress(ArtifactNotFoundError, RunNotFoundError):
            self.read(lambda run: run.delete_artifact(path, trim=True))

    def discard(self) -> None:
        """Delete all that was logged to the root, for good. Where nothing was, nothing is done."""
        if self._root.native:  # goes with its run, which another verb of MLflow deletes
            return
        while not self._store.maintenance.discard(self._id):
            generation = self._generation
            with suppress(RunNotFoundError):
                self.read(lambda run: run.state)
            if self._generation == generation:  # there is no later one
                break
        _open.forget(self._id)

    # --- inside ---

    @property
    def _place(self) -> tuple[str, str]:
        return self._store.url, self._root.path

    @property
    def _id(self) -> str:
        root = self._root
        return root.native or self._store.runs.id_of(root.key(self._generation), root.experiment)

    @property
    def _generation(self) -> int:
        return _generations.get(self._place, 0)

    def _begin_generation(self, generation: int) -> None:
        _open.forget(self._id)
        _generations[self._place] = max(generation, self._generation)

    def _ensured(self) -> Run:
        root = self._root
        if root.native:
            return self._store.runs.get(root.native)
        return self._store.runs.ensure(
            root.key(self._generation),
            experiment=root.experiment,
            name=root.name,
            tags={ROOT_TAG: root.path},
            paths="versioned",
        )

    def _rule(self, run: Run) -> OnConflict:
        """Return what to do where a path holds other content; a run that is no root of ours may never change."""
        if self._strict:
            return "error"
        if self._root.native and _versioned.setdefault(run.id, run.state.versioned) is False:
            return "error"
        return "replace"

    def _is_over(self, run: Run) -> bool:
        """Return whether a run was purged. One that another was about to purge is, before this returns.

        Raises:
            RunDeletedError: Somebody deleted it otherwise, and may restore it.

        Cost: a listing and a GET.
        """
        try:
            tags = run.data.tags
        except RunNotFoundError as error:
            return error.purged
        if run.info.lifecycle_stage != "deleted":  # it was restored just now
            return False
        if _DISCARDED in tags:
            self._store.maintenance.discard(run.id)
            return True
        deleted = RunDeletedError(run.id)
        deleted.hint = f"store.runs.get({run.id!r}).restore() takes it back, with what was logged to it"
        deleted.shell_hint = f"`holdall run restore {run.id}`"
        raise deleted


class _Open:
    """The runs that this process wrote to last. A forked child has its own."""

    def __init__(self, most: int) -> None:
        self._most, self._pid = most, os.getpid()
        self._runs: dict[str, Run] = {}
        self._written: dict[str, float] = {}
        self._users: dict[str, int] = {}
        self._counting = threading.Lock()
        the_end.register(self.end_all)

    def keep(self, run: Run) -> None:
        """Note that a run was written to just now, and end the one that was so longest ago, if there are too many."""
        runs = self._own
        runs.pop(run.id, None)
        runs[run.id] = run  # as the newest
        self._written[run.id] = monotonic()
        for id in [id for id in list(runs) if not self._users.get(id)][: max(0, len(runs) - self._most)]:
            self._written.pop(id, None)
            if eldest := runs.pop(id, None):  # no other thread took it
                _end(eldest)

    @contextmanager
    def used(self, run: Run) -> Iterator[None]:
        """While this lasts, a run is not ended for being one too many."""
        self._own  # noqa: B018  # a forked child begins anew
        with self._counting:
            self._users[run.id] = self._users.get(run.id, 0) + 1
        try:
            yield
        finally:
            with self._counting:
                self._users[run.id] -= 1
                if not self._users[run.id]:
                    del self._users[run.id]

    def was_left(self, run: Run) -> bool:
        """Return whether a run is open, and was not written to for a while."""
        return run.id in self._own and monotonic() - self._written.get(run.id, 0.0) > LEFT

    def forget(self, id: str) -> None:
        """Forget a run that nothing can be written to any more."""
        self._own.pop(id, None)
        self._written.pop(id, None)

    def end_all(self) -> None:
        """End all of them, as far as they can be."""
        while self._own:
            _end(self._own.popitem()[1])  # the newest first

    @property
    def _own(self) -> dict[str, Run]:
        if self._pid != os.getpid():
            self._pid, self._runs, self._users, self._counting = os.getpid(), {}, {}, threading.Lock()
        return self._runs


def _end(run: Run) -> None:
    """End a run: its last entry says all that there is, so that it is read in two requests. It may have been purged."""
    with suppress(HoldallError):
        run.finish()


_open: Final = _Open(MOST_OPEN)
_generations: dict[tuple[str, str], int] = {}  # by store and root: the first that was not purged, as far as is known
_versioned: dict[str, bool] = {}  # by the id of a run of this store itself
