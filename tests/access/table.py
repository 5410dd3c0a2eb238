"""The guide's table of roles and verbs: what each verb asks for, and who may, as it was when each was tried.

    python -m tests.access.table        writes it anew into the guide

One row for all verbs that ask for the same and are allowed and refused to the same.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.access.verbs import EMPTY, SEALED, VERBS, world

from holdall.errors import AccessDeniedError, NotDeletedError, StorageError

PAGE: Final = Path(__file__).parents[2] / "src/holdall/guide/access.md"
BEGIN: Final = "<!-- tried by tests/access: python -m tests.access.table writes it anew -->"
END: Final = "<!-- end of what was tried -->"
ROLES: Final = (
    ("reader", False),
    ("writer", False),
    ("collector", False),
    ("owner", False),
    ("reader", True),
    ("writer", True),
)
_ACTIONS: Final = {"list": "list", "get": "get", "put": "create", "delete": "delete"}
_HEAD: Final = "| verbs | ask for | reader | writer | collector | owner | reader -e | writer -e |"


class Row(NamedTuple):
    """What a verb asks for, and what came of it for each of `ROLES`: yes, yes* (some refusal did not matter), no."""

    asks: str
    outcomes: tuple[str, ...]


class Tried(NamedTuple):
    """What came of a verb for one role. Attributes: asked, refused, error (a refusal), outcome."""

    asked: set[tuple[str, str]]
    refused: set[tuple[str, str]]
    error: StorageError | None

    @property
    def outcome(self) -> str:
        return "no" if self.error else "yes*" if self.refused else "yes"


def tried(verb: str, role: str | None, *, limited: bool = False, dialect: str = "aws", sealed: bool = False) -> Tried:
    """Call a verb as somebody who has a role; None may do everything."""
    kind: dict[str, Any] = {"limited": limited, "dialect": dialect, "sealed": sealed or verb in SEALED}
    with tempfile.TemporaryDirectory() as to, world(role, Path(to), empty=verb in EMPTY, **kind) as here:
        error = None
        try:
            VERBS[verb](here)
        except (AccessDeniedError, NotDeletedError) as refused:
            error = refused
        return Tried(here.bucket.asked, here.bucket.refused, error)


def row_of(verb: str) -> Row:
    """Try a verb as each role."""
    asked = tried(verb, None).asked
    return Row(_told(asked), tuple(tried(verb, role, limited=limited).outcome for role, limited in ROLES))


def kind_of(key: str) -> str:
    """The beginning of a key that policies tell apart; "everything" for all keys."""
    if key.startswith("gc/damaged/"):
        return "gc/damaged/"
    return key.split("/")[0] + "/" * ("/" in key) or "everything"


def _told(asked: set[tuple[str, str]]) -> str:
    some = ((word, sorted({kind_of(key) for each, key in asked if each == verb})) for verb, word in _ACTIONS.items())
    return "; ".join(f"{word} {' '.join(kinds)}" for word, kinds in some if kinds)


def written() -> str:
    """The table, of all verbs tried as all roles."""
    rows: dict[Row, list[str]] = {}
    for verb in VERBS:
        rows.setdefault(row_of(verb), []).append(f"`{verb}`")
    lines = [f"| {', '.join(verbs)} | {row.asks} | {' | '.join(row.outcomes)} |" for row, verbs in rows.items()]
    return "\n".join([_HEAD, "|---" * 8 + "|", *lines])


def shown() -> dict[str, Row]:
    """The table that the guide shows, by verb."""
    return dict(_parsed(PAGE.read_text().partition(BEGIN)[2].partition(END)[0]))


def _parsed(text: str) -> Iterator[tuple[str, Row]]:
    for line in text.strip().splitlines()[2:]:
        verbs, asks, *outcomes = (cell.strip() for cell in line.strip("|").split(" | "))
        for verb in re.findall("`([^`]+)`", verbs):
            yield verb, Row(asks, tuple(outcomes))


def main() -> None:
    """Write the table into the guide."""
    before, begin, rest = PAGE.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    assert begin, "the guide has no place for the table"
    assert end, "the guide has no place for the table"
    PAGE.write_text(f"{before}{begin}\n\n{written()}\n\n{end}{after}")
    sys.stdout.write(f"{len(VERBS)} verbs\n")


if __name__ == "__main__":
    main()
