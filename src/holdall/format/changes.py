"""What the entries of a versioned run do to its paths, in the order of their operations.

A run whose paths never change needs no order: its commits only add. SPEC.md, "Versioned runs".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from holdall.errors import FormatError
from holdall.format.document import Json
from holdall.format.reference import Ref

_DIGITS: Final = 16  # of the entry's number in the path of an earlier version


@dataclass(frozen=True, slots=True)
class Committed:
    """Entry `n` adds the rows of a tree, or replaces what is there."""

    n: int
    tree: Ref


@dataclass(frozen=True, slots=True)
class Removed:
    """Entry `n` takes these paths away, and all below them."""

    n: int
    paths: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trimmed:
    """Entry `n` ends what was held at or below `path` until an entry before `before`."""

    n: int
    path: str
    before: int


Change: TypeAlias = Committed | Removed | Trimmed


def remove_op(paths: Sequence[str]) -> Json:
    """Return the operation that takes paths away."""
    return {"op": "remove", "paths": list(paths)}


def trim_op(path: str, before: int) -> Json:
    """Return the operation that ends the versions of a path, and of all below it, until an entry before `before`."""
    return {"op": "trim", "path": path, "before": before}


def version_path(until: int, path: str) -> str:
    """Return where an earlier version is in the tree of these."""
    return f"{until:0{_DIGITS}x}/{path}"


def parse_version_path(text: str, what: str) -> tuple[int, str]:
    """Return the entry until which a path held an earlier version, and the path.

    Raises:
        FormatError: No earlier version has such a path.
    """
    number, slash, path = text.partition("/")
    if not slash or len(number) != _DIGITS or set(number) - set("0123456789abcdef"):
        raise FormatError(what, f"{text!r} is not where an earlier version can be")
    return int(number, 16), path
