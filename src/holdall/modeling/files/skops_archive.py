"""Archives of skops whose bytes depend on the model alone.

skops names things by their addresses in memory and stamps files with the time,
so that the same model never gives the same bytes twice. Here the names become
numbers in the order in which they occur, and the time is always the same one;
what skops reads back is the same object.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any, Final

_SCHEMA: Final = "schema.json"
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # the first that a zip file can say
_NAMED: Final = re.compile(r"(\d+)(\.\w+)")


def steady(data: bytes) -> bytes:
    """Return the same archive with names and times that say nothing. Raises: KeyError, BadZipFile, where it is none."""
    numbers: dict[str, str] = {}
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(written, "w") as new:
        schema = _renamed(json.loads(old.read(_SCHEMA)), numbers)
        members = {_member(name, numbers): name for name in old.namelist() if name != _SCHEMA}
        for name in sorted(members):
            new.writestr(zipfile.ZipInfo(name, _EPOCH), old.read(members[name]))
        new.writestr(zipfile.ZipInfo(_SCHEMA, _EPOCH), json.dumps(schema, indent=2))
    return written.getvalue()


def _renamed(node: Any, numbers: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_renamed(each, numbers) for each in node]
    if not isinstance(node, dict):
        return node
    found: dict[str, Any] = {}
    for key, value in node.items():
        if key == "__id__":
            found[key] = int(_number(str(value), numbers))
        elif key == "file" and isinstance(value, str):
            found[key] = _member(value, numbers)
        else:
            found[key] = _renamed(value, numbers)
    return found


def _member(name: str, numbers: dict[str, str]) -> str:
    named = _NAMED.fullmatch(name)
    return _number(named[1], numbers) + named[2] if named else name


def _number(name: str, numbers: dict[str, str]) -> str:
    return numbers.setdefault(name, str(len(numbers)))
