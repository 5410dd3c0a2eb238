"""A few threads in which requests are answered, so that the event loop is free for everything else.

They are kept, because frameworks keep state per thread, and they are daemons:
an answer that never comes holds its thread, but not the end of the process.
(`ThreadPoolExecutor` joins its threads at the end, come what may; anyio's
limiter gives a thread's place away when the request is given up, though the
thread works on.)
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


class Threads:
    """Runs a limited number of calls at once; others wait, and are dropped if their client has gone."""

    def __init__(self, count: int, name: str = "prediction") -> None:
        self._calls: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        for n in range(count):
            Thread(target=self._work, name=f"{name}-{n}", daemon=True).start()

    async def run(self, call: Callable[[], T]) -> T:
        """Run a call and return its result. Raises: what it raises."""
        future: Future[T] = Future()
        self._calls.put((future, call))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            future, call = self._calls.get()
            if future.set_running_or_notify_cancel():
                try:
                    future.set_result(call())
                except BaseException as error:
                    future.set_exception(error)
            del future, call  # a waiting thread holds no request in memory
