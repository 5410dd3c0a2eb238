"""Whether a condition of a filter holds, as MLflow 3.17 over SQLite judges it.

    missing     no comparison holds of a value that is not there, != included; only IS NULL does
    NaN         fulfils != and nothing else
    texts       compare by code point; LIKE by case, ILIKE without; % is any text, _ any one character

`filters` is the grammar.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

from holdall.runs.filters import Condition


def holds(condition: Condition, found: str | float | None) -> bool:
    """Return whether a condition is true of a value. Of a missing one only IS NULL is."""
    if condition.value is None:
        return (found is None) == (condition.operator == "IS NULL")
    return found is not None and _COMPARISONS[condition.operator](found, condition.value)


@lru_cache(maxsize=256)
def _pattern(like: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """Return a LIKE pattern as a regular expression.

    The text between two % is looked for once, from left to right, and its place
    is kept (an atomic group): trying them all would take forever on `%a%a%a%a%`.
    """
    first, *rest = ("".join("." if c == "_" else re.escape(c) for c in part) for part in like.split("%"))
    middle = "".join(f"(?>.*?{part})" for part in rest[:-1])
    return re.compile(first + middle + "".join(f".*{part}" for part in rest[-1:]), re.DOTALL | flags)


_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "IN": lambda found, wanted: found in wanted,
    "NOT IN": lambda found, wanted: found not in wanted,
    "LIKE": lambda found, wanted: _pattern(wanted).fullmatch(found) is not None,
    "ILIKE": lambda found, wanted: _pattern(wanted, re.IGNORECASE).fullmatch(found) is not None,
}
