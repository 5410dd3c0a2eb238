"""JSON and JSON lines: values in values, folded."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from holdall.surfaces.web.previews.sample import TEXT, NoPreview, Preview, Sample
from holdall.terminal import printable

_DEEPEST: Final = 10
_NODES: Final = 2_000
_WIDEST: Final = 300  # children of one value that are shown
_LONGEST: Final = 1_000
_LINES: Final = 200


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it is shown. Attributes: key, text, kind ("object", "array", "text", "number", ...), below, more."""

    key: str
    text: str
    kind: str
    below: tuple[Value, ...] = ()
    more: int = 0


def fits(sample: Sample) -> bool:
    """Return whether it is called so, or begins like it; in any case it is text."""
    called = sample.suffix in (".json", ".jsonl", ".ndjson", ".geojson")
    return sample.is_text and (called or sample.head.lstrip()[:2] in (b'{"', b"[{", b"[[", b"{\n"))


def show(sample: Sample) -> Preview:
    """Show it folded; as text where it is too long, or none."""
    if sample.suffix in (".jsonl", ".ndjson"):
        return _lines(sample)
    if sample.size > TEXT:
        raise NoPreview("it is shown as text, as it is long")
    value = parse(sample.text()[0])
    tree = _Builder().value("", value, 0)
    return Preview("JSON", "json.html", {"values": [tree], "open": True})


def parse(text: str) -> Any:
    """Return the value of a JSON text. Raises: NoPreview: It is none, or deeper than anybody's."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise NoPreview(f"it is shown as text, as it is no JSON that can be read: {str(error)[:200]}") from error


def _lines(sample: Sample) -> Preview:
    text = sample.text()[0]
    lines = (text if sample.size <= TEXT else text[: text.rfind("\n") + 1]).splitlines()
    builder = _Builder()
    values = [builder.value(str(n), parse(line), 0) for n, line in enumerate(lines[:_LINES], 1) if line.strip()]
    cut = sample.size > TEXT or len(lines) > _LINES
    notes = (f"these are the first {len(values)} lines",) if cut else ()
    return Preview("JSON lines", "json.html", {"values": values, "open": False}, notes)


class _Builder:
    """Makes what is shown of values, as long as there is room."""

    def __init__(self) -> None:
        self._left = _NODES

    def value(self, key: str, value: Any, depth: int) -> Value:
        self._left -= 1
        if isinstance(value, dict):
            told = f"{len(value)} keys"
            return self._folded(key, told, "object", ((str(name), one) for name, one in value.items()), value, depth)
        if isinstance(value, list):
            told = f"{len(value)} items"
            return self._folded(key, told, "array", ((str(n), one) for n, one in enumerate(value)), value, depth)
        text = json.dumps(value, ensure_ascii=False)
        kind = "text" if isinstance(value, str) else "number" if isinstance(value, int | float) else "word"
        return Value(_cut(key), _cut(text), kind)

    def _folded(
        self, key: str, told: str, kind: str, parts: Iterable[tuple[str, Any]], value: Any, depth: int
    ) -> Value:
        below: list[Value] = []
        if depth < _DEEPEST:
            for name, one in parts:
                if self._left <= 0 or len(below) == _WIDEST:
                    break
                below.append(self.value(name, one, depth + 1))
        return Value(_cut(key), told, kind, tuple(below), len(value) - len(below))


def _cut(text: str) -> str:
    return printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
