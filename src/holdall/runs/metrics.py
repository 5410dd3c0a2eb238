"""Parameters, measurements and tags: what may be logged, and reading series back.

The rules of keys and values are MLflow's, so that what one takes the other
takes. A number that JSON cannot hold (NaN, the infinities) is kept as its name.
"""

from __future__ import annotations

import math
import operator
import re
import reprlib
from collections.abc import Iterable, Mapping
from posixpath import normpath
from typing import Any, Final

from holdall.chunks.pool import Pool
from holdall.display import Listing
from holdall.errors import InvalidNameError
from holdall.format.document import Json
from holdall.format.ops import STATUSES, integer, measured
from holdall.runs.arguments import named_values
from holdall.runs.record import Metric
from holdall.trees.measured import measurements
from holdall.trees.view import View

_KEY: Final = re.compile(r"[/\w.\- :]+")
MAX_KEY, MAX_PARAM, MAX_TAG = 250, 6000, 8000
_TOGETHER: Final = 500  # measurements in one operation


def param_op(key: str, value: Any) -> Json:
    """Return the operation that logs a parameter; its value is kept as `str(value)`."""
    return {"op": "param", "key": _key("parameter", key), "value": _text("value of parameter", str(value), MAX_PARAM)}


def tag_op(key: str, value: Any, *, limit: int = MAX_TAG) -> Json:
    """Return the operation that sets a tag, or removes it when the value is None. `limit`: in characters."""
    text = None if value is None else _text("value of tag", str(value), limit)
    return {"op": "tag", "key": _key("tag", key), "value": text}


def metric_ops(metrics: Mapping[str, Any], step: Any, time: Any) -> list[Json]:
    """Return the operations that log measurements taken together. `time` in ms since 1970 UTC."""
    when = [_integer("step", 0 if step is None else step), _integer("timestamp", time)]
    points = [
        [_key("metric", key), _number(key, value), *when] for key, value in named_values("metrics", metrics).items()
    ]
    return [{"op": "metric", "points": points[at : at + _TOGETHER]} for at in range(0, len(points), _TOGETHER)]


def point_ops(points: Iterable[tuple[str, Any, Any, Any]]) -> list[Json]:
    """Return the operations that log measurements, each a key, a number, a step and a time in ms since 1970 UTC."""
    rows = [
        [_key("metric", key), _number(key, value), _integer("step", step), _integer("timestamp", time)]
        for key, value, step, time in points
    ]
    return [{"op": "metric", "points": rows[at : at + _TOGETHER]} for at in range(0, len(rows), _TOGETHER)]


def status_op(status: str) -> Json:
    """Return the operation that sets a run's status."""
    if status not in STATUSES:
        raise InvalidNameError("status", str(status), f"known are {', '.join(STATUSES)}")
    return {"op": "status", "status": status}


def history(view: View, pool: Pool, key: str) -> list[Metric]:
    """Return every measurement of a key, in the order in which they were logged. Cost: as `measurements`."""
    return Listing(map(_metric, measurements(view, key, pool)))


def _metric(point: list[Any]) -> Metric:
    key, value, step, time = point
    return Metric(key, measured(value), integer(time) or 0, integer(step) or 0)


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


def _single(value: Any) -> Any:
    """Return the element of an array or tensor of one, of any library; any other value unchanged."""
    if callable(getattr(value, "item", None)):  # numpy's, torch's, jax's, cupy's, pandas'
        return value.item()
    return value.numpy().item() if callable(getattr(value, "numpy", None)) else value  # tensorflow's


def _number(key: str, value: Any) -> float | str:
    try:
        found = float(_single(value))
    except Exception as error:  # each library has failures of its own for what has more elements than one
        raise InvalidNameError("value of metric", key, f"{reprlib.repr(value)} is not a number") from error
    return found if math.isfinite(found) else str(found)


def _integer(what: str, value: Any) -> int | str:
    """Return an integer of any library, or a float without its fraction of a millisecond."""
    try:
        plain = _single(value)
        found = int(plain) if isinstance(plain, float) else operator.index(plain)
    except Exception as error:  # as above
        raise InvalidNameError(what, reprlib.repr(value), "it is not an integer") from error
    if not -(2**63) <= found < 2**63:
        raise InvalidNameError(what, str(found), "it does not fit into 64 bits")
    return found if abs(found) <= 2**53 else str(found)
