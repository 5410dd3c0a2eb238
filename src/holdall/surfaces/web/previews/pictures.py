"""Pictures that browsers draw: by their first bytes, and only of dimensions that a browser draws at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from holdall.sizes import format_size
from holdall.surfaces.web.previews.sample import NoPreview, Preview, Sample

MOST: Final = 40_000_000
"""Points of a picture that is shown: a file of a few kilobytes may claim more than a browser has memory for."""
_LARGEST: Final = 16 << 20
_AT_ONCE: Final = 1 << 20
_JPEG: Final = 64 << 10  # bytes among which the dimensions of one stand, behind what cameras say


def fits(sample: Sample) -> bool:
    """Return whether it is a picture."""
    return (sample.media_type or "").startswith("image/")


def show(sample: Sample) -> Preview:
    """Show the picture, at once if it is small."""
    kind = (sample.media_type or "").removeprefix("image/")
    found = dimensions(sample.prefix(_JPEG) if kind == "jpeg" else sample.head, sample.media_type or "")
    if found is None or not all(found):
        raise NoPreview("it does not say how wide and high it is")
    width, height = found
    if width * height > MOST:
        raise NoPreview(f"it is {width} x {height} points large, and is not drawn here")
    if sample.size > _LARGEST:
        raise NoPreview(f"it has {format_size(sample.size)}, and is not drawn here")
    facts = {"width": width, "height": height, "at_once": sample.size <= _AT_ONCE}
    return Preview(f"{kind.upper()}, {width} x {height}", "picture.html", facts)


def dimensions(head: bytes, kind: str) -> tuple[int, int] | None:
    """Return how wide and high a picture says that it is, by its first bytes; None where it does not say."""
    read = _SIZES.get(kind.removeprefix("image/"))
    return read(head) if read else None


def _png(head: bytes) -> tuple[int, int] | None:
    if head[12:16] != b"IHDR":
        return None
    return int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big")


def _gif(head: bytes) -> tuple[int, int] | None:
    return int.from_bytes(head[6:8], "little"), int.from_bytes(head[8:10], "little")


def _webp(head: bytes) -> tuple[int, int] | None:
    match head[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        case b"VP8L" if head[20:21] == b"\x2f":
            bits = int.from_bytes(head[21:25], "little")
            return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
        case b"VP8 " if head[23:26] == b"\x9d\x01\x2a":
            wide, high = (int.from_bytes(head[at : at + 2], "little") & 0x3FFF for at in (26, 28))
            return wide, high
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            return int.from_bytes(head[at + 7 : at + 9], "big"), int.from_bytes(head[at + 5 : at + 7], "big")
        at += 1 if marker == 0xFF else 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None


_SIZES: Final[Mapping[str, Callable[[bytes], tuple[int, int] | None]]] = {
    "png": _png,
    "gif": _gif,
    "webp": _webp,
    "jpeg": _jpeg,
}
