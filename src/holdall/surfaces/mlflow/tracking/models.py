"""Logged models under MLflow's verbs.

A model that MLflow logs is held by its run, in the folder `models`, and the store lists and loads it as its own once it
is READY. One that MLflow logs without a run is held by a run of its own, which no search of MLflow's shows. Natively
logged models are READY ones here.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from mlflow.entities import (
    LoggedModel,
    LoggedModelParameter,
    LoggedModelStatus,
    LoggedModelTag,
    Metric,
)
from mlflow.entities import LoggedModelOutput as MlflowModelOutput
from mlflow.store.entities.paged_list import PagedList
from mlflow.store.tracking import SEARCH_LOGGED_MODEL_MAX_RESULTS_DEFAULT
from mlflow.utils.name_utils import _generate_random_name
from mlflow.utils.search_utils import SearchLoggedModelsPaginationToken, SearchLoggedModelsUtils
from mlflow.utils.validation import _validate_logged_model_name

from holdall.errors import InvalidURIError, NotFoundError, RunDeletedError, StoreNotFoundError
from holdall.store import BegunModel, Run
from holdall.surfaces.mlflow.addresses import mlflow_experiment, native_experiment
from holdall.surfaces.mlflow.errors import refused, translates
from holdall.surfaces.mlflow.tracking.entities import HOLDER
from holdall.surfaces.mlflow.tracking.experiments import ExperimentVerbs
from holdall.surfaces.mlflow.tracking.inputs import InputVerbs
from holdall.surfaces.mlflow.tracking.values import ValueVerbs

_DATASET: Final = "dataset_name"


@translates
class ModelVerbs(ExperimentVerbs, InputVerbs, ValueVerbs):
    """Logged models: begun, filled by the artifact repository, ended, found, tagged, deleted."""

    def create_logged_model(
        self,
        experiment_id: str,
        name: str | None = None,
        source_run_id: str | None = None,
        tags: Sequence[LoggedModelTag] | None = None,
        params: Sequence[LoggedModelParameter] | None = None,
        model_type: str | None = None,
    ) -> LoggedModel:
        """Begin a model, and return it with the place for its files. Cost: opening its run, and a PUT."""
        _validate_logged_model_name(name)
        name = name or _generate_random_name()
        run = self._holder(experiment_id, source_run_id, name)
        begun = self.store.models._begun.begin(
            run,
            name,
            of=source_run_id,
            type=model_type,
            params=_texts(params or ()),
            tags=_texts(tags or ()),
        )
        return self._model_entity(begun)

    def get_logged_model(self, model_id: str, allow_deleted: bool = False) -> LoggedModel:
        """Return a model. Raises: RESOURCE_DOES_NOT_EXIST. Cost: reading its run's end."""
        return self._model_entity(self._begun(model_id, allow_deleted=allow_deleted))

    def finalize_logged_model(self, model_id: str, status: LoggedModelStatus) -> LoggedModel:
        """Say how a model stands; READY, the store has it too. Cost: reading its MLmodel file, and a PUT."""
        self._begun(model_id)
        ended = self.store.models._begun.end(model_id, status.value)
        run = self._run(ended.model.source_run_id)
        if ended.run is None and HOLDER in run._seen.data.tags:
            run.finish("FINISHED" if status == LoggedModelStatus.READY else "FAILED")
        return self._model_entity(ended)

    def set_logged_model_tags(self, model_id: str, tags: Sequence[LoggedModelTag]) -> None:
        """Set tags of a model. Cost: a PUT in its run, and opening that."""
        self._begun(model_id)
        self.store.models._begun.set_tags(model_id, _texts(tags))

    def delete_logged_model_tag(self, model_id: str, key: str) -> None:
        """Remove a tag of a model. Raises: RESOURCE_DOES_NOT_EXIST where it has none of this name."""
        if key not in self._begun(model_id).model.tags:
            raise refused(f"No tag with key {key!r} found for model with ID {model_id!r}", "RESOURCE_DOES_NOT_EXIST")
        self.store.models._begun.set_tags(model_id, {key: None})

    def log_logged_model_params(self, model_id: str, params: Sequence[LoggedModelParameter]) -> None:
        """Log parameters of a model. Cost: as `set_logged_model_tags`."""
        self._begun(model_id)
        self.store.models._begun.log_params(model_id, _texts(params))

    def delete_logged_model(self, model_id: str) -> None:
        """Mark a model as deleted; its files go with `mlflow gc`. Cost: as `set_logged_model_tags`."""
        self._begun(model_id)
        self.store.models._begun.delete(model_id)

    def search_logged_models(
        self,
        experiment_ids: list[str],
        filter_string: str | None = None,
        datasets: list[dict[str, Any]] | None = None,
        max_results: int | None = None,
        order_by: list[dict[str, Any]] | None = None,
        page_token: str | None = None,
    ) -> PagedList[LoggedModel]:
        """Return a page of the models that a filter means, of runs that are not deleted. Cost: as `Runs.search`."""
        if datasets and not all(each.get(_DATASET) for each in datasets):
            raise refused(f"each of `datasets` needs a `{_DATASET}`")
        start = 0
        if page_token:
            token = SearchLoggedModelsPaginationToken.decode(page_token)
            token.validate(experiment_ids, filter_string, order_by)
            start = token.offset
        _check_filter(filter_string)
        models = [self._model_entity(found) for found in self._all_models(experiment_ids) if found.deleted is None]
        for model in models:
            model.metrics = model.metrics or []  # as MLflow's filter needs them
        chosen = SearchLoggedModelsUtils.filter_logged_models(models, filter_string, datasets)
        ordered = SearchLoggedModelsUtils.sort(chosen, order_by)
        end = start + (max_results or SEARCH_LOGGED_MODEL_MAX_RESULTS_DEFAULT)
        following = SearchLoggedModelsPaginationToken(experiment_ids, filter_string, order_by, end)
        for model in ordered:
            model.metrics = model.metrics or None
        return PagedList(ordered[start:end], following.encode() if len(ordered) > end else None)

    def log_outputs(self, run_id: str, models: Sequence[MlflowModelOutput]) -> None:
        """Say which models a run made. Cost: a PUT for each of its own; see `Held` for the others."""
        own = [model for model in models if str(model.model_id).startswith(f"m-{run_id}-")]
        for model in own:
            self.store.models._begun.made(model.model_id, model.step)
        super().log_outputs(run_id, [model for model in models if model not in own])

    # --- inside ---

    def _measured(self, run: Run, metrics: Sequence[Metric]) -> None:
        """Say of the models that measurements name what was measured."""
        groups: dict[tuple[str, str | None, str | None], list[Metric]] = {}
        for one in metrics:
            if one.model_id is not None:
                groups.setdefault((one.model_id, one.dataset_name, one.dataset_digest), []).append(one)
        for (model_id, *dataset), some in groups.items():
            with _named(model_id):
                points = [(one.key, one.value, one.step, one.timestamp) for one in some]
                self.store.models._begun.measure(run, model_id, points, (dataset[0], dataset[1]))

    def _holder(self, experiment_id: str, source_run_id: str | None, name: str) -> Run:
        """Return the run that is to hold a model: its own, or one for this model alone."""
        if source_run_id and str(source_run_id)[:8] == native_experiment(experiment_id, self.store)[:8]:
            try:
                return self._writable(source_run_id)
            except (NotFoundError, RunDeletedError):
                pass  # MLflow takes the id of any run, be there one or not
        return self._start(experiment_id, {HOLDER: "true", **self._place(experiment_id)}, name, None)

    def _begun(self, model_id: str, *, allow_deleted: bool = False) -> BegunModel:
        with _named(model_id):
            found = self.store.models._begun.get(model_id)
            if found.deleted is None or allow_deleted:
                return found
        raise _no_model(model_id)

    def _all_models(self, experiment_ids: Sequence[str]) -> list[BegunModel]:
        try:
            self.store.runs.flush()
            return self.store.models._begun.of([native_experiment(id, self.store) for id in experiment_ids])
        except StoreNotFoundError:
            return []

    def _model_entity(self, found: BegunModel) -> LoggedModel:
        model = found.model
        experiment = mlflow_experiment(model.experiment_id)
        root = self._root_of(experiment, model.source_run_id, self._place(experiment))
        return LoggedModel(
            experiment_id=experiment,
            model_id=model.model_id,
            name=found.name,
            artifact_location=f"{root}/{model.path}",
            creation_timestamp=model.creation_timestamp,
            last_updated_timestamp=model.last_updated_timestamp,
            model_type=model.model_type,
            source_run_id=found.run,
            status=LoggedModelStatus(found.status),
            tags=dict(model.tags),
            params=dict(model.params),
            metrics=[
                Metric(
                    one.key,
                    one.value,
                    one.timestamp,
                    one.step,
                    model.model_id,
                    one.dataset_name,
                    one.dataset_digest,
                    one.run_id,
                )
                for one in model.metrics
            ]
            or None,
        )


def _check_filter(text: str | None) -> None:
    """Raise what MLflow's database does for a wrong filter, where it is there: mlflow-skinny brings no SQLAlchemy."""
    try:
        from mlflow.utils.search_logged_model_utils import parse_filter_string
    except ModuleNotFoundError:
        return
    parse_filter_string(text)


def _texts(said: Sequence[LoggedModelTag | LoggedModelParameter]) -> dict[str, str]:
    """Return names and values; MLflow takes none for an empty text."""
    return {each.key: "" if each.value is None else str(each.value) for each in said}


def _no_model(model_id: str) -> Exception:
    return refused(f"Logged model with ID '{model_id}' not found", "RESOURCE_DOES_NOT_EXIST")


@contextmanager
def _named(model_id: str) -> Iterator[None]:
    """Say which model is not there, if one is not."""
    try:
        yield
    except (InvalidURIError, NotFoundError) as error:
        raise _no_model(model_id) from error
