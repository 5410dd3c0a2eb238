"""What a copy says of itself in the run, or the registered model, that it made: the tag `holdall.copied`.

    {"time": ..., "store": <id>, "entries": n, "sha256": <of entry n-1>, "at": k, "points": p}

It names the log that was copied, by its store, and how many of its entries it
holds. A copy of a copy names the first: so what travels by a bundle goes on as
if it had been copied directly. `at` is the entry of this log that says so; what
follows it is somebody else's. SPEC.md, "Tags and the environment".

Rules without I/O.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from holdall.format.document import Json
from holdall.format.ops import is_count
from holdall.format.state import State

COPIED: Final = "holdall.copied"
# What others may append to a copy without making it another run: none of it changes what the run says or holds.
_HARMLESS: Final = frozenset(("open", "close", "fence", "pin", "unpin"))


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a copy has come.

    Attributes:
        store: The id of the store whose log was copied.
        entries: How many of the log's entries the copy holds; 0 while it is being made.
        sha256: The digest of the last of them, in hex; empty if there is none.
        at: The number of the copy's entry that says so.
        points: Measurements that the copy had as of then.
    """

    store: str
    entries: int = 0
    sha256: str = ""
    at: int = 0
    points: int = 0

    def same_log_as(self, other: Mark) -> bool:
        """Return whether both hold the same entries of the same log."""
        return (self.store, self.entries, self.sha256) == (other.store, other.entries, other.sha256)

    def placed(self, at: int, points: int) -> Mark:
        """Return the mark as entry `at` of a copy says it, of which the log then has so many measurements."""
        return replace(self, at=at, points=points)

    def op(self, time: int) -> Json:
        """Return the operation that sets the tag."""
        body: dict[str, Any] = {"time": time, "store": self.store, "entries": self.entries}
        body |= {"sha256": self.sha256 or None, "at": self.at, "points": self.points}
        return {"op": "tag", "key": COPIED, "value": json.dumps(body, separators=(",", ":"))}


def mark_of(tags: Mapping[str, str]) -> Mark | None:
    """Return the mark among these tags; None where there is none, or one that is not to be understood."""
    try:
        body = json.loads(tags.get(COPIED, ""))
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict):
        return None
    store, sha256 = body.get("store"), body.get("sha256") or ""
    entries, at, points = (body.get(name) for name in ("entries", "at", "points"))
    hexed = all(isinstance(text, str) for text in (store, sha256)) and re.fullmatch(r"[0-9a-f]{32}", str(store))
    if not hexed or not all(map(is_count, (entries, at, points))) or bool(entries) != bool(sha256):
        return None
    return Mark(str(store), int(str(entries)), str(sha256), int(str(at)), int(str(points)))


def only_harmless(ops: Iterable[Json]) -> bool:
    """Return whether these operations leave a run as it was copied."""
    return all(op["op"] in _HARMLESS or op["op"].startswith("x-") for op in ops)


def points_of(state: State) -> int:
    """Return how many measurements a run has."""
    return sum(last[3] for last in state.metrics.values())


def facts_of(state: State) -> tuple[object, ...]:
    """Return what a run says and holds, so far as two of its states can be told apart by it."""
    tags = {key: value for key, value in state.tags.items() if key != COPIED}
    counts = state.files, state.bytes, len(state.deltas), state.tree
    metrics = {key: tuple(last) for key, last in state.metrics.items()}
    return dict(state.params), tags, metrics, state.status, state.deleted, state.purged, state.environment, counts
