"""The file system of Airflow's `ObjectStoragePath` for `holdall://`; Airflow calls `get_fs` when a path is used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from holdall.errors import InvalidArgumentError
from holdall.surfaces.filesystem import HoldallFileSystem

schemes: Final = ["holdall"]


def get_fs(conn_id: str | None, storage_options: Mapping[str, Any] | None = None) -> HoldallFileSystem:
    """Return the file system of a store.

    Args:
        conn_id: An Airflow connection, whose extra says which store, and with what storage options; None: the store of
            `HOLDALL_STORE`.
        storage_options: What `ObjectStoragePath` was given besides; it comes first.

    Raises:
        InvalidArgumentError: The connection's extra has no `store`, or is no JSON object.

    Cost: no request.
    """
    said = _extra(conn_id) if conn_id else {}
    return HoldallFileSystem(**{**said, **(storage_options or {})})


def _extra(conn_id: str) -> dict[str, Any]:
    """Return what a connection says of a store, as arguments of the file system."""
    from airflow.sdk.bases.hook import BaseHook

    text = BaseHook.get_connection(conn_id).extra or "{}"
    try:
        extra = json.loads(text)
    except ValueError:
        extra = None
    if not isinstance(extra, dict) or not isinstance(extra.get("store"), str):
        raise InvalidArgumentError(
            f'the Airflow connection {conn_id!r} names no store: put {{"store": "s3://bucket/prefix"}} into its extra'
        )
    return extra
