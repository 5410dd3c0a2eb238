"""The server's processes: one, or several that share a port.

One process loads the model and serves it. With several, the first only watches:
it starts the others, which load the model each for itself, starts one again
that dies, and gives up if one cannot even start. They share the listening
socket, so the system deals out connections.

SIGTERM and SIGINT end a server gracefully: no new connections, answers to the
requests that are here, then exit code 0. A process whose parent is gone ends
likewise.

uvicorn brings a watcher of its own, but it starts a worker that fails at once
over and over in some of its versions, and takes a model for dead that holds
the interpreter for five seconds.
"""

from __future__ import annotations

import logging
import math
import os
import signal
import socket
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

import uvicorn

from holdall.errors import HoldallError
from holdall.settings import tell_libraries
from holdall.store import PyFuncModel
from holdall.surfaces.serving.service import Service, load

_log: Final = logging.getLogger("holdall")
_GRACE: Final = 5.0  # seconds that a process has for its end beyond what a request may take
_AGAIN: Final = 5.0  # seconds after which a process that has not ended is told once more


def serve_alone(service: Service, listening: socket.socket) -> None:
    """Serve in this process until a signal ends it. Raises: as `Models.load`."""
    with _ending_on_signals():
        _run(service, load(service.opener, service.address), listening, lambda: None)


def serve_together(service: Service, listening: socket.socket, workers: int) -> int:
    """Serve in several processes until a signal ends this one.

    Returns:
        The exit code: 1 if a process could not start, for which it has told the reason.
    """
    with tempfile.TemporaryDirectory(prefix="holdall-") as folder, _ending_on_signals():
        started = [_Worker(replace(service, shared=Path(folder)), listening) for _ in range(workers)]
        try:
            return _watch(started)
        finally:
            for worker in started:
                worker.process.terminate()
            for worker in started:
                worker.end(service.limits.timeout + _GRACE)


# --- the watcher ---


class _Worker:
    def __init__(self, service: Service, listening: socket.socket) -> None:
        self.service, self._listening = service, listening
        self.start()

    def start(self) -> None:
        context = get_context("spawn")  # a fork would share connections to the bucket
        self._ready, told = context.Pipe(duplex=False)
        self.process: SpawnProcess = context.Process(target=_work, args=(self.service, self._listening, told))
        self.process.start()
        told.close()

    def was_ready(self) -> bool:
        try:
            return self._ready.poll() and bool(self._ready.recv())
        except EOFError:
            return False

    def end(self, patience: float) -> None:
        self.process.join(_AGAIN)
        self.process.terminate()  # what it imported when the first came may have swallowed it
        self.process.join(patience)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()


def _watch(workers: list[_Worker]) -> int:
    while True:
        wait([worker.process.sentinel for worker in workers])
        for worker in workers:
            if worker.process.exitcode is None:
                continue
            if not worker.was_ready():
                return 1
            _log.warning("a process of the server ended (%s); another takes its place", worker.process.exitcode)
            _forget(worker)
            worker.start()


def _forget(worker: _Worker) -> None:
    from prometheus_client.multiprocess import mark_process_dead

    mark_process_dead(worker.process.pid, path=str(worker.service.shared))  # type: ignore[no-untyped-call]


# --- one process ---


def _work(service: Service, listening: socket.socket, ready: Connection) -> None:
    threading.Thread(target=_end_with_parent, daemon=True).start()
    tell_libraries(PROMETHEUS_MULTIPROC_DIR=str(service.shared))
    with _ending_on_signals():
        try:
            model = load(service.opener, service.address)
        except (HoldallError, OSError) as error:
            sys.exit(f"error: {error}")
        _run(service, model, listening, lambda: ready.send(True))


def _run(service: Service, model: PyFuncModel, listening: socket.socket, ready: Callable[[], None]) -> None:
    from holdall.servers.connection import bounded
    from holdall.surfaces.serving.app import make_app
    from holdall.surfaces.serving.metrics import Metrics

    # Python remembers each warning that it has shown, and these have words of the request in them
    warnings.filterwarnings("ignore", message="not in the model's signature|the model's signature has no")
    app = make_app(model, service.identity, service.limits, Metrics(service.identity, service.shared))
    config = uvicorn.Config(
        app,
        http=bounded(service.limits.head_timeout, service.limits.max_connections),
        ws="none",
        log_config=None,
        access_log=False,
        lifespan="off",
        server_header=False,
        timeout_graceful_shutdown=math.ceil(service.limits.timeout),
    )
    ready()
    uvicorn.Server(config).run(sockets=[listening])


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Let SIGTERM and SIGINT end the process in order: files removed, children told, exit code 0.

    uvicorn takes the signals while it serves, and when it is done sends itself those that came.
    """
    before = {each: signal.signal(each, _end) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def _end(*_: Any) -> None:
    sys.exit(0)
