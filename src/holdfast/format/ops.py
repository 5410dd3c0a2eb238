"""The operations that a log entry can hold, and what each must look like.

One table. An operation that this version does not know is refused by name,
unless its name begins with `x-`; one that lacks a field is damage. SPEC.md, 9.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from holdfast.errors import FormatError, UnsupportedFeatureError
from holdfast.format.reference import ref_from_json


def number(value: object) -> float | None:
    """The float that a metric's value stands for, also where JSON has none; None if it is none."""
    if value in ("nan", "inf", "-inf"):
        return float(str(value))
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_text_or_null(value: object) -> bool:
    return value is None or isinstance(value, str)


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**53


def _is_hex16(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value) is not None


def _is_tree(value: object) -> bool:
    return value is None or bool(ref_from_json(value, "commit"))


def _is_points(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(point, list)
        and len(point) == 4
        and isinstance(point[0], str)
        and number(point[1]) is not None
        and type(point[2]) is int
        and type(point[3]) is int
        for point in value
    )


Fields: TypeAlias = dict[str, Callable[[Any], bool]]
STATUSES: Final = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
_COUNTS: Final[Fields] = dict.fromkeys(("files", "bytes", "new_bytes", "stored_bytes"), _is_count)

# name of an operation -> its fields, each with what its value must be
_OPS: Final[dict[str, Fields]] = {
    "open": {"session": _is_hex16},
    "close": {"session": _is_hex16},
    "commit": {"tree": _is_tree} | _COUNTS,
    "param": {"key": _is_text, "value": _is_text},
    "metric": {"points": _is_points},
    "tag": {"key": _is_text, "value": _is_text_or_null},
    "status": {"status": STATUSES.__contains__},
    "fence": {"generation": _is_count},
    "pin": {"pin": _is_text, "by": _is_text},
    "unpin": {"pin": _is_text},
    "tombstone": {},
    "restore": {},
    "purge": {},
    "claim": {"id": _is_text},
    "release": {"id": _is_text},
}


def check_op(op: object, what: str) -> None:
    """Refuse an operation that is unknown or lacks a field."""
    name = op.get("op") if isinstance(op, dict) else None
    if not isinstance(op, dict) or not isinstance(name, str):
        raise FormatError(what, f"{op!r} is not an operation")
    if name == "create":
        fields: Fields = {"experiment" if "experiment" in op else "name": _is_text}
    elif name in _OPS:
        fields = _OPS[name]
    elif name.startswith("x-"):
        return
    else:
        raise UnsupportedFeatureError(what, f"operation {name}")
    for key, good in fields.items():
        if key not in op or not good(op[key]):
            raise FormatError(what, f"operation {name} has {key} {op.get(key)!r}")
