"""The state of a run's log.

A pure fold: give it the entries in order and it knows the run's status, its
open sessions, its parameters and where its tree is. Every 64th entry carries
the fold of those before it, so that a long log is read with few requests.
SPEC.md, "Logs" and "State and checkpoints".
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from holdall.errors import FormatError
from holdall.format.changes import Change, Committed, Removed, Trimmed
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.extremes import believed, extremes_at, is_extremes, widen
from holdall.format.groups import Group, apply_part
from holdall.format.ops import STATUSES, VERSIONED, Fields, integer, is_count, is_integer, is_session, is_text, number
from holdall.format.paths import ancestors
from holdall.format.reference import JSON_BLOB, NODE, InEntry, Ref, ref_from_json
from holdall.format.series import Block, Point, blocks_to_json, parse_blocks

_COUNTS: Final = ("files", "bytes", "new_bytes", "stored_bytes")
_SELDOM: Final = "again_bytes"  # carried only where it is not 0
_PINNED: Final = "pinned"  # carried only where a pin has a path
_REFS: Final = {"tree": NODE, "environment": JSON_BLOB}
_VERSIONS: Final = "versions"  # carried only by a versioned run
_SERIES: Final = "series"  # carried only where there is a block
_EXTREMES: Final = "extremes"  # carried only where a metric was measured more than once
_FACTS: Final = ("params", "tags", "metrics", "batches", "pins")


def _is_flag(value: object) -> bool:
    return isinstance(value, bool)


def _ascend(values: list[Any]) -> bool:
    return all(a < b for a, b in pairwise(values))


def _is_numbers(value: object) -> bool:
    return isinstance(value, list) and all(map(is_count, value)) and _ascend(value)


def _is_sessions(value: object) -> bool:
    return isinstance(value, list) and all(map(is_session, value)) and _ascend(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, dict) and all(map(is_text, value.values()))


def _is_metrics(value: object) -> bool:
    return isinstance(value, dict) and all(
        isinstance(last, list)
        and len(last) == 4
        and number(last[0]) is not None
        and is_integer(last[1])
        and is_integer(last[2])
        and is_count(last[3])
        for last in value.values()
    )


def _is_count_or_null(value: object) -> bool:
    return value is None or is_count(value)


# field -> what its value must be; `tree` and `environment` are references or null
_FIELDS: Final[Fields] = dict.fromkeys((*_COUNTS, "inline"), is_count) | {
    "experiment": is_text,
    "started": is_count,
    "ended": _is_count_or_null,
    "status": STATUSES.__contains__,
    "deleted": _is_flag,
    "purged": _is_flag,
    "sessions": _is_sessions,
    "fences": _is_numbers,
    "params": _is_texts,
    "tags": _is_texts,
    "metrics": _is_metrics,
    "batches": _is_numbers,
    "pins": _is_texts,
}


@dataclass(slots=True)
class State:
    """The state of a run's log up to some entry.

    Attributes:
        tree: Root of the paths that the last carried state knew.
        deltas: Roots of the commits since, in order.
        versioned: Whether its paths may change.
        versions: Root of the earlier versions of its paths that the last carried state knew.
        changes: What the entries since did to paths, in order; empty if these may not change.
        again_bytes: Of `new_bytes`, what the bucket had, stored again so that files stay in few pieces.
        inline: Bytes of inline blobs that `tree` reaches in log entries.
        environment: What ran where: a JSON object, as a blob.
        started, ended: When, in ms since 1970 UTC; `ended` is None while it runs.
        sessions: Open sessions, in hex.
        fences: Garbage generations met.
        metrics: Key -> [last value, step, time in ms, count].
        extremes: Key -> [least value, greatest value, count], of those measured more than once; `extremes_of` tells.
        batches: Numbers of the entries that hold metric points.
        pins: Pin -> who set it.
        pinned: Pin -> the path that it keeps as it is, of those that have one.
        series: Where measurements of many entries lie together, in the order of the log.
        recent: Numbers of the entries since the last carried state that hold metric points, and these; `recent_from`
            is the number of the first of all entries since.
        groups: The parts that are kept of groups, by the group's name; not in a checkpoint, operations repeat them.
        extra: Fields of a later version, carried on.
    """

    tree: Ref | None = None
    deltas: list[Ref] = field(default_factory=list)
    versioned: bool = False
    versions: Ref | None = None
    changes: list[Change] = field(default_factory=list)
    files: int = 0
    bytes: int = 0
    new_bytes: int = 0
    stored_bytes: int = 0
    again_bytes: int = 0
    inline: int = 0
    experiment: str = ""
    environment: Ref | None = None
    started: int = 0
    ended: int | None = None
    status: str = "RUNNING"
    deleted: bool = False
    purged: bool = False
    sessions: set[str] = field(default_factory=set)
    fences: set[int] = field(default_factory=set)
    params: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    metrics: dict[str, list[Any]] = field(default_factory=dict)
    extremes: dict[str, list[Any]] = field(default_factory=dict)
    batches: list[int] = field(default_factory=list)
    pins: dict[str, str] = field(default_factory=dict)
    pinned: dict[str, str] = field(default_factory=dict)
    series: list[Block] = field(default_factory=list)
    recent: list[tuple[int, list[Point]]] = field(default_factory=list, compare=False)
    recent_from: int | None = field(default=None, compare=False)
    groups: dict[str, Group] = field(default_factory=dict)
    extra: Json = field(default_factory=dict)

    def apply(self, entry: LogEntry) -> None:
        """Apply the operations of the next entry.

        Raises:
            FormatError: The run was purged before them.
        """
        if self.purged:
            raise FormatError(f"{entry.log} entry {entry.n}", "it comes after the run was purged")
        if self.recent_from is None:
            self.recent_from = entry.n
        for op in entry.ops:
            self._apply(op, entry)

    def _apply(self, op: Json, entry: LogEntry) -> None:
        match op["op"]:
            case "commit":
                self._commit(op, entry)
            case "remove" | "trim":
                self._give_up(op, entry)
            case "part" | "unpart":
                apply_part(self.groups, op, entry.n, f"{entry.log} entry {entry.n}")
            case "metric":
                self._measure(op["points"], entry.n)
            case "param" | "tag" | "pin" | "unpin":
                self._note(op)
            case "open" | "close" | "fence":
                self._attend(op)
            case "create":
                self.experiment, self.started = op.get("experiment", ""), entry.time
                self.versioned = op.get("paths") == VERSIONED
            case "environment":
                self.environment = ref_from_json(op["facts"], entry.log).carried_by(entry.n)
            case "status":
                self.status = op["status"]
                self.ended = None if self.status in ("RUNNING", "SCHEDULED") else entry.time
            case "tombstone" | "restore":
                self.deleted = op["op"] == "tombstone"
            case "purge":
                self.purged = True

    def _note(self, op: Json) -> None:
        """Apply a parameter, tag or pin."""
        match op["op"]:
            case "param":
                self.params[op["key"]] = op["value"]
            case "tag" if op["value"] is not None:
                self.tags[op["key"]] = op["value"]
            case "tag":
                self.tags.pop(op["key"], None)
            case "pin":
                self.pins[op["pin"]] = op["by"]
                if "path" in op:
                    self.pinned[op["pin"]] = op["path"]
            case "unpin":
                self.pins.pop(op["pin"], None)
                self.pinned.pop(op["pin"], None)

    def _attend(self, op: Json) -> None:
        """Apply a session's begin or end, or a fence."""
        match op["op"]:
            case "open":
                self.sessions.add(op["session"])
            case "close":
                self.sessions.discard(op["session"])
            case "fence":
                self.fences.add(op["generation"])

    def _commit(self, op: Json, entry: LogEntry) -> None:
        if op["tree"] is not None:
            root = ref_from_json(op["tree"], f"{entry.log} entry {entry.n}").carried_by(entry.n)
            self.deltas.append(root)
            if self.may_change:
                self.changes.append(Committed(entry.n, root))
        for name in _COUNTS:
            setattr(self, name, getattr(self, name) + op[name])
        self.again_bytes += op.get(_SELDOM, 0)

    def _give_up(self, op: Json, entry: LogEntry) -> None:
        """Apply a removal of paths, or of their earlier versions."""
        if not self.may_change:
            raise FormatError(f"{entry.log} entry {entry.n}", f"operation {op['op']}, but the run is not versioned")
        if op["op"] == "remove":
            self.changes.append(Removed(entry.n, tuple(op["paths"])))
        else:
            self.changes.append(Trimmed(entry.n, op["path"], op["before"]))

    def _measure(self, points: list[list[Any]], n: int) -> None:
        if points and n not in self.batches[-1:]:
            self.batches.append(n)
        if points:
            self.recent.append((n, points))
        for key, value, step, time in points:
            last = self.metrics.get(key)
            count = last[3] + 1 if last else 1
            if last and (known := extremes_at(self.metrics, self.extremes, key)):
                widen(self.extremes, key, known, value, count)
            if last is None or _when(step, time) >= _when(last[1], last[2]):
                last = [value, step, time]
            self.metrics[key] = [*last[:3], count]

    def extremes_of(self, key: str) -> tuple[Any, Any] | None:
        """Return the least and greatest value of a metric that was measured; None where no checkpoint told them."""
        return extremes_at(self.metrics, self.extremes, key)

    @property
    def may_change(self) -> bool:
        """Return whether its paths may change: it is versioned, or the entry that tells cannot be read."""
        return self.versioned or not self.experiment

    def pin_above(self, path: str) -> str | None:
        """Return the pin that forbids adding a path: its own, or that of a path above; None if none does."""
        above = {"", path, *ancestors(path)}
        return next((pin for pin, kept in self.pinned.items() if kept in above), None)

    def to_json(self) -> Json:
        """Return it as a checkpoint. The trees must hold all paths: there may be no deltas, and no changes."""
        if self.deltas or self.changes:
            raise ValueError("a state is written only after its deltas were merged into its tree")
        body: Json = dict(self.extra)
        body |= {name: getattr(self, name) for name in sorted(_FIELDS.keys() - {"sessions"})}
        body |= {name: ref and ref.to_json() for name in _REFS for ref in [getattr(self, name)]}
        body |= {_SELDOM: self.again_bytes} if self.again_bytes else {}
        body |= {_PINNED: self.pinned} if self.pinned else {}
        extremes = believed(self.metrics, self.extremes)
        body |= {_EXTREMES: extremes} if extremes else {}
        body |= {_SERIES: blocks_to_json(self.series)} if self.series else {}
        body |= {_VERSIONS: self.versions and self.versions.to_json()} if self.versioned else {}
        return body | {"fences": sorted(self.fences), "sessions": sorted(self.sessions)}


