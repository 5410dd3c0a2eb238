"""Sizes in bytes, as people read and write them.

What is shown has binary units, by their own names: `1.5 MiB` is 1,572,864
bytes. What is read takes `64M`, `64MB` and `64MiB` for the same, as `dd`, `dask`
and Docker do.
"""

from __future__ import annotations

import re
from typing import Final

_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB")


def format_size(count: float) -> str:
    """Return bytes for people, such as `1.5 MiB`; whole ones below a kibibyte."""
    if count < 1024:
        return f"{count:.0f} B"
    for unit in _UNITS[1:]:
        count /= 1024
        if round(count, 1) < 1024 or unit == _UNITS[-1]:
            break
    return f"{count:.1f} {unit}"


def parse_size(name: str, text: str) -> int:
    """Return the bytes that a text such as `256M` means.

    Args:
        name: What was set to it, such as an option or a variable: errors name it.
        text: Digits, then perhaps K, M or G, which are powers of 1,024.

    Raises:
        ValueError: The text is no such size.
    """
    found = re.fullmatch(r"(\d+)\s*([KMG]?)(?:i?B)?", text.strip(), re.IGNORECASE)
    if not found or not int(found[1]):
        raise ValueError(f"{name}={text!r} is not a size such as 256M or 1G")
    return int(found[1]) << {"": 0, "K": 10, "M": 20, "G": 30}[found[2].upper()]
