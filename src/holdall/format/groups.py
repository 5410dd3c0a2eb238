"""Parts of groups: what the ranks of one job have stored, kept until all of it is committed by one entry, or none.

Rules without I/O. SPEC.md, "Groups".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from holdall.format.document import Json
from holdall.format.ops import is_count
from holdall.format.reference import Ref, ref_from_json

TAG: Final = "holdall.group."  # and 16 hex digits: that a group was committed
_COUNTS: Final = ("files", "bytes", "new_bytes", "stored_bytes", "again_bytes")


@dataclass(frozen=True, slots=True)
class Part:
    """What one rank would commit.

    Attributes:
        rank: Which rank.
        tree: The root of its paths; None if it has none.
        counts: What the operation `commit` counts, by name.
        since: The number of the entry that had it first.
    """

    rank: int
    tree: Ref | None
    counts: Mapping[str, int]
    since: int

    def commit_op(self) -> Json:
        """Return the operation that commits it."""
        return {"op": "commit", "tree": self.tree and self.tree.to_json(), **self.counts}


@dataclass(slots=True)
class Group:
    """The parts that are kept of a group. Attributes: name, world, attempt, parts (by rank)."""

    name: str
    world: int
    attempt: int
    parts: dict[int, Part] = field(default_factory=dict)

    @property
    def missing(self) -> list[int]:
        """Return the ranks whose part is not there."""
        return [rank for rank in range(self.world) if rank not in self.parts]

    def is_of(self, world: int, attempt: int) -> bool:
        """Return whether it is of so many ranks, and of this try of their job."""
        return (self.world, self.attempt) == (world, attempt)

    def repeated(self) -> list[Json]:
        """Return the operations that repeat its parts beside a checkpoint."""
        return [
            part_op(self, part.rank, part.commit_op()) | {"since": part.since} for _, part in sorted(self.parts.items())
        ]


def part_op(group: Group, rank: int, commit: Json) -> Json:
    """Return the operation that keeps a part, given the one that would commit it."""
    named = {"op": "part", "group": group.name, "world": group.world, "attempt": group.attempt, "rank": rank}
    return named | {name: value for name, value in commit.items() if name != "op"}


def apply_part(groups: dict[str, Group], op: Json, n: int, what: str) -> None:
    """Take in the operation `part` or `unpart` of entry n."""
    name = op["group"]
    if op["op"] == "unpart":
        groups.pop(name, None)
        return
    group = groups.get(name)
    if group is None or not group.is_of(op["world"], op["attempt"]):
        group = groups[name] = Group(name, op["world"], op["attempt"])
    tree = None if op["tree"] is None else ref_from_json(op["tree"], what).carried_by(n)
    counts: dict[str, int] = {key: op[key] for key in _COUNTS if key in op}
    group.parts[op["rank"]] = Part(op["rank"], tree, counts, min(op.get("since", n), n))


@dataclass(frozen=True, slots=True)
class Record:
    """That a group was committed. Attributes: world, attempt, entry (the number of the one that did so)."""

    world: int
    attempt: int
    entry: int


def record_key(name: str) -> str:
    """Return the key of the tag that says that a group was committed."""
    return TAG + hashlib.sha256(json.dumps([name]).encode()).hexdigest()[:16]


def record_op(group: Group, entry: int, time: int) -> Json:
    """Return the operation that says that a group was committed."""
    body = {"time": time, "group": group.name, "world": group.world, "attempt": group.attempt, "entry": entry}
    return {"op": "tag", "key": record_key(group.name), "value": json.dumps(body, separators=(",", ":"))}


def record_of(tags: Mapping[str, str], name: str) -> Record | None:
    """Return that a group was committed, as these tags say; None where they do not, or not to be understood."""
    try:
        body = json.loads(tags.get(record_key(name), ""))
    except (ValueError, RecursionError):
        return None
    if not isinstance(body, dict) or body.get("group") != name:
        return None
    numbers = {key: int(body[key]) for key in ("world", "attempt", "entry") if is_count(body.get(key))}
    return Record(**numbers) if len(numbers) == 3 else None
