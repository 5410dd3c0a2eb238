"""The part of the client that is about experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from holdall.store import Experiment, Store, ViewType
from holdall.surfaces.fluent.paging import PagedList, empty_where_none, paged


class ExperimentClient:
    """Verbs on experiments. Where nothing else is said one raises ExperimentNotFoundError for an unknown id."""

    store: Store

    def create_experiment(
        self,
        name: str,
        artifact_location: str | None = None,
        tags: Mapping[str, Any] | None = None,
        *,
        encryption: str | None = None,
    ) -> str:
        """Create an experiment and return its id. `encryption`: "own", in an encrypted store, for keys of its own.

        Raises:
            ExperimentExistsError: There is one of this name, perhaps deleted.
            InvalidArgumentError: `encryption` is something else, or the store is not encrypted.
            InvalidURIError: `artifact_location` is another place than the store, which keeps what its runs hold.

        Example:
            >>> client.get_experiment(client.create_experiment("vision", tags={"team": "a"})).tags
            {'team': 'a'}
        """
        return self.store.experiments.create(name, tags, place=artifact_location, encryption=encryption)

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment by its id.

        Example:
            >>> client.get_experiment(client.create_experiment("vision")).name
            'vision'
        """
        return self.store.experiments.get(experiment_id)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """Return an experiment by its name; None if there is none.

        Example:
            >>> experiment_id = client.create_experiment("vision")
            >>> client.get_experiment_by_name("vision").experiment_id == experiment_id
            True
        """
        with empty_where_none(self.store):
            return self.store.experiments.named(name)
        return None

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = 1000,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """Return the experiments that a filter means, the newest first. Args, raises: as `holdall.search_experiments`.

        `token` of what is returned gives the next page, as `page_token`.

        Example:
            >>> experiment_id = client.create_experiment("vision/a")
            >>> [found.name for found in client.search_experiments(filter_string="name LIKE 'vision/%'")]
            ['vision/a']
        """
        stage = ViewType(view_type).stage

        def search(limit: int | None) -> list[Experiment]:
            with empty_where_none(self.store):
                return self.store.experiments.search(filter_string, order_by=order_by, stage=stage)[:limit]
            return []

        return paged(search, max_results, page_token, lambda found: found.experiment_id)

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark an experiment and its runs as deleted; `restore_experiment` takes it back, for seven days at least.

        Then `holdall gc` purges the runs and frees their space; of the experiment its name and tags stay.

        Example:
            >>> experiment_id = client.create_experiment("vision")
            >>> client.delete_experiment(experiment_id)
            >>> client.get_experiment(experiment_id).lifecycle_stage
            'deleted'
        """
        self.store.experiments.delete(experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        """Take the deletion of an experiment back, and of the runs that went with it.

        Example:
            >>> experiment_id = client.create_experiment("vision")
            >>> client.delete_experiment(experiment_id)
            >>> client.restore_experiment(experiment_id)
            >>> client.get_experiment(experiment_id).lifecycle_stage
            'active'
        """
        self.store.experiments.restore(experiment_id)

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment to `str(value)`. Raises: ExperimentDeletedError as well.

        Example:
            >>> experiment_id = client.create_experiment("vision")
            >>> client.set_experiment_tag(experiment_id, "team", "a")
            >>> client.get_experiment(experiment_id).tags
            {'team': 'a'}
        """
        self.store.experiments.set_tag(experiment_id, key, value)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an experiment, if it has it. Raises: ExperimentDeletedError as well.

        Example:
            >>> experiment_id = client.create_experiment("vision", tags={"team": "a"})
            >>> client.delete_experiment_tag(experiment_id, "team")
            >>> client.get_experiment(experiment_id).tags
            {}
        """
        self.store.experiments.set_tag(experiment_id, key, None)
