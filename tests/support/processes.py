"""The end of processes that are not this one's children: the kernel ends what was killed soon, and not at once."""

from __future__ import annotations

import os
import select


def wait_for_end(pid: int, seconds: float = 60) -> bool:
    """Wait until a process has ended, whether somebody has asked how or not, and return whether it has."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([watched], [], [], seconds)[0])
    finally:
        os.close(watched)
