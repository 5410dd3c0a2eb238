"""`holdall run show`: all there is to say about one run."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from holdall.errors import ExperimentNotFoundError
from holdall.sizes import format_size
from holdall.store import Dataset, MetricSummary, Run, RunRecord, Store, beside, contents
from holdall.surfaces.cli.address import run_argument, run_of
from holdall.surfaces.cli.environment import main_facts
from holdall.surfaces.cli.listing import rows_of
from holdall.surfaces.cli.program import json_option, opened
from holdall.surfaces.cli.run import record_json, run
from holdall.surfaces.cli.table import files, lasted, number, show_facts, show_json, show_table, when
from holdall.surfaces.cli.writer import say

if TYPE_CHECKING:
    from holdall.store import SignatureInfo

_ABOVE = ("mlflow.runName", "mlflow.user", "mlflow.parentRunId", "mlflow.note.content")  # shown by other names
_OURS = "holdall."  # models, data sets and deployments, which have places of their own


@run.command("show")
@run_argument()
@json_option
def show(run_id: str, as_json: bool) -> None:
    """Show a run: name, status, parameters, metrics, tags, environment and artifacts.

    \b
    Example: holdall run show RUN_ID
    """
    store = opened()
    found = run_of(store, run_id)._at_one_look()
    (_show_document if as_json else _show_text)(store, found)


def _show_document(store: Store, found: Run) -> None:
    record, state = found.record, found.state
    experiment, environment, artifacts = _read_together(store, found, deep=True)
    show_json(
        record_json(record)
        | {"metric_summaries": {key: one.to_dictionary() for key, one in record.metric_summaries.items()}}
        | {"experiment_name": experiment}
        | {name: getattr(state, name) for name in ("files", "bytes", "new_bytes", "stored_bytes", "again_bytes")}
        | {"environment": environment, "artifacts": artifacts}
    )


def _read_together(store: Store, found: Run, *, deep: bool) -> tuple[str, dict[str, Any], list[dict[str, Any]]]:
    """Return the experiment's name, the environment and the artifacts of a run, which do not wait for one another."""
    record = found.record
    with (
        beside(lambda: _experiment(store, record)) as experiment,
        beside(lambda: found._readable_environment) as environment,
    ):
        artifacts = contents(found, "", deep=deep)
        return experiment(), environment(), artifacts


def _show_text(store: Store, found: Run) -> None:
    record = found.record
    experiment, environment, artifacts = _read_together(store, found, deep=False)
    show_facts(_identity(experiment, found, record))
    data = record.data
    _section("params", sorted(data.params.items()))
    _section("metrics", ((key, _measured(one)) for key, one in sorted(record.metric_summaries.items())))
    _section("tags", ((key, value) for key, value in sorted(data.tags.items()) if _is_users(key)))
    _section("given", [(one.context or "-", dataset_text(one.dataset)) for one in record.inputs.dataset_inputs])
    _section("read", [(read.uri or read.artifact_uri, read.digest or "some of it") for read in found.reads])
    _section("models", [(one.path, one.model_id) for one in store.models._logged_by(found)])
    _section("signed by", [(each.key, signed_text(each)) for each in found._signatures("")])
    _section("environment", main_facts(environment))
    if artifacts:
        say("\nartifacts")
        show_table([["", *row] for row in rows_of(artifacts)], right=[1])


def signed_text(found: SignatureInfo) -> str:
    """Return what a signature is worth, in a line: nobody's key is known here."""
    return found.problem or (
        f"all of the run, {when(found.time)}" if found.of == "run" else f"its files, {when(found.time)}"
    )


def dataset_text(dataset: Dataset) -> str:
    """Return a data set in a line."""
    return f"{dataset.name}  {dataset.digest}  {dataset.source_type} {dataset.source}"


def _measured(metric: MetricSummary) -> str:
    """Return the last value of a metric, and of several the least and the greatest, as far as they are known."""
    if metric.count == 1:
        return number(metric.last)
    known = "" if metric.min is None or metric.max is None else f"min {number(metric.min)}, max {number(metric.max)}, "
    return f"{number(metric.last)}  ({known}{metric.count:,} points)"


def _is_users(key: str) -> bool:
    return key not in _ABOVE and not key.startswith(_OURS)


def _identity(experiment: str, found: Run, record: RunRecord) -> list[tuple[str, str]]:
    info, tags = record.info, record.data.tags
    status = info.status + ", deleted" * (info.lifecycle_stage == "deleted")
    facts = [
        ("run", info.run_name),
        ("id", info.run_id),
        ("experiment", experiment),
        ("part of", tags.get("mlflow.parentRunId", "")),
        ("about", tags.get("mlflow.note.content", "")),
        ("status", status),
        ("started", when(info.start_time) + (f" by {info.user_id}" if info.user_id else "")),
        ("ended", when(info.end_time)),
        ("lasted", lasted(info.start_time, info.end_time)),
        ("holds", _held(found)),
        ("versioned", "what it holds may be replaced and removed" * info.versioned),
    ]
    return [(name, value) for name, value in facts if value]


def _held(found: Run) -> str:
    """Return the size of a run, and how much of it was new to the store."""
    state = found.state
    replaced = ", replaced ones counted" * state.versioned
    held = f"{format_size(state.bytes)} in {files(state.files)}{replaced}"
    if not state.bytes:
        return held
    share = state.new_bytes / state.bytes
    new, stored, again = map(format_size, (state.new_bytes, state.stored_bytes, state.again_bytes))
    told = f"{held}; {new} ({share:.0%}) were new, stored in {stored}"
    return told + (f"; {again} of them again, to keep files together" if state.again_bytes else "")


def _experiment(store: Store, record: RunRecord) -> str:
    try:
        return store.experiments.get(record.info.experiment_id).name
    except ExperimentNotFoundError:
        return record.info.experiment_id


def _section(title: str, facts: Iterable[tuple[str, str]]) -> None:
    rows = list(facts)
    if rows:
        say(f"\n{title}")
        show_facts(rows, indent="  ")
