"""Credentials that were given as options, and travel with whatever is pickled."""

from __future__ import annotations

import re
from collections.abc import Mapping
from multiprocessing.context import get_spawning_popen
from typing import Final

from holdall.terminal import warn

_SECRET: Final = re.compile(r"(?i)secret|token|password|credential|connection_string|sas|key$")


def warn_if_pickled(url: str, options: Mapping[str, object]) -> None:
    """Say that a pickle has credentials in clear, if it has.

    A process that starts another hands them over in memory, which is no news.
    """
    if get_spawning_popen() is None and (found := secrets_in(options)):
        warn(
            f"the pickle of the store at {url} holds {', '.join(found)} in clear: who reads it has them. Without "
            "these options a store finds its credentials where it is unpickled: in the environment, or by profile=",
            UserWarning,
            stacklevel=3,
        )


def secrets_in(options: Mapping[str, object], above: str = "") -> list[str]:
    """Return the names of options that hold credentials, those inside of others too."""
    found: list[str] = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            found += secrets_in(value, f"{above}{name}.")
        elif value and not isinstance(value, bool) and _SECRET.search(str(name)):
            found.append(f"{above}{name}")
    return found
