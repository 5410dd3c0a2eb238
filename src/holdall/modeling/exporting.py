"""A model's folder, written out for programs that know nothing of stores.

An archive has its files at its top, sorted, without owners, times and modes
but for the executable bit, so that equal models make equal archives. Until all
of it is there, it is called `<name>.partial`.
"""

from __future__ import annotations

import gzip
import os
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from holdall.errors import DestinationError
from holdall.modeling.saving import copy_local

_TARS: Final = (".tar", ".tar.gz", ".tgz")
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # where zip's time begins


def refuse_taken(target: Path) -> None:
    """Raise a DestinationError if something is there; an empty folder is nothing."""
    if os.path.lexists(target) and (_is_archive(target) or not target.is_dir() or any(target.iterdir())):
        raise DestinationError(str(target), "there is something here already")


def write_out(folder: Path, target: Path) -> int:
    """Write a folder's files to a target, whose name says as what. Returns: how many."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    if not _is_archive(target):
        copy_local(folder, target)
        return len(files)
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    try:
        with partial.open("wb") as stream:
            (_write_zip if target.name.endswith(".zip") else _write_tar)(folder, files, stream, target)
        partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)
    return len(files)


def _is_archive(target: Path) -> bool:
    return target.name.endswith((*_TARS, ".zip"))


def _write_tar(folder: Path, files: Sequence[Path], stream: BinaryIO, target: Path) -> None:
    if target.name.endswith(".tar"):
        _add_all(folder, files, stream)
        return
    with gzip.GzipFile("", "wb", compresslevel=6, fileobj=stream, mtime=0) as packed:
        _add_all(folder, files, packed)  # type: ignore[arg-type]  # it is read and written like one


def _add_all(folder: Path, files: Sequence[Path], stream: BinaryIO) -> None:
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for path in files:
            info = tarfile.TarInfo(path.relative_to(folder).as_posix())
            info.size, info.mode = path.stat().st_size, _mode(path)
            with path.open("rb") as content:
                archive.addfile(info, content)


def _write_zip(folder: Path, files: Sequence[Path], stream: BinaryIO, _: Path) -> None:
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            info = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _EPOCH)
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, _mode(path) << 16
            with path.open("rb") as content, archive.open(info, "w", force_zip64=path.stat().st_size >= 1 << 31) as out:
                while block := content.read(1 << 20):
                    out.write(block)


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644
