"""What a run was made of, and what was made of it, as lines of a page.

Who read a run is known by the runs that did: looking takes the summaries of all runs, so that comes on its own,
after the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from holdall.store import LineageNode, RunSnapshot
from holdall.surfaces.web.addresses import Query
from holdall.surfaces.web.site import Site

MOST: Final = 300
"""Lines of one direction."""
_DEPTH: Final = 5
_DEEPEST: Final = 50
_FAMILY: Final = 200
_WORDS: Final = {
    "artifact": "read",
    "run": "made by",
    "missing": "made by",
    "data set": "given",
    "elsewhere": "refers to",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A thing on the way.

    Attributes:
        level: How far away, from 1 on.
        word: What it is to the line above.
        node: The thing.
        run_id, path: Where it is in this store, if it is: the place that a link leads to.
    """

    level: int
    word: str
    node: LineageNode
    run_id: str | None
    path: str


def upstream(site: Site, found: RunSnapshot, query: Query) -> dict[str, Any]:
    """Return what a run read, was given and refers to, with what that was made of; and which models it made."""
    depth = query.count("depth", _DEPTH, most=_DEEPEST) or _DEPTH
    told = site.store.artifacts.lineage(f"runs:/{found.id}", depth=depth, direction="upstream")
    lines = list(_lines((node for top in told.upstream for node in top.nodes), 1, ""))
    return {
        "depth": depth,
        "sources": lines[:MOST],
        "complete": told.complete and len(lines) <= MOST,
        "models": site.store.models._logged_by(found),
        "outputs": found.record.outputs.model_outputs,
    }


def readers(site: Site, found: RunSnapshot, query: Query) -> dict[str, Any]:
    """Return the runs that read what a run holds, or equal content, and the runs that are part of it."""
    depth = query.count("depth", _DEPTH, most=_DEEPEST) or _DEPTH
    told = site.store.artifacts.lineage(f"runs:/{found.id}", depth=depth, direction="downstream")
    lines = list(_lines(told.downstream, 1, "read by"))
    children = site.index.page(f"tags.`mlflow.parentRunId` = '{found.id}'", stage=None, limit=_FAMILY)
    return {
        "id": found.id,
        "readers": lines[:MOST],
        "complete": told.complete and len(lines) <= MOST,
        "children": children.records,
        "more": children.total - len(children.records),
    }


def _lines(nodes: Iterable[LineageNode], level: int, word: str) -> Iterator[Line]:
    """Yield what follows, each line after the one that leads to it, without recursion: a chain may be long."""
    waiting = [(node, level) for node in reversed(list(nodes))]
    while waiting:
        node, at = waiting.pop()
        yield Line(at, word or _WORDS.get(node.kind, ""), node, *_place(node))
        waiting += [(below, at + 1) for below in reversed(node.nodes)]


def _place(node: LineageNode) -> tuple[str | None, str]:
    """Return the run and the path that a link to a thing leads to."""
    if node.kind == "run":
        return node.run_id, ""
    if node.kind == "artifact" and node.uri.startswith(f"runs:/{node.run_id}"):
        return node.run_id, node.uri.removeprefix(f"runs:/{node.run_id}").lstrip("/")
    return None, ""
