"""The active run of a thread or task, and the store and experiment that verbs without a handle use.

The active run belongs to the thread that started it, and within that to the
task. A thread that started none works on the main thread's, so that a pool of
workers logs into the run that its script is in, and four threads or tasks that
each start one do not meet; `visible` says who sees which.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any

from holdall.errors import (
    ActiveRunError,
    InvalidArgumentError,
    InvalidNameError,
    NoActiveRunError,
    RunDeletedError,
    RunNotFoundError,
)
from holdall.settings import Settings, read_settings
from holdall.store import DEFAULT, Experiment, PathRule, Run, Store, tell_active, the_end
from holdall.surfaces.fluent import system_metrics, visible

if TYPE_CHECKING:
    from holdall.store import SigningKey

_log = logging.getLogger("holdall")


# Of the process that imported this: in a child that a worker thread forked, that thread is the main one.
_MAIN = threading.main_thread().ident


ActiveRun = Run  # MLflow's name for a run that `start_run` returns


@dataclass(eq=False)
class _Started:
    """A run that is active, and the process and the task that started it."""

    run: Run
    pid: int
    task: Any

    def leave(self, kind: type[BaseException] | None) -> None:
        """End the run as its `with` block is left, and what was started within the block and is still active."""
        if self.pid != os.getpid():
            return
        mine = visible.own(_stack())
        inside = [other for other in mine if other.run.id == self.run.id]  # resumed within the block, perhaps
        if inside:
            for other in reversed(mine[mine.index(self if self in inside else inside[0]) :]):
                _end(other, "FINISHED" if kind is None else _status(kind))


class _State:
    """The current store, and each thread's stack of active runs."""

    def __init__(self) -> None:
        self.store: Store | None = None
        self.named = False  # whether it was said which store that is
        self.experiment_id: str | None = None
        self.last: Run | None = None
        self.resumed: set[str] = set()  # runs that were gone on with: that which the environment names is so once
        self.watching = False
        self.outcome = "FINISHED"  # of runs that are active when the process ends
        self.stacks: dict[int, list[_Started]] = {}


_state = _State()


def set_store(url: str, **storage_options: Any) -> Store:
    """Use this store from now on, instead of the one that `HOLDALL_STORE` names.

    Where there is none, the first run that is started there makes one; with `create=False` that is an error.

    Cost: no request.

    Example:
        >>> holdall.set_store("memory://trials").url
        'memory://trials'
    """
    _state.store, _state.named = open(url, **storage_options), True
    return _state.store


def unset_store() -> None:
    """Use the store that `HOLDALL_STORE` names again. Cost: no request."""
    _state.store, _state.named = None, False


def is_store_set() -> bool:
    """Return whether a store was set, in this process or by `HOLDALL_STORE`."""
    return _state.named or read_settings().store != Settings().store


def open(url: str | None = None, **storage_options: Any) -> Store:
    """Return the store at an address; at `HOLDALL_STORE` when None. Other verbs go on using theirs. Cost: no request.

    Example:
        >>> holdall.open("memory://trials").runs.start(name="first").info.run_name
        'first'
    """
    return read_settings().open_store(url, storage_options)


def current_store() -> Store:
    """Return the store that verbs without a handle use."""
    if _state.store is None:
        _state.store = open()
    return _state.store


def set_experiment(
    experiment_name: str | None = None, experiment_id: str | None = None, trace_location: None = None
) -> Experiment:
    """Make this the experiment of runs that are started from now on; create it if there is none of this name.

    Raises:
        ExperimentNotFoundError: There is none with this id.
        ExperimentDeletedError: It was deleted.

    Example:
        >>> holdall.set_experiment("vision").name
        'vision'
    """
    refuse_traces(trace_location)
    if (experiment_name is None) == (experiment_id is None):
        raise InvalidArgumentError("give either experiment_name or experiment_id")
    experiments = current_store().experiments
    found = experiments.use(experiment_name) if experiment_name is not None else experiments.active(str(experiment_id))
    _state.experiment_id = found.experiment_id
    return found


def refuse_traces(trace_location: object) -> None:
    """Refuse a place for traces. Raises: InvalidNameError."""
    if trace_location is not None:
        raise InvalidNameError("trace_location", str(trace_location)[:40], "a store holds no traces: leave it out")


def current_experiment_id() -> str:
    """Return the id of the experiment of new runs, which may not exist yet. Cost: no request."""
    return _state.experiment_id or current_store().experiments.id_of(read_settings().experiment)


