"""Large objects onto the disk, past the page cache.

A pack is written once, made durable at once, and rarely read by the machine
that wrote it. Through the page cache it would be copied, push the training
data out of memory, and wait there for its fsync all the same: 1.2 to 2.5 s of
a core for each GiB, where the disk's own DMA takes 0.04. So its whole pages
are written with O_DIRECT, from memory that begins on a page; the rest, and
whatever the file system or the caller's memory does not suit, goes the usual way.
"""

from __future__ import annotations

import errno
import os
from typing import Final

from holdall.storage.bucket import Bytes

LARGE: Final = 1 << 20
_PAGE: Final = 4096
_STEP: Final = 8 << 20
_DIRECT: Final = getattr(os, "O_DIRECT", 0)  # Linux has it


def write_durably(descriptor: int, data: Bytes) -> None:
    """Write all data to a new file, and return when it is on the disk."""
    view = memoryview(data).cast("B")
    done = _past_the_cache(descriptor, view) if _DIRECT and len(view) >= LARGE else 0
    while done < len(view):
        done += os.write(descriptor, view[done:])
    os.fsync(descriptor)


def _past_the_cache(descriptor: int, view: memoryview) -> int:
    """Write whole pages while that goes; return how many bytes that were."""
    import fcntl

    flags = fcntl.fcntl(descriptor, fcntl.F_GETFL)
    done, whole = 0, len(view) // _PAGE * _PAGE
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags | _DIRECT)
        while done < whole:
            done += os.write(descriptor, view[done : min(done + _STEP, whole)])
    except OSError as error:
        if error.errno != errno.EINVAL:  # the file system, or the memory's address, does not allow it
            raise
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETFL, flags)
    return done
