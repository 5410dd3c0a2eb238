"""Exceptions that travel from a worker to its parent, with their causes and with where they happened.

Pickling keeps an exception's class, arguments, attributes and notes, but drops
the exceptions that it was raised in answer to, and its traceback. Here the
chain travels too, and the traceback as a note. What cannot be pickled arrives
as a `RuntimeError` that says what it was: a failure must not be lost because
of how it is built.
"""

from __future__ import annotations

import os
import pickle
import traceback
from typing import Any, Final

_DEEP: Final = 20  # exceptions of a chain that travel
_LINES: Final = 30  # of a traceback, from its end
_Link = tuple[bytes, bool]  # an exception, and whether the next one is its cause (and not only its context)

NO_MEMORY: Final = pickle.dumps([(pickle.dumps(MemoryError("in a worker process")), False)])  # made while there is some


def pack(error: BaseException) -> bytes:
    """Return an exception in a form that another process can `unpack`."""
    try:
        return pickle.dumps(_links(error))
    except MemoryError:
        return NO_MEMORY


def unpack(packed: bytes) -> BaseException:
    """Return the exception that was packed, chained to its causes."""
    links: list[_Link] = pickle.loads(packed)
    below: BaseException | None = None
    for pickled, caused in reversed(links):
        error: BaseException = pickle.loads(pickled)
        if caused:
            error.__cause__ = below
        else:
            error.__context__ = below
        below = error
    return below or RuntimeError("a worker failed, and did not say how")


def _links(error: BaseException) -> list[_Link]:
    links: list[_Link] = []
    at: BaseException | None = error
    while at is not None and len(links) < _DEEP:
        caused = at.__cause__ is not None
        links.append((_pickled(at, with_traceback=not links), caused))
        at = at.__cause__ if caused or at.__suppress_context__ else at.__context__
    return links


def _pickled(error: BaseException, *, with_traceback: bool) -> bytes:
    """Return an exception, pickled; one that cannot be rebuilt, as another that says so."""
    note = _where(error) if with_traceback else ""
    try:
        again: Any = pickle.loads(pickle.dumps(error))
        if type(again) is type(error):
            return _noted(again, note)
    except MemoryError:
        raise
    except Exception:
        pass
    return _noted(RuntimeError(f"{type(error).__module__}.{type(error).__qualname__}: {error}"), note)


def _noted(error: BaseException, note: str) -> bytes:
    if note:
        error.add_note(note)
    return pickle.dumps(error)


def _where(error: BaseException) -> str:
    lines = "".join(traceback.format_tb(error.__traceback__)).splitlines()[-_LINES:]
    return "\n".join([f"in worker process {os.getpid()}:", *lines])
