"""In which order a tensor's numbers lie: two of the same order are compared as they lie, however that is."""

from __future__ import annotations

from typing import Any

from holdall.tensors.stored import Nowhere, Stored

MAX_GATHERED = 64 << 20  # bytes of a tensor whose numbers are put into order


def order(tensor: Stored) -> tuple[int, ...] | None:
    """Return the dimensions from the widest step to the narrowest; None where numbers overlap or leave gaps.

    Dimensions of one number do not count: two layouts that differ only in these are one.
    """
    wide = [axis for axis, size in enumerate(tensor.shape) if size != 1]
    strides = tensor.strides
    if strides is None or 0 in tensor.shape:
        return tuple(wide)
    wide.sort(key=lambda axis: -strides[axis])
    expected = 1
    for axis in reversed(wide):
        if strides[axis] != expected:
            return None
        expected *= tensor.shape[axis]
    return tuple(wide)


def obstacle(a: Stored, b: Stored) -> str:
    """Return why the numbers of two tensors of one shape cannot be compared; "" where they can."""
    for tensor in (a, b):
        if isinstance(tensor.place, Nowhere):
            return tensor.place.reason
    if a.dtype != b.dtype and not (a.dtype.has_values and b.dtype.has_values):
        return f"{a.dtype.name} and {b.dtype.name} have no numbers in common"
    if lie_alike(a, b):
        return ""
    if a.dtype.bits % 8 or b.dtype.bits % 8 or not (a.dtype.has_values and b.dtype.has_values):
        return "their bytes lie in other orders"
    if max(a.extent, a.nbytes, b.extent, b.nbytes) > MAX_GATHERED:
        return "their numbers lie in other orders, and are too many to be sorted"
    return ""


def lie_alike(a: Stored, b: Stored) -> bool:
    """Return whether the numbers of two tensors of one shape lie in one order, without gaps."""
    return (found := order(a)) is not None and found == order(b)


def in_rows(tensor: Stored, data: bytes) -> bytes:
    """Return the bytes of a tensor's numbers in the order of its shape, of those between its first and its last."""
    if tensor.strides is None:
        return data
    import numpy as np

    item = tensor.dtype.bits // 8
    flat: Any = np.frombuffer(data, f"V{item}")
    view = np.lib.stride_tricks.as_strided(flat, tensor.shape, [stride * item for stride in tensor.strides])
    return view.tobytes()
