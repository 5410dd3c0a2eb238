"""Measurements, parameters and tags of runs under MLflow's verbs, checked by MLflow's own rules.

What is kept as it is, where a database cannot: an infinite measurement. Two equal measurements are one, as in MLflow.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from typing import Any

from mlflow.entities import Metric, Param, RunTag
from mlflow.entities.metric import MetricWithRunId
from mlflow.store.entities.paged_list import PagedList
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_MODELS
from mlflow.utils.search_utils import SearchUtils
from mlflow.utils.validation import (
    _validate_batch_log_data,
    _validate_batch_log_limits,
    _validate_metric,
    _validate_param,
    _validate_param_keys_unique,
    _validate_run_id,
    _validate_tag,
)

from holdall.store import Run
from holdall.surfaces.mlflow.errors import check_tags, refused, translates
from holdall.surfaces.mlflow.tracking.runs import RunVerbs


@translates
class ValueVerbs(RunVerbs):
    """What is said of runs in small, and read back."""

    def log_batch(
        self, run_id: str, metrics: Sequence[Metric], params: Sequence[Param], tags: Sequence[RunTag]
    ) -> None:
        """Log measurements, parameters and tags: all or none. Raises: INVALID_PARAMETER_VALUE. Cost: see `Held`."""
        _validate_run_id(run_id)
        metrics, params, tags = _validate_batch_log_data(metrics, params, tags)
        _validate_batch_log_limits(metrics, params, tags)
        _validate_param_keys_unique(params)
        check_tags(tag.key for tag in tags)
        run = self._writable(run_id)
        self._log(run, metrics, params, tags)
        self._logged(run)

    def log_metric(self, run_id: str, metric: Metric) -> None:
        """Log a measurement; of a logged model too, where it names one. Cost: see `Held`."""
        _validate_metric(metric.key, metric.value, metric.timestamp, metric.step)
        run = self._writable(run_id)
        self._log(run, [metric], [], [])
        self._logged(run)

    def log_param(self, run_id: str, param: Param) -> None:
        """Log a parameter. Raises: INVALID_PARAMETER_VALUE if it has another value. Cost: see `Held`."""
        self.log_batch(run_id, [], [_validate_param(param.key, param.value)], [])

    def set_tag(self, run_id: str, tag: RunTag) -> None:
        """Set a tag. Cost: see `Held`."""
        self.log_batch(run_id, [], [], [_validate_tag(tag.key, tag.value)])

    def delete_tag(self, run_id: str, key: str) -> None:
        """Remove a tag. Raises: RESOURCE_DOES_NOT_EXIST if the run has none of this name. Cost: see `Held`."""
        check_tags([key])
        run = self._writable(run_id)
        run.flush()
        if key not in run._seen.data.tags and key not in run.data.tags:  # another may have set it meanwhile
            raise refused(f"No tag with name: {key} in run with id {run_id}", "RESOURCE_DOES_NOT_EXIST")
        run.delete_tag(key)
        self._logged(run)

    def record_logged_model(self, run_id: str, mlflow_model: Any) -> None:
        """Note a model in the tag that MLflow keeps of a run's models. Cost: as `set_tag`."""
        if not hasattr(mlflow_model, "get_tags_dict"):
            raise TypeError(f"Argument 'mlflow_model' should be mlflow.models.Model, got '{type(mlflow_model)}'")
        run = self._writable(run_id)
        run.flush()
        known = json.loads(run._seen.data.tags.get(MLFLOW_LOGGED_MODELS, "[]"))
        self.set_tag(run_id, RunTag(MLFLOW_LOGGED_MODELS, json.dumps([*known, mlflow_model.get_tags_dict()])))

    def get_metric_history(
        self, run_id: str, metric_key: str, max_results: int | None = None, page_token: str | None = None
    ) -> PagedList[Metric]:
        """Return a page of the measurements of a name, by time, step and value; all where no number is given."""
        found = self._ordered(run_id, metric_key)
        if max_results is None:
            return PagedList(found[SearchUtils.parse_start_offset_from_page_token(page_token) :], None)
        return PagedList(*SearchUtils.paginate(found, page_token, max_results))

    def get_metric_history_bulk(
        self, run_ids: Sequence[str], metric_key: str, max_results: int
    ) -> list[MetricWithRunId]:
        """Return the measurements of a name of several runs, by run, time, step and value."""
        found = (
            MetricWithRunId(run_id=id, metric=one)
            for id in sorted(set(run_ids))
            for one in self._ordered(id, metric_key)
        )
        return list(found)[:max_results]

    def get_metric_history_bulk_interval(
        self,
        run_ids: Sequence[str],
        metric_key: str,
        max_results: int,
        start_step: int | None,
        end_step: int | None,
    ) -> list[MetricWithRunId]:
        """Return of each run at most so many measurements, evenly chosen by step, the first and last among them."""
        if (start_step is None) != (end_step is None):
            raise refused("start_step and end_step are given both or not at all")
        chosen: list[MetricWithRunId] = []
        for id in run_ids:
            points = sorted(self._history(id, metric_key), key=lambda one: (one.step, one.timestamp, _number(one)))
            if start_step is not None and end_step is not None:
                points = [one for one in points if start_step <= one.step <= end_step]
            chosen += (MetricWithRunId(run_id=id, metric=points[at]) for at in _sampled(len(points), max_results))
        return chosen

    def get_max_step_for_metric(self, run_id: str, metric_key: str) -> int:
        """Return the last step at which something was measured; 0 where nothing was."""
        return max((one.step for one in self._history(run_id, metric_key)), default=0)

    # --- inside ---

    def _measured(self, run: Run, metrics: Sequence[Metric]) -> None:
        """Say of the models that measurements name what was measured: the verbs of models know how."""
        raise NotImplementedError

    def _log(self, run: Run, metrics: Sequence[Metric], params: Iterable[Param], tags: Iterable[RunTag]) -> None:
        run._buffer_batch(
            metrics=[(one.key, one.value, one.step, one.timestamp) for one in metrics],
            params=[(one.key, one.value) for one in params],
            tags=[(one.key, one.value) for one in tags],
        )
        self._measured(run, metrics)

    def _ordered(self, run_id: str, key: str) -> list[Metric]:
        return sorted(self._history(run_id, key), key=lambda one: (one.timestamp, one.step, _number(one)))

    def _history(self, run_id: str, key: str) -> list[Metric]:
        """Return the measurements of a name, each once. Cost: as `Run.history`."""
        points = dict.fromkeys((one.value, one.timestamp, one.step) for one in self._run(run_id).history(key))
        return [Metric(key, value, timestamp, step) for value, timestamp, step in points]


def _sampled(count: int, most: int) -> list[int]:
    """Return which of so many points stand for all: the first of each of `most` even parts, and the last of all."""
    parts = min(max(1, most), count)
    size, larger = divmod(count, parts) if parts else (0, 0)
    first = [n * size + min(n, larger) for n in range(parts)]
    return [*first[:-1], count - 1] if count > parts else first


def _number(metric: Metric) -> float:
    """Return the value to sort by: what is no number counts as 0, as in MLflow's tables."""
    return 0.0 if math.isnan(metric.value) else metric.value
