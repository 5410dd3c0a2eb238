"""One commit of a run that makes a folder a logged model.

A model is a folder of ordinary artifacts, committed at once, and the entry that
commits it counts it (see `records.logged`). So a model is READY from the first
moment that it can be seen, and there is no other moment.

Its number stands inside of the MLmodel file, and so in its digest: when a rival
writer of the run took the number first, that file is made anew with the next
one. All other files are in the bucket by then and are not sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from holdall.errors import ArtifactExistsError
from holdall.format.document import Json
from holdall.modeling.model import FILE, Model
from holdall.modeling.model_info import ModelInfo
from holdall.modeling.records.logged import LoggedModel, logged_models, next_number
from holdall.runs.arguments import named_values
from holdall.runs.metrics import param_op, tag_op
from holdall.runs.reading import join_path
from holdall.runs.run import Run
from holdall.trees.source import Item, bytes_item, local_items
from holdall.trees.transaction import Published
from holdall.trees.view import View


class _TakenError(Exception):
    """A rival has the number. Its argument is the next one that is free."""


def new_record(
    run: Run,
    name: str,
    time: int,
    *,
    params: Mapping[str, Any] | None = None,
    tags: Mapping[str, Any] | None = None,
    model_type: str | None = None,
    step: int = 0,
) -> LoggedModel:
    """Return the record of a model that is about to be logged, without its id.

    Raises:
        ArtifactExistsError: The run holds a model of this name, as far as this process knows.
        TypeError, ValueError: An argument that cannot be.
    """
    record = LoggedModel(
        model_id="",
        source_run_id=run.id,
        path=join_path(name, ""),
        creation_timestamp=time,
        model_type=model_type,
        step=int(step),
        params=_texts("parameters", params, param_op),
        tags=_texts("tags", tags, tag_op),
    )
    for other in logged_models(run.id, run._seen.data.tags):
        if other.path == record.path:
            raise ArtifactExistsError(run.id, record.path, f"model {other.model_id}", "another model")
    return record


def commit_model(run: Run, folder: Path, mlmodel: Model, record: LoggedModel) -> ModelInfo:
    """Put the folder into the run, under the next number that is free, and return what is known of it.

    Raises:
        ArtifactExistsError: The run holds something of this name.
    """
    items = local_items(folder, record.path)
    record = replace(record, flavors=tuple(sorted(mlmodel.flavors)))
    n = next_number(run._seen.data.tags)
    while True:
        record = replace(record, model_id=f"m-{run.id}-{n}")
        numbered = replace(
            mlmodel,
            artifact_path=record.path,
            run_id=run.id,
            model_id=record.model_id,
            model_uuid=record.model_id,
            utc_time_created=utc_text(record.creation_timestamp),
        )
        file = bytes_item(join_path(record.path, FILE), numbered.to_bytes())
        try:
            # Logged twice, a model differs in its MLmodel file alone: that is no reason for a pack.
            run._log_items([*items, file], extra_ops=_counted(n, record), inline_last=True)
        except _TakenError as taken:
            (n,) = taken.args
        else:
            return numbered.get_model_info(record)


def commit_as_is(run: Run, items: Sequence[Item], record: LoggedModel) -> tuple[LoggedModel, Published]:
    """Log files as a model, byte for byte: its MLmodel file, if it has one, says what it said elsewhere.

    Returns:
        The record with its id, and what the commit did.

    Raises:
        ArtifactExistsError: The run holds something of this name.
    """
    n = next_number(run._seen.data.tags)
    while True:
        record = replace(record, model_id=f"m-{run.id}-{n}")
        try:
            return record, run._log_items(items, extra_ops=_counted(n, record))
        except _TakenError as taken:
            (n,) = taken.args


def utc_text(time: int) -> str:
    """Return a time as MLmodel files have it: UTC, without saying so."""
    return datetime.fromtimestamp(time / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")


def _counted(n: int, record: LoggedModel) -> Callable[[View], Sequence[Json]]:
    """Return the operation that counts the model, made while the entry is: a rival may have been first."""

    def also(view: View) -> Sequence[Json]:
        if n != (free := next_number(view.state.tags)):
            raise _TakenError(free)
        if below := view.paths.below([record.path]):
            raise ArtifactExistsError(
                record.source_run_id, record.path, f"a directory with {below[record.path]}", "a model"
            )
        key, value = record.to_tag()
        return [{"op": "tag", "key": key, "value": value}]

    return also


def _texts(what: str, given: Mapping[str, Any] | None, op: Callable[[str, Any], Json]) -> dict[str, str]:
    """Return names and values as text, checked by the same rules as a run's."""
    return {key: op(key, value)["value"] for key, value in named_values(what, given).items()}