def made_experiment_id() -> str:
    """Return the id of the experiment of new runs, and create it if needed. Cost: one PUT, the first time."""
    return _state.experiment_id or current_store().experiments.ensure(read_settings().experiment or DEFAULT)


def start_run(
    run_id: str | None = None,
    experiment_id: str | None = None,
    run_name: str | None = None,
    nested: bool = False,
    parent_run_id: str | None = None,
    tags: Mapping[str, Any] | None = None,
    description: str | None = None,
    log_system_metrics: bool | None = None,
    *,
    paths: PathRule | None = None,
    sign: bool | str | os.PathLike[str] | SigningKey | None = None,
) -> Run:
    """Start a run, or resume one, and make it the active one.

    Args:
        run_id: The run to resume: its status is RUNNING again. When None, the first run that this process starts is the
            one that `HOLDALL_RUN_ID` names, or else `MLFLOW_RUN_ID`.
        experiment_id: The experiment of a new run; the one that was set, or "Default", when None.
        run_name: What people call the run; a random name for a new one when None.
        nested: Whether a run may be active already; the new one is then its child.
        parent_run_id: The run that the new one is part of, which must be there.
        tags: What else to say about the run.
        description: In a few words, for people.
        log_system_metrics: Whether to log what the machine does meanwhile, as `system/cpu_utilization_percentage`
            and so on; as it was set when None. It needs psutil.
        paths: "versioned" for a new run whose files may be replaced and removed later, as a training's `last.pt` is,
            by `on_conflict="replace"` and `run.delete_artifact`; "immutable", or None, for one whose files stay as they
            are. That is so for good, so a run that is resumed stays as it was started.
        sign: A key, or its file, that signs the run when it ends (`holdall guide signing`); True for the key that
            `HOLDALL_SIGNING_KEY` or `HOLDALL_SIGNING_COMMAND` names.

    Raises:
        SigningKeyError: There is no such key.
        ActiveRunError: A run is active, and `nested` is not set.
        RunNotVersionedError: `paths` is "versioned", and the run that is resumed was not started so.
        RunNotFoundError: There is no run with this id, or no such parent.
        RunDeletedError, ExperimentDeletedError: It was deleted.
        InvalidNameError: A tag says other than `run_name`, `parent_run_id` or `description`.

    Cost: two requests for a new run, and two more for a parent that is named; one more in a new experiment.

    Example:
        >>> with holdall.start_run(run_name="first", tags={"team": "a"}) as run:
        ...     holdall.log_metric("loss", 0.3)
        >>> run.info.status, run.data.metrics
        ('FINISHED', {'loss': 0.3})
    """
    stack = visible.own(_stack())
    if stack and not nested:
        raise ActiveRunError(stack[-1].run.id)
    machine = system_metrics.machine_for(log_system_metrics)
    runs, settings = current_store().runs, read_settings()
    key = settings.load_signing_key() if sign is True else sign or None
    named = None if run_id else _named_run(settings, parent_run_id)
    run_id = run_id or named
    if run_id is not None:
        with _named_by_the_environment(named):
            run = runs.resume(run_id, name=run_name, tags=tags, description=description, paths=paths, sign=key)
        _state.resumed.add(run_id)
    else:
        run = runs.start(
            experiment=settings.experiment,
            experiment_id=_state.experiment_id if experiment_id is None else experiment_id,
            name=run_name or settings.run_name,
            parent=parent_run_id or (stack[-1].run.id if stack else None),
            tags=tags,
            description=description,
            paths=paths,
            sign=key,
        )
    run = run._handle()  # its own: of two that one run was started by, each is left by its block
    started = _Started(run, os.getpid(), visible.running_task())
    run._on_exit = started.leave
    _stack().append(started)
    visible.note(started, _everywhere())
    _watch_for_the_end()
    if machine:
        system_metrics.watch(run, machine, resumed=run_id is not None)
    return run


def _named_run(settings: Settings, parent_run_id: str | None) -> str | None:
    """Return the run that the environment names, the first time that this process starts one without an id."""
    return settings.run_id if settings.run_id not in _state.resumed and parent_run_id is None else None


@contextmanager
def _named_by_the_environment(run_id: str | None) -> Iterator[None]:
    """Say in the error of a run that is not there that the environment names it, if it does."""
    try:
        yield
    except (RunNotFoundError, RunDeletedError) as error:
        if run_id is not None:
            error.hint = "HOLDALL_RUN_ID, or else MLFLOW_RUN_ID, names this run; unset it to start a new one"
        raise


