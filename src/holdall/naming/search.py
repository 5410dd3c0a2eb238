"""Which models or versions a filter means, and in which order.

The grammar is that of runs (`runs/filters.py`), over what models have:

    versions    name  run_id  source_path  version_number  creation_timestamp  last_updated_timestamp  tags.x
    models      name  creation_timestamp  last_updated_timestamp (or timestamp)  tags.x

Unless asked otherwise versions come with the latest change first, models by name;
what an order leaves open is settled by name, then by the higher version.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from holdall.naming.record import ModelVersion, RegisteredModel
from holdall.runs.filters import ATTRIBUTES_AND_TAGS, NOT_BY_TAGS, Entity, Field, Subject, parse_conditions
from holdall.runs.selecting import select

_TIMES: Final = ("creation_timestamp", "last_updated_timestamp")
REGISTERED_MODEL: Final = Subject(
    "models",
    texts=("name",),
    numbers=(*_TIMES, "timestamp"),
    listed=("name",),
    prefixes=ATTRIBUTES_AND_TAGS,
    unsortable=NOT_BY_TAGS,
)
MODEL_VERSION: Final = Subject(
    "versions",
    texts=("name", "run_id", "source_path"),
    numbers=("version_number", *_TIMES),
    listed=("name", "run_id"),
    prefixes=ATTRIBUTES_AND_TAGS,
    unsortable=NOT_BY_TAGS,
)
_NAME: Final = Field(Entity.ATTRIBUTE, "name")
_ELSEWHERE: Final = {"version_number": "version", "source_path": "source", "timestamp": "last_updated_timestamp"}


def chosen_models(
    models: Iterable[RegisteredModel], filter: str | None, order_by: Sequence[str] | None
) -> list[RegisteredModel]:
    """Return the models that match a filter, in order. Raises: InvalidFilterError."""
    return select(sorted(models, key=lambda model: model.name), filter, order_by, REGISTERED_MODEL, _value)


def chosen_versions(
    versions: Iterable[ModelVersion], filter: str | None, order_by: Sequence[str] | None
) -> list[ModelVersion]:
    """Return the versions that match a filter, in order. Raises: InvalidFilterError."""
    found = sorted(versions, key=lambda version: (version.name, -int(version.version)))
    return select(found, filter, order_by or ["last_updated_timestamp DESC"], MODEL_VERSION, _value)


def names_meant(filter: str | None, subject: Subject) -> list[str] | None:
    """Return the names of which a model or version must have one to match a filter; None if it may have any.

    Raises:
        InvalidFilterError: The filter is invalid.
    """
    meant: set[str] | None = None
    for condition in parse_conditions(filter, subject=subject) if filter else ():
        if condition.field == _NAME and condition.operator in ("=", "IN"):
            value = condition.value
            given = set(map(str, value if isinstance(value, tuple) else [value]))
            meant = given if meant is None else meant & given
    return None if meant is None else sorted(meant)


def _value(field: Field, thing: RegisteredModel | ModelVersion) -> str | int | None:
    if field.entity is Entity.TAG:
        return thing.tags.get(field.key)
    found: str | int = getattr(thing, _ELSEWHERE.get(field.key, field.key))
    return int(found) if field.key == "version_number" else found
