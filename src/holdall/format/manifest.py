"""What a run holds, as text that `sha256sum -c` accepts.

    9f86d08…  report.txt
    # link "latest" -> "report.txt"

Links and directories are comments, so that the digest of the text covers
them too. SPEC.md, "Manifest".
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace

from holdall.format import digest
from holdall.format.tree import Entry, Kind


def manifest_text(entries: Iterable[Entry]) -> str:
    """Return the manifest of some entries: a line for each, sorted by the bytes of the path."""
    return "".join(_line(entry) + "\n" for entry in sorted(entries, key=lambda entry: entry.path.encode()))


def manifest_digest(text: str) -> str:
    """Return the digest of a manifest, `sha256:` of exactly this text."""
    return digest.show(digest.SHA256, digest.sha256(text.encode()))


def digest_below(entries: Iterable[Entry], top: str) -> str:
    """Return the digest of what a run holds at or below a path ("": everywhere), empty directories left out.

    Paths are relative to it, a single file's is its name: so the same files have the same digest wherever they are.
    """
    below = (_from(entry, top) for entry in entries if entry.kind is not Kind.DIRECTORY)
    return manifest_digest(manifest_text(below))


def _from(entry: Entry, top: str) -> Entry:
    below = entry.path[len(top) :].lstrip("/") if top else entry.path
    return replace(entry, path=below or entry.path.rpartition("/")[2])


def _line(entry: Entry) -> str:
    if entry.kind is Kind.LINK:
        return f"# link {_quoted(entry.path)} -> {_quoted(entry.target)}"
    if entry.kind is Kind.DIRECTORY:
        return f"# directory {_quoted(entry.path)}"
    path = _escape(entry.path)
    return f"{'' if path == entry.path else chr(92)}{entry.sha256.hex()}  {path}"


def _escape(path: str) -> str:
    return path.replace("\n", "\\n").replace("\r", "\\r")


def _quoted(text: str) -> str:
    """Return a path as a JSON string, so that none can look like a path, an arrow and another path."""
    return json.dumps(text, ensure_ascii=False)
