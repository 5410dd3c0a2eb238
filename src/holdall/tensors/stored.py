"""A tensor as a header tells it: its name and shape, and where in which file its bytes lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

from holdall.display import Facts, Shown
from holdall.errors import ContentError
from holdall.tensors.dtypes import DType

MAX_TENSORS: Final = 1 << 17  # of one file; the largest known have 2,000 in one, and 100,000 in all
MAX_NAME: Final = 4096  # characters of a tensor's name
_MAX_DIMENSIONS: Final = 64
_MAX_NUMBERS: Final = 1 << 60


class RangedFile(Protocol):
    """A file that is read by ranges. Attributes: path (for errors, and its name in its folder), size."""

    @property
    def path(self) -> str: ...

    @property
    def size(self) -> int: ...

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        """Return the bytes of some ranges, all of which are within the file."""
        ...


@dataclass(frozen=True, slots=True)
class TensorInfo(Shown):
    """A tensor of a file.

    Attributes:
        name: As the file has it; of torch's nested dictionaries, the keys joined by dots.
        dtype: As numpy or PyTorch call it, such as "float32" or "bfloat16".
        shape: Numbers in each dimension; () of a single number.
        nbytes: Bytes of its numbers.
        file: The path of the file that names it, below what was asked for; "" where that was one file.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    nbytes: int
    file: str = ""

    def _shown(self) -> Facts:
        return {"name": self.name, "dtype": self.dtype, "shape": self.shape, "nbytes": self.nbytes, "file": self.file}


@dataclass(frozen=True, slots=True)
class Extent:
    """Bytes of a file as they are, from `start` on."""

    path: str
    start: int


@dataclass(frozen=True, slots=True)
class Member:
    """Bytes of an entry of a zip archive.

    Attributes:
        path: The archive.
        header: Where the entry's local header begins; its content follows, at a distance that only the header says.
        end: Where the next entry begins at the latest.
        stored: Bytes that the entry takes.
        size: Bytes that it has.
        skip: Bytes of it that come before the tensor's.
        deflated: Whether it is compressed.
    """

    path: str
    header: int
    end: int
    stored: int
    size: int
    skip: int = 0
    deflated: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """Bytes that the header itself has, or has in a form that had to be decoded."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Nowhere:
    """Bytes that are not to be had; `reason` says why."""

    reason: str


Place: TypeAlias = Extent | Member | Held | Nowhere


@dataclass(frozen=True, slots=True)
class Stored:
    """A tensor, and where its bytes lie.

    Attributes:
        strides: From one number to the next in each dimension, counted in numbers; None where rows follow each other.
        big_endian: Whether a number's first byte weighs most.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    place: Place
    strides: tuple[int, ...] | None = None
    big_endian: bool = False
    file: str = ""

    @property
    def count(self) -> int:
        """Return how many numbers it has."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Return the bytes of its numbers, without what lies between them."""
        return -(-self.count * self.dtype.bits // 8)

    @property
    def extent(self) -> int:
        """Return the bytes from its first number to behind its last one."""
        if self.strides is None or not self.count:
            return self.nbytes
        last = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True))
        return -(-(last + 1) * self.dtype.bits // 8)

    @property
    def info(self) -> TensorInfo:
        """Return what users are told of it."""
        return TensorInfo(self.name, self.dtype.name, self.shape, self.nbytes, self.file)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of its tensors. Attributes: metadata (what else its header has, as texts)."""

    tensors: Sequence[Stored]
    metadata: Mapping[str, str] = field(default_factory=dict)


Reader: TypeAlias = Callable[[RangedFile, Callable[[str], RangedFile]], Header]


def checked_shape(file: RangedFile, what: str, name: str, shape: Sequence[object]) -> tuple[int, ...]:
    """Return a shape that can be: at most 64 dimensions, none of them negative.

    Raises:
        ContentError: It cannot.
    """
    sizes = tuple(size for size in shape if type(size) is int and size >= 0)
    if len(sizes) != len(shape) or len(sizes) > _MAX_DIMENSIONS or _too_many(sizes):
        told = ", ".join(str(size) if type(size) is int else "?" for size in shape[:_MAX_DIMENSIONS])
        raise ContentError(file.path, what, f"the tensor {name[:100]!r} has the shape ({told[:100]})")
    return sizes


def _too_many(sizes: Sequence[int]) -> bool:
    return any(size > _MAX_NUMBERS for size in sizes) or (0 not in sizes and math.prod(sizes) > _MAX_NUMBERS)


def checked_names(file: RangedFile, what: str, names: Sequence[str]) -> None:
    """Refuse names that stand for several tensors, that are too long, or that are too many.

    Raises:
        ContentError: There are such.
    """
    if len(names) > MAX_TENSORS:
        raise ContentError(file.path, what, f"it has {len(names):,} tensors, more than {MAX_TENSORS:,}")
    if long := next((name for name in names if len(name) > MAX_NAME), None):
        raise ContentError(file.path, what, f"a tensor's name has {len(long):,} characters, more than {MAX_NAME:,}")
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise ContentError(file.path, what, f"two of its tensors are called {twice[:100]!r}")
