"""The operations that a log entry can hold, and what each must look like.

One table. An operation that this version does not know is refused by name,
unless its name begins with `x-`; one that lacks a field is damage. SPEC.md, "Logs".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from holdall.errors import FormatError, InvalidPathError, UnsupportedFeatureError
from holdall.format import digest
from holdall.format.layout import EXPERIMENTS, MODELS, NAMES, RUNS, parse_model_id
from holdall.format.paths import check_path
from holdall.format.reference import JSON_BLOB, NODE, ref_from_json


def number(value: object) -> float | None:
    """Return the float that a metric's value means, `"nan"` and `"inf"` included; None if it is no number."""
    if value in ("nan", "inf", "-inf"):
        return float(str(value))
    exact = integer(value)
    return value if isinstance(value, float) else None if exact is None else float(exact)


def measured(value: object) -> float:
    """Return the float that a metric's value means, which was checked before; minus zero is kept."""
    found = number(value)
    return 0.0 if found is None else found


def integer(value: object) -> int | None:
    """Return the integer that this means: itself, or beyond 2^53 either way its digits; None if it is none."""
    if type(value) is int and abs(value) <= 2**53:
        return value
    if isinstance(value, str) and re.fullmatch(r"-?[1-9][0-9]{15,99}", value) and abs(int(value)) > 2**53:
        return int(value)
    return None


def is_text(value: object) -> bool:
    """Return whether this is a string."""
    return isinstance(value, str)


def is_text_or_null(value: object) -> bool:
    """Return whether this is a string or null."""
    return value is None or isinstance(value, str)


def is_integer(value: object) -> bool:
    """Return whether this means an integer."""
    return integer(value) is not None


def is_count(value: object) -> bool:
    """Return whether this is an integer from 0 to 2^53 - 1."""
    return type(value) is int and 0 <= value < 2**53


def _is_version(value: object) -> bool:
    return is_count(value) and value != 0


def _is_version_or_null(value: object) -> bool:
    return value is None or _is_version(value)


def _is_file_digest(value: object) -> bool:
    return bool(digest.parse(digest.SHA256, value, "version"))


def is_session(value: object) -> bool:
    """Return whether this is a session's id: 32 lower-case hex digits."""
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value) is not None


