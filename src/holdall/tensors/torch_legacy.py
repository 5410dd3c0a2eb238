"""A checkpoint of before PyTorch 1.6, which `torch.save` still writes when it is asked to.

pickles    magic number | protocol | what machine | the object | keys of the storages, in order
storages   u64 numbers | the numbers
"""

from __future__ import annotations

from io import BytesIO
from typing import Any, Final

from holdall.errors import ContentError
from holdall.tensors.stored import Extent, Header, RangedFile
from holdall.tensors.torch_pickle import MAX_PICKLE, Machine, Pairs, RefusedPickleError, Storage, steps
from holdall.tensors.torch_views import LEGACY_MAGIC, WHAT, views_of

_FIRST: Final = 128 << 10


def read_legacy(file: RangedFile) -> Header:
    """Return the tensors of such a checkpoint.

    Raises: as `read_torch`.

    Cost: a request for its pickles, and more where these have more than 128 KiB; and 8 bytes of each storage.
    """
    try:
        pickles, at = _read_pickles(file)
        system, keys = (Machine().run(pickles[n]) for n in (2, 4))
        machine = Machine()
        machine.run(pickles[3])
    except RefusedPickleError as error:
        raise ContentError(file.path, WHAT, str(error)) from error
    if pickles[0] != LEGACY_MAGIC or type(keys) is not list:
        raise ContentError(file.path, WHAT, "it is a pickle of something else")
    little = not (isinstance(system, Pairs) and ("little_endian", False) in system.items)
    places = _places(file, keys, machine.storages, at)
    return Header(views_of(file, pickles[3], places, big_endian=not little))


def _read_pickles(file: RangedFile) -> tuple[list[bytes], int]:
    """Return the five pickles in front, and where they end; four times as much is read where they go on."""
    (head,) = file.read_ranges([(0, min(file.size, _FIRST))])
    while True:
        try:
            return _pickles(head)
        except RefusedPickleError:
            raise
        except ValueError as error:
            if len(head) >= min(file.size, MAX_PICKLE):
                raise ContentError(file.path, WHAT, "it is neither a zip archive nor a series of pickles") from error
            head += file.read_ranges([(len(head), min(file.size, 4 * len(head)))])[0]


def _pickles(head: bytes) -> tuple[list[bytes], int]:
    stream, found = BytesIO(head), []
    for _ in range(5):
        start = stream.tell()
        for _ in steps(stream):
            pass
        found.append(head[start : stream.tell()])
    return found, stream.tell()


def _places(file: RangedFile, keys: list[Any], storages: dict[str, Storage], at: int) -> dict[str, tuple[Extent, int]]:
    """Return where the storages are, which follow each other in the order of their keys."""
    found = {}
    for key in keys:
        storage = storages.get(key) if type(key) is str else None
        if storage is None or storage.dtype is None:
            raise ContentError(file.path, WHAT, "it has a storage that no tensor is in")
        size = storage.count * storage.dtype.bits // 8
        if at + 8 + size > file.size:
            raise ContentError(file.path, WHAT, f"the storage {key[:100]!r} ends behind the file")
        found[key] = (Extent(file.path, at + 8), size)
        at += 8 + size
    return found
