"""What is known of logged models without reading them, and what is said of them later.

A model's record is in its run's log (see `logged`), so that one look at the run
tells all. A run that measures another run's model says so in both logs: the
measurement in its own, the remark in the model's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from holdall.display import Listing
from holdall.errors import ArtifactNotFoundError, InvalidURIError, ParamExistsError
from holdall.format.layout import parse_model_id
from holdall.modeling.records.logged import LoggedModel, logged_model, logged_models, point_of, remark_on
from holdall.modeling.records.model_search import chosen
from holdall.runs.arguments import named_values
from holdall.runs.index import summaries
from holdall.runs.inputs import Dataset, as_dataset
from holdall.runs.metrics import metric_ops, param_op, tag_op
from holdall.runs.reading import RunReader
from holdall.runs.run import Run
from holdall.trees.location import Location


class ModelRecords:
    """The records of a store's logged models.

    Where nothing else is said a verb raises `InvalidURIError` for what cannot be a
    model's id and `ArtifactNotFoundError` where no model has it, and costs reading
    the run's end; one that says something also a PUT or two in the run's log.
    """

    def __init__(self, location: Location, run_of: Callable[[str], Run]) -> None:
        self._location, self._run_of = location, run_of

    def logged(self, run_id: str) -> list[LoggedModel]:
        """Return the models that a run logged, in that order. Raises: RunNotFoundError.

        Example:
            >>> [model.model_id == logged.model_id for model in store.models.logged(run.id)]
            [True]
        """
        return self._logged_by(self._run_of(run_id))

    def get(self, model_id: str) -> LoggedModel:
        """Return a logged model by its id.

        Example:
            >>> store.models.get(logged.model_id).name
            'double'
        """
        run_id, n = _parsed(model_id)
        state = self._run_of(run_id).state
        found = logged_model(run_id, n, state.tags, state.experiment)
        if found is None:
            raise ArtifactNotFoundError(run_id, f"the MLmodel of {model_id}")
        return found

    def search(
        self,
        filter: str | None = None,
        *,
        experiments: Iterable[str] | None = None,
        datasets: Sequence[Mapping[str, Any]] | None = None,
        order_by: Sequence[str | Mapping[str, Any]] | None = None,
        limit: int | None = None,
    ) -> list[LoggedModel]:
        """Return the logged models that a filter means, of runs that are not deleted.

        Args:
            filter: What they must fulfil, such as `metrics.accuracy > 0.9 AND tags.team = 'risk'`; None: nothing.
            experiments: Ids of the experiments to look in; all when None.
            datasets: Only measurements on one of these count: `{"dataset_name": ..., "dataset_digest": ...}`.
            order_by: Such as `["metrics.accuracy DESC"]`, or MLflow's mappings; the latest first when None.
            limit: At most so many.

        Raises:
            InvalidFilterError: The filter or an order is not understood; it says where.

        Cost: as `Runs.search`.

        Example:
            >>> store.models.set_tags(logged.model_id, {"stage": "checked"})
            >>> [model.name for model in store.models.search("tags.stage = 'checked'")]
            ['double']
        """
        runs = (run for run in summaries(self._location, experiments) if run.lifecycle_stage == "active")
        found = [model for run in runs for model in logged_models(run.run_id, run.tags, run.experiment_id)]
        return Listing(chosen(found, filter, datasets, order_by)[:limit])

    def set_tags(self, model_id: str, tags: Mapping[str, Any]) -> None:
        """Set tags of a logged model, each to `str(value)`; None removes one.

        Example:
            >>> store.models.set_tags(logged.model_id, {"stage": "checked"})
            >>> store.models.get(logged.model_id).tags["stage"]
            'checked'
        """
        self._say(model_id, "tag", [tag_op(key, value) for key, value in named_values("tags", tags).items()])

    def log_params(self, model_id: str, params: Mapping[str, Any]) -> None:
        """Log parameters of a model that were not known when it was logged.

        Raises:
            ParamExistsError: It has one of them with another value; of two that are logged at once the later stands.

        Example:
            >>> store.models.log_params(logged.model_id, {"layers": 3})
            >>> store.models.get(logged.model_id).params
            {'layers': '3'}
        """
        ops, known = (
            [param_op(key, value) for key, value in named_values("parameters", params).items()],
            self.get(model_id),
        )
        for op in ops:
            stored = known.params.get(op["key"], op["value"])
            if stored != op["value"]:
                raise ParamExistsError(known.source_run_id, op["key"], stored, op["value"])
        self._say(model_id, "param", ops)

    def log_metrics(
        self,
        run: Run,
        metrics: Mapping[str, Any],
        *,
        model_id: str,
        step: int | None = None,
        timestamp: int | None = None,
        dataset: Any = None,
    ) -> None:
        """Log measurements of a model into the run that measured it.

        Args:
            run: That run, which need not be the model's.
            metrics: Name -> number.
            model_id: The model.
            step: Where in the training; 0 when None.
            timestamp: Milliseconds since 1970 UTC; now when None.
            dataset: What it was measured on: a data set as for `Run.log_input`, or its name and digest.

        Cost: as `Run.log_metrics`; for a model of another run also reading that run's end and a PUT in its log.

        Example:
            >>> store.models.log_metrics(run, {"error": 0.2}, model_id=logged.model_id)
            >>> [(point.key, point.value) for point in store.models.get(logged.model_id).metrics]
            [('error', 0.2)]
        """
        time = self._location.clock() if timestamp is None else timestamp
        on = dataset if dataset is None or isinstance(dataset, tuple) else _named(as_dataset(dataset))
        run_id, n = _parsed(model_id)
        model = logged_model(run_id, n, run._seen.data.tags) if run.id == run_id else None
        model = model or self.get(model_id)
        points = [point for op in metric_ops(metrics, step, time) for point in op["points"]]
        run.log_metrics(metrics, step=step, timestamp=time)
        self._remark(model, "metric", (point_of(each, run.id, on) for each in points), by=run)

    # --- inside ---

    def _logged_by(self, run: RunReader) -> list[LoggedModel]:
        """Return the models that a run logged, by the look that its handle takes."""
        state = run.state
        return logged_models(run.id, state.tags, state.experiment)

    def _say(self, model_id: str, kind: str, ops: Sequence[Mapping[str, Any]]) -> None:
        model, time = self.get(model_id), self._location.clock()
        bodies = [([op["key"]], {"time": time, "key": op["key"], "value": op["value"]}) for op in ops]
        self._remark(model, kind, bodies)

    def _remark(
        self,
        model: LoggedModel,
        kind: str,
        bodies: Iterable[tuple[Sequence[object], Mapping[str, Any]]],
        *,
        by: Run | None = None,
    ) -> None:
        """Write remarks into the model's run: at once, unless that is the run that makes them."""
        own = by is not None and by.id == model.source_run_id
        run = by if by is not None and own else self._run_of(model.source_run_id)
        run.set_tags(
            {
                key: value
                for about, body in bodies
                for key, value in remark_on(model.model_id, kind, about, body).items()
            }
        )
        if not own:
            run.flush()


def _named(dataset: Dataset) -> tuple[str, str]:
    return dataset.name, dataset.digest


def _parsed(model_id: str) -> tuple[str, int]:
    found = parse_model_id(model_id)
    if not found:
        raise InvalidURIError(model_id, "a logged model's id is m-<run id>-<number>")
    return found
