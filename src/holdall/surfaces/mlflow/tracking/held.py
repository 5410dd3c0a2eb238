"""What all verbs of the tracking store have: the store, the addresses in it, and when a write is written.

A run that MLflow writes to is a native run of the store, and its id is MLflow's. What is logged in small
(measurements, parameters, tags) is

    in a training process    buffered, as natively, and written within `PATIENCE` seconds by a thread, with the run's
                             next entry, by any search or reading of this process, and when the process ends
    in a server              written before the call returns: another worker may be asked next. MLflow gives the
                             stores of a server the root of its artifacts, which tells the two apart
    in a forked child, or    written before the call returns: `os._exit` or a signal ends such a process, and no hook
    a worker of a pool       of its exit is run
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final

from mlflow.exceptions import MlflowException
from mlflow.store.tracking.abstract_store import AbstractStore
from mlflow.utils.uri import append_to_uri_path

from holdall.errors import HoldallError, RunDeletedError
from holdall.store import Run, Store
from holdall.surfaces.mlflow.addresses import ARTIFACTS, PREFIX, run_root, store_address, store_at

PATIENCE: Final = 5.0  # seconds
HIDDEN: Final = "holdall.mlflow."  # what MLflow says of a run or experiment and has no other place here
LOCATION: Final = HIDDEN + "artifact_location"  # of an experiment, and its runs, whose files are elsewhere
PROXY: Final = "mlflow-artifacts:"  # the root of a server that passes artifacts on
_IMPORTED_IN: Final = os.getpid()
_log = logging.getLogger("holdall")


class Held(AbstractStore):
    """A store of holdall under MLflow's verbs.

    Attributes:
        store_uri: Its address as MLflow gives it.
        artifact_root: Where a server has clients put artifacts; the store itself in a training process.
    """

    def __init__(self, store_uri: str | None, artifact_uri: str | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # mypy takes it for ours
        self.store_uri = str(store_uri)
        self.artifact_root = artifact_uri or self.store_uri
        self._writes_through = artifact_uri is not None
        self._writer = Writer()
        self._elsewhere: dict[str, str | None] = {}  # where experiments say that files are, by their native ids

    @property
    def store(self) -> Store:
        """Return the store, one handle for all of this process. Cost: no request."""
        return store_at(self.store_uri)

    def _logged(self, run: Run) -> None:
        """Write what a run has buffered: now in a server or a process that ends without a word, soon elsewhere."""
        if self._writes_through or _ends_unheard():
            run.flush()
        else:
            self._writer.write_soon(run)

    def _is_here(self, location: str) -> bool:
        return location.startswith(PREFIX) and store_address(location) == store_address(self.store_uri)

    def _location(self, experiment: str, tags: Mapping[str, str]) -> str:
        """Return where the artifacts of an experiment's runs are. `experiment`: its id, as MLflow knows it."""
        return tags.get(LOCATION) or f"{self.artifact_root.rstrip('/')}/{experiment}"

    def _root_of(self, experiment: str, run_id: str, tags: Mapping[str, str]) -> str:
        """Return the address of a run's files: as it was said when it was started, else in the store or its proxy."""
        if LOCATION in tags:
            with suppress(ValueError, MlflowException):  # it may be no address: anybody may have written it
                return str(append_to_uri_path(tags[LOCATION], run_id, ARTIFACTS))
        return run_root(self.artifact_root, experiment, run_id)


def _ends_unheard() -> bool:
    """Return whether this process is a forked child, or a worker that its parent terminates, as a pool's."""
    return os.getpid() != _IMPORTED_IN or multiprocessing.current_process().daemon


class Writer:
    """Writes what runs have buffered, each within a few seconds, in a thread that ends when nothing waits."""

    def __init__(self, patience: float = PATIENCE) -> None:
        self._patience, self._lock = patience, threading.Lock()
        self._waiting: dict[str, Run] = {}
        self._thread: threading.Thread | None = None
        self._now = threading.Event()

    def __getstate__(self) -> dict[str, Any]:
        return {"patience": self._patience}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(state["patience"])  # type: ignore[misc]  # what waits is the other process's

    def write_soon(self, run: Run) -> None:
        """Write what a run has buffered when the patience is over. A forked child has a thread of its own."""
        with self._lock:
            self._waiting[run.id] = run
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._work, name="holdall-mlflow-writer", daemon=True)
                self._thread.start()

    def write(self) -> None:
        """Write all that waits now. What fails is a warning: the call that logged it has returned."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        for run in waiting.values():
            try:
                run.flush()
            except RunDeletedError:
                _log.warning("what was logged to run %s is lost: it was deleted meanwhile", run.id)
            except HoldallError as error:
                _log.warning("what was logged to run %s is not written yet: %s", run.id, error)

    def _work(self) -> None:
        while True:
            self._now.wait(self._patience)
            self.write()
            with self._lock:
                if not self._waiting:
                    self._thread = None
                    return
