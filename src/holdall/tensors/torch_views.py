"""The tensors that a torch checkpoint's pickle names, held against the storages that are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from holdall.errors import ContentError
from holdall.tensors.dtypes import DType
from holdall.tensors.stored import Extent, Member, Place, RangedFile, Stored, checked_names, checked_shape
from holdall.tensors.torch_pickle import Machine, RefusedPickleError, Storage, View, tensors_in

WHAT: Final = "a checkpoint of torch.save whose tensors can be told without running it"
LEGACY_MAGIC: Final = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the first pickle of a file without archive
Places: TypeAlias = Mapping[str, tuple[Place, int]]  # by a storage's key: where its numbers are, and their bytes


def views_of(file: RangedFile, pickle: bytes, places: Places, *, big_endian: bool = False) -> list[Stored]:
    """Return the tensors that a pickle names, in storages at some places. Raises: ContentError."""
    try:
        views = list(tensors_in(Machine().run(pickle)))
    except RefusedPickleError as error:
        raise ContentError(file.path, WHAT, str(error)) from error
    checked_names(file, WHAT, [name for name, _ in views])
    return [_stored(file, name, view, places, big_endian) for name, view in views]


def _stored(file: RangedFile, name: str, view: View, places: Places, big_endian: bool) -> Stored:
    shape, strides = (checked_shape(file, WHAT, name, sizes) for sizes in (view.shape, view.strides))
    if len(shape) != len(strides) or view.offset < 0:
        raise ContentError(file.path, WHAT, f"the tensor {name[:100]!r} has another number of strides than dimensions")
    place, size = _storage(file, name, view.storage, view.dtype, places)
    found = Stored(name, view.dtype, shape, place, _unless_rows(shape, strides), big_endian)
    skip = view.offset * view.dtype.bits // 8
    if skip + found.extent > size:
        raise ContentError(file.path, WHAT, f"the tensor {name[:100]!r} ends behind its storage")
    return replace(found, place=_after(place, skip))


def _storage(file: RangedFile, name: str, storage: Storage, dtype: DType, places: Places) -> tuple[Place, int]:
    if storage.key not in places:
        raise ContentError(file.path, WHAT, f"the tensor {name[:100]!r} is in a storage that is not there")
    place, size = places[storage.key]
    if storage.count * (storage.dtype or dtype).bits // 8 > size and storage.dtype:
        raise ContentError(
            file.path, WHAT, f"a storage of {name[:100]!r} has {size} bytes, not {storage.count} numbers"
        )
    return place, size


def _after(place: Place, skip: int) -> Place:
    if isinstance(place, Member):
        return replace(place, skip=skip)
    assert isinstance(place, Extent)
    return replace(place, start=place.start + skip)


def _unless_rows(shape: tuple[int, ...], strides: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return the strides; None where they are those of rows that follow each other."""
    expected = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1 and stride != expected:
            return strides if 0 not in shape else None
        expected *= size
    return None
