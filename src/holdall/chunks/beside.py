"""A look at the bucket beside another one: two answers for one round trip.

Where two requests do not need each other's answers, they go out together. The
pool's threads are for tasks that wait for no other; what is asked here may use
the pool itself, so it has a thread of its own, which ends with the `with`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")
U = TypeVar("U")
_TOGETHER: Final = 16


@contextmanager
def beside(look: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Call a function in a thread of its own while the body runs.

    Yields what waits for its answer and returns it, or raises what went wrong. An error that nobody asks for is no
    one's: the body has failed before, or does without.
    """
    future: Future[T] = Future()

    def answer() -> None:
        try:
            future.set_result(look())
        except BaseException as error:
            future.set_exception(error)

    thread = threading.Thread(target=answer, name="holdall-beside", daemon=True)
    thread.start()
    try:
        yield future.result
    finally:
        thread.join()


def side_by_side(work: Callable[[U], T], items: Iterable[U]) -> list[T]:
    """Call a function, which may use the pool, for all items, 16 at a time; return the results in order.

    Raises: what the first that failed raised, when all have ended.
    """
    wanted = list(items)
    if len(wanted) < 2:
        return list(map(work, wanted))
    with ThreadPoolExecutor(min(len(wanted), _TOGETHER), "holdall-beside") as threads:
        return list(threads.map(work, wanted))
