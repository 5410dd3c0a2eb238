"""MLflow's tracking store over a store: `mlflow.set_tracking_uri("holdall+s3://bucket/prefix")`.

Experiments, runs and logged models are those of the store, seen by both sides. There is no server and no database:
every verb reads and writes the bucket, and costs what the native verb costs.
"""

from __future__ import annotations

from holdall.surfaces.mlflow.tracking.experiments import ExperimentVerbs
from holdall.surfaces.mlflow.tracking.inputs import InputVerbs
from holdall.surfaces.mlflow.tracking.searching import SearchVerbs
from holdall.surfaces.mlflow.tracking.values import ValueVerbs


class HoldallTrackingStore(ExperimentVerbs, InputVerbs, SearchVerbs, ValueVerbs):
    """What MLflow asks for by an address that begins with `holdall+`."""
