"""Bytes at an offset of an open file, whichever process has opened it."""

from __future__ import annotations

import os
from collections.abc import Sequence

from holdall.format.digest import Bytes


def write_parts(descriptor: int, at: int, parts: Sequence[Bytes]) -> int:
    """Write parts one after another, and return how many bytes they are."""
    size = sum(map(len, parts))
    done = os.pwritev(descriptor, parts, at) if len(parts) > 1 else os.pwrite(descriptor, parts[0], at)
    if done < size:  # seldom: what is left of it
        rest = memoryview(b"".join(parts))
        while done < size:
            done += os.pwrite(descriptor, rest[done:], at + done)
    return size
