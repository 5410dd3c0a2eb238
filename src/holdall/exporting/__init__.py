"""What a store keeps, as other tools want it: runs of MLflow, images of models, folders.

from holdall import exporting

planned = exporting.to_mlflow(store, "http://mlflow.example:5000")
print(planned)
report = planned.perform()
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from holdall.store import Store

if TYPE_CHECKING:
    from holdall.exporting.mlflow.plan import PlannedExport

__all__ = ["to_mlflow"]


def to_mlflow(
    store: Store, uri: str, *, registry_uri: str | None = None, experiments: Sequence[str] = ()
) -> PlannedExport:
    """Plan to write experiments, runs, logged models and registered models into an MLflow.

    A run there has the tag `holdall.run_id`, by which a second export finds it: what is the same is left alone.

    Args:
        store: Where they are.
        uri: The tracking URI of the MLflow.
        registry_uri: That of its model registry, where it is another.
        experiments: Names of experiments; then only their runs are written, and no registered models. All when empty.

    Raises:
        InvalidURIError: MLflow cannot open the address.
        ExperimentNotFoundError: There is no such experiment.
        MissingLibraryError: MLflow is not installed.

    Cost: a search of all runs; `perform` reads the files of those that are new there.

    Example:
        >>> run.finish()
        >>> report = holdall.exporting.to_mlflow(store, "sqlite:///mlflow.db").perform()
        >>> report.complete
        True
    """
    from holdall.exporting.mlflow.plan import PlannedExport

    return PlannedExport(store, uri, registry_uri, experiments)
