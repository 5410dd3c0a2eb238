"""How two directories, files or models differ: by file, by line of a text, and by tensor."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from holdall.errors import InvalidURIError
from holdall.store import Difference, RunSummary, TensorDifference, may_have_tensors, side_by_side
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.diff_rows import ROWS, SHOWN, SORTS, file_rows, left_bytes, tensor_rows, text_lines
from holdall.surfaces.web.page import Page, Pages
from holdall.surfaces.web.site import Site

_TEXT: Final = 256 << 10  # bytes of a file whose lines are compared
_PAGES: Final = 100_000
_OFFERED: Final = 20  # runs that a side is offered to be compared with
_SCHEMES: Final = ("runs:/", "models:/")


def diff(site: Site, query: Query) -> Page:
    """Draw what differs between two addresses, by headers and common chunks alone until more is asked for."""
    a, b = query.text("a").lstrip(), query.text("b").lstrip()
    facts: dict[str, Any] = {"a": a, "b": b, "tab": "", "asked": bool(a and b)}
    for given in filter(None, (a, b)):
        _check(given)
    if not (a and b):
        return Page("diff.html", "Compare artifacts", facts | {"others": _others(site, a or b)})
    found = site.store.artifacts.diff(a, b)
    paths = [_where(found.a.path, one.path) for some in (found.removed, found.changed, found.same) for one in some]
    others = [_where(found.b.path, one.path) for some in (found.added, found.changed, found.same) for one in some]
    tabs = ("files", "tensors") if all(any(map(may_have_tensors, some)) for some in (paths, others)) else ("files",)
    tab = query.choice("tab", tabs)
    facts |= {
        "tab": tab,
        "tabs": tabs,
        "counts": {name: len(getattr(found, name)) for name in ("changed", "added", "removed", "same")},
        "sides": [("A", found.a.run.id, found.a.path), ("B", found.b.run.id, found.b.path)],
        "called": _names(site, found.a.run.id, found.b.run.id),
        "page_number": query.count("page", 1, most=_PAGES),
    }
    facts |= _tensors(site, query, a, b) if tab == "tensors" else _files(query, found)
    return Page("diff.html", "Compare artifacts", facts)


def _others(site: Site, uri: str) -> list[tuple[str, RunSummary]]:
    """Return what one side may be held against, with its address: the run before, then the newest of the experiment."""
    if not uri.startswith("runs:/"):
        return []
    found, path = site.store.artifacts.snapshot(uri)
    info, index = found.record.info, site.index
    before = index.page(f"start_time <= {info.start_time}", [info.experiment_id], limit=2).records
    newest = index.page(experiments=[info.experiment_id], limit=_OFFERED).records
    runs = {run.run_id: run for run in [*before, *newest] if run.run_id != info.run_id}
    return [(f"runs:/{id}/{path}".rstrip("/"), run) for id, run in runs.items()][:_OFFERED]


def _check(uri: str) -> None:
    """Refuse an address that is none of this store. Raises: InvalidURIError."""
    if not uri.startswith(_SCHEMES):
        raise InvalidURIError(uri, "what is compared here is runs:/RUN_ID/PATH or models:/NAME/VERSION")


def _names(site: Site, *ids: str) -> dict[str, str]:
    """Return what runs are called, by id, as the index knows it. Cost: that of the index, if it is not loaded."""
    if any(site.index.get(id) is None for id in ids):
        site.index.page(limit=0)
    return {id: known.run_name for id in ids if (known := site.index.get(id)) and known.run_name}


def _where(below: str, path: str) -> str:
    return path or below


def _files(query: Query, found: Difference) -> dict[str, Any]:
    same = query.flag("same")
    rows = file_rows(found, same=same)
    facts = _paged(query, rows) | {"same": same, "lines": None, "more_lines": False, "said": ""}
    facts["shared"] = sum(row.shared or 0 for row in rows)
    if len(rows) == 1 and rows[0].change == "changed" and not rows[0].path:
        text = found.text("", most=_TEXT)
        if text.startswith("--- "):
            facts["lines"], facts["more_lines"] = text_lines(text)
        facts["said"] = "" if text.startswith("--- ") else text.strip()
    return facts


def _tensors(site: Site, query: Query, a: str, b: str) -> dict[str, Any]:
    read, sort, show = query.flag("values"), query.choice("sort", SORTS), query.choice("show", SHOWN)
    found = compared(site, a, b, values=read)
    rows = tensor_rows(found.changes, show, query.text("q"), sort)
    return _paged(query, rows) | {
        "found": found,
        "read": read,
        "several": len({side.file for one in found for side in (one.a, one.b) if side}) > 1,
        "left": left_bytes(found.changes),
        "sort": sort,
        "show": show,
        "shows": SHOWN,
        "q": query.text("q"),
        "given": {"a": a, "b": b, "tab": "tensors", "values": 1 if read else None},
    }


def _paged(query: Query, rows: list[Any]) -> dict[str, Any]:
    page = max(query.count("page", 1, most=_PAGES), 1)
    start = (page - 1) * ROWS
    return {
        "rows": rows[start : start + ROWS],
        "total": len(rows),
        "start": start,
        "next": page + 1 if start + ROWS < len(rows) else None,
        "before": page - 1 if page > 1 else None,
    }


def compared(site: Site, a: str, b: str, *, values: bool) -> TensorDifference:
    """Return how the tensors of two addresses differ, as it was found before if both have the same content as then."""
    contents = side_by_side(lambda uri: _content(site, uri), [a, b])

    def compare() -> TensorDifference:
        return site.store.artifacts.diff_tensors(a, b, values=values)

    known = site.compared.find((a, b, *contents, True))  # which tells more, where both were made
    return known or site.compared.get((a, b, *contents, values), compare)


def _content(site: Site, uri: str) -> str:
    """Return a digest of all paths and contents at an address."""
    run, path = site.store.artifacts.snapshot(uri)
    found = hashlib.sha256(run.id.encode())
    for each in run.walk(path or None):
        found.update(f"{each.path}\0{each.sha256}\0{each.target}\n".encode())
    return found.hexdigest()


PAGES: Final[Pages] = {"diff": diff}
