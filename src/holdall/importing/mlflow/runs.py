"""Runs of MLflow, with their logged models, as what is to be brought."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, Final

from holdall.importing.found import Folder, FoundExperiment, FoundInput, FoundModel, FoundRun, fingerprint
from holdall.importing.marks import EXPERIMENT, PARENT_ID, experiment_text
from holdall.importing.mlflow.folders import folder_at, nothing_or
from holdall.importing.mlflow.source import MlflowSource
from holdall.moving import Problem
from holdall.runs.record import PARENT

KEY: Final = "mlflow:"
_WITH_FILES: Final = ("mlflow.log-model.history", "mlflow.loggedArtifacts", "mlflow.loggedImages")
_ODD: Final = str.maketrans("/:.%\"'\\", "_______")


def found_experiment(experiment: Any, source: str) -> FoundExperiment:
    """Return an experiment of a source as what is to be brought."""
    tags = {**experiment.tags, EXPERIMENT: experiment_text(source, str(experiment.experiment_id), experiment.name)}
    return FoundExperiment(experiment.name, tags, experiment.lifecycle_stage == "deleted")


class RunFinder:
    """Finds the runs of some experiments of a source.

    Attributes:
        experiment_of: The name of the experiment of each run, by the source's id.
        addresses: Where the source says that the files of each run are.
        problems: What could not be read.
    """

    def __init__(self, source: MlflowSource, run_id: Callable[[str, str], str]) -> None:
        """`run_id` gives the id here of a key in an experiment."""
        self._source, self._run_id = source, run_id
        self.experiment_of: dict[str, str] = {}
        self.addresses: dict[str, str] = {}
        self.problems: list[Problem] = []
        self._runs: list[tuple[Any, Any]] = []
        self._models: defaultdict[str, list[Any]] = defaultdict(list)
        self.orphans: list[tuple[str, Any]] = []  # logged models whose run is gone, with their experiment

    def read(self, experiments: Sequence[Any]) -> None:
        """Read what the source's books say, but for measurements and files."""
        for experiment in experiments:
            try:
                for run in self._source.runs(experiment.experiment_id):
                    self._runs.append((experiment, run))
                    self.experiment_of[run.info.run_id] = experiment.name
                    self.addresses[run.info.run_id] = run.info.artifact_uri
            except Exception as error:  # each kind of MLflow has its own
                self.problems.append(Problem("experiment", experiment.name, "", f"its runs cannot be read: {error}"))
        for experiment in experiments:
            self._read_models(experiment)

    def runs(self) -> Iterator[FoundRun]:
        """Yield the runs, each with its models; then one for each model whose run is gone."""
        for experiment, run in self._runs:
            yield self._found(experiment, run)
        for name, model in self.orphans:
            yield FoundRun(
                key=f"{KEY}{model.model_id}",
                source_id=model.source_run_id or model.model_id,
                experiment=name,
                name=model.name,
                start_time=model.creation_timestamp,
                end_time=model.creation_timestamp,
                models=[self._model(model)],
                state=self._model_state([model]),
            )

    # --- inside ---

    def _read_models(self, experiment: Any) -> None:
        try:
            models = sorted(self._source.logged_models(experiment.experiment_id), key=lambda m: m.creation_timestamp)
        except Exception as error:
            if experiment.lifecycle_stage != "deleted":  # whose models MLflow itself does not find
                self.problems.append(Problem("experiment", experiment.name, "", f"its models cannot be read: {error}"))
            return
        for model in models:
            if model.source_run_id in self.experiment_of:
                self._models[model.source_run_id].append(model)
            else:
                self.orphans.append((experiment.name, model))

    def _found(self, experiment: Any, run: Any) -> FoundRun:
        info, models = run.info, self._models[run.info.run_id]
        inputs = [FoundInput(one.dataset, {tag.key: tag.value for tag in one.tags}) for one in _datasets(run)]
        return FoundRun(
            key=KEY + info.run_id,
            source_id=info.run_id,
            experiment=experiment.name,
            name=info.run_name or None,
            status=_status(info.status),
            start_time=info.start_time,
            end_time=info.end_time,
            deleted=info.lifecycle_stage == "deleted",
            params=dict(run.data.params),
            tags=self._tags(run),
            points=partial(self._source.points, run),
            inputs=inputs,
            folder=nothing_or(self._folder(info), expected=self._source.folder is not None or _has_files(run)),
            models=[self._model(model) for model in models],
            state=fingerprint(
                [info.run_name, info.status, info.start_time, info.end_time, run.data.params, run.data.tags],
                sorted(map(str, _latest(run))),
                [[str(one.dataset.to_dictionary()), one.tags] for one in inputs],
                self._model_state(models),
            ),
        )

    def _folder(self, info: Any) -> Folder:
        return folder_at(self._source, info.artifact_uri, str(info.experiment_id), info.run_id, "artifacts")

    def _tags(self, run: Any) -> dict[str, str]:
        """Return a run's tags, with the id that its parent has here."""
        tags = dict(run.data.tags)
        if run.info.user_id and "mlflow.user" not in tags:
            tags["mlflow.user"] = run.info.user_id
        parent = tags.get(PARENT)
        if parent is None:
            return tags
        tags[PARENT_ID] = parent
        if parent in self.experiment_of:
            tags[PARENT] = self._run_id(KEY + parent, self.experiment_of[parent])
        else:
            del tags[PARENT]
            self.problems.append(Problem("tag", run.info.run_id, PARENT, f"its parent, run {parent}, is not there"))
        return tags

    def _model(self, model: Any) -> FoundModel:
        within = (str(model.experiment_id), "models", model.model_id, "artifacts")
        metrics = []
        for one in model.metrics or ():
            by = self.experiment_of.get(one.run_id or "")
            data = (one.dataset_name, one.dataset_digest) if one.dataset_name and one.dataset_digest else None
            run_id = self._run_id(KEY + one.run_id, by) if by else None
            metrics.append(((str(one.key), float(one.value), int(one.step), int(one.timestamp)), run_id, data))
        return FoundModel(
            source_id=model.model_id,
            name=(model.name or "model").translate(_ODD),
            folder=folder_at(self._source, model.artifact_location, *within),
            created=model.creation_timestamp,
            model_type=model.model_type,
            params=dict(model.params or {}),
            tags=dict(model.tags or {}),
            metrics=metrics,
        )

    @staticmethod
    def _model_state(models: Sequence[Any]) -> str:
        said = [[m.model_id, m.name, m.params, m.tags, m.model_type] for m in models]
        measured = [sorted(str(vars(one)) for one in m.metrics or ()) for m in models]
        return fingerprint(said, measured)


def _has_files(run: Any) -> bool:
    """Return whether a run's tags say that it logged files: MLflow makes its folder with the first of them."""
    return any(tag in run.data.tags for tag in _WITH_FILES)


def _datasets(run: Any) -> Sequence[Any]:
    return run.inputs.dataset_inputs if getattr(run, "inputs", None) else ()


def _latest(run: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the last point of each metric, as far as MLflow tells it without another call."""
    points: Mapping[str, float] = run.data.metrics
    objects = getattr(run.data, "_metric_objs", None) or ()
    yield from ((one.key, one.value, one.step, one.timestamp) for one in objects)
    if not objects:
        yield from points.items()


def _status(status: Any) -> str:
    return status if isinstance(status, str) else str(status)
