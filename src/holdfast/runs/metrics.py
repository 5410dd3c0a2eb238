"""Parameters, measurements and tags: what may be logged, and reading series back.

The rules of keys and values are MLflow's, so that what one takes the other
takes. A number that JSON cannot hold (NaN, the infinities) is kept as its name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from posixpath import normpath
from typing import Any, Final

from holdfast.errors import InvalidNameError
from holdfast.format.document import Json
from holdfast.format.ops import number
from holdfast.runs.record import Metric
from holdfast.trees.journal import Journal
from holdfast.trees.view import View

_KEY: Final = re.compile(r"[/\w.\- :]+")
MAX_KEY, MAX_PARAM, MAX_TAG = 250, 6000, 8000


def param_op(key: str, value: Any) -> Json:
    """The operation that logs a parameter; its value is kept as `str(value)`."""
    return {"op": "param", "key": _key("parameter", key), "value": _text("value of parameter", str(value), MAX_PARAM)}


def tag_op(key: str, value: Any) -> Json:
    """The operation that sets a tag, or removes it when the value is None."""
    text = None if value is None else _text("value of tag", str(value), MAX_TAG)
    return {"op": "tag", "key": _key("tag", key), "value": text}


def metric_op(metrics: Mapping[str, Any], step: int | None, time: int) -> Json:
    """The operation that logs measurements taken together. `time` in ms since 1970 UTC."""
    points = [[_key("metric", key), _number(key, value), step or 0, time] for key, value in metrics.items()]
    return {"op": "metric", "points": points}


def history(journal: Journal, view: View, key: str) -> list[Metric]:
    """Every measurement of a key, in the order in which they were logged. Cost: one GET per 1,000 or so."""
    entries = journal.read_many(view.state.batches) if key in view.state.metrics else []
    points = (point for entry in entries for op in entry.ops if op["op"] == "metric" for point in op["points"])
    return [Metric(key, float(number(p[1]) or 0.0), p[3], p[2]) for p in points if p[0] == key]


def _key(what: str, key: str) -> str:
    if not isinstance(key, str) or not _KEY.fullmatch(key):
        raise InvalidNameError(what, str(key), "a name has letters, digits, _ - . / : and spaces, and is not empty")
    if normpath(key) != key or key.startswith(("/", "..")) or key == ".":
        raise InvalidNameError(what, key, "as a path it is not in its shortest form, or leaves its place")
    return _text(what, key, MAX_KEY)


def _text(what: str, text: str, most: int) -> str:
    if len(text) > most:
        raise InvalidNameError(what, f"{text[:40]}...", f"it has {len(text)} characters, more than {most}")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidNameError(what, repr(text), "it is not valid UTF-8") from error
    return text


def _number(key: str, value: Any) -> float | str:
    try:
        found = float(value)
    except (TypeError, ValueError) as error:
        raise InvalidNameError("value of metric", key, f"{value!r} is not a number") from error
    return found if math.isfinite(found) else str(found)
