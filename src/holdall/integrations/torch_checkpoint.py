"""torch.distributed.checkpoint: each rank logs its shards to a run, and one entry commits the checkpoint, or none.

    import torch.distributed.checkpoint as dcp

    dcp.save(state, storage_writer=HoldallWriter(run, f"checkpoints/{step}"))        # dcp.async_save as well
    dcp.load(state, storage_reader=HoldallReader(run, f"checkpoints/{step}"))        # with any number of ranks

A rank has one file, `rank-<n>.bin`: the bytes of its tensors, back to back, and of what is no tensor. What is where
is `checkpoint.json`, which the coordinator adds when all have written; its part is the last, so its entry commits.
Loading asks for the bytes of the file that this rank needs. Nothing in either file is run while it is read, but for
objects that are no tensors, which a reader must trust.
"""

from __future__ import annotations

import io
import json
import math
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import torch
from torch.distributed.checkpoint.metadata import MetadataIndex, StorageMeta, TensorStorageMetadata
from torch.distributed.checkpoint.planner import LoadItemType, WriteItemType
from torch.distributed.checkpoint.storage import StorageReader, StorageWriter, WriteResult
from torch.futures import Future

import holdall
from holdall.errors import ContentError, InvalidArgumentError
from holdall.integrations.torch_index import Place, from_json, to_json
from holdall.store import GroupPart
from holdall.surfaces.fluent.active import current_store

__all__ = ["HoldallReader", "HoldallWriter"]

_INDEX: Final = "checkpoint.json"
_MOST_INDEX: Final = 512 << 20  # bytes of an index that are read
_AT_ONCE: Final = 256 << 20  # bytes of tensors that are fetched together


@dataclass(frozen=True)
class _Rank:
    """Which of the ranks that write a checkpoint this is, and of how many."""

    rank: int
    of: int


@dataclass
class _Saving:
    """A checkpoint that is being written: its path, and whether this rank finishes it, with the part that it leaves."""

    path: str
    coordinator: bool = False
    part: GroupPart | None = None  # until it knows what is where


