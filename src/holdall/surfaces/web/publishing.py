"""An export into a folder, which is its own: nothing else is overwritten there, and nothing is written through a link.

The folder itself may be a link: its user named it. What is in it may have come from anybody, as from a repository.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from holdall.errors import InvalidArgumentError
from holdall.sizes import format_size
from holdall.store import Store
from holdall.surfaces.web.app import SUBJECTS
from holdall.surfaces.web.exporting import Export, export_of, scope_of

_MARK: Final = ".holdall-export"
_FOLDERS: Final = ("static", "static/vendor")
_OWN: Final = re.compile(r"(index|help|left-out|[a-z-]+-[0-9a-f]{16,32})\.(html|json|png|jpe?g|gif|webp)", re.ASCII)


def publish(
    store: Store, folder: Path, *, experiment: str | None, run: str | None, dry_run: bool, say: Callable[[str], Any]
) -> int:
    """Export into a folder that is empty, new, or an export. Return 0.

    Raises:
        InvalidArgumentError: There is something else in it, or a link instead of a folder; nothing was written.
        NotFoundError: There is no such experiment or run.
    """
    _check(folder)
    pages = {name: draw for subject in SUBJECTS for name, draw in subject.PAGES.items()}
    export = export_of(store, scope_of(store, experiment, run), pages)
    say(f"{len(export.files)} files, {format_size(export.size)}, for {folder}")
    for said in export.left_out[:20]:
        say(f"left out: {said}")
    if len(export.left_out) > 20:
        say(f"left out: {len(export.left_out) - 20} more")
    if not dry_run:
        _write(export, folder)
        say(f"written: open {folder / 'index.html'} through any server of files")
    return 0


def _check(folder: Path) -> None:
    """Raise unless a folder may be written into."""
    try:
        there = [path.name for path in folder.iterdir()]
    except FileNotFoundError:
        return
    except NotADirectoryError:
        there = [folder.name]
    if there and _MARK not in there:
        raise InvalidArgumentError(f"{folder} holds something that is no export of pages: name an empty folder")
    if link := next((folder / inner for inner in _FOLDERS if (folder / inner).is_symlink()), None):
        raise InvalidArgumentError(f"{link} is a link, and an export is not written through one: remove it")


def _write(export: Export, folder: Path) -> None:
    (folder / _FOLDERS[-1]).mkdir(parents=True, exist_ok=True)
    if not os.path.lexists(folder / _MARK):
        (folder / _MARK).touch(exist_ok=False)
    for name, content in export.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        beside = path.with_name(f"{path.name}.{os.getpid()}.partial")
        beside.unlink(missing_ok=True)
        with beside.open("xb") as file:  # not what a link of this name leads to
            file.write(content)
        beside.replace(path)  # of a link it replaces the link
    for path in folder.iterdir():
        if _OWN.fullmatch(path.name) and path.name not in export.files and path.is_file():
            path.unlink()  # of an earlier export
