"""Which experiments, registered models or versions a filter means, and in which order.

The grammar is that of runs (`filters`), over what such a thing has: its `Subject` says what that is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import TypeVar

from holdall.runs.conditions import holds
from holdall.runs.filters import Field, Subject, parse_conditions
from holdall.runs.ordering import parse_clauses, sort_by

T = TypeVar("T")


def select(
    things: Iterable[T],
    filter: str | None,
    order_by: Sequence[str] | None,
    subject: Subject,
    value: Callable[[Field, T], str | int | None],
) -> list[T]:
    """Return those that a filter means, in order.

    Args:
        things: In the order that they have if nothing else is asked for.
        filter: Conditions that all have to hold; None: none.
        order_by: What they are sorted by, such as `["name DESC"]`; None: they stay in order.
        subject: What they are.
        value: Gives what one of them has in a field, or None.

    Raises:
        InvalidFilterError: The filter or an order is not understood; it says where.
        TypeError: `order_by` is one text instead of a list.
    """
    conditions = parse_conditions(filter, subject=subject) if filter else ()
    clauses = parse_clauses(order_by, subject)
    found = [thing for thing in things if all(holds(each, value(each.field, thing)) for each in conditions)]
    return sort_by(found, [(partial(value, clause.field), clause.descending) for clause in clauses])
