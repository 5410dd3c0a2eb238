"""What a page of a comparison shows of it: the rows that were asked for, in their order, and lines of text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from holdall.store import Difference, TensorChange

ROWS: Final = 500  # of a table, on one page
LINES: Final = 2_000  # of a text,
WIDTH: Final = 400  # and characters of each
_HUNK: Final = re.compile(r"@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@")
_NUMBERS: Final = ("max", "mean", "norm", "relative")
SORTS: Final = ("change", "name", "size", "changed", *_NUMBERS)
SHOWN: Final = ("different", "all", "changed", "unread", "added", "removed", "renamed", "same")


@dataclass(frozen=True, slots=True)
class FileRow:
    """A file of a comparison. Attributes: shared (bytes of common chunks; None where only one side has it)."""

    change: str
    path: str
    size_a: int | None
    size_b: int | None
    shared: int | None = None


@dataclass(frozen=True, slots=True)
class TextLine:
    """A line of a text that is compared. Attributes: kind ("plus", "minus", "" for both, "gap"), a and b (numbers)."""

    kind: str
    a: int | None
    b: int | None
    text: str


def file_rows(found: Difference, *, same: bool = False) -> list[FileRow]:
    """Return the files that differ, and if wanted those that do not, by path."""
    rows = [FileRow("changed", one.path, one.size_a, one.size_b, one.shared_bytes) for one in found.changed]
    rows += [FileRow("removed", one.path, one.file_size or 0, None) for one in found.removed]
    rows += [FileRow("added", one.path, None, one.file_size or 0) for one in found.added]
    if same:
        rows += [FileRow("same", one.path, one.file_size or 0, one.file_size or 0, one.file_size) for one in found.same]
    return sorted(rows, key=lambda row: row.path)


def tensor_rows(changes: Sequence[TensorChange], show: str, words: str, sort: str) -> list[TensorChange]:
    """Return the changes of a kind whose names have some words, in an order; most changed first by default."""
    wanted = [word.lower() for word in words.split()]
    rows = [
        one
        for one in changes
        if (show in ("all", one.change) or (show == "different" and one.change != "same"))
        and all(word in one.name.lower() for word in wanted)
    ]
    if sort == "change":
        return rows
    return sorted(rows, key=lambda one: one.name) if sort == "name" else sorted(rows, key=lambda one: _less(one, sort))


def _less(one: TensorChange, sort: str) -> float:
    """Return a number that is the smaller the sooner a tensor comes: the most first, what has no number last."""
    if sort == "size":
        return -max(side.nbytes if side else 0 for side in (one.a, one.b))
    value = getattr(one.values, sort) if one.values else None
    return math.inf if value is None else -value


def text_lines(unified: str) -> tuple[list[TextLine], bool]:
    """Return the lines of a unified diff with their numbers in both texts, and whether there are more than is shown."""
    lines: list[TextLine] = []
    a = b = 0
    told = unified.splitlines()[2:]
    for line in told[:LINES]:
        sign, text = line[:1], line[1 : WIDTH + 1] + ("..." if len(line) > WIDTH + 1 else "")
        if hunk := _HUNK.match(line):
            a, b = int(hunk[1]), int(hunk[2])
            lines.append(TextLine("gap", None, None, ""))
        elif sign in ("+", "-"):
            lines.append(
                TextLine(
                    "plus" if sign == "+" else "minus", a if sign == "-" else None, b if sign == "+" else None, text
                )
            )
        else:
            lines.append(
                TextLine("" if sign == " " else "gap", a if sign == " " else None, b if sign == " " else None, text)
            )
        a, b = a + (sign in "- " and not hunk), b + (sign in "+ " and not hunk)
    return lines[1:] if lines and lines[0].kind == "gap" else lines, len(told) > LINES


def left_bytes(changes: Sequence[TensorChange]) -> int:
    """Return about how many bytes are read to compare what was not read yet: of both sides, what chunks leave open."""
    open = [one for one in changes if one.change == "unread" or (one.change == "changed" and _same_shape(one))]
    return sum(2 * max(one.b.nbytes - one.shared_bytes, 0) for one in open if one.b and not one.values)


def _same_shape(one: TensorChange) -> bool:
    return bool(one.a and one.b and one.a.shape == one.b.shape)
