"""Logged models as users of MLflow know them: found by id or by a filter, tagged, given parameters.

`create_logged_model` and `finalize_logged_model` are not here: a model can be
seen from the moment that all of it is there, so there is none to finalize.
Nor is `delete_logged_model`: a model is as deleted as its run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

from holdall.store import FileInfo, LoggedModel, Store
from holdall.surfaces.fluent.active import current_store

if TYPE_CHECKING:
    import pandas as pd


def get_logged_model(model_id: str) -> LoggedModel:
    """A logged model by its id, with the metrics, tags and parameters that were logged for it since.

    Raises:
        InvalidURIError: No model can have this id.
        ArtifactNotFoundError: The run logged no such model.
    """
    return current_store().models.get(model_id)


def search_logged_models(
    experiment_ids: Sequence[str] | None = None,
    filter_string: str | None = None,
    datasets: Sequence[Mapping[str, Any]] | None = None,
    max_results: int | None = None,
    order_by: Sequence[Any] | None = None,
    output_format: Literal["pandas", "list"] | None = None,
) -> pd.DataFrame | list[LoggedModel]:
    """The logged models that a filter means.

    Args:
        experiment_ids: Where to look; everywhere when None.
        filter_string: Such as `metrics.accuracy > 0.9 AND params.depth = '3' AND name LIKE 'forest%'`.
        datasets: Only measurements on one of these count: `[{"dataset_name": ..., "dataset_digest": ...}]`.
        max_results: At most so many.
        order_by: Such as `["metrics.accuracy DESC"]`, or MLflow's mappings; the latest first when None.
        output_format: "pandas" for a DataFrame, "list" for records; when None, a
            DataFrame where pandas is installed.

    Raises:
        InvalidFilterError: The filter or an order is not understood; it says where.
    """
    found = current_store().models.search(
        filter_string, experiments=experiment_ids, datasets=datasets, order_by=order_by, limit=max_results
    )
    chosen = output_format or ("pandas" if find_spec("pandas") else "list")
    return _frame(found) if chosen == "pandas" else found


def set_logged_model_tags(model_id: str, tags: Mapping[str, Any]) -> None:
    """Set tags of a logged model. Raises: as `get_logged_model`."""
    current_store().models.set_tags(model_id, tags)


def delete_logged_model_tag(model_id: str, key: str) -> None:
    """Remove a tag of a logged model. Raises: as `get_logged_model`."""
    current_store().models.set_tags(model_id, {key: None})


def log_model_params(params: Mapping[str, Any], model_id: str) -> None:
    """Log parameters of a model after it was logged. Raises: as `get_logged_model`, ParamExistsError."""
    current_store().models.log_params(model_id, params)


class LoggedModelClient:
    """The part of the client that is about logged models. Raises: as `get_logged_model`."""

    store: Store

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """A logged model by its id, with the metrics, tags and parameters that were logged for it since."""
        return self.store.models.get(model_id)

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Any] | None = None,
    ) -> list[LoggedModel]:
        """The logged models of some experiments that a filter means. Args: as `holdall.search_logged_models`."""
        return self.store.models.search(
            filter_string, experiments=experiment_ids, datasets=datasets, order_by=order_by, limit=max_results
        )

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a logged model."""
        self.store.models.set_tags(model_id, tags)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag of a logged model."""
        self.store.models.set_tags(model_id, {key: None})

    def log_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters of a model after it was logged. Raises: ParamExistsError."""
        self.store.models.log_params(model_id, params)

    def list_logged_model_artifacts(self, model_id: str, path: str | None = None) -> list[FileInfo]:
        """What is directly in a directory of a model, sorted; paths begin at the model."""
        top = self.store.models.get(model_id)
        found = self.store.artifacts.list(f"{top.artifact_location}/{path or ''}")
        return [replace(one, path=one.path.removeprefix(f"{top.path}/")) for one in found]


def _frame(found: Sequence[LoggedModel]) -> pd.DataFrame:
    import pandas as pd

    names = [each.name for each in fields(LoggedModel)] + ["name", "artifact_location", "status", "status_message"]
    return pd.DataFrame({name: [getattr(model, name) for model in found] for name in names})
