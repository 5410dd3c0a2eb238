"""Who is told how far a transfer has come.

This room counts bytes and draws nothing: where progress goes (a terminal, a
log, a caller's own window) is decided at the top, and comes down here as an
`Observer`. A caller that knows what there is to do begins a transfer; writers and
readers add to it, from any of their threads, about once for each request or
4 MiB, so that being watched costs nothing.

    done     bytes of the user's files that are safe at the other end
    saved    those of them that did not have to travel, since they were there already

An observer that fails is not heard again; the transfer goes on.
"""

from __future__ import annotations

import logging
from types import TracebackType
from typing import Final, Literal, Protocol, TypeAlias

Verb: TypeAlias = Literal["log", "fetch", "copy"]
_log = logging.getLogger("holdall")


class Transfer(Protocol):
    """Something on its way, from `__enter__` to `__exit__`."""

    def add(self, done: int, saved: int = 0, /) -> None:
        """Count bytes that are done, `saved` of them without a journey. Called by several threads."""
        ...

    def __enter__(self) -> Transfer: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """End the transfer, with an error if it failed."""
        ...


class Observer(Protocol):
    """Is told of transfers. Pickled along with the handles of runs that go to other processes."""

    def begin(self, verb: Verb, total: int | None, /) -> Transfer:
        """Begin a transfer of `total` bytes, as far as is known beforehand."""
        ...


class Silent:
    """An observer, and each of its transfers, that tells nobody."""

    def begin(self, _verb: Verb, _total: int | None, /) -> Transfer:
        return self

    def add(self, _done: int, _saved: int = 0, /) -> None:
        return None

    def __enter__(self) -> Transfer:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        return None


SILENT: Final = Silent()


def begin_transfer(observer: Observer, verb: Verb, total: int | None) -> Transfer:
    """Begin a transfer that an observer is told of, until the observer fails."""
    try:
        return _Guarded(observer.begin(verb, total))
    except Exception as error:  # whatever a user's observer does, bytes matter more
        _log.debug("progress is not shown: %r", error)
        return SILENT


class _Guarded:
    """A transfer whose errors end its observation and nothing else."""

    def __init__(self, inner: Transfer) -> None:
        self._inner = inner

    def add(self, done: int, saved: int = 0, /) -> None:
        try:
            self._inner.add(done, saved)
        except Exception as error:
            self._give_up(error)

    def __enter__(self) -> Transfer:
        try:
            self._inner = self._inner.__enter__()
        except Exception as error:
            self._give_up(error)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._inner.__exit__(kind, error, at)
        except Exception as failure:
            self._give_up(failure)

    def _give_up(self, error: Exception) -> None:
        _log.debug("progress is no longer shown: %r", error)
        self._inner = SILENT
