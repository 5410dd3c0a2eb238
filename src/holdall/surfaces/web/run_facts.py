"""What a run's page shows of its log: rows of plain values. Nothing here asks the bucket."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from holdall.display import own
from holdall.sizes import format_size
from holdall.store import RunRecord

ROWS: Final = 1_000
"""Of one table of a run at most: a page that lists twelve thousand keys freezes a browser."""
SYSTEM: Final = "system/"
_DEEPEST: Final = 6  # objects in objects of an environment


@dataclass(frozen=True, slots=True)
class Listed:
    """The rows of a table that were asked for. Attributes: rows, total (how many fit), all (how many there are)."""

    rows: Sequence[Any]
    total: int
    all: int

    @property
    def more(self) -> int:
        """Return how many fit and are not shown."""
        return self.total - len(self.rows)


@dataclass(frozen=True, slots=True)
class Share:
    """A part of what a run logged: how much of it was there already. Attributes: name, title, size, start, width.

    `start` and `width` are in hundredths of the bar.
    """

    name: str
    title: str
    size: int
    start: float
    width: float


def fitting(rows: Iterable[tuple[str, Any]], wanted: str) -> list[tuple[str, Any]]:
    """Return the rows whose key or text has what somebody looks for, whatever the case of its letters, sorted."""
    word = wanted.casefold()
    return sorted((key, value) for key, value in rows if not word or word in f"{key}\n{value}".casefold())


def listed(rows: Mapping[str, Any], wanted: str, most: int = ROWS) -> Listed:
    """Return the rows of a mapping that fit, the first ones of them."""
    found = fitting(rows.items(), wanted)
    return Listed(found[:most], len(found), len(rows))


def params_of(record: RunRecord, wanted: str) -> Listed:
    """Return the parameters that fit."""
    return listed(record.data.params, wanted)


def tags_of(record: RunRecord, wanted: str) -> Listed:
    """Return the tags that users set."""
    return listed(own(record.data.tags), wanted)


def metrics_of(record: RunRecord, wanted: str, *, system: bool) -> Listed:
    """Return the metrics whose names fit, with what is known of them: those of the machine, or the others."""
    word = wanted.casefold()
    every = [key for key in sorted(record.metric_summaries) if key.startswith(SYSTEM) is system]
    fit = [key for key in every if word in key.casefold()]
    return Listed([(key, record.metric_summaries[key]) for key in fit[:ROWS]], len(fit), len(every))


def shares_of(state: Any) -> list[Share]:
    """Return how much of what a run logged the store had already, as stretches of a bar.

    Example:
        >>> from types import SimpleNamespace
        >>> log = SimpleNamespace(bytes=100, new_bytes=40, again_bytes=10)
        >>> [(share.name, share.size, share.start, share.width) for share in shares_of(log)]
        [('there', 60, 0.0, 60.0), ('again', 10, 60.0, 10.0), ('new', 30, 70.0, 30.0)]
    """
    again = min(state.again_bytes, state.new_bytes)
    sizes = [
        ("there", "already in the store", max(state.bytes - state.new_bytes, 0)),
        ("again", "in the store, stored again to keep files together", again),
        ("new", "new to the store", state.new_bytes - again),
    ]
    total, at, found = sum(size for _, _, size in sizes) or 1, 0.0, []
    for name, title, size in sizes:
        width = round(100 * size / total, 2)
        found.append(Share(name, title, size, round(at, 2), width))
        at += width
    return [share for share in found if share.size]


def environment_of(facts: Mapping[str, Any], wanted: str) -> list[tuple[str, Listed]]:
    """Return what ran where, as sections of rows: the main facts first, the packages last."""
    packages = facts.get("distributions")
    versions = {str(name): str(version) for name, version in _mapping(packages).items()}
    rest = {name: value for name, value in facts.items() if name not in ("distributions", "process")}
    return [
        ("Command", listed(dict(_flat("", _process(facts.get("process")), 0)), wanted)),
        ("Facts", listed(dict(_flat("", rest, 0)), wanted)),
        ("Packages", listed(versions, wanted, most=2 * ROWS)),
    ]


def _process(found: Any) -> dict[str, Any]:
    process = dict(_mapping(found))
    words = process.get("command")
    return process | ({"command": shlex.join(map(str, words))} if isinstance(words, list) else {})


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _flat(name: str, value: Any, depth: int) -> Iterable[tuple[str, str]]:
    """Yield nested facts, each by the names that lead to it."""
    parts: Iterable[tuple[str, Any]] = ()
    if isinstance(value, Mapping) and depth < _DEEPEST:
        parts = ((str(key), one) for key, one in value.items())
    elif isinstance(value, list) and depth < _DEEPEST and any(isinstance(one, dict | list) for one in value):
        parts = ((str(n), one) for n, one in enumerate(value[:ROWS]))
    else:
        yield name, _text(name, value)
    for key, one in parts:
        yield from _flat(f"{name}.{key}" if name else key, one, depth + 1)


def _text(name: str, value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and name.endswith("_bytes"):
        return format_size(value)
    if isinstance(value, list):
        return "\n".join(str(one) for one in value)
    return "" if value is None else str(value)
