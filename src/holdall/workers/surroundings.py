"""What a worker shares with its parent beside the calls: working directory, environment, level of the log.

A worker lives longer than these stay as they are: a program that changes its
folder, or sets other credentials, means its next upload too. So whatever has
changed goes along when a claim begins. Environments travel through the pipe;
no variable is looked at here.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TypeAlias

Environment: TypeAlias = Mapping[bytes, bytes]


def environment() -> Environment:
    """Return all of the environment, as it is now."""
    return dict(os.environb)


def take_environment(given: Environment) -> None:
    """Make the environment of this process the given one."""
    for name in os.environb.keys() - given.keys():
        del os.environb[name]
    os.environb.update({name: value for name, value in given.items() if os.environb.get(name) != value})


def folder() -> str | None:
    """Return the working directory, or None if it is gone."""
    try:
        return str(Path.cwd())
    except OSError:
        return None


def take_folder(given: str | None) -> None:
    """Go to a folder, if that can be."""
    if given is not None:
        with suppress(OSError):
            os.chdir(given)


def level() -> int:
    """Return from which level on holdall's log is wanted."""
    return logging.getLogger("holdall").getEffectiveLevel()


def take_level(given: int) -> None:
    """Drop what the parent's log would drop."""
    logging.getLogger("holdall").setLevel(given)
