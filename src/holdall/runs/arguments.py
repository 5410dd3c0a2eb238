"""What a caller gives where names and values, or a list, are expected.

A text is a sequence of letters to Python, so it passes for a list wherever one is
only walked through; then a search looks at experiments `e`, `x` and `p`, and
finds nothing. So an argument is checked here before it is walked through.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

T = TypeVar("T")


def named_values(what: str, given: Mapping[str, T] | None) -> dict[str, T]:
    """Return names and values; an empty dict for None.

    Raises:
        TypeError: It is neither a dictionary nor anything else that has items.
    """
    if given is None:
        return {}
    if isinstance(given, type) or not callable(getattr(given, "items", None)):
        raise TypeError(f"{what} are a dictionary of names and values, not {_kind(given)}")
    return dict(given.items())


def yes_or_no(name: str, given: object) -> bool:
    """Return a truth value. Raises: ValueError if it is none."""
    if not isinstance(given, bool):
        raise ValueError(f"{name}={given!r} is neither true nor false")
    return given


def listed(what: str, given: Iterable[T] | None, example: str) -> list[T]:
    """Return what a list holds; an empty list for None.

    Args:
        what: What it is a list of, in the plural.
        given: The argument.
        example: What one may look like.

    Raises:
        TypeError: It is one text, which would be taken letter by letter, a dictionary, or no list at all.
    """
    if given is None:
        return []
    if isinstance(given, str | bytes | Mapping) or not isinstance(given, Iterable):
        raise TypeError(f"a list of {what} is needed, such as {example}, not {_kind(given)}")
    return list(given)


def _kind(given: Any) -> str:
    name = type(given).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
