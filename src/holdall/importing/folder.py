"""Folders of files, each as a run."""

from __future__ import annotations

from pathlib import Path

from holdall.errors import InvalidURIError, UnsupportedFileError
from holdall.format.layout import DESCRIPTOR
from holdall.importing.bringing import Bringer
from holdall.importing.found import FileSet, FoundExperiment, FoundRun
from holdall.importing.planned import Planned
from holdall.store import Store
from holdall.trees.source import local_items


def plan_folder(store: Store, folder: Path, experiment: str | None, *, each: bool, versioned: bool) -> Planned:
    """Return what an import of a folder would bring. Args, raises: as `holdall.importing.from_folder`."""
    top = existing(folder)
    places = sorted(place for place in top.iterdir() if place.is_dir()) if each else [top]
    name = experiment or (top.name if each else None) or "Default"
    runs = [_found(place, name, versioned=versioned) for place in places]
    return Planned(Bringer(store, str(top)), runs, [FoundExperiment(name)])


def existing(folder: Path) -> Path:
    """Return a folder's absolute path. Raises: InvalidURIError: There is none."""
    if not folder.is_dir():
        raise InvalidURIError(str(folder), "there is no such folder").advised(
            "give a folder; what is relative begins at the current one"
        )
    return folder.absolute()


def _found(place: Path, experiment: str, *, versioned: bool) -> FoundRun:
    if (place / DESCRIPTOR).exists():
        raise UnsupportedFileError(str(place), "it is a holdall store: `holdall store copy` brings what it holds")
    items = local_items(place, "", links="follow")
    files = {item.path: Path(item.local) for item in items if item.local is not None}
    began = int(place.stat().st_mtime * 1000)
    return FoundRun(
        key=f"folder:{place.resolve()}",
        source_id=str(place),
        experiment=experiment,
        name=place.name or str(place),
        start_time=began,
        end_time=began,
        folder=FileSet(files),
        state=str(max((file.stat().st_mtime_ns for file in files.values()), default=0)),
        versioned=versioned,
    )
