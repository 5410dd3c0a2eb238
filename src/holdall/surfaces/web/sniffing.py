"""What a file is by its first bytes, whatever it is called. Nothing here is read or parsed further."""

from __future__ import annotations

import re
from typing import Final

HEAD: Final = 16 << 10
"""Bytes from which a kind is told."""

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"ID3", "audio/mpeg"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
_RIFF: Final = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_MARKUP: Final = re.compile(  # comments in one way alone (?>): in all that there are, two of them take twice as long
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]{0,200}\?>\s*)?(?>(?:<!--.{0,2000}?-->\s*+)*)(?:<!doctype\s+(html|svg)\b|<(html|svg)[\s>/])",
    re.IGNORECASE | re.DOTALL,
)


def media_type_of(head: bytes) -> str | None:
    """Return the type of a picture, sound or film that browsers show; None for anything else, SVG too.

    Example:
        >>> media_type_of(b"GIF89a..."), media_type_of(b"<svg ..."), media_type_of(b"RIFF1234WAVE")
        ('image/gif', None, 'audio/wav')
    """
    for magic, kind in _MAGIC:
        if head.startswith(magic):
            return kind
    if head[:4] == b"RIFF":
        return _RIFF.get(head[8:12])
    if head[4:8] == b"ftyp":
        return "video/mp4"
    return None


def markup_of(head: bytes) -> str | None:
    """Return "html" or "svg" where a file begins as such a document; else None."""
    found = _MARKUP.match(head[:4096])
    return (found[1] or found[2]).decode().lower() if found else None


def text_of(head: bytes, *, whole: bool) -> tuple[str, str] | None:
    """Return the text of some bytes and the name of its encoding; None if they are none.

    Args:
        head: The bytes, from the beginning of the file on.
        whole: Whether they are all of it; else a character may be cut at their end.
    """
    for mark, name in ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if head.startswith(mark):
            return head.decode(name, errors="replace"), name.removesuffix("-sig")
    if b"\0" in head:
        return None
    try:
        return head.decode(), "utf-8"
    except UnicodeDecodeError as error:
        if not whole and error.start >= len(head) - 3:
            return head[: error.start].decode(), "utf-8"
    steering = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head)
    accented = sum(byte >= 128 for byte in head)
    if steering or accented * 3 > len(head):
        return None
    return head.decode("latin-1"), "latin-1"
