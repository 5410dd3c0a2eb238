"""What is said of a run, as operations that make a copy say the same: parameters, tags, measurements, status.

Rules without I/O. A copy holds what the source said up to some entry, so what
is to be said is what differs. Measurements are appended, never changed: of each
metric the copy has the first so many, and gets the rest, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from holdall.copying.marks import COPIED
from holdall.format.document import Json
from holdall.format.entry import LogEntry
from holdall.format.ops import add_op, weight
from holdall.format.state import State

MOST: Final = 1 << 20  # bytes of operations in one entry


def said(source: State, copy: State) -> list[Json]:
    """Return the operations after which the copy has the source's parameters and tags."""
    ops: list[Json] = [
        {"op": "param", "key": key, "value": value}
        for key, value in source.params.items()
        if copy.params.get(key) != value
    ]
    tags = source.tags | dict.fromkeys(copy.tags.keys() - source.tags.keys())
    for key, value in tags.items():
        if key != COPIED and copy.tags.get(key) != value:
            ops.append({"op": "tag", "key": key, "value": value})
    return ops


def status_ops(source: State, copy: State) -> list[Json]:
    """Return the operation after which the copy has the source's status, if it has another or ended elsewhen."""
    same = (source.status, source.ended) == (copy.status, copy.ended)
    return [] if same else [{"op": "status", "status": source.status}]


def new_points(entries: Iterable[LogEntry], taken: dict[str, int]) -> Iterator[Json]:
    """Yield the measurements of entries as operations of about a megabyte, without the first `taken` of each metric."""
    waiting: list[Json] = []
    size = 0
    left = dict(taken)
    for entry in entries:
        for op in entry.ops:
            points = _behind(op["points"], left) if op["op"] == "metric" else []
            if not points:
                continue
            part: Json = {"op": "metric", "points": points}
            if waiting and size + weight(part) > MOST:
                yield from waiting
                waiting, size = [], 0
            add_op(waiting, part)
            size += weight(part)
    yield from waiting


def _behind(points: list[list[Any]], left: dict[str, int]) -> list[list[Any]]:
    found = []
    for point in points:
        if left.get(point[0], 0) > 0:
            left[point[0]] -= 1
        else:
            found.append(point)
    return found


def parts(ops: Iterable[Json]) -> Iterator[list[Json]]:
    """Yield operations in as many lists as entries are needed for them, at least one."""
    some: list[Json] = []
    size = 0
    for op in ops:
        if some and size + weight(op) > MOST:
            yield some
            some, size = [], 0
        some.append(op)
        size += weight(op)
    yield some


def missing_points(source: State, copy: State) -> str:
    """Return the name of a metric of which the copy has more measurements than the source; "" if there is none."""
    for key, last in copy.metrics.items():
        if key not in source.metrics or source.metrics[key][3] < last[3]:
            return key
    return ""
