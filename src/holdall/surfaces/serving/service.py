"""What is served, and with which limits: values that every process of a server is given."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from holdall.settings import read_settings
from holdall.store import PyFuncModel, Store


@dataclass(frozen=True, slots=True)
class Identity:
    """The identity of the served model, in the headers of every response.

    Attributes:
        uri: As it was asked for; of a local folder only its name.
        source: The `runs:/<run_id>/<path>` that it meant when the server started; its name for a folder.
        digest: `sha256:` of the manifest of the model's files.
    """

    uri: str
    source: str
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Limits of requests.

    Attributes:
        timeout: Seconds from a request's head to its answer.
        head_timeout: Seconds until its head has come; and in which a client takes a part of an answer.
        max_bytes: Of its body.
        max_memory: Bytes that reading it may take, or an answer; and, if more than `max_bytes`, all bodies together.
        max_connections: In each process, those that wait for something included.
        threads: Predictions at once, in each process.
    """

    timeout: float = 60
    head_timeout: float = 10
    max_bytes: int = 100 << 20
    max_memory: int = 256 << 20
    max_connections: int = 500
    threads: int = 4


@dataclass(frozen=True, slots=True)
class Service:
    """What is served.

    Attributes:
        opener: Opens the store.
        address: Where the model is: `runs:/...`, or a local folder.
        identity: What it is called.
        limits: What a request may take.
        shared: The folder of the numbers of all processes; None if there is one process.
    """

    opener: Callable[[], Store]
    address: str
    identity: Identity
    limits: Limits
    shared: Path | None = None


def service_of(opener: Callable[[], Store], uri: str, limits: Limits) -> Service:
    """Return how to serve the model at an address, resolved now. Raises: as `Models.load`. Cost: finding the model."""
    store = opener()
    if not uri.startswith(("runs:", "models:")):
        name = Path(uri).name
        return Service(opener, uri, Identity(name, name, store.models.digest(uri)), limits)
    source = store.registry.resolve(uri)
    store.models.describe(uri)  # by its name, so that it is what was registered; then by where that is
    return Service(opener, source, Identity(uri, source, store.models.digest(source)), limits)


def load(opener: Callable[[], Store], uri: str) -> PyFuncModel:
    """Load the model at an address, verified as it is read. Raises: as `Models.load`."""
    return opener().models.load_pyfunc(uri, trust=read_settings().trust)
