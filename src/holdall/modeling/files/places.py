"""Where a model's files lie: what its MLmodel file names, held inside of its folder.

An MLmodel file may be written by anyone, and so may the links that lie beside it. Code that opens
what it names asks `within` for the place, and code that only lists it asks `named`; there
is no other way from a name in an MLmodel file to a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any, Final

from holdall.errors import ContentError, InvalidPathError
from holdall.format.paths import check_path
from holdall.modeling.model import FILE, Model

_NAMING: Final = {
    "pickled_model", "model_path", "model_data", "data", "code", "python_model", "path", "model_binary",
    "saved_model_dir", "artifact_path", "serving_input_path", "env", "conda", "virtualenv",
}  # fmt: skip
_HOLDING: Final = {"artifacts", "extra_files", "env"}  # what has such names one level down
_ELSEWHERE: Final = re.compile(r"[A-Za-z]:|[A-Za-z][A-Za-z0-9+.-]*:/")  # a drive, or an address


def named(given: object, where: object = FILE) -> str:
    """Return what a name in an MLmodel file means, as a path below the model's folder; "." is the folder itself.

    Raises:
        ContentError: It is absolute, an address, has a drive or a backslash, or leads upwards. `where` is named then.
    """
    text = given if isinstance(given, str) else ""
    path = PurePosixPath(text).as_posix() if text else ""
    try:
        if not _ELSEWHERE.match(text):
            return path if path == "." else check_path(path)
    except InvalidPathError:
        pass
    raise ContentError(str(where), "an MLmodel file", f"{given!r} leads out of the model's folder")


def within(folder: Path, given: object) -> Path:
    """Return the place of what an MLmodel file names.

    Raises:
        ContentError: As `named`; or a link on the way leads out of the folder.
    """
    place = folder / named(given, folder / FILE)
    if not _stays(place, folder):
        raise ContentError(str(folder), "a model", f"a link at {given!r} leads out of the model's folder")
    return place


def code_file(given: object) -> str:
    """Return the file of a model that is code: MLflow keeps it at the top, and names the place that it came from."""
    return named(PureWindowsPath(str(given)).name)


def check_names(model: Model, where: object) -> Model:
    """Return the model as it is, if nothing that its MLmodel file names is elsewhere. Raises: ContentError."""
    for given in (*model.flavors.values(), model.saved_input_example_info):
        for name in _names(given):
            named(name, where)
    return model


def refuse_missing(flavors: Mapping[str, Mapping[str, Any]], folder: Path) -> None:
    """Refuse to log a model of which something that its MLmodel file will name is not in the folder.

    Raises:
        ValueError: There is nothing there.
    """
    for flavor, given in flavors.items():
        for name in _names(given):
            if not within(folder, name).exists():
                raise ValueError(
                    f"flavor {flavor} names {name!r}, which it did not write: it could not be loaded again"
                )


def check_links(folder: Path) -> None:
    """Refuse a folder with links that lead out of it: what lies there is neither the model's nor in its digest.

    Raises:
        ContentError: It has one.
    """
    for place in folder.rglob("*"):
        if place.is_symlink() and not _stays(place, folder):
            at = place.relative_to(folder).as_posix()
            raise ContentError(str(folder), "a model", f"a link at {at!r} leads out of the model's folder")


def _stays(place: Path, folder: Path) -> bool:
    try:
        return place.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # links in a circle
        return False


def _names(given: Any) -> Iterator[object]:
    """Yield what a part of an MLmodel file names, as far as any flavor is known to."""
    for key, value in given.items() if isinstance(given, Mapping) else ():
        if key in _NAMING and isinstance(value, str):
            yield value
        elif key == "components" and isinstance(value, list):
            yield from (f"{key}/{each}" for each in value)  # as its reader has it
        elif key in _HOLDING:
            within = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
            yield from _names(value)
            for each in within:
                yield from _names(each)
