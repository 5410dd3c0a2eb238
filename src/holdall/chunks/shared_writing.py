"""Large work for one commit, shared among worker processes.

    this process     opens the session, looks at the garbage, lends numbers for packs, deals files and parts of files;
                     makes the SHA-256 of files that are written in parts, joins the recipes of these; commits
    each worker      reads, cuts, names, looks up, encodes, packs, uploads (`worker_writing.py`)

**Parts.** A file is cut as if one process did it: a part is read from sixteen
largest chunks before it, and by then its cuts have fallen together with those of
the part before, so that one ends where the other begins. Where they have not,
as in long stretches of zeros, what lies between is written as one chunk more, and
chunks that two parts have in common are taken once. So what is stored does not
depend on how many workers there are, nor on where parts begin.

Since the file is read twice then, once for its hash, both readers make the
BLAKE3 of each part as well, to where its last chunk may end, and a difference means
that it changed meanwhile, also by a way that leaves its times as they were.

**Garbage** (SPEC.md). The workers and their parent are one session.

    W1   the session is open before any of this begins
    W2   the parent has looked before a worker reads a footer or sends a pack, and a worker is told what it saw
    W3   a worker refers to packs of the session and to those whose footer it has read, which was after that look
    W3a  it tries a blob of a pack of others before it refers to that, unless its parent has
    W4   a fence may come while a worker works; it does not hear of it, but nothing refers to what it wrote before the
         commit, and before that the parent holds all references of the commit, whoever made them, against what the
         fence condemns, as it does with its own: it copies what is condemned, or reads it again
    W5   workers have ended before the commit, so before the session's close
    W6   where the session begins again while they work, their packs are the old session's and count as another's:
    W7   before it commits, the parent reads the footers of all that they refer to, and tries what it has not tried

The names of packs are given once (`pack_names.py`). Hints follow a pack when it
was acknowledged, also where the work fails after that, so that the next try finds it.

**The same chunk** in two places is stored by the worker that meets it first (`claims.py`), as it is by one process;
where two meet it within a microsecond, or where there is no table, by each of them, at most.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, Protocol, TypeVar

from holdall.chunks import worker_writing
from holdall.chunks.cutter import ALIGNMENT, Readable
from holdall.chunks.damage import Damage
from holdall.chunks.dealing import Deal, Job
from holdall.chunks.file_hashes import FileHashes
from holdall.chunks.joining import Stretch, fit
from holdall.chunks.observer import Transfer
from holdall.chunks.packer import WriteStats
from holdall.chunks.worker_writing import FilePart, Flushed, FoundDamage, ReadablePart, Settled, Task, Told, WholeFile
from holdall.format import digest
from holdall.format.recipe import join_recipes, recipe_length
from holdall.format.reference import Ref

T = TypeVar("T")
_LEAD: Final = 16  # largest chunks that are cut before a part: about sixty of usual size


class UnclaimedError(Exception):
    """A chunk was left to a worker that has it not: its word in the table of claims was that of another chunk."""


class WorkerProcess(Protocol):
    """A worker, as `holdall.workers` gives it."""

    def call(
        self, function: Callable[..., T], /, *args: object, notify: Callable[[Any], object] | None = None
    ) -> Future[T]:
        """Call a function there."""
        ...


class SharedFile(Protocol):
    """A file that workers can open; pickled on its way there."""

    @property
    def size(self) -> int:
        """Return its length in bytes."""
        ...

    def open(self) -> AbstractContextManager[Readable]:
        """Open all of it."""
        ...

    def open_part(self, begin: int, end: int, start: int, stop: int) -> AbstractContextManager[ReadablePart]:
        """Open it to be read from `begin` to `end`, with a digest of what is between `start` and `stop`."""
        ...

    def refuse_changed(self) -> None:
        """Raise the error that says that it changed while it was read."""
        ...


@dataclass(frozen=True, slots=True)
class PackedFile:
    """A file whose chunks are in packs that the bucket has acknowledged.

    Attributes:
        size: Its length in bytes.
        sha256: Of all of it.
        recipe: Its recipe; None where it is empty.
        home: Where the bucket has the recipe, if it has it.
    """

    size: int
    sha256: bytes
    recipe: bytes | None
    home: Ref | None = None


class SharedWriter:
    """Has workers write files. For one thread, once.

    Args:
        workers: At least one, claimed.
        tasks: What each of them is told at its beginning.
        transfer: Is told of progress, by any thread.
        damage: Is told of packs that are found to be wrong.
        least: Bytes of a part at least, and `most` at most.
        paths: Where the files are to be, for what knows of earlier versions.
        name: Gives a blob its id.
        begun: Is called when all workers have begun, and opened what their tasks name.

    Attributes:
        flushed: What each worker said at its end.
    """

    def __init__(
        self,
        workers: Sequence[WorkerProcess],
        tasks: Sequence[Task],
        transfer: Transfer,
        damage: Damage,
        *,
        least: int,
        most: int,
        paths: Sequence[str] = (),
        name: Callable[[bytes], bytes] = digest.blob_id,
        begun: Callable[[], object] = lambda: None,
    ) -> None:
        self._workers, self._tasks, self._transfer, self._damage = workers, tasks, transfer, damage
        self._longest = tasks[0].chunker.max
        self._least, self._most = max(least, 4 * self._longest), max(most, 4 * self._longest)
        self._paths, self._begun, self._name = paths, begun, name
        self.flushed: list[Flushed] = []

    @property
    def stats(self) -> WriteStats:
        """Return what all have stored together."""
        return sum((one.stats for one in self.flushed), WriteStats())

    def write(self, files: Sequence[SharedFile]) -> list[PackedFile]:
        """Write files; return them, in their order, when the bucket has acknowledged every pack.

        Raises:
            SourceError: A file cannot be read, or changed meanwhile.
            StorageError: The bucket does not answer.
            HoldallError: A worker is lost.
            UnclaimedError: It has to be done in one process; what was stored is found there.
        """
        deal = Deal([file.size for file in files], len(self._workers), least=self._least, most=self._most)
        self._results(self._call(worker, worker_writing.begin, task) for worker, task in enumerate(self._tasks))
        self._begun()
        with FileHashes(len(self._workers)) as hashes:
            spans = {
                file: [(job.start, self._reach(files[file], job)) for job in jobs] for file, jobs in deal.split.items()
            }
            hashes.start({file: files[file].open for file in deal.split}, spans)
            writers = self._write_all(files, deal)
            settled = self._settle()
            found = {one.file: _whole(one) for one in settled if one.file not in deal.split}
            for file, jobs in deal.split.items():
                parts = [one for one in settled if one.file == file]
                found[file] = self._join(files[file], file, jobs, parts, hashes, writers[file])
        homes = self._place({file: one.recipe for file, one in found.items() if one.recipe}, writers)
        everyone = range(len(self._workers))
        self.flushed = self._results(self._call(worker, worker_writing.flush) for worker in everyone)
        return [replace(found[file], home=homes.get(file)) for file in range(len(files))]

    def _write_all(self, files: Sequence[SharedFile], deal: Deal) -> dict[int, int]:
        """Have everything written; return which worker has written each file, or the last part of it."""
        writers: dict[int, int] = {}
        running: dict[Future[None], int] = {}
        idle = set(range(len(self._workers)))
        while idle or running:
            for worker in sorted(idle):
                if job := deal.take(worker):
                    running[self._call(worker, worker_writing.write, self._pieces(files, job))] = worker
                    if job.part is None or job.stop == files[job.first].size:
                        writers |= dict.fromkeys(range(job.first, job.last), worker)
            done, _ = wait(running, return_when=FIRST_COMPLETED) if running else (set(), set())
            idle = {running.pop(future) for future in done if future.result() is None}
        return writers

    def _pieces(self, files: Sequence[SharedFile], job: Job) -> list[WholeFile | FilePart]:
        if job.part is None:
            return [WholeFile(file, files[file].open, self._path(file)) for file in range(job.first, job.last)]
        file = files[job.first]
        begin = max(0, job.start - _LEAD * self._longest) // ALIGNMENT * ALIGNMENT
        end = self._reach(file, job)
        opening = partial(file.open_part, begin, end, job.start, end)
        return [FilePart(job.first, job.part, opening, begin, job.start, job.stop, self._path(job.first))]

    def _reach(self, file: SharedFile, job: Job) -> int:
        """Return where the last chunk of a part ends at the latest: its reader vouches for that much."""
        return min(file.size, job.stop + self._longest)

    def _path(self, file: int) -> str:
        return self._paths[file] if self._paths else ""

    def _join(
        self,
        file: SharedFile,
        number: int,
        jobs: Sequence[Job],
        parts: Sequence[Settled],
        hashes: FileHashes,
        worker: int,
    ) -> PackedFile:
        """Return a file that was written in parts; the worker that had the last one writes what is missing."""
        stretches, gaps = fit(_stretches(parts), file.size)
        if gaps:
            pieces = [self._gap(file, number, jobs, *gap) for gap in gaps]
            self._results([self._call(worker, worker_writing.write, pieces)])
            more = self._settle([worker])
            parts = [*parts, *more]
            stretches, gaps = fit([*stretches, *_stretches(more)], file.size)
        sha256, digests = hashes.result(number)
        if gaps or any(part.digest != digests[part.part] for part in parts):
            file.refuse_changed()
        return PackedFile(file.size, sha256, join_recipes([one.recipe for one in stretches], file.size, sha256))

    def _gap(self, file: SharedFile, number: int, jobs: Sequence[Job], start: int, stop: int) -> FilePart:
        """Return what is missing between two parts, to be read together with the part that it lies in."""
        job = max((job for job in jobs if job.start <= start), key=lambda job: job.start)
        assert job.part is not None, "whole files have no gaps"
        opening = partial(file.open_part, start, stop, job.start, self._reach(file, job))
        return FilePart(number, job.part, opening, start, start, stop)

    def _settle(self, some: Sequence[int] | None = None) -> list[Settled]:
        """Have workers settle what they have written: all of them, or some."""
        asked = range(len(self._workers)) if some is None else some
        left = self._results(self._call(worker, worker_writing.left) for worker in asked)
        places = self._places(left)
        found = self._results(
            self._call(worker, worker_writing.settle, {chunk: places[chunk] for chunk in lacking})
            for worker, lacking in zip(asked, left, strict=True)
        )
        return [settled for one in found for settled in one]

    def _places(self, left: Sequence[Mapping[bytes, int]]) -> dict[bytes, Ref]:
        """Return where the chunks are that workers have left to others."""
        wanted: defaultdict[int, dict[bytes, None]] = defaultdict(dict)
        for lacking in left:
            for chunk, owner in lacking.items():
                wanted[owner][chunk] = None
        asked = [
            (list(chunks), self._call(owner - 1, worker_writing.places, list(chunks)))
            for owner, chunks in wanted.items()
        ]
        places = {chunk: place for chunks, told in asked for chunk, place in zip(chunks, told.result(), strict=True)}
        if None in places.values():
            raise UnclaimedError
        return {chunk: place for chunk, place in places.items() if place}

    def _place(self, recipes: Mapping[int, bytes], writers: Mapping[int, int]) -> dict[int, Ref]:
        """Return where recipes of several chunks are: where a worker has met them, or behind the chunks of their files.

        One that is in neither place travels with the commit.
        """
        wanted = {file: recipe for file, recipe in recipes.items() if recipe_length(recipe) > 1}
        ids = [self._name(recipe) for recipe in wanted.values()]
        homes: dict[int, Ref] = {}
        if not wanted:
            return homes
        everyone = range(len(self._workers))
        for known in self._results(self._call(worker, worker_writing.find_blobs, ids) for worker in everyone):
            homes = {file: ref for file, ref in zip(wanted, known, strict=True) if ref} | homes
        left: defaultdict[int, list[int]] = defaultdict(list)
        for file in wanted.keys() - homes.keys():
            left[writers[file]].append(file)
        calls = [
            (files, self._call(worker, worker_writing.put_recipes, [wanted[file] for file in files]))
            for worker, files in left.items()
        ]
        put = [(file, ref) for files, call in calls for file, ref in zip(files, call.result(), strict=True)]
        return homes | {file: ref for file, ref in put if ref}

    def _call(self, worker: int, function: Callable[..., T], *args: object) -> Future[T]:
        return self._workers[worker].call(function, *args, notify=self._hear)

    def _hear(self, value: object) -> None:
        match value:
            case Told():
                self._transfer.add(value.done, value.saved)
            case FoundDamage():
                self._damage.wrong(value.pack, value.detail, value.blobs)

    @staticmethod
    def _results(calls: Iterable[Future[T]]) -> list[T]:
        return [call.result() for call in list(calls)]


def _stretches(parts: Iterable[Settled]) -> list[Stretch]:
    """Return the stretches that parts have, in their order in the file."""
    return [Stretch(one.begin, one.size, one.recipe) for one in parts if one.recipe is not None]


def _whole(one: Settled) -> PackedFile:
    return PackedFile(one.size, one.sha256, one.recipe)
