"""Only a place: scripts of MLflow import the codes of errors from `holdall.protos.databricks_pb2`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdall.missing_names import explaining
from holdall.protos import databricks_pb2

__all__ = ["databricks_pb2"]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)
