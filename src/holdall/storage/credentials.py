"""Credentials that were given as options, and travel with whatever is pickled."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from multiprocessing.context import get_spawning_popen
from typing import Final

from holdall.terminal import warn

_SECRET: Final = re.compile(r"(?i)secret|token|password|credential|connection_string|sas|key$")
_handed_over: Final = ContextVar("handed over", default=False)


@contextmanager
def handed_over() -> Iterator[None]:
    """Say that what is pickled in this block goes to a process of this one's, by a pipe that nobody else reads."""
    before = _handed_over.set(True)
    try:
        yield
    finally:
        _handed_over.reset(before)


def warn_if_pickled(url: str, options: Mapping[str, object]) -> None:
    """Say that a pickle has credentials in clear, if it has.

    A process that starts another hands them over in memory, which is no news.
    """
    if _leaves() and (found := secrets_in(options)):
        warn(
            f"the pickle of the store at {url} holds {', '.join(found)} in clear: who reads it has them. Without "
            "these options a store finds its credentials where it is unpickled: in the environment, or by profile=",
            UserWarning,
            stacklevel=3,
        )


def warn_if_keys_are_pickled(url: str) -> None:
    """Say that a pickle has the keys of an encrypted store in clear, unless it goes to a process of this one's."""
    if _leaves():
        warn(
            f"the pickle of the store at {url} holds its keys in clear: who reads it can read and write the store. "
            "A store that is opened anew there finds its key in the environment",
            UserWarning,
            stacklevel=3,
        )


def warn_if_unlock_is_pickled(secrets: Sequence[str]) -> None:
    """Say that a pickle has what opens an encrypted store in clear, if it has and leaves this process's own."""
    if secrets and _leaves():
        warn(
            f"a pickle holds {' and '.join(secrets)} in clear, with which a store was opened: who reads it has "
            "what opens that store. A store that is opened anew where it is unpickled finds its key in the environment",
            UserWarning,
            stacklevel=4,
        )


def _leaves() -> bool:
    """Return whether what is pickled now may be read by others."""
    return get_spawning_popen() is None and not _handed_over.get()


def secrets_in(options: Mapping[str, object], above: str = "") -> list[str]:
    """Return the names of options that hold credentials, those inside of others too."""
    found: list[str] = []
    for name, value in options.items():
        if isinstance(value, Mapping):
            found += secrets_in(value, f"{above}{name}.")
        elif value and not isinstance(value, bool) and _SECRET.search(str(name)):
            found.append(f"{above}{name}")
    return found
