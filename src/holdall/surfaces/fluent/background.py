"""Waiting for what `synchronous=False` logs."""

from __future__ import annotations

from holdall.surfaces.fluent.active import current_store


def flush_async_logging() -> None:
    """Wait until all that this process logs in the background is done, and others can see it.

    Raises: the first failure that nobody has asked for. Cost: a PUT for each run that has something to write.
    """
    current_store().runs.flush()


def flush_artifact_async_logging() -> None:
    """Do the same as `flush_async_logging`: artifacts, metrics and tags of a run are logged in one order."""
    flush_async_logging()


def flush_trace_async_logging(terminate: bool = False) -> None:
    """Do nothing: there are no traces to wait for."""
