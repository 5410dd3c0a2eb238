"""Giving a file a name only if that name is free, where a file system has no hard links.

Linux has `renameat2` with RENAME_NOREPLACE (FAT, exFAT and most network file
systems know it where they do not know links), macOS `renamex_np` with
RENAME_EXCL. Python knows neither, so the C library is asked.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Final

_AT_FDCWD: Final = -100
_NOREPLACE: Final = 1  # of renameat2
_EXCL: Final = 4  # of renamex_np
_NUMBERS: Final = {"x86_64": 316, "aarch64": 276, "riscv64": 276, "ppc64le": 357, "s390x": 347}


def rename_if_free(source: Path, target: Path) -> None:
    """Give a file another name, in one step, if nothing has that name.

    Raises:
        FileExistsError: Something has it; the file keeps its old name.
        OSError: The system or the file system cannot do that (ENOSYS, EINVAL, ...), or does not want to.
    """
    call = _call()
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS), str(target))
    if call(os.fsencode(source), os.fsencode(target)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))


@cache
def _call() -> Callable[[bytes, bytes], int] | None:
    """Return the system's call that renames so; None where there is none."""
    try:
        library = ctypes.CDLL(None, use_errno=True)
    except (OSError, TypeError):
        return None
    if sys.platform == "darwin":
        return lambda source, target: int(library.renamex_np(source, target, _EXCL))
    if not sys.platform.startswith("linux"):
        return None
    if hasattr(library, "renameat2"):
        return lambda source, target: int(library.renameat2(_AT_FDCWD, source, _AT_FDCWD, target, _NOREPLACE))
    number = _NUMBERS.get(platform.machine())  # an older or another C library does not name it
    if number is None:
        return None
    return lambda source, target: int(
        library.syscall(ctypes.c_long(number), _AT_FDCWD, source, _AT_FDCWD, target, ctypes.c_uint(_NOREPLACE))
    )
