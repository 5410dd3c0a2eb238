"""Other processes that write to a store, each by a handle of its own."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import pytest
from tests.support.servers import Server

from holdall.storage.bucket import Bucket
from holdall.storage.schemes import bucket_at
from holdall.store import Store

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is, in a form that travels to other processes."""

    url: str
    options: dict[str, object] = field(default_factory=dict)

    def store(self) -> Store:
        """A handle of one's own."""
        return Store.open(self.url, self.options)

    def bucket(self) -> Bucket:
        """The objects behind it."""
        return bucket_at(self.url, self.options)


def place_of(request: pytest.FixtureRequest, backend: str, folder: Path) -> Place:
    """A place for a new store on a backend: `local`, or the name of a server's fixture."""
    if backend == "local":
        return Place(str(folder / "store"))
    server: Server = request.getfixturevalue(backend)
    return Place(f"{server.new_bucket()}/store", server.options)


def side_by_side(task: Callable[..., T], arguments: Sequence[tuple[Any, ...]], *, seconds: float) -> list[T]:
    """Run a function once per tuple of arguments, each in a process of its own, all at once.

    Returns:
        What each returned, in order; an error is raised here.
    """
    context = multiprocessing.get_context("fork")
    start = context.Barrier(len(arguments))
    pipes = [context.Pipe(duplex=False) for _ in arguments]
    processes = [
        context.Process(target=_answer, args=(task, given, start, there))
        for given, (_, there) in zip(arguments, pipes, strict=True)
    ]
    for process in processes:
        process.start()
    end = time.monotonic() + seconds
    try:
        answers = [_received(here, end) for here, _ in pipes]
        for process in processes:
            process.join(max(end - time.monotonic(), 0))
            assert process.exitcode == 0, "a process does not end"
    finally:
        for process in processes:
            process.kill()
    for answer in answers:
        if isinstance(answer, BaseException):
            raise answer
    return answers


def _received(here: Connection, end: float) -> Any:
    assert here.poll(max(end - time.monotonic(), 0)), "a process hangs"
    return here.recv()


def _answer(task: Callable[..., object], given: tuple[Any, ...], start: Any, answer: Connection) -> None:
    try:
        start.wait(60)
        answer.send(task(*given))
    except Exception as error:
        error.add_note(f"in process {os.getpid()}")
        answer.send(error)