def _is_experiment(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[0-9a-f]{16}", value) is not None


def _is_tree(value: object) -> bool:
    return value is None or bool(ref_from_json(value, "commit", NODE))


def _is_reference(value: object) -> bool:
    return bool(ref_from_json(value, "environment", JSON_BLOB))


def _is_points(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(point, list)
        and len(point) == 4
        and isinstance(point[0], str)
        and number(point[1]) is not None
        and is_integer(point[2])
        and is_integer(point[3])
        for point in value
    )


def _is_paths(value: object) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MOST_REMOVED and all(map(_is_path, value))


def _is_path(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(check_path(value))
    except InvalidPathError:
        return False


def _is_group(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= MOST_GROUP_NAME


def _is_world(value: object) -> bool:
    return type(value) is int and 0 < value <= MOST_RANKS


def _is_path_or_root(value: object) -> bool:
    return value == "" or _is_path(value)


Fields: TypeAlias = dict[str, Callable[[Any], bool]]
STATUSES: Final = ("RUNNING", "SCHEDULED", "FINISHED", "FAILED", "KILLED")
VERSIONED: Final = "versioned"  # the `paths` of a run whose paths may change
MOST_REMOVED: Final = 10_000  # paths that one operation takes away
MOST_RANKS: Final = 1 << 16  # of a group
MOST_GROUP_NAME: Final = 250  # characters
STAGES: Final = ("None", "Staging", "Production", "Archived")
_COUNTS: Final[Fields] = dict.fromkeys(("files", "bytes", "new_bytes", "stored_bytes"), is_count)

# fields that an operation may have or not: `again_bytes` only where it is not 0
_OPTIONAL: Final[dict[str, Fields]] = {
    "create": {"paths": (VERSIONED,).__contains__},
    "commit": {"again_bytes": is_count},
    "part": {"again_bytes": is_count, "since": is_count},
    "pin": {"path": is_text},
}

# name of an operation -> its fields, each with what its value must be
_OPS: Final[dict[str, Fields]] = {
    "open": {"session": is_session},
    "close": {"session": is_session},
    "commit": {"tree": _is_tree} | _COUNTS,
    "remove": {"paths": _is_paths},
    "trim": {"path": _is_path_or_root, "before": is_count},
    "part": {"group": _is_group, "world": _is_world, "attempt": is_count, "rank": is_count, "tree": _is_tree} | _COUNTS,
    "unpart": {"group": _is_group},
    "param": {"key": is_text, "value": is_text},
    "metric": {"points": _is_points},
    "tag": {"key": is_text, "value": is_text_or_null},
    "status": {"status": STATUSES.__contains__},
    "fence": {"generation": is_count},
    "environment": {"facts": _is_reference},
    "pin": {"pin": is_text, "by": is_text},
    "unpin": {"pin": is_text},
    "tombstone": {},
    "restore": {},
    "purge": {},
    "claim": {"id": is_text, "at": is_count},
    "release": {"id": is_text},
}

# the same, for operations of registered models' logs alone
MODEL_OPS: Final[dict[str, Fields]] = {
    "name": {"name": is_text},
    "version": {
        "version": _is_version,
        "run": is_session,
        "digest": _is_file_digest,
        **dict.fromkeys(("source", "path", "pin"), is_text),
        **dict.fromkeys(("user", "run_link", "model_id"), is_text_or_null),
    },
    "drop": {"version": _is_version},
    "alias": {"alias": is_text, "version": _is_version_or_null},
    "stage": {"version": _is_version, "stage": STAGES.__contains__},
    "describe": {"version": _is_version_or_null, "text": is_text_or_null},
    "version_tag": {"version": _is_version, "key": is_text, "value": is_text_or_null},
}


def add_op(ops: list[dict[str, Any]], op: dict[str, Any]) -> None:
    """Append an operation to others; metric points join those of the last operation."""
    if ops and op["op"] == ops[-1]["op"] == "metric":
        ops[-1]["points"] += op["points"]
    else:
        ops.append(op)


def weight(op: dict[str, Any]) -> int:
    """Return about how many bytes an operation takes in an entry, at most."""
    points = op.get("points", ())
    texts = [*op.values(), *(point[0] for point in points)]
    return 100 * (1 + len(points)) + 6 * sum(len(text) for text in texts if isinstance(text, str))


_EVERY: Final = frozenset(("create", *_OPS, *MODEL_OPS))

# folder of logs -> operations that may be there; in the reserved logs of logged models all may
_BELONG: Final = {
    RUNS: frozenset(("create", *_OPS)) - {"claim", "release"},
    EXPERIMENTS: frozenset(("create", "tag", "tombstone", "restore")),
    MODELS: frozenset(("create", "tag", "tombstone", *MODEL_OPS)),
    NAMES: frozenset(("create", "claim", "release")),
}


def belonging(log: str) -> frozenset[str]:
    """Return the names of the operations that may be in a log."""
    folder, _, id = log.partition("/")
    reserved = folder + "/" == MODELS and parse_model_id(id) is not None
    return _EVERY if reserved else _BELONG.get(folder + "/", _EVERY)


def check_op(op: object, what: str, *, of_model: bool = False, allowed: frozenset[str] = _EVERY) -> str:
    """Return the name of an operation. Raises: FormatError, UnsupportedFeatureError."""
    name = op.get("op") if isinstance(op, dict) else None
    if not isinstance(op, dict) or not isinstance(name, str):
        raise FormatError(what, f"{op!r} is not an operation")
    if name == "create":
        fields: Fields = {"experiment": _is_experiment} if "experiment" in op else {"name": is_text}
        fields |= {key: good for key, good in _OPTIONAL["create"].items() if key in op and "experiment" in op}
    elif name in _OPS:
        fields = _OPS[name] | {key: good for key, good in _OPTIONAL.get(name, {}).items() if key in op}
    elif of_model and name in MODEL_OPS:
        fields = MODEL_OPS[name]
    elif name.startswith("x-"):
        return name
    else:
        raise UnsupportedFeatureError(what, f"operation {name}")
    for key, good in fields.items():
        if key not in op or not good(op[key]):
            raise FormatError(what, f"operation {name} has {key} {op.get(key)!r}")
    if name == "part" and op["rank"] >= op["world"]:
        raise FormatError(what, f"operation part is of rank {op['rank']} of {op['world']}")
    if name not in allowed:
        raise FormatError(what, f"operation {name} does not belong in this log")
    return name
