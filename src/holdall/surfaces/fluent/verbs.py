"""Logging parameters, measurements, tags and inputs into the active run, or into one that is named.

Each verb takes `run_id`, and `synchronous=False` for doing it in the
background: then it returns a future, which has MLflow's `wait()` too. What is
done so keeps its order within a run, and what fails is raised at the run's end
at the latest.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from holdall.store import LogFuture, LoggedModelInput, Run, dataset_of
from holdall.surfaces.fluent.active import current_store, run_of


def log_param(key: str, value: Any, synchronous: bool | None = None, run_id: str | None = None) -> Any:
    """Log a parameter, kept for good as `str(value)`.

    Returns:
        The value; a future when it is logged in the background.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ParamExistsError: The run has it with another value.

    Cost: none now; it rides on the next entry.

    Example:
        >>> with holdall.start_run() as run:
        ...     holdall.log_param("rate", 0.1)
        0.1
        >>> run.data.params
        {'rate': '0.1'}
    """
    run = run_of(run_id)
    if synchronous is False:
        return run.later(run.log_param, key, value)
    run.log_param(key, value)
    return value


def log_params(
    params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> LogFuture | None:
    """Log several parameters. Raises, cost: as `log_param`.

    Example:
        >>> with holdall.start_run() as run:
        ...     holdall.log_params({"rate": 0.1, "trees": 100})
        >>> run.data.params
        {'rate': '0.1', 'trees': '100'}
    """
    run = run_of(run_id)
    if synchronous is False:
        return run.later(run.log_params, params)
    run.log_params(params)
    return None


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> LogFuture | None:
    """Log a measurement.

    Args:
        key: What was measured.
        value: The number; NaN and the infinities are kept.
        step: Where in the training; 0 when None.
        synchronous: False: in the background.
        timestamp: Milliseconds since 1970 UTC; now when None.
        run_id: The run; the active one when None.
        model_id: The logged model that was measured, of this run or of another.
        dataset: What it was measured on, as for `log_input`; it is an input of the run then.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ArtifactNotFoundError: There is no such model.

    Cost: none now; it rides on the next entry, which the first call after five seconds writes at the latest.
        A model of another run is asked for, and is told at once, with a PUT in that run's log.

    Example:
        >>> with holdall.start_run() as run:
        ...     for step, loss in enumerate((0.9, 0.2)):
        ...         holdall.log_metric("loss", loss, step=step)
        >>> run.data.metrics
        {'loss': 0.2}
    """
    return log_metrics({key: value}, step, synchronous, run_id, timestamp, model_id, dataset)


def log_metrics(
    metrics: Mapping[str, float],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
    model_id: str | None = None,
    dataset: Any = None,
) -> LogFuture | None:
    """Log measurements that were taken together. Args, raises, cost: as `log_metric`.

    Example:
        >>> with holdall.start_run() as run:
        ...     holdall.log_metrics({"loss": 0.2, "accuracy": 0.9}, step=1)
        >>> sorted(run.data.metrics)
        ['accuracy', 'loss']
    """
    run, timestamp = run_of(run_id), measured_at(synchronous, timestamp)
    on = dataset_of(dataset) if dataset is not None else None  # not the data, which may be large
    measure = partial(_measure, run, step=step, timestamp=timestamp, model_id=model_id, dataset=on)
    if synchronous is False:
        return run.later(measure, metrics)
    measure(metrics)
    return None


def _measure(
    run: Run,
    metrics: Mapping[str, float],
    *,
    step: int | None,
    timestamp: int | None,
    model_id: str | None,
    dataset: Any,
) -> None:
    """Log measurements of a model, or on a data set, or both."""
    if model_id is None:
        run.log_metrics(metrics, step=step, timestamp=timestamp)
    else:
        current_store().models.log_metrics(
            run, metrics, model_id=model_id, step=step, timestamp=timestamp, dataset=dataset
        )
    if dataset is not None:
        run.log_input(dataset)


def log_input(
    dataset: Any = None,
    context: str | None = None,
    tags: Mapping[str, Any] | None = None,
    model: LoggedModelInput | None = None,
    *,
    run_id: str | None = None,
) -> None:
    """Record a data set as an input of the run: name, digest, source and schema, not the data.

    Args:
        dataset: What `holdall.data.from_pandas` or `from_numpy` made, or one of MLflow's data sets.
        context: What it is for, such as "training".
        tags: What else to say about it.
        model: A logged model that the run uses.
        run_id: The run; the active one when None.

    Raises:
        TypeError: It is no data set.
        NoActiveRunError: No run is active, and none is named.
        InvalidURIError: No logged model can have the id of `model`.

    Cost: none now; it rides on the next entry.

    Example:
        >>> import numpy
        >>> dataset = holdall.data.from_numpy(numpy.eye(3), source="s3://data/eye.npy", name="eye")
        >>> with holdall.start_run() as run:
        ...     holdall.log_input(dataset, context="training")
        >>> [given.dataset.name for given in holdall.get_run(run.id).inputs.dataset_inputs]
        ['eye']
    """
    run = run_of(run_id)
    if dataset is not None or model is None:
        run.log_input(dataset, context=context, tags=tags)
    if model is not None:
        run.log_models_used([model])


def set_tag(key: str, value: Any, synchronous: bool | None = None, run_id: str | None = None) -> LogFuture | None:
    """Set a tag of the run to `str(value)`. Cost: none now; it rides on the next entry.

    Example:
        >>> with holdall.start_run() as run:
        ...     holdall.set_tag("team", "vision")
        >>> run.data.tags["team"]
        'vision'
    """
    return set_tags({key: value}, synchronous, run_id)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> LogFuture | None:
    """Set several tags. Cost: as `set_tag`.

    Example:
        >>> with holdall.start_run() as run:
        ...     holdall.set_tags({"team": "vision", "stage": "draft"})
        >>> run.data.tags["stage"]
        'draft'
    """
    run = run_of(run_id)
    if synchronous is False:
        return run.later(run.set_tags, tags)
    run.set_tags(tags)
    return None


def delete_tag(key: str, run_id: str | None = None) -> None:
    """Remove a tag of the run. Cost: none now; it rides on the next entry.

    Example:
        >>> with holdall.start_run(tags={"stage": "draft"}) as run:
        ...     holdall.delete_tag("stage")
        >>> "stage" in run.data.tags
        False
    """
    run_of(run_id).set_tags({key: None})


def measured_at(synchronous: bool | None, timestamp: int | None) -> int | None:
    """When something was measured, where it is written down later."""
    return time.time_ns() // 1_000_000 if synchronous is False and timestamp is None else timestamp
