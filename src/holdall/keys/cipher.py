"""Which AEAD a new store gets: AES where the processor has instructions for it, which are three times as quick."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from holdall.format.sealing import AES, CHACHA

_PROCESSOR: Final = Path("/proc/cpuinfo")
_HAS_AES: Final = re.compile(r"^(?:flags|Features)\s*:.*\baes\b", re.MULTILINE)  # of x86, and of ARM


def fitting_cipher(processor: Path = _PROCESSOR) -> str:
    """Return the cipher for a store that is made here; AES where a system does not tell what its processor has."""
    try:
        told = processor.read_text(errors="replace")
    except OSError:
        return AES
    return AES if _HAS_AES.search(told) else CHACHA
