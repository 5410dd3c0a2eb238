"""An MLflow to write to, and what is there already.

holdall.run_id        a tag of a run: whose it is here
holdall.exported      what of it was there when it was complete
holdall.model_id      a tag of a logged model, likewise
holdall.version       a tag of a version
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from holdall.errors import InvalidURIError
from holdall.exporting.mlflow.files import TargetFiles
from holdall.libraries import library
from holdall.moving import AN_MLFLOW, DATABASES, pages, shown_address

RUN_ID, EXPORTED, MODEL_ID, VERSION = "holdall.run_id", "holdall.exported", "holdall.model_id", "holdall.version"
PURPOSE: Final = "exporting to MLflow"
_PAGE: Final = 1_000


class MlflowTarget:
    """An MLflow to write to.

    Attributes:
        client: MLflow's own.
        shown: The address, without credentials.

    Raises:
        InvalidURIError: MLflow cannot open it.
        MissingLibraryError: MLflow is not installed.
    """

    def __init__(self, uri: str, registry_uri: str | None = None) -> None:
        self.shown, self._uris = shown_address(uri), {"tracking_uri": uri, "registry_uri": registry_uri or uri}
        if urlsplit(uri).scheme.partition("+")[0] in DATABASES:
            library("sqlalchemy", f"{PURPOSE}'s database", "mlflow")  # which mlflow-skinny does not bring
        try:
            self.client: Any = library("mlflow", PURPOSE).MlflowClient(uri, registry_uri or uri)
        except ImportError:
            raise
        except Exception as error:  # each kind of MLflow has its own
            raise InvalidURIError(self.shown, f"MLflow cannot open it: {error}").advised(AN_MLFLOW) from error
        self.entities = library("mlflow.entities", PURPOSE, "mlflow")

    def experiment(self, name: str, tags: dict[str, str]) -> str:
        """Return the id of the experiment of this name, which is made if there is none, and restored if deleted."""
        found = self.client.get_experiment_by_name(name)
        if found is None:
            return str(self.client.create_experiment(name, tags=tags))
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        for key, value in tags.items():
            if found.tags.get(key) != value:
                self.client.set_experiment_tag(found.experiment_id, key, value)
        return str(found.experiment_id)

    def runs(self, experiment_id: str) -> dict[str, Any]:
        """Return the runs of an experiment that came from a store, by their ids there, deleted ones too."""
        every = self.entities.ViewType.ALL

        def page(token: str | None) -> Any:
            return self.client.search_runs([experiment_id], "", every, max_results=_PAGE, page_token=token)

        return {run.data.tags[RUN_ID]: run for run in pages(page) if RUN_ID in run.data.tags}

    def files(self, uri: str, within: str = "") -> TargetFiles:
        """Return the files at an address of it, whose paths here begin with `within`."""
        made = library("mlflow.store.artifact.artifact_repository_registry", PURPOSE, "mlflow")
        return TargetFiles(made.get_artifact_repository(uri, **self._uris), within)

    def models(self, experiment_id: str) -> dict[str, Any]:
        """Return the logged models of an experiment that came from a store, by their ids there."""
        if not hasattr(self.client, "search_logged_models"):
            return {}

        def page(token: str | None) -> Any:
            return self.client.search_logged_models([experiment_id], max_results=50, page_token=token)

        return {model.tags[MODEL_ID]: model for model in pages(page) if MODEL_ID in model.tags}
