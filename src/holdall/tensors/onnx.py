"""The initialisers of an ONNX model: a walk over its protobuf, which skips what it does not need.

    ModelProto   7 graph   1 ir_version   2 producer_name   3 producer_version   14 metadata
    GraphProto   5 initializer
    TensorProto  1 dims   2 data_type   8 name   9 raw_data   4-7, 10, 11 numbers of their kind   13, 14 elsewhere

Numbers that are elsewhere are in a file below the model's folder, and in no other: the
path may not lead out of it, and may not be a link.

https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from typing import Final

from holdall.errors import ContentError, HoldallError, InvalidPathError
from holdall.format.paths import check_path
from holdall.tensors.dtypes import DTYPES, DType, as_bytes
from holdall.tensors.protobuf import Field, Walk, packed_numbers
from holdall.tensors.stored import Extent, Header, Held, Nowhere, Place, RangedFile, Stored, checked_names
from holdall.tensors.stored import checked_shape as shape_of

WHAT: Final = "an ONNX model"
_TYPES: Final = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool", 10: "float16",
    11: "float64", 12: "uint32", 13: "uint64", 14: "complex64", 15: "complex128", 16: "bfloat16",
    17: "float8_e4m3fn", 18: "float8_e4m3fnuz", 19: "float8_e5m2", 20: "float8_e5m2fnuz", 21: "uint4", 22: "int4",
    23: "float4_e2m1fn", 24: "float8_e8m0fnu", 25: "uint2", 26: "int2",
}  # fmt: skip
_TEXTS: Final = 8
_PACKED: Final = {4: 4, 10: 8}  # fields whose numbers stand in the file as they are: bytes of each
_VARINTS: Final = (5, 7, 11)
_MAX_VARINTS: Final = 64 << 20  # bytes of one tensor that are decoded


@dataclass(slots=True)
class _Tensor:
    """What the walk has seen of a tensor."""

    name: str = ""
    kind: int = 0
    dims: list[int] = field(default_factory=list)
    data: list[Field] = field(default_factory=list)  # 4-7, 9-11
    outside: dict[str, str] = field(default_factory=dict)


def read_onnx(file: RangedFile, beside: Callable[[str], RangedFile]) -> Header:
    """Return the initialisers of a model's graph.

    Raises:
        ContentError: It is no model, is damaged, or refers to a file out of its folder.

    Cost: a model of up to 32 MiB is read, 16 MiB at a time; of a larger one a request for each large initialiser.
    """
    walk, found = Walk(file, WHAT), []
    metadata: dict[str, str] = {}
    for part in walk.fields(0, file.size):
        if part.number == 7 and part.wire == 2:
            found += [
                _seen(walk, each) for each in walk.fields(part.start, part.stop) if (each.number, each.wire) == (5, 2)
            ]
        elif part.number in (2, 3) and part.wire == 2:
            metadata["producer_name" if part.number == 2 else "producer_version"] = walk.text(part)
        elif part.number == 1 and part.wire == 0:
            metadata["ir_version"] = str(part.value)
        elif part.number == 14 and part.wire == 2:
            metadata.update([walk.pair(part)])
    if not metadata and not found:
        raise ContentError(file.path, WHAT, "it has neither a version nor a graph")
    checked_names(file, WHAT, [tensor.name for tensor in found])
    return Header([_stored(walk, tensor, beside) for tensor in found], metadata)


def _seen(walk: Walk, of: Field) -> _Tensor:
    found = _Tensor()
    for part in walk.fields(of.start, of.stop):
        match part.number, part.wire:
            case 1, 0:
                found.dims.append(part.value)
            case 1, 2:
                found.dims += islice(packed_numbers(walk.content(part)), 64)
            case 2, 0:
                found.kind = part.value
            case 8, 2:
                found.name = walk.text(part)
            case 13, 2:
                found.outside.update([walk.pair(part)])
            case ((4 | 5 | 6 | 7 | 9 | 10 | 11), _):
                found.data.append(part)
    return found


def _stored(walk: Walk, tensor: _Tensor, beside: Callable[[str], RangedFile]) -> Stored:
    shape = shape_of(walk.file, WHAT, tensor.name, tensor.dims)
    if tensor.kind == _TEXTS:
        return Stored(tensor.name, as_bytes("string", 0), shape, Nowhere("its texts are not compared"))
    if tensor.kind not in _TYPES:
        raise _wrong(walk, tensor, f"has the type {tensor.kind}, which is not known")
    dtype = DTYPES[_TYPES[tensor.kind]]
    bare = Stored(tensor.name, dtype, shape, Held(b""))
    place = _outside(walk, tensor, bare, beside) if tensor.outside else _inside(walk, tensor, bare, dtype)
    return Stored(tensor.name, dtype, shape, place)


def _inside(walk: Walk, tensor: _Tensor, bare: Stored, dtype: DType) -> Place:
    data = tensor.data
    if not data and not bare.count:
        return Held(b"")
    if len(data) == 1 and data[0].wire == 2 and (data[0].number == 9 or data[0].number in _PACKED):
        if data[0].stop - data[0].start != bare.nbytes:
            raise _wrong(walk, tensor, f"has {data[0].stop - data[0].start} bytes, not those of its shape")
        return Extent(walk.file.path, data[0].start)
    if not all(part.number in _VARINTS for part in data) or bare.nbytes > _MAX_VARINTS:
        raise _wrong(walk, tensor, "has its numbers in a form that is not known")
    held, mask = bytearray(), (1 << 8 * dtype.item) - 1
    for part in data:
        numbers = iter([part.value]) if part.wire == 0 else packed_numbers(walk.content(part))
        for number in islice(numbers, bare.count + 1 - len(held) // dtype.item):
            held += (number & mask).to_bytes(dtype.item, "little")
    if len(held) != bare.nbytes:
        raise _wrong(walk, tensor, f"has {len(held) // dtype.item} numbers, not those of its shape")
    return Held(bytes(held))


def _outside(walk: Walk, tensor: _Tensor, bare: Stored, beside: Callable[[str], RangedFile]) -> Place:
    """Return where numbers are that are in a file beside the model."""
    location, folder = tensor.outside.get("location", ""), walk.file.path.rpartition("/")[0]
    try:
        path = check_path("/".join(part for part in (folder, location) if part))
        file = beside(path)
    except InvalidPathError as error:
        raise _wrong(walk, tensor, f"is said to be in {location[:100]!r}, which is not below its folder") from error
    except HoldallError as error:
        raise _wrong(walk, tensor, f"is said to be in {location[:100]!r}: {error}") from error
    start, length = (_number(tensor.outside.get(key, "")) for key in ("offset", "length"))
    size = file.size - (start or 0) if length is None else length
    if size != bare.nbytes or (start or 0) + size > file.size:
        raise _wrong(walk, tensor, f"is said to have {size} bytes of {location[:100]!r} from {start or 0} on")
    return Extent(path, start or 0)


def _number(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else None


def _wrong(walk: Walk, tensor: _Tensor, reason: str) -> ContentError:
    return ContentError(walk.file.path, WHAT, f"the initialiser {tensor.name[:100]!r} {reason}")
