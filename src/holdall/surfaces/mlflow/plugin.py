"""What MLflow finds by entry points, for addresses such as `holdall+s3://bucket/prefix`.

MLflow imports this module whenever it is imported itself, and an error here would be an error there. So nothing else
is imported until MLflow asks for a store.
"""

from __future__ import annotations

from typing import Any


def artifact_repository(artifact_uri: str, tracking_uri: str | None = None, registry_uri: str | None = None) -> Any:
    """Return MLflow's artifact repository at an address within a store. Cost: no request."""
    from holdall.surfaces.mlflow.artifact_repository import HoldallArtifactRepository

    return HoldallArtifactRepository(artifact_uri, tracking_uri, registry_uri)


def tracking_store(store_uri: str | None = None, artifact_uri: str | None = None) -> Any:
    """Return MLflow's tracking store over the store at an address. Cost: no request."""
    from holdall.surfaces.mlflow.tracking_store import HoldallTrackingStore

    return HoldallTrackingStore(store_uri, artifact_uri)


def registry_store(store_uri: str | None = None, tracking_uri: str | None = None) -> Any:
    """Return MLflow's model registry store over the store at an address. Cost: no request."""
    from holdall.surfaces.mlflow.registry_store import HoldallRegistryStore

    return HoldallRegistryStore(store_uri, tracking_uri)