def active_run() -> Run | None:
    """Return the active run of this task or thread; if it started none, that of its starter, or the main thread's.

    Example:
        >>> with holdall.start_run(run_name="first"):
        ...     holdall.active_run().info.run_name
        'first'
        >>> print(holdall.active_run())
        None
    """
    main = _state.stacks.get(_MAIN, []) if _MAIN else []
    stack = visible.own(_stack()) or visible.inherited(_everywhere())
    if not stack and threading.get_ident() != _MAIN:
        stack = visible.shared(main)
    return stack[-1].run if stack else None


tell_active(lambda: _state.store, lambda: active_run())  # for other surfaces, which do not know this one


def last_active_run() -> Run | None:
    """Return the active run, or the one that ended last in this process; None if there was none.

    Example:
        >>> with holdall.start_run(run_name="first"):
        ...     pass
        >>> holdall.last_active_run().info.run_name
        'first'
    """
    return active_run() or _state.last


def end_run(status: str = "FINISHED") -> None:
    """End the active run that this thread or task started. If that fails, it stays active. Cost: one PUT.

    Example:
        >>> run = holdall.start_run()
        >>> holdall.end_run("FAILED")
        >>> run.info.status
        'FAILED'
    """
    if stack := visible.own(_stack()):
        _end(stack[-1], status)


def _end(active: _Started, status: str) -> None:
    _state.last = active.run
    try:
        active.run.finish(status)
    finally:
        if not active.run._is_open and active in _stack():
            _stack().remove(active)


def run_of(run_id: str | None = None) -> Run:
    """Return the run with this id, or the active run when None.

    Raises:
        NoActiveRunError: No run is active, and none is named.
    """
    active = active_run()
    if run_id is not None:
        known = [active.run for active in _everywhere() if active.run.id == run_id]
        return known[0] if known else current_store().runs.get(run_id)
    if active is None and read_settings().auto_run:
        active = start_run()
    if active is None:
        raise NoActiveRunError
    return active


def _everywhere() -> list[_Started]:
    return [active for stack in list(_state.stacks.values()) for active in stack]


def _stack() -> list[_Started]:
    return _state.stacks.setdefault(threading.get_ident(), [])


def _status(kind: type[BaseException]) -> str:
    """Return the status of a run that an exception ended: KILLED by an interrupt or a signal, else FAILED."""
    return "KILLED" if issubclass(kind, KeyboardInterrupt | Terminated) else "FAILED"


class Terminated(SystemExit):
    """The process was asked to end (SIGTERM): what is open is ended on the way out."""


def _watch_for_the_end() -> None:
    """Arrange that runs which are active when the process ends get the status of its end.

    Only where nobody else has an interest: a handler or hook that is there is
    called as before, and SIGTERM is left alone where it is handled already.
    """
    if not _state.watching:
        _state.watching, told = True, sys.excepthook

        def note(kind: type[BaseException], error: BaseException, at: TracebackType | None) -> None:
            _state.outcome = _status(kind)
            told(kind, error, at)

        sys.excepthook = note
    _listen()


def _listen() -> None:
    """Handle SIGTERM, where that is possible: only the main thread may ask for it."""
    main = threading.current_thread() is threading.main_thread()
    if main and signal.getsignal(signal.SIGTERM) == signal.SIG_DFL:
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(signal_number: int, _: FrameType | None) -> None:
    mine = any(active.pid == os.getpid() for active in _everywhere())
    if the_end.running or not mine:  # nothing is left to be said, or there is no time for it: end as anybody does
        signal.signal(signal_number, signal.SIG_DFL)
        os.kill(os.getpid(), signal_number)
    _state.outcome = "KILLED"
    raise Terminated(128 + signal_number)


def _end_all() -> None:
    """At exit, end what this process started and left open."""
    for stack in list(_state.stacks.values()):
        while stack:
            active = stack.pop()
            if active.pid == os.getpid():
                _end_quietly(active.run)


def _end_quietly(run: Run) -> None:
    try:
        run.finish(_state.outcome)
    except Exception as error:  # the process is ending: what went wrong can only be said
        _log.error("run %s could not be ended as it should: %s", run.id, error)


the_end.register(_end_all)  # after the sessions', so that it is done before them
_listen()  # also for runs that other threads start
