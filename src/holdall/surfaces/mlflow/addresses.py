"""Addresses by which MLflow names a store and what is in it, and the stores that one process has open.

    holdall+s3://bucket/prefix                                      a store: `s3://bucket/prefix`
    holdall+s3://bucket/prefix/<experiment>/<run>/artifacts         all that a run of this store holds
    holdall+s3://bucket/prefix/<experiment>/<run>/artifacts/<path>  a part of it

MLflow builds the second from the first, as it does for its own stores; so a server that proxies artifacts into the
store asks for the same paths. A run's id begins with that of its experiment, which tells such a root from one of runs
that another tracking store made. MLflow's default experiment has the id 0 there; here it is the one named Default.
"""

from __future__ import annotations

import re
import threading
from typing import Final, NamedTuple

from holdall.errors import StoreNotFoundError
from holdall.settings import read_settings
from holdall.store import Store, experiment_id

PREFIX: Final = "holdall+"
ARTIFACTS: Final = "artifacts"
DEFAULT_ID: Final = "0"  # of MLflow's default experiment
_NATIVE: Final = re.compile(
    r"(?P<base>.*?)/(?P<experiment>0|[0-9a-f]{16})/(?P<run>[0-9a-f]{32})/artifacts(?:/(?P<path>.*))?"
)
_defaults: Final = {experiment_id("Default")}  # ids of default experiments; an encrypted store's is its own
_stores: dict[str, Store] = {}
_opening = threading.Lock()


class NativeRoot(NamedTuple):
    """Where a run's artifacts are. Attributes: base (the store's address, or a proxy's root), run_id, path in it."""

    base: str
    run_id: str
    path: str


def store_address(uri: str) -> str:
    """Return the address that holdall knows of a store that MLflow names. Cost: no request."""
    address = uri.removeprefix(PREFIX)
    if address.startswith("file:"):  # MLflow's own functions make `file:/folder` of `file:///folder`
        address = re.sub(r"\Afile:/*", "/", address)
    return address.rstrip("/") if len(address) > 1 else address


def store_at(uri: str) -> Store:
    """Return the store at an address, the same handle for all who ask in this process.

    What runs where is not recorded: MLflow's client says that itself, and a server would record its own machine.

    Raises: as `Store.open`; where a key was given, what finding the store's keys raises.

    Cost: no request; where a key was given, finding the keys.
    """
    address = store_address(uri)
    with _opening:
        if address not in _stores:
            store = read_settings().open_store(address, environment=False)
            try:
                _defaults.add(store.experiments.id_of())
            except StoreNotFoundError:  # only who makes it knows whether it will be encrypted
                return store
            _stores[address] = store
        return _stores[address]


def forget_store(uri: str) -> None:
    """Forget the handle of a store, so that who asks next gets one that reads credentials and settings anew."""
    with _opening:
        _stores.pop(store_address(uri), None)


def native_experiment(id: str, store: Store) -> str:
    """Return the id that an experiment has in a store, of the one that MLflow knows it by."""
    return store.experiments.id_of() if str(id) == DEFAULT_ID else str(id)


def mlflow_experiment(id: str) -> str:
    """Return the id that MLflow knows an experiment by."""
    return DEFAULT_ID if id in _defaults else id


def run_root(base: str, experiment: str, run_id: str) -> str:
    """Return the address of what a run holds, within a store or a proxy. `experiment`: as MLflow knows it."""
    return f"{base.rstrip('/')}/{experiment}/{run_id}/{ARTIFACTS}"


def native_root(uri: str) -> NativeRoot | None:
    """Return the run of this store that an address is of, and the path in it; None where it is of no such run."""
    found = _NATIVE.fullmatch(uri.rstrip("/"))
    owners = _defaults if found and found["experiment"] == DEFAULT_ID else [found["experiment"]] if found else []
    if not found or not any(found["run"].startswith(id[:8]) for id in owners):
        return None
    return NativeRoot(found["base"], found["run"], found["path"] or "")
