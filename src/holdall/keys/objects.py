"""The objects below `keys/`, as they are listed and read: slots, marks of those that were revoked, and later roots."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final, Protocol, TypeVar

from holdall.errors import DamageError, ObjectNotFoundError
from holdall.format.layout import ROOTS, SLOTS, parse_key, root_key, slot_key
from holdall.format.roots import MAX_ROOT
from holdall.format.slots import MAX_SLOT, Slot, parse_slot
from holdall.storage.bucket import Bucket

T = TypeVar("T")
MOST_LISTED: Final = 4096  # slots and marks, and as many epochs
MOST_READ: Final = 256  # slots: those with the least numbers, which nobody can make who comes later


class Threads(Protocol):
    """What does work side by side, as an executor does."""

    def submit(self, task: Callable[..., T], /, *args: Any) -> Future[T]:
        """Do a task, soon."""
        ...


@dataclass(slots=True)
class Listed:
    """What a listing shows.

    Attributes:
        live: Numbers of the slots that are in force, ascending.
        gone: Those of slots that were revoked.
        leftover: Those of them whose object is there still, because somebody was interrupted.
        newest: The newest epoch.
    """

    live: list[int] = field(default_factory=list)
    gone: set[int] = field(default_factory=set)
    leftover: set[int] = field(default_factory=set)
    newest: int = 0

    def free(self) -> int:
        """Return the least number that no slot has or had."""
        taken = self.gone.union(self.live)
        return next(number for number in count() if number not in taken)


@dataclass(slots=True)
class Keys:
    """What there is of keys in a store.

    Attributes:
        listed: What a listing showed.
        slots: Those that are in force and can be read, by their numbers.
        damaged: What is wrong with others, by theirs.
        roots: The objects of later epochs, by these.
    """

    listed: Listed
    slots: dict[int, Slot]
    damaged: dict[int, DamageError]
    roots: dict[int, bytes]


def list_keys(bucket: Bucket, threads: Threads | None = None) -> Listed:
    """Return the numbers of a store's key slots and its newest epoch. Cost: two listings, side by side."""
    found = Listed()
    slots, roots = _each(threads, lambda prefix: list(bucket.list(prefix, limit=MOST_LISTED)), [SLOTS, ROOTS])
    keys = [key for info in slots if (key := parse_key(info.key))]
    there = [key.number for key in keys if key.kind == "slot"]
    found.gone = {key.number for key in keys if key.kind == "revoked"}
    found.live = [number for number in there if number not in found.gone]
    found.leftover = found.gone.intersection(there)
    found.newest = max((key.number for info in roots if (key := parse_key(info.key)) and key.kind == "root"), default=0)
    return found


def read_keys(bucket: Bucket, store: str, threads: Threads | None = None) -> Keys:
    """Return the key slots of a store, and the roots that others are sealed in.

    Cost: two listings, side by side, and then a GET for each slot and each epoch but the first, side by side too.
    """
    keys = Keys(list_keys(bucket, threads), {}, {}, {})
    numbers = keys.listed.live[:MOST_READ]
    epochs = range(1, min(keys.listed.newest, MOST_LISTED) + 1)
    wanted = [(slot_key(number), MAX_SLOT) for number in numbers] + [(root_key(epoch), MAX_ROOT) for epoch in epochs]
    found = _each(threads, lambda each: _read(bucket, *each), wanted)
    for number, data in zip(numbers, found, strict=False):
        try:
            if isinstance(data, DamageError):
                raise data
            if data is not None:  # it was revoked meanwhile
                keys.slots[number] = parse_slot(data, number, store)
        except DamageError as error:
            keys.damaged[number] = error
    later = zip(epochs, found[len(numbers) :], strict=True)
    keys.roots = {epoch: data for epoch, data in later if isinstance(data, bytes)}
    return keys


def _read(bucket: Bucket, key: str, limit: int) -> bytes | DamageError | None:
    with suppress(ObjectNotFoundError):
        try:
            return bucket.get(key, limit=limit)
        except DamageError as error:
            return error
    return None


def _each(threads: Threads | None, work: Callable[[Any], T], given: list[Any]) -> list[T]:
    if threads is None or len(given) < 2:
        return [work(each) for each in given]
    return [future.result() for future in [threads.submit(work, each) for each in given]]
