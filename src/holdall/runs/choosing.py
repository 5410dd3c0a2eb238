"""Which things a filter means, and in which order: of experiments, of registered models, of versions.

The grammar is that of runs (`filters`), over what such a thing has: a `Subject` tells.
What an order leaves open stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final, TypeVar

from holdall.errors import InvalidFilterError
from holdall.runs.arguments import listed
from holdall.runs.filters import Entity, Field, Subject, parse_conditions, parse_order
from holdall.runs.search import holds

PREFIXES: Final[Mapping[str, Entity]] = {
    **dict.fromkeys(("tag", "tags"), Entity.TAG),
    **dict.fromkeys(("attr", "attribute", "attributes"), Entity.ATTRIBUTE),
}

T = TypeVar("T")


def chosen(
    things: Iterable[T],
    filter: str | None,
    order_by: Sequence[str] | None,
    subject: Subject,
    value: Callable[[T, Field], str | int | None],
) -> list[T]:
    """Those that a filter means, in order.

    Args:
        things: In the order that they have if nothing else is asked for.
        filter: Conditions that all have to hold; None: none.
        order_by: What they are sorted by, such as `["name DESC"]`; None: they stay in order.
        subject: What they are.
        value: What one of them has there, or None.

    Raises:
        InvalidFilterError: The filter or an order is not understood; it says where.
        TypeError: `order_by` is one text instead of a list.
    """
    conditions = parse_conditions(filter, subject=subject) if filter else ()
    clauses = _clauses(order_by, subject)
    found = [thing for thing in things if all(holds(each, value(thing, each.field)) for each in conditions)]
    for field, descending in reversed(clauses):  # sorting is stable, so the last to sort is the first to count
        found.sort(key=lambda thing: value(thing, field) or 0, reverse=descending)
    return found


def _clauses(order_by: Sequence[str] | None, subject: Subject) -> list[tuple[Field, bool]]:
    found: dict[Field, bool] = {}
    for clause in listed("clauses for order_by", order_by, "['name DESC']"):
        field, descending = parse_order(clause, subject)
        if field.entity is not Entity.ATTRIBUTE:
            raise InvalidFilterError(clause, 0, "they are sorted by what all of them have, and not by tags")
        if field in found:
            raise InvalidFilterError(clause, 0, f"they are sorted by {field.key} already")
        found[field] = descending
    return list(found.items())
