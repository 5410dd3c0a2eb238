"""Trees as arrays, of anybody's: every step down from the root ends.

The libraries that predict with trees follow the numbers in them without a look, for
speed: a child that is out of range reads foreign memory or ends the process, a child above
its parent never ends. Such files hold no code, and are harmless once this was looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdall.libraries import library


class TreeError(ValueError):
    """What would lead a library astray. It has no attributes; the caller, who knows the file, says which."""


def ensure(truth: Any, what: str) -> None:
    """Raise a TreeError unless something is so."""
    if not truth:
        raise TreeError(what)


def array_of(values: Any, what: str) -> Any:
    """Return whole numbers as an array. Raises: TreeError."""
    numpy = library("numpy", "looking at a tree")
    try:
        found = numpy.asarray(values)
        whole = found.astype("int64") if found.size else numpy.zeros(0, "int64")
    except (TypeError, ValueError, OverflowError) as error:
        raise TreeError(f"{what} are no whole numbers") from error
    ensure(found.ndim == 1 and (found.size == 0 or found.dtype.kind in "iu"), f"{what} are no whole numbers")
    return whole


def check_branches(children: Sequence[Any], nodes: int) -> None:
    """Look at the inner nodes' children.

    Args:
        children: The numbers of inner nodes' children that are nodes themselves; node 0 is the root.
        nodes: How many nodes there are.

    Raises:
        TreeError: One of them is none, or is the root, or has two parents: so there would be circles.
    """
    numpy = library("numpy", "looking at a tree")
    met = (
        numpy.concatenate([numpy.asarray(each, "int64") for each in children]) if children else numpy.zeros(0, "int64")
    )
    check_range(met, nodes, "a child")
    ensure(not (met == 0).any(), "the root is a child")
    ensure(numpy.unique(met).size == met.size, "a node has two parents")


def check_range(values: Any, end: int, what: str, start: int = 0) -> None:
    """Raise a TreeError unless all values lie from a start up to an end, which is not one of them."""
    if len(values) and not (int(values.min()) >= start and int(values.max()) < end):
        raise TreeError(f"{what} is out of range")
