"""The same rights for Google Cloud Storage: bindings of its predefined roles, with conditions on names.

Who may create and not delete cannot overwrite there either: replacing an object needs storage.objects.delete.
So creating only what is absent needs no condition, and who deletes may overwrite. A condition may have 12 logical
operators, so long ones are cut in several bindings.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final

from holdall.access.rights import WHOLE, Rights, folder

MEMBER: Final = "MEMBER"  # for whom: whoever applies it puts a name there, such as serviceAccount:NAME@PROJECT...
_OPERATORS: Final = 12


def bindings(rights: Rights, bucket: str, prefix: str) -> dict[str, Any]:
    """Return rights as a policy of a bucket, whose members are to be filled in."""
    base = folder(prefix)
    listed = [pattern.removesuffix("*") for pattern in rights.list if "?" not in pattern]
    reads = [_object(bucket, base + key) for key in rights.get] + [_listing(base + key) for key in listed]
    found = [
        *_bindings("roles/storage.objectViewer", "read", reads),
        *_bindings("roles/storage.objectCreator", "create", [_object(bucket, base + key) for key in rights.put]),
        *_bindings("roles/storage.objectUser", "delete", [_object(bucket, base + key) for key in rights.delete]),
    ]
    return {"version": 3, "bindings": found}


def _bindings(role: str, what: str, terms: Sequence[str]) -> Iterator[dict[str, Any]]:
    for n, at in enumerate(range(0, len(terms), _OPERATORS + 1), 1):
        expression = " || ".join(terms[at : at + _OPERATORS + 1])
        title = f"holdall {what}" + (f" {n}" if len(terms) > _OPERATORS + 1 else "")
        yield {"role": role, "members": [MEMBER], "condition": {"title": title, "expression": expression}}


def _object(bucket: str, key: str) -> str:
    name = json.dumps(f"projects/_/buckets/{bucket}/objects/{key}")
    return f"resource.name == {name}" if key.endswith(WHOLE) else f"resource.name.startsWith({name})"


def _listing(prefix: str) -> str:
    return f'api.getAttribute("storage.googleapis.com/objectListPrefix", "").startsWith({json.dumps(prefix)})'
