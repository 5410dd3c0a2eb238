"""Where runs differ, as a value: parameters, last metrics, tags and artifacts, what differs first.

Nothing here reads or writes; `across` reads what is compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from holdall.display import Facts, Shown, page
from holdall.errors import InvalidArgumentError
from holdall.runs.record import RUN_NAME, RunRecord
from holdall.sizes import format_size
from holdall.terminal import printable

Kind: TypeAlias = Literal["params", "metrics", "tags", "artifacts"]
KINDS: Final[tuple[Kind, ...]] = ("params", "metrics", "tags", "artifacts")
MOST_ROWS: Final = 50  # of one kind, in a notebook
_DIGITS: Final = 8  # of a file's digest


@dataclass(frozen=True, slots=True)
class Compared:
    """One thing of several runs.

    Attributes:
        kind: "params", "metrics", "tags" or "artifacts".
        key: Its name; an artifact's path.
        values: What it is in each run, None where a run has none: a text, a number, or what is at a path as plain
            values, with `kind`, `bytes`, `sha256`.
        differs: Whether it is not the same in all. NaN is the same as NaN.
    """

    kind: Kind
    key: str
    values: tuple[Any, ...]
    differs: bool

    @property
    def cells(self) -> list[str]:
        """Return its values for people: numbers in six digits, files by size and digest, "-" where a run has none."""
        return list(map(_cell, self.values))


@dataclass(frozen=True, slots=True, repr=False)
class Comparison(Shown):
    """Several runs beside each other: `print` shows a table, a notebook too.

    Attributes:
        runs: The runs as they were when they were looked at.
        rows: All that was compared, by kind and key.
    """

    runs: tuple[RunRecord, ...]
    rows: tuple[Compared, ...]

    @property
    def differing(self) -> list[Compared]:
        """Return what is not the same in all runs."""
        return [row for row in self.rows if row.differs]

    @property
    def same(self) -> list[Compared]:
        """Return what is the same in all runs."""
        return [row for row in self.rows if not row.differs]

    def of(self, kind: str, *, everything: bool = False) -> dict[str, list[Any]]:
        """Return the values of one kind by key: of what differs, or of everything."""
        return {row.key: list(row.values) for row in self.rows if row.kind == kind and (row.differs or everything)}

    def to_dictionary(self) -> dict[str, Any]:
        """Return the same for JSON: the runs, by kind and key what differs, and so what is the same."""
        runs = [{"run_id": one.info.run_id, "run_name": one.info.run_name} for one in self.runs]
        same = {kind: {row.key: row.values[0] for row in self.same if row.kind == kind} for kind in KINDS}
        return {"runs": runs, **{kind: self.of(kind) for kind in KINDS}, "same": same}

    def table(self, labels: Sequence[str] | None = None, *, everything: bool = False) -> list[list[str]]:
        """Return it as rows of texts: names, then labels, then each kind that has any and its rows.

        Args:
            labels: What stands below the runs' names; their ids when None.
            everything: Whether what is the same is shown too.
        """
        ids = [one.info.run_id for one in self.runs]
        lines = [["", *(one.info.run_name for one in self.runs)], ["", *(labels or ids)]]
        for kind in KINDS:
            rows = [row for row in self.rows if row.kind == kind and (row.differs or everything)]
            shown = [row for row in rows if row.key != RUN_NAME]  # it stands above
            lines += [[kind, *[""] * len(ids)]] * bool(shown)
            lines += [[f"  {row.key}", *row.cells] for row in shown]
        return lines

    def __str__(self) -> str:
        lines = [list(map(printable, line)) for line in self.table()]
        widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
        return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)

    def _repr_html_(self) -> str:
        parts = [("what differs", self.differing), ("what is the same", self.same)]
        grids = [(f"{title}: {kind}", *self._part(kind, rows)) for title, rows in parts for kind in KINDS]
        return page("Comparison", {"runs": len(self.runs), "differing": len(self.differing)}, grids)

    def _part(self, kind: Kind, rows: Sequence[Compared]) -> tuple[list[Facts], int]:
        """Return rows of one kind as a table has them: a column for each run, or one where all are the same."""
        some = [row for row in rows if row.kind == kind and row.key != RUN_NAME]
        names = [one.info.run_name for one in self.runs]
        alike = len({*names, *KINDS, ""}) < len(names) + len(KINDS) + 1
        labels = [f"{at}. {name}" if alike else name for at, name in enumerate(names, 1)]
        columns = labels if any(row.differs for row in some) else ["in all"]
        shown: list[Facts] = [
            {kind: row.key, **dict(zip(columns, row.cells, strict=False))} for row in some[:MOST_ROWS]
        ]
        return shown, len(some)

    def _shown(self) -> Mapping[str, Any]:
        said = [f"{one.info.run_name} {one.info.run_id}" for one in self.runs]
        return {"runs": said, "differing": len(self.differing), "same": len(self.same)}


def compared(
    runs: Sequence[RunRecord], artifacts: Sequence[Sequence[Mapping[str, Any]]] | None, kinds: Iterable[Kind]
) -> Comparison:
    """Return what runs have beside each other. `artifacts`: of each run all that it holds, if that is compared."""
    sides: dict[Kind, list[Mapping[str, Any]]] = {
        "params": [one.data.params for one in runs],
        "metrics": [one.data.metrics for one in runs],
        "tags": [one.data.tags for one in runs],
        "artifacts": [{one["path"]: one for one in held} for held in artifacts or ()],
    }
    rows = [row for kind in KINDS if kind in kinds for row in _rows(kind, sides[kind])]
    return Comparison(tuple(runs), tuple(rows))


def checked_kinds(kinds: Iterable[str] | None) -> list[Kind]:
    """Return the kinds that are to be compared. Raises: InvalidArgumentError."""
    wanted = KINDS if kinds is None else list(kinds)
    for kind in wanted:
        if kind not in KINDS:
            raise InvalidArgumentError(f"{kind!r} cannot be compared: there are {', '.join(KINDS)}")
    return [kind for kind in KINDS if kind in wanted]


def _rows(kind: Kind, sides: Sequence[Mapping[str, Any]]) -> Iterable[Compared]:
    for key in sorted({key for side in sides for key in side}):
        values = tuple(side.get(key) for side in sides)
        yield Compared(kind, key, values, any(not _same(value, values[0]) for value in values))


def _same(one: Any, other: Any) -> bool:
    return bool(one == other) or (one != one and other != other)  # NaN


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.6g}"
    if not isinstance(value, Mapping):
        return str(value)
    match value["kind"]:
        case "file":
            digest = f"{value['sha256'][:_DIGITS]}{' executable' if value['executable'] else ''}"
            return f"{format_size(value['bytes'])} {digest}"
        case "link":
            return f"link to {value['target']}"
        case "reference":
            return f"elsewhere, {format_size(value['bytes'])} {value['uri']}"
    return "directory"
