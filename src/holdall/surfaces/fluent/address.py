"""Which store verbs use, said as users of MLflow say it: by a tracking URI.

A store keeps experiments, artifacts and registered models in one place, so its address is the tracking
URI and the registry URI at once. There is no server and no database to point at.
"""

from __future__ import annotations

import os
import re
from typing import Final

from holdall.errors import InvalidURIError
from holdall.surfaces.fluent.active import current_store, is_store_set, run_of, set_store, unset_store

_INSTEAD: Final = "; give a folder or a bucket, such as './holdall-store' or 's3://bucket/prefix'"
_FOREIGN: Final = {
    **dict.fromkeys(
        ("http", "https"),
        "a store is no server: holdall reads and writes the bucket itself" + _INSTEAD + ". The server of a bucket "
        "that speaks S3 is the option endpoint_url: set_store('s3://bucket', endpoint_url='http://...')",
    ),
    **dict.fromkeys(("databricks", "databricks-uc", "uc"), "holdall does not speak to Databricks" + _INSTEAD),
    **dict.fromkeys(
        ("sqlite", "mysql", "postgresql", "mssql"),
        "a store needs no database: its logs are objects of the bucket" + _INSTEAD,
    ),
}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]+)(\+\w+)?(:|\Z)")


def checked_address(uri: str | os.PathLike[str]) -> str:
    """Return the address of a store that a tracking URI is.

    Args:
        uri: A folder, also as `file:/path`, or a bucket's address.

    Raises:
        InvalidURIError: It is the address of a server or of a database; the error says what to give instead.
        TypeError: It is no text and no path.
    """
    given = os.fspath(uri)
    if not isinstance(given, str):
        raise TypeError(f"an address is text or a path, not {type(uri).__name__}")
    found = _SCHEME.match(given)
    scheme = found[1].lower() if found and not isinstance(uri, os.PathLike) else ""
    if scheme in _FOREIGN and ((found and found[3]) or scheme.startswith("databricks")):
        raise InvalidURIError(re.sub(r"://[^/]*@", "://...@", given), _FOREIGN[scheme])
    return re.sub(r"\Afile:(?!//)", "", given)


def set_tracking_uri(uri: str | os.PathLike[str]) -> None:
    """Use the store at this address from now on.

    Args:
        uri: A folder or a bucket, as for `set_store`; "" for the one that `HOLDALL_STORE` names.

    Raises:
        InvalidURIError: It is the address of a server or of a database.

    Cost: no request.

    >>> holdall.set_tracking_uri("memory://doctest-tracking")
    >>> holdall.get_tracking_uri()
    'memory://doctest-tracking'
    """
    if address := checked_address(uri):
        set_store(address)
    else:
        unset_store()


def get_tracking_uri() -> str:
    """Return the address of the store that verbs use, without credentials. Cost: no request.

    Example:
        >>> opened = holdall.set_store("memory://trials")
        >>> holdall.get_tracking_uri()
        'memory://trials'
    """
    return current_store().url


def is_tracking_uri_set() -> bool:
    """Return whether a store was named, by `set_store`, `set_tracking_uri` or `HOLDALL_STORE`.

    Example:
        >>> holdall.is_tracking_uri_set()
        True
    """
    return is_store_set()


def set_registry_uri(uri: str | os.PathLike[str]) -> None:
    """Accept the address of the store itself, where its registry is; "" says the same.

    Raises:
        InvalidURIError: It is another place: a store keeps its own registry.

    Example:
        >>> holdall.set_registry_uri(holdall.get_tracking_uri())
    """
    address = checked_address(uri)
    if address and address.rstrip("/") not in (get_tracking_uri().rstrip("/"), _local(get_tracking_uri())):
        raise InvalidURIError(address, f"a store keeps its own registry, at {get_tracking_uri()}: leave this call out")


def get_registry_uri() -> str:
    """Return the address of the registry, which is the store's. Cost: no request.

    Example:
        >>> holdall.get_registry_uri() == holdall.get_tracking_uri()
        True
    """
    return get_tracking_uri()


def get_artifact_uri(artifact_path: str | None = None) -> str:
    """Return the address of the active run's artifacts, or of one of them: `runs:/<run_id>/<path>`.

    Args:
        artifact_path: A path in the run; the run's root when None.

    Raises:
        NoActiveRunError: No run is active.

    Example:
        >>> with holdall.start_run():
        ...     holdall.get_artifact_uri("model")
        'runs:/.../model'
    """
    return f"runs:/{run_of().id}" + (f"/{artifact_path.strip('/')}" if artifact_path else "")


def _local(url: str) -> str:
    """Return a folder's address as a path relative to where the process works, as it may have been given."""
    return url if "://" in url else os.path.relpath(url)
