"""Logged models as users of MLflow know them: found by id or by a filter, tagged, given parameters.

`create_logged_model` and `finalize_logged_model` are not here: a model can be
seen from the moment that all of it is there, so there is none to finalize.
Nor is `delete_logged_model`: a model is as deleted as its run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any, Literal

from holdall.errors import InvalidNameError
from holdall.libraries import library
from holdall.store import LoggedModel
from holdall.surfaces.fluent.active import current_store
from holdall.surfaces.fluent.client.client import Client
from holdall.surfaces.fluent.models import last_model_id
from holdall.surfaces.fluent.paging import wants_frame

if TYPE_CHECKING:
    import pandas as pd


def get_logged_model(model_id: str) -> LoggedModel:
    """Return a logged model by its id, with the metrics, tags and parameters that were logged for it since.

    Raises:
        InvalidURIError: No model can have this id.
        ArtifactNotFoundError: The run logged no such model.

    Example:
        >>> holdall.get_logged_model(logged.model_id).name
        'double'
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

    Example:
        >>> found = holdall.search_logged_models(filter_string="name = 'double'", output_format="list")
        >>> [model.model_id == logged.model_id for model in found]
        [True]
    """
    found = Client()._logged_models(experiment_ids, filter_string, datasets, max_results, order_by).to_list()
    return _frame(found) if wants_frame(output_format) else found


def set_logged_model_tags(model_id: str, tags: Mapping[str, Any]) -> None:
    """Set tags of a logged model. Raises: as `get_logged_model`.

    Example:
        >>> holdall.set_logged_model_tags(logged.model_id, {"stage": "checked"})
        >>> holdall.get_logged_model(logged.model_id).tags["stage"]
        'checked'
    """
    current_store().models.set_tags(model_id, tags)


def delete_logged_model_tag(model_id: str, key: str) -> None:
    """Remove a tag of a logged model. Raises: as `get_logged_model`.

    Example:
        >>> holdall.set_logged_model_tags(logged.model_id, {"stage": "checked"})
        >>> holdall.delete_logged_model_tag(logged.model_id, "stage")
        >>> "stage" in holdall.get_logged_model(logged.model_id).tags
        False
    """
    current_store().models.set_tags(model_id, {key: None})


def log_model_params(params: Mapping[str, Any], model_id: str | None = None) -> None:
    """Log parameters of a model after it was logged; of the one that this thread logged last when no id is given.

    Raises: as `get_logged_model`, ParamExistsError; InvalidNameError where this thread logged no model.

    Example:
        >>> holdall.log_model_params({"layers": 3}, logged.model_id)
        >>> holdall.get_logged_model(logged.model_id).params
        {'layers': '3'}
    """
    id = model_id or last_model_id()
    if id is None:
        raise InvalidNameError("model_id", "None", "this thread logged no model: give the id of one")
    current_store().models.log_params(id, params)


def last_logged_model() -> LoggedModel | None:
    """Return the model that this thread logged last, or None. Raises, cost: as `get_logged_model`.

    Example:
        >>> holdall.last_logged_model().model_id == logged.model_id
        True
    """
    id = last_model_id()
    return None if id is None else get_logged_model(id)


def _frame(found: Sequence[LoggedModel]) -> pd.DataFrame:
    pd = library("pandas", "giving models as a DataFrame")
    names = [each.name for each in fields(LoggedModel)] + ["name", "artifact_location", "status", "status_message"]
    return pd.DataFrame({name: [getattr(model, name) for model in found] for name in names})
