"""What `mlflow gc` asks of a tracking store: what was deleted, and to forget it for good.

A run that is forgotten reads as not there from then on; the space of what it held alone is free after the next
garbage collection of the store (`holdall gc`). A run that a registered version or the tag `holdall.keep` holds is
not forgotten. An experiment that is forgotten is not found any more, and its name can be given again.
"""

from __future__ import annotations

import time

from mlflow.entities import LifecycleStage

from holdall.errors import NotFoundError, RunNotFoundError, StoreNotFoundError
from holdall.surfaces.mlflow.addresses import native_experiment
from holdall.surfaces.mlflow.errors import refused, translates
from holdall.surfaces.mlflow.tracking.models import ModelVerbs


@translates
class GarbageVerbs(ModelVerbs):
    """Deleted runs, experiments and models, and the end of them."""

    def _get_deleted_runs(self, older_than: int = 0) -> list[str]:
        """Return the ids of the runs that were deleted so many milliseconds ago. Cost: as `Runs.search`.

        With an age also the newest entry of each deleted run.
        """
        try:
            found = [record.info.run_id for record in self.store.runs.search(stage=LifecycleStage.DELETED)]
        except StoreNotFoundError:
            return []
        return [id for id in found if self._deleted_at(id) <= _now() - older_than] if older_than else found

    def _hard_delete_run(self, run_id: str) -> None:
        """Forget a run for good. Raises: INVALID_STATE where something holds it. Cost: as `Maintenance.discard`."""
        if not self.store.maintenance.discard(self._run(run_id).id):
            raise RunNotFoundError(run_id, self.store.url)

    def _hard_delete_experiment(self, experiment_id: str) -> None:
        """Forget an experiment that was deleted, with its runs."""
        found = self.store.experiments.get(native_experiment(experiment_id, self.store))
        if found.lifecycle_stage != LifecycleStage.DELETED:
            raise refused(f"no deleted experiment has the id {experiment_id}", "RESOURCE_DOES_NOT_EXIST")
        for record in self.store.runs.search(experiments=[found.experiment_id], stage=None):
            self.store.maintenance.discard(record.info.run_id)
        self.store.experiments._forget(found.experiment_id)

    def _get_deleted_logged_models(self, older_than: int = 0) -> list[str]:
        """Return the ids of the models that were deleted so many milliseconds ago. Cost: as `Runs.search`."""
        try:
            models = self.store.models._begun.of(None)
        except StoreNotFoundError:
            return []
        due = _now() - older_than
        return [each.model.model_id for each in models if each.deleted is not None and each.deleted <= due]

    def _hard_delete_logged_model(self, model_id: str) -> None:
        """Forget a model for good; its files are gone already. One that had a run of its own takes that along."""
        found = self._begun(model_id, allow_deleted=True)
        if found.run is None:
            self.store.maintenance.discard(found.model.source_run_id)
        else:
            self.store.models._begun.forget(model_id)

    def _deleted_at(self, run_id: str) -> int:
        """Return when a deleted run's newest entry was written: nothing follows a deletion. Cost: reading that."""
        try:
            head = self._run(run_id)._view().head
        except NotFoundError:  # purged meanwhile
            return _now()
        return head.time if head else 0


def _now() -> int:
    return time.time_ns() // 1_000_000
