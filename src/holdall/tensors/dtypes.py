"""What the numbers of a tensor are: names as numpy and PyTorch have them, and their exact values.

numpy has no bfloat16 and no float of eight bits. Each of their values is a float64
too, so they are compared as those, and nothing is rounded. What is packed (less than
a byte per number) or scaled by what stands elsewhere (quantised) has no value of its
own: that is compared as bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class DType:
    """The type of a tensor's numbers.

    Attributes:
        name: As numpy or PyTorch call it.
        bits: Of one number, as it is stored.
        numpy: The little-endian type of numpy that has the same bits; "" where only bytes are compared.
        minifloat: Exponent bits, bias and rule of a float that numpy lacks; None for others.
    """

    name: str
    bits: int
    numpy: str = ""
    minifloat: tuple[int, int, str] | None = None

    @property
    def has_values(self) -> bool:
        """Whether numbers can be subtracted, rather than bytes compared."""
        return bool(self.numpy or self.minifloat)

    @property
    def item(self) -> int:
        """Return the bytes that are compared at once: of one number, or 1."""
        return self.bits // 8 if self.bits % 8 == 0 else 1


def _plain(*names: str) -> dict[str, DType]:
    found = {}
    for name in names:
        digits = name.lstrip("abcdefghijklmnopqrstuvwxyz")
        kind = {"float": "f", "int": "i", "uint": "u", "complex": "c"}[name.removesuffix(digits)]
        found[name] = DType(name, int(digits), f"<{kind}{int(digits) // 8}")
    return found


_FEW: Final = (
    DType("bool", 8, "|b1"),
    DType("bfloat16", 16, "bfloat16"),
    DType("complex32", 32, "complex32"),
    DType("float8_e4m3fn", 8, minifloat=(4, 7, "fn")),
    DType("float8_e5m2", 8, minifloat=(5, 15, "ieee")),
    DType("float8_e4m3fnuz", 8, minifloat=(4, 8, "fnuz")),
    DType("float8_e5m2fnuz", 8, minifloat=(5, 16, "fnuz")),
    DType("float8_e8m0fnu", 8, minifloat=(8, 127, "scale")),
    DType("float6_e2m3fn", 6),
    DType("float6_e3m2fn", 6),
    DType("float4_e2m1fn", 4),
    DType("int4", 4),
    DType("uint4", 4),
    DType("int2", 2),
    DType("uint2", 2),
    DType("qint8", 8),
    DType("quint8", 8),
    DType("qint32", 32),
    DType("quint4x2", 8),
    DType("quint2x4", 8),
)
DTYPES: Final = {dtype.name: dtype for dtype in _FEW} | _plain(
    *("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("complex64", "complex128"),
)


def as_bytes(name: str, size: int) -> DType:
    """Return a type of numpy's that is compared as bytes, such as texts and dates."""
    return DType(name, 8 * size)


def values(dtype: DType, data: Any) -> Any:
    """Return the numbers in an array of bytes, little-endian: each as it is, or as the float64 that it equals."""
    import numpy as np

    if dtype.minifloat:
        return _minifloats(dtype)[data]
    if dtype.name == "bfloat16":
        return (data.view("<u2").astype("<u4") << 16).view("<f4")
    if dtype.name == "complex32":
        halves = data.view("<f2").astype("<f4")
        return halves.view("<c8")
    return data.view(np.uint8 if dtype.name == "bool" else dtype.numpy)


@lru_cache(maxsize=8)
def _minifloats(dtype: DType) -> Any:
    """Return the value of each byte."""
    import numpy as np

    return np.array([_minifloat(byte, *dtype.minifloat or (0, 0, "")) for byte in range(256)])


def _minifloat(byte: int, exponent_bits: int, bias: int, rule: str) -> float:
    """Return what one byte says. Of the rules, `ieee` has infinities, `fnuz` no negative zero, `scale` no sign."""
    nan = float("nan")
    if rule == "scale":
        return nan if byte == 255 else 2.0 ** (byte - bias)
    mantissa_bits = 7 - exponent_bits
    sign, exponent = (-1.0 if byte >> 7 else 1.0), byte >> mantissa_bits & (1 << exponent_bits) - 1
    mantissa, top = byte & (1 << mantissa_bits) - 1, (1 << exponent_bits) - 1
    if (rule == "fnuz" and byte == 0x80) or (rule == "fn" and byte & 0x7F == 0x7F):
        return nan
    if rule == "ieee" and exponent == top:
        return nan if mantissa else sign * float("inf")
    if not exponent:
        return sign * mantissa * 2.0 ** (1 - bias - mantissa_bits)
    return sign * ((1 << mantissa_bits) + mantissa) * 2.0 ** (exponent - bias - mantissa_bits)
