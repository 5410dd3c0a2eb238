"""Which models or versions a filter means, and in which order.

The grammar is that of runs (`runs/filters.py`), over what models have:

    versions    name  run_id  source_path  version_number  creation_timestamp  last_updated_timestamp  tags.x
    models      name  creation_timestamp  last_updated_timestamp (or timestamp)  tags.x

Unless asked otherwise versions come with the latest change first, models by name;
what an order leaves open is settled by name, then by the higher version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, TypeVar

from holdall.errors import InvalidFilterError
from holdall.naming.record import ModelVersion, RegisteredModel
from holdall.runs.filters import Entity, Field, Subject, parse_conditions, parse_order
from holdall.runs.search import holds

_PREFIXES: Final = {
    "tag": Entity.TAG,
    "tags": Entity.TAG,
    **dict.fromkeys(("attribute", "attributes"), Entity.ATTRIBUTE),
}
_TIMES: Final = ("creation_timestamp", "last_updated_timestamp")
_MODEL: Final = Subject(("name",), (*_TIMES, "timestamp"), ("name",), _PREFIXES, "name")
_VERSION: Final = Subject(
    ("name", "run_id", "source_path"), ("version_number", *_TIMES), ("name", "run_id"), _PREFIXES, "name"
)
_ELSEWHERE: Final = {"version_number": "version", "source_path": "source", "timestamp": "last_updated_timestamp"}

Found = TypeVar("Found", RegisteredModel, ModelVersion)


def chosen_models(
    models: Iterable[RegisteredModel], filter: str | None, order_by: Sequence[str] | None
) -> list[RegisteredModel]:
    """The models that a filter means, in order. Raises: InvalidFilterError."""
    return _chosen(sorted(models, key=lambda model: model.name), filter, order_by, _MODEL)


def chosen_versions(
    versions: Iterable[ModelVersion], filter: str | None, order_by: Sequence[str] | None
) -> list[ModelVersion]:
    """The versions that a filter means, in order. Raises: InvalidFilterError."""
    found = sorted(versions, key=lambda version: (version.name, -int(version.version)))
    return _chosen(found, filter, order_by or ["last_updated_timestamp DESC"], _VERSION)


def _chosen(things: list[Found], filter: str | None, order_by: Sequence[str] | None, subject: Subject) -> list[Found]:
    conditions = parse_conditions(filter, subject=subject) if filter else ()
    clauses = _clauses(order_by or (), subject)
    found = [
        thing for thing in things if all(holds(condition, _value(thing, condition.field)) for condition in conditions)
    ]
    for field, descending in reversed(clauses):  # sorting is stable, so the last to sort is the first to count
        found.sort(key=lambda thing: _value(thing, field) or 0, reverse=descending)
    return found


def _clauses(order_by: Sequence[str], subject: Subject) -> list[tuple[Field, bool]]:
    if isinstance(order_by, str):
        raise TypeError("order_by is a list of clauses, such as ['name DESC']")
    found: dict[Field, bool] = {}
    for clause in order_by:
        field, descending = parse_order(clause, subject)
        if field.entity is not Entity.ATTRIBUTE:
            raise InvalidFilterError(clause, 0, "models are sorted by what all of them have, and not by tags")
        if field in found:
            raise InvalidFilterError(clause, 0, f"they are sorted by {field.key} already")
        found[field] = descending
    return list(found.items())


def _value(thing: RegisteredModel | ModelVersion, field: Field) -> str | int | None:
    if field.entity is Entity.TAG:
        return thing.tags.get(field.key)
    found: str | int = getattr(thing, _ELSEWHERE.get(field.key, field.key))
    return int(found) if field.key == "version_number" else found
