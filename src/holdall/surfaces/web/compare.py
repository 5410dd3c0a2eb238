"""What differs between runs, side by side: their facts, curves, files, and plots of all of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdall.display import own
from holdall.errors import InvalidArgumentError, NotFoundError, RunNotFoundError
from holdall.store import Comparison, RunRecord, side_by_side
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.charts import embedded, panel
from holdall.surfaces.web.compare_columns import NAMES, at_hand, first_axes, names_of
from holdall.surfaces.web.compare_files import files
from holdall.surfaces.web.compare_rows import Fact, Wanted, facts_of, flat, section
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.site import Site

MOST: Final = 100
TABS: Final = ("differences", "charts", "scatter", "parallel", "files")
_BESIDE: Final = 10  # runs whose environments are read unasked
_GONE: Final = 3  # runs that may have been purged since an address was made
_OFFERED: Final = 50  # runs that may be added by name
_BRUSHES: Final = 20


@dataclass(frozen=True, slots=True)
class Beside:
    """The runs of a page, and the address of the page with other ones. Attributes: ids, tab, base (a run, or "")."""

    ids: Sequence[str]
    tab: str
    base: str

    def to(self, **changes: Any) -> dict[str, Any]:
        """Return the arguments of the page with some changed."""
        base = self.base if self.base in changes.get("run", self.ids) else None
        tab = self.tab if self.tab != TABS[0] else None
        return {"run": self.ids, "tab": tab, "base": base, **changes}

    def without(self, id: str) -> dict[str, Any]:
        """Return the arguments without a run."""
        return self.to(run=[one for one in self.ids if one != id])

    def earlier(self, id: str) -> dict[str, Any]:
        """Return the arguments with a run before the one that is before it."""
        at, found = self.ids.index(id), list(self.ids)
        found[at - 1 : at + 1] = [id, self.ids[at - 1]] if at else [id]
        return self.to(run=found)


def compare(site: Site, query: Query) -> Page:
    """Draw some runs side by side. All of them are read in one plan."""
    ids, tab = query.many("run", most=MOST), query.choice("tab", TABS)
    added = query.text("add").strip()
    ids = list(dict.fromkeys([*ids, added] if added else ids))[:MOST]
    found, gone = _compared(site, ids, tab == "files")
    runs = found.runs if found else ()
    beside = Beside([run.info.run_id for run in runs], tab, query.text("base"))
    facts: dict[str, Any] = {
        "runs": runs,
        "beside": beside,
        "tabs": TABS,
        "gone": gone,
        "offered": _offered(site, runs),
    }
    if found:
        facts |= _PARTS[tab](site, query, found, beside)
    return Page("compare.html", f"Compare {len(runs)} runs", facts)


def _compared(site: Site, ids: Sequence[str], deep: bool) -> tuple[Comparison | None, list[str]]:
    """Return runs beside each other, and the ids of those that are no more."""
    gone: list[str] = []
    kinds: Any = ["artifacts"] if deep else []
    while left := [id for id in ids if id not in gone]:
        try:
            if len(left) > 1:
                return site.store.runs.compare(left, kinds=kinds), gone
            return Comparison((site.store.runs.get(left[0]).record,), ()), gone
        except RunNotFoundError as error:
            gone.append(error.run_id)
            if len(gone) > _GONE:
                raise
    return None, gone


def _differences(site: Site, query: Query, found: Comparison, beside: Beside) -> dict[str, Any]:
    wanted, runs = Wanted.of(query, beside.ids), found.runs
    asked = len(runs) <= _BESIDE or query.flag("environment") or wanted.kind == "environment"
    sides: dict[str, Sequence[Mapping[str, Any]]] = {
        "params": [run.data.params for run in runs],
        "metrics": [run.data.metrics for run in runs],
        "tags": [own(run.data.tags) for run in runs],
        "environment": _environments(site, beside.ids) if asked else [],
    }
    sections = [section(kind, facts_of(each), wanted, len(runs)) for kind, each in sides.items()]
    return {"sections": [one for one in sections if one], "wanted": wanted, "unasked": not asked}


def _environments(site: Site, ids: Sequence[str]) -> list[dict[str, Any]]:
    def of(id: str) -> dict[str, Any]:
        try:
            return flat(site.store.runs.get(id).environment)
        except NotFoundError:
            return {}

    return side_by_side(of, ids)


def _charts(site: Site, query: Query, found: Comparison, beside: Beside) -> dict[str, Any]:
    arguments = {"run": beside.ids, "tab": "charts", "base": beside.base or None}
    return {"panel": panel(site, query, found.runs, "compare", arguments)}


def _plots(_: Site, query: Query, found: Comparison, beside: Beside) -> dict[str, Any]:
    names = names_of(found.runs)
    chosen = {name: query.text(name)[:300] for name in ("x", "y", "colour")}
    axes = query.many("col", most=MOST)
    columns = at_hand(found.runs, names, [*filter(None, chosen.values()), *axes])
    axes = [name for name in axes if name in names] or first_axes(columns)
    if beside.tab == "scatter":
        chosen["x"], chosen["y"] = chosen["x"] or _first(axes, "params."), chosen["y"] or _first(axes[::-1], "metrics.")
    said = {"columns": [each.to_dictionary() for each in columns], "axes": axes, "brushes": _brushes(query)}
    said["runs"] = [{"id": run.info.run_id, "name": _name(run), "at": n} for n, run in enumerate(found.runs)]
    offered = {"names": names[:NAMES], "more": max(0, len(names) - NAMES), "columns": columns, "axes": axes}
    logs = {name: query.flag(name) for name in ("logx", "logy")}
    return {"facts": embedded(said), "chosen": chosen, **offered, **logs}


def _first(names: Sequence[str], kind: str) -> str:
    return next((name for name in names if name.startswith(kind)), names[0] if names else "")


def _brushes(query: Query) -> list[tuple[str, tuple[float, float]]]:
    """Return the parts of axes that hold runs: `brush=0.1:0.5:params.rate`. Raises: InvalidArgumentError."""
    found = []
    for text in query.many("brush", most=_BRUSHES):
        low, _, rest = text.partition(":")
        high, _, name = rest.partition(":")
        ends = Query({}, [("low", low), ("high", high)])
        span = ends.number("low", 0, least=0, most=1), ends.number("high", 1, least=0, most=1)
        if not name:
            raise InvalidArgumentError(f"brush: {text[:40]!r} is none such as 0.1:0.5:params.rate")
        found.append((name, span))
    return found


def _files(_: Site, query: Query, found: Comparison, beside: Beside) -> dict[str, Any]:
    base = beside.ids.index(beside.base) if beside.base in beside.ids else None
    find = query.text("find")[:250]
    facts = [Fact(row.key, row.values) for row in found.rows if find.lower() in row.key.lower()]
    return {"files": files(facts, beside.ids, base, query.count("from", 0, most=10**7)), "find": find}


def _offered(site: Site, runs: Sequence[RunRecord]) -> list[tuple[str, str]]:
    """Return the ids and names of the newest runs of the same experiments that are not there yet."""
    if site.static:
        return []
    here = {run.info.run_id for run in runs}
    some = site.index.page(experiments={run.info.experiment_id for run in runs} or None, limit=_OFFERED + len(here))
    return [(one.run_id, one.run_name) for one in some.records if one.run_id not in here][:_OFFERED]


def _name(run: RunRecord) -> str:
    return run.info.run_name or run.info.run_id


_PARTS: Final = {"differences": _differences, "charts": _charts, "scatter": _plots, "parallel": _plots, "files": _files}
PAGES: Final[Pages] = {"compare": compare}
