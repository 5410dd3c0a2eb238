"""What other tools keep, brought into a store: planned first, verified, and begun again where it ended.

    from holdall import importing

    planned = importing.from_mlflow(store, "sqlite:///mlflow.db")
    print(planned)
    report = planned.perform()

Each function reads what a source has and writes nothing; `perform` brings it.
Runs are named by what the source calls them, so that to import again brings
what is new and nothing twice, and what was interrupted is gone on with. Every
file is hashed where it comes from and compared with what the store has then.
"""

from __future__ import annotations

from collections.abc import Sequence

from holdall.importing.planned import Planned
from holdall.importing.report import Brought, ImportReport, Problem
from holdall.store import Store

__all__ = ["Brought", "ImportReport", "Planned", "Problem", "from_mlflow"]


def from_mlflow(store: Store, uri: str, *, registry_uri: str | None = None, experiments: Sequence[str] = ()) -> Planned:
    """Plan to bring what an MLflow keeps: experiments, runs, logged models and the model registry.

    Runs keep their dates, every measurement, their tags and parents; what MLflow calls them is the tag
    `imported.run_id`. Versions of registered models keep their numbers. Traces are not brought.

    Args:
        store: Where to bring it.
        uri: The tracking URI: a folder (`./mlruns`), a database (`sqlite:///mlflow.db`), or a server.
        registry_uri: That of the model registry, where it is another.
        experiments: Names of experiments; then only their runs are brought, and no registry. All of it when empty.

    Raises:
        InvalidURIError: There is no MLflow at the address.
        InvalidArgumentError: It has no such experiment.
        MissingLibraryError: MLflow is not installed, or what it needs for the address.

    Cost: no request to the store; at the source, its lists and a listing of each run's files.

    Example:
        >>> import mlflow
        >>> client = mlflow.MlflowClient("sqlite:///mlflow.db")
        >>> started = client.create_run("0", start_time=1_600_000_000_000)
        >>> report = holdall.importing.from_mlflow(store, "sqlite:///mlflow.db").perform()
        >>> report.outcomes
        {'new': 1}
        >>> store.runs.search(f"tags.`imported.run_id` = '{started.info.run_id}'")[0].info.start_time
        1600000000000
    """
    from holdall.importing.mlflow.plan import plan_mlflow

    return plan_mlflow(store, uri, registry_uri, experiments)
