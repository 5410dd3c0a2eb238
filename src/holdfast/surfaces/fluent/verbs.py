"""Logging into the active run, or into one that is named.

Each verb takes `run_id`, and `synchronous=False` for doing it in the
background: then it returns a future. What is done so keeps its order within a
run, and what fails is raised at the run's end at the latest.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, Concatenate, ParamSpec

from holdfast.store import Run
from holdfast.surfaces.fluent.active import run_of

P = ParamSpec("P")


def log_param(key: str, value: Any, synchronous: bool | None = None, run_id: str | None = None) -> Any:
    """Log a parameter, kept for good as `str(value)`.

    Returns:
        The value; a future when it is logged in the background.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ParamExistsError: The run has it with another value.

    Cost: none now; it rides on the next entry.
    """
    later = _do(run_id, synchronous, Run.log_params, {key: value})
    return value if later is None else later


def log_params(
    params: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None
) -> Future[Any] | None:
    """Log several parameters. Raises, cost: as `log_param`."""
    return _do(run_id, synchronous, Run.log_params, params)


def log_metric(
    key: str,
    value: float,
    step: int | None = None,
    synchronous: bool | None = None,
    timestamp: int | None = None,
    run_id: str | None = None,
) -> Future[Any] | None:
    """Log a measurement.

    Args:
        key: What was measured.
        value: The number; NaN and the infinities are kept.
        step: Where in the training; 0 when None.
        synchronous: False: in the background.
        timestamp: Milliseconds since 1970 UTC; now when None.
        run_id: The run; the active one when None.

    Cost: none now; it rides on the next entry, within about five seconds of logging.
    """
    return log_metrics({key: value}, step, synchronous, run_id, timestamp)


def log_metrics(
    metrics: Mapping[str, float],
    step: int | None = None,
    synchronous: bool | None = None,
    run_id: str | None = None,
    timestamp: int | None = None,
) -> Future[Any] | None:
    """Log measurements that were taken together. Args, cost: as `log_metric`."""
    return _do(run_id, synchronous, Run.log_metrics, metrics, step=step, timestamp=timestamp)


def set_tag(key: str, value: Any, synchronous: bool | None = None, run_id: str | None = None) -> Future[Any] | None:
    """Set a tag of the run to `str(value)`. Cost: none now; it rides on the next entry."""
    return set_tags({key: value}, synchronous, run_id)


def set_tags(tags: Mapping[str, Any], synchronous: bool | None = None, run_id: str | None = None) -> Future[Any] | None:
    """Set several tags. Cost: as `set_tag`."""
    return _do(run_id, synchronous, Run.set_tags, tags)


def delete_tag(key: str, run_id: str | None = None) -> None:
    """Remove a tag of the run. Cost: none now; it rides on the next entry."""
    run_of(run_id).set_tags({key: None})


def log_artifact(
    local_path: str | os.PathLike[str],
    artifact_path: str | None = None,
    run_id: str | None = None,
    synchronous: bool | None = None,
) -> Future[Any] | None:
    """Log a local file, or a folder under its own name, into a run.

    Args:
        local_path: What to log.
        artifact_path: The directory of the run to put it in; the root when None.
        run_id: The run; the active one when None.
        synchronous: False: in the background; the file must stay as it is until then.

    Raises:
        NoActiveRunError: No run is active, and none is named.
        ArtifactExistsError: The run holds other content at the path.
        SourceError: The file cannot be read, or changed meanwhile.

    Cost: one PUT for files of 64 KiB together; else about one PUT per 32 MiB and a few more.
    """
    return _do(run_id, synchronous, Run.log_artifact, local_path, artifact_path)


def log_artifacts(
    local_dir: str | os.PathLike[str],
    artifact_path: str | None = None,
    run_id: str | None = None,
    synchronous: bool | None = None,
) -> Future[Any] | None:
    """Log what a local folder holds, as one commit: all or nothing. Args, raises: as `log_artifact`."""
    return _do(run_id, synchronous, Run.log_artifacts, local_dir, artifact_path)


def _do(
    run_id: str | None,
    synchronous: bool | None,
    verb: Callable[Concatenate[Run, P], object],
    /,
    *args: P.args,
    **kwargs: P.kwargs,
) -> Future[Any] | None:
    """Do something to the run that is meant: now, or in the background."""
    run = run_of(run_id)
    if synchronous is False:
        return run.later(verb, run, *args, **kwargs)
    verb(run, *args, **kwargs)
    return None
