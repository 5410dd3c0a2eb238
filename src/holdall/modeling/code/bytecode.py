"""Imports from a model's folder, which leave it as it was and believe nothing but the source.

Python keeps what it compiles in `__pycache__` beside the source and believes
what it finds there. In a model's folder that would change the model's digest at
its first load; and a compiled file that was left would run in place of the
source that was looked at.
"""

from __future__ import annotations

import sys
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path
from typing import Any, Final

_folders: Final[set[str]] = set()


class SourceOnly(SourceFileLoader):
    """Compiles the source each time."""

    def path_stats(self, path: Any) -> Any:
        """Refuse: without the source's age nothing compiled is looked for, and none is left behind."""
        raise OSError(f"{path}: what is compiled of a model is not kept")


def import_from(folder: Path) -> None:
    """From now on, import what is in or below a folder by its source alone."""
    if not _folders:
        sys.path_hooks.insert(0, _finder)
    _folders.add(str(folder))
    for known in [place for place in sys.path_importer_cache if _is_ours(place)]:
        del sys.path_importer_cache[known]


def _is_ours(place: str) -> bool:
    return any(place == folder or place.startswith(folder + "/") for folder in _folders)


def _finder(place: str) -> FileFinder:
    if not _is_ours(place):
        raise ImportError(f"{place} is no model's folder")
    return FileFinder(place, (ExtensionFileLoader, EXTENSION_SUFFIXES), (SourceOnly, SOURCE_SUFFIXES))
