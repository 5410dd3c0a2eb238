"""What a torch checkpoint's `data.pkl` says of its storages, read without running it.

Every tensor names its storage by a persistent id, a tuple of five atoms pushed
one after the other:

    'storage'  torch FloatStorage  '0'  'cpu'  100  ->  entry data/0: 100 numbers of 4 bytes

So it is enough to walk the opcodes, remember the last five atoms, and keep the
memo, which later ids take their atoms from. Nothing is imported or called. What
has no storage class of its own (uint16, float8) is in an `UntypedStorage`, and
its dtype is the first that is named behind it.

https://github.com/pytorch/pytorch/blob/main/torch/serialization.py (`persistent_id`)
"""

from __future__ import annotations

import pickletools
from collections import deque
from contextlib import suppress
from itertools import islice
from typing import Final, TypeAlias

Storages: TypeAlias = dict[str, tuple[int, int | None]]  # key -> (bytes, item_size)

_OPCODES: Final = 1 << 20  # as many as 4 MiB of a real checkpoint's pickle have; a second's work
_COUNT: Final = 1 << 48  # numbers in a storage: more than any disk has
# fmt: off
_SIZES: Final = {  # name -> bytes of an element, bytes of a number
    "Double": (8, 8), "Long": (8, 8), "Float": (4, 4), "Int": (4, 4), "QInt32": (4, 4),
    "Half": (2, 2), "BFloat16": (2, 2), "Short": (2, 2), "ComplexDouble": (16, 8), "ComplexFloat": (8, 4),
    "Char": (1, 1), "Byte": (1, 1), "Bool": (1, 1), "QInt8": (1, 1), "QUInt8": (1, 1),
    "QUInt4x2": (1, 1), "QUInt2x4": (1, 1), "Untyped": (1, None),
}
_DTYPES: Final = {"torch uint16": 2, "torch uint32": 4, "torch uint64": 8, "torch complex32": 2}
# fmt: on


def storages(pickle: bytes) -> Storages:
    """Return length and item size of each storage, by key, as far as the pickle makes sense."""
    walk = _Walk()
    with suppress(ValueError):  # every way of not being a pickle
        for opcode, value, _ in islice(pickletools.genops(pickle), _OPCODES):
            walk.step(opcode.name, value)
    return walk.found


class _Walk:
    """The last atoms that were pushed, and the memo; None stands for anything that is no atom."""

    def __init__(self) -> None:
        self.found: Storages = {}
        self._atoms: deque[object] = deque([None] * 5, maxlen=5)
        self._memo: dict[object, object] = {}
        self._last: object = None
        self._untyped: str | None = None

    def step(self, opcode: str, value: object) -> None:
        match opcode:
            case "MEMOIZE":
                self._memo[len(self._memo)] = self._last
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self._memo[value] = self._last
            case "GET" | "BINGET" | "LONG_BINGET":
                self._push(self._memo.get(value))
            case "STACK_GLOBAL":
                attribute, module = self._atoms.pop(), self._atoms.pop()
                self._atoms.extendleft([None, None])
                self._push(f"{module} {attribute}")
            case "BINPERSID":
                self._identify()
            case _:
                if isinstance(value, str | int) and opcode not in ("PROTO", "FRAME"):
                    self._push(value)
                else:
                    self._last = None

    def _push(self, atom: object) -> None:
        self._last = atom
        self._atoms.append(atom)
        if self._untyped is not None and isinstance(atom, str):
            self._type(self._untyped, atom)

    def _identify(self) -> None:
        """Take in a persistent id, whose atoms are complete."""
        self._last = None
        match list(self._atoms):
            case ["storage", str(kind), str(key), str(), int(count)] if kind.startswith("torch"):
                name = kind.rpartition(" ")[2].removesuffix("Storage")
                if name in _SIZES and 0 <= count < _COUNT:
                    size, item_size = _SIZES[name]
                    self.found[key] = (count * size, item_size)
                    self._untyped = None if item_size else key

    def _type(self, key: str, atom: str) -> None:
        """Give an untyped storage the first dtype that is named after it."""
        item_size = 1 if atom.startswith(("torch float8", "torch float4")) else _DTYPES.get(atom)
        if item_size:
            self.found[key] = (self.found[key][0], item_size)
            self._untyped = None
