"""Runs as a table: a row each, with the columns that users of MLflow expect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from holdall.libraries import library
from holdall.runs.record import RunRecord

if TYPE_CHECKING:
    import pandas as pd


def frame_of(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Return a DataFrame of runs: ids and times, then `metrics.*`, `params.*` and `tags.*`.

    Returns:
        One row per run, in the order given. Times are UTC; a metric that a run
        lacks is NaN, a parameter or tag None, a time that no calendar has NaT.

    Raises:
        MissingLibraryError: pandas is not installed.
    """
    pd = library("pandas", "giving runs as a DataFrame")
    infos = [record.info for record in records]
    columns: dict[str, Any] = {
        "run_id": [info.run_id for info in infos],
        "experiment_id": [info.experiment_id for info in infos],
        "status": [info.status for info in infos],
        "artifact_uri": [info.artifact_uri for info in infos],
        "start_time": pd.to_datetime([info.start_time for info in infos], unit="ms", utc=True, errors="coerce"),
        "end_time": pd.to_datetime([info.end_time for info in infos], unit="ms", utc=True, errors="coerce"),
    }
    for kind, absent in (("metrics", float("nan")), ("params", None), ("tags", None)):
        values = [getattr(record.data, kind) for record in records]
        for key in dict.fromkeys(key for some in values for key in some):
            columns[f"{kind}.{key}"] = [some.get(key, absent) for some in values]
    return pd.DataFrame(columns)


def facts_of(record: RunRecord, names: Sequence[str]) -> dict[str, object]:
    """Return a run's values of some columns, such as `run_id` or `params.rate`; None for one that it lacks."""
    facts: dict[str, object] = {}
    for name in names:
        kind, _, key = name.partition(".")
        known = getattr(record.data, kind).get(key) if kind in ("params", "metrics", "tags") else None
        facts[name] = getattr(record.info, name, known)
    return facts
