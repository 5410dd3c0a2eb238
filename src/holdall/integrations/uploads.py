"""Checkpoints on their way into a run, while the training goes on.

Frameworks rewrite and delete a checkpoint right after they have told of it, so before a callback returns its files
are `staged`. A thread uploads one checkpoint after the other. `pending` of them wait at most: who saves more than
the bucket takes waits.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, Literal

import holdall
from holdall.integrations.job import Job
from holdall.integrations.staging import Staged, stage

When = Literal["background", "now"]
_TRIES: Final = 4  # of a checkpoint whose first names are taken away while it is read, which changes its ctime


class Uploads:
    """What a training saves, logged in its order.

    Args:
        job: Whose run it goes to. A versioned run takes other content for a path; in others that is a failure.
        when: "background": a thread logs it; "now": it is in the run when the call returns.
        pending: How many may be under way or wait.
        keep_last: How many versions of a path a versioned run keeps, the new one counted; all of them when None.

    Attributes:
        logged: Where each path of the run was logged from.

    Raises:
        InvalidArgumentError: `when` is neither.
    """

    def __init__(self, job: Job, when: When = "background", *, pending: int = 2, keep_last: int | None = None) -> None:
        if when not in ("background", "now"):
            raise holdall.InvalidArgumentError(f"uploads is 'background' or 'now', not {when!r}")
        self.logged: dict[str, Path] = {}
        self._job, self._when, self._pending, self._keep = job, when, max(1, pending), keep_last
        self._under_way: deque[holdall.LogFuture] = deque()

    def log(self, local: Path, path: str) -> None:
        """Log a file or folder at this path of the run; when this returns, the local one may be changed or deleted."""
        self.logged[path] = local
        with self._job.going_on(f"keeping {local} until it is uploaded"):
            staged = stage(local, path.rpartition("/")[2])
            self._later(lambda: self._upload(staged, path))

    def remove(self, path: str) -> None:
        """Take a path out of a versioned run, behind what was logged before, and give its space back."""
        self.logged.pop(path, None)
        if self._job.versioned:
            self._later(lambda: self._remove(path))

    def remove_missing(self) -> None:
        """Take those out that are no longer where they were logged from."""
        for path in [path for path, local in self.logged.items() if not os.path.lexists(local)]:
            self.remove(path)

    def wait(self) -> None:
        """Wait until everything is in the run, or has failed."""
        while self._under_way:
            self._under_way.popleft().result()

    def _later(self, work: Callable[[], None]) -> None:
        if self._when == "now":
            work()
            return
        while len(self._under_way) >= self._pending:
            self._under_way.popleft().result()
        self._under_way.append(self._job.run.later(work))

    def _upload(self, staged: Staged, path: str) -> None:
        with self._job.going_on(f"uploading {path}"):
            try:
                self._upload_unchanged(staged, path)
            finally:
                staged.drop()

    def _upload_unchanged(self, staged: Staged, path: str) -> None:
        """Log what was staged: again where only its names changed meanwhile, which sends nothing twice."""
        for left in reversed(range(_TRIES)):
            staged.check()
            try:
                log_at(self._job.run, staged.local, path, replace=self._job.versioned, keep_last=self._keep)
                return
            except holdall.SourceChangedError:
                if not left:
                    raise

    def _remove(self, path: str) -> None:
        with self._job.going_on(f"removing {path}"), suppress(holdall.ArtifactNotFoundError):
            self._job.run.delete_artifact(path)
            self._job.run.trim(path, keep_last=0)


def log_at(run: holdall.Run, local: Path, path: str, *, replace: bool, keep_last: int | None = None) -> None:
    """Log a file, whose name ends the path, or what a folder holds, at this path of a run."""
    options: dict[str, Any] = {"on_conflict": "replace", "keep_last": keep_last} if replace else {}
    if local.is_dir():
        run.log_artifacts(local, path, **options)
    else:
        run.log_artifact(local, path.rpartition("/")[0] or None, **options)
