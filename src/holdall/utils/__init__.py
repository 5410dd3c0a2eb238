"""Only a place: scripts of MLflow import the names of tags from `holdall.utils.mlflow_tags`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from holdall.missing_names import explaining
from holdall.utils import mlflow_tags

__all__ = ["mlflow_tags"]

if not TYPE_CHECKING:
    __getattr__ = explaining(__name__, __all__)
