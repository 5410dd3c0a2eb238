"""One loaded model behind HTTP, in MLflow's scoring protocol; and the same without HTTP.

    connection, bodies  how long a client may wait, how many there are, what all of them hold
    bound, parquet      what reading a request may take
    requests, values    bytes of a request -> data, by the model's signature
    scoring, answers    data -> predictions -> JSON, or what is wrong
    openapi             the signature as an interface
    app                 all that as an ASGI application
    threads, metrics    where it predicts; what it counts
    processes           one or several processes, signals

A server holds one model and never another: an alias is looked up once, when it
starts, and every answer says what it meant then.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from holdall.libraries import library

if TYPE_CHECKING:
    from holdall.store import Store

_PACKAGES = ("pandas", "pyarrow", "starlette", "uvicorn", "prometheus_client")


def serve(
    opener: Callable[[], Store],
    uri: str,
    *,
    host: str = "127.0.0.1",
    port: int = 5000,
    workers: int = 1,
    timeout: float = 60,
    head_timeout: float = 10,
    max_bytes: int = 100 << 20,
    max_memory: int = 256 << 20,
    max_connections: int = 500,
    threads: int = 4,
    say: Callable[[str], Any] = print,
) -> int:
    """Serve a model until a signal ends this process.

    Args:
        opener: Opens the store; it can be pickled if there are several workers.
        uri: The model: `models:/...`, `runs:/...`, or a local folder.
        host: Where to listen.
        port: The same; 0 is any free one.
        workers: Processes, each with the model in its memory.
        timeout: Seconds that a request may take.
        head_timeout: Seconds until its head has come, and for which a client may take nothing of an answer.
        max_bytes: Bytes that a request's body may have.
        max_memory: Bytes that reading it may take, and at least as many all bodies together, in each process.
        max_connections: In each process.
        threads: Predictions at once, in each process.
        say: Is told where it listens.

    Returns:
        The exit code.

    Raises:
        NotFoundError: There is no such model.
        MissingLibraryError: The extra `serving`, or the model's framework, is not installed.
        OSError: Somebody else has the port.

    Cost: reading the model, once per process.
    """
    _need(*_PACKAGES)
    from holdall.servers.listening import listen
    from holdall.surfaces.serving.processes import serve_alone, serve_together
    from holdall.surfaces.serving.service import Limits, service_of

    limits = Limits(
        timeout=timeout,
        head_timeout=head_timeout,
        max_bytes=max_bytes,
        max_memory=max_memory,
        max_connections=max_connections,
        threads=threads,
    )
    service = service_of(opener, uri, limits)
    with listen(host, port) as listening:
        name = f"[{host}]" if ":" in host else host
        say(f"{service.identity.uri} ({service.identity.digest}) at http://{name}:{listening.getsockname()[1]}")
        if workers > 1:
            return serve_together(service, listening, workers)
        serve_alone(service, listening)
    return 0


@dataclass(frozen=True, slots=True)
class Predicted:
    """A model's answer, and whether it is returned as it is, not under "predictions"."""

    predictions: Any
    bare: bool


def ask(opener: Callable[[], Store], uri: str, body: bytes, content_type: str) -> Predicted:
    """Return a model's answer to a request, without a server.

    Args:
        opener: Opens the store.
        uri: The model's address.
        body: The request, in one of the types that a server takes.
        content_type: Its type.

    Raises:
        PayloadError: The body cannot be read.
        SchemaMismatchError: It breaks the model's signature.
        Exception: What the model raises.
    """
    _need("pandas", "pyarrow")
    from holdall.surfaces.serving.requests import read_payload
    from holdall.surfaces.serving.service import load

    model = load(opener, uri)
    asked = read_payload(body, content_type, model)
    try:
        return Predicted(model.predict(asked.data, asked.params), asked.bare)
    except SystemExit as error:
        raise RuntimeError(f"the model ended its program, with {error.code!r}") from error


def predict(opener: Callable[[], Store], uri: str, body: bytes, content_type: str) -> str:
    """Return the JSON that a server would answer to a request. Args, raises: as `ask`."""
    answer = ask(opener, uri, body, content_type)
    from holdall.surfaces.serving.answers import predictions_json

    return predictions_json(answer.predictions, bare=answer.bare)


def _need(*names: str) -> None:
    for name in names:
        library(name, "serving a model", name.replace("_", "-"))
