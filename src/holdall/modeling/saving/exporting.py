"""A model's folder, written out for programs that know nothing of stores.

An archive has its files at its top, sorted, without owners, times and modes
but for the executable bit, so that equal models make equal archives. Until all
of it is there, it has another name, which ends in `.partial`. No link in it
leads out of it.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

from holdall.errors import DestinationError, UnsupportedFileError
from holdall.format.tree import Kind
from holdall.modeling.files.copying import copy_local, items_of
from holdall.signing.folders import sign_folder
from holdall.signing.keys import SigningKey
from holdall.trees.destination import Destination, Place
from holdall.trees.partial_file import written
from holdall.trees.source import Item

_TARS: Final = (".tar", ".tar.gz", ".tgz")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # where zip's time begins


def refuse_taken(target: Path) -> None:
    """Raise a DestinationError if something is there; an empty folder is nothing."""
    if os.path.lexists(target) and (_is_archive(target) or not target.is_dir() or any(target.iterdir())):
        raise DestinationError(str(target), "there is something here already")


def write_out(folder: Path, target: Path) -> int:
    """Write a folder's files to a target, whose name says as what. Returns: how many, links to files among them.

    A link that stays inside is one in a folder and in a tar; a zip, whose readers mostly know no links, has the
    content of the file that it leads to.

    Raises:
        UnsupportedFileError: A link leads out of the folder; in a zip, a link leads to no file.
        DestinationError: The target does not take it.
    """
    with _hinted():
        items = list(items_of(folder))
        if not _is_archive(target):
            copy_local(folder, target)
        else:
            _write_archive(folder, items, target)
    return sum(item.kind is not Kind.DIRECTORY and (folder / item.path).is_file() for item in items)


def write_signed(folder: Path, target: Path, key: SigningKey) -> int:
    """Do as `write_out`, with a `model.sig` beside the files; the folder stays as it is.

    Raises:
        SigningKeyError: The key is of a kind that model signing does not know, or does not sign.
        FormatError: The model has a `model.sig` already.
    """
    name = target.name.removesuffix(next((end for end in (*_TARS, ".zip") if target.name.endswith(end)), ""))
    with tempfile.TemporaryDirectory(prefix="holdall-") as copy:
        copy_local(folder, Path(copy))
        sign_folder(Path(copy), key, name)
        return write_out(Path(copy), target)


def _write_archive(folder: Path, items: Sequence[Item], target: Path) -> None:
    with Destination(target.parent) as below, written(Place(below, target.name)) as stream:
        (_write_zip if target.name.endswith(".zip") else _write_tar)(folder, items, stream, target)


@contextmanager
def _hinted() -> Iterator[None]:
    try:
        yield
    except UnsupportedFileError as error:
        nothing = "nothing was exported; fetch the whole run instead, with"
        error.hint = f"{nothing} holdall.artifacts.download_artifacts(run_id=...)"
        error.shell_hint = f"{nothing} `holdall artifact get runs:/RUN_ID`"
        raise


def _is_archive(target: Path) -> bool:
    return target.name.endswith((*_TARS, ".zip"))


def _write_tar(folder: Path, items: Sequence[Item], stream: BinaryIO, target: Path) -> None:
    if target.name.endswith(".tar"):
        _add_all(folder, items, stream)
        return
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=stream, mtime=0) as packed:
        _add_all(folder, items, packed)  # type: ignore[arg-type]  # it is read and written like one


def _add_all(folder: Path, items: Sequence[Item], stream: BinaryIO) -> None:
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for item in items:
            info = tarfile.TarInfo(item.path)
            if item.kind is Kind.FILE:
                info.size, info.mode = item.size, _mode(item.executable)
                with (folder / item.path).open("rb") as content:
                    archive.addfile(info, content)
            else:
                info.type = tarfile.SYMTYPE if item.kind is Kind.LINK else tarfile.DIRTYPE
                info.linkname, info.mode = item.target, 0o777 if item.kind is Kind.LINK else 0o755
                archive.addfile(info)


def _write_zip(folder: Path, items: Sequence[Item], stream: BinaryIO, _: Path) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for item in items:
            if item.kind is Kind.DIRECTORY:
                archive.writestr(zipfile.ZipInfo(f"{item.path}/", _EPOCH), b"")
                continue
            source = _followed(folder, item)
            info = zipfile.ZipInfo(item.path, _EPOCH)
            found = source.stat()
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, _mode(found.st_mode & 0o100) << 16
            with source.open("rb") as content, archive.open(info, "w", force_zip64=found.st_size >= 1 << 31) as out:
                while block := content.read(1 << 20):
                    out.write(block)


def _followed(folder: Path, item: Item) -> Path:
    """Return the file that an item is, or that its link leads to, inside the folder as no link leads out of it."""
    place = folder / item.path
    if item.kind is Kind.LINK and not place.is_file():
        raise UnsupportedFileError(str(place), "a zip cannot hold a link to a folder or to nothing; export a .tar")
    return place


def _mode(executable: int) -> int:
    return 0o755 if executable else 0o644
