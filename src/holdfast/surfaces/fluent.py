"""The active run: verbs that need no handle, as users of MLflow know them.

The active run belongs to the thread that started it. A thread that started
none works on the main thread's, so that a pool of workers logs into the run
that its script is in, and four threads that each start one do not meet.
"""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

from holdfast.errors import ActiveRunError, NoActiveRunError
from holdfast.settings import read_settings
from holdfast.store import Run, Store


class ActiveRun:
    """A run that is active until its `with` block ends. `run.info.run_id` and `run.id` name it."""

    def __init__(self, run: Run) -> None:
        self._run, self._pid = run, os.getpid()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._run, name)

    @property
    def info(self) -> ActiveRun:
        """As in MLflow: `run.info.run_id`."""
        return self

    @property
    def run_id(self) -> str:
        """32 hex digits."""
        return self._run.id

    @property
    def artifact_uri(self) -> str:
        """The address of all that the run holds."""
        return f"runs:/{self._run.id}"

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self in _stack():
            status = "FINISHED" if kind is None else "KILLED" if issubclass(kind, KeyboardInterrupt) else "FAILED"
            end_run(status)


class _State:
    """The current store, and each thread's stack of active runs."""

    def __init__(self) -> None:
        self.store: Store | None = None
        self.stacks: dict[int, list[ActiveRun]] = {}


_state = _State()


def set_store(url: str, **storage_options: Any) -> Store:
    """Use this store from now on, instead of the one that `HOLDFAST_STORE` names. Cost: no request."""
    _state.store = open_store(url, **storage_options)
    return _state.store


def open_store(url: str | None = None, **storage_options: Any) -> Store:
    """The store at an address, as a handle of its own; `HOLDFAST_STORE`'s when None. Cost: no request."""
    settings = read_settings()
    return Store.open(url or settings.store, storage_options, memory=settings.memory)


def current_store() -> Store:
    """The store that verbs without a handle use."""
    if _state.store is None:
        _state.store = open_store()
    return _state.store


def start_run(run_id: str | None = None, *, run_name: str | None = None, nested: bool = False) -> ActiveRun:
    """Start a run and make it the active one; or go on with one that there is.

    Args:
        run_id: A run to go on with.
        run_name: What people call a new run.
        nested: Whether a run may be active already; this one is then inside it.

    Raises:
        ActiveRunError: A run is active, and `nested` is not set.
        RunNotFoundError: There is no run with this id.

    Cost: two PUTs for a new run.
    """
    stack = _stack()
    if stack and not nested:
        raise ActiveRunError(stack[-1].run_id)
    runs = current_store().runs
    run = runs.start(name=run_name) if run_id is None else runs.resume(run_id)
    stack.append(ActiveRun(run))
    return stack[-1]


def active_run() -> ActiveRun | None:
    """This thread's active run; where it started none, the main thread's."""
    main = threading.main_thread().ident
    stack = _stack() or (_state.stacks.get(main, []) if main else [])
    return stack[-1] if stack else None


def end_run(status: str = "FINISHED") -> None:
    """End this thread's active run, if there is one. Cost: one PUT."""
    if stack := _stack():
        stack.pop()._run.finish(status)


def log_artifact(
    local_path: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Log a local file, or a folder under its own name, into a run.

    Args:
        local_path: What to log.
        artifact_path: The directory of the run to put it in; the root when None.
        run_id: The run; the active one when None.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ArtifactExistsError: The run holds other content at the path.
        SourceError: The file cannot be read, or changed meanwhile.

    Cost: one PUT for files of 64 KiB together; else about one PUT per 32 MiB and a few more.
    """
    _run(run_id).log_artifact(local_path, artifact_path)


def log_artifacts(
    local_dir: str | os.PathLike[str], artifact_path: str | None = None, run_id: str | None = None
) -> None:
    """Log what a local folder holds, as one commit: all or nothing. Args, raises: as `log_artifact`."""
    _run(run_id).log_artifacts(local_dir, artifact_path)


def _run(run_id: str | None) -> Run:
    """The run that a verb means."""
    active = active_run()
    if run_id is not None:
        known = [run for stack in _state.stacks.values() for run in stack if run.run_id == run_id]
        return known[0]._run if known else current_store().runs.get(run_id)
    if active is None and read_settings().auto_run:
        active = start_run()
    if active is None:
        raise NoActiveRunError
    return active._run


def _stack() -> list[ActiveRun]:
    return _state.stacks.setdefault(threading.get_ident(), [])


def _end_all() -> None:
    """At exit, end what this process started and left open."""
    for stack in list(_state.stacks.values()):
        while stack:
            active = stack.pop()
            if active._pid == os.getpid():
                active._run.finish()


# Before threads are joined, and (registered later) before sessions are closed.
_at_exit: Callable[[Callable[[], None]], object] = getattr(threading, "_register_atexit", atexit.register)
_at_exit(_end_all)
