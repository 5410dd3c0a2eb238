"""The index of a torch checkpoint: what is where in the files of its ranks. JSON, so that reading it runs nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import torch
from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    MetadataIndex,
    TensorProperties,
    TensorStorageMetadata,
)

from holdall.errors import InvalidArgumentError

_FORMAT: Final = 1


@dataclass(frozen=True)
class Place:
    """Where bytes are: in a file beside the index."""

    file: str
    offset: int
    length: int


def to_json(metadata: Any, places: dict[Any, Place]) -> dict[str, Any]:
    """Return the index of a checkpoint. Raises: InvalidArgumentError: Its planner says what cannot be kept."""
    tensors, objects = {}, []
    for name, kept in metadata.state_dict_metadata.items():
        if isinstance(kept, TensorStorageMetadata):
            chunks = [[list(chunk.offsets), list(chunk.sizes)] for chunk in kept.chunks]
            dtype = str(kept.properties.dtype).removeprefix("torch.")
            tensors[name] = {"dtype": dtype, "size": list(kept.size), "chunks": chunks}
        else:
            objects.append(name)
    stored = [
        [index.fqn, None if index.offset is None else list(index.offset), place.file, place.offset, place.length]
        for index, place in places.items()
    ]
    return {
        "holdall": _FORMAT,
        "tensors": tensors,
        "objects": objects,
        "names": _names(metadata.planner_data),
        "stored": stored,
    }


def _names(planner_data: Any) -> dict[str, list[str | int]] | None:
    """Return where the planner found each name in the state: keys and numbers, as torch's own planners say."""
    if planner_data is None:
        return None
    keys = [key for path in planner_data.values() for key in path] if isinstance(planner_data, dict) else [None]
    if not all(isinstance(key, str | int) for key in keys):
        raise InvalidArgumentError(
            "the planner says what no index can keep: use torch's own, or one without planner_data"
        )
    return {name: list(path) for name, path in planner_data.items()}


def from_json(body: Any) -> Any:
    """Return what an index tells. Raises: ValueError, TypeError, KeyError: It is none."""
    if body["holdall"] != _FORMAT:
        raise ValueError(f"it is of format {body['holdall']!r}, and this version of holdall knows {_FORMAT}")
    told: dict[str, Any] = {str(name): BytesStorageMetadata() for name in body["objects"]}
    for name, kept in body["tensors"].items():
        dtype = getattr(torch, str(kept["dtype"]), None)
        if not isinstance(dtype, torch.dtype):
            raise ValueError(f"{kept['dtype']!r} is no type of a tensor")
        chunks = [ChunkStorageMetadata(_size(offsets), _size(sizes)) for offsets, sizes in kept["chunks"]]
        told[name] = TensorStorageMetadata(TensorProperties(dtype=dtype), _size(kept["size"]), chunks)
    places = {
        MetadataIndex(name, None if offset is None else _size(offset)): _place(file, begin, length)
        for name, offset, file, begin, length in body["stored"]
    }
    names = body["names"]
    planner_data = None if names is None else {name: tuple(path) for name, path in names.items()}
    return Metadata(told, planner_data=planner_data, storage_data=places)


def _size(numbers: Any) -> Any:
    return torch.Size([_count(number) for number in numbers])


def _place(file: Any, offset: Any, length: Any) -> Place:
    if not isinstance(file, str) or not file or "/" in file:
        raise ValueError(f"{file!r} is no file beside it")
    return Place(file, _count(offset), _count(length))


def _count(number: Any) -> int:
    if type(number) is not int or not 0 <= number < 2**53:
        raise ValueError(f"{number!r} is no count")
    return number
