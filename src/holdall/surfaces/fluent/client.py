"""A client that names its runs: MLflow's `MlflowClient`, for a store."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from holdall.errors import InvalidNameError, InvalidURIError
from holdall.store import Experiment, FileInfo, LogFuture, Metric, Run, RunRecord, ViewType, listed
from holdall.surfaces.fluent.active import current_store, open
from holdall.surfaces.fluent.logged import LoggedModelClient
from holdall.surfaces.fluent.registering import RegistryClient
from holdall.surfaces.fluent.verbs import done, measured_at

if TYPE_CHECKING:
    import pandas as pd


class Client(RegistryClient, LoggedModelClient):
    """Verbs on experiments and runs by their ids, and on registered models; nothing here is active.

    Arguments come in MLflow's order. What `synchronous=False` logs is logged in the background, as by the verbs.

    Args:
        tracking_uri: A store's address; when None, the store that verbs without a handle use.
        registry_uri: The same, or None: a store keeps its registry.
        storage_options: What the storage library takes, as for `holdall.open`.
    """

    def __init__(
        self, tracking_uri: str | None = None, registry_uri: str | None = None, **storage_options: Any
    ) -> None:
        if registry_uri not in (None, tracking_uri):
            raise InvalidURIError(str(registry_uri), "a store keeps its own registry: give no other address for it")
        shared = tracking_uri is None and not storage_options
        self.store = current_store() if shared else open(tracking_uri, **storage_options)

    # --- experiments ---

    def create_experiment(
        self, name: str, artifact_location: str | None = None, tags: Mapping[str, Any] | None = None
    ) -> str:
        """Make an experiment and return its id. Raises: ExperimentExistsError; InvalidURIError for another place."""
        return self.store.experiments.create(name, tags, place=artifact_location)

    def get_experiment(self, experiment_id: str) -> Experiment:
        """An experiment by its id. Raises: ExperimentNotFoundError."""
        return self.store.experiments.get(experiment_id)

    def get_experiment_by_name(self, name: str) -> Experiment | None:
        """An experiment by its name; None if there is none."""
        return self.store.experiments.named(name)

    def search_experiments(
        self,
        view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int | None = None,
        filter_string: str | None = None,
        order_by: Sequence[str] | None = None,
    ) -> list[Experiment]:
        """The experiments that a filter means, the newest first. Args, raises: as `holdall.search_experiments`."""
        stage = ViewType(view_type).stage
        return self.store.experiments.search(filter_string, order_by=order_by, stage=stage)[:max_results]

    def delete_experiment(self, experiment_id: str) -> None:
        """Mark an experiment and its runs as deleted."""
        self.store.experiments.delete(experiment_id)

    def restore_experiment(self, experiment_id: str) -> None:
        """Take the deletion of an experiment back, and of the runs that went with it."""
        self.store.experiments.restore(experiment_id)

    def set_experiment_tag(self, experiment_id: str, key: str, value: Any) -> None:
        """Set a tag of an experiment."""
        self.store.experiments.set_tag(experiment_id, key, value)

    # --- runs ---

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
    ) -> RunRecord:
        """Begin a run. It stays open until `set_terminated`.

        Raises:
            ExperimentNotFoundError, ExperimentDeletedError: There is no such experiment any more.
            InvalidNameError: `start_time` is given: a run begins when its log does.
        """
        if start_time is not None:
            raise InvalidNameError("start_time", str(start_time), "a run begins when its log does; tag it instead")
        return self.store.runs.start(experiment_id=experiment_id, tags=tags, name=run_name)._seen

    def get_run(self, run_id: str) -> RunRecord:
        """Who a run is, its parameters, last measurements and tags. Raises: RunNotFoundError."""
        return self.store.runs.get(run_id).record

    def set_terminated(self, run_id: str, status: str | None = None) -> None:
        """End a run: FINISHED, FAILED or KILLED."""
        self.store.runs.get(run_id).finish(status or "FINISHED")

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted."""
        self.store.runs.get(run_id).delete()

    def restore_run(self, run_id: str) -> None:
        """Take the deletion of a run back."""
        self.store.runs.get(run_id).restore()

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
    ) -> list[RunRecord]:
        """The runs of some experiments that a filter means. Raises: InvalidFilterError."""
        stage = ViewType(run_view_type).stage
        return self.store.runs.search(
            filter_string, experiments=experiment_ids, order_by=order_by, limit=max_results, stage=stage
        )

    # --- parameters, measurements, tags ---

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Log a parameter, and return its value, or a future. Raises: ParamExistsError."""
        later = done(self.store.runs.get(run_id), synchronous, Run.log_params, {key: value})
        return value if later is None else later

    def log_metric(
        self,
        run_id: str,
        key: str,
        value: float,
        timestamp: int | None = None,
        step: int | None = None,
        synchronous: bool | None = None,
        dataset_name: str | None = None,
        dataset_digest: str | None = None,
        model_id: str | None = None,
    ) -> LogFuture | None:
        """Log a measurement; `timestamp` in ms since 1970 UTC.

        With `model_id` it is a logged model's as well, taken on the data set of that name and digest.
        """
        run = self.store.runs.get(run_id)
        about: dict[str, Any] = {"step": step, "timestamp": measured_at(synchronous, timestamp)}
        if model_id is None:
            return done(run, synchronous, Run.log_metrics, {key: value}, **about)
        on = (dataset_name, dataset_digest) if dataset_name or dataset_digest else None
        return done(run, synchronous, self._measure, {key: value}, model_id=model_id, dataset=on, **about)

    def _measure(self, run: Run, metrics: Mapping[str, Any], /, **about: Any) -> None:
        self.store.models.log_metrics(run, metrics, **about)

    def log_inputs(self, run_id: str, datasets: Sequence[Any] | None = None) -> None:
        """Say what a run is given: data sets with their tags, MLflow's or holdall's `DatasetInput`."""
        run = self.store.runs.get(run_id)
        for given in listed("data sets", datasets, "[DatasetInput(dataset)]"):
            run.log_input(given.dataset, tags={tag.key: tag.value for tag in given.tags})

    def log_batch(
        self,
        run_id: str,
        metrics: Iterable[Metric] = (),
        params: Iterable[Any] = (),
        tags: Iterable[Any] = (),
        synchronous: bool | None = None,
    ) -> LogFuture | None:
        """Log measurements, and parameters and tags that have a `key` and a `value`: all of them or none.

        Those of a logged model are told to it afterwards. Raises: ParamExistsError, InvalidNameError.
        """
        metrics = listed("metrics", metrics, "[Metric('loss', 0.5, time, step)]")
        given = [(one.key, one.value, one.step, one.timestamp) for one in metrics if not _model_of(one)]
        named = [
            [(one.key, one.value) for one in listed(f"{what}s", some, f"[{what.title()}('a', 'b')]")]
            for what, some in {"param": params, "tag": tags}.items()
        ]
        later = done(self.store.runs.get(run_id), synchronous, Run.log_batch, given, *named)
        for one in filter(_model_of, metrics):
            about = {name: getattr(one, name, None) for name in ("dataset_name", "dataset_digest", "model_id")}
            later = self.log_metric(run_id, one.key, one.value, one.timestamp, one.step, synchronous, **about)
        return later

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Every measurement of a metric, in the order in which they were logged."""
        return self.store.runs.get(run_id).history(key)

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> LogFuture | None:
        """Set a tag of a run."""
        return done(self.store.runs.get(run_id), synchronous, Run.set_tags, {key: value})

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of a run, if it has it."""
        self.store.runs.get(run_id).set_tags({key: None})

    # --- artifacts ---

    def log_artifact(self, run_id: str, local_path: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Log a local file, or a folder under its own name. Raises: as `holdall.log_artifact`."""
        self.store.runs.get(run_id).log_artifact(local_path, artifact_path)

    def log_artifacts(self, run_id: str, local_dir: str | os.PathLike[str], artifact_path: str | None = None) -> None:
        """Log what a local folder holds, as one commit. Raises: as `holdall.log_artifact`."""
        self.store.runs.get(run_id).log_artifacts(local_dir, artifact_path)

    def log_text(self, run_id: str, text: str, artifact_file: str) -> None:
        """Log text as a UTF-8 file."""
        self.store.runs.get(run_id).log_text(text, artifact_file)

    def log_dict(self, run_id: str, dictionary: Any, artifact_file: str) -> None:
        """Log a dict or list: as YAML where the name ends in .yml or .yaml, else as JSON."""
        self.store.runs.get(run_id).log_dict(dictionary, artifact_file)

    def log_stream(self, run_id: str, stream: BinaryIO, artifact_file: str) -> None:
        """Log what a binary stream still gives, without holding it. It is read once."""
        self.store.runs.get(run_id).log_stream(stream, artifact_file)

    def log_figure(
        self, run_id: str, figure: Any, artifact_file: str, *, save_kwargs: dict[str, Any] | None = None
    ) -> None:
        """Log a matplotlib or plotly figure. Raises: as `holdall.log_figure`."""
        self.store.runs.get(run_id).log_figure(figure, artifact_file, save_kwargs=save_kwargs)

    def log_image(
        self,
        run_id: str,
        image: Any,
        artifact_file: str | None = None,
        key: str | None = None,
        step: int | None = None,
        timestamp: int | None = None,
        synchronous: bool | None = None,
    ) -> LogFuture | None:
        """Log an image: under a name, or as one of a series under a key. Args: as `holdall.log_image`."""
        about: dict[str, Any] = {"key": key, "step": step, "timestamp": timestamp}
        return done(self.store.runs.get(run_id), synchronous, Run.log_image, image, artifact_file, **about)

    def log_table(self, run_id: str, data: dict[Any, Any] | pd.DataFrame, artifact_file: str) -> None:
        """Append rows to a table. Args: as `holdall.log_table`."""
        self.store.runs.get(run_id).log_table(data, artifact_file)

    def load_table(
        self,
        experiment_id: str,
        artifact_file: str,
        run_ids: Sequence[str] | None = None,
        extra_columns: Sequence[str] | None = None,
    ) -> pd.DataFrame:
        """The rows of a table of several runs; of all of the experiment that logged such a table when None."""
        return self.store.runs.load_table(artifact_file, run_ids, extra_columns, [experiment_id])

    def list_artifacts(self, run_id: str, path: str | None = None) -> list[FileInfo]:
        """What is directly in a directory of a run, sorted."""
        return self.store.artifacts.list(f"runs:/{run_id}/{path or ''}")

    def download_artifacts(self, run_id: str, path: str, dst_path: str | os.PathLike[str] | None = None) -> str:
        """Fetch a file or directory of a run; where it now is."""
        return str(self.store.artifacts.download(f"runs:/{run_id}/{path}", dst_path).absolute())


MlflowClient = Client


def _model_of(metric: Any) -> Any:
    return getattr(metric, "model_id", None)
