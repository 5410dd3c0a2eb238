"""Traces, which a store does not keep: a clear refusal where something would be lost, and nothing found.

Nor does it keep what MLflow makes of traces: scorers, and data sets to evaluate by.
MLflow's client exports traces in the background and logs the refusal as a warning; the program that is traced goes on.
"""

from __future__ import annotations

from typing import Any, NoReturn

from mlflow.store.entities.paged_list import PagedList

from holdall.surfaces.mlflow.errors import refused
from holdall.surfaces.mlflow.tracking.held import Held


def _refuse(self: Any, *_: Any, **__: Any) -> NoReturn:  # noqa: ARG001
    raise refused(
        "a holdall store keeps no traces: log them to another tracking URI with mlflow.tracing.set_destination, "
        "or switch them off with mlflow.tracing.disable()",
        "NOT_IMPLEMENTED",
    )


class TraceVerbs(Held):
    """What MLflow asks of traces."""

    start_trace = log_spans = link_traces_to_run = unlink_traces_from_run = link_prompts_to_trace = _refuse
    set_trace_tag = delete_trace_tag = create_assessment = update_assessment = delete_assessment = _refuse

    def search_traces(self, *_: Any, **__: Any) -> tuple[list[Any], None]:
        """Return that there are none. Cost: no request."""
        return [], None

    def list_scorers(self, *_: Any, **__: Any) -> list[Any]:
        """Return that there are none. Cost: no request."""
        return []

    def search_datasets(self, *_: Any, **__: Any) -> PagedList[Any]:
        """Return that there are no data sets to evaluate by. Cost: no request."""
        return PagedList([], None)

    def get_trace_info(self, trace_id: str) -> NoReturn:
        """Refuse: there is none."""
        raise refused(f"there is no trace {trace_id!r}: a holdall store keeps none", "RESOURCE_DOES_NOT_EXIST")

    def get_trace(self, trace_id: str, **_: Any) -> NoReturn:
        """Refuse: there is none."""
        self.get_trace_info(trace_id)

    def _delete_traces(self, *_: Any, **__: Any) -> int:
        """Return that none was deleted. Cost: no request."""
        return 0
