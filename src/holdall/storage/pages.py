"""Memory that goes back to the system when nobody holds it any more.

An allocator keeps what it was given back, for each thread apart: sixteen
threads that each read a range of a pack, once, would keep 260 MB for good, and
on a host with many processors no two of them share. So what is larger than a
megabyte is not asked of the allocator, but mapped.
"""

from __future__ import annotations

import contextlib
import mmap
from typing import Final

LARGE: Final = 1 << 20  # bytes from which on memory is mapped: below, an allocator is quicker and keeps little


def map_pages(size: int) -> mmap.mmap:
    """Return zeroed memory of this process alone, in pages of 2 MiB where the system has them.

    The first touch of a buffer of usual pages runs at 2 GB/s, of such ones at 9 to 15.
    """
    if not hasattr(mmap, "MAP_PRIVATE"):  # not on Windows
        return mmap.mmap(-1, size)
    pages = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if hasattr(mmap, "MADV_HUGEPAGE"):
        with contextlib.suppress(OSError):  # a kernel without them
            pages.madvise(mmap.MADV_HUGEPAGE)
    return pages
