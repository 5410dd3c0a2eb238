"""What a directory of a run holds, as the commands show it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdall.sizes import format_size


def rows_of(artifacts: Sequence[dict[str, Any]]) -> list[list[str]]:
    """Return what `contents` returns as rows of a table: size and path."""
    return [[_amount(one), _place(one)] for one in artifacts]


def _amount(one: dict[str, Any]) -> str:
    return format_size(one["bytes"]) if one.get("files", 1) and "bytes" in one else "-"


def _place(one: dict[str, Any]) -> str:
    match one["kind"]:
        case "directory":
            return f"{one['path']}/"
        case "link":
            return f"{one['path']} -> {one['target']}"
        case "reference":
            return f"{one['path']}{'/' if one['uri'].endswith('/') else ''} -> {one['uri']}"
    return str(one["path"])
