"""Waiting for what `synchronous=False` logs."""

from __future__ import annotations

from holdall.surfaces.fluent.active import current_store


def flush_async_logging() -> None:
    """Wait until all that this process logs in the background is done, and others can see it.

    Raises: the first failure that nobody has asked for. Cost: a PUT for each run that has something to write.

    Example:
        >>> with holdall.start_run() as run:
        ...     future = holdall.log_metric("loss", 0.2, synchronous=False)
        ...     holdall.flush_async_logging()
        >>> run.data.metrics
        {'loss': 0.2}
    """
    current_store().runs.flush()


def flush_artifact_async_logging() -> None:
    """Do the same as `flush_async_logging`: artifacts, metrics and tags of a run are logged in one order.

    Example:
        >>> with holdall.start_run() as run:
        ...     future = holdall.log_text("all is well", "report.txt", synchronous=False)
        ...     holdall.flush_artifact_async_logging()
        >>> list(run.manifest)
        ['report.txt']
    """
    flush_async_logging()


def flush_trace_async_logging(terminate: bool = False) -> None:
    """Do nothing: there are no traces to wait for.

    Example:
        >>> holdall.flush_trace_async_logging()
    """
