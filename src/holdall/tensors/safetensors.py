"""The tensors of a safetensors file: u64 length, so many bytes of JSON, then the tensors' bytes without a gap.

https://github.com/huggingface/safetensors#format
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

from holdall.errors import ContentError
from holdall.tensors.dtypes import DTYPES, DType
from holdall.tensors.stored import Extent, Header, RangedFile, Stored, checked_names, checked_shape

WHAT: Final = "a safetensors file"
_FIRST: Final = 128 << 10  # bytes read at first: most headers are shorter, and a chunk has as many
_MAX_HEADER: Final = 16 << 20  # ten times the longest header that is known
_MAX_COMMAS: Final = 1 << 20  # what a header has for each value: as many make 150 MB of objects
_NAMES: Final = {
    "F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16",
    "I64": "int64", "I32": "int32", "I16": "int16", "I8": "int8",
    "U64": "uint64", "U32": "uint32", "U16": "uint16", "U8": "uint8", "BOOL": "bool", "C64": "complex64",
    "F8_E4M3": "float8_e4m3fn", "F8_E5M2": "float8_e5m2", "F8_E8M0": "float8_e8m0fnu",
    "F8_E4M3FNUZ": "float8_e4m3fnuz", "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "F6_E2M3": "float6_e2m3fn", "F6_E3M2": "float6_e3m2fn", "F4": "float4_e2m1fn",
}  # fmt: skip


def read_header(file: RangedFile, _: Callable[[str], RangedFile]) -> Header:
    """Return the tensors of a safetensors file.

    Raises:
        ContentError: It is none, or its header is too long or does not fit the file.

    Cost: one request, and one more where the header has more than 128 KiB.
    """
    text, base = _text(file)
    document = _document(file, text)
    metadata = document.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(isinstance(value, str) for value in metadata.values()):
        raise _wrong(file, "its __metadata__ is no table of texts")
    checked_names(file, WHAT, list(document))
    found = [_tensor(file, name, told, base) for name, told in document.items()]
    _check_places(file, found, base)
    return Header(found, metadata)


def _text(file: RangedFile) -> tuple[bytes, int]:
    """Return the header's JSON, and where the tensors begin."""
    if file.size < 8:
        raise _wrong(file, f"it has {file.size} bytes")
    (head,) = file.read_ranges([(0, min(file.size, _FIRST))])
    length = int.from_bytes(head[:8], "little")
    if length > file.size - 8:
        raise _wrong(file, f"its header is said to have {length} bytes, more than the file")
    if length > _MAX_HEADER:
        raise _wrong(file, f"its header has {length:,} bytes, more than {_MAX_HEADER:,}")
    if 8 + length > len(head):
        head += file.read_ranges([(len(head), 8 + length)])[0]
    return head[8 : 8 + length], 8 + length


def _document(file: RangedFile, text: bytes) -> dict[str, Any]:
    if text.count(b",") > _MAX_COMMAS:
        raise _wrong(file, f"its header has more than {_MAX_COMMAS:,} values")
    try:
        found = json.loads(text, object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise _wrong(file, f"its header is no JSON: {str(error)[:200]}") from error
    if not isinstance(found, dict):
        raise _wrong(file, "its header is no table")
    return found


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a name is in it twice")
    return found


def _tensor(file: RangedFile, name: str, told: Any, base: int) -> Stored:
    match told:
        case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(start), int(stop)]}:
            sizes = checked_shape(file, WHAT, name, shape)
        case _:
            raise _wrong(file, f"the tensor {name[:100]!r} has no dtype, shape and data_offsets")
    if kind not in _NAMES:
        raise _wrong(file, f"the tensor {name[:100]!r} has the dtype {kind[:40]!r}, which is not known")
    if not 0 <= start <= stop <= file.size:
        raise _wrong(file, f"the tensor {name[:100]!r} does not lie in it")
    found = Stored(name, _dtype(kind), sizes, Extent(file.path, base + start))
    if found.nbytes != stop - start or found.count * found.dtype.bits % 8:
        raise _wrong(file, f"the tensor {name[:100]!r} has {stop - start} bytes, not those of its shape")
    return found


def _dtype(kind: str) -> DType:
    return DTYPES[_NAMES[kind]]


def _check_places(file: RangedFile, found: list[Stored], base: int) -> None:
    """Refuse tensors that overlap, leave a gap, or do not fill the file."""
    at = base
    for tensor in sorted(found, key=lambda tensor: (_start(tensor), tensor.nbytes)):
        if _start(tensor) != at:
            raise _wrong(file, f"the tensor {tensor.name[:100]!r} begins at {_start(tensor)}, not at {at}")
        at += tensor.nbytes
    if at != file.size:
        raise _wrong(file, f"its tensors end at {at}, and the file at {file.size}")


def _start(tensor: Stored) -> int:
    assert isinstance(tensor.place, Extent)
    return tensor.place.start


def _wrong(file: RangedFile, reason: str) -> ContentError:
    return ContentError(file.path, WHAT, reason)
