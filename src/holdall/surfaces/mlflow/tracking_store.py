"""MLflow's tracking store over a store: `mlflow.set_tracking_uri("holdall+s3://bucket/prefix")`.

Experiments, runs and logged models are those of the store, seen by both sides. There is no server and no database:
every verb reads and writes the bucket, and costs what the native verb costs.
"""

from __future__ import annotations

from holdall.surfaces.mlflow.errors import refuses_the_rest
from holdall.surfaces.mlflow.tracking.garbage import GarbageVerbs
from holdall.surfaces.mlflow.tracking.searching import SearchVerbs
from holdall.surfaces.mlflow.tracking.traces import TraceVerbs


@refuses_the_rest
class HoldallTrackingStore(GarbageVerbs, SearchVerbs, TraceVerbs):
    """What MLflow asks for by an address that begins with `holdall+`."""
