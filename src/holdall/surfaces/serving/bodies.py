"""A bound on the bytes of all request bodies that a process holds at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_REQUEST: Final = 16 << 10  # bytes of a request that has no body yet


class Bodies:
    """A budget of bytes that requests take from, in the one thread of the event loop."""

    def __init__(self, most: int) -> None:
        self.left = most + _REQUEST  # one body of the longest length is always taken

    @contextmanager
    def held(self) -> Iterator[Held]:
        """Return a context with one request's share, which is released at its end."""
        held = Held(self)
        try:
            yield held
        finally:
            self.left += held.bytes


class Held:
    """The bytes that one request has taken."""

    def __init__(self, bodies: Bodies) -> None:
        self._bodies, self.bytes = bodies, 0

    def takes(self, count: int) -> bool:
        """Take more bytes. Return False if the budget does not have them."""
        count += 0 if self.bytes else _REQUEST
        if count > self._bodies.left:
            return False
        self._bodies.left -= count
        self.bytes += count
        return True
