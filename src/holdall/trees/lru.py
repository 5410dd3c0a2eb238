"""What was used last, within a bound.

One home for memories of things that can be read again: a run's entries and
nodes, the recipes of a survey, the chunks of an open file. The bound counts
entries, or bytes where each entry has a cost.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class LruCache(Generic[K, V]):
    """A mapping that forgets what was not used for longest. Picklable with what it holds.

    It has no lock, which a fork could copy while it is held. Threads may share one that counts entries: each step
    is atomic, and a race costs a memory. One with costs is for one thread at a time.

    Args:
        capacity: What the entries may cost together; one alone may cost more.
        cost: Tells what an entry costs; 1 each when None.
    """

    def __init__(self, capacity: int, cost: Callable[[V], int] | None = None) -> None:
        self._capacity, self._cost = capacity, cost
        self._entries: OrderedDict[K, V] = OrderedDict()
        self._held = 0  # the sum of costs

    def __contains__(self, key: K) -> bool:
        """Return whether a key is held, which is no use of it."""
        return key in self._entries

    def __getitem__(self, key: K) -> V:
        """Return what is held under a key, which is then the latest used. Raises: KeyError."""
        found = self._entries[key]
        self._entries.move_to_end(key)
        return found

    def get_all(self, keys: Iterable[K]) -> dict[K, V]:
        """Return what is held of these keys, which are then the latest used."""
        found = {}
        for key in keys:
            with suppress(KeyError):  # not held, or no longer, by another thread's doing
                found[key] = self[key]
        return found

    def put(self, key: K, value: V) -> None:
        """Hold a value under a key, and evict what is beyond the bound."""
        self.add(key, value)
        self.evict()

    def add(self, key: K, value: V) -> None:
        """Hold a value, and evict nothing yet: for many that are needed together."""
        if self._cost:
            self._held += self._cost(value) - (self._cost(self._entries[key]) if key in self._entries else 0)
        self._entries[key] = value
        with suppress(KeyError):
            self._entries.move_to_end(key)

    def evict(self, *, spare: int = 0) -> None:
        """Forget entries until the others are within the bound, with so much to spare above it."""
        while (self._held if self._cost else len(self._entries)) > self._capacity + spare and len(self._entries) > 1:
            with suppress(KeyError):
                _, value = self._entries.popitem(last=False)
                self._held -= self._cost(value) if self._cost else 0
