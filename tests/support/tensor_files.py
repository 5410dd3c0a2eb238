"""Files of tensors, as the formats' own libraries write them, and a file in memory that counts what is read of it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np


class CountedFile:
    """A file in memory, read by ranges. Attributes: asked (all ranges that were read, as one list for each call)."""

    def __init__(self, data: bytes, path: str = "file") -> None:
        self.data, self.path, self.asked = data, path, list[Sequence[tuple[int, int]]]()

    @property
    def size(self) -> int:
        return len(self.data)

    def read_ranges(self, ranges: Sequence[tuple[int, int]]) -> list[bytes]:
        assert all(0 <= start <= stop <= self.size for start, stop in ranges), "a reader asks for what is there"
        self.asked.append(ranges)
        return [self.data[start:stop] for start, stop in ranges]


def safetensors(tensors: Mapping[str, Any], metadata: dict[str, str] | None = None) -> bytes:
    """Arrays of numpy, or tensors of torch, as safetensors."""
    if all(isinstance(each, np.ndarray) for each in tensors.values()):
        from safetensors.numpy import save

        return bytes(save(dict(tensors), metadata))
    from safetensors.torch import save as save_torch

    return bytes(save_torch(dict(tensors), metadata))


def torch_file(value: Any, **options: Any) -> bytes:
    """What `torch.save` writes."""
    import torch

    held = io.BytesIO()
    torch.save(value, held, **options)
    return held.getvalue()


def legacy_file(value: Any) -> bytes:
    """What `torch.save` wrote before 1.6."""
    return torch_file(value, _use_new_zipfile_serialization=False)


def npz(tensors: Mapping[str, Any], *, compressed: bool = False) -> bytes:
    """What `numpy.savez` writes."""
    held = io.BytesIO()
    (np.savez_compressed if compressed else np.savez)(held, **tensors)
    return held.getvalue()


def compressed_npz(tensors: Mapping[str, Any]) -> bytes:
    """What `numpy.savez_compressed` writes."""
    return npz(tensors, compressed=True)


def npy(array: Any) -> bytes:
    """What `numpy.save` writes."""
    held = io.BytesIO()
    np.save(held, array)
    return held.getvalue()


def onnx_model(tensors: Mapping[str, Any], *, raw: bool = True) -> Any:
    """A model with these initialisers; `raw`: their bytes, rather than their numbers one by one."""
    from onnx import helper, numpy_helper

    held = [
        numpy_helper.from_array(each, name)
        if raw
        else helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(each.dtype), each.shape, each.ravel().tolist())
        for name, each in tensors.items()
    ]
    value = helper.make_tensor_value_info("x", 1, [1])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [value], [value], held)
    return helper.make_model(graph, producer_name="tests")


def onnx_file(tensors: Mapping[str, Any]) -> bytes:
    """The same as the bytes of a file."""
    return bytes(onnx_model(tensors).SerializeToString())


def typed_onnx_file(tensors: Mapping[str, Any]) -> bytes:
    """The same, with numbers in the fields of their kinds."""
    return bytes(onnx_model(tensors, raw=False).SerializeToString())


def onnx_folder(tensors: Mapping[str, Any], folder: Path, location: str = "weights.data") -> None:
    """A model in a folder, its numbers in a file beside it."""
    import onnx

    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(
        onnx_model(tensors),
        folder / "model.onnx",
        save_as_external_data=True,
        all_tensors_to_one_file=True,
        location=location,
        size_threshold=0,
    )
