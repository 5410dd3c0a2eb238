"""Text and code, with numbers of lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from holdall.sizes import format_size
from holdall.surfaces.web.previews.sample import TEXT, Preview, Sample

LINES: Final = 2_000
LONGEST: Final = 2_000
"""Characters of a line that are shown."""
_KINDS: Final[Mapping[str, str]] = {
    ".py": "Python", ".yaml": "YAML", ".yml": "YAML", ".toml": "TOML", ".sh": "shell", ".ini": "INI", ".sql": "SQL",
    ".js": "JavaScript", ".css": "CSS", ".xml": "XML", ".html": "HTML", ".svg": "SVG", ".json": "JSON",
    ".md": "Markdown", ".log": "log", ".r": "R", ".c": "C", ".cpp": "C++", ".rs": "Rust", ".go": "Go",
}  # fmt: skip


def fits(sample: Sample) -> bool:
    """Return whether its first bytes are text."""
    return sample.size > 0 and sample.is_text


def show(sample: Sample) -> Preview:
    """Show its first lines."""
    text, encoding = sample.text()
    kind = _KINDS.get(sample.suffix, "text")
    return Preview(f"{kind}, {encoding}", "text.html", lines_of(text), cut_notes(sample, text))


def lines_of(text: str) -> dict[str, Any]:
    """Return the lines that are shown of a text."""
    lines = text.split("\n")[: LINES + 1]
    return {"lines": [line if len(line) <= LONGEST else f"{line[:LONGEST]}..." for line in lines[:LINES]]}


def cut_notes(sample: Sample, text: str) -> tuple[str, ...]:
    """Return what has to be said where not all of a text is shown."""
    notes = []
    if sample.size > TEXT:
        notes.append(f"these are the first {format_size(TEXT)} of {format_size(sample.size)}")
    if (count := text.count("\n")) > LINES:
        notes.append(f"these are the first {LINES} of {count} lines")
    if any(len(line) > LONGEST for line in text.split("\n")[:LINES]):
        notes.append(f"lines are cut after {LONGEST} characters")
    return tuple(notes)
