"""Which reader a file needs, and the tensors of a file or of all files of a folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from holdall.chunks.beside import side_by_side
from holdall.display import Listing
from holdall.errors import ContentError, InvalidPathError
from holdall.format.paths import check_path, sort_key
from holdall.tensors.npy import read_npy, read_npz
from holdall.tensors.onnx import read_onnx
from holdall.tensors.safetensors import read_header
from holdall.tensors.stored import Header, RangedFile, Reader, Stored, TensorInfo
from holdall.tensors.torch_file import is_checkpoint, read_torch

_READERS: Final[dict[str, Reader]] = {
    ".safetensors": read_header,
    ".npy": read_npy,
    ".npz": read_npz,
    ".onnx": read_onnx,
    ".pt": read_torch,
    ".pth": read_torch,
    ".ckpt": read_torch,
    ".bin": read_torch,
}
_PERHAPS: Final = (".bin", ".ckpt")  # what others write under these names is no checkpoint, and no damage
_INDEX: Final = ".index.json"
_MAX_INDEX: Final = 16 << 20
_MAX_FILES: Final = 4096  # that have tensors, of one folder
_MAX_ALL: Final = 1 << 19  # tensors of one folder
_WHAT: Final = "a file of tensors (.safetensors, .pt, .pth, .bin, .ckpt, .npz, .npy or .onnx), nor an index of some"


class Folder(Protocol):
    """A folder, or one file, that may have tensors.

    Attributes:
        files: The whole paths of its files, whose endings say what they are.
        single: The one file that was asked for, if it was no folder.
    """

    @property
    def files(self) -> Sequence[str]: ...

    @property
    def single(self) -> str | None: ...

    def shown(self, path: str) -> str:
        """Return a path as users are told it: below the folder."""
        ...

    def open(self, path: str) -> RangedFile:
        """Return the file at a whole path. Raises: ArtifactNotFoundError."""
        ...

    def beside(self, path: str) -> RangedFile:
        """Return a file that another one names. Raises: as `open`, and ContentError: it is a link."""
        ...


class Tensors(Listing[TensorInfo]):
    """The tensors of a file or folder: a list of `TensorInfo`, shown as a table.

    Attributes:
        metadata: What else the headers say, by file: of safetensors `__metadata__`, of ONNX who made it.
        unreadable: Why a file in the folder was left out, by path; where one file was asked for, that is an error.
    """

    def __init__(
        self,
        tensors: Sequence[TensorInfo] = (),
        metadata: Mapping[str, Mapping[str, str]] | None = None,
        unreadable: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(tensors)
        self.metadata = dict(metadata or {})
        self.unreadable = dict(unreadable or {})


@dataclass(frozen=True, slots=True)
class Heads:
    """What the files of a folder say of their tensors."""

    tensors: Sequence[Stored]
    metadata: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> Tensors:
        """Return it as users see it."""
        return Tensors([tensor.info for tensor in self.tensors], self.metadata, self.unreadable)


def may_have_tensors(path: str) -> bool:
    """Return whether a file of this name may have tensors that can be listed."""
    return _reader(path) is not None or path.lower().endswith(_INDEX)


def read_heads(folder: Folder) -> Heads:
    """Return the tensors of a folder, or of one file.

    Raises:
        ContentError: It is one file, and none with tensors that can be read; or there are too many.

    Cost: the headers of all files that have tensors, side by side.
    """
    if (single := folder.single) is not None:
        paths = _indexed(folder, single) if single.lower().endswith(_INDEX) else [single]
        return _joined(folder, paths, side_by_side(lambda path: _read(folder, path), paths))
    paths = sorted(filter(_reader, folder.files), key=sort_key)
    if len(paths) > _MAX_FILES:
        raise ContentError(folder.shown(""), "a model", f"it has {len(paths):,} files of tensors")
    return _joined(folder, paths, side_by_side(lambda path: _tried(folder, path), paths))


def list_tensors_of(file: RangedFile) -> Tensors:
    """Return the tensors of one open file, whose name says what it is; of files that it names nothing is read.

    Raises:
        ContentError: It is none with tensors that can be read, or its numbers are in another file.
    """

    def beside(path: str) -> RangedFile:
        raise ContentError(path, "a file of tensors", "it is another file, which was not asked for")

    if (reader := _reader(file.path)) is None:
        raise ContentError(file.path, _WHAT, "its name has another ending")
    header = reader(file, beside)
    return Tensors([tensor.info for tensor in header.tensors], {"": header.metadata} if header.metadata else {})


def _read(folder: Folder, path: str) -> Header:
    if (reader := _reader(path)) is None:
        raise ContentError(path, _WHAT, "its name has another ending")
    return reader(folder.open(path), folder.beside)


def _tried(folder: Folder, path: str) -> Header | str | None:
    """Return what a file of a folder says; as a text why it cannot be read; None if it is something else."""
    try:
        if path.lower().endswith(_PERHAPS) and not is_checkpoint(folder.open(path)):
            return None
        return _read(folder, path)
    except ContentError as error:
        return error.reason


def _joined(folder: Folder, paths: Sequence[str], found: Sequence[Header | str | None]) -> Heads:
    tensors: list[Stored] = []
    metadata: dict[str, Mapping[str, str]] = {}
    unreadable: dict[str, str] = {}
    for path, header in zip(map(folder.shown, paths), found, strict=True):
        if isinstance(header, Header):
            tensors += [replace(tensor, file=path) for tensor in header.tensors]
            metadata.update({path: header.metadata} if header.metadata else {})
        elif header is not None:
            unreadable[path] = header
    if len(tensors) > _MAX_ALL:
        raise ContentError(folder.shown(""), "a model", f"it has {len(tensors):,} tensors, more than {_MAX_ALL:,}")
    return Heads(tensors, metadata, unreadable)


def _indexed(folder: Folder, path: str) -> list[str]:
    """Return the files that an index names, which are below its folder."""
    file, what, above = folder.open(path), "an index of tensors", path.rpartition("/")[0]
    if file.size > _MAX_INDEX:
        raise ContentError(path, what, f"it has {file.size:,} bytes, more than {_MAX_INDEX:,}")
    try:
        told: Any = json.loads(file.read_ranges([(0, file.size)])[0])
        files = sorted({str(name) for name in told["weight_map"].values()}, key=sort_key)
    except (ValueError, RecursionError, LookupError, TypeError, AttributeError) as error:
        raise ContentError(path, what, "it has no weight_map of names and files") from error
    if len(files) > _MAX_FILES:
        raise ContentError(path, what, f"it names {len(files):,} files")
    try:
        return [check_path(f"{above}/{name}" if above else name) for name in files]
    except InvalidPathError as error:
        raise ContentError(path, what, f"it names a file that is not beside it: {error}") from error


def _reader(path: str) -> Callable[..., Header] | None:
    name = path.lower()
    return next((reader for ending, reader in _READERS.items() if name.endswith(ending)), None)
