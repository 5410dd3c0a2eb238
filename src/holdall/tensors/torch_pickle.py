"""A torch checkpoint's pickle, read as data: a machine that builds names, shapes and storage keys, and nothing else.

It imports nothing and calls nothing. What a checkpoint of tensors has to call is listed,
with what each stands for here; a pickle that calls anything else is refused, as is one
with an instruction that is not needed. An object of a class, of whichever, is a name and
a state, in which a module's parameters are found. So what a pickle says is never done.

A dictionary is a list of pairs here: keys that anybody chose are never hashed.

An instruction of two bytes can name what is long already, so an instruction may not cost what
it names: what is copied, joined or looked through counts by its length.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO, Final

from holdall.tensors.dtypes import DTYPES, DType
from holdall.tensors.stored import MAX_NAME

MAX_PICKLE: Final = 64 << 20
_MAX_STEPS: Final = 1 << 21  # instructions: 40 for a tensor
_MAX_VISITED: Final = 1 << 18  # values that are looked through for tensors; shared ones count each time
_MAX_DEPTH: Final = 100
_MAX_LETTERS: Final = 64 << 20  # of all names together, each of which may be as long as the one around it


class RefusedPickleError(ValueError):
    """A pickle that is damaged, or needs more than a checkpoint of tensors does. Its text says what."""


@dataclass(frozen=True, slots=True)
class Storage:
    """The numbers of one or several tensors: a file of the archive."""

    key: str
    dtype: DType | None  # None: told by each tensor
    count: int


@dataclass(frozen=True, slots=True)
class View:
    """A tensor: part of a storage."""

    storage: Storage
    dtype: DType
    offset: int
    shape: tuple[Any, ...]
    strides: tuple[Any, ...]


@dataclass(slots=True)
class Pairs:
    """A dictionary."""

    items: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(slots=True)
class Inert:
    """Something of a kind that is known to hold tensors or to stand beside them: its name, and its state."""

    name: str
    state: Any = None


@dataclass(frozen=True, slots=True)
class _Name:
    """A class or function that the pickle names; it is not looked up anywhere."""

    name: str


_PARTS: Final = ("torch.nn.modules.", "torch.nn.parameter.", "torch.ao.nn.", "__torch__.", "torch.jit._pickle.")
_BESIDE: Final = frozenset(  # what stands beside tensors in checkpoints, and holds none
    name
    for line in (
        "builtins.set builtins.frozenset builtins.complex __builtin__.set __builtin__.frozenset __builtin__.complex",
        "_codecs.encode numpy.dtype numpy.ndarray numpy.core.multiarray.scalar numpy._core.multiarray.scalar",
        "numpy.core.multiarray._reconstruct numpy._core.multiarray._reconstruct collections.Counter",
        "torch.device torch.Tensor torch.Generator torch.serialization._get_layout torch.qscheme torch.strided",
        "torch.dtype torch.per_tensor_affine torch.per_channel_affine torch.per_channel_affine_float_qparams",
        "torch._utils._rebuild_meta_tensor_no_storage torch._utils._rebuild_sparse_tensor",
    )
    for name in line.split()
)
_STORAGES: Final = {
    "Double": "float64", "Float": "float32", "Half": "float16", "BFloat16": "bfloat16",
    "Long": "int64", "Int": "int32", "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool",
    "ComplexDouble": "complex128", "ComplexFloat": "complex64", "QInt8": "qint8", "QUInt8": "quint8",
    "QInt32": "qint32", "QUInt4x2": "quint4x2", "QUInt2x4": "quint2x4", "Untyped": "",
}  # fmt: skip
_OLD_NAMES: Final = {"double": "float64", "float": "float32", "half": "float16", "long": "int64", "int": "int32"}


def storage_type(name: str) -> DType | None:
    """Return the dtype of a storage class such as `torch.FloatStorage`; None of one that is untyped.

    Raises:
        RefusedPickleError: There is no such class.
    """
    short = name.rpartition(".")[2].removesuffix("Storage")
    if not name.startswith("torch.") or not name.endswith("Storage") or short not in _STORAGES:
        raise RefusedPickleError(f"it has a storage of the type {name[:100]!r}")
    return DTYPES.get(_STORAGES[short])


def torch_dtype(name: str) -> DType | None:
    """Return what a name such as `torch.float32` means; None where that is no dtype."""
    short = name.removeprefix("torch.")
    return DTYPES.get(_OLD_NAMES.get(short, short)) if name.startswith("torch.") else None


class Machine:
    """The state of a pickle that is being read: a stack, the marks on it, and the memo.

    Attributes: storages (those that it has named, by key).
    """

    def __init__(self) -> None:
        self.storages: dict[str, Storage] = {}
        self._stack: list[Any] = []
        self._marks: list[list[Any]] = []
        self._memo: dict[int, Any] = {}
        self._left = _MAX_VISITED

    def run(self, data: bytes) -> Any:
        """Return what a pickle builds.

        Raises:
            RefusedPickleError: It is damaged, or needs what is not listed.
        """
        try:
            for opcode, value in steps(BytesIO(data)):
                self._step(opcode, value)
            return self._stack.pop()
        except RefusedPickleError:
            raise
        except (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise RefusedPickleError(f"it is damaged: {type(error).__name__}: {str(error)[:200]}") from error

    def _step(self, opcode: str, value: Any) -> None:
        if opcode in _PUSHED:
            self._stack.append(_PUSHED[opcode]() if value is None else value)
        elif opcode in _MEMOS:
            self._memo[len(self._memo) if value is None else value] = self._stack[-1]
        elif opcode in _RECALLS:
            self._stack.append(self._memo[value])
        elif opcode in _NAMES:
            self._stack.append(_Name(value.replace(" ", ".", 1) if value else self._qualified()))
        elif (method := _METHODS.get(opcode)) is not None:
            method(self)

    def _qualified(self) -> str:
        attribute, module = self._stack.pop(), self._stack.pop()
        if type(attribute) is not str or type(module) is not str:
            raise RefusedPickleError("it names something that has no name")
        if len(module) + len(attribute) > MAX_NAME:
            raise RefusedPickleError(f"it names something of {len(module) + len(attribute):,} characters")
        return f"{module}.{attribute}"

    def _mark(self) -> None:
        self._marks.append(self._stack)
        self._stack = []

    def _since_mark(self) -> list[Any]:
        found, self._stack = self._stack, self._marks.pop()
        return found

    def _tuple(self) -> None:
        found = tuple(self._since_mark())  # first: the stack is another one then
        self._stack.append(found)

    def _tuple_of(self, count: int) -> None:
        if len(self._stack) < count:
            raise RefusedPickleError("it is damaged: it takes what is not there")
        self._stack[-count:] = [tuple(self._stack[-count:])]

    def _list(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is list:
            self._stack[-1].extend(items)

    def _pairs(self, items: list[Any]) -> None:
        if type(self._stack[-1]) is Pairs:
            self._stack[-1].items.extend(zip(items[::2], items[1::2], strict=True))

    def _set_item(self) -> None:
        value, key = self._stack.pop(), self._stack.pop()
        self._pairs([key, value])

    def _append(self) -> None:
        self._list([self._stack.pop()])

    def _call(self) -> None:
        given, called = self._stack.pop(), self._stack.pop()
        if type(called) is not _Name or type(given) is not tuple:
            raise RefusedPickleError("it calls what has no name")
        if not _may_be_called(called.name):
            raise RefusedPickleError(f"it calls {called.name[:100]}, which a checkpoint of tensors does not need")
        self._left -= sum(len(some) for some in given[:_ARGUMENTS] if type(some) is list)
        if self._left < 0:
            raise RefusedPickleError("it copies its lists too often")
        self._stack.append(_called(called.name, given))

    def _make(self) -> None:
        """Make an object of a class, whichever: its name, and its state when it comes."""
        given, made = self._stack.pop(), self._stack.pop()
        if type(made) is not _Name or type(given) is not tuple:
            raise RefusedPickleError("it makes what has no class")
        self._stack.append(Inert(made.name))

    def _build(self) -> None:
        state, made = self._stack.pop(), self._stack[-1]
        if type(made) is Inert:
            made.state = state

    def _persistent(self) -> None:
        match self._stack.pop():
            case ("storage", _Name(name), str(key), _, int(count), *_) if 0 <= count < 1 << 60:
                self.storages[key] = Storage(key, storage_type(name), count)
                self._stack.append(self.storages[key])
            case _:
                raise RefusedPickleError("it refers to something that is no storage")

    def _pop(self) -> None:
        self._stack.pop()


_PUSHED: Final[dict[str, Callable[[], Any]]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple, "EMPTY_LIST": list, "EMPTY_SET": list, "EMPTY_DICT": Pairs,
    **dict.fromkeys(
        ("BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
         "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BINSTRING", "SHORT_BINSTRING"), str),
}  # fmt: skip
_MEMOS: Final = frozenset(("BINPUT", "LONG_BINPUT", "MEMOIZE"))
_RECALLS: Final = frozenset(("BINGET", "LONG_BINGET"))
_NAMES: Final = frozenset(("GLOBAL", "STACK_GLOBAL"))
_METHODS: Final[dict[str, Callable[[Machine], None]]] = {
    "MARK": Machine._mark,
    "TUPLE": Machine._tuple,
    "TUPLE1": lambda it: it._tuple_of(1),
    "TUPLE2": lambda it: it._tuple_of(2),
    "TUPLE3": lambda it: it._tuple_of(3),
    "APPEND": Machine._append,
    "APPENDS": lambda it: it._list(it._since_mark()),
    "ADDITEMS": lambda it: it._list(it._since_mark()),
    "FROZENSET": Machine._tuple,
    "SETITEM": Machine._set_item,
    "SETITEMS": lambda it: it._pairs(it._since_mark()),
    "REDUCE": Machine._call,
    "NEWOBJ": Machine._make,
    "BUILD": Machine._build,
    "BINPERSID": Machine._persistent,
    "POP": Machine._pop,
    "POP_MARK": lambda it: it._since_mark().clear(),
}

_KNOWN: Final = _PUSHED.keys() | _MEMOS | _RECALLS | _NAMES | _METHODS.keys() | {"PROTO", "FRAME", "STOP"}

_OPCODES: Final = {opcode.code: opcode for opcode in pickletools.opcodes if opcode.name in _KNOWN}


def steps(stream: BinaryIO) -> Iterator[tuple[str, Any]]:
    """Yield each instruction of a pickle with its argument, to its end, where the stream then is.

    Raises:
        RefusedPickleError: It has one that no checkpoint needs, or too many.
        ValueError: It ends too early.
    """
    for _ in range(_MAX_STEPS):
        code = stream.read(1)
        opcode = _OPCODES.get(code.decode("latin-1"))
        if not code:
            raise ValueError("it ends too early")
        if opcode is None:
            raise RefusedPickleError(f"it has the instruction {code!r}, which no checkpoint needs")
        yield opcode.name, opcode.arg.reader(stream) if opcode.arg else None
        if opcode.name == "STOP":
            return
    raise RefusedPickleError(f"it has more than {_MAX_STEPS:,} instructions")


def _may_be_called(name: str) -> bool:
    known = name in _CALLED or name in _BESIDE or name.startswith(_PARTS)
    return known or torch_dtype(name) is not None or _is_storage(name)


def _is_storage(name: str) -> bool:
    return name.startswith("torch.") and name.rpartition(".")[2].removesuffix("Storage") in _STORAGES


# --- what the names that are called stand for ---

_ARGUMENTS: Final = 2  # of a dictionary: what makes its values, and its pairs


def _called(name: str, given: tuple[Any, ...]) -> Any:
    return _CALLED[name](given) if name in _CALLED else Inert(name, given)


def _view(given: tuple[Any, ...], dtype: Any = None) -> View:
    match given:
        case (Storage() as storage, int(offset), tuple(shape), tuple(strides), *_):
            known = dtype or storage.dtype
        case _:
            raise RefusedPickleError("a tensor in it has no storage, offset, shape and strides")
    if known is None:
        raise RefusedPickleError("a tensor in it has no dtype")
    return View(storage, known, offset, shape, strides)


def _view_of_dtype(given: tuple[Any, ...]) -> View:
    named = given[6] if len(given) > 6 else None
    return _view(given, torch_dtype(named.name) if type(named) is _Name else None)


def _of_type(given: tuple[Any, ...]) -> Any:
    """Return a tensor of a class of its own: what made it, and of what."""
    match given:
        case (_Name(name), _Name(), tuple(arguments), *_) if name.startswith("torch._utils.") and name in _CALLED:
            return _CALLED[name](arguments)
    raise RefusedPickleError("a tensor in it has no class")


def _dictionary(given: tuple[Any, ...]) -> Pairs:
    pairs = (pair for some in given[:_ARGUMENTS] if type(some) is list for pair in some)
    return Pairs([tuple(pair) for pair in pairs if type(pair) in (list, tuple) and len(pair) == 2])


_CALLED: Final[dict[str, Callable[[tuple[Any, ...]], Any]]] = {
    "torch._utils._rebuild_tensor": _view,
    "torch._utils._rebuild_tensor_v2": _view,
    "torch._utils._rebuild_tensor_v3": _view_of_dtype,
    "torch._utils._rebuild_qtensor": _view,
    "torch._utils._rebuild_parameter": lambda given: given[0],
    "torch._utils._rebuild_parameter_with_state": lambda given: given[0],
    "torch._tensor._rebuild_from_type_v2": _of_type,
    "collections.OrderedDict": _dictionary,
    "collections.defaultdict": _dictionary,
    "torch.Size": lambda given: given[0],
}


# --- the tensors in what was built ---


def tensors_in(value: Any) -> Iterator[tuple[str, View]]:
    """Yield each tensor with its name: the keys on the way there, joined by dots.

    Of a module its parameters and buffers, and those of its parts, under the names that a state dict has.

    Raises:
        RefusedPickleError: It is nested too deeply, or has too much.
    """
    visits, looks, letters = _MAX_VISITED, _MAX_STEPS, _MAX_LETTERS

    def walk(value: Any, name: str, depth: int) -> Iterator[tuple[str, View]]:
        nonlocal visits, looks, letters
        visits, looks, letters = visits - 1, looks - _width(value), letters - len(name)
        if min(visits, looks, letters) < 0 or depth > _MAX_DEPTH or len(name) > MAX_NAME:
            raise RefusedPickleError("it is nested too deeply, or has too many values")
        if type(value) is View:
            yield name, value
        for key, part in _inside(value):
            yield from walk(part, f"{name}.{key}" if name and key else name or key, depth + 1)

    yield from walk(value, "", 0)


def _width(value: Any) -> int:
    """Return how many values `_inside` looks at, those that it passes over too."""
    found = value.state if type(value) is Inert and type(value.state) is Pairs else value
    items: Any = found.items if type(found) is Pairs else found
    return len(items) if type(items) in (list, tuple) else 0


def _inside(value: Any) -> Iterator[tuple[str, Any]]:
    if type(value) is Pairs:
        yield from ((str(key), part) for key, part in value.items if type(key) in (str, int))
    elif type(value) in (list, tuple):
        yield from ((str(n), part) for n, part in enumerate(value) if type(part) not in (int, float, str))
    elif type(value) is Inert and type(value.state) is Pairs:
        inner = ("_parameters", "_buffers", "_modules")
        module = any(key == "_parameters" for key, _ in value.state.items)
        for key, part in value.state.items:
            if type(key) is str and (not module or key in inner):
                yield "" if module else key, part
