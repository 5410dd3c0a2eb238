"""What is damaged is named and left out, so that it never hides what is whole.

Whoever looks at many logs (a search, a listing, a sum) looks at each of them
in here. What one of them holds may be wrong in any way: that is its own
matter, said once in a warning, which the command line shows on stderr.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

from holdall.chunks.pool import Pool
from holdall.errors import DamageError, UnsupportedFeatureError

T = TypeVar("T")
U = TypeVar("U")
UNREADABLE: Final = (DamageError, UnsupportedFeatureError)
_log = logging.getLogger("holdall")


@contextmanager
def left_out(what: str) -> Iterator[None]:
    """Go on behind this block if it meets damage, which a warning names."""
    try:
        yield
    except UNREADABLE as error:
        _log.warning("%s is damaged and left out: %s", what, error)


def map_sound(pool: Pool, task: Callable[[U], T], items: Iterable[U], name: Callable[[U], str]) -> list[T | None]:
    """The task's results for all items, side by side and in their order; None for those that are damaged.

    Args:
        pool: Whose threads do it.
        task: What is done.
        items: To what.
        name: What people call an item, for the warning.
    """

    def alone(item: U) -> T | None:
        with left_out(name(item)):
            return task(item)
        return None

    return pool.map(alone, items)
