"""Large downloads, shared among worker processes.

    this process     plans the ranges as it would for itself, deals them, hashes what was written, names the files
    each worker      fetches, decodes, verifies, writes in place (`worker_reading.py`)

So the requests are those of one process, and a blob that goes to several places
is fetched once for all of them. Ranges are dealt a few at a time, to whoever has
room. A file's SHA-256 is a chain, so those come first behind which most is left
of their file: files grow from their beginning, the longest first, equal ones
side by side, and what is hashed last is short.

A worker that dies is an error, as a broken disk is: the files that are not
complete are removed, and the same call works again.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from holdall.chunks import worker_reading
from holdall.chunks.damage import Damage
from holdall.chunks.observer import Transfer
from holdall.chunks.plan import Range, plan_ranges
from holdall.chunks.worker_reading import (
    DamagedPack,
    Delivered,
    PackedRange,
    Place,
    ReadTask,
    TravellingFile,
    Written,
)
from holdall.format.reference import Ref
from holdall.workers.worker import Worker

T = TypeVar("T")
_MOST: Final = 32 << 20  # bytes that are dealt at a time,
_HANDS: Final = 4  # and at most one of so many parts of what a worker would have if all got the same
_QUEUED: Final = 2  # calls that a worker has, so that it need not wait for the next


class SharedFile(Protocol):
    """A file on its way: this process has it open, and workers write it."""

    def lend(self) -> TravellingFile:
        """Return what a worker opens it by."""
        ...

    def note_written(self, start: int, stop: int) -> None:
        """Hash what is there now; with the last of it, name the file."""
        ...


@dataclass(frozen=True, slots=True)
class SharedReader:
    """Has workers write files.

    Attributes:
        workers: Claimed; at least one.
        bucket: The bucket, packed for the journey.
        limit: Bytes of one request at most.
        transfer: Is told of progress, by any thread.
        damage: Is told of packs that are gone or wrong.
    """

    workers: Sequence[Worker]
    bucket: bytes
    limit: int
    transfer: Transfer
    damage: Damage

    def deliver(self, files: Sequence[SharedFile], wanted: Iterable[tuple[Ref, Place]]) -> bool:
        """Have blobs written into files, and return when they are; False if workers cannot open these files.

        Args:
            files: By their numbers.
            wanted: Blobs in packs, each with a place where it belongs.

        Raises:
            IntegrityError: A blob is not what was written, or a file's SHA-256 is not that which was logged.
            DestinationError: The disk does not take it.
            WorkerDiedError: A worker was lost.
        """
        places: defaultdict[Ref, list[Place]] = defaultdict(list)
        ends = [0] * len(files)
        for ref, (file, at) in wanted:
            places[ref].append((file, at))
            ends[file] = max(ends[file], at + ref.raw)
        task = ReadTask(self.bucket, tuple(file.lend() for file in files))
        if not all(self._everywhere(worker_reading.begin, task)):
            return False

        def hear(values: Sequence[object]) -> None:
            for value in values:
                self._take(value, files)

        spans = plan_ranges(places, limit=self.limit)
        most = min(_MOST, sum(map(_length, spans)) // (len(self.workers) * _HANDS))
        hands = hands_of(spans, places, ends, most)
        self._deal(([PackedRange.of(span, places) for span in hand] for hand in hands), hear)
        self._everywhere(worker_reading.finish, notify=hear)
        return True

    def _take(self, value: object, files: Sequence[SharedFile]) -> None:
        match value:
            case Written():
                files[value.file].note_written(value.start, value.stop)
            case Delivered():
                self.transfer.add(value.done, value.saved)
            case DamagedPack(pack, None):
                self.damage.gone(pack)
            case DamagedPack(pack, str(detail), blobs):
                self.damage.wrong(pack, detail, blobs)

    def _deal(self, hands: Iterator[list[PackedRange]], hear: Callable[[Sequence[object]], None]) -> None:
        running: dict[Future[None], Worker] = {}
        idle = [*self.workers] * _QUEUED
        while True:
            while idle and (hand := next(hands, None)) is not None:
                worker = idle.pop(0)
                running[worker.call(worker_reading.fetch, hand, notify=hear)] = worker
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                worker = running.pop(future)
                future.result()
                idle.append(worker)

    def _everywhere(
        self, function: Callable[..., T], *args: object, notify: Callable[[Sequence[object]], None] | None = None
    ) -> list[T]:
        calls = [worker.call(function, *args, notify=notify) for worker in self.workers]
        wait(calls, return_when="FIRST_EXCEPTION")
        for call in calls:
            if call.done():
                call.result()
        return [call.result() for call in calls]


def hands_of(
    spans: Sequence[Range], places: Mapping[Ref, Sequence[Place]], ends: Sequence[int], most: int
) -> list[list[Range]]:
    """Return neighbouring ranges in hands of about `most` bytes, those first behind which most is left of a file.

    Args:
        spans: The ranges, neighbours one after the other.
        places: Where their blobs go.
        ends: Where each file ends.
        most: Bytes after which no further range joins a hand.
    """
    hands: list[list[Range]] = []
    size = most
    for span in spans:
        if size >= most:
            hands.append([])
            size = 0
        hands[-1].append(span)
        size += _length(span)

    def left(hand: list[Range]) -> int:
        return max(ends[file] - at for file, at in places[hand[0].refs[0]])

    return sorted(hands, key=left, reverse=True)


def _length(span: Range) -> int:
    return span.stop - span.start