class HoldallWriter(StorageWriter):  # type: ignore[misc]  # torch ships types that are not read here
    """Writes checkpoints to a run; `checkpoint_id`, where torch is given one, takes the place of `path`.

    Args:
        run: The run, or its id in the store in use.
        path: The directory of the run to put the checkpoint in.
        attempt: As for `run.group`: which try of the job this is, where it begins again and makes other content.
        on_conflict, keep_last: As for `run.log_artifact`, for one path that is written again and again.
    """

    def __init__(
        self,
        run: holdall.Run | str,
        path: str = "",
        *,
        attempt: int = 0,
        on_conflict: Literal["error", "replace"] = "error",
        keep_last: int | None = None,
    ) -> None:
        self.run = current_store().runs.get(run) if isinstance(run, str) else run
        self.path, self._attempt, self._on_conflict, self._keep_last = path, attempt, on_conflict, keep_last
        self._saving: dict[int, _Saving] = {}  # by thread: each `dcp.async_save` has one of its own

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Begin a checkpoint, whatever another thread is saving by this."""
        path = self.path if checkpoint_id is None else os.fspath(checkpoint_id)
        self._saving[threading.get_ident()] = _Saving(path)

    def set_up_storage_writer(self, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Learn whether this rank is the one that finishes the checkpoint."""
        if not kwargs.get("use_collectives", True):
            raise InvalidArgumentError("a checkpoint is one commit: save it with use_collectives=True")
        self._here.coordinator = is_coordinator

    def prepare_local_plan(self, plan: Any) -> Any:
        """Return the plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[Any]) -> list[Any]:
        """Tell each rank which one it is, and of how many."""
        return [replace(plan, storage_data=_Rank(rank, len(plans))) for rank, plan in enumerate(plans)]

    def write_data(self, plan: Any, planner: Any) -> Any:
        """Upload this rank's tensors, and leave its part; the coordinator's waits for the index."""
        here, saving = plan.storage_data, self._here
        if not isinstance(here, _Rank):
            raise InvalidArgumentError("the planner keeps what the storage says: use one without its own storage_data")
        part = self.run.group(
            name=f"checkpoint {saving.path}",
            rank=here.rank,
            world_size=here.of,
            attempt=self._attempt,
            on_conflict=self._on_conflict,
            keep_last=self._keep_last,
        )
        name = f"rank-{here.rank}.bin"
        stream = _Items(plan.items, planner)
        if plan.items:
            part.log_stream(io.BufferedReader(stream), _below(saving.path, name))
        if saving.coordinator:
            saving.part = part
        else:
            part.leave()
            del self._saving[threading.get_ident()]
        return _done([WriteResult(i, p.length, p) for i, p in stream.places(name)])

    def finish(self, metadata: Any, results: list[list[Any]]) -> None:
        """Add the index, and leave the coordinator's part: as the last it commits the checkpoint."""
        saving = self._saving.pop(threading.get_ident())
        assert saving.part is not None, "the coordinator writes before it finishes"
        places = {result.index: result.storage_data for some in results for result in some}
        saving.part.log_bytes(json.dumps(to_json(metadata, places)).encode(), _below(saving.path, _INDEX))
        saving.part.leave()
        saving.part.wait(0)  # all others have left theirs before

    def storage_meta(self) -> Any:
        """Return what torch tells its planner of the storage."""
        return StorageMeta(checkpoint_id=self._here.path)

    @property
    def _here(self) -> _Saving:
        """Return what this thread saves."""
        return self._saving.setdefault(threading.get_ident(), _Saving(self.path))

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Return whether it may be the path of a directory of a run."""
        return not Path(checkpoint_id).is_absolute()


class HoldallReader(StorageReader):  # type: ignore[misc]  # torch ships types that are not read here
    """Reads checkpoints from a run, as it is when the checkpoint's index is read.

    Args:
        run: The run, or its id in the store in use.
        path: The directory of the run that the checkpoint is in.
        trust: Whether objects that are no tensors may be of any class: loading them can run code that came with them.
    """

    def __init__(self, run: holdall.Run | str, path: str = "", *, trust: bool = False) -> None:
        self.run = current_store().runs.get(run) if isinstance(run, str) else run
        self.path, self._trust = path, trust
        self._view = self.run.snapshot()
        self._places: dict[Any, Place] = {}
        self._sizes: dict[Any, tuple[list[int], Any]] = {}

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Begin to read a checkpoint, as the run is now."""
        self.path = self.path if checkpoint_id is None else os.fspath(checkpoint_id)
        self._view = self.run.snapshot()

    def read_metadata(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the checkpoint holds. Raises: ArtifactNotFoundError, ContentError: There is none, or no index."""
        at = _below(self.path, _INDEX)
        with self._view.open(at) as file:
            data = file.read(_MOST_INDEX + 1)
        try:
            if len(data) > _MOST_INDEX:
                raise ValueError(f"it has more than {_MOST_INDEX} bytes")
            metadata = from_json(json.loads(data))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ContentError(at, "the index of a checkpoint", str(error) or type(error).__name__) from error
        metadata.storage_meta = StorageMeta(checkpoint_id=self.path)
        return metadata

    def set_up_storage_reader(self, metadata: Any, is_coordinator: bool, *args: Any, **kwargs: Any) -> None:
        """Take what the checkpoint holds."""
        self._places = metadata.storage_data
        self._sizes = {
            MetadataIndex(name, chunk.offsets): (list(chunk.sizes), kept.properties.dtype)
            for name, kept in metadata.state_dict_metadata.items()
            if isinstance(kept, TensorStorageMetadata)
            for chunk in kept.chunks
        }

    def prepare_local_plan(self, plan: Any) -> Any:
        """Return the plan as it is."""
        return plan

    def prepare_global_plan(self, plans: list[Any]) -> list[Any]:
        """Return the plans as they are."""
        return plans

    def read_data(self, plan: Any, planner: Any) -> Any:
        """Load what this rank needs: of each file the ranges that hold it, side by side."""
        files: dict[str, list[_Wanted]] = {}
        for item in plan.items:
            files.setdefault(self._places[item.storage_index].file, []).append(self._wanted(item))
        for name, wanted in sorted(files.items()):
            path = _below(self.path, name)
            with self._view.open(path) as file:
                for some in _batches(wanted):
                    for one, data in zip(some, file.read_ranges([one.range for one in some]), strict=True):
                        self._load(one, data, planner, path)
        return _done(None)

    def _wanted(self, item: Any) -> _Wanted:
        """Return which bytes hold an item: of a tensor, the rows of its first dimension that are asked for."""
        place = self._places[item.storage_index]
        if item.type == LoadItemType.BYTE_IO:
            return _Wanted(item, place.offset, place.offset + place.length)
        sizes, dtype = self._sizes[MetadataIndex(item.storage_index.fqn, item.storage_index.offset or ())]
        if place.length != math.prod(sizes) * dtype.itemsize:
            raise ContentError(place.file, "the tensors that its index tells", f"{item.storage_index} has other bytes")
        if not sizes:
            return _Wanted(item, place.offset, place.offset + place.length, (), dtype)
        row = math.prod(sizes[1:]) * dtype.itemsize
        first, rows = item.storage_offsets[0], item.lengths[0]
        begin = place.offset + first * row
        return _Wanted(item, begin, begin + rows * row, (rows, *sizes[1:]), dtype)

    def _load(self, one: _Wanted, data: bytes, planner: Any, path: str) -> None:
        item = one.item
        if item.type == LoadItemType.BYTE_IO:
            self._check_object(data, path, item.storage_index.fqn)
            planner.load_bytes(item, io.BytesIO(data))
            return
        stored = torch.frombuffer(bytearray(data), dtype=one.dtype) if data else torch.empty(0, dtype=one.dtype)
        stored = stored.reshape(one.shape)
        for dim in range(1, len(one.shape)):
            stored = stored.narrow(dim, item.storage_offsets[dim], item.lengths[dim])
        target = planner.resolve_tensor(item).detach()
        target.copy_(stored)
        planner.commit_tensor(item, target)

    def _check_object(self, data: bytes, path: str, name: str) -> None:
        """Raise a ContentError for an object that is not plain data, unless the reader trusts it."""
        if self._trust:
            return
        try:
            torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
        except Exception as error:
            reason = f"{name!r} may run code as it is loaded; if you trust it, HoldallReader(..., trust=True)"
            raise ContentError(path, "plain data", reason) from error

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        """Return whether it may be the path of a directory of a run."""
        return not Path(checkpoint_id).is_absolute()


@dataclass(frozen=True)
class _Wanted:
    """An item to load, and the bytes of its file that hold it; of a tensor, their shape and type."""

    item: Any
    start: int
    stop: int
    shape: tuple[int, ...] = ()
    dtype: Any = None

    @property
    def range(self) -> tuple[int, int]:
        return self.start, self.stop


class _Items(io.RawIOBase):
    """The bytes of a plan's items, one after the other; each is asked for when its turn comes, and then let go."""

    def __init__(self, items: Sequence[Any], planner: Any) -> None:
        self._parts = self._data(items, planner)
        self._left = memoryview(b"")
        self._lengths: list[tuple[Any, int]] = []

    def places(self, file: str) -> Iterator[tuple[Any, Place]]:
        """Yield where each item is, once all were read."""
        offset = 0
        for index, length in self._lengths:
            yield index, Place(file, offset, length)
            offset += length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        while not self._left:
            found = next(self._parts, None)
            if found is None:
                return 0
            self._left = found
        view = memoryview(buffer)
        some, self._left = self._left[: len(view)], self._left[len(view) :]
        view[: len(some)] = some
        return len(some)

    def _data(self, items: Sequence[Any], planner: Any) -> Iterator[memoryview]:
        for item in items:
            found = planner.resolve_data(item)
            data = found.getbuffer() if item.type == WriteItemType.BYTE_IO else _bytes_of(found)
            self._lengths.append((item.index, len(data)))
            yield data


def _bytes_of(tensor: Any) -> memoryview:
    """Return the bytes of a tensor, row by row."""
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise InvalidArgumentError(f"a tensor of layout {tensor.layout} cannot be kept in a checkpoint: make it dense")
    plain = tensor.detach().cpu().resolve_conj().resolve_neg().contiguous().reshape(-1)
    return memoryview(plain.view(torch.uint8).numpy()) if plain.numel() else memoryview(b"")


def _batches(wanted: Iterable[_Wanted]) -> Iterator[list[_Wanted]]:
    """Yield what to fetch together, in the order of the file."""
    some: list[_Wanted] = []
    size = 0
    for one in sorted(wanted, key=lambda one: one.start):
        if some and size + one.stop - one.start > _AT_ONCE:
            yield some
            some, size = [], 0
        some.append(one)
        size += one.stop - one.start
    if some:
        yield some


def _below(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name


def _done(value: Any) -> Any:
    future = Future()
    future.set_result(value)
    return future
