"""An export to an MLflow: planned by a search of the store, then performed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from holdall.display import Facts, Shown
from holdall.errors import ExperimentNotFoundError, HoldallError, StorageError
from holdall.exporting.mlflow.registry import RegistryExporter
from holdall.exporting.mlflow.runs import RunExporter
from holdall.exporting.mlflow.target import MlflowTarget
from holdall.moving import FAILED, Brought, MoveReport, Problem
from holdall.runs.record import PARENT, Experiment, RunRecord
from holdall.store import Store


class PlannedExport(Shown):
    """An export that was planned. Nothing is written before `perform`.

    Attributes:
        source, destination: Addresses, without credentials.
        experiments: The names of the experiments.
        runs, models: How many runs and registered models there are.
    """

    def __init__(self, store: Store, uri: str, registry_uri: str | None, experiments: Sequence[str]) -> None:
        """Of some experiments of a store; of all, and the registry, where none is named."""
        self._store = store
        every = store.experiments.search(stage=None)
        for name in experiments:
            if name not in {one.name for one in every}:
                raise ExperimentNotFoundError(name, store.url)
        self._experiments = {one.experiment_id: one for one in every if not experiments or one.name in experiments}
        found = store.runs.search(experiments=list(self._experiments), stage=None)
        self._records = sorted(found, key=lambda one: (one.info.experiment_id, PARENT in one.data.tags))
        self._models = [] if experiments else store.registry.search_models()
        self._target = MlflowTarget(uri, registry_uri)
        self.source, self.destination = store.url, self._target.shown
        self.experiments = [one.name for one in self._experiments.values()]
        self.runs, self.models = len(self._records), len(self._models)

    def perform(self, tell: Callable[[Brought], object] | None = None) -> MoveReport:
        """Write all of it. Again, and what is there is left alone; what was interrupted is gone on with.

        Args:
            tell: Is told what became of each run and registered model.

        Raises:
            StorageError: The bucket does not answer.
            Exception: MLflow refused the whole of it.
        """
        told, brought, problems = tell or (lambda _: None), [], []
        run_ids: dict[str, str] = {}
        model_ids: dict[str, str] = {}

        def take(result: Brought) -> None:
            brought.append(result)
            told(result)

        for id, records in groupby(self._records, lambda one: one.info.experiment_id):
            runs = self._exporter(self._experiments[id])
            for record in records:
                take(self._export(runs, record))
            run_ids |= runs.run_ids
            model_ids |= runs.model_ids
            problems += runs.problems
        registry = RegistryExporter(self._store, self._target, run_ids, model_ids)
        for model in self._models:
            take(registry.export(model))
        self._delete_experiments()
        return MoveReport(self.source, self.destination, tuple(brought), (*problems, *registry.problems))

    # --- inside ---

    def _exporter(self, experiment: Experiment) -> RunExporter:
        tags = {key: value for key, value in experiment.tags.items() if not key.startswith("holdall.")}
        return RunExporter(self._store, self._target, self._target.experiment(experiment.name, tags))

    def _export(self, runs: RunExporter, record: RunRecord) -> Brought:
        try:
            return runs.export(record)
        except StorageError:
            raise
        except HoldallError as error:  # what is damaged here
            runs.problems.append(Problem("run", record.info.run_id, "", str(error)))
        except Exception as error:  # what MLflow does not take
            runs.problems.append(Problem("run", record.info.run_id, "", f"MLflow refused it: {error}"))
        return Brought("run", record.info.run_id, "", record.info.run_name, FAILED)

    def _delete_experiments(self) -> None:
        for one in self._experiments.values():
            there = self._target.client.get_experiment_by_name(one.name) if one.lifecycle_stage == "deleted" else None
            if there is not None and there.lifecycle_stage != "deleted":
                self._target.client.delete_experiment(there.experiment_id)

    def _shown(self) -> Facts:
        said: dict[str, Any] = {"source": self.source, "destination": self.destination}
        return {**said, "experiments": len(self.experiments), "runs": self.runs, "models": self.models or None}
