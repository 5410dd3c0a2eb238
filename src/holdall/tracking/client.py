"""The client, where scripts for MLflow import it from: `from holdall.tracking.client import MlflowClient`."""

from __future__ import annotations

from holdall.surfaces.fluent.client.client import MlflowClient

__all__ = ["MlflowClient"]
