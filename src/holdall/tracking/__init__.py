"""The client and the address of the store, as users of MLflow import them: `from holdall.tracking import MlflowClient`.

The verbs on the active run are in `holdall` itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdall.missing_names import explaining
from holdall.surfaces.fluent.address import (
    get_registry_uri,
    get_tracking_uri,
    is_tracking_uri_set,
    set_registry_uri,
    set_tracking_uri,
)
from holdall.surfaces.fluent.client.client import MlflowClient
from holdall.tracking import client

__all__ = [
    "MlflowClient",
    "client",
    "get_registry_uri",
    "get_tracking_uri",
    "is_tracking_uri_set",
    "set_registry_uri",
    "set_tracking_uri",
]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)
