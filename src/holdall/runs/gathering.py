"""The measurements that looks at runs tell of, put together into series while they are read."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from holdall.errors import HoldallError
from holdall.runs.histories import Histories, Question, RunSeries
from holdall.runs.record import run_record
from holdall.trees.location import Location
from holdall.trees.many_measured import Look, News, reached_by, stream_looks
from holdall.trees.view import View

_log = logging.getLogger("holdall")


def gathered(
    location: Location, looks: Iterable[tuple[str, Look]], question: Question, known: Mapping[str, RunSeries]
) -> Histories:
    """Return what looks at runs tell of their measurements. `known`: what News continue. Cost: as `stream_looks`."""
    found: dict[str, RunSeries] = {}
    failed: dict[str, HoldallError] = {}
    for run, look, columns in stream_looks(location, looks, question.keys):
        if isinstance(columns, HoldallError):
            failed[run] = columns
            _log.warning("the measurements of run %s cannot be read: %s", run, columns)
            continue
        if run not in found:
            found[run] = _begun(run, look, known)
        found[run].add(columns, question)
    return Histories(question, failed, {run: each for run, each in found.items() if run not in failed})


def _begun(run: str, look: Look, known: Mapping[str, RunSeries]) -> RunSeries:
    if isinstance(look, News):
        return known[run].copy(look.reached)
    assert isinstance(look, View)
    return RunSeries(run_record(run, look.state).info.start_time, reached_by(look))
