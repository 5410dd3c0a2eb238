"""Files of tensors: safetensors, npy, npz, checkpoints of PyTorch, ONNX. Their headers; no numbers are read."""

from __future__ import annotations

from typing import Final

from holdall.errors import ContentError
from holdall.sizes import format_size
from holdall.store import list_tensors_of
from holdall.surfaces.web.previews.sample import NoPreview, Preview, Sample
from holdall.terminal import printable

_SHOWN: Final = 1_000
_LONGEST: Final = 300
_BEGINS: Final = {".npy": b"\x93NUMPY", ".npz": b"PK\x03\x04"}
_OF_TORCH: Final = (".pt", ".pth", ".bin", ".ckpt")


def fits(sample: Sample) -> bool:
    """Return whether it begins as such a file, and is called one."""
    suffix, head = sample.suffix, sample.head
    if suffix in _BEGINS:
        return head.startswith(_BEGINS[suffix])
    if suffix in _OF_TORCH:
        return head.startswith((b"PK\x03\x04", b"\x80\x02"))
    if suffix == ".safetensors":
        return head[8:9] == b"{"
    return suffix == ".onnx" and not sample.is_text


def show(sample: Sample) -> Preview:
    """Show names, types and shapes."""
    try:
        found = list_tensors_of(sample)
    except ContentError as error:
        raise NoPreview(f"its tensors cannot be told: {error.reason}") from error
    rows = [
        [_cut(one.name), one.dtype, " x ".join(map(str, one.shape)) or "1", format_size(one.nbytes)]
        for one in found[:_SHOWN]
    ]
    count, size = len(found), format_size(sum(one.nbytes for one in found))
    notes = (f"these are the first {_SHOWN} of {count}",) if count > _SHOWN else ()
    said = [(_cut(key), _cut(text)) for some in found.metadata.values() for key, text in list(some.items())[:50]]
    facts = {"columns": ["tensor", "type", "shape", "size"], "rows": rows, "numbers": [3], "said": said}
    return Preview(f"{count:,} tensors, {size}", "tensors.html", facts, notes)


def _cut(text: str) -> str:
    return printable(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}...")
