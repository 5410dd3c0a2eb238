"""The messages between a process and its workers.

    to a worker                             from a worker
    Begin     a claim begins                Hello     it can be given work
    Call      call this function            Told      what a call said with `notify`
    Cancel    give up the calls so far      Returned  a call's result
    End       the claim ends                Raised    a call's failure
                                            Logged    a line of the log

Calls are numbered by the parent and answered in their order.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Begin:
    """A claim begins. What may have changed since the worker started comes along.

    Attributes:
        memory: Bytes that the worker may hold.
        folder: The parent's working directory; None if that is gone.
        level: The level of the parent's log.
        environment: The parent's, where it is another one than before; else None.
    """

    memory: int
    folder: str | None
    level: int
    environment: Mapping[bytes, bytes] | None


@dataclass(frozen=True, slots=True)
class Call:
    """Call a function; `pickled` is the function and its arguments, which are looked up where they are called."""

    number: int
    pickled: bytes


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give up all calls up to this one."""

    number: int


@dataclass(frozen=True, slots=True)
class End:
    """The claim ends: let go what was kept for it."""


@dataclass(frozen=True, slots=True)
class Hello:
    """The worker is there. `python` is which interpreter, `encoding` how it writes the names of files."""

    python: str
    encoding: str


@dataclass(frozen=True, slots=True)
class Told:
    """What a call said before it returned."""

    number: int
    value: Any


@dataclass(frozen=True, slots=True)
class Returned:
    """A call's result."""

    number: int
    value: Any


@dataclass(frozen=True, slots=True)
class Raised:
    """A call's failure, as `failures.pack` made it."""

    number: int
    failure: bytes


@dataclass(frozen=True, slots=True)
class Logged:
    """A line of the log."""

    logger: str
    level: int
    text: str
