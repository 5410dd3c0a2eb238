"""The part of the client that is about runs: their life, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from holdall.store import (
    PARENT_RUN,
    RUN_NAME,
    LogFuture,
    LoggedModelInput,
    LoggedModelOutput,
    Metric,
    PathRule,
    Run,
    RunRecord,
    Store,
    ViewType,
    listed,
)
from holdall.surfaces.fluent.paging import PagedList, empty_where_none, paged
from holdall.surfaces.fluent.verbs import measured_at


class RunClient:
    """Verbs on runs. Where nothing else is said one raises RunNotFoundError for an unknown id."""

    store: Store

    # --- runs ---

    def create_run(
        self,
        experiment_id: str,
        start_time: int | None = None,
        tags: Mapping[str, Any] | None = None,
        run_name: str | None = None,
        *,
        paths: PathRule | None = None,
    ) -> RunRecord:
        """Create a run, which stays open until `set_terminated`.

        Args:
            experiment_id: The experiment that it belongs to.
            start_time: When it began, in milliseconds since 1970 UTC; now when None.
            tags: What to say about it.
            run_name: What people call it; a random name when None.
            paths: "versioned" where what it holds may be replaced and removed later, as for `holdall.start_run`.

        Raises:
            ExperimentNotFoundError, ExperimentDeletedError: There is no such experiment any more.

        Example:
            >>> created = client.create_run(client.create_experiment("vision"), run_name="first")
            >>> client.set_terminated(created.info.run_id)
            >>> client.get_run(created.info.run_id).info.status
            'FINISHED'
        """
        run = self.store.runs.start(
            experiment_id=experiment_id, tags=tags, name=run_name, start_time=start_time, paths=paths
        )
        return run._seen

    def get_run(self, run_id: str) -> RunRecord:
        """Return who a run is, its parameters, last measurements and tags.

        Example:
            >>> client.get_run(run.id).data.params
            {'rate': '0.1'}
        """
        return self.store.runs.get(run_id).record

    def get_parent_run(self, run_id: str) -> RunRecord | None:
        """Return the run that a run is part of; None if it is part of none.

        Example:
            >>> child = store.runs.start(parent=run.id)
            >>> client.get_parent_run(child.id).info.run_id == run.id
            True
        """
        parent = self.get_run(run_id).data.tags.get(PARENT_RUN)
        return None if parent is None else self.get_run(parent)

    def update_run(self, run_id: str, status: str | None = None, name: str | None = None) -> None:
        """Say how a run stands, or what it is called.

        Args:
            run_id: The run.
            status: RUNNING goes on with it; FINISHED, FAILED and KILLED end it. As it is when None.
            name: What people call it from now on; as before when None.

        Raises:
            InvalidNameError: It is no such status.

        Example:
            >>> client.update_run(run.id, status="FINISHED", name="renamed")
            >>> client.get_run(run.id).info.run_name
            'renamed'
        """
        run = self.store.runs.get(run_id)
        if name is not None:
            run.set_tags({RUN_NAME: name})
        if status == "RUNNING":
            self.store.runs.resume(run_id)
        elif status is not None:
            run.finish(status)
        else:
            run.flush()

    def set_terminated(self, run_id: str, status: str | None = None, end_time: int | None = None) -> None:
        """End a run: FINISHED when None, FAILED or KILLED; at `end_time` in ms since 1970 UTC, or now.

        Example:
            >>> client.set_terminated(run.id, "FAILED")
            >>> client.get_run(run.id).info.status
            'FAILED'
        """
        self.store.runs.get(run_id).finish(status or "FINISHED", end_time=end_time)

    def delete_run(self, run_id: str) -> None:
        """Mark a run as deleted; `restore_run` takes it back, for seven days at least; then `holdall gc` purges it.

        Example:
            >>> client.delete_run(run.id)
            >>> client.get_run(run.id).info.lifecycle_stage
            'deleted'
        """
        self.store.runs.get(run_id).delete()

    def restore_run(self, run_id: str) -> None:
        """Take the deletion of a run back. Raises: RunNotFoundError, also where it was purged meanwhile.

        Example:
            >>> client.delete_run(run.id)
            >>> client.restore_run(run.id)
            >>> client.get_run(run.id).info.lifecycle_stage
            'active'
        """
        self.store.runs.get(run_id).restore()

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        run_view_type: int = ViewType.ACTIVE_ONLY,
        max_results: int = 1000,
        order_by: Sequence[str] | None = None,
        page_token: str | None = None,
    ) -> PagedList[RunRecord]:
        """Return the runs of some experiments that a filter means. Args: as `holdall.search_runs`.

        `token` of what is returned gives the next page, as `page_token`. Raises: InvalidFilterError.

        Example:
            >>> [found.info.run_name for found in client.search_runs([run.info.experiment_id], "params.rate = '0.1'")]
            ['example']
        """
        where, stage = (
            listed("ids of experiments", experiment_ids, "['0123456789abcdef']"),
            ViewType(run_view_type).stage,
        )

        def search(limit: int | None) -> list[RunRecord]:
            with empty_where_none(self.store):
                return self.store.runs.search(
                    filter_string, experiments=where, order_by=order_by, limit=limit, stage=stage
                )
            return []

        return paged(search, max_results, page_token, lambda found: found.info.run_id)

    # --- parameters, measurements, tags ---

    def log_param(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> Any:
        """Log a parameter, and return its value, or a future. Raises: ParamExistsError.

        Example:
            >>> client.log_param(run.id, "trees", 100)
            100
            >>> client.get_run(run.id).data.params
            {'rate': '0.1', 'trees': '100'}
        """
        run = self.store.runs.get(run_id)
        if synchronous is False:
            return run.later(run.log_param, key, value)
        run.log_param(key, value)
        return value

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

        Example:
            >>> client.log_metric(run.id, "loss", 0.1, step=2)
            >>> client.get_run(run.id).data.metrics
            {'loss': 0.1}
        """
        run, timestamp = self.store.runs.get(run_id), measured_at(synchronous, timestamp)
        on = (dataset_name, dataset_digest) if dataset_name or dataset_digest else None
        measure = partial(self._measure, run, step=step, timestamp=timestamp, model_id=model_id, dataset=on)
        if synchronous is False:
            return run.later(measure, {key: value})
        measure({key: value})
        return None

    def _measure(
        self,
        run: Run,
        metrics: Mapping[str, Any],
        *,
        step: int | None,
        timestamp: int | None,
        model_id: str | None,
        dataset: tuple[str | None, str | None] | None,
    ) -> None:
        """Log measurements of a run, or of a model."""
        if model_id is None:
            run.log_metrics(metrics, step=step, timestamp=timestamp)
        else:
            self.store.models.log_metrics(
                run, metrics, model_id=model_id, step=step, timestamp=timestamp, dataset=dataset
            )

    def log_inputs(
        self,
        run_id: str,
        datasets: Sequence[Any] | None = None,
        models: Sequence[LoggedModelInput] | None = None,
    ) -> None:
        """Say what a run is given.

        Args:
            run_id: The run.
            datasets: Data sets with their tags, MLflow's or holdall's `DatasetInput`.
            models: Logged models that it uses, by their ids.

        Raises:
            InvalidURIError: No logged model can have this id.

        Example:
            >>> from holdall.entities import LoggedModelInput
            >>> client.log_inputs(run.run_id, models=[LoggedModelInput(logged.model_id)])
            >>> client.get_run(run.run_id).inputs.model_inputs[0].model_id == logged.model_id
            True
        """
        run = self.store.runs.get(run_id)
        for given in listed("data sets", datasets, "[DatasetInput(dataset)]"):
            run.log_input(given.dataset, tags={tag.key: tag.value for tag in given.tags})
        run.log_models_used(listed("models", models, "[LoggedModelInput(model_id)]"))

    def log_outputs(self, run_id: str, models: Sequence[LoggedModelOutput]) -> None:
        """Say which logged models a run made besides those that it logged. Raises: InvalidURIError.

        Example:
            >>> from holdall.entities import LoggedModelOutput
            >>> pruning = client.create_run(run.info.experiment_id)
            >>> client.log_outputs(pruning.info.run_id, [LoggedModelOutput(logged.model_id, step=3)])
            >>> client.get_run(pruning.info.run_id).outputs.model_outputs[0].step
            3
        """
        self.store.runs.get(run_id).log_models_made(listed("models", models, "[LoggedModelOutput(model_id)]"))

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

        Example:
            >>> from holdall.entities import Metric, Param, RunTag
            >>> measured = [Metric("error", 1 / n, 1_767_225_600_000, n) for n in (1, 2, 4)]
            >>> client.log_batch(run.run_id, measured, [Param("folds", "5")], [RunTag("stage", "draft")])
            >>> [point.value for point in client.get_metric_history(run.run_id, "error")]
            [1.0, 0.5, 0.25]
        """
        metrics = listed("metrics", metrics, "[Metric('loss', 0.5, time, step)]")
        given = [(one.key, one.value, one.step, one.timestamp) for one in metrics if not _model_of(one)]
        named = [
            [(one.key, one.value) for one in listed(f"{what}s", some, f"[{what.title()}('a', 'b')]")]
            for what, some in {"param": params, "tag": tags}.items()
        ]
        run, later = self.store.runs.get(run_id), None
        if synchronous is False:
            later = run.later(run.log_batch, given, *named)
        else:
            run.log_batch(given, *named)
        for one in filter(_model_of, metrics):
            about = {name: getattr(one, name, None) for name in ("dataset_name", "dataset_digest", "model_id")}
            later = self.log_metric(run_id, one.key, one.value, one.timestamp, one.step, synchronous, **about)
        return later

    def get_metric_history(self, run_id: str, key: str) -> list[Metric]:
        """Return every measurement of a metric, in the order in which they were logged.

        Example:
            >>> [(point.step, point.value) for point in client.get_metric_history(run.id, "loss")]
            [(0, 0.9), (1, 0.2)]
        """
        return self.store.runs.get(run_id).history(key)

    def set_tag(self, run_id: str, key: str, value: Any, synchronous: bool | None = None) -> LogFuture | None:
        """Set a tag of a run.

        Example:
            >>> client.set_tag(run.id, "team", "a")
            >>> client.get_run(run.id).data.tags["team"]
            'a'
        """
        run = self.store.runs.get(run_id)
        if synchronous is False:
            return run.later(run.set_tag, key, value)
        run.set_tag(key, value)
        return None

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag of a run, if it has it.

        Example:
            >>> client.set_tag(run.id, "team", "a")
            >>> client.delete_tag(run.id, "team")
            >>> "team" in client.get_run(run.id).data.tags
            False
        """
        self.store.runs.get(run_id).set_tags({key: None})


def _model_of(metric: Any) -> Any:
    return getattr(metric, "model_id", None)
