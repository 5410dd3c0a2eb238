"""The part of the client that is about logged models."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from holdall.store import FileInfo, LoggedModel, Store
from holdall.surfaces.fluent.paging import PagedList, empty_where_none, paged


class LoggedModelClient:
    """The part of the client that is about logged models. Raises: as `get_logged_model`."""

    store: Store

    def get_logged_model(self, model_id: str) -> LoggedModel:
        """Return a logged model by its id, with the metrics, tags and parameters that were logged for it since.

        Example:
            >>> client.get_logged_model(logged.model_id).name
            'double'
        """
        return self.store.models.get(model_id)

    def search_logged_models(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None = None,
        datasets: Sequence[Mapping[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: Sequence[Any] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """Return the logged models of some experiments that a filter means. Args: as `holdall.search_logged_models`.

        `token` of what is returned gives the next page, as `page_token`. Raises: InvalidFilterError.

        Example:
            >>> experiment_id = client.get_run(logged.run_id).info.experiment_id
            >>> [found.name for found in client.search_logged_models([experiment_id])]
            ['double']
        """
        return self._logged_models(experiment_ids, filter_string, datasets, max_results, order_by, page_token)

    def _logged_models(
        self,
        experiment_ids: Sequence[str] | None,
        filter_string: str | None,
        datasets: Sequence[Mapping[str, Any]] | None,
        max_results: int | None,
        order_by: Sequence[Any] | None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """The same of all experiments where none is given."""

        def search(limit: int | None) -> list[LoggedModel]:
            with empty_where_none(self.store):
                return self.store.models.search(
                    filter_string, experiments=experiment_ids, datasets=datasets, order_by=order_by, limit=limit
                )
            return []

        return paged(search, max_results, page_token, lambda found: found.model_id)

    def set_logged_model_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a logged model.

        Example:
            >>> client.set_logged_model_tags(logged.model_id, {"stage": "checked"})
            >>> client.get_logged_model(logged.model_id).tags["stage"]
            'checked'
        """
        self.store.models.set_tags(model_id, tags)

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag of a logged model.

        Example:
            >>> client.set_logged_model_tags(logged.model_id, {"stage": "checked"})
            >>> client.delete_logged_model_tag(logged.model_id, "stage")
            >>> "stage" in client.get_logged_model(logged.model_id).tags
            False
        """
        self.store.models.set_tags(model_id, {key: None})

    def log_model_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters of a model after it was logged. Raises: ParamExistsError.

        Example:
            >>> client.log_model_params(logged.model_id, {"layers": 3})
            >>> client.get_logged_model(logged.model_id).params
            {'layers': '3'}
        """
        self.store.models.log_params(model_id, params)

    def list_logged_model_artifacts(self, model_id: str, path: str | None = None) -> list[FileInfo]:
        """Return what is directly in a directory of a model, sorted; paths begin at the model.

        Example:
            >>> paths = [found.path for found in client.list_logged_model_artifacts(logged.model_id)]
            >>> "double/MLmodel" in paths or "MLmodel" in paths
            True
        """
        top = self.store.models.get(model_id)
        found = self.store.artifacts.list(f"{top.artifact_location}/{path or ''}")
        return [replace(one, path=one.path.removeprefix(f"{top.path}/")) for one in found]
