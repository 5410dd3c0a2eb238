"""A model looked at without loading it: what it says of itself, what it needs, what it would run.

The pickles are scanned by picklescan, which reads their opcodes and runs none.
A scan is a look, not a proof: what it calls dangerous is, what it does not know
may be anything, and there are ways to hide. Who must be sure keeps formats that
run no code, or trusts by digest (`trust`).
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, BinaryIO, Final

from holdall.errors import ArtifactNotFoundError, MissingLibraryError, UnknownFlavorError
from holdall.libraries import library
from holdall.modeling.flavor import PYFUNC
from holdall.modeling.flavor_registry import flavor_named
from holdall.modeling.loading.loader import code_run_by, predicting_flavor
from holdall.modeling.model import FILE, Model
from holdall.modeling.saving.requirements import REQUIREMENTS

_KNOWN: Final = {"innocuous": "known", "suspicious": "unknown", "dangerous": "dangerous"}
_ZIP: Final = b"PK\x03\x04"
_OF_TORCH: Final = (".bin", ".pt", ".pth", ".ckpt")
_ABSENT: Final = (ArtifactNotFoundError, FileNotFoundError, IsADirectoryError, NotADirectoryError)


@dataclass(frozen=True, slots=True)
class Import:
    """Something that a pickle imports when it is loaded.

    Attributes:
        name: Its module and its own name, `sklearn.tree._tree.Tree`.
        verdict: "known" to be harmless, "dangerous", or "unknown".
    """

    name: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """What can be known of a model without loading it.

    Attributes:
        model: What its MLmodel file says.
        digest: `sha256:` of the manifest of its folder, as `HOLDALL_TRUSTED` lists it.
        requirements: The lines of its requirements.txt.
        runs_code: What of it can run code when it is loaded; nothing: it loads under every policy.
        imports: What those of these that are pickles import; None where picklescan is not installed.
        unread: Those that the scan could not follow to their end, or that were too large to be read.
    """

    model: Model
    digest: str
    requirements: list[str]
    runs_code: list[str]
    imports: dict[str, list[Import]] | None
    unread: list[str]


def inspect_files(
    model: Model, digest: str, open_file: Callable[[str], BinaryIO], most: int | None = None
) -> Inspection:
    """Look at a model. `open_file` opens a file of its folder; `most`: bytes of pickles that are read at most."""
    lines: list[str] = []
    with suppress(*_ABSENT), open_file(REQUIREMENTS) as file:
        lines = [line for each in file.read().decode(errors="replace").splitlines() if (line := each.strip())]
    files, unread = code_files(model), list[str]()
    try:
        library("picklescan", "scanning pickles", "picklescan")
        imports = dict(_scanned(files, open_file, unread, most))
    except MissingLibraryError:
        return Inspection(model, digest, lines, files, None, unread)
    return Inspection(model, digest, lines, files, imports, unread)


def imports_in(file: BinaryIO, name: str) -> tuple[list[Import], bool]:
    """Return what a pickle imports when it is loaded, and whether the scan followed it to its end.

    Raises: MissingLibraryError: picklescan is not installed.
    """
    scanner: Any = library("picklescan.scanner", "scanning pickles", "picklescan")
    result = scanner.scan_pickle_bytes(file, name, multiple_pickles=False)
    verdicts = {f"{each.module}.{each.name}": _KNOWN[each.safety.value] for each in result.globals}
    return [Import(word, verdicts[word]) for word in sorted(verdicts)], not result.scan_err


def code_files(model: Model) -> list[str]:
    """Return what of a model can run code when it is loaded, by whichever of its flavors."""
    found: list[str] = []
    for name in model.flavors:
        try:
            flavor = predicting_flavor(model, name) if name == PYFUNC else flavor_named(name)
            found += code_run_by(flavor, model)
        except UnknownFlavorError:
            found.append(f"what flavor {name} reads")
    return list(dict.fromkeys(found))


def _scanned(
    files: Sequence[str], open_file: Callable[[str], BinaryIO], unread: list[str], most: int | None
) -> list[tuple[str, list[Import]]]:
    scanner: Any = library("picklescan.scanner", "scanning pickles", "picklescan")
    found = []
    for name in files:
        with suppress(*_ABSENT), open_file(name) as file:
            if name == FILE:  # it is no pickle, but says what else is loaded
                continue
            if most is not None and (most := most - _size(file)) < 0:
                unread.append(name)
                continue
            result = _scan(scanner, file, name)
            verdicts = {f"{each.module}.{each.name}": _KNOWN[each.safety.value] for each in result.globals}
            found.append((name, [Import(word, verdicts[word]) for word in sorted(verdicts)]))
            if result.scan_err:
                unread.append(name)
    return found


def _size(file: BinaryIO) -> int:
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    return size


def _scan(scanner: Any, file: BinaryIO, name: str) -> Any:
    """Return what a file has for those who load it: they look at its first bytes, not at its name or its end."""
    is_zip = file.read(len(_ZIP)) == _ZIP
    file.seek(0)
    if is_zip:
        return scanner.scan_zip_bytes(file, name)
    result = scanner.scan_pickle_bytes(file, name, multiple_pickles=False)
    if (suffix := PurePosixPath(name).suffix) in _OF_TORCH:  # of old, several pickles and raw numbers after them
        file.seek(0)
        result.merge(scanner.scan_bytes(file, name, suffix))
    return result
