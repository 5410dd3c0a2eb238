"""Methods and functions that are replaced while autologging is on, and put back as they were."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import update_wrapper, wraps
from typing import Any

Around = Callable[..., Any]  # called with the original, and with what that is called with

_inside: ContextVar[bool] = ContextVar("holdall_autologging_inside", default=False)


def is_inside() -> bool:
    """Return whether this is within a call that is logged, so that what it calls is no call of the script's."""
    return _inside.get()


@contextmanager
def inside() -> Iterator[None]:
    """Log nothing of what is called in this block, by this thread or task."""
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


class Patches:
    """What was replaced. Safe between threads."""

    def __init__(self) -> None:
        self._done: list[tuple[Any, str, Any]] = []  # where, and what was there
        self._seen: set[tuple[int, str]] = set()
        self._lock = threading.RLock()

    def __bool__(self) -> bool:
        return bool(self._done)

    def put(self, owner: Any, name: str, around: Around) -> None:
        """Replace a function of a class or module, if it is its own: not one that it inherits. Once."""
        with self._lock:
            found = vars(owner).get(name)
            if (id(owner), name) in self._seen or found is None:
                return
            if hasattr(found, "fn") and hasattr(found, "check"):  # sklearn's, of methods that some objects have
                self._put(found, "fn", _method(found.fn, around))
            elif callable(found):
                self._put(owner, name, (_method if isinstance(owner, type) else _Function)(found, around))
            self._seen.add((id(owner), name))

    def put_value(self, owner: Any, name: str, value: Any) -> None:
        """Set an attribute, which the owner may or may not have had."""
        with self._lock:
            self._put(owner, name, value)

    def undo(self) -> None:
        """Put everything back."""
        with self._lock:
            for owner, name, before in reversed(self._done):
                if before is _NOTHING:
                    delattr(owner, name)
                else:
                    setattr(owner, name, before)
            self._done.clear()
            self._seen.clear()

    def _put(self, owner: Any, name: str, value: Any) -> None:
        self._done.append((owner, name, vars(owner).get(name, _NOTHING)))
        setattr(owner, name, value)


_NOTHING = object()


def _method(original: Callable[..., Any], around: Around) -> Callable[..., Any]:
    @wraps(original)
    def replaced(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **kwargs) if is_inside() else around(original, *args, **kwargs)

    return replaced


class _Function:
    """A function that is replaced. Pickled, for a worker process, it is the original: nothing is logged there."""

    def __init__(self, original: Callable[..., Any], around: Around) -> None:
        self._original, self._around = original, around
        update_wrapper(self, original)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._original(*args, **kwargs) if is_inside() else self._around(self._original, *args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return copy.copy, (self._original,)  # of a function, that is itself
