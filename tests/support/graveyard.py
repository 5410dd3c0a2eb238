"""Keeps what a process deletes, and tells of what it gives no name, in the folder that GRAVEYARD names."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

_numbers: Final = count()
_UNNAMED: Final = getattr(os, "O_TMPFILE", -1)


def _keep(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "os.remove" and isinstance(arguments[0], str | os.PathLike):
        path = Path(arguments[0])
        if arguments[1] not in (-1, None):
            path = Path(f"/proc/self/fd/{arguments[1]}", path)
        with suppress(OSError):
            if path.is_file():
                said = os.path.realpath(path).removeprefix(os.environ["SCENE"])
                _grave().write_bytes(said.encode() + b"\n" + path.read_bytes())
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & _UNNAMED == _UNNAMED:
        _grave().write_text(f"a file without a name in {arguments[0]}")


def _grave() -> Path:
    return Path(os.environ["GRAVEYARD"], f"{os.getpid()}-{next(_numbers)}")


sys.addaudithook(_keep)