def _when(step: Any, time: Any) -> tuple[int, int]:
    """Return what measurements are ordered by, also where JSON could not hold the integers."""
    return integer(step) or 0, integer(time) or 0


def split_facts(body: Json) -> Json:
    """Remove and return the fields of a checkpoint that become a JSON blob where it is too large."""
    return {name: body.pop(name) for name in (*_FACTS, _PINNED, _SERIES, _EXTREMES) if name in body}


def parse_checkpoint(body: Json, facts: Json | None, what: str) -> State:
    """Return the state that an entry's checkpoint tells.

    Args:
        body: The entry's `state`.
        facts: The decoded blob that its `facts` refers to, where it does.
        what: Which entry carries it, for errors.
    """
    body = (facts or {}) | body
    ours = {*_FIELDS, *_REFS, _SELDOM, _PINNED, _VERSIONS, _SERIES, _EXTREMES, "facts"}
    state = State(extra={name: value for name, value in body.items() if name not in ours})
    for name, good in _FIELDS.items():
        if name not in body or not good(body[name]):
            raise FormatError(what, f"its state has {name} {body.get(name)!r}")
        setattr(state, name, copy(body[name]))
    state.sessions, state.fences = set(body["sessions"]), set(body["fences"])
    state.again_bytes = body.get(_SELDOM, 0)
    if not is_count(state.again_bytes):
        raise FormatError(what, f"its state has {_SELDOM} {state.again_bytes!r}")
    state.pinned = copy(body.get(_PINNED, {}))
    if not _is_texts(state.pinned) or not state.pinned.keys() <= state.pins.keys():
        raise FormatError(what, f"its state has {_PINNED} {state.pinned!r}")
    if not is_extremes(body.get(_EXTREMES, {})):
        raise FormatError(what, f"its state has {_EXTREMES} {body[_EXTREMES]!r:.200}")
    state.extremes = believed(state.metrics, body.get(_EXTREMES, {}))
    state.series = parse_blocks(body.get(_SERIES, []), what)
    state.versioned = _VERSIONS in body
    for name, kind in (_REFS | ({_VERSIONS: NODE} if state.versioned else {})).items():
        if name not in body:
            raise FormatError(what, f"its state has no {name}")
        setattr(state, name, None if body[name] is None else ref_from_json(body[name], what, kind))
    if state.environment and state.environment.location == InEntry(None):
        raise FormatError(what, "its state refers to an environment that comes after it")
    return state
