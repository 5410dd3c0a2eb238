"""By how much numbers differ, added up piece by piece."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from holdall.tensors.dtypes import DType, values

_AT_ONCE: Final = 1 << 19  # numbers: some temporaries of 4 MiB


@dataclass(frozen=True, slots=True)
class ValueDifference:
    """By how much the numbers of two tensors of one shape differ.

    Attributes:
        changed: Numbers that are not the same; of one dtype those whose bits differ (so 0.0 and -0.0 do, and a NaN
            is the same as itself), of two those whose values differ.
        count: All of them.
        max: The largest absolute difference, of numbers that are finite in both, as are the next three. None where
            there are none, or where bytes were compared, which have no values.
        mean: The mean absolute difference.
        norm: The Euclidean norm of a - b.
        relative: The norm of a - b divided by that of a; infinite where only that of a is zero.
        nonfinite_a, nonfinite_b: Numbers that are infinite or NaN.
    """

    changed: int
    count: int
    max: float | None = None
    mean: float | None = None
    norm: float | None = None
    relative: float | None = None
    nonfinite_a: int = 0
    nonfinite_b: int = 0


class Norm:
    """A Euclidean norm of many numbers, whose squares may be beyond all floats."""

    def __init__(self) -> None:
        self.value = 0.0

    def add(self, numbers: Any) -> None:
        """Add the absolute values of some numbers."""
        import numpy as np

        most = float(numbers.max(initial=0.0))
        if most == 0.0 or not math.isfinite(most):
            self.value += most
        elif 1e-100 < most < 1e100:
            self.value = math.hypot(self.value, math.sqrt(float(np.dot(numbers, numbers))))
        else:
            scaled = numbers / most
            self.value = math.hypot(self.value, most * math.sqrt(float(np.dot(scaled, scaled))))


class Measure:
    """What is known of how two tensors differ, so far."""

    def __init__(self, a: DType, b: DType) -> None:
        self._a, self._b = a, b
        self._changed = self._count = self._finite = self._bad_a = self._bad_b = 0
        self._max, self._sum = 0.0, 0.0
        self._norm, self._norm_a = Norm(), Norm()

    def add(self, a: Any, b: Any | None) -> None:
        """Add some numbers of both, as arrays of bytes, little-endian; None for b where they are those of a."""
        for part_a, part_b in _parts(a, self._a.item, b, self._b.item):
            self._count += len(part_a) // self._a.item
            if part_b is None:
                self._add_same(part_a)
            elif self._a == self._b:
                self._changed += _differing(part_a, part_b, self._a.item)
                self._add_values(part_a, part_b)
            else:
                self._changed += self._add_values(part_a, part_b)

    @property
    def differs(self) -> bool:
        """Whether any number has changed."""
        return self._changed > 0

    @property
    def result(self) -> ValueDifference:
        """Return what was added up."""
        if not self._a.has_values:
            return ValueDifference(self._changed, self._count)
        bad = {"nonfinite_a": self._bad_a, "nonfinite_b": self._bad_b}
        if not self._finite:
            return ValueDifference(self._changed, self._count, **bad)
        norm, norm_a = self._norm.value, self._norm_a.value
        relative = norm / norm_a if norm_a else math.inf if norm else 0.0
        mean = self._sum / self._finite
        return ValueDifference(self._changed, self._count, self._max, mean, norm, relative, **bad)

    def _add_same(self, data: Any) -> None:
        if self._a.has_values:
            numbers, finite = _finite(values(self._a, data))
            self._bad_a += len(finite) - len(numbers)
            self._bad_b += len(finite) - len(numbers)
            self._finite += len(numbers)
            self._norm_a.add(_size(numbers))

    def _add_values(self, a: Any, b: Any) -> int:
        """Add what has values; return how many of these differ."""
        import numpy as np

        if not self._a.has_values:
            return 0
        one, other = values(self._a, a), values(self._b, b)
        (_, fine_a), (_, fine_b) = _finite(one), _finite(other)
        self._bad_a += int(len(one) - np.count_nonzero(fine_a))
        self._bad_b += int(len(other) - np.count_nonzero(fine_b))
        both = fine_a & fine_b
        differing = int(np.count_nonzero((one != other) & ~((one != one) & (other != other))))  # NaN is not itself
        if not both.all():
            one, other = one[both], other[both]
        self._finite += len(one)
        apart = _apart(one, other)
        self._max = max(self._max, float(apart.max(initial=0.0)))
        self._sum += float(apart.sum())
        self._norm.add(apart)
        self._norm_a.add(_size(one))
        return differing


def _parts(a: Any, item_a: int, b: Any | None, item_b: int) -> Iterator[tuple[Any, Any | None]]:
    for at in range(0, len(a) // item_a, _AT_ONCE):
        stop = at + _AT_ONCE
        yield a[at * item_a : stop * item_a], None if b is None else b[at * item_b : stop * item_b]


def _differing(a: Any, b: Any, item: int) -> int:
    """Return how many items of two arrays of bytes are not the same."""
    import numpy as np

    if item in (1, 2, 4, 8):
        return int(np.count_nonzero(a.view(f"u{item}") != b.view(f"u{item}")))
    return int(np.count_nonzero((a.reshape(-1, item) != b.reshape(-1, item)).any(axis=1)))


def _finite(numbers: Any) -> tuple[Any, Any]:
    """Return the finite ones among some numbers, and which these are."""
    import numpy as np

    if numbers.dtype.kind in "iub":
        return numbers, np.ones(len(numbers), bool)
    finite = np.isfinite(numbers)
    return numbers if finite.all() else numbers[finite], finite


def _size(numbers: Any) -> Any:
    """Return the absolute values as float64."""
    import numpy as np

    if numbers.dtype.kind in "iub":
        return np.abs(numbers.astype("f8"))
    return np.abs(numbers.astype("c16" if numbers.dtype.kind == "c" else "f8"))


def _apart(a: Any, b: Any) -> Any:
    """Return |a - b| as float64; of integers without an overflow on the way."""
    import numpy as np

    if a.dtype == b.dtype and a.dtype.kind in "iu" and a.dtype.itemsize == 8:
        greater = a > b
        high, low = np.where(greater, a, b).view("u8"), np.where(greater, b, a).view("u8")
        return (high - low).astype("f8")
    wide = "c16" if "c" in (a.dtype.kind, b.dtype.kind) else "f8"
    with np.errstate(over="ignore"):
        return np.abs(a.astype(wide) - b.astype(wide))
