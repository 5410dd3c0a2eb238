"""Documents: a line of JSON, and a line that proves it.

    {"any":"object"}
    {"sha256":"..."}

The second line is the SHA-256 of the first's bytes, so that nothing is ever
re-serialised to be checked, and the newest entry of a log, which no later one
chains to, is protected too. SPEC.md, "Documents".
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from holdall.errors import FormatError
from holdall.format import digest

MAX_DOCUMENT: Final = 4 << 20
MAX_DEPTH: Final = 64
Json: TypeAlias = dict[str, Any]


def encode_document(body: Mapping[str, Any]) -> bytes:
    """Return the two lines of a document with this body."""
    first = json.dumps(body, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()
    return b"%s\n%s\n" % (first, _second_line(first))


def parse_document(data: bytes, what: str) -> tuple[Json, str]:
    """Return the body of a document and the hex of its SHA-256.

    Raises:
        FormatError: Some byte of it is not what was written.
    """
    lines = data.split(b"\n") if len(data) <= MAX_DOCUMENT else []
    if len(lines) != 3 or lines[2]:
        raise FormatError(what, "it is not a document of two lines")
    if lines[1] != _second_line(lines[0]):
        raise FormatError(what, "its second line is not the digest of its first")
    return parse_object(lines[0], what, "its first line"), digest.sha256(lines[0]).hex()


def parse_object(data: bytes, what: str, part: str) -> Json:
    """Return the JSON object in these bytes, read by the strict rules that hold for everything in a store.

    Args:
        data: UTF-8.
        what: What they belong to, for errors.
        part: Which part of that it is, likewise.

    Raises:
        FormatError: They are something else, or nest more than 64 levels deep.
    """
    try:
        text = data.decode()
        body = json.loads(text, object_pairs_hook=_no_twins, parse_constant=_refuse_constant, parse_float=_finite)
        # Few brackets cannot nest deeply, which spares the usual one the walk.
        if text.count("[") + text.count("{") > MAX_DEPTH:
            _check_depth(body)
        if "\\u" in text:
            json.dumps(body, ensure_ascii=False).encode()  # half of a surrogate pair is no UTF-8
    except (ValueError, RecursionError) as error:
        raise FormatError(what, f"{part} is not JSON: {error}") from error
    if not isinstance(body, dict):
        raise FormatError(what, f"{part} is not a JSON object")
    return body


def _check_depth(body: object) -> None:
    level: list[object] = [body]
    for _ in range(MAX_DEPTH):
        level = [value for each in level for value in _values(each) if isinstance(value, dict | list)]
        if not level:
            return
    raise ValueError(f"it nests more than {MAX_DEPTH} deep")


def _values(value: object) -> Iterable[object]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _second_line(first: bytes) -> bytes:
    return b'{"sha256":"%s"}' % digest.sha256(first).hex().encode()


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _no_twins(pairs: list[tuple[str, Any]]) -> Json:
    body = dict(pairs)
    if len(body) != len(pairs):
        raise ValueError("an object has a key twice")
    return body


def _finite(text: str) -> float:
    if math.isfinite(value := float(text)):
        return value
    raise ValueError(f"{text} is no finite number")


def count_of(body: Mapping[str, Any], name: str, what: str) -> int:
    """Return a field that is an integer from 0 to 2^53 - 1. Raises: FormatError, about `what`."""
    value = body.get(name)
    if type(value) is not int or not 0 <= value < 2**53:
        raise FormatError(what, f"its {name} is {value!r}, not a count")
    return value
