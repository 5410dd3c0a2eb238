"""The files of several runs beside each other: where they differ, and which models may be held against each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdall.sizes import format_size
from holdall.surfaces.web.compare_rows import Fact

ROWS: Final = 200  # paths of a page
_MODEL: Final = "MLmodel"


@dataclass(frozen=True, slots=True)
class FileCell:
    """What one run has at a path.

    Attributes:
        text: Its size.
        digest: Its first digits.
        diff: The addresses of what it is held against, and of itself; None where there is nothing to compare.
    """

    text: str
    digest: str = ""
    diff: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Files:
    """Paths of runs beside each other.

    Attributes:
        rows: Paths that differ, with a cell for each run.
        models: Directories that hold a model in two runs or more, with the two addresses to compare for each run.
        differing, alike: How many paths differ, and how many do not.
        offset, size: Where this part begins, and how many rows a part has.
    """

    rows: Sequence[tuple[str, Sequence[FileCell]]]
    models: Sequence[tuple[str, Sequence[FileCell]]]
    differing: int
    alike: int
    offset: int
    size: int = ROWS


def files(facts: Sequence[Fact], ids: Sequence[str], base: int | None, offset: int) -> Files:
    """Return the paths of runs. `facts`: what is at each; `base`: what others are held against; None: the first."""
    differing = [fact for fact in facts if fact.differs]
    offset = min(offset, max(0, len(differing) - 1)) // ROWS * ROWS
    rows = [(fact.key, _cells(fact, ids, base or 0)) for fact in differing[offset : offset + ROWS]]
    return Files(rows, _models(facts, ids, base or 0), len(differing), len(facts) - len(differing), offset)


def _cells(fact: Fact, ids: Sequence[str], base: int) -> list[FileCell]:
    known = fact.values[base]
    found = []
    for n, value in enumerate(fact.values):
        both = n != base and value is not None and known is not None and value != known
        found.append(FileCell(*_said(value), _pair(ids[base], ids[n], fact.key) if both else None))
    return found


def _models(facts: Sequence[Fact], ids: Sequence[str], base: int) -> list[tuple[str, list[FileCell]]]:
    """Return the directories in which several runs have a model."""
    found = []
    for fact in facts:
        folder, slash, name = fact.key.rpartition("/")
        if (name if slash else fact.key) != _MODEL or sum(value is not None for value in fact.values) < 2:
            continue
        here = [value is not None for value in fact.values]
        pairs = [here[n] and here[base] and n != base for n in range(len(ids))]
        said = [
            FileCell("model" if there else "-", "", _pair(ids[base], ids[n], folder) if pairs[n] else None)
            for n, there in enumerate(here)
        ]
        found.append((folder or "(all of it)", said))
    return found[:ROWS]


def _pair(a: str, b: str, path: str) -> tuple[str, str]:
    return f"runs:/{a}/{path}", f"runs:/{b}/{path}"


def _said(value: Mapping[str, Any] | None) -> tuple[str, str]:
    if value is None:
        return "-", ""
    if value["kind"] == "file":
        return format_size(value["bytes"]), str(value["sha256"])[:8]
    if value["kind"] == "link":
        return f"link to {value['target']}", ""
    return (f"elsewhere, {format_size(value['bytes'])}", "") if value["kind"] == "reference" else ("directory", "")
