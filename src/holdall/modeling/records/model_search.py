"""Which logged models a filter means, and in which order.

The grammar is that of runs (`runs/filters.py`), over what logged models have:

    name  model_id  model_type  status  source_run_id  creation_timestamp  last_updated_timestamp
    metrics.x   params.x   tags.x

A condition on a metric is true if any of the model's values of it fulfils it:
those on the data sets that were asked for, or all. Sorting looks at the latest
of these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from holdall.errors import InvalidFilterError
from holdall.modeling.records.logged import LoggedModel
from holdall.runs.arguments import listed
from holdall.runs.conditions import holds
from holdall.runs.filters import Condition, Entity, Field, Subject, parse_conditions
from holdall.runs.ordering import parse_clause, sort_by
from holdall.runs.record import Metric

_PREFIXES: Final = {
    **dict.fromkeys(("metric", "metrics"), Entity.METRIC),
    **dict.fromkeys(("param", "params"), Entity.PARAM),
    **dict.fromkeys(("tag", "tags"), Entity.TAG),
    **dict.fromkeys(("attribute", "attributes"), Entity.ATTRIBUTE),
}
LOGGED_MODEL: Final = Subject(
    "logged models",
    texts=("name", "model_id", "model_type", "status", "source_run_id"),
    numbers=("creation_timestamp", "last_updated_timestamp"),
    listed=("name", "model_id", "source_run_id"),
    prefixes=_PREFIXES,
    example="metrics.acc",
)
_ON: Final = ("dataset_name", "dataset_digest")


def chosen(
    models: Sequence[LoggedModel],
    filter: str | None,
    datasets: Sequence[Mapping[str, Any]] | None,
    order_by: Sequence[str | Mapping[str, Any]] | None,
) -> list[LoggedModel]:
    """Return the models that a filter means, in order. Raises: InvalidFilterError."""
    conditions = parse_conditions(filter, subject=LOGGED_MODEL) if filter else ()
    clauses = listed("clauses for order_by", order_by, "['metrics.accuracy DESC']")
    orders = [_order(clause) for clause in clauses]
    datasets = listed("data sets", datasets, "[{'dataset_name': 'test'}]")
    found = [model for model in models if all(_fulfils(model, condition, datasets) for condition in conditions)]
    found.sort(key=lambda model: (-model.creation_timestamp, model.model_id))
    return sort_by(found, orders)


def _fulfils(model: LoggedModel, condition: Condition, datasets: Sequence[Mapping[str, Any]] | None) -> bool:
    values = _values(model, condition.field, datasets)
    return any(holds(condition, value) for value in values or [None])


def _values(model: LoggedModel, field: Field, datasets: Sequence[Mapping[str, Any]] | None) -> list[Any]:
    """Return what a model has there, the latest last."""
    match field.entity:
        case Entity.METRIC:
            return [metric.value for metric in model.metrics if metric.key == field.key and _is_on(metric, datasets)]
        case Entity.PARAM:
            found = model.params.get(field.key)
        case Entity.TAG:
            found = model.tags.get(field.key)
        case _:
            found = getattr(model, field.key)
    return [] if found is None else [found]


def _is_on(metric: Metric, datasets: Sequence[Mapping[str, Any]] | None) -> bool:
    """Return whether a value was measured on one of these data sets."""
    return not datasets or any(
        all(getattr(metric, word) == wanted[word] for word in _ON if wanted.get(word)) for wanted in datasets
    )


def _order(clause: str | Mapping[str, Any]) -> tuple[Callable[[LoggedModel], Any], bool]:
    """Return what to sort by, and whether the largest come first."""
    if isinstance(clause, str):
        parsed = parse_clause(clause, LOGGED_MODEL)
        return partial(_latest, parsed.field, None), parsed.descending
    if "field_name" not in clause:
        raise InvalidFilterError(str(dict(clause)), 0, "an order has a field_name, such as metrics.accuracy")
    field = parse_clause(str(clause["field_name"]), LOGGED_MODEL).field
    on = {word: clause[word] for word in _ON if clause.get(word)}
    return partial(_latest, field, [on] if on else None), not clause.get("ascending", True)


def _latest(field: Field, datasets: Sequence[Mapping[str, Any]] | None, model: LoggedModel) -> Any:
    """Return the last value that a model has there, or None."""
    values = _values(model, field, datasets)
    return values[-1] if values else None
