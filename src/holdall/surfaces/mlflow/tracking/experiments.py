"""Experiments under MLflow's verbs.

MLflow's default experiment, of the id 0, is the one named Default. It is there before anybody made it, as in every
store of MLflow; it is written with its first run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mlflow.entities import Experiment, ExperimentTag, LifecycleStage, ViewType
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_MAX_RESULTS_DEFAULT, SEARCH_MAX_RESULTS_THRESHOLD
from mlflow.utils.search_utils import SearchExperimentsUtils
from mlflow.utils.validation import (
    _validate_experiment_artifact_location_length,
    _validate_experiment_name,
    _validate_experiment_tag,
)

from holdall.errors import ExperimentDeletedError, ExperimentNotFoundError, StoreNotFoundError
from holdall.store import DEFAULT
from holdall.store import Experiment as NativeExperiment
from holdall.surfaces.mlflow.addresses import DEFAULT_ID, mlflow_experiment, native_experiment
from holdall.surfaces.mlflow.errors import check_tags, refused, translates
from holdall.surfaces.mlflow.tracking.entities import as_experiment
from holdall.surfaces.mlflow.tracking.held import LOCATION, Held


@translates
class ExperimentVerbs(Held):
    """Experiments: made, found, searched, renamed, deleted, tagged."""

    DEFAULT_EXPERIMENT_ID = DEFAULT_ID

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Sequence[ExperimentTag] | None = None
    ) -> str:
        """Create an experiment, and return its id. Raises: RESOURCE_ALREADY_EXISTS. Cost: a listing and a PUT."""
        _validate_experiment_name(name)
        for tag in tags or ():
            _validate_experiment_tag(tag.key, tag.value)
        said = {tag.key: tag.value for tag in tags or ()}
        check_tags(said)
        if artifact_location and not self._is_here(artifact_location):
            _validate_experiment_artifact_location_length(artifact_location)
            said[LOCATION] = artifact_location
        return self.store.experiments.create(name, said)

    def get_experiment(self, experiment_id: str) -> Experiment:
        """Return an experiment. Raises: RESOURCE_DOES_NOT_EXIST. Cost: a listing and a GET."""
        try:
            found = self.store.experiments.get(native_experiment(experiment_id, self.store))
        except (ExperimentNotFoundError, StoreNotFoundError):
            if native_experiment(experiment_id, self.store) != native_experiment(DEFAULT_ID, self.store):
                raise
            return self._default
        return self._experiment(found)

    def get_experiment_by_name(self, experiment_name: str) -> Experiment | None:
        """Return the experiment of a name; None where there is none. Cost: a listing and a GET."""
        found = self._native_named(experiment_name)
        if found:
            return self._experiment(found)
        return self._default if experiment_name == DEFAULT else None

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = SEARCH_MAX_RESULTS_DEFAULT,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[Experiment]:
        """Return a page of the experiments that a filter means. Cost: a listing, and a GET for each entry."""
        checked_count(max_results)
        stages = LifecycleStage.view_type_to_stages(view_type)
        some = [found for found in self._experiments() if found.lifecycle_stage in stages]
        chosen = SearchExperimentsUtils.filter(some, filter_string)
        ordered = SearchExperimentsUtils.sort(chosen, order_by or ["creation_time DESC", "experiment_id ASC"])
        return PagedList(*SearchExperimentsUtils.paginate(ordered, page_token, max_results))

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark an experiment and its runs as deleted. Cost: as `Experiments.delete`."""
        self._staged(experiment_id, "active")
        self.store.experiments.delete(native_experiment(experiment_id, self.store))

    def restore_experiment(self, experiment_id: str) -> None:
        """Undo the deletion of an experiment, and of the runs that it took along. Cost: as `Experiments.restore`."""
        self._staged(experiment_id, "deleted")
        self.store.experiments.restore(native_experiment(experiment_id, self.store))

    def rename_experiment(self, experiment_id: str, new_name: str) -> None:
        """Give an experiment another name. Raises: INVALID_STATE where it was deleted."""
        _validate_experiment_name(new_name)
        self._written(experiment_id)
        try:
            self.store.experiments.rename(native_experiment(experiment_id, self.store), new_name)
        except ExperimentDeletedError as error:
            raise refused(f"{error}: restore it first", "INVALID_STATE") from error

    def set_experiment_tag(self, experiment_id: str, tag: ExperimentTag) -> None:
        """Set a tag of an experiment that is not deleted. Cost: a listing, a GET and a PUT."""
        _validate_experiment_tag(tag.key, tag.value)
        check_tags([tag.key])
        self._written(experiment_id)
        self.store.experiments.set_tag(native_experiment(experiment_id, self.store), tag.key, tag.value)

    def delete_experiment_tag(self, experiment_id: str, key: str) -> None:
        """Remove a tag of an experiment. Raises: RESOURCE_DOES_NOT_EXIST if it has none. Cost: as `set_tag`."""
        check_tags([key])
        found = self.store.experiments.active(native_experiment(experiment_id, self.store))
        if key not in found.tags:
            raise refused(f"experiment {experiment_id} has no tag {key!r} to delete", "RESOURCE_DOES_NOT_EXIST")
        self.store.experiments.set_tag(found.experiment_id, key, None)

    def _experiment(self, found: NativeExperiment) -> Experiment:
        experiment = as_experiment(found, self._location(mlflow_experiment(found.experiment_id), found.tags))
        self._elsewhere[found.experiment_id] = found.tags.get(LOCATION)
        return experiment

    def _native_named(self, name: str) -> NativeExperiment | None:
        """Return the experiment of a name; None also where there is no store yet."""
        try:
            return self.store.experiments.named(name)
        except StoreNotFoundError:
            return None

    @property
    def _default(self) -> Experiment:
        """Return the default experiment before anybody made it."""
        return Experiment(
            DEFAULT_ID,
            DEFAULT,
            self._location(DEFAULT_ID, {}),
            LifecycleStage.ACTIVE,
            creation_time=0,
            last_update_time=0,
        )

    def _experiments(self) -> list[Experiment]:
        """Return all experiments, the default one too."""
        try:
            found = [self._experiment(found) for found in self.store.experiments.all()]
        except StoreNotFoundError:
            found = []
        return found if any(one.experiment_id == DEFAULT_ID for one in found) else [*found, self._default]

    def _staged(self, experiment_id: str, stage: str) -> None:
        """Refuse an experiment of another stage, as one that is not there: so does MLflow."""
        self._written(experiment_id)
        if self.store.experiments.get(native_experiment(experiment_id, self.store)).lifecycle_stage != stage:
            raise refused(f"no {stage} experiment has the id {experiment_id}", "RESOURCE_DOES_NOT_EXIST")

    def _written(self, experiment_id: str) -> None:
        """Make the default experiment, if it is meant: what is said of it needs a place."""
        is_default = native_experiment(experiment_id, self.store) == native_experiment(DEFAULT_ID, self.store)
        if is_default and not self._native_named(DEFAULT):
            self.store.experiments.create(DEFAULT)


def checked_count(max_results: Any, *, optional: bool = False) -> None:
    """Refuse a number of results that no page can have, as MLflow does."""
    if max_results is None and optional:
        return
    if max_results is None or max_results < 1:
        raise refused(
            f"Invalid value {max_results} for parameter 'max_results' supplied. It must be a positive integer"
        )
    if max_results > SEARCH_MAX_RESULTS_THRESHOLD:
        most = f"It must be at most {SEARCH_MAX_RESULTS_THRESHOLD}"
        raise refused(f"Invalid value {max_results} for parameter 'max_results' supplied. {most}")
