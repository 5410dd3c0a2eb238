"""Anything else: its first bytes, in hex."""

from __future__ import annotations

from typing import Final

from holdall.surfaces.web.previews.sample import Preview, Sample

_SHOWN: Final = 512
_WIDTH: Final = 16


def fits(_: Sample) -> bool:
    """Return that any file is bytes."""
    return True


def show(sample: Sample) -> Preview:
    """Show its first bytes, as numbers and as characters."""
    if not sample.size:
        return Preview("empty", "none.html")
    head = sample.head[:_SHOWN]
    rows = [(f"{at:08x}", *_row(head[at : at + _WIDTH])) for at in range(0, len(head), _WIDTH)]
    note = () if sample.size <= _SHOWN else (f"these are the first {_SHOWN} bytes",)
    return Preview("binary", "hex.html", {"rows": rows}, note)


def _row(part: bytes) -> tuple[str, str]:
    return part.hex(" "), "".join(chr(byte) if 32 <= byte < 127 else "." for byte in part)
