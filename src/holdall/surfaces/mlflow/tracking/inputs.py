"""What runs were given and what they made, under MLflow's verbs: data sets and models, as facts of the run."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow.entities import DatasetInput
from mlflow.entities import LoggedModelInput as MlflowModelInput
from mlflow.entities import LoggedModelOutput as MlflowModelOutput
from mlflow.utils.validation import _validate_dataset_inputs, _validate_run_id

from holdall.store import LoggedModelInput, LoggedModelOutput
from holdall.surfaces.mlflow.errors import translates
from holdall.surfaces.mlflow.tracking.runs import RunVerbs


@translates
class InputVerbs(RunVerbs):
    """Data sets and models, as inputs and outputs of runs."""

    def log_inputs(
        self,
        run_id: str,
        datasets: list[DatasetInput] | None = None,
        models: Sequence[MlflowModelInput] | None = None,
    ) -> None:
        """Say what a run was given. A data set that it was given before stays as it was said first, as in MLflow.

        Cost: as `Run.log_input`; see `Held` for when it is written.
        """
        _validate_run_id(run_id)
        if datasets is not None and not isinstance(datasets, list):
            raise TypeError(f"Argument 'datasets' should be a list, got '{type(datasets)}'")
        _validate_dataset_inputs(datasets or [])
        run = self._writable(run_id)
        run.flush()  # so that what this process said before is known
        known = {(one.dataset.name, one.dataset.digest) for one in run._seen.inputs.dataset_inputs}
        for given in datasets or ():
            what = (given.dataset.name, given.dataset.digest)
            if what not in known:
                known.add(what)
                run.log_input(given.dataset, tags={tag.key: tag.value for tag in given.tags})
        run.log_models_used([LoggedModelInput(model.model_id) for model in models or ()])
        self._logged(run)

    def log_outputs(self, run_id: str, models: Sequence[MlflowModelOutput]) -> None:
        """Say which models a run made. Cost: as `Run.log_models_made`."""
        run = self._writable(run_id)
        run.log_models_made([LoggedModelOutput(model.model_id, model.step) for model in models])
        self._logged(run)
