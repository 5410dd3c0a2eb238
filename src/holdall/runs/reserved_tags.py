"""What holdall itself has to say of a run: tags of reserved names, each a JSON object.

    holdall.<kind>.<16 hex>    {"time": ..., ...}

The digits are made of what the remark is about. So to say the same again
replaces it, remarks about different things never meet, and neither needs to be
read before it is written. SPEC.md, "Tags and the environment".

Tags are anyone's to set: what cannot be understood is passed over.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

_PREFIX: Final = "holdall."


def remark(kind: str, about: Sequence[object], body: Mapping[str, Any]) -> dict[str, str]:
    """Return a remark as a tag: its key and its value."""
    return {f"{_PREFIX}{kind}.{name_of(about)}": json.dumps(body, separators=(",", ":"))}


def name_of(about: Sequence[object]) -> str:
    """Return 16 hex digits for what a remark is about."""
    return hashlib.sha256(json.dumps(list(about)).encode()).hexdigest()[:16]


def remarks(tags: Mapping[str, str], kind: str) -> list[dict[str, Any]]:
    """Return the bodies of all remarks of a kind, the oldest first. Each has a `time`, in ms since 1970 UTC."""
    begin = f"{_PREFIX}{kind}."
    found = [parsed(tags[key]) for key in sorted(tags) if key.startswith(begin) and "." not in key[len(begin) :]]
    return sorted((body for body in found if body is not None), key=lambda body: body["time"])


def parsed(text: str) -> dict[str, Any] | None:
    """The object that a reserved tag holds; None where it is none, or has no time."""
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) and type(body.get("time")) is int else None


def texts(body: Mapping[str, Any], *names: str) -> bool:
    """Return whether all of these fields of a remark are strings."""
    return all(isinstance(body.get(name), str) for name in names)
