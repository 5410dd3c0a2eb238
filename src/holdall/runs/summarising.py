"""What a search looks at, made of a run's state."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import Final

from holdall.format.state import State
from holdall.runs.record import MetricSummary, RunInfo, run_record
from holdall.runs.search import RunSummary

INFO: Final = tuple(field.name for field in fields(RunInfo))


def summarise(run: str, state: State) -> RunSummary:
    """Return what a search looks at of a run, given what its log amounts to."""
    record = run_record(run, state)
    return RunSummary(
        **{name: getattr(record.info, name) for name in INFO},
        artifact_uri=record.info.artifact_uri,
        **asdict(record.data),
        pins=dict(state.pins),
        open=bool(state.sessions),
        files=state.files,
        bytes=state.bytes,
        points={key: _points(told) for key, told in record.metric_summaries.items()},
    )


def _points(told: MetricSummary) -> list[float]:
    """Return all that is told of a metric but its latest value, which is told beside it."""
    extremes = () if told.min is None or told.max is None else (told.min, told.max)
    return [told.step, told.timestamp, told.count, *extremes]
