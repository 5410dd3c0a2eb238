"""The tensors of a file that `torch.save` wrote: a zip archive of a pickle and of one entry for each storage.

    archive/data.pkl       names, shapes and storage keys      archive/data/0    the numbers of storage 0
    archive/byteorder      "little" or "big"; not in old ones

A file of before PyTorch 1.6 is no archive but pickles one after the other, then the storages.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from holdall.errors import ContentError
from holdall.tensors.archive import MAGIC, Entry, content_starts, inflate, read_directory
from holdall.tensors.stored import Header, RangedFile
from holdall.tensors.torch_legacy import read_legacy
from holdall.tensors.torch_pickle import MAX_PICKLE
from holdall.tensors.torch_views import LEGACY_MAGIC, WHAT, views_of

_PICKLE: Final = "data.pkl"
_SMALL: Final = 64  # bytes of an entry that says how the others are written


def read_torch(file: RangedFile, _: Callable[[str], RangedFile]) -> Header:
    """Return the tensors of a checkpoint.

    Raises:
        ContentError: It is none, it is damaged, or it names what a checkpoint of tensors does not need.

    Cost: for an archive one or two requests for its directory, and two for its pickle and what says its byte order.
    """
    if not _head(file).startswith(MAGIC):
        return read_legacy(file)
    entries = {entry.name: entry for entry in read_directory(file, WHAT)}
    pickles = [name for name in entries if name == _PICKLE or (name.endswith("/" + _PICKLE) and name.count("/") == 1)]
    if len(pickles) != 1:
        raise ContentError(file.path, WHAT, f"it has {len(pickles)} entries data.pkl")
    folder = pickles[0].removesuffix(_PICKLE)
    order = entries.get(folder + "byteorder")
    data, said = _contents(file, entries[pickles[0]], order)
    places = {
        name.removeprefix(folder + "data/"): (entry.member, entry.member.size)
        for name, entry in entries.items()
        if name.startswith(folder + "data/")
    }
    return Header(views_of(file, data, places, big_endian=said == b"big"))


def is_checkpoint(file: RangedFile) -> bool:
    """Return whether a file begins as `torch.save` begins one: those of others have the same endings.

    Cost: one request.
    """
    return _head(file).startswith((MAGIC, LEGACY_MAGIC))


def _head(file: RangedFile) -> bytes:
    return file.read_ranges([(0, min(file.size, len(LEGACY_MAGIC)))])[0]


def _contents(file: RangedFile, pickle: Entry, order: Entry | None) -> tuple[bytes, bytes]:
    """Return the pickle, and what says the byte order; b"" where nothing does."""
    wanted = [pickle.member, *([order.member] if order and order.member.size < _SMALL else [])]
    if pickle.member.size > MAX_PICKLE or pickle.member.stored > MAX_PICKLE:
        raise ContentError(file.path, WHAT, f"its pickle has {pickle.member.size:,} bytes, more than {MAX_PICKLE:,}")
    starts = content_starts(file, WHAT, wanted)
    parts = file.read_ranges([(at, at + member.stored) for at, member in zip(starts, wanted, strict=True)])
    found = [
        b"".join(inflate([part], member, file.path, WHAT)) if member.deflated else part
        for part, member in zip(parts, wanted, strict=True)
    ]
    return found[0], found[1] if len(found) > 1 else b""
