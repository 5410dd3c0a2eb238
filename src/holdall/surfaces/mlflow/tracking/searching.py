"""Runs found by MLflow's filters and orders, which are read by MLflow itself.

The store gives the summaries of the runs of some experiments, which cost a listing and a GET for each that changed;
MLflow's own parser reads the filter, so that its whole grammar and its errors are those of its other stores.
"""

from __future__ import annotations

from collections.abc import Sequence

from mlflow.entities import LifecycleStage, Run
from mlflow.entities.dataset_summary import _DatasetSummary
from mlflow.utils.search_utils import SearchUtils

from holdall.errors import StoreNotFoundError
from holdall.store import RunRecord
from holdall.surfaces.mlflow.addresses import mlflow_experiment, native_experiment
from holdall.surfaces.mlflow.errors import translates
from holdall.surfaces.mlflow.tracking.entities import HOLDER
from holdall.surfaces.mlflow.tracking.experiments import checked_count
from holdall.surfaces.mlflow.tracking.runs import RunVerbs

_MOST_DATASETS = 1000


@translates
class SearchVerbs(RunVerbs):
    """Runs, and data sets of runs, by what they are."""

    def _search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str | None,
        run_view_type: int,
        max_results: int | None,
        order_by: Sequence[str] | None,
        page_token: str | None,
    ) -> tuple[list[Run], str | None]:
        """Return a page of the runs that a filter means, and the token of the next. Cost: as `Runs.search`."""
        checked_count(max_results, optional=True)
        stages = LifecycleStage.view_type_to_stages(run_view_type)
        some = [self._entity(found) for found in self._records(experiment_ids) if found.info.lifecycle_stage in stages]
        ordered = SearchUtils.sort(SearchUtils.filter(some, filter_string), order_by)
        page, token = SearchUtils.paginate(ordered, page_token, len(ordered) if max_results is None else max_results)
        return page, token

    def _search_datasets(self, experiment_ids: Sequence[str]) -> list[_DatasetSummary]:
        """Return the data sets that runs of some experiments were given, each once for each purpose."""
        found = {
            (mlflow_experiment(record.info.experiment_id), given.dataset.name, given.dataset.digest, given.context)
            for record in self._records(experiment_ids)
            for given in record.inputs.dataset_inputs
        }
        ordered = sorted(found, key=lambda one: tuple(word or "" for word in one))
        return [_DatasetSummary(*one) for one in ordered[:_MOST_DATASETS]]

    def _records(self, experiment_ids: Sequence[str]) -> list[RunRecord]:
        """Return all runs of some experiments; none where there is no store yet."""
        try:
            found = self.store.runs.search(
                experiments=[native_experiment(id, self.store) for id in experiment_ids], stage=None
            )
        except StoreNotFoundError:
            return []
        return [record for record in found if HOLDER not in record.data.tags]
