"""A pickle read as data: what it may build is listed, and nothing that was there before it is touched.

To refuse classes by name is not enough: a pickle can set the attributes of a
function that it may name, or the items of whatever it can reach, before it comes to
the name that is refused. Here every instruction that is not needed is unknown, a
class makes an empty object and is never called, and only what the pickle itself made
is filled. So one that is refused, at whatever place, has changed nothing.
"""

from __future__ import annotations

import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Any, ClassVar, Final

MAX_BYTES: Final = 64 << 20  # of a pickle without weights, which honest ones do not come near
_PLAIN: Final = (
    "PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "MEMOIZE", "BINPUT", "LONG_BINPUT", "BINGET",
    "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT",
    "SHORT_BINUNICODE", "BINUNICODE", "BINUNICODE8", "SHORT_BINBYTES", "BINBYTES", "EMPTY_LIST", "EMPTY_TUPLE",
    "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT", "EMPTY_SET", "FROZENSET", "STACK_GLOBAL", "BINPERSID",
)  # fmt: skip
_FAULTS: Final = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    RuntimeError,
    EOFError,
    OverflowError,
    struct.error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Buildable:
    """What a pickle may be made of.

    Attributes:
        names: What a module and a name mean.
        empty: Those classes among it of which empty objects are made.
        called: Those among it that are called with plain values.
        fill: Gives an empty object its state; raises UnpicklingError for one that it cannot have.
    """

    names: Mapping[tuple[str, str], Any]
    empty: frozenset[Any]
    called: frozenset[Any]
    fill: Callable[[Any, Any], None]


def load_restricted(data: bytes, restored: Callable[..., Any], buildable: Buildable) -> Any:
    """Return the object that a pickle builds.

    Args:
        data: The pickle, of protocol 4.
        restored: What stands for what the pickle has by name only.
        buildable: What it may be made of.

    Raises:
        UnpicklingError: It is none, is too large, or holds what it may not.
    """
    if len(data) > MAX_BYTES:
        raise pickle.UnpicklingError(f"it has {len(data)} bytes, more than {MAX_BYTES}")
    try:
        return _Restricted(data, restored, buildable).load()
    except pickle.UnpicklingError:
        raise
    except _FAULTS as error:
        raise pickle.UnpicklingError(f"{type(error).__name__}: {error}") from error


_OF_PYTHON: Any = pickle._Unpickler  # the one that is written in Python: its instructions can be taken away one by one


class _Restricted(_OF_PYTHON):  # type: ignore[misc]  # no stub tells of its inside
    """Knows the instructions of a list, and fills only what it made."""

    def __init__(self, data: bytes, restored: Callable[..., Any], buildable: Buildable) -> None:
        super().__init__(BytesIO(data))
        self._restored, self._buildable = restored, buildable
        self._made: dict[int, Any] = {}  # the objects themselves, so that no other gets their ids

    def persistent_load(self, pid: Any) -> Any:
        """Return what stands for it."""
        if type(pid) is not tuple:
            raise pickle.UnpicklingError("what it has by name has no name")
        return self._restored(*pid)

    def find_class(self, module: str, name: str, /) -> Any:
        """Return what is listed."""
        try:
            return self._buildable.names[module, name]
        except KeyError:
            raise pickle.UnpicklingError(f"{module}.{name} is not among what may be built") from None

    def _pop(self) -> Any:
        return self.stack.pop()

    def _newobj(self) -> None:
        given, kind = self._pop(), self._pop()
        if given != () or not _is_in(kind, self._buildable.empty):
            raise pickle.UnpicklingError(f"it makes a {kind!r:.80} of {given!r:.80}")
        self._push(kind.__new__(kind))

    def _reduce(self) -> None:
        given, called = self._pop(), self._pop()
        if type(given) is not tuple or not _is_in(called, self._buildable.called):
            raise pickle.UnpicklingError(f"it calls {called!r:.80}")
        self._push(called(*given))

    def _push(self, made: Any) -> None:
        self._made[id(made)] = made
        self.stack.append(made)

    def _build(self) -> None:
        state, made = self._pop(), self.stack[-1]
        if id(made) not in self._made or not _is_in(type(made), self._buildable.empty):
            raise pickle.UnpicklingError(f"it changes {made!r:.80}, which it did not make")
        self._buildable.fill(made, state)

    def _extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise pickle.UnpicklingError("it appends to what is no list")
        self.stack[-1].extend(items)

    def _set(self, items: list[Any]) -> None:
        if type(self.stack[-1]) not in (dict, OrderedDict) or len(items) % 2:
            raise pickle.UnpicklingError("it sets items of what is no dictionary")
        self.stack[-1].update(zip(items[::2], items[1::2], strict=True))

    def _add(self) -> None:
        items = self.pop_mark()
        if type(self.stack[-1]) is not set:
            raise pickle.UnpicklingError("it adds to what is no set")
        self.stack[-1].update(items)

    def _setitem(self) -> None:
        value, key = self._pop(), self._pop()
        self._set([key, value])

    dispatch: ClassVar[dict[int, Any]] = {
        **{getattr(pickle, name)[0]: _OF_PYTHON.dispatch[getattr(pickle, name)[0]] for name in _PLAIN},
        pickle.NEWOBJ[0]: _newobj,
        pickle.REDUCE[0]: _reduce,
        pickle.BUILD[0]: _build,
        pickle.APPEND[0]: lambda self: self._extend([self._pop()]),
        pickle.APPENDS[0]: lambda self: self._extend(self.pop_mark()),
        pickle.SETITEM[0]: _setitem,
        pickle.SETITEMS[0]: lambda self: self._set(self.pop_mark()),
        pickle.ADDITEMS[0]: _add,
    }


def _is_in(value: Any, allowed: frozenset[Any]) -> bool:
    return any(value is each for each in allowed)
