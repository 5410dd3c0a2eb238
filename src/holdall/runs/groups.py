"""What the ranks of one job log together: a shard each, and one entry commits them all, or none.

    with run.group(step=10, rank=rank, world_size=4) as part:      # in each of four processes
        part.log_artifacts("shard", "checkpoints/10")
    part.wait(600)                                                 # if it must be known that all came

There is no server, and no rank that copies what others have: each uploads its own, and the last that comes writes the
entry. SPEC.md, "Groups".
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Final, Self

from holdall.display import Facts, Shown
from holdall.errors import GroupIncompleteError, InvalidArgumentError, UnsupportedFileError
from holdall.format.groups import Group
from holdall.format.ops import MOST_GROUP_NAME, is_count
from holdall.runs import rendering
from holdall.runs.reading import join_path
from holdall.runs.versions import OnConflict, replacing
from holdall.runs.writing import RunWriter
from holdall.trees.location import Location
from holdall.trees.native import named
from holdall.trees.part import PartTransaction
from holdall.trees.source import Item, bytes_item, local_items, stream_item

MOST_RANKS: Final = 8_192  # one entry commits them all, and has 4 MiB; readers take what fits
_FIRST_PAUSE: Final = 0.05  # seconds between two looks at the log, doubled up to
_LONGEST_PAUSE: Final = 5.0


class GroupPart(Shown):
    """What one rank logs for a group. Made by `run.group`; a `with` block that ends well leaves it, any other nothing.

    Attributes:
        group: The name of the group.
        rank, world_size: Which rank this is, of how many.
    """

    def __init__(self, location: Location, run_id: str, part: PartTransaction) -> None:
        self._location, self._run_id, self._part = location, run_id, part
        self.group, self.rank, self.world_size = self._part.group.name, self._part.rank, self._part.group.world

    def _shown(self) -> Facts:
        return {"group": self.group, "rank": self.rank, "world_size": self.world_size, "run_id": self._run_id}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if kind is None:
            self.leave()

    def log_artifact(self, local_path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Add a file, or a folder under its own name. Raises and cost: as `run.log_artifact`, but for its last entry.

        Example:
            >>> with open("shard-0.bin", "wb") as file:
            ...     size = file.write(b"weights")
            >>> with run.group(step=10, rank=0, world_size=1) as part:
            ...     part.log_artifact("shard-0.bin", "checkpoints/10")
            >>> run.read("checkpoints/10/shard-0.bin")
            b'weights'
        """
        local = Path(local_path)
        name = local.name if local.name not in ("", "..") else local.resolve().name
        self._stage(local_items(local, join_path(artifact_path, named(name))))

    def log_artifacts(self, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Add what a folder holds. Raises and cost: as `run.log_artifacts`, but for its last entry.

        Example:
            >>> import os
            >>> os.mkdir("shard")
            >>> with open("shard/0.bin", "wb") as file:
            ...     size = file.write(b"weights")
            >>> with run.group(step=10, rank=0, world_size=1) as part:
            ...     part.log_artifacts("shard", "checkpoints/10")
            >>> run.read("checkpoints/10/0.bin")
            b'weights'
        """
        folder = Path(local_dir)
        if folder.exists() and not folder.is_dir():
            raise UnsupportedFileError(str(folder), "it is not a folder; add one file with log_artifact")
        self._stage(local_items(folder, join_path(artifact_path, "")))

    def log_bytes(self, data: bytes, artifact_file: str) -> None:
        """Add bytes as a file. Raises and cost: as `run.log_bytes`, but for its last entry.

        Example:
            >>> with run.group(step=10, rank=0, world_size=1) as part:
            ...     part.log_bytes(b"weights", "checkpoints/10/0.bin")
            >>> run.read("checkpoints/10/0.bin")
            b'weights'
        """
        self._stage([bytes_item(artifact_file, data)])

    def log_text(self, text: str, artifact_file: str) -> None:
        """Add text as a UTF-8 file. Raises and cost: as `log_bytes`.

        Example:
            >>> with run.group(step=10, rank=0, world_size=1) as part:
            ...     part.log_text("rank 0 of 1", "checkpoints/10/0.txt")
            >>> run.load_text("checkpoints/10/0.txt")
            'rank 0 of 1'
        """
        self._stage([bytes_item(artifact_file, rendering.text_bytes(text))])

    def log_stream(self, stream: BinaryIO, artifact_file: str) -> None:
        """Add what a binary stream still gives, without holding it. Raises and cost: as `log_bytes`.

        Example:
            >>> import io
            >>> with run.group(step=10, rank=0, world_size=1) as part:
            ...     part.log_stream(io.BytesIO(b"weights"), "checkpoints/10/0.bin")
            >>> run.read("checkpoints/10/0.bin")
            b'weights'
        """
        self._stage([stream_item(stream, artifact_file)])

    def leave(self) -> None:
        """Leave the part in the run's log, where all find it; the last rank's entry commits the group instead.

        The end of a `with` block does this. Called again, it changes nothing.

        Raises:
            GroupConflictError: Another rank has something else at one of its paths, or this rank left something else
                before, or the group was committed with something else.
            GroupSupersededError: A greater attempt took over.
            ArtifactExistsError, PathConflictError, RegisteredPathError: As `run.log_artifact`; also for what another
                rank has, if this is the last.

        Cost: one PUT, besides what was uploaded.

        Example:
            >>> first = run.group(step=20, rank=0, world_size=2)
            >>> first.log_text("rank 0", "20/0.txt")
            >>> first.leave()
            >>> "20/0.txt" in run.manifest
            False
            >>> with run.group(step=20, rank=1, world_size=2) as last:
            ...     last.log_text("rank 1", "20/1.txt")
            >>> sorted(path for path in run.manifest if path.startswith("20/"))
            ['20/0.txt', '20/1.txt']
        """
        self._part.publish()

    @property
    def committed(self) -> bool:
        """Return whether the group is committed, as far as this process has read the run's log; `wait` reads on.

        Cost: none.
        """
        return self._part.committed

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the group is committed.

        Args:
            timeout: Seconds; for as long as it takes when None.

        Raises:
            GroupIncompleteError: It was not, after so long; the error names the ranks that are missing.
            GroupSupersededError: A greater attempt took over.

        Cost: a listing and the entries that are new, every 50 ms at first and every five seconds later; none where
            this rank was the last.

        Example:
            >>> part = run.group(step=30, rank=0, world_size=3)
            >>> part.log_text("rank 0", "30/0.txt")
            >>> part.leave()
            >>> from holdall.errors import GroupIncompleteError
            >>> try:
            ...     part.wait(0)
            ... except GroupIncompleteError as error:
            ...     error.missing
            [1, 2]
        """
        end = None if timeout is None else self._location.ticks() + timeout
        pause = _FIRST_PAUSE
        while not self._part.committed:
            self._part.follow()
            left = pause if end is None else end - self._location.ticks()
            if self._part.committed:
                return
            if left <= 0:
                raise GroupIncompleteError(self._run_id, self.group, self._part.missing)
            self._location.sleep(min(pause, left))
            pause = min(2 * pause, _LONGEST_PAUSE)

    def _stage(self, items: Sequence[Item]) -> None:
        self._part.stage(items)


class RunGroups(RunWriter):
    """A run of a store, to which the processes of one job log together."""

    def group(
        self,
        *,
        rank: int,
        world_size: int,
        step: int | None = None,
        name: str | None = None,
        attempt: int = 0,
        on_conflict: OnConflict = "error",
        keep_last: int | None = None,
    ) -> GroupPart:
        """Return this rank's part of what the ranks of one job log together: one entry commits them all, or none.

        Each of the processes uploads its own shard, in any order and at any time, and leaves a *part* in the run's log
        that no reader sees. The last that comes commits all parts. No process waits, and none copies for another.

        Args:
            rank, world_size: Which of the processes this is, from 0 on, of how many; at most 8,192, as one
                entry commits them all.
            step: What tells this group from the run's others: the step of the training, say;
            name: or a name, or both.
            attempt: Which try of the job this is: parts of a smaller one that were not committed are dropped. Where a
                job begins again after a failure, and makes other content, give it one more, such as torchrun's
                `TORCHELASTIC_RESTART_COUNT`. Parts of another world size are dropped in any case.
            on_conflict, keep_last: As for `log_artifact`; the same in all ranks.

        Raises:
            InvalidArgumentError: The arguments mean no group.
            RunNotVersionedError: "replace" was asked for, and the run's paths never change.

        Cost: reading the log's end, where this process does not write to the run yet; then as `GroupPart` says.

        Example:
            >>> for rank in (1, 0):
            ...     with run.group(step=10, rank=rank, world_size=2) as part:
            ...         part.log_text(f"shard {rank}", f"checkpoints/10/{rank}.txt")
            >>> part.committed, sorted(path for path in run.manifest if path.startswith("checkpoints"))
            (True, ['checkpoints/10/0.txt', 'checkpoints/10/1.txt'])
        """
        group, replace = checked_group(name, step, rank, world_size, attempt), replacing(on_conflict, keep_last)
        return GroupPart(self._location, self.id, PartTransaction(self._writing(), group, rank, replace))


def checked_group(name: str | None, step: int | None, rank: int, world_size: int, attempt: int) -> Group:
    """Return the group that these arguments mean, without parts.

    Raises:
        InvalidArgumentError: They mean none.
    """
    if name is None and step is None:
        raise InvalidArgumentError("a group has a step, a name or both: run.group(step=10, ...)")
    if step is not None and not is_count(step):
        raise InvalidArgumentError(f"a step is an integer from 0 on, not {step!r}")
    if not is_count(world_size) or not 0 < world_size <= MOST_RANKS:
        raise InvalidArgumentError(f"world_size is an integer from 1 to {MOST_RANKS}, not {world_size!r}")
    if not is_count(rank) or rank >= world_size:
        raise InvalidArgumentError(f"rank is an integer from 0 to {world_size - 1}, of {world_size}, not {rank!r}")
    if not is_count(attempt):
        raise InvalidArgumentError(f"attempt is an integer from 0 on, not {attempt!r}")
    key = "-".join(str(word) for word in ("step" if name is None else name, step) if word is not None)
    if not isinstance(name, str | None) or not 0 < len(key) <= MOST_GROUP_NAME:
        raise InvalidArgumentError(f"the name of a group is a text of 1 to {MOST_GROUP_NAME} characters, with its step")
    return Group(key, world_size, attempt)
